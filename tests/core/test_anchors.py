from __future__ import annotations

import math
import random

import msgspec
import pytest

from rmr1_core import (
    Anchor,
    Backbone,
    EvalProtocol,
    Metric,
    PublishedProtocol,
    Ref,
    Report,
    Scores,
    Source,
    hookimpl,
)
from rmr1_core.anchors import (
    beside,
    of_model,
    of_weights,
    protocol_to_reproduce,
    published,
    tolerance,
)
from rmr1_core.discovery import Plugins
from rmr1_core.errors import UnknownName, UsageError
from rmr1_core.statistics import Z95, mean
from rmr1_core.testing import check_anchor
from rmr1_core.values import Missing, Validity

SOURCE = Source(title="A Paper", table="table 1", url="https://example.org/paper")
ANCHOR = Anchor(
    model="Great-Judge-7B",
    benchmark="small",
    metric="Accuracy",
    value=0.8,
    n=1000,
    source=SOURCE,
    protocol=PublishedProtocol(scoring="strict", order="random"),
    backbone="great7b",
)
FACTS = Validity(
    judgments=2000,
    unparsed=0,
    truncated=0,
    ties=0,
    prompt_too_long=0,
    pairs_in_both_orders=1000,
    flipped=200,
    prompt_tokens=0,
    completion_tokens=0,
)


def changed(**fields: object) -> Anchor:
    return msgspec.structs.replace(ANCHOR, **fields)


def measured(share: float, n: int = 1000, pairs_each: int = 1) -> Metric:
    """A mean of zeros and ones in clusters that agree within themselves."""
    right = round(share * n)
    values = [float(i < right) for i in range(n)]
    return mean(values, [str(i // pairs_each) for i in range(n)]).metric("Accuracy")


def report(metric: Metric, **fields: object) -> Report:
    made = Report(
        benchmark="small", scoring="strict", scores=Scores(headline=metric), validity=FACTS
    )
    return msgspec.structs.replace(made, **fields)


def test_without_clusters_the_tolerance_is_that_of_two_shares() -> None:
    got = tolerance(changed(resolution=1e-9), measured(0.8))
    assert got == pytest.approx(Z95 * math.sqrt(2 * 0.8 * 0.2 / 1000), rel=0.01)


def test_the_rounding_of_a_table_is_added() -> None:
    coarse, fine = (tolerance(changed(resolution=r), measured(0.8)) for r in (0.01, 1e-9))
    assert coarse - fine == pytest.approx(0.005)


def test_clusters_of_ours_are_clusters_of_theirs() -> None:
    alone, together = (
        tolerance(changed(resolution=1e-9), measured(0.8, pairs_each=k)) for k in (1, 5)
    )
    assert together == pytest.approx(math.sqrt(5) * alone, rel=0.05)


def test_a_random_order_adds_what_the_toss_of_a_coin_does() -> None:
    fine = changed(resolution=1e-9)
    metric = measured(0.8)
    without, with_ = tolerance(fine, metric), tolerance(fine, metric, 0.3)
    assert with_**2 - without**2 == pytest.approx(Z95**2 * 0.3 / 4000)
    both = changed(resolution=1e-9, protocol=PublishedProtocol(scoring="strict", order="both"))
    assert tolerance(both, metric, 0.3) == without


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_judge_without_spread_has_a_tolerance_too(share: float) -> None:
    assert 0.01 < tolerance(ANCHOR, measured(share)) < 0.1


def test_the_tolerance_holds_what_it_promises() -> None:
    """A publication in random order and ours in both, each on its own sample of prompts: 95 of 100
    differences are within."""
    rng = random.Random(11)
    n, flips, trials, inside = 400, 0.3, 300, 0

    def pair() -> tuple[float, float]:
        """Whether the judge is right in the one order, and in the other."""
        if rng.random() < flips:
            return rng.choice(((0.0, 1.0), (1.0, 0.0)))
        right = float(rng.random() < 0.85)
        return right, right

    for _ in range(trials):
        theirs = sum(rng.choice(pair()) for _ in range(n)) / n
        ours = mean([sum(pair()) / 2 for _ in range(n)], [str(i) for i in range(n)])
        anchor = changed(value=theirs, n=n, resolution=1e-9)
        metric = ours.metric("Accuracy")
        inside += abs(metric.value - theirs) <= tolerance(anchor, metric, flips)
    assert 0.92 < inside / trials < 0.98


def test_a_number_beside_ours_has_the_difference_and_a_verdict() -> None:
    (near,) = beside(report(measured(0.81)), [ANCHOR], EvalProtocol())
    assert near.difference == pytest.approx(0.01)
    assert near.within is True
    (far,) = beside(report(measured(0.7)), [ANCHOR], EvalProtocol())
    assert far.within is False
    assert far.difference == pytest.approx(-0.1)


def test_numbers_are_compared_under_the_rule_that_made_them() -> None:
    other = changed(protocol=PublishedProtocol(scoring="as-published"))
    both = report(measured(0.9), alternatives={"as-published": Scores(headline=measured(0.8))})
    (found,) = beside(both, [other], EvalProtocol())
    assert found.ours.value == 0.8
    assert beside(report(measured(0.9)), [other], EvalProtocol()) == []


def test_other_benchmarks_and_metrics_are_left_out() -> None:
    anchors = [changed(benchmark="large"), changed(metric="Recall")]
    assert beside(report(measured(0.8)), anchors, EvalProtocol()) == []


def test_of_a_part_nothing_is_concluded() -> None:
    partial = report(measured(0.8, n=100), missing=(Missing(subset="x", have=1, expected=9),))
    (found,) = beside(partial, [ANCHOR], EvalProtocol(limit=100))
    assert found.within is None
    assert found.why_not == "100 of 1000 were judged"


def test_what_was_done_otherwise_is_named() -> None:
    protocol = PublishedProtocol(
        scoring="strict",
        order="random",
        parser="theirs",
        samples=1,
        temperature=0.0,
        max_new_tokens=50,
    )
    anchor = changed(protocol=protocol)
    (same,) = beside(
        report(measured(0.8)), [anchor], EvalProtocol(order="random", max_new_tokens=50), "theirs"
    )
    assert same.differs == ()
    ours = EvalProtocol(order="both", samples=3, temperature=1.0)
    (other,) = beside(report(measured(0.8)), [anchor], ours, "ours")
    assert other.differs == (
        "order both, not random",
        "temperature 1, not 0",
        "3 samples, not 1",
        "the backbone's limit of new tokens, not 50",
        "parser ours, not theirs",
    )


def test_a_model_is_found_by_its_name_and_by_its_backbone() -> None:
    assert of_model("great-judge-7b", [ANCHOR]) == of_model("great7b", [ANCHOR]) == [ANCHOR]
    with pytest.raises(UnknownName, match=r"no published model named 'great7'; did you mean"):
        of_model("great7", [ANCHOR])
    with pytest.raises(UnknownName, match="see: rmr1 anchors"):
        of_model("xyzzy", [ANCHOR])


def test_weights_are_known_by_name_and_by_hub_id() -> None:
    anchor = changed(backbone="rm-r1-qwen7b")
    hub = "gaotang/RM-R1-Qwen2.5-Instruct-7B"
    for backbone in (Ref(name="rm-r1-qwen7b"), Ref(name=hub), Backbone(name="mine", model=hub)):
        assert of_weights(backbone, [anchor]) == [anchor], backbone
    for backbone in (None, Ref(name="qwen7b"), Ref(name="no such thing")):
        assert of_weights(backbone, [anchor, changed(backbone="")]) == [], backbone


def test_what_to_set_for_a_reproduction_is_what_all_say() -> None:
    one = changed(protocol=PublishedProtocol(scoring="x", order="random", parser="theirs"))
    other = changed(protocol=PublishedProtocol(scoring="y", order="random", temperature=0.0))
    expected = {"order": "random", "parser": "theirs", "temperature": 0.0}
    assert protocol_to_reproduce([one, other]) == expected
    warm = changed(protocol=PublishedProtocol(scoring="x", temperature=1.0))
    with pytest.raises(UsageError, match=r"different temperature \(0.0 and 1.0\); name one"):
        protocol_to_reproduce([other, warm])


# what plugins offer


def known(*offered: object) -> Plugins:
    """A plugin that offers this, alone."""

    class Plugin:
        @staticmethod
        @hookimpl
        def rmr1_anchors() -> object:
            if offered == ("raise",):
                raise ValueError("no table")
            return offered

    found = Plugins()
    found.register("papers", Plugin())
    return found


def test_published_numbers_are_those_of_all_plugins() -> None:
    other = changed(benchmark="large")
    found = known(ANCHOR, other)
    assert published(known=found) == [ANCHOR, other]
    assert published("large", found) == [other]


@pytest.mark.parametrize(
    ("offered", "error"),
    [(("raise",), "ValueError: no table"), ((0.8,), "which is not an Anchor")],
)
def test_a_plugin_that_breaks_the_contract_is_listed_with_its_error(
    offered: tuple[object, ...], error: str
) -> None:
    found = known(*offered)
    (plugin,) = found.listing()
    assert error in plugin.error
    assert published(known=found) == []


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"value": 91.4}, "no share"),
        ({"n": 0}, "average over"),
        ({"source": msgspec.structs.replace(SOURCE, url="")}, "no address"),
        ({"source": msgspec.structs.replace(SOURCE, table="")}, "where does it stand"),
        ({"backbone": "tiny"}, "has no weights"),
        ({"resolution": 0.0}, "no step"),
        ({"otherwise": {"strict": 80.0}}, "no share"),
        (
            {"benchmark": "rmb", "protocol": PublishedProtocol(scoring="as-published")},
            "rules {'as-published'}",
        ),
    ],
)
def test_the_kit_finds_faulty_numbers(fields: dict[str, object], error: str) -> None:
    check_anchor(changed(backbone="", benchmark="small"))
    with pytest.raises(AssertionError, match=error):
        check_anchor(changed(**{"backbone": "", **fields}))
