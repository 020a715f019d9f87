from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rmr1_core import Example, examples_file
from rmr1_core.testing import example_pair

Cli = Callable[..., Any]
JUDGE = ("--backbone", "nobody", "--engine", "scripted")


def test_ctrl_c_says_how_to_go_on_and_what_was_answered_is_kept(cli: Cli) -> None:
    ended = cli("data", "distill", "rows", "-o", "out", *JUDGE, "--interrupt-after", "2")
    assert ended.code == 130
    assert ended.err.splitlines()[-1].endswith("go on with: rmr1 data distill --resume out")
    assert Path("out/work/judging.jsonl").read_bytes().count(b"\n") == 2
    assert {path.name for path in Path("out").iterdir()} == {"work"}


def test_the_corrector_has_an_engine_with_flags_of_its_own(cli: Cli, tmp_path: Path) -> None:
    logs = {who: tmp_path / who for who in ("judge", "corrector")}
    done = cli(
        *("data", "distill", "rows", "-o", "out", *JUDGE, "--log", str(logs["judge"])),
        *("--corrector-engine", "scripted", "--corrector-log", str(logs["corrector"])),
        *("--corrector-backbone", "nobody", "--json"),
    )
    assert done.code == 0, done.err
    judging, correcting = done.json["report"]["passes"]
    assert (judging["asked"], judging["traces"]) == (4, 4)
    assert correcting["asked"] == 4 - judging["kept"] > 0
    asked = {who: path.read_text().splitlines() for who, path in logs.items()}
    assert [len(lines) for lines in asked.values()] == [1 + 4, 1 + correcting["asked"]]


def test_without_an_engine_of_its_own_the_corrector_runs_as_the_judge_does(
    cli: Cli, tmp_path: Path
) -> None:
    log = ("--log", str(tmp_path / "log"))
    asked = ("rows", "-o", "out", *JUDGE, *log, "--corrector-backbone", "nobody")
    ended = cli("data", "distill", *asked, "--corrector-crash-after", "1")
    assert (ended.code, ended.err.splitlines()[-1]) == (1, "error: the script says: crash")
    lines = (tmp_path / "log").read_text().splitlines()
    assert [line == "open" for line in lines] == [True, *[False] * 4, True, False]


def test_help_shows_the_options_of_both_engines(cli: Cli) -> None:
    shown = cli("data", "distill", "--engine", "scripted", "--corrector-engine", "replay:x", "-h")
    own, _, engines = shown.out.partition("Options of engine scripted:")
    judge, _, corrector = engines.partition("Options of the corrector's engine replay:x:")
    assert "--crash-after" in judge
    assert "--corrector-path" in corrector
    assert "--corrector-path" not in own + judge


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ((), "say what to make traces for, and where: rmr1 data distill SOURCE -o DIR"),
        (("rows",), "say what to make traces for, and where: rmr1 data distill SOURCE -o DIR"),
        (
            ("rows", "-o", "out", *JUDGE, "--corrector-temperature", "1"),
            "--corrector-temperature: say who corrects, with --corrector-backbone",
        ),
        (
            ("rows", "-o", "out", *JUDGE, "-k", "2", "--temperature", "0"),
            "-k with --temperature 0 gives the same answer every time; leave out one of them",
        ),
        (
            ("rows", "-o", ".", *JUDGE),
            ". is there and is not empty; name another folder with: -o DIR",
        ),
    ],
)
def test_what_cannot_work_is_said_in_one_sentence(
    cli: Cli, typed: tuple[str, ...], said: str
) -> None:
    Path("something").touch()
    ended = cli("data", "distill", *typed)
    assert (ended.code, ended.err.splitlines()[-1]) == (2, f"error: {said}")
    assert not Path("out").exists()


def test_bad_rows_are_an_error_or_left_out_and_counted(cli: Cli) -> None:
    examples = [Example(pair=example_pair(number), chosen_first=True) for number in range(3)]
    examples_file.write(Path("mine.jsonl"), examples)
    with Path("mine.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"id": "x"}\n')
    asked = ("data", "distill", "mixed:mine.jsonl", "-o", "out", *JUDGE)
    ended = cli(*asked)
    assert ended.code == 2
    assert "mine.jsonl, row 4" in ended.err
    assert not Path("out").exists()
    done = cli(*asked, "--skip-bad", "--json")
    assert done.code == 0, done.err
    report = done.json["report"]
    assert report["rows"] == 3
    assert [text.partition("row 4")[1] for text in report["skipped"]] == ["row 4"]
    assert json.loads(Path("out/distill.json").read_text()) == report


def test_a_prompt_that_changed_meanwhile_is_not_gone_on_with(cli: Cli) -> None:
    words = 'format = "rmr1-prompt-1"\ndescription = "x"\nsingle_turn = "{} {{{{question}}}} '
    words += '{{{{answer_a}}}} {{{{answer_b}}}} <answer>[[A]]</answer> or [[B]]"\n'
    Path("p.toml").write_text(words.format("one"))
    asked = ("rows", "-o", "out", *JUDGE, "--prompt", "file:p.toml", "--crash-after", "1")
    assert cli("data", "distill", *asked).code == 1
    Path("p.toml").write_text(words.format("two"))
    ended = cli("data", "distill", "--resume", "out")
    assert ended.code == 2
    assert "asks something else than when this began" in ended.err
