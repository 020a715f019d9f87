from __future__ import annotations

from pathlib import Path

import pytest

from rmr1_core import EvalProtocol, Ref, bench, runs
from rmr1_core.bench import BenchRequest
from rmr1_core.evaluation import Evaluation
from rmr1_core.forecast import DISCORDANCE, Forecast, Need, forecast
from rmr1_core.forecast_words import duration, plain, sees
from rmr1_core.paired import Contrast

pytestmark = pytest.mark.usefixtures("sample")


def request(size: int = 240, prompt: str = "", max_new_tokens: int | None = None) -> BenchRequest:
    return BenchRequest(
        benchmarks=(Ref(name="sample-one", options={"size": size, "whole": size}),),
        backbone=Ref(name="nobody"),
        engine=Ref(name="scripted"),
        prompt=Ref(name="plain", options={"greeting": prompt}),
        protocol=EvalProtocol(max_new_tokens=max_new_tokens),
    )


def one(found: Forecast) -> Need:
    (need,) = found.needs
    return need


def test_without_earlier_runs_what_is_assumed_is_said(tmp_path: Path) -> None:
    found = forecast(request(max_new_tokens=100), tmp_path)
    need = one(found)
    assert (need.pairs, need.prompts, need.judgments, need.requests) == (240, 120, 480, 480)
    assert need.answer_tokens == 480 * 100
    assert not need.answers_known
    assert need.seconds is None
    assert need.cost is None
    expected = Contrast(value=0.0, variance=DISCORDANCE / 120, clusters=120).detectable()
    assert need.detectable == pytest.approx(expected)
    told = "; ".join(found.sources)
    assert "the limit of 100 tokens" in told
    assert "4 characters are taken to be a token" in told
    assert "taken to differ on 20 % of the prompts" in told


def test_tokens_and_time_are_those_of_earlier_runs_of_the_judge(tmp_path: Path) -> None:
    folder = bench.start(tmp_path, request())
    (report,) = bench.execute(folder)
    need = one(forecast(request(), tmp_path))
    assert need.answers_known
    assert need.answer_tokens == pytest.approx(report.validity.completion_tokens, abs=480)
    assert need.prompt_tokens == report.validity.prompt_tokens
    assert need.seconds is not None
    assert need.seconds > 0


def test_a_prompt_that_was_never_asked_tells_no_lengths(tmp_path: Path) -> None:
    bench.execute(bench.start(tmp_path, request()))
    need = one(forecast(request(prompt="hello "), tmp_path))
    assert not need.answers_known


def test_what_can_be_seen_is_that_of_two_earlier_runs(tmp_path: Path) -> None:
    for prompt in ("", "hello "):
        bench.execute(bench.start(tmp_path, request(prompt=prompt)))
    found = forecast(request(), tmp_path)
    first, second = (folder.name for folder in runs.folders(tmp_path))
    assert any(f"as {first} and {second} differ" in source for source in found.sources)
    assert 0.02 < one(found).detectable < 0.3


def test_two_runs_of_one_judge_do_not_tell_how_judges_differ(tmp_path: Path) -> None:
    """They differ by the engine's nondeterminism alone, which is much less than two judges do."""
    for prompt in ("", "hello ", "hello "):
        bench.execute(bench.start(tmp_path, request(prompt=prompt)))
    first, _, third = (folder.name for folder in runs.folders(tmp_path))
    found = forecast(request(), tmp_path)
    assert any(f"as {first} and {third} differ" in source for source in found.sources)
    assert 0.02 < one(found).detectable < 0.3


def test_one_judge_judged_twice_leaves_the_assumption(tmp_path: Path) -> None:
    for _ in range(2):
        bench.execute(bench.start(tmp_path, request()))
    assert any("taken to differ on 20 %" in s for s in forecast(request(), tmp_path).sources)


def test_an_earlier_run_with_a_damaged_journal_is_passed_over(tmp_path: Path) -> None:
    for prompt in ("", "hello ", "hey "):
        bench.execute(bench.start(tmp_path, request(prompt=prompt)))
    first, second, third = runs.folders(tmp_path)
    Evaluation(third / bench.FOLDER).journal.write_text("{}\n")
    sources = forecast(request(), tmp_path).sources
    assert any(f"as {first.name} and {second.name} differ" in source for source in sources)


def test_runs_that_are_not_done_tell_nothing(tmp_path: Path) -> None:
    bench.start(tmp_path, request())
    assert not one(forecast(request(), tmp_path)).answers_known


def test_a_plan_asks_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    forecast(request(), tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_plan_that_will_see_nothing_says_so(tmp_path: Path) -> None:
    assert sees(one(forecast(request(size=1), tmp_path))) == "nothing"
    assert float(sees(one(forecast(request(), tmp_path)))) < 20


def test_a_total_is_unknown_where_a_part_is(tmp_path: Path) -> None:
    together = plain(forecast(request(), tmp_path))["together"]
    assert together["requests"] == 480
    assert together["seconds"] is None


def test_times_have_the_unit_that_suits_them() -> None:
    assert [duration(t) for t in (40, 1500, 12600)] == ["40 s", "25 min", "3.5 h"]


def test_two_runs_that_differ_as_planned_detect_what_was_planned(tmp_path: Path) -> None:
    """The plan's number and the comparison's, for one test, agree when the runs do."""
    from rmr1_core.comparing import headline_contrasts
    from rmr1_core.sides import choose

    for prompt in ("", "hello "):
        bench.execute(bench.start(tmp_path, request(prompt=prompt)))
    planned = one(forecast(request(), tmp_path)).detectable
    first, second = choose([f.name for f in runs.folders(tmp_path)], tmp_path, None)
    assert Evaluation(first.evaluation.folder).is_set_up
    assert headline_contrasts(first, second)["sample-one"].detectable() == pytest.approx(planned)
