"""The plugins that a run needs: packages that its recipe requires, and files, which it keeps."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from rmr1_core import Recipe, Ref, recipes, runs, train
from rmr1_core.cli import run_command
from rmr1_core.discovery import plugins
from rmr1_core.errors import BadInput, MissingPackage, UnknownName, UsageError
from rmr1_core.lookup import resolve

REWARD = """
from rmr1_core import RewardFunction, hookimpl

class Pays(RewardFunction, frozen=True):
    def __call__(self, judgment, label):
        return {score}

@hookimpl
def rmr1_rewards():
    return [Pays(name="pays", summary="always the same")]
"""
BENCHMARK = """
from installed_sample import SampleBenchmark
from rmr1_core import hookimpl

@hookimpl
def rmr1_benchmarks():
    return [SampleBenchmark(name="mine-one", summary="twelve pairs")]
"""


@pytest.fixture(autouse=True)
def place(sample: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The present folder, with a plugin in a file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RMR1_PLUGINS", "")
    monkeypatch.setattr("rmr1_core.curves.draw", lambda *_: None)
    (tmp_path / "mine.py").write_text(REWARD.format(score=0.25))
    return tmp_path


def recipe(*, reward: str = "pays", **fields: tuple[str, ...]) -> Recipe:
    """The sample's recipe, as it is read from a file with these fields."""
    changed = msgspec.structs.replace(
        recipes.choose("sample"), reward=Ref(name=reward), benchmarks=(), **fields
    )
    Path("recipe.toml").write_text(recipes.encode(changed))
    return recipes.read(Path("recipe.toml"))


def begin_anew() -> None:
    """As another process would."""
    os.environ["RMR1_PLUGINS"] = ""
    plugins.cache_clear()


def test_a_run_keeps_a_copy_of_the_files_that_its_recipe_names(place: Path) -> None:
    folder = train.start(place / "runs", recipe(plugins=("mine.py",)))
    copy = folder / "plugins" / "mine.py"
    assert copy.read_text() == REWARD.format(score=0.25)
    (kept,) = runs.read_record(folder).plugins
    assert (kept.name, kept.path) == ("mine", str(place / "mine.py"))
    assert len(kept.sha256) == 64
    assert os.environ["RMR1_PLUGINS"] == str(copy)
    assert f"RMR1_PLUGINS={copy}" in (folder / "stages" / "first" / "run.sh").read_text()
    begin_anew()
    again = recipes.choose(str(folder / "recipe.toml"))
    assert again.plugins == (str(copy),)
    train.resolved(again)
    assert resolve("reward", "pays").name == "pays"


def test_a_run_goes_on_with_its_copy_and_says_that_the_file_has_changed(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = train.start(place / "runs", recipe(plugins=("mine.py",)))
    begin_anew()
    (place / "mine.py").write_text(REWARD.format(score=0.75))
    plugins().load_file(place / "mine.py")
    train.pipelines(folder)
    assert resolve("reward", "pays")(None, None) == 0.25
    copy = folder / "plugins" / "mine.py"
    assert os.environ["RMR1_PLUGINS"] == str(copy)
    assert capsys.readouterr().err == (
        "warning: plugin 'mine' has changed since the run began; it goes on with its copy, "
        f"{copy}; use the new one in a new run\n"
    )
    train.pipelines(folder)
    assert capsys.readouterr().err == ""


def test_a_run_needs_the_file_no_more(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = train.start(place / "runs", recipe(plugins=("mine.py",)))
    begin_anew()
    (place / "mine.py").unlink()
    train.pipelines(folder)
    assert resolve("reward", "pays")(None, None) == 0.25
    assert capsys.readouterr().err == ""


def test_a_copy_that_somebody_changed_is_refused(place: Path) -> None:
    folder = train.start(place / "runs", recipe(plugins=("mine.py",)))
    begin_anew()
    (folder / "plugins" / "mine.py").write_text(REWARD.format(score=0.75))
    with pytest.raises(BadInput, match="not the plugin that the run began with"):
        train.pipelines(folder)


def test_a_recipes_file_that_is_not_there_leaves_no_run(place: Path) -> None:
    with pytest.raises(BadInput, match=r"gone\.py: this plugin cannot be read"):
        train.start(place / "runs", recipe(plugins=("gone.py",)))
    assert not (place / "runs").exists()


def test_stored_judgments_are_scored_again_with_the_runs_copy(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "mine.py").write_text(BENCHMARK)
    bench = ["bench", "mine-one", "--backbone", "nobody", "--engine", "scripted", "--limit", "4"]
    assert run_command(["--plugin", "mine.py", *bench]) == 0
    (place / "mine.py").unlink()
    capsys.readouterr()
    assert run_command(["list", "benchmarks"]) == 0
    assert "mine-one" not in capsys.readouterr().out
    assert run_command(["runs", "rescore", "last"]) == 0
    assert "mine-one" in capsys.readouterr().out
    assert run_command(["bench", "--resume", "last"]) == 0


@pytest.mark.parametrize(
    ("line", "error", "sentence"),
    [
        (
            "rmr1-foo>=1",
            MissingPackage,
            (
                "recipe 'sample' needs the package 'rmr1-foo>=1'; install it with: "
                "rmr1 install 'rmr1-foo>=1'"
            ),
        ),
        (
            "installed-sample>=2",
            UsageError,
            (
                "recipe 'sample' needs installed-sample>=2, and 1.0 is installed; change that "
                "with: rmr1 install 'installed-sample>=2'"
            ),
        ),
        (
            "a b",
            UsageError,
            (
                "recipe 'sample', field 'requires': 'a b' names no package; write it as in "
                "requires = ['rmr1-units>=1.0']"
            ),
        ),
    ],
)
def test_a_missing_package_is_named_before_anything_starts(
    place: Path, line: str, error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error) as raised:
        train.start(place / "runs", recipe(reward="fixed", requires=(line,)))
    assert str(raised.value) == sentence
    assert not (place / "runs").exists()


def test_a_runs_recipe_names_the_packages_of_its_components(
    place: Path, install_plugin: Callable[..., None]
) -> None:
    install_plugin("payer", REWARD.format(score=1.0), version="2.5")
    folder = train.start(place / "runs", recipe(requires=("installed_sample>=0.5",)))
    written = recipes.read(folder / "recipe.toml").requires
    assert written == ("installed_sample>=0.5", "installed_payer>=2.5")
    assert runs.read_record(folder).recipe == train.resolved(recipe(requires=written[:1]))


def test_an_unknown_name_says_which_plugin_may_have_it(
    install_plugin: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RMR1_DISABLE_PLUGINS", "quiet")
    install_plugin("quiet", REWARD.format(score=1.0))
    for name, words in {
        "quiet/pays": "plugin 'quiet' is switched off by RMR1_DISABLE_PLUGINS",
        "absent/pays": "no plugin 'absent' is installed; install its package with: rmr1 install",
    }.items():
        with pytest.raises(UnknownName, match=words):
            resolve("reward", name)
    install_plugin("torn", "import not_there")
    with pytest.raises(UnknownName, match="plugin 'torn' is broken, and may have it; see: rmr1"):
        resolve("reward", "pays")
