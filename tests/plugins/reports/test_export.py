from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from rmr1_core import Judgment, Pair, bench, jsonl
from rmr1_core.cli import run_command
from rmr1_core.stored import StoredRun
from rmr1_reports import export_rows, export_tables
from rmr1_reports.export_leaderboard import escaped

pytestmark = pytest.mark.usefixtures("sample")

Export = Callable[..., Any]
ASKED = ("bench", "sample-one", "--backbone", "nobody", "--engine", "scripted")


@pytest.fixture
def export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Export:
    """`rmr1 export`, and other commands of rmr1, in a folder of its own: code, output, errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RMR1_RUNS", raising=False)

    def run(*args: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run_command(args if args[0] in ("bench", "run") else ("export", *args))
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def parquet(path: Path) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


def rewrite(folder: Path, text: str) -> None:
    """Let the judge of a finished run, and its benchmark, have said this everywhere."""
    journal = folder / bench.FOLDER / "judgments.jsonl"
    pairs = folder / bench.FOLDER / "pairs" / "sample-one.jsonl.gz"
    made = list(jsonl.read(journal, Judgment))
    completions = [msgspec.structs.replace(j.completion, text=text) for j in made]
    jsonl.write(
        journal,
        [msgspec.structs.replace(j, completion=c) for j, c in zip(made, completions, strict=True)],
    )
    changed = {"subset": text, "chosen": text, "tags": {text: text}}
    known = list(jsonl.read(pairs, Pair))
    jsonl.write(pairs, [msgspec.structs.replace(pair, **changed) for pair in known])


def test_a_table_has_a_row_for_each_judgment(export: Export) -> None:
    export(*ASKED)
    code, out, _ = export("last", "--to", "csv", "-o", "-")
    rows = rows_of(out)
    (evaluation,) = StoredRun.find("last").evaluations()
    made = list(evaluation.judgments())
    assert code == 0
    assert list(rows[0]) == list(export_rows.JUDGMENT)
    assert [(r["pair_id"], r["verdict"]) for r in rows] == [(j.pair_id, j.verdict) for j in made]
    assert [r["correct"] == "true" for r in rows] == [j.correct for j in made]
    assert {r["subset"] for r in rows} == {"easy", "hard"}
    assert json.loads(rows[0]["tags"]) == {}


def test_parquet_has_types_and_the_texts_that_are_asked_for(export: Export, tmp_path: Path) -> None:
    export(*ASKED)
    assert export("last", "--to", "parquet", "-o", "deep/x.parquet")[0] == 0
    assert "text" not in parquet(tmp_path / "deep/x.parquet")[0]
    export("last", "--to", "parquet", "-o", "x.parquet", "--texts", "--pairs")
    first = parquet(tmp_path / "x.parquet")[0]
    (judgment, *_) = StoredRun.find("last").evaluations()[0].judgments()
    assert first["text"] == judgment.completion.text
    assert first["completion_tokens"] == judgment.completion.completion_tokens
    assert first["chosen_first"] is judgment.chosen_first
    assert first["prompt"] == [{"role": "user", "content": "question 0 0"}]
    assert first["chosen"].startswith("good")
    assert not list(tmp_path.glob("**/*.part"))


def test_the_judgments_of_a_run_that_is_not_complete_are_there(export: Export) -> None:
    export(*ASKED, "-o", "engine.crash_after=5")
    assert len(rows_of(export("last", "--to", "csv", "-o", "-")[1])) == 5
    code, _, errors = export("last", "--to", "leaderboard-md", "-o", "-")
    assert code == 2
    assert "is not complete and has no results; go on with: rmr1 bench --resume" in errors


@pytest.mark.parametrize(
    "text", ['=cmd|"/c calc"!A0', "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1", '=HYPERLINK("x")']
)
def test_no_cell_is_a_formula(text: str) -> None:
    assert export_tables.cell(text) == f"'{text}"


@pytest.mark.parametrize("value", [-1, -0.5, 1e-9])
def test_a_number_below_zero_stays_a_number(value: float) -> None:
    assert float(export_tables.cell(value)) == value


HOSTILE = '=1\r\n"a","b"\n\0;\u202e<script>alert(1)</script>|`*x*`\u2028\ufeff😀'


def test_hostile_text_stays_in_its_cell(export: Export, tmp_path: Path) -> None:
    export(*ASKED)
    rewrite(StoredRun.find("last").folder, HOSTILE)
    export("last", "--to", "csv", "-o", "x.csv", "--texts", "--pairs")
    with (tmp_path / "x.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 24
    said = "'" + HOSTILE.replace("\0", "\ufffd")
    assert {r["text"] for r in rows} == {r["subset"] for r in rows} == {said}
    export("last", "--to", "parquet", "-o", "x.parquet", "--texts", "--pairs")
    assert {r["text"] for r in parquet(tmp_path / "x.parquet")} == {HOSTILE}


def test_a_leaderboard_ranks_judges_with_what_qualifies_them(export: Export) -> None:
    export(*ASKED)
    export(*ASKED, "--limit", "4", "-n", "2")
    names = sorted(path.name for path in Path("runs").iterdir())
    code, out, _ = export(*names, "--to", "leaderboard-md", "-o", "-")
    assert code == 0
    lines = [line for line in out.splitlines() if line.startswith("| ")]
    assert lines[0].startswith("| judge | score | 95 % interval | n | unparsed | truncated | flips")
    assert len(lines) == 4
    scores = [float(line.split("**")[1]) for line in lines[2:]]
    assert scores == sorted(scores, reverse=True)
    assert out.count("(partial)") == 1
    assert "4 of 12 pairs of easy, hard" in out


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("a|b", r"a\|b"),
        ("a\n\n# b", r"a \# b"),
        ("<img src=x>", "&lt;img src=x&gt;"),
        ("[x](y)", r"\[x\](y)"),
        ("@all", "&#64;all"),
        ("https://x.y", r"https\://x.y"),
        ("www.x.y", r"www\.x.y"),
        ("a\u202eb", "a\ufffdb"),
        (r"\|", r"\\\|"),
        ("`*_~$", r"\`\*\_\~\$"),
    ],
)
def test_a_name_is_no_markup(text: str, plain: str) -> None:
    assert escaped(text) == plain


MARKUP = st.text(st.sampled_from("\\`*_[]()<>#!|~$&@:/.-+=\r\n\t '\"{}1a") | st.characters())


@given(MARKUP)
def test_any_name_is_one_cell_of_plain_text(text: str) -> None:
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    page = reader.render(f"| a | b |\n| --- | --- |\n| {escaped(text)} | x |\n")
    assert page.count("<td>") == 2
    assert "<" not in page.partition("<td>")[2].partition("</td>")[0]


@given(st.lists(MARKUP, min_size=1))
def test_any_texts_come_back_from_csv(texts: list[str]) -> None:
    file = io.StringIO(newline="")
    export_tables.write_csv(file, {"text": str, "n": int}, ({"text": t, "n": -1} for t in texts))
    file.seek(0)
    _, *rows = csv.reader(file)
    assert [row[1] for row in rows] == ["-1"] * len(texts)
    for (read, _), text in zip(rows, texts, strict=True):
        assert not read.startswith(export_tables.FORMULA)
        assert read.removeprefix("'") == text.removeprefix("'").replace("\0", "\ufffd")


def test_the_library_datasets_loads_the_folder(export: Export, tmp_path: Path) -> None:
    from datasets import load_dataset

    export(*ASKED)
    rewrite(StoredRun.find("last").folder, HOSTILE)
    assert export("last", "--to", "hf", "-o", "dataset", "--texts", "--pairs")[0] == 0
    folder = str(tmp_path / "dataset")
    cache = str(tmp_path / "cache")
    judgments = load_dataset(folder, split="train", cache_dir=cache)
    assert len(judgments) == 24
    assert judgments[0]["text"] == HOSTILE
    assert judgments[0]["prompt"] == [{"role": "user", "content": "question 0 0"}]
    results = load_dataset(folder, "results", split="train", cache_dir=cache)
    (report,) = StoredRun.find("last").evaluations()[0].reports()
    headline = results.filter(lambda row: row["headline"])[0]
    assert headline["value"] == report.scores.headline.value
    assert headline["n"] == 12
    assert "<script>" not in (tmp_path / "dataset" / "README.md").read_text()


def test_an_export_replaces_an_older_one_and_nothing_else(export: Export, tmp_path: Path) -> None:
    export(*ASKED)
    for _ in range(2):
        assert export("last", "--to", "hf", "-o", "dataset")[0] == 0
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "README.md").write_text("precious")
    code, _, errors = export("last", "--to", "hf", "-o", "mine")
    assert code == 2
    assert "mine is there, and is no earlier export; name another folder with: -o DIR" in errors
    assert (tmp_path / "mine" / "README.md").read_text() == "precious"


def test_what_fails_on_the_way_leaves_the_older_file(export: Export, tmp_path: Path) -> None:
    export(*ASKED)
    export("last", "--to", "csv", "-o", "x.csv")
    before = (tmp_path / "x.csv").read_bytes()
    journal = StoredRun.find("last").evaluations()[0].journal
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:5], b"{damaged}\n", *lines[5:]]))
    for form in ("csv", "parquet", "hf"):
        code, _, errors = export("last", "--to", form, "-o", f"x.{form}")
        assert code == 2
        assert "row 6" in errors
    assert (tmp_path / "x.csv").read_bytes() == before
    assert sorted(path.name for path in tmp_path.glob("x.*")) == ["x.csv"]


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (("--to", "parquet", "-o", "-"), "-o -: only csv and leaderboard-md"),
        (("--to", "csv", "-o", "runs"), "there is a folder of this name; name a file"),
        (("--to", "leaderboard-md", "-o", "x", "--texts"), "leave out --texts and --pairs"),
        (("--to", "csv", "-o", "x", "--evaluation", "sft"), "there is evaluation"),
    ],
)
def test_what_cannot_be_written_is_refused(
    export: Export, args: tuple[str, ...], sentence: str
) -> None:
    export(*ASKED)
    code, _, errors = export("last", *args)
    assert code == 2
    assert sentence in errors


def test_the_evaluations_of_a_training_run_are_told_apart(
    export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    export("run", "--recipe", "sample")
    rows = rows_of(export("last", "--to", "csv", "-o", "-")[1])
    assert list(dict.fromkeys(r["evaluation"] for r in rows)) == ["before", "first", "second"]
    rows = rows_of(export("last", "--to", "csv", "-o", "-", "--evaluation", "first")[1])
    assert {r["evaluation"] for r in rows} == {"first"}
    assert "sample, second" in export("last", "--to", "leaderboard-md", "-o", "-")[1]


def test_an_export_says_what_it_wrote(export: Export) -> None:
    export(*ASKED)
    assert export("last", "--to", "csv", "-o", "x.csv")[1] == "wrote x.csv: 24 judgments\n"
    told = json.loads(export("last", "--to", "csv", "-o", "x.csv", "--json")[1])
    assert told == {"to": "csv", "output": "x.csv", "judgments": 24}


@pytest.mark.parametrize(
    ("form", "magic"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")]
)
def test_figures_are_files_named_after_what_they_show(
    export: Export, tmp_path: Path, form: str, magic: bytes
) -> None:
    export(*ASKED)
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "mine.txt").write_text("precious")
    assert export("last", "--to", form, "-o", "figures")[0] == 0
    files = sorted((tmp_path / "figures").glob(f"*.{form}"))
    assert [path.stem for path in files] == [
        "sample-one-accuracy-by-difference-in-length",
        "sample-one-accuracy-by-position",
        "sample-one-score",
    ]
    assert all(path.read_bytes().startswith(magic) for path in files)
    assert len(list((tmp_path / "figures").iterdir())) == len(files) + 1


def test_figures_of_several_runs_have_a_folder_each(export: Export, tmp_path: Path) -> None:
    export(*ASKED)
    export(*ASKED)
    names = sorted(path.name for path in Path("runs").iterdir())
    assert export(*names, "--to", "svg", "-o", "figures")[0] == 0
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == names


def test_figures_need_a_folder(export: Export, tmp_path: Path) -> None:
    export(*ASKED)
    (tmp_path / "x.png").write_text("mine")
    code, _, errors = export("last", "--to", "png", "-o", "x.png")
    assert code == 2
    assert "there is a file of this name; name a folder" in errors
