"""One evaluation from its open judgments to its reports: who judges, and how it goes.

It is judged in one pass or several, in one load of the engine. The first pass is the evaluation
itself. Every other one asks about the same pairs and has a folder of its own in the evaluation's:

    <evaluation>/repeats/2/judgments.jsonl   what was answered when all was asked a second time
                           report.json

What is done is skipped, pass by pass, so going on is the same code as starting.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rmr1_core import budgets, prompt_prints, repeating, tradeoffs
from rmr1_core.components import Backbone, Benchmark, Engine, EngineSession, PromptStrategy
from rmr1_core.evaluation import Evaluation
from rmr1_core.judging import Judging, LazyRequests, PolledRequests
from rmr1_core.slots import Slot
from rmr1_core.values import EvalProtocol, Report, Value


class JudgeParts(Value, frozen=True):
    """The components that judge together."""

    engine: Engine
    backbone: Backbone
    strategy: PromptStrategy

    def max_new_tokens(self, protocol: EvalProtocol) -> int:
        """The limit of an answer: the protocol's, else the backbone's."""
        return protocol.max_new_tokens or self.backbone.max_new_tokens


class Pass(NamedTuple):
    """One pass: what is open of it, and how it is made and reported."""

    evaluation: Evaluation
    judging: Judging
    requests: LazyRequests | PolledRequests
    wanted: int

    @classmethod
    def of(cls, evaluation: Evaluation, judge: JudgeParts, protocol: EvalProtocol) -> Pass:
        """The pass whose journal the evaluation has."""
        name = evaluation.pass_name
        judging = Judging(judge.strategy, protocol, evaluation.journal, pass_name=name)
        wanted = evaluation.slots(protocol)
        if not name:
            _keep_fingerprints(evaluation, judging, wanted, judge.max_new_tokens(protocol))
        ask = judging.pending if protocol.confidence is None else judging.polled
        requests = ask(wanted, judge.max_new_tokens(protocol))
        return cls(evaluation, judging, requests, len(wanted))

    def ask(self, session: EngineSession) -> None:
        """Make the open judgments. Raises RunIncomplete when some requests failed for good."""
        if len(self.requests):
            self.evaluation.ask(session, self.judging, self.requests, self.wanted)

    def report(self, benchmarks: Sequence[Benchmark], protocol: EvalProtocol) -> list[Report]:
        """Report on the complete pass, and store that."""
        reports = self.evaluation.reports(benchmarks, protocol.scoring, self.evaluation.judgments())
        if not self.evaluation.pass_name:
            found = tradeoffs.measure(self.evaluation, benchmarks, protocol)
            tradeoffs.store(self.evaluation, found)
        self.evaluation.write_reports(reports)
        return reports


def _keep_fingerprints(
    evaluation: Evaluation, judging: Judging, wanted: Sequence[Slot], max_new_tokens: int
) -> None:
    """Store what is asked, before it is, or make sure that a run that goes on asks it still. What
    is complete is left alone."""
    if evaluation.stored_reports() is None:
        asked = ((slot, judging.request(slot, max_new_tokens)) for slot in wanted)
        prompt_prints.keep(evaluation.folder, prompt_prints.fingerprints(asked))


def judge_all(
    evaluation: Evaluation, judge: JudgeParts, protocol: EvalProtocol,
    benchmarks: Sequence[Benchmark], versions: dict[str, str], *, repeat: int = 1,
) -> list[Report]:  # fmt: skip
    """Make what judgments are open in all `repeat` passes, report, and store the reports: those of
    the first pass are given.

    The engine is opened only when something is open, and adds its facts to `versions`.

    What has a budget is asked when all full judgments are made.

    Raises:
        UsageError: the engine cannot go on with answers that are cut at a budget.
        RunIncomplete: some requests failed for good; later passes have not begun.
    """
    budgets.check(judge.engine, protocol)
    if judge.engine.asks:
        evaluation.check_prompt(judge.strategy)
    each = [evaluation, *repeating.passes(evaluation, repeat)]
    passes = [Pass.of(one, judge, protocol) for one in each]
    cut = budgets.passes(evaluation, judge.strategy, judge.backbone, protocol)
    if any(len(one.requests) for one in passes) or budgets.any_open(cut):
        with judge.engine.open(judge.backbone) as session:
            versions.update(session.facts)
            try:
                reports = _make(passes, cut, session, benchmarks, protocol)
            finally:
                versions.update(session.facts)
    else:
        reports = _make(passes, cut, None, benchmarks, protocol)
    if repeat > 1:
        repeating.store(each, reports)
    return reports[0]


def _make(
    passes: Sequence[Pass], cut: Sequence[budgets.BudgetPass], session: EngineSession | None,
    benchmarks: Sequence[Benchmark], protocol: EvalProtocol,
) -> list[list[Report]]:  # fmt: skip
    """Make what is open, pass by pass, and report each; without a session nothing is open. The
    first pass is complete when its budgets are, which cut its answers."""
    reports = []
    for number, one in enumerate(passes):
        if session is not None:
            one.ask(session)
        for budget in cut if number == 0 else ():
            if session is not None:
                budget.ask(session)
            budget.report(benchmarks, protocol)
        reports.append(one.report(benchmarks, protocol))
    return reports
