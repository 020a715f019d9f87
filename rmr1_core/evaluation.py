"""One evaluation: some benchmarks, one judge, one journal, one report per benchmark.

    <folder>/pairs/<benchmark>.jsonl.gz   what is judged, as it was when the run began
             prompt.json                  what is asked of the first pair
             judgments.jsonl              every judgment as it came; only ever appended to
             report.json                  the reports, once nothing is open
             <pass>/                      of another pass over the pairs: its journal and reports

The pairs are kept so that resuming, re-scoring and reading need neither the hub nor the files they
came from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from rmr1_core import journals, jsonl, runs, scoring
from rmr1_core.components import Benchmark, EngineSession, PromptStrategy
from rmr1_core.errors import IncompleteData, PluginFailed, RunIncomplete, UsageError
from rmr1_core.judging import Judging, read_verdict, render
from rmr1_core.observers import Observers
from rmr1_core.progress import progress
from rmr1_core.slots import Slot, slots
from rmr1_core.values import (
    EvalProtocol,
    FailedJudgment,
    Judgment,
    Pair,
    Report,
    Request,
    Value,
)
from rmr1_core.voting import Polls

REPORT_FILE = "report.json"
JOURNAL_FILE = "judgments.jsonl"
INDEX_FILE = "index.json"
PROMPT_FILE = "prompt.json"


class Judged(Value, frozen=True, omit_defaults=True):
    """A benchmark's part of an evaluation. `expected` counts the whole benchmark's pairs by
    subset, also those that a limit or missing data left out. Where its judgments are `given`, by
    another project's log, none is to be made."""

    benchmark: str
    pairs: int
    expected: Mapping[str, int]
    given: bool = False


class Evaluation:
    """An evaluation's folder. `pass_name` is "" but for another pass over the same pairs, such as
    "repeats/2": its journal and its reports are in the folder of that name."""

    def __init__(self, folder: Path, pass_name: str = "") -> None:
        self.folder, self.pass_name = folder, pass_name
        self._place = folder / pass_name
        self.journal = self._place / JOURNAL_FILE
        self._pairs: dict[str, list[Pair]] = {}

    def another_pass(self, name: str) -> Evaluation:
        """The same pairs, to be judged again under this name."""
        other = Evaluation(self.folder, name)
        other._pairs = self._pairs
        return other

    @property
    def is_set_up(self) -> bool:
        """Whether all pairs are stored; the index is written last."""
        return (self.folder / INDEX_FILE).exists()

    def set_up(
        self, benchmarks: Sequence[tuple[Benchmark, Path | None]], protocol: EvalProtocol
    ) -> None:
        """Load every benchmark's pairs and store what the protocol judges of them.

        Raises:
            UsageError: data is missing, damaged, incomplete or empty; nothing has been asked yet.
        """
        index = []
        for benchmark, source in benchmarks:
            pairs, expected = load(benchmark, source, protocol)
            jsonl.write(self._pairs_file(benchmark.name), pairs)
            index.append(Judged(benchmark=benchmark.name, pairs=len(pairs), expected=expected))
        runs.write_whole(self.folder / INDEX_FILE, index)

    def set_up_given(
        self, parts: Iterable[tuple[Benchmark, Sequence[Pair], Sequence[Judgment]]]
    ) -> None:
        """Store pairs with judgments that others made of them; no others are to be made."""
        index: list[Judged] = []
        made: list[Judgment] = []
        for benchmark, pairs, judgments in parts:
            jsonl.write(self._pairs_file(benchmark.name), pairs)
            expected = scoring.whole(pairs, benchmark.expected)
            index.append(
                Judged(benchmark=benchmark.name, pairs=len(pairs), expected=expected, given=True)
            )
            made += judgments
        jsonl.write(self.journal, made)
        runs.write_whole(self.folder / INDEX_FILE, index)

    def index(self) -> list[Judged]:
        """What is judged here. Raises BadInput when there is nothing or it is damaged."""
        return runs.read_whole(self.folder / INDEX_FILE, list[Judged])

    def pairs(self, benchmark: str) -> list[Pair]:
        """The judged pairs of one benchmark, which never change once they are stored."""
        if benchmark not in self._pairs:
            self._pairs[benchmark] = list(self.each_pair(benchmark))
        return self._pairs[benchmark]

    def each_pair(self, benchmark: str) -> Iterator[Pair]:
        """The same pairs one by one, none of them kept in memory."""
        return jsonl.read(self._pairs_file(benchmark), Pair)

    def check_prompt(self, strategy: PromptStrategy) -> None:
        """Keep what is asked of the first pair, or make sure that it is still asked.

        Raises:
            UsageError: the strategy, its file or its plugin has changed since the run began.
        """
        if not self.index():
            return
        first = next(jsonl.read(self._pairs_file(self.index()[0].benchmark), Pair))
        messages = render(strategy, first, chosen_first=True)
        path = self.folder / PROMPT_FILE
        if not path.exists():
            runs.write_whole(path, messages)
        elif path.read_bytes() != runs.as_json(messages):
            raise UsageError(
                f"prompt {strategy.name!r} asks something else than when the run began, which is "
                f"in {path}; start a new run"
            )

    def slots(self, protocol: EvalProtocol) -> list[Slot]:
        """All judgments to make."""
        return [
            slot
            for judged in self.index()
            if not judged.given
            for slot in slots(judged.benchmark, self.pairs(judged.benchmark), protocol)
        ]

    def ask(
        self, session: EngineSession, judging: Judging, requests: Iterable[Request], total: int
    ) -> None:
        """Make the judgments that are not in the journal yet, of `total` in all.

        Raises:
            RunIncomplete: some requests failed for good; they are asked again next time.
        """
        observers, done = Observers(), total - judging.open_judgments
        spared = judging.spared
        failures: list[FailedJudgment] = []
        correct = made = 0
        judged = [judged.benchmark for judged in self.index()]
        names = ", ".join(judged) if len(judged) < 3 else f"{len(judged)} benchmarks"
        names += f" ({self.pass_name})" if self.pass_name else ""
        with progress(f"judging {names}", total, "judgments", done=done) as bar:
            for line in judging.run(session, requests):
                if isinstance(line, FailedJudgment):
                    failures.append(line)
                    continue
                done, made, correct = done + 1, made + 1, correct + line.correct
                if not self.pass_name:
                    observers.judged(line)
                bar.advance(done + judging.spared - spared, f"{100 * correct / made:.1f} % right")
        if failures:
            raise RunIncomplete(self.folder.name, len(failures), failures[0].error)

    def judgments(self) -> Iterator[Judgment]:
        """What the journal holds, one by one."""
        return journals.stored(self.journal)

    def open_judgments(self, protocol: EvalProtocol) -> tuple[int, int]:
        """How many judgments are not made yet, and how many there are to make in all; at most, for
        votes that stop early."""
        wanted = self.slots(protocol)
        if protocol.confidence is not None:
            polls = Polls(wanted, protocol, journals.verdicts(self.journal))
            return polls.lacking, polls.made + polls.lacking
        made = journals.made(self.journal)
        given = {judged.benchmark for judged in self.index() if judged.given}
        there = sum(benchmark in given for benchmark, *_ in made)
        return sum(slot.identity not in made for slot in wanted), len(wanted) + there

    def reports(
        self, benchmarks: Iterable[Benchmark], scoring_rule: str, judgments: Iterable[Judgment]
    ) -> list[Report]:
        """A report on these judgments for every benchmark that has any."""
        by_name = {benchmark.name: benchmark for benchmark in benchmarks}
        tallies: dict[str, scoring.Tally] = {}
        for judgment in judgments:
            tallies.setdefault(judgment.benchmark, scoring.Tally()).add(judgment)
        return [
            scoring.report(
                by_name[judged.benchmark],
                self.pairs(judged.benchmark),
                tallies[judged.benchmark],
                scoring=scoring_rule,
                expected=judged.expected,
            )
            for judged in self.index()
            if judged.benchmark in tallies
        ]

    def write_reports(self, reports: Sequence[Report]) -> None:
        """Store the reports; their file says that the evaluation is complete."""
        runs.write_whole(self._place / REPORT_FILE, reports)

    def stored_reports(self) -> list[Report] | None:
        """The reports, if the evaluation is complete. Raises BadInput when they are damaged."""
        path = self._place / REPORT_FILE
        return runs.read_whole(path, list[Report]) if path.exists() else None

    def _pairs_file(self, benchmark: str) -> Path:
        return self.folder / "pairs" / f"{benchmark.replace('/', '--')}.jsonl.gz"


def load(
    benchmark: Benchmark, source: Path | None, protocol: EvalProtocol
) -> tuple[list[Pair], Mapping[str, int]]:
    """The pairs to judge, and how many pairs each subset of the whole benchmark has.

    Raises:
        IncompleteData: pairs are missing and the protocol does not allow it.
        UsageError: the source cannot be used or holds no pair.
    """
    available = list(benchmark.pairs(source))
    if not available:
        raise UsageError(f"{benchmark.name}: there are no pairs in {source or benchmark.hub}")
    (often, count), *_ = Counter(pair.id for pair in available).most_common(1)
    if count > 1:
        raise PluginFailed(benchmark.name, f"it gives the id {often!r} to {count} pairs")
    gaps = scoring.missing(available, benchmark.expected)
    if gaps and not protocol.allow_partial:
        raise IncompleteData(benchmark.name, scoring.missing_words(gaps))
    expected = scoring.whole(available, benchmark.expected)
    return scoring.spread_limit(available, protocol.limit), expected


def read_again(judgments: Iterable[Judgment], strategy: PromptStrategy) -> Iterator[Judgment]:
    """The same judgments, their text read by this strategy's parser. Scores stay what they are."""
    for judgment in judgments:
        if judgment.completion.scores is not None:
            yield judgment
            continue
        verdict = read_verdict(strategy, judgment.completion.text)
        yield msgspec.structs.replace(judgment, verdict=verdict)
