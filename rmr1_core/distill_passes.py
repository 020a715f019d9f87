"""The passes of a distillation: who is asked, what is kept of the answers, and what it may cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from rmr1_core.assessing import JudgeParts
from rmr1_core.bench import judge_of
from rmr1_core.correcting import correction
from rmr1_core.distill_report import Distillation, PassName, PassPlan
from rmr1_core.judging import Judging
from rmr1_core.slots import Slot
from rmr1_core.trace_filters import Rejection, TraceFilters
from rmr1_core.values import EvalProtocol, Example, Judgment, Verdict

USUAL_TOKENS = 1000
"""The length of an answer that an estimate of the cost supposes."""
_LETTERS_PER_TOKEN = 4
_VERDICTS = {Verdict.UNPARSED: "no verdict", Verdict.TIE: "tie"}


class Trace(NamedTuple):
    """An answer of a pass: what is to be imitated of it, and why it is not, if so."""

    judgment: Judgment
    text: str
    rejection: Rejection | None


class Pass:
    """One pass over the rows: who is asked, what, and the journal of the answers."""

    def __init__(
        self, name: PassName, judge: JudgeParts, protocol: EvalProtocol, work: Path,
        filters: TraceFilters,
    ) -> None:  # fmt: skip
        self.name, self.judge, self.protocol = name, judge, protocol
        self.journal = work / f"{name}.jsonl"
        self._filters = filters

    def traces(self, rows: Mapping[str, Example]) -> Iterator[Trace]:
        """What the journal holds, one by one, with the filters' word on it."""
        for judgment in Judging.stored(self.journal):
            text = self._filters.trace_of(judgment.completion.text)
            yield Trace(judgment, text, self._rejection(judgment, rows[judgment.pair_id], text))

    def _rejection(self, judgment: Judgment, row: Example, text: str) -> Rejection | None:
        finish = judgment.completion.finish_reason
        if finish != "stop":
            return Rejection("cut off" if finish == "length" else "prompt too long")
        if not judgment.correct:
            return Rejection(_VERDICTS.get(judgment.verdict, "wrong verdict"))
        return self._filters.rejection(row, text)


def passes(request: Distillation, work: Path) -> list[Pass]:
    """The passes of a request, the judge's first."""
    judge, _, _ = judge_of(request.judge.backbone, request.judge.engine, request.prompt)
    count = None
    if request.limits.tokenizer:
        from rmr1_core.token_counts import token_counter

        count = token_counter(request.limits.tokenizer)
    filters = TraceFilters(judge.strategy, request.limits, count)
    found = [Pass("judging", judge, request.protocol, work, filters)]
    if request.corrector is not None:
        teacher = request.corrector
        judge, _, _ = judge_of(teacher.backbone, teacher.engine, request.prompt)
        protocol = msgspec.structs.replace(
            request.protocol,
            samples=1,
            temperature=request.corrector_temperature,
            max_new_tokens=request.corrector_max_new_tokens,
        )
        found.append(Pass("correcting", judge, protocol, work, filters))
    return found


def plans(request: Distillation, rows: list[Example]) -> list[PassPlan]:
    """What each pass over these rows would ask at most, and what that may cost."""
    found: list[PassPlan] = []
    for one in passes(request, Path()):
        found.append(_plan(one, rows, found[0] if found else None))
    return found


def _plan(one: Pass, rows: list[Example], judged: PassPlan | None) -> PassPlan:
    """A pass's plan. The corrector's prompts have the judge's answers in them."""
    judge, protocol = one.judge, one.protocol
    limit, strategy, samples = judge.max_new_tokens(protocol), judge.strategy, protocol.samples
    messages = (lambda slot: correction(strategy, slot, "")) if judged else None
    slots = [Slot("", row.pair, row.chosen_first, 0) for row in rows]
    requests = Judging(strategy, protocol, None, messages=messages).pending(slots, limit)
    letters = sum(len(m.content) for request in requests for m in request.messages)
    count, usual = len(requests) * samples, min(USUAL_TOKENS, limit)
    prompts = most_prompts = samples * letters // _LETTERS_PER_TOKEN
    if judged:
        prompts += judged.completion_tokens * count // judged.requests
        most_prompts += judged.most_completion_tokens * count // judged.requests
    return PassPlan(
        name=one.name,
        teacher=judge.backbone.name,
        engine=judge.engine.name,
        requests=count,
        prompt_tokens=prompts,
        completion_tokens=count * usual,
        most_completion_tokens=count * limit,
        cost=judge.engine.cost(judge.backbone, prompts, count * usual),
        most_cost=judge.engine.cost(judge.backbone, most_prompts, count * limit),
    )
