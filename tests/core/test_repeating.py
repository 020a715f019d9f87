"""Everything asked again, in one load of the engine, and what that changes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from rmr1_core import Completion, EvalProtocol, Judgment, Ref, Report, bench, jsonl, runs
from rmr1_core.bench import BenchRequest
from rmr1_core.errors import EngineFailed, RunIncomplete
from rmr1_core.evaluation import Evaluation
from rmr1_core.repeating import Repeated, Spread, passes, repeated, stored
from rmr1_core.slots import Slot
from rmr1_core.stored import StoredRun
from rmr1_core.testing import example_pair
from rmr1_core.values import Metric, Scores, Validity, Verdict

pytestmark = pytest.mark.usefixtures("sample")


def start(folder: Path, engine: Mapping[str, Any] | None = None, repeat: int = 3) -> Path:
    return bench.start(
        folder,
        BenchRequest(
            benchmarks=(Ref(name="sample-one"),),
            backbone=Ref(name="nobody"),
            engine=Ref(name="scripted", options=engine or {}),
            repeat=repeat,
        ),
    )


def journals(folder: Path) -> list[Path]:
    place = folder / bench.FOLDER
    return [place / "judgments.jsonl", *sorted(place.glob("repeats/*/judgments.jsonl"))]


def test_every_pass_asks_the_same_in_one_load_of_the_engine(tmp_path: Path) -> None:
    log = tmp_path / "log"
    folder = start(tmp_path, {"log": str(log)})
    bench.execute(folder)
    lines = Counter(log.read_text().splitlines())
    assert lines.pop("open") == 1
    ids = [json.loads(line) for line in lines]
    assert Counter(tuple(id_[4:]) for id_ in ids) == {
        (): 24,
        ("repeats/2",): 24,
        ("repeats/3",): 24,
    }
    assert len({tuple(id_[:4]) for id_ in ids}) == 24
    assert [len(list(jsonl.read(path, dict))) for path in journals(folder)] == [24, 24, 24]


def test_an_engine_that_answers_alike_moves_nothing(tmp_path: Path) -> None:
    folder = start(tmp_path)
    reports = bench.execute(folder)
    (found,) = stored(folder / bench.FOLDER)
    assert (found.passes, found.judgments, found.same_text, found.same_verdict) == (3, 24, 24, 24)
    assert found.first_difference is None
    headline = found.spreads[0]
    assert headline.values == (reports[0].scores.headline.value,) * 3
    assert headline.sd == 0
    assert found.words[0] == "asked 3 times: all 24 answers are the same"
    assert "does not move accuracy" in found.words[1]


def test_an_engine_that_drifts_is_measured_pass_by_pass(tmp_path: Path) -> None:
    folder = start(tmp_path, {"drift": 4})
    reports = bench.execute(folder)
    (found,) = stored(folder / bench.FOLDER)
    first, *others = (
        {(j["pair_id"], j["chosen_first"]): j for j in jsonl.read(path, dict)}
        for path in journals(folder)
    )
    changed = {key for other in others for key in other if other[key] != first[key]}
    assert 0 < len(changed) < 24
    assert found.same_text == 24 - len(changed)
    values = found.spreads[0].values
    assert values[0] == reports[0].scores.headline.value
    assert len(set(values)) > 1
    assert (found.spreads[0].low, found.spreads[0].high) == (min(values), max(values))
    assert "moves accuracy by ±" in found.words[1]


def test_the_first_pass_makes_the_score(tmp_path: Path) -> None:
    once = bench.execute(start(tmp_path / "once", repeat=1))
    assert bench.execute(start(tmp_path / "thrice", {"drift": 4})) == once


def test_a_run_that_is_asked_once_has_nothing_to_say_of_repeating(tmp_path: Path) -> None:
    folder = start(tmp_path, repeat=1)
    bench.execute(folder)
    assert stored(folder / bench.FOLDER) == []
    assert not (folder / bench.FOLDER / "repeats").exists()


def test_a_repeated_run_goes_on_in_the_pass_where_it_broke(tmp_path: Path) -> None:
    log = tmp_path / "log"
    folder = start(tmp_path, {"crash_after": 7, "log": str(log)})
    for _ in range(11):  # seven requests at a time, of 24 in each of three passes
        if runs.read_record(folder).status == "done":
            break
        try:
            bench.execute(folder)
        except EngineFailed:
            assert stored(folder / bench.FOLDER) == []
    asked = [line for line in log.read_text().splitlines() if line != "open"]
    assert len(asked) == len(set(asked)) == 72
    (found,) = stored(folder / bench.FOLDER)
    assert found.same_text == 24


def test_a_repeated_run_tells_how_far_it_is(tmp_path: Path) -> None:
    folder = start(tmp_path)
    bench.execute(folder)
    assert StoredRun(folder).how_far() == "repeats/3: 24 of 24 judgments"


def test_failed_requests_leave_the_later_passes_for_later(tmp_path: Path) -> None:
    folder = start(tmp_path, {"fail": "good 5"})
    with pytest.raises(RunIncomplete):
        bench.execute(folder)
    assert len(journals(folder)) == 1
    assert stored(folder / bench.FOLDER) == []


def test_observers_hear_of_the_first_pass_alone(
    tmp_path: Path, install_plugin: Callable[..., None]
) -> None:
    heard = tmp_path / "heard"
    source = f"""
        from rmr1_core import hookimpl

        @hookimpl
        def rmr1_judged(judgment):
            with open({str(heard)!r}, "a") as file:
                file.write("x")
    """
    install_plugin("ears", source)
    bench.execute(start(tmp_path))
    assert heard.read_text() == 24 * "x"


# what differs, on journals made by hand


def line(pair: int, text: str, verdict: Verdict = Verdict.A) -> Judgment:
    return Judgment(
        benchmark="b",
        pair_id=f"pair-{pair}",
        chosen_first=True,
        sample=0,
        verdict=verdict,
        completion=Completion(
            text=text, finish_reason="stop", prompt_tokens=1, completion_tokens=1
        ),
    )


def report(value: float) -> Report:
    facts = Validity(
        judgments=2, unparsed=0, truncated=0, ties=0, prompt_too_long=0, pairs_in_both_orders=0,
        flipped=0, prompt_tokens=2, completion_tokens=2,
    )  # fmt: skip
    metric = Metric(name="accuracy", value=value, n=2, low=value - 0.1, high=value + 0.1)
    return Report(benchmark="b", scoring="strict", scores=Scores(headline=metric), validity=facts)


def differing(folder: Path, *answers: list[Judgment], values: list[float]) -> Repeated:
    first = Evaluation(folder)
    each = [first, *passes(first, len(answers))]
    for one, lines in zip(each, answers, strict=True):
        jsonl.write(one.journal, lines)
    (found,) = repeated(each, [[report(value)] for value in values])
    return found


def test_texts_and_verdicts_are_counted_over_all_passes(tmp_path: Path) -> None:
    found = differing(
        tmp_path,
        [line(0, "same"), line(1, "abcdef"), line(2, "xyz")],
        [line(2, "xyz"), line(1, "abXdef"), line(0, "same")],
        [line(0, "same"), line(1, "abcdef"), line(2, "xy", Verdict.B)],
        values=[0.5, 0.5, 0.6],
    )
    assert (found.judgments, found.same_text, found.same_verdict) == (3, 1, 2)
    assert (found.first_difference, found.changed_length) == (2, 4)
    assert found.spreads == (
        Spread(
            name="accuracy", values=(0.5, 0.5, 0.6), low=0.5, high=0.6,
            sd=pytest.approx(0.0577, abs=1e-4), half_width=pytest.approx(0.1),
        ),
    )  # fmt: skip
    of_judgments, of_headline = found.words
    assert of_judgments == (
        "asked 3 times: 33.3 % of 3 answers are the same every time, and 66.7 % of the verdicts; "
        "texts that change part after 2 of their 4 characters (medians)"
    )
    assert of_headline == (
        "the engine's own nondeterminism moves accuracy by ±5.8 points (standard deviation of 3 "
        "passes, from 50.0 to 60.0); the interval from the sample of pairs is ±10.0"
    )


def test_one_changed_answer_of_very_many_is_not_called_all(tmp_path: Path) -> None:
    same = [line(n, "same") for n in range(3000)]
    found = differing(tmp_path, [*same, line(3000, "a")], [*same, line(3000, "b")], values=[1, 1])
    assert "99.9 % of 3,001 answers" in found.words[0]
    assert "100.0 % of the verdicts" in found.words[0]


def test_a_request_of_another_pass_has_an_id_of_its_own_and_the_same_seed() -> None:
    slot = Slot("b", example_pair(1), True, 0)
    assert slot.request_id() == slot.key == '["b","pair-1",true,0]'
    assert slot.request_id("repeats/2") == '["b","pair-1",true,0,"repeats/2"]'


def test_what_is_planned_counts_all_passes() -> None:
    request = BenchRequest(
        benchmarks=(Ref(name="sample-one"),),
        backbone=Ref(name="nobody"),
        engine=Ref(name="scripted"),
        protocol=EvalProtocol(),
        repeat=3,
    )
    (planned,) = bench.plan(request)
    assert (planned.passes, planned.judgments, planned.requests) == (3, 72, 72)
