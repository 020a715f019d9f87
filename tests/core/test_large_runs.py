"""A hundred thousand judgments, each with a long answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from rmr1_core import EvalProtocol, Ref, bench, jsonl
from rmr1_core.evaluation import Evaluation
from rmr1_core.slots import Slot
from rmr1_core.testing import judgment
from rmr1_core.values import Judgment, Verdict

PAIRS = 50_000
ANSWER = "<eval>word by word it says </eval> " * 60 + "<answer>[[A]]</answer>"

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("sample")]


def judged(slot: Slot) -> Judgment:
    return judgment(
        slot.pair,
        Verdict.A,
        ANSWER,
        benchmark=slot.benchmark,
        chosen_first=slot.chosen_first,
        sample=slot.sample,
    )


@pytest.fixture
def run(tmp_path: Path) -> Path:
    request = bench.BenchRequest(
        benchmarks=(Ref(name="sample-one", options={"size": PAIRS, "whole": PAIRS}),),
        backbone=Ref(name="nobody"),
        engine=Ref(name="scripted"),
    )
    folder = bench.start(tmp_path, request)
    evaluation = Evaluation(folder / bench.FOLDER)
    jsonl.write(evaluation.journal, map(judged, evaluation.slots(EvalProtocol())))
    return folder


def test_a_large_run_is_resumed_and_scored_again_without_asking(run: Path) -> None:
    journal = Evaluation(run / bench.FOLDER).journal
    before = journal.stat()
    reports = [
        *bench.execute(run),
        *bench.rescore(run, "lenient", None),
        *bench.rescore(run, None, "bare"),
    ]
    assert [report.validity.judgments for report in reports] == [2 * PAIRS] * 3
    assert journal.stat().st_mtime_ns == before.st_mtime_ns


def test_a_large_run_that_lacks_a_little_asks_only_that(run: Path) -> None:
    journal = Evaluation(run / bench.FOLDER).journal
    lines = journal.read_bytes().splitlines(keepends=True)
    kept = b"".join(lines[:-10])
    journal.write_bytes(kept + lines[-10][:100])
    (report,) = bench.execute(run)
    assert report.validity.judgments == 2 * PAIRS
    assert journal.read_bytes().startswith(kept)
    assert journal.read_bytes().count(b"\n") == 2 * PAIRS
