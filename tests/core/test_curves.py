from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from rmr1_core import Metric, Report, Scores
from rmr1_core.curves import MOST_POINTS, draw, of_steps, scores
from rmr1_core.values import StageResult, Validity


def result(stage: str, value: float) -> StageResult:
    headline = Metric(name="accuracy", value=value, n=10, low=max(0.0, value - 0.1), high=value)
    facts = Validity(
        judgments=1,
        unparsed=0,
        truncated=0,
        ties=0,
        prompt_too_long=0,
        pairs_in_both_orders=0,
        flipped=0,
        prompt_tokens=1,
        completion_tokens=1,
    )
    report = Report(
        benchmark="b", scoring="strict", scores=Scores(headline=headline), validity=facts
    )
    return StageResult(variant="", stage=stage, reports=(report,), sampled=(report,))


def step(number: int, **values: Any) -> dict[str, Any]:
    return {"event": "step", "step": number, **values}


@pytest.mark.parametrize(
    "events",
    [
        [step(1, loss=2.0), step(2, loss=1.0)],
        [step(1, loss=2.0), step(2), step(3, loss=None), step(4, loss=float("nan"))],
        [step(1, reward_mean=-1.0, kl=0.1, response_length=9), step(2, reward_mean=1.0)],
        [step(1, unknown="words")],
        [{"event": "done", "loss": 3.0}],
        [],
    ],
)
def test_whatever_a_trainer_reports_there_is_a_picture(
    tmp_path: Path, events: Sequence[Mapping[str, Any]]
) -> None:
    draw([("sft", events)], [result("before", 0.0), result("sft", 1.0)], tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 1000


def test_there_is_a_picture_without_any_evaluation(tmp_path: Path) -> None:
    draw([("sft", [step(1, loss=2.0)])], [], tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 1000


def test_many_panels_stand_in_rows(tmp_path: Path) -> None:
    from matplotlib.image import imread

    steps = [step(n, reward_mean=0.1 * n, kl=0.01, response_length=9) for n in range(5)]
    both = [("sft", [step(1, loss=2.0)]), ("grpo", steps)]
    draw(both, [result("before", 0.0)], tmp_path / "curve.png")
    height, width = imread(tmp_path / "curve.png").shape[:2]
    assert 1 < width / height < 3


def test_the_loss_of_reinforcement_learning_is_not_drawn() -> None:
    curves = of_steps("grpo", [step(1, loss=2.0, reward_mean=0.5, accuracy=0.7)])
    assert [curve.title for curve in curves] == ["grpo: accuracy", "grpo: mean reward"]


def test_a_long_training_is_averaged() -> None:
    (curve,) = of_steps("sft", [step(n, loss=float(n % 2)) for n in range(10 * MOST_POINTS)])
    assert len(curve.points) == MOST_POINTS
    assert {value for _, value in curve.points} == {0.5}


def test_scores_stand_by_benchmark_greedy_beside_sampled() -> None:
    (chart,) = scores([result("before", 0.2), result("sft", 0.9)])
    assert chart.series == ("greedy", "sampled")
    assert [row.label for row in chart.rows] == ["before", "sft"]
    assert [m and m.value for m in chart.rows[1].metrics] == [0.9, 0.9]
