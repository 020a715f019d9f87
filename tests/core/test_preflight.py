"""What is looked at before a run, and what stops it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rmr1_core import Check, Recipe, recipes, train
from rmr1_core.cli import run_command
from rmr1_core.lookup import resolve_recipe
from rmr1_core.plan_words import abbreviated, check_rows, place, row_text, summary
from rmr1_core.preflight import Part, Preflight, disk_check, gather, is_due
from rmr1_core.tokens import SeenRow
from rmr1_core.values import Job, Step

CHECKED = """
import sys
from pathlib import Path

import msgspec

from rmr1_core import Check, RewardFunction, hookimpl

sys.path.insert(0, {tests!r})
import sample_plugin

STATE = Path({state!r})


class Checked(sample_plugin.Echo, frozen=True, kw_only=True):
    def checks(self, task):
        said = STATE.read_text() if STATE.exists() else "True"
        if said == "raise":
            raise KeyError("x")
        yield Check(name="memory", ok={{"True": True, "False": False}}[said], detail=task.model)


class Asking(RewardFunction, frozen=True, kw_only=True):
    def __call__(self, judgment, label):
        return 0.0

    def checks(self):
        yield Check(name="judge", ok=True, detail="is there")


@hookimpl
def rmr1_rewards():
    return [Asking(name="asking", summary="looks whether a judge is there")]


@hookimpl
def rmr1_trainers():
    return [Checked(name="checked", summary="looks before it trains nothing")]
"""


@pytest.fixture
def state(sample: None, install_plugin: Callable[..., None], tmp_path: Path) -> Path:
    """A file that says what the trainer `checked` finds."""
    path = tmp_path / "state"
    tests = str(Path(__file__).parents[1])
    install_plugin("checking", CHECKED.format(tests=tests, state=str(path)))
    return path


@pytest.fixture
def run(
    state: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Any]:
    """`rmr1 run` of the sample recipe, whose first trainer looks first; on weights that start from
    nothing. Gives its exit code and what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # whose picture takes longer than the rest
    settings = ["stages.first.trainer.name=checked", "backbone.options.model="]
    named = ["--recipe", "sample", *(word for s in settings for word in ("--set", s))]

    def run(*args: str) -> Any:
        capsys.readouterr()
        code = run_command(["run", *([] if "--resume" in args else named), *args])
        return code, *capsys.readouterr()

    return run


def sample_recipe(*settings: str) -> Recipe:
    return recipes.with_settings(resolve_recipe("sample"), settings)


def found(tmp_path: Path, *settings: str) -> dict[str, list[Check]]:
    pipelines = train.pipelines_of(train.resolved(sample_recipe(*settings)), tmp_path / "x", ())
    return {part.title: list(part.checks) for part in gather(pipelines).parts}


def test_the_data_of_every_stage_is_read_whole(sample: None, tmp_path: Path) -> None:
    parts = found(tmp_path)
    expected = Check(name="data", ok=True, detail="4 rows of rows, split train")
    assert [parts["first"][0], parts["second"][0]] == [expected, expected]


def test_data_that_cannot_be_used_is_named(sample: None, tmp_path: Path) -> None:
    check = found(tmp_path, "stages.first.dataset.options.traces=false")["first"][0]
    assert (check.name, check.ok) == ("data", False)
    assert "row 1, field 'trace'" in check.detail


def test_weights_that_are_neither_here_nor_to_be_had_are_named(
    sample: None, tmp_path: Path
) -> None:
    check = found(tmp_path, "backbone.options.model=no/where")["first"][1]
    assert (check.name, check.ok) == ("model", False)
    assert "no/where is not in the hub's cache" in check.detail


def test_weights_that_are_made_when_the_run_starts_are_unknown(
    sample: None, tmp_path: Path
) -> None:
    check = found(tmp_path, "backbone.options.model=")["first"][1]
    assert check == Check(name="model", ok=None, detail="built from nothing when the run starts")


def test_a_trainer_is_asked_about_the_first_model_where_its_own_is_not_there(
    state: Path, tmp_path: Path
) -> None:
    parts = found(tmp_path, "stages.second.trainer.name=checked")
    assert parts["second"][-1] == Check(name="memory", ok=True, detail="nowhere")


def test_a_check_that_breaks_is_unknown_and_stops_nothing(state: Path, tmp_path: Path) -> None:
    state.write_text("raise")
    check = found(tmp_path, "stages.first.trainer.name=checked")["first"][-1]
    assert check == Check(name="checked", ok=None, detail="it could not look: KeyError: 'x'")


def test_only_trainers_that_look_keep_a_run_waiting(state: Path, tmp_path: Path) -> None:
    plain = train.pipelines_of(sample_recipe(), tmp_path, ())
    looking = sample_recipe("stages.second.trainer.name=checked")
    assert [is_due(plain), is_due(train.pipelines_of(looking, tmp_path, ()))] == [False, True]


def test_a_reward_that_looks_is_asked_where_it_is_used(state: Path, tmp_path: Path) -> None:
    asking = sample_recipe("reward.name=asking")
    assert is_due(train.pipelines_of(asking, tmp_path, ()))
    parts = found(tmp_path, "reward.name=asking")
    expected = Check(name="judge", ok=True, detail="is there")
    assert [expected in parts[name] for name in ("first", "second")] == [False, True]


def test_the_disk_is_that_of_the_first_folder_that_is_there(tmp_path: Path) -> None:
    check = disk_check(tmp_path / "a" / "b")
    assert (check.name, check.ok) == ("disk", True)
    assert check.detail.endswith(f"free in {tmp_path}")


# the command


def test_check_looks_and_leaves_nothing_behind(run: Callable[..., Any], tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    code, out, err = run("--check", "--runs-dir", str(tmp_path / "runs"))
    assert "memory" in out
    assert "recipe sample: nobody, prompt plain, reward fixed, seed 0" in err
    assert sorted(tmp_path.iterdir()) == before
    assert code == 0


def test_check_ends_with_1_where_something_does_not_hold(
    run: Callable[..., Any], state: Path
) -> None:
    state.write_text("False")
    assert run("--check")[0] == 1


def test_check_in_json_has_the_recipe_and_every_check(run: Callable[..., Any]) -> None:
    _, out, _ = run("--check", "--json")
    whole = json.loads(out)
    assert whole["recipe"]["stages"][0]["trainer"]["name"] == "checked"
    assert [part["title"] for part in whole["parts"]] == ["run", "first", "second"]
    assert {"name", "ok", "detail"} == whole["parts"][0]["checks"][0].keys()


def test_what_does_not_hold_stops_a_run_before_it_starts(
    run: Callable[..., Any], state: Path
) -> None:
    state.write_text("False")
    code, out, err = run()
    assert (code, out) == (2, "")
    assert "NOT OK" in err
    assert "nothing was started: when it holds, go on with: rmr1 run --resume" in err
    (folder,) = Path("runs").iterdir()
    assert json.loads((folder / "run.json").read_text())["status"] == "planned"


def test_a_stopped_run_goes_on_without_looking(run: Callable[..., Any], state: Path) -> None:
    state.write_text("False")
    run()
    code, out, err = run("--resume", "last", "--no-check")
    assert code == 0, err
    assert "after second" in out


def test_a_written_run_can_be_checked(run: Callable[..., Any], state: Path) -> None:
    run("--dry-run")
    _, out, err = run("--resume", "last", "--check")
    assert "4 rows of rows" in out, err
    assert not (next(Path("runs").iterdir()) / "evaluations").exists()


def test_what_a_run_resolved_to_is_told_before_it_starts(run: Callable[..., Any]) -> None:
    _, out, err = run("--dry-run", "--json")
    whole = json.loads(out)
    options = whole["recipe"]["stages"][0]["trainer"]["options"]
    assert set(options) == {"fail_while", "wait_while"}
    assert any(file.endswith("stages/second/run.sh") for file in whole["files"])
    assert "checked" in err


# words


def test_a_plan_has_no_word_cut_in_a_narrow_terminal(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    setting = 'stages.first.trainer.options={"fail_while": "/a/long/path", "wait_while": "/b"}'
    _, _, err = run("--dry-run", "--set", setting, "--set", "stages.first.trainer.name=checked")
    assert max(map(len, err.splitlines()[1:-1])) <= 80
    words = " ".join(err.split())
    assert "first: checked on rows, split train; local fail_while=/a/long/path, wait_while" in words


def test_a_check_is_a_line() -> None:
    states = [(True, "ok"), (False, "NOT OK"), (None, "unknown")]
    checks = tuple(Check(name=word, ok=ok, detail="so") for ok, word in states)
    part = Part(title="run", checks=checks)
    assert list(check_rows(part)) == [(word, word, "so") for _, word in states]
    assert summary(Preflight(parts=(part, part))) == "6 checks: 2 ok, 2 not ok, 2 unknown"
    assert [check.name for check in Preflight(parts=(part,)).failed] == ["NOT OK"]


@pytest.mark.parametrize(
    ("nodes", "gpus", "environment", "words"),
    [
        (1, 0, "", "local"),
        (1, 8, "openrlhf", "local, 8 GPUs, environment openrlhf"),
        (4, 8, "verl", "local, 4 nodes x 8 GPUs, environment verl"),
    ],
)
def test_a_place_is_told_in_a_few_words(
    nodes: int, gpus: int, environment: str, words: str
) -> None:
    job = Job(
        name="j",
        steps=(Step(argv=("true",)),),
        files={},
        env={},
        environment=environment,
        events="e",
        log="l",
        checkpoint="c",
        nodes=nodes,
        gpus_per_node=gpus,
    )
    assert place(job, "local") == words


def test_the_trained_part_of_a_row_is_marked() -> None:
    row = SeenRow(
        prompt="<user>which?<judge>",
        trained="A<end>",
        prompt_tokens=3,
        trained_tokens=2,
        bos=0,
        agrees=True,
        templated=True,
    )
    assert row_text(row) == "<user>which?<judge>▶A<end>◀"


def test_the_middle_of_a_long_text_is_left_out() -> None:
    text = abbreviated("a" * 300 + "b" * 1000 + "c" * 300)
    assert text == "a" * 300 + "\n[… 1,000 characters …]\n" + "c" * 300
