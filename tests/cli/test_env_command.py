from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from environments import ADOPT, NAME, Place, place

from rmr1_core import environments

__all__ = ["place"]

Cli = Callable[..., Any]
BENCH = ("bench", "sample-one", "--backbone", "nobody", "--engine", "away")


@pytest.fixture
def env(cli: Cli, place: Place, install_plugin: Callable[..., None]) -> Cli:
    """The command line, with a plugin that offers a small environment and an engine in it."""
    install_plugin("small", place.plugin())
    return cli


def own(cli: Cli) -> list[dict[str, Any]]:
    return [line for line in cli("env", "list", "--json").json if line["name"] == NAME]


def test_one_is_listed_before_and_after_it_is_built(env: Cli) -> None:
    assert [(line["variant"], line["state"]) for line in own(env)] == [("cpu", "missing")]
    done = env("env", "create", NAME)
    assert done.code == 0
    (line,) = own(env)
    assert line["state"] == "ready"
    assert done.out.startswith(f"built {NAME} ({line['label']}, ")
    assert line["path"] in done.out
    shown = env("env", "list").out
    assert "ready" in shown
    assert line["label"] in shown


def test_creating_says_when_there_is_nothing_to_do(env: Cli, place: Place) -> None:
    first = env("env", "create", NAME, "--json").json
    second = env("env", "create", NAME, "--json").json
    assert (first["built"], second["built"]) == (True, False)
    assert first["folder"] == second["folder"]
    assert first["record"] == second["record"]
    assert env("env", "create", NAME).out.startswith(f"{NAME} (cpu) is there already, in ")
    assert env("env", "create", NAME, "--force").out.startswith(f"built {NAME} ")


def test_a_long_step_is_named(env: Cli) -> None:
    assert f"environment {NAME} (cpu): installing 1 packages" in env("env", "create", NAME).err


def test_a_dry_run_prints_the_commands_and_builds_nothing(env: Cli, place: Place) -> None:
    done = env("env", "create", NAME, "--dry-run")
    assert done.code == 0
    lines = [line for line in done.out.splitlines() if not line.startswith("#")]
    assert len(lines) == 3
    assert "uv venv" in lines[0]
    assert f"--no-deps --require-hashes --requirements {place.lock}" in lines[1]
    assert lines[1].startswith(f"UV_FIND_LINKS={place.wheels} ")
    assert lines[2].endswith("-c 'import smallish'")
    assert not place.root.exists()
    steps = env("env", "create", NAME, "--dry-run", "--json").json["steps"]
    assert [step["words"] for step in steps][1] == "installing 1 packages"


def test_a_failed_build_is_one_sentence_with_its_log(env: Cli, place: Place) -> None:
    place.offer("import nothing_of_this_name\n")
    done = env("env", "create", NAME)
    assert done.code == 1
    *_, error = done.err.splitlines()
    assert error.startswith("error: environment small-one (cpu): importing smallish failed: Module")
    assert Path(error.rpartition(" ")[2]).is_file()


def test_showing_says_what_it_is_made_from(env: Cli, place: Place) -> None:
    before = env("env", "show", NAME, "--json").json
    assert (before["state"], before["record"]) == ("missing", None)
    assert before["requires"] == ["smallish==1.0"]
    assert before["adopt"] == f"{ADOPT}=/path/to/python"
    env("env", "create", NAME)
    after = env("env", "show", NAME, "--json").json
    assert after["state"] == "ready"
    assert after["record"]["module"] == "smallish 1.0"
    shown = env("env", "show", NAME).out
    assert "smallish 1.0" in shown
    assert "SMALL=yes" in shown


def test_removing_takes_what_was_built_and_nothing_else(env: Cli, place: Place) -> None:
    env("env", "create", NAME)
    path = Path(own(env)[0]["path"])
    done = env("env", "remove", NAME)
    assert done.out.startswith(f"removed {path} (")
    assert not path.exists()
    assert [line["state"] for line in own(env)] == ["missing"]
    assert env("env", "remove", NAME).out == f"there is nothing of {NAME} to remove\n"


def test_only_those_of_older_locks_are_removed_when_asked(env: Cli, place: Place) -> None:
    env("env", "create", NAME)
    place.offer("VALUE = 2\n", version="2.0")
    told = env("env", "create", NAME).out
    assert f"MB of older locks can go with: rmr1 env remove {NAME} --outdated" in told
    assert sorted(line["state"] for line in own(env)) == ["outdated", "ready"]
    (removed,) = env("env", "remove", NAME, "--outdated", "--json").json
    assert removed["state"] == "outdated"
    assert [line["state"] for line in own(env)] == ["ready"]


def test_one_of_a_plugin_that_is_gone_is_listed_and_removed(
    env: Cli, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rmr1_core.discovery import plugins

    env("env", "create", NAME)
    monkeypatch.setenv("RMR1_DISABLE_PLUGINS", "small")
    plugins.cache_clear()
    assert [line["state"] for line in own(env)] == ["stray"]
    assert env("env", "remove", NAME).code == 0
    assert own(env) == []


def test_an_adopted_one_is_listed_and_kept(
    env: Cli, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    env("env", "create", NAME)
    mine = Path(own(env)[0]["path"]).rename(place.folder / "mine")
    monkeypatch.setenv(ADOPT, str(mine / "bin" / "python"))
    (line,) = own(env)
    assert (line["state"], line["path"]) == ("adopted", str(mine / "bin" / "python"))
    done = env("env", "remove", NAME)
    assert done.out == f"{ADOPT} still names a Python of yours, which is kept\n"
    assert mine.exists()


def test_a_lock_is_written_again(env: Cli, place: Place) -> None:
    made = place.lock.read_text()
    place.lock.write_text("")
    assert env("env", "lock", NAME).out == f"wrote {place.lock}\n"
    assert place.lock.read_text() == made


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (("create", "small-on"), "no environment named 'small-on'; did you mean 'small-one'?"),
        (("show", "small-on"), "no environment named 'small-on'; did you mean 'small-one'?"),
        (("remove", "small-on"), "no environment named 'small-on'; did you mean 'small-one'?"),
        (("create", NAME, "--variant", "tpu"), "has no variant 'tpu'; it has cpu; choose one with"),
        (("creat", NAME), "no command named 'creat'; did you mean 'create'?"),
    ],
)
def test_what_is_mistyped_is_guessed(env: Cli, args: tuple[str, ...], error: str) -> None:
    done = env("env", *args)
    assert done.code == 2
    assert error in done.err


def test_the_shell_completes_names(env: Cli) -> None:
    from rmr1_core.cli.options import ComponentName

    items = ComponentName("environment").shell_complete(None, None, "sma")  # type: ignore[arg-type]
    assert [(item.value, item.help) for item in items] == [(NAME, "a module with a value")]


# in runs


def test_a_run_without_its_environment_does_not_begin(env: Cli, tmp_path: Path) -> None:
    data = tmp_path / "data.jsonl"
    data.write_text("this is no JSON, and nobody gets to see it\n")
    done = env(*BENCH, "--data", str(data))
    assert done.code == 2
    assert done.err == (
        f"error: environment {NAME!r} (cpu) is not built; make it with: rmr1 env create {NAME}\n"
    )
    assert not Path("runs").exists()


def test_a_dry_run_needs_no_environment(env: Cli) -> None:
    assert env(*BENCH, "--dry-run").code == 0


def record_of(cli: Cli) -> dict[str, Any]:
    found: dict[str, Any] = cli("runs", "show", "last", "--json").json["record"]
    return found


def test_a_run_records_the_environment_that_it_used(env: Cli) -> None:
    env("env", "create", NAME)
    assert env(*BENCH).code == 0
    label = own(env)[0]["label"]
    assert record_of(env)["environments"] == {NAME: label}
    assert f"{NAME}: {label}" in env("runs", "show", "last").out


def test_a_run_without_environments_records_none(env: Cli) -> None:
    assert env("bench", "sample-one", "--backbone", "nobody", "--engine", "scripted").code == 0
    assert record_of(env)["environments"] == {}


def test_going_on_needs_the_environment_too(env: Cli) -> None:
    env("env", "create", NAME)
    assert env(*BENCH, "-o", "engine.crash_after=3").code == 1
    env("env", "remove", NAME)
    before = Path("runs").glob("*/run.json")
    texts = [path.read_text() for path in before]
    done = env("bench", "--resume", "last")
    assert done.code == 2
    assert done.err.endswith(f"make it with: rmr1 env create {NAME}\n")
    assert [path.read_text() for path in Path("runs").glob("*/run.json")] == texts


def test_going_on_in_another_environment_is_told_and_recorded(env: Cli, place: Place) -> None:
    env("env", "create", NAME)
    assert env(*BENCH, "-o", "engine.crash_after=3").code == 1
    old = own(env)[0]["label"]
    place.offer("VALUE = 2\n", version="2.0")
    env("env", "create", NAME)
    done = env("bench", "--resume", "last")
    new = record_of(env)["environments"][NAME]
    assert new != old
    assert f"warning: this run began with environment {NAME} {old}, now {new}" in done.err


def test_going_on_in_the_same_environment_is_not_worth_a_word(env: Cli) -> None:
    env("env", "create", NAME)
    assert env(*BENCH, "-o", "engine.crash_after=3").code == 1
    assert "warning" not in env("bench", "--resume", "last").err


def recipe(folder: Path) -> str:
    """The sample plugin's recipe, judged by the engine that is away."""
    import msgspec

    from rmr1_core import Ref, recipes
    from rmr1_core.lookup import resolve_recipe

    path = folder / "away.toml"
    whole = msgspec.structs.replace(resolve_recipe("sample"), engine=Ref(name="away"))
    path.write_text(recipes.encode(whole))
    return str(path)


def test_a_recipe_without_its_environment_does_not_begin(env: Cli, tmp_path: Path) -> None:
    done = env("run", "--recipe", recipe(tmp_path))
    assert done.code == 2
    assert f"make it with: rmr1 env create {NAME}" in done.err
    assert not Path("runs").exists()


def test_a_recipe_is_planned_without_it_and_run_with_it(env: Cli, tmp_path: Path) -> None:
    assert env("run", "--recipe", recipe(tmp_path), "--dry-run").code == 0
    done = env("run", "--resume", "last")
    assert done.code == 2
    assert json.loads(next(Path("runs").glob("*/run.json")).read_text())["status"] == "planned"
    env("env", "create", NAME)
    assert env("run", "--resume", "last").code == 0
    assert record_of(env)["environments"] == environments.labels([NAME])
