from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from rmr1_core import EvalProtocol, Ref, bench, tradeoffs
from rmr1_core.bench import BenchRequest
from rmr1_core.evaluation import Evaluation
from rmr1_core.tradeoffs import TradeOffs, vote_counts

pytestmark = pytest.mark.usefixtures("sample")


def judged(folder: Path, *benchmarks: str, **protocol: Any) -> Path:
    request = BenchRequest(
        benchmarks=tuple(Ref(name=name) for name in benchmarks or ("sample-one",)),
        backbone=Ref(name="nobody"),
        engine=Ref(name="scripted"),
        protocol=msgspec.convert({"temperature": 1.0, **protocol}, EvalProtocol),
    )
    folder = bench.start(folder, request)
    bench.execute(folder)
    return folder


def curves(folder: Path) -> TradeOffs:
    return tradeoffs.stored(Evaluation(folder / bench.FOLDER))


def test_votes_are_counted_at_powers_of_two_and_at_the_end() -> None:
    assert vote_counts(2) == [1, 2]
    assert vote_counts(6) == [1, 2, 4, 6]
    assert vote_counts(16) == [1, 2, 4, 8, 16]


def test_the_majority_of_the_first_samples_is_what_fewer_samples_would_have_said(
    tmp_path: Path,
) -> None:
    (curve,) = curves(judged(tmp_path, samples=6)).curves
    assert [point.at for point in curve.points] == [1, 2, 4, 6]
    for point in curve.points:
        folder = judged(tmp_path / str(point.at), samples=point.at)
        (report,) = Evaluation(folder / bench.FOLDER).stored_reports() or []
        assert point.score == report.scores.headline
        assert point.tokens == pytest.approx(report.validity.completion_tokens / 24)


def test_every_benchmark_has_a_curve_and_one_sample_has_none(tmp_path: Path) -> None:
    found = curves(judged(tmp_path, "sample-one", "sample-two", samples=2))
    assert [curve.benchmark for curve in found.curves] == ["sample-one", "sample-two"]
    assert curves(judged(tmp_path / "one", samples=1)) == TradeOffs()


def test_a_vote_that_ends_early_says_what_it_saved(tmp_path: Path) -> None:
    folder = judged(tmp_path, samples=9, confidence=0.9)
    (saved,) = curves(folder).savings
    (report,) = Evaluation(folder / bench.FOLDER).stored_reports() or []
    assert saved.drawn == report.validity.judgments < 9 * saved.votes == 9 * 24
    assert saved.tokens == report.validity.completion_tokens
    assert 0 < saved.saved < 1
    assert saved.certain < saved.votes
    assert 0.9 < saved.agreement < 1
