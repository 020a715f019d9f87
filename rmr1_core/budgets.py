"""Judgments whose reasoning is cut at a budget of tokens: another pass over what was judged.

A judgment that is not longer than the budget is what it is. Of a longer one the first tokens are
kept, the prompt strategy's `closing` ends the reasoning, and the judge goes on from there to its
verdict: budget forcing (Muennighoff et al. 2025, "s1: Simple test-time scaling", arXiv 2501.19393,
section 3.1), without lengthening. So all budgets cut the same reasoning, and differ by nothing
else.

    <evaluation>/budgets/<tokens>/judgments.jsonl   the judgments of one budget
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from rmr1_core import journals, jsonl
from rmr1_core.components import Backbone, Benchmark, Engine, EngineSession, PromptStrategy
from rmr1_core.errors import PluginFailed, UsageError
from rmr1_core.evaluation import Evaluation
from rmr1_core.judging import Judging, read_verdict
from rmr1_core.slots import Identity, Slot
from rmr1_core.tradeoffs import budget_part
from rmr1_core.values import EvalProtocol, Judgment, Report, Request

FINISH_TOKENS = 16
"""The most that a judge may write to finish an answer that was cut: a verdict and its tag."""
ENDS = ("</answer>",)
_TEXTS = 64
THOUGHT = "</think>"


def check(engine: Engine, protocol: EvalProtocol) -> None:
    """Raise UsageError for budgets with an engine that cannot go on with an answer that is cut."""
    if protocol.budgets and not engine.prefills:
        raise UsageError(
            f"engine {engine.name!r} cannot go on with an answer that is cut, as budgets ask; "
            "use --engine transformers or --engine vllm, or leave out --budget"
        )


class BudgetPass:
    """All judgments of an evaluation, their reasoning cut at so many tokens."""

    def __init__(
        self, evaluation: Evaluation, strategy: PromptStrategy, backbone: Backbone,
        protocol: EvalProtocol, tokens: int,
    ) -> None:  # fmt: skip
        self.whole, self.tokens = evaluation, tokens
        self.cut = evaluation.another_pass(budget_part(tokens))
        self._strategy, self._backbone, self._protocol = strategy, backbone, protocol

    def open(self) -> list[Identity]:
        """The judgments that have to be finished, after those that need not be cut are taken over
        from the complete evaluation."""
        made = journals.made(self.cut.journal)
        longer = []
        with jsonl.Appender(self.cut.journal) as journal:
            for judgment in self.whole.judgments():
                which = journals.identity(judgment)
                if which in made:
                    continue
                if judgment.completion.completion_tokens > self.tokens:
                    longer.append(which)
                else:
                    journal.append(_free(judgment))
        return longer

    def ask(self, session: EngineSession) -> None:
        """Finish what is open.

        Raises:
            RunIncomplete: some requests failed for good; they are asked again next time.
        """
        longer = set(self.open())
        if not longer:
            return
        places = journals.Places(self.whole.journal)
        begun = self._begin(session, places, sorted(longer))
        slots = [slot for slot in self.whole.slots(self._protocol) if slot.identity in begun]
        judging = _Finishing(self._strategy, self._protocol, self.cut, places, begun)
        requests = judging.pending(slots, FINISH_TOKENS)
        done = len(journals.made(self.cut.journal))
        self.cut.ask(session, judging, requests, done + judging.open_judgments)

    def report(self, benchmarks: Sequence[Benchmark], protocol: EvalProtocol) -> list[Report]:
        """Report on the complete pass, and store that."""
        reports = self.cut.reports(benchmarks, protocol.scoring, self.cut.judgments())
        self.cut.write_reports(reports)
        return reports

    def _begin(
        self, session: EngineSession, places: journals.Places, longer: Sequence[Identity]
    ) -> dict[Identity, tuple[int, str]]:
        """Where each answer is cut and what closes it. Those that need nothing more are kept."""
        begun: dict[Identity, tuple[int, str]] = {}
        with jsonl.Appender(self.cut.journal) as journal:
            for start in range(0, len(longer), _TEXTS):
                part = longer[start : start + _TEXTS]
                judgments = [places[which] for which in part]
                texts = [judgment.completion.text for judgment in judgments]
                ends = session.beginnings(texts, self.tokens)
                for which, judgment, end in zip(part, judgments, ends, strict=True):
                    closing = self._closing(judgment, end)
                    if end >= len(judgment.completion.text):
                        journal.append(_free(judgment))
                    elif closing:
                        begun[which] = (end, closing)
                    else:
                        journal.append(self._shortened(judgment, end))
        return begun

    def _closing(self, judgment: Judgment, end: int) -> str:
        text, family = judgment.completion.text, self._backbone.family
        begun, rest = text[:end], text[end:]
        cut_off = family == "reasoning" and judgment.completion.finish_reason == "length"
        thinks = THOUGHT in rest or cut_off or begun.lstrip().startswith("<think>")
        try:
            return self._strategy.closing(begun, thinking=thinks and THOUGHT not in begun)
        except Exception as error:  # the boundary to foreign code
            problem = f"closing of prompt {self._strategy.name!r} raised {error!r}"
            raise PluginFailed(self._strategy.name, problem) from error

    def _shortened(self, judgment: Judgment, end: int) -> Judgment:
        """The judgment of the text up to there, which has a verdict already."""
        text = judgment.completion.text[:end]
        completion = msgspec.structs.replace(
            judgment.completion, text=text, completion_tokens=self.tokens, cost=0.0
        )
        verdict = read_verdict(self._strategy, text)
        return msgspec.structs.replace(judgment, verdict=verdict, completion=completion)


class _Finishing(Judging):
    """Judging whose answers begin with what was written before."""

    def __init__(
        self, strategy: PromptStrategy, protocol: EvalProtocol, cut: Evaluation,
        places: journals.Places, begun: dict[Identity, tuple[int, str]],
    ) -> None:  # fmt: skip
        super().__init__(strategy, protocol, cut.journal, pass_name=cut.pass_name)
        self._places, self._begun = places, begun

    def request(self, slot: Slot, max_new_tokens: int) -> Request:
        """The request that goes on from where the answer was cut."""
        request = super().request(slot, max_new_tokens)
        end, closing = self._begun[slot.identity]
        text = self._places[slot.identity].completion.text
        stop = (*request.sampling.stop, *(s for s in ENDS if s not in request.sampling.stop))
        return msgspec.structs.replace(
            request,
            prefill=text[:end] + closing,
            sampling=msgspec.structs.replace(request.sampling, stop=stop),
        )


def passes(
    evaluation: Evaluation, strategy: PromptStrategy, backbone: Backbone, protocol: EvalProtocol
) -> list[BudgetPass]:
    """A pass for each budget, the smallest first."""
    return [
        BudgetPass(evaluation, strategy, backbone, protocol, tokens)
        for tokens in sorted(set(protocol.budgets))
    ]


def any_open(passes_: Iterable[BudgetPass]) -> bool:
    """Whether something has to be asked."""
    return any(one.open() for one in passes_)


def _free(judgment: Judgment) -> Judgment:
    """The judgment, which the full evaluation has paid for."""
    if not judgment.completion.cost:
        return judgment
    free = msgspec.structs.replace(judgment.completion, cost=0.0)
    return msgspec.structs.replace(judgment, completion=free)
