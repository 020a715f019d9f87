"""One evaluation from its open judgments to its reports: who judges, and how it goes."""

from __future__ import annotations

from collections.abc import Sequence

from rmr1_core import tradeoffs
from rmr1_core.components import Backbone, Benchmark, Engine, PromptStrategy
from rmr1_core.evaluation import Evaluation
from rmr1_core.judging import Judging
from rmr1_core.values import EvalProtocol, Report, Value


class JudgeParts(Value, frozen=True):
    """The components that judge together."""

    engine: Engine
    backbone: Backbone
    strategy: PromptStrategy

    def max_new_tokens(self, protocol: EvalProtocol) -> int:
        """The limit of an answer: the protocol's, else the backbone's."""
        return protocol.max_new_tokens or self.backbone.max_new_tokens


def judge_all(
    evaluation: Evaluation, judge: JudgeParts, protocol: EvalProtocol,
    benchmarks: Sequence[Benchmark], versions: dict[str, str],
) -> list[Report]:  # fmt: skip
    """Make what judgments are open, report, and store the reports.

    The engine is opened only when something is open, and adds its facts to `versions`.
    """
    evaluation.check_prompt(judge.strategy)
    judging = Judging(judge.strategy, protocol, evaluation.journal)
    wanted = evaluation.slots(protocol)
    ask = judging.pending if protocol.confidence is None else judging.polled
    requests = ask(wanted, judge.max_new_tokens(protocol))
    if len(requests):
        with judge.engine.open(judge.backbone) as session:
            versions.update(session.facts)
            try:
                evaluation.ask(session, judging, requests, len(wanted))
            finally:
                versions.update(session.facts)
    reports = evaluation.reports(benchmarks, protocol.scoring, evaluation.judgments())
    tradeoffs.store(evaluation, tradeoffs.measure(evaluation, benchmarks, protocol))
    evaluation.write_reports(reports)
    return reports
