"""For plugin authors: what every component of a kind must satisfy, and an engine that is a script.

from rmr1_core.testing import check_component

def test_my_benchmark_keeps_the_contract():
    check_component(my_benchmark)
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from rmr1_core.components import (
    KINDS,
    Backbone,
    Benchmark,
    Component,
    Engine,
    EngineSession,
    PromptStrategy,
    RewardFunction,
)
from rmr1_core.discovery import plugins
from rmr1_core.lookup import find, option_infos
from rmr1_core.slots import slots
from rmr1_core.values import (
    Anchor,
    Answer,
    Comparison,
    Completion,
    EvalProtocol,
    Judgment,
    Message,
    OrderVerdict,
    Outcome,
    Pair,
    Request,
    RequestFailed,
    Scores,
    Verdict,
)

_NAME = re.compile(r"[a-z0-9][a-z0-9.\-]*")
_BASE_FIELDS = {
    field for kind in KINDS.values() for field in kind.__struct_fields__ if field != "model"
}
HOSTILE_TEXTS = (
    "",
    "[[A]] [[B]]",
    "<answer>[[A]]</answer><answer>[[B]]</answer>",
    "{braces} {{twice}} %s \\1 \x00 \u202e\U0001f600",
    "<answer>" * 1000,
)
"""Texts that a total parser must survive, and a renderer must carry."""


class ScriptedSession(EngineSession):
    """Answers every request with what a function says; keeps the requests."""

    def __init__(self, write: Callable[[Request], str | Completion | RequestFailed]) -> None:
        self._write = write
        self.requests: list[Request] = []

    def generate(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """Answer in the order of asking."""
        for request in requests:
            self.requests.append(request)
            written = self._write(request)
            if isinstance(written, str):
                written = Completion(
                    text=written,
                    finish_reason="stop",
                    prompt_tokens=sum(len(m.content.split()) for m in request.messages),
                    completion_tokens=len(written.split()),
                )
            yield Answer(id=request.id, result=written)


class ScriptedEngine(Engine, frozen=True, kw_only=True):
    """An engine without weights: `write(request)` is the judge."""

    write: Callable[[Request], str | Completion | RequestFailed]

    @contextmanager
    def open(self, backbone: Backbone) -> Iterator[ScriptedSession]:
        """A session of the script."""
        yield ScriptedSession(self.write)


def example_pair(number: int = 0, **changes: Any) -> Pair:
    """A small pair, different for every number."""
    pair = Pair(
        id=f"pair-{number}",
        subset="small",
        group=f"group-{number}",
        prompt=(Message("user", f"question {number}"),),
        chosen=f"good answer {number}",
        rejected=f"bad answer {number}",
    )
    return msgspec.structs.replace(pair, **changes)


def outcome(pair: Pair, *verdicts: Verdict, chosen_first: bool = True) -> Outcome:
    """An outcome from the verdict of one order, or of both with the chosen answer first, then
    second."""
    orders = (chosen_first,) if len(verdicts) == 1 else (True, False)
    return Outcome(
        pair=pair,
        verdicts=tuple(
            OrderVerdict(chosen_first=first, verdict=verdict)
            for first, verdict in zip(orders, verdicts, strict=True)
        ),
    )


def judgment(pair: Pair, verdict: Verdict, text: str = "", **changes: Any) -> Judgment:
    """A judgment of a pair with the chosen answer first."""
    completion = Completion(text=text, finish_reason="stop", prompt_tokens=1, completion_tokens=1)
    made = Judgment(
        benchmark="small",
        pair_id=pair.id,
        chosen_first=True,
        sample=0,
        verdict=verdict,
        completion=completion,
    )
    return msgspec.structs.replace(made, **changes)


def check_component(component: Component) -> None:
    """Assert what holds for every component, and what its kind demands.

    Benchmarks are checked without their data; see `check_pairs` for that.
    """
    assert _NAME.fullmatch(component.name), f"{component.name!r}: lower case, digits, '-' and '.'"
    assert component.summary, f"{component.name}: say in one line what it is"
    described = {info.name for info in option_infos(component)}
    for field in msgspec.structs.fields(component):
        assert field.name in described | _BASE_FIELDS, f"option {field.name} has no description"
    match component:
        case PromptStrategy():
            _check_prompt(component)
        case RewardFunction():
            _check_reward(component)
        case Benchmark():
            assert component.scorings, "a benchmark has at least one scoring rule"


def check_pairs(benchmark: Benchmark, pairs: Iterable[Pair]) -> None:
    """Assert that a benchmark's pairs can be judged and scored: ids are unique, a judge that is
    always right gets 1, one that is always wrong 0, and one that always says A gets in between.
    What it draws of them it draws also where metrics are lacking."""
    listed = list(pairs)
    assert listed, "no pairs"
    assert len({pair.id for pair in listed}) == len(listed), "pair ids are not unique"
    both = [True, False]
    right = [Verdict.favouring_chosen(first) for first in both]
    wrong = [Verdict.favouring_chosen(not first) for first in both]
    for rule in benchmark.scorings:
        for verdicts, low, high in ((right, 1, 1), (wrong, 0, 0), ([Verdict.A] * 2, 0, 1)):
            scores = benchmark.summarize([outcome(pair, *verdicts) for pair in listed], rule)
            for metric in (scores.headline, *scores.metrics):
                assert low - 1e-9 <= metric.value <= high + 1e-9, (rule, metric)
                assert metric.low <= metric.value <= metric.high, metric
                assert metric.n > 0, metric
            assert benchmark.charts(scores), "a benchmark has something to draw"
            benchmark.charts(Scores(headline=scores.headline))  # total: of older scores, too
    asked = list(slots(benchmark.name, listed, EvalProtocol()))
    assert len({slot.key for slot in asked}) == 2 * len(listed)


def check_anchor(anchor: Anchor) -> None:
    """Assert that a published number says what it is: whose, where it stands, how it was made; and
    that its benchmark, where that is installed, has its rule, and its backbone exists."""
    what = f"{anchor.model}, {anchor.benchmark}, {anchor.metric}"
    assert anchor.model, "whose number is it?"
    assert 0 <= anchor.value <= 1, f"{what}: {anchor.value} is no share; percentages / 100"
    assert anchor.n > 0, f"{what}: what does it average over?"
    assert 0 < anchor.resolution < 0.1, f"{what}: {anchor.resolution} is no step of a table"
    source = anchor.source
    assert source.title, f"{what}: who published it?"
    assert source.table, f"{what}: where does it stand?"
    assert source.url.startswith("https://"), f"{what}: {source.url!r} is no address"
    for rule, value in anchor.otherwise.items():
        assert 0 <= value <= 1, f"{what}: {value} under {rule} is no share"
    installed = [o.component for o in plugins().offers("benchmark")]
    for benchmark in installed:
        if benchmark.name == anchor.benchmark:
            rules = {anchor.protocol.scoring, *anchor.otherwise}
            assert rules <= set(benchmark.scorings), f"{what}: rules {rules}"
    if anchor.backbone:
        assert find("backbone", anchor.backbone).model, f"{what}: {anchor.backbone} has no weights"


def check_anchors_on(
    benchmark: Benchmark, pairs: Iterable[Pair], anchors: Iterable[Anchor]
) -> None:
    """Assert that the benchmark's reports have every metric that its published numbers name, and
    average it over as many as they do. `pairs` are all that the benchmark has."""
    right = [outcome(pair, Verdict.A) for pair in pairs]
    sizes: dict[str, dict[str, int]] = {}
    for rule in benchmark.scorings:
        scores = benchmark.summarize(right, rule)
        sizes[rule] = {m.name: m.n for m in (scores.headline, *scores.metrics)}
    for anchor in anchors:
        if anchor.benchmark == benchmark.name:
            known = sizes[anchor.protocol.scoring]
            assert anchor.metric in known, f"no metric {anchor.metric!r}; there is {list(known)}"
            assert anchor.n == known[anchor.metric], (anchor, known[anchor.metric])


def _check_prompt(strategy: PromptStrategy) -> None:
    for text in HOSTILE_TEXTS:
        assert isinstance(strategy.parse(text), Verdict), f"parse({text[:40]!r}) is no verdict"
    for answer in HOSTILE_TEXTS[1:]:
        prompt = (Message("user", "q1"), Message("assistant", "a1"), Message("user", "q2"))
        comparison = Comparison(prompt=prompt, a=f"first {answer}", b=f"second {answer}")
        messages = strategy.render(comparison)
        whole = "\n".join(message.content for message in messages)
        for part in (comparison.a, comparison.b, "q1", "a1", "q2"):
            assert part in whole, f"{part[:40]!r} does not reach the judge"
        assert messages[-1].role == "user", "the judge answers to a user's turn"
        assert strategy.render(comparison) == messages, "rendering is not repeatable"


def _check_reward(reward: RewardFunction) -> None:
    if reward.sees_groups:  # it asks a judge, or cannot price an answer alone
        return
    pair = example_pair()
    for verdict in Verdict:
        for text in HOSTILE_TEXTS:
            value = reward(judgment(pair, verdict, text), Verdict.A)
            assert isinstance(value, float), f"{verdict}: a reward is a float, not {value!r}"
            assert math.isfinite(value), f"{verdict}: {value}"
