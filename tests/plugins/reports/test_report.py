"""report.html: what it says, of which runs, and that all text in it is text."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rmr1_core import Completion, Judgment, Message, Pair, Verdict, bench, jsonl, runs
from rmr1_core.cli import run_command
from rmr1_core.evaluation import INDEX_FILE, Judged
from rmr1_core.stored import StoredRun
from rmr1_core.testing import example_pair, outcome
from rmr1_reports import slices
from rmr1_reports.page import REPORT_FILE, render

pytestmark = pytest.mark.usefixtures("sample")

Rmr1 = Callable[..., int]
ASKED = ("bench", "sample-one", "--backbone", "nobody", "--engine", "scripted")
HOSTILE = (
    "</style></pre><script>document.title='owned'</script><img src=x onerror=\"alert(1)\">"
    "{{ 7 * 7 }}\u202eright to left\u202c \0 &lt; $\\frac$ <a href='javascript:alert(1)'>x</a>"
)


@pytest.fixture
def rmr1_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rmr1:
    """Commands of rmr1 in a folder of their own, whose runs leave a page."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RMR1_RUNS", raising=False)
    monkeypatch.delenv("RMR1_REPORT", raising=False)
    return lambda *args: run_command(args)


def page(name: str = "last") -> str:
    return (StoredRun.find(name).folder / REPORT_FILE).read_text(encoding="utf-8")


def words(text: str) -> str:
    """What a reader sees of a page."""
    body = re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())


class Elements(HTMLParser):
    """The tags of a page, and the attributes that could load or run something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.active: list[tuple[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.active += [(n, v) for n, v in attrs if n.startswith("on") or n in ("src", "srcset")]


def rewrite(folder: Path, text: str) -> None:
    """Let the judge of a finished run, and its benchmark, have said this everywhere."""
    journal = folder / bench.FOLDER / "judgments.jsonl"
    pairs = folder / bench.FOLDER / "pairs" / "sample-one.jsonl.gz"
    replaced = msgspec.structs.replace
    made = list(jsonl.read(journal, Judgment))
    jsonl.write(journal, [replaced(j, completion=replaced(j.completion, text=text)) for j in made])
    changed = {"subset": text, "chosen": text, "rejected": text, "prompt": (Message("user", text),)}
    jsonl.write(pairs, [replaced(pair, **changed) for pair in list(jsonl.read(pairs, Pair))])


def test_a_bench_leaves_its_headline_with_what_qualifies_it(rmr1_: Rmr1) -> None:
    assert rmr1_(*ASKED) == 0
    (report,) = StoredRun.find("last").evaluations()[0].reports()
    seen, headline, facts = words(page()), report.scores.headline, report.validity
    assert f"{100 * headline.value:.1f}" in seen
    assert f"{100 * headline.low:.1f} to {100 * headline.high:.1f}" in seen
    assert "accuracy , n 12, strict scoring" in seen
    assert f"unparsed {100 * facts.unparsed / 24:.1f} %" in seen
    assert f"truncated {100 * facts.truncated / 24:.1f} %" in seen
    assert f"tokens p50, p95 {facts.completion_tokens_p50}, {facts.completion_tokens_p95}" in seen
    assert f"of {facts.pairs_in_both_orders} pairs" in seen
    lenient = report.alternatives["lenient"].headline
    assert f"lenient scoring of the same judgments: {100 * lenient.value:.1f}" in seen


def test_it_says_how_the_run_was_made_and_how_to_make_it_again(rmr1_: Rmr1) -> None:
    rmr1_(*ASKED, "--limit", "8", "-n", "2")
    seen = words(page())
    record = StoredRun.find("last").record
    assert f"rmr1 view {record.id}" in seen
    assert "order both, samples 2, temperature" in seen
    assert f"python {record.versions['python']}" in seen
    assert "What the judge was asked first" in seen
    assert "question 0 0" in seen


def test_a_repeated_run_says_what_the_engine_alone_changes(rmr1_: Rmr1) -> None:
    assert rmr1_(*ASKED, "--repeat", "2", "-o", "engine.drift=3") == 0
    seen = words(page())
    assert "asked sample-one: prompts " in seen
    assert "Asked again asked 2 times: " in seen
    assert "What moved metric lowest highest sd of passes sample of pairs accuracy" in seen


def test_a_run_with_budgets_and_votes_draws_accuracy_against_tokens(rmr1_: Rmr1) -> None:
    assert rmr1_(*ASKED, "-n", "3", "--budget", "16,64") == 0
    shown = words(page())
    for said in ("by votes", "by budget", "tokens for one pair in one order"):
        assert said in shown


def test_what_is_partial_says_so_wherever_its_number_stands(rmr1_: Rmr1) -> None:
    rmr1_(*ASKED, "--limit", "4")
    text = page()
    assert "Partial: easy 2 of 6, hard 2 of 6" in words(text)
    assert text.count("<mark>partial</mark>") == 3  # headline, the other scoring, all numbers
    assert "score (partial)" in text


def test_a_run_that_broke_off_has_a_page_of_what_is_there_and_no_score(
    rmr1_: Rmr1, capsys: pytest.CaptureFixture[str]
) -> None:
    assert rmr1_(*ASKED, "-o", "engine.crash_after=5") == 1
    seen = words(page())
    assert "Not complete: 5 of 24 judgments are made, so there is no score" in seen
    assert "accuracy by position" in seen
    assert f"go on with: rmr1 bench --resume {StoredRun.find('last').record.id}" in seen
    assert "the script says: crash" in seen
    assert "strict scoring" not in seen
    assert REPORT_FILE in capsys.readouterr().err


def test_a_run_without_any_judgment_has_a_page(rmr1_: Rmr1) -> None:
    rmr1_(*ASKED, "-o", "engine.fail=question")
    assert "Not complete: 0 of 24 judgments" in words(page())


def test_a_training_run_shows_its_table_curves_and_recipe(
    rmr1_: Rmr1,
) -> None:
    assert rmr1_("run", "--recipe", "sample") == 0
    text = page()
    seen = words(text)
    assert "before sample-one" in seen
    assert "after second sample-one" in seen
    assert "evaluation second" in seen
    assert "first: loss" in seen
    assert seen.index("first: loss") < seen.index("second: loss")
    assert "Two stages that learn nothing." in seen
    assert "[[stages]]" in seen
    assert "score on sample-one" in seen


def test_the_page_is_written_again_and_the_run_is_left_as_it_is(
    rmr1_: Rmr1, capsys: pytest.CaptureFixture[str]
) -> None:
    rmr1_(*ASKED)
    folder = StoredRun.find("last").folder
    before = page()
    (folder / REPORT_FILE).unlink()
    others = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    capsys.readouterr()
    assert rmr1_("report", "last") == 0
    assert capsys.readouterr().out.strip() == str(folder / REPORT_FILE)
    assert page() == before
    assert {p: p.read_bytes() for p in others} == others


def test_no_page_is_left_where_none_is_wanted(rmr1_: Rmr1, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RMR1_REPORT", "no")
    rmr1_(*ASKED)
    assert not (StoredRun.find("last").folder / REPORT_FILE).exists()


def test_a_page_that_cannot_be_written_fails_no_run(
    rmr1_: Rmr1, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "jinja2", None)
    assert rmr1_(*ASKED) == 0
    assert "observer of plugin 'reports' raised" in capsys.readouterr().err
    assert StoredRun.find("last").record.status == "done"


def test_a_page_is_whole_where_no_chart_can_be_drawn(
    rmr1_: Rmr1, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    assert rmr1_(*ASKED) == 0
    assert "score cannot be drawn" in words(page())


def test_hostile_text_stays_text(rmr1_: Rmr1) -> None:
    rmr1_(*ASKED)
    run = StoredRun.find("last")
    rewrite(run.folder, HOSTILE)
    text = render(run, "done")
    elements = Elements(text)
    assert not elements.tags & {
        "script",
        "img",
        "iframe",
        "object",
        "embed",
        "link",
        "base",
        "form",
    }
    assert elements.active == []
    assert "javascript:" not in re.findall(r'href="([^"]*)"', text)
    assert "{{ 7 * 7 }}" in text
    assert not re.search("[\0\u202e]", text)
    assert "document.title=&#39;owned&#39;" in text


def test_texts_of_a_megabyte_are_cut(rmr1_: Rmr1) -> None:
    rmr1_(*ASKED)
    run = StoredRun.find("last")
    rewrite(run.folder, "x" * 1_000_000)
    text = render(run, "done")
    assert len(text) < 300_000
    assert "[999,300 more characters]" in text


def test_a_benchmark_that_is_gone_is_drawn_as_any(rmr1_: Rmr1, tmp_path: Path) -> None:
    rmr1_(*ASKED)
    run = StoredRun.find("last")
    record = msgspec.structs.replace(
        run.record, benchmarks=(msgspec.structs.replace(run.record.benchmarks[0], name="gone"),)
    )
    runs.write_record(run.folder, record)
    assert "<figcaption><bdi>score</bdi></figcaption>" in render(StoredRun(run.folder), "done")


# slices


def pair_of(number: int, longer: int) -> Pair:
    answers = {"chosen": "x" * (100 + longer), "rejected": "y" * 100}
    return example_pair(number, id=str(number), group=str(number), **answers)


def seen(longer: Sequence[int], right: Callable[[int], bool]) -> slices.Slices:
    pairs = [pair_of(number, much) for number, much in enumerate(longer)]
    of = {True: Verdict.A, False: Verdict.B}
    outcomes = [outcome(p, of[right(much)]) for p, much in zip(pairs, longer, strict=True)]
    lengths = {p.id: much for p, much in zip(pairs, longer, strict=True)}
    return slices.Slices(len(pairs), outcomes, None, lengths)  # type: ignore[arg-type]


def test_a_judge_that_likes_length_is_seen() -> None:
    chart = slices.by_length(seen([*range(-60, 0), *range(60)], lambda much: much >= 0))
    assert [row.label for row in chart.rows] == [
        "−60 to −41 (n 20)",
        "−40 to −21 (n 20)",
        "−20 to −1 (n 20)",
        "0 to +19 (n 20)",
        "+20 to +39 (n 20)",
        "+40 to +59 (n 20)",
    ]
    assert [m and m.value for row in chart.rows for m in row.metrics] == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("longer", [[0], [5, 5, 5, 5], [-1, 0, 0, 0, 0, 0, 1], [-3, -3, 9]])
def test_every_pair_is_in_one_bin(longer: list[int]) -> None:
    rows = slices.by_length(seen(longer, lambda _: True)).rows
    assert sum(m.n for row in rows for m in row.metrics if m) == len(longer)


def test_intervals_heed_what_shares_a_prompt() -> None:
    def width(groups: int) -> float:
        pairs = [msgspec.structs.replace(pair_of(n, 1), group=str(n % groups)) for n in range(60)]
        outcomes = [outcome(p, (Verdict.A, Verdict.B)[int(p.group) % 2]) for p in pairs]
        lengths = dict.fromkeys((p.id for p in pairs), 1)
        chart = slices.by_length(slices.Slices(60, outcomes, None, lengths))  # type: ignore[arg-type]
        (metric,) = chart.rows[0].metrics
        assert metric is not None
        return metric.high - metric.low

    assert width(6) > 1.5 * width(60)


def test_a_judge_that_likes_the_first_answer_is_seen() -> None:
    outcomes = [outcome(pair_of(n, 1), Verdict.A, Verdict.A) for n in range(20)]
    both = [
        msgspec.structs.replace(
            o,
            verdicts=(
                o.verdicts[0],
                msgspec.structs.replace(o.verdicts[0], chosen_first=False),
            ),
        )
        for o in outcomes
    ]
    chart = slices.by_position(both)
    assert [m and m.value for row in chart.rows for m in row.metrics] == [1, 0]
    assert slices.says_first(both) == 1
    assert list(slices.examples(both)) == ["flipped with the order"]


# size


def big(folder: Path, count: int) -> StoredRun:
    """A run of `rmr1 bench` with so many judgments, half as many pairs."""
    place = folder / bench.FOLDER
    place.mkdir(parents=True)
    record = runs.new_record(folder, "bench", protocol=bench.EvalProtocol())
    runs.write_record(folder, msgspec.structs.replace(record, status="interrupted"))
    pairs = [pair_of(number, number % 200 - 90) for number in range(count // 2)]
    jsonl.write(place / "pairs" / "made.jsonl.gz", pairs)
    runs.write_whole(place / INDEX_FILE, [Judged(benchmark="made", pairs=len(pairs), expected={})])
    made = Completion(text="w" * 2000, finish_reason="stop", prompt_tokens=9, completion_tokens=9)
    with jsonl.Appender(place / "judgments.jsonl") as journal:
        for pair in pairs:
            for first in (True, False):
                verdict = (Verdict.A, Verdict.B)[len(pair.chosen) % 2]
                journal.append(
                    Judgment(
                        benchmark="made", pair_id=pair.id, chosen_first=first, sample=0,
                        verdict=verdict, completion=made,
                    )
                )  # fmt: skip
    return StoredRun(folder)


@pytest.mark.slow
def test_a_run_of_50_000_judgments_has_a_small_page_in_seconds(tmp_path: Path) -> None:
    from time import process_time

    run = big(tmp_path / "run", 50_000)
    began = process_time()
    text = render(run, "interrupted")
    assert process_time() - began < 10
    assert len(text) < 300_000


def test_the_command_says_what_it_wrote_as_json(
    rmr1_: Rmr1, capsys: pytest.CaptureFixture[str]
) -> None:
    rmr1_(*ASKED)
    capsys.readouterr()
    rmr1_("report", "last", "--json")
    (told,) = msgspec.json.decode(capsys.readouterr().out, type=list[dict[str, Any]])
    assert told["report"].endswith(REPORT_FILE)
