from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import unquote

import msgspec
import pytest
from scipy.stats import binomtest

from rmr1_core import (
    Benchmark,
    Completion,
    EvalProtocol,
    Judgment,
    Metric,
    Outcome,
    Pair,
    Ref,
    Scores,
    Verdict,
    bench,
)
from rmr1_core.bench import BenchRequest
from rmr1_core.compare_words import pair_words, sentence
from rmr1_core.comparing import BenchmarkCompared, compare, gate
from rmr1_core.contrasts import contrasts, jackknifed
from rmr1_core.errors import UnknownName, UsageError
from rmr1_core.evaluation import Evaluation
from rmr1_core.jsonl import write
from rmr1_core.lookup import resolve
from rmr1_core.sides import Side, choose
from rmr1_core.values import OrderVerdict

pytestmark = pytest.mark.usefixtures("sample")

Right = Callable[[int, bool], bool]
SAMPLE = "sample-one"


def judged(
    root: Path, right: Right, *, size: int = 40, benchmarks: Sequence[str] = (SAMPLE,),
    prefix: str = "pair", left_out: int = 0, **protocol: object,
) -> str:  # fmt: skip
    """A run whose journal says which judgments are right: its id."""
    options = {"size": size, "whole": size, "prefix": prefix}
    request = BenchRequest(
        benchmarks=tuple(Ref(name=name, options=options) for name in benchmarks),
        backbone=Ref(name="nobody"),
        engine=Ref(name="scripted"),
        protocol=msgspec.convert(protocol, EvalProtocol),
    )
    folder = bench.start(root, request)
    evaluation = Evaluation(folder / bench.FOLDER)
    lines = [
        Judgment(
            benchmark=slot.benchmark,
            pair_id=slot.pair.id,
            chosen_first=slot.chosen_first,
            sample=slot.sample,
            verdict=Verdict.favouring_chosen(
                right(int(slot.pair.id.split("-")[-1]), slot.chosen_first) is slot.chosen_first
            ),
            completion=Completion(
                text="", finish_reason="stop", prompt_tokens=1, completion_tokens=1
            ),
        )
        for slot in evaluation.slots(request.protocol)
    ]
    write(evaluation.journal, lines[left_out:])
    return folder.name


def always(_number: int, _first: bool) -> bool:
    return True


def on_even(number: int, _first: bool) -> bool:
    return number % 2 == 0


def noisy(seed: int, chance: float) -> Right:
    """Right on a share of the pairs, in both orders alike."""
    return lambda number, _first: random.Random(f"{seed} {number}").random() < chance


def sides(root: Path, *names: str, baseline: str | None = None) -> list[Side]:
    return choose(names, root, baseline)


def only(root: Path, first: str, second: str, **asked: bool) -> BenchmarkCompared:
    (compared,) = compare(sides(root, first, second), **asked).compared
    (made,) = compared.benchmarks
    return made


def test_a_headline_s_difference_is_the_second_run_s_less_the_first_s(tmp_path: Path) -> None:
    first, second = judged(tmp_path, on_even), judged(tmp_path, always)
    (test,) = only(tmp_path, first, second).tests
    assert (test.name, test.first, test.second, test.difference) == ("accuracy", 0.5, 1.0, 0.5)
    assert 0.1 < test.low < 0.5 < test.high < 0.8
    assert test.real


def test_a_run_is_not_told_from_one_that_judges_alike(tmp_path: Path) -> None:
    first, second = judged(tmp_path, on_even), judged(tmp_path, on_even)
    made = only(tmp_path, first, second)
    assert made.tests[0].difference == 0
    assert not made.tests[0].real
    assert made.flips.gained == made.flips.lost == ()
    assert made.flips.p == 1
    assert 0 < made.tests[0].detectable < 0.5


def test_the_pairs_gained_and_lost_are_named_with_their_place_in_the_viewer(
    tmp_path: Path,
) -> None:
    first = judged(tmp_path, lambda n, _: n != 3)
    second = judged(tmp_path, lambda n, f: n != 5 and (n != 6 or f))
    flips = only(tmp_path, first, second).flips
    assert [(f.pair_id, f.first, f.second) for f in flips.gained] == [("pair-3", 0.0, 1.0)]
    assert [(f.pair_id, f.first, f.second) for f in flips.lost] == [
        ("pair-5", 1.0, 0.0),
        ("pair-6", 1.0, 0.5),
    ]
    address = flips.gained[0].address
    assert address.startswith(f"#{second}/evaluation/{SAMPLE}/pair-3?against=")
    assert unquote(address).endswith(f"against={first}\nevaluation")


def test_pairs_of_a_prompt_change_places_together(tmp_path: Path) -> None:
    """Groups are pairs 0 and 2, 1 and 3, 4 and 6, and so on: six prompts gained, each twice."""
    first = judged(tmp_path, lambda n, _: n >= 12)
    second = judged(tmp_path, always)
    flips = only(tmp_path, first, second).flips
    assert len(flips.gained) == 12
    assert flips.p == pytest.approx(binomtest(6, 6).pvalue)
    assert not flips.mcnemar


def test_every_test_that_is_shown_is_corrected_for(tmp_path: Path) -> None:
    names = (SAMPLE, "sample-two")
    first = judged(tmp_path, noisy(0, 0.6), benchmarks=names)
    second = judged(tmp_path, noisy(1, 0.8), benchmarks=names)
    third = judged(tmp_path, noisy(2, 0.9), benchmarks=names)
    found = compare(sides(tmp_path, first, second, third))
    assert found.tests == 2 * 2 * 2
    for compared in found.compared:
        for made in compared.benchmarks:
            assert made.tests[0].corrected_p >= made.tests[0].p
    assert [(c.first, c.second) for c in found.compared] == [("A", "B"), ("A", "C")]


def test_the_pairs_that_both_have_are_compared_and_named_partial(tmp_path: Path) -> None:
    first, second = judged(tmp_path, on_even), judged(tmp_path, always, limit=8)
    pairs = only(tmp_path, first, second).pairs
    assert (pairs.common, pairs.only_first, pairs.only_second) == (8, 32, 0)
    assert pairs.partial


def test_pairs_with_other_texts_are_left_out(tmp_path: Path) -> None:
    first, second = judged(tmp_path, on_even), judged(tmp_path, always)
    evaluation = Evaluation(tmp_path / second / bench.FOLDER)
    pairs = evaluation.pairs(SAMPLE)
    changed = msgspec.structs.replace(pairs[0], rejected="another answer")
    write(evaluation.folder / "pairs" / f"{SAMPLE}.jsonl.gz", [changed, *pairs[1:]])
    found = only(tmp_path, first, second).pairs
    assert (found.common, found.changed) == (39, 1)


def test_runs_without_a_common_pair_cannot_be_compared(tmp_path: Path) -> None:
    first, second = judged(tmp_path, always), judged(tmp_path, always, prefix="other")
    with pytest.raises(UsageError, match="no pair in common"):
        compare(sides(tmp_path, first, second))


def test_a_run_that_goes_on_is_not_compared(tmp_path: Path) -> None:
    first, second = judged(tmp_path, always), judged(tmp_path, always, left_out=7)
    with pytest.raises(UsageError, match=f"7 of 80 .* rmr1 bench --resume {second}"):
        compare(sides(tmp_path, first, second))


def test_pairs_too_few_to_tell_any_difference_promise_none(tmp_path: Path) -> None:
    """A capped difference of 100 points would not have been seen either."""
    first, second = judged(tmp_path, always, size=1), judged(tmp_path, on_even, size=1)
    found = compare(sides(tmp_path, first, second))
    (made,) = found.compared[0].benchmarks
    assert made.tests[0].detectable == 1
    words = sentence(found.compared[0], made, found.tests)
    assert words.endswith("; so few prompts cannot tell any difference.")
    assert pair_words(made.pairs) == "1 pair of 1 prompt"
    assert (
        not compare(sides(tmp_path, judged(tmp_path, lambda n, f: False, size=1), second))
        .compared[0]
        .benchmarks[0]
        .tests[0]
        .real
    )


def test_other_protocols_are_said(tmp_path: Path) -> None:
    first = judged(tmp_path, always)
    second = judged(tmp_path, always, order="chosen-first", max_new_tokens=9)
    (compared,) = compare(sides(tmp_path, first, second)).compared
    assert compared.notes == (
        "order of the answers both and chosen-first",
        "limit of an answer's tokens the backbone's and 9",
    )


def test_a_benchmark_that_only_one_run_has_is_named(tmp_path: Path) -> None:
    first = judged(tmp_path, always, benchmarks=(SAMPLE, "sample-two"))
    second = judged(tmp_path, always)
    (compared,) = compare(sides(tmp_path, first, second)).compared
    assert (compared.missing, compared.added) == (("sample-two",), ())
    (turned,) = compare(sides(tmp_path, second, first)).compared
    assert (turned.missing, turned.added) == ((), ("sample-two",))


def test_another_baseline_can_be_named(tmp_path: Path) -> None:
    first, second = judged(tmp_path, on_even), judged(tmp_path, always)
    found = sides(tmp_path, first, second, baseline=second)
    assert [(side.letter, side.run.folder.name) for side in found] == [
        ("A", second),
        ("B", first),
    ]


@pytest.mark.parametrize("repeated", [True, False])
def test_one_run_alone_or_twice_is_refused(tmp_path: Path, repeated: bool) -> None:
    name = judged(tmp_path, always)
    with pytest.raises(UsageError, match="named twice" if repeated else "two runs or more"):
        sides(tmp_path, *[name] * (1 + repeated))


def test_an_unknown_evaluation_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    name = judged(tmp_path, always)
    with pytest.raises(UnknownName, match="there is evaluation"):
        sides(tmp_path, f"{name}:befor", name)


def test_a_gate_opens_for_what_is_shown_to_be_no_worse(tmp_path: Path) -> None:
    first, second = judged(tmp_path, always), judged(tmp_path, lambda n, _: n != 7)
    found = compare(sides(tmp_path, first, second))
    worst = -100 * found.compared[0].benchmarks[0].tests[0].low
    assert worst > 2.5
    assert gate(found, worst + 0.01) == []
    assert gate(found, worst - 0.01) == [(SAMPLE, "B", worst)]


def test_a_gate_stays_closed_without_the_judgments(tmp_path: Path) -> None:
    first = judged(tmp_path, always, benchmarks=(SAMPLE, "sample-two"))
    second = judged(tmp_path, always)
    assert gate(compare(sides(tmp_path, first, second)), 50) == [("sample-two", "B", None)]


class Foreign(Benchmark, frozen=True, kw_only=True):
    """One that makes its metric without an estimate."""

    def pairs(self, source: Path | None) -> object:  # type: ignore[override]
        raise AssertionError("a run is compared by the pairs that it stored")

    def summarize(self, outcomes: Sequence[Outcome], scoring: str) -> Scores:
        wins = [outcome.score() for outcome in outcomes]
        value = sum(wins) / len(wins)
        return Scores(headline=Metric(name="wins", value=value, n=len(wins), low=0.0, high=1.0))


def outcomes(chance: float, seed: int, clusters: int = 80, pairs: int = 3) -> list[Outcome]:
    rng, found = random.Random(seed), []
    for cluster in range(clusters):
        for number in range(pairs):
            pair = Pair(
                id=f"{cluster}-{number}", subset="all", group=str(cluster), prompt=(),
                chosen="", rejected="",
            )  # fmt: skip
            right = rng.random() < chance
            verdict = OrderVerdict(chosen_first=True, verdict=Verdict.A if right else Verdict.B)
            found.append(Outcome(pair=pair, verdicts=(verdict,)))
    return found


def test_a_metric_without_an_estimate_is_summarized_again_without_each_group_of_clusters() -> None:
    first, second = outcomes(0.6, 1), outcomes(0.7, 2)
    foreign = Foreign(name="foreign")
    (made,) = contrasts(foreign, first, second, "strict")
    (known,) = contrasts(resolve("benchmark", SAMPLE), first, second, "strict")
    assert made.contrast.value == pytest.approx(known.contrast.value)
    assert made.contrast.variance**0.5 == pytest.approx(known.contrast.variance**0.5, rel=0.12)


def test_the_linearized_variance_of_a_benchmark_is_that_of_its_jackknife() -> None:
    first, second = outcomes(0.6, 3), outcomes(0.7, 4)
    benchmark = resolve("benchmark", SAMPLE)
    (known,) = contrasts(benchmark, first, second, "strict")
    drawn = jackknifed(benchmark, first, second, "strict", groups=1000)
    assert known.contrast.variance**0.5 == pytest.approx(drawn["accuracy"] ** 0.5, rel=0.08)
