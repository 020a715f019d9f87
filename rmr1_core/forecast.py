"""`rmr1 bench --plan`: what a run will take, and which difference it will be able to see.

Estimates come from earlier runs in the runs folder where there are any, and say so; else from the
tokenizer, or from stated assumptions. No model is asked.
"""

from __future__ import annotations

import statistics as moments
from collections.abc import Sequence
from itertools import combinations, islice
from pathlib import Path
from typing import NamedTuple

from rmr1_core import bench
from rmr1_core.assessing import JudgeParts
from rmr1_core.bench import Asked, BenchRequest
from rmr1_core.budgets import FINISH_TOKENS
from rmr1_core.comparing import headline_contrasts
from rmr1_core.contrasts import measured
from rmr1_core.earlier import Earlier, earlier_runs, judge_key, same_judge
from rmr1_core.errors import Rmr1Error
from rmr1_core.lookup import pinned
from rmr1_core.paired import Contrast
from rmr1_core.sides import Side
from rmr1_core.slots import assign_orders
from rmr1_core.token_counts import token_counter
from rmr1_core.values import (
    EvalProtocol,
    OrderVerdict,
    Outcome,
    Pair,
    Value,
    Verdict,
)

DISCORDANCE = 0.2
"""On what share of the prompts two judges are taken to differ when no earlier runs tell."""
CHARS_PER_TOKEN = 4.0
COUNTED = 300
"""Prompts whose tokens are counted, spread over all."""
ENOUGH = 30
"""Prompts on which two earlier runs must have been judged to tell how judges differ."""


TRIED = 3
"""Pairs of earlier runs that are compared, until one tells: all judgments of both are read."""


class Need(Value, frozen=True):
    """What one benchmark will take, in all passes together. `answer_tokens` is at most so much
    where `answers_known` is not; `seconds` and `cost` (US dollars) are None where nothing tells.
    `detectable` is the difference of the headline that will be seen with 80 % power in one test at
    5 %."""

    benchmark: str
    pairs: int
    prompts: int
    judgments: int
    requests: int
    prompt_tokens: int
    answer_tokens: int
    answers_known: bool
    seconds: float | None
    cost: float | None
    detectable: float


class Forecast(Value, frozen=True):
    """All of it, and where the numbers come from, in sentences."""

    needs: tuple[Need, ...]
    sources: tuple[str, ...]


class _Known(NamedTuple):
    """A number, and where it is from."""

    value: float
    source: str


def forecast(request: BenchRequest, runs_dir: Path | None) -> Forecast:
    """What `rmr1 bench` will take for this request.

    Raises:
        UsageError: a name is unknown, or the data cannot be used.
    """
    judge, engine, prompt = bench.judge_of(request.backbone, request.engine, request.prompt)
    earlier = list(earlier_runs(runs_dir))
    backbone = request.backbone and pinned("backbone", request.backbone)
    own = [e for e in earlier if same_judge(e.run.record, backbone, engine)]
    alike = [e for e in own if e.run.record.prompt == pinned("prompt", prompt)]
    rate = _rate([e for e in own if e.run.record.engine == pinned("engine", engine)])
    needs, sources = [], [rate.source] if rate else []
    for found in bench.asked(judge, request):
        need, told = _need(found, judge, request, alike, earlier, rate)
        needs.append(need)
        sources += told
    if request.protocol.confidence is not None:
        sources.append("votes may end early (--adaptive): requests and answers are at most these")
    if request.protocol.budgets:
        each = f"{sum(need.judgments for need in needs):,} requests of at most {FINISH_TOKENS} new"
        sources.append(f"budgets (--budget) are not counted: each takes up to {each} tokens")
    return Forecast(needs=tuple(needs), sources=tuple(dict.fromkeys(sources)))


def _need(
    found: Asked, judge: JudgeParts, request: BenchRequest,
    alike: Sequence[Earlier], earlier: Sequence[Earlier], rate: _Known | None,
) -> tuple[Need, list[str]]:  # fmt: skip
    name, requests = found.benchmark.name, request.repeat * len(found.requests)
    limit = judge.max_new_tokens(request.protocol)
    usual = _usual(alike, name, "completion_tokens")
    asked = _usual(alike, name, "prompt_tokens", same_benchmark=True) or _counted(found, judge)
    prompt_tokens = round(asked.value * requests)
    answer_tokens = round((usual.value if usual else limit) * requests)
    spread = _spread(name, earlier)
    clusters = _clusters(found, request.protocol)
    need = Need(
        benchmark=name,
        pairs=len(found.pairs),
        prompts=len({pair.group for pair in found.pairs}),
        judgments=request.repeat * found.judgments,
        requests=requests,
        prompt_tokens=prompt_tokens,
        answer_tokens=answer_tokens,
        answers_known=usual is not None,
        seconds=answer_tokens / rate.value if rate and rate.value else None,
        cost=judge.engine.cost(judge.backbone, prompt_tokens, answer_tokens),
        detectable=Contrast(
            value=0.0, variance=spread.value / clusters, clusters=clusters
        ).detectable(),
    )
    answers = usual.source if usual else (
        f"length of answers: nothing is known of this judge yet, so the limit of {limit:,} tokens"
    )  # fmt: skip
    return need, [asked.source, answers, spread.source]


def _rate(runs: Sequence[Earlier]) -> _Known | None:
    """Tokens per second: of the fastest run, since a pause only ever makes a run slower."""
    if not runs:
        return None
    best = max(runs, key=lambda run: run.tokens_per_second)
    rate = best.tokens_per_second
    words = f"time: {rate:,.0f} tokens of answers a second, as in {best.run.folder.name}"
    return _Known(rate, words)


def _usual(
    runs: Sequence[Earlier], benchmark: str, field: str, *, same_benchmark: bool = False
) -> _Known | None:
    """Mean tokens of a judgment in the newest run of this benchmark, else of any."""
    what = {"completion_tokens": "length of answers", "prompt_tokens": "prompts"}[field]
    for wanted in (benchmark,) if same_benchmark else (benchmark, None):
        for run in runs:
            facts = [r.validity for r in run.reports if wanted in (None, r.benchmark)]
            judgments = sum(fact.judgments for fact in facts)
            if judgments:
                mean = sum(getattr(fact, field) for fact in facts) / judgments
                on = f" on {benchmark}" if wanted else ""
                return _Known(mean, f"{what}: {mean:,.0f} tokens, as in {run.run.folder.name}{on}")
    return None


def _counted(found: Asked, judge: JudgeParts) -> _Known:
    """Mean tokens of a prompt, by its tokenizer where that can be had."""
    step = max(len(found.requests) // COUNTED, 1)
    texts = [
        "\n".join(message.content for message in request.messages)
        for request in islice(found.requests, 0, None, step)
    ]
    chars = moments.mean(map(len, texts))
    try:
        mean = moments.mean(token_counter(judge.backbone.name)(texts))
    except Rmr1Error:
        mean = chars / CHARS_PER_TOKEN
        return _Known(mean, f"prompts: {CHARS_PER_TOKEN:g} characters are taken to be a token")
    return _Known(mean, f"prompts: counted by the tokenizer, on {len(texts):,} of each benchmark's")


def _clusters(found: Asked, protocol: EvalProtocol) -> float:
    """How many equally weighted prompts the headline's precision is that of."""
    made = measured(found.benchmark, _any_outcomes(found.pairs, protocol), _rule(found, protocol))
    estimate = made.estimates.get(made.scores.headline.name)
    return estimate.clusters if estimate else float(len({pair.group for pair in found.pairs}))


def _any_outcomes(pairs: Sequence[Pair], protocol: EvalProtocol) -> list[Outcome]:
    """Outcomes of these pairs, whatever their verdicts: the weights of a headline do not depend on
    them."""
    orders = assign_orders(pairs, protocol.order, protocol.seed)
    return [
        Outcome(
            pair=pair,
            verdicts=tuple(OrderVerdict(chosen_first=first, verdict=Verdict.A) for first in firsts),
        )
        for pair, firsts in zip(pairs, orders, strict=True)
    ]


def _rule(found: Asked, protocol: EvalProtocol) -> str:
    scorings = found.benchmark.scorings
    return protocol.scoring if protocol.scoring in scorings else scorings[0]


def _spread(benchmark: str, earlier: Sequence[Earlier]) -> _Known:
    """The mean square of two judges' difference on a prompt: of the two newest runs of the
    benchmark by different judges, else assumed."""
    runs = [e.run for e in earlier if any(r.benchmark == benchmark for r in e.reports)]
    pairs = ((a, b) for a, b in combinations(runs, 2) if judge_key(a.record) != judge_key(b.record))
    for first, second in islice(pairs, TRIED):
        sides = [Side(run, run.evaluations()[0]) for run in (first, second)]
        try:
            found = headline_contrasts(*sides).get(benchmark)
        except Rmr1Error:  # damaged, or of a plugin that is gone
            continue
        if found is not None and found.variance and found.clusters >= ENOUGH:
            spread = found.variance * found.clusters
            names = f"{second.folder.name} and {first.folder.name}"
            return _Known(spread, f"difference to be seen on {benchmark}: as {names} differ")
    words = f"on {100 * DISCORDANCE:g} % of the prompts, there on all pairs of a prompt alike"
    return _Known(DISCORDANCE, f"difference to be seen: two judges are taken to differ {words}")
