"""What an import makes of a log's judgments: the benchmark's pairs, and judgments as ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rmr1_core.components import Benchmark, PromptStrategy
from rmr1_core.errors import BadInput, UnknownName, UsageError
from rmr1_core.judging import read_verdict
from rmr1_core.lookup import resolve
from rmr1_core.pairing import Pairing, has_texts
from rmr1_core.skipping import skip
from rmr1_core.values import Completion, Judgment, LoggedJudgment, Pair


class Part(NamedTuple):
    """What was found of one benchmark. `sources` are the log's judgments, in the same order."""

    benchmark: Benchmark
    pairs: list[Pair]
    judgments: list[Judgment]
    data: Path | None


class Verdicts:
    """Reads answers, and counts where the log's own scorer read something else."""

    def __init__(self, strategy: PromptStrategy | None, as_logged: bool) -> None:
        self._strategy = strategy
        self.logged = as_logged or strategy is None
        self.compared = self.differ = 0

    def judgment(self, logged: LoggedJudgment, pair: Pair, sample: int) -> Judgment:
        """The log's judgment as ours. Raises BadInput where nothing says a verdict."""
        theirs = logged.verdict
        read = None
        if self._strategy is not None and logged.scores is None:
            read = read_verdict(self._strategy, logged.text)
        if read is not None and theirs is not None:
            self.compared += 1
            self.differ += read is not theirs
        verdict = (theirs or read) if self.logged else (read or theirs)
        if verdict is None:
            raise BadInput(
                logged.path, "says no verdict; read its text with --prompt NAME", row=logged.row
            )
        return Judgment(
            benchmark=logged.benchmark,
            pair_id=pair.id,
            chosen_first=logged.chosen_first,
            sample=sample,
            verdict=verdict,
            completion=Completion(
                text=logged.text,
                finish_reason="stop",
                prompt_tokens=0,
                completion_tokens=0,
                scores=logged.scores,
            ),
        )


def part_of(
    benchmark: Benchmark, logged: Sequence[LoggedJudgment], data: Path | None, verdicts: Verdicts
) -> Part:
    """The judgments of one benchmark, with its own pairs where there is data, or the log has no
    texts; else with those that the log tells of.

    Raises:
        BadInput: outside of `skipping()`, a judgment that cannot be used.
        UsageError: the data is needed and cannot be loaded, or two files judge the same.
    """
    known = None
    if data is not None or not all(has_texts(judgment.pair) for judgment in logged):
        known = list(benchmark.pairs(data))
    pairing = Pairing(known) if known is not None else None
    pairs: dict[str, Pair] = {}
    files: dict[tuple[str, bool], str] = {}
    samples: Counter[tuple[str, bool]] = Counter()
    judgments = []
    for one in logged:
        try:
            pair = _pair(one, benchmark, pairing, pairs)
            which = pair.id, one.chosen_first
            _refuse_two_files(one, files.setdefault(which, one.path))
            judgments.append(verdicts.judgment(one, pair, samples[which]))
        except BadInput as error:
            skip(error)
            continue
        pairs[pair.id] = pair
        samples[which] += 1
    ordered = [p for p in known if p.id in pairs] if known is not None else list(pairs.values())
    return Part(benchmark, ordered, judgments, data)


def benchmark_of(name: str) -> Benchmark:
    """The benchmark that a log is of. Raises UsageError where it is not installed."""
    try:
        found: Benchmark = resolve("benchmark", name)
    except UnknownName as error:
        raise UsageError(
            f"these logs are of {name}, and no installed plugin offers this benchmark; install the "
            "package that does, or say what they are of with --benchmark"
        ) from error
    return found


def _pair(
    logged: LoggedJudgment,
    benchmark: Benchmark,
    pairing: Pairing | None,
    pairs: Mapping[str, Pair],
) -> Pair:
    """The benchmark's own pair, or the one that the log tells of.

    Raises:
        BadInput: the benchmark has no such pair, or the log calls another one so.
    """
    if pairing is not None:
        found = pairing.find(logged)
        if found is None:
            texts = " and these answers" if has_texts(logged.pair) else ""
            problem = f"{benchmark.name} has no pair {logged.pair.id!r}{texts}"
            raise BadInput(logged.path, problem, row=logged.row)
        return found
    pair = logged.pair
    if benchmark.expected and pair.subset not in benchmark.expected:
        problem = f"{pair.subset!r} is no subset of {benchmark.name}"
        raise BadInput(logged.path, problem, row=logged.row)
    if (before := pairs.get(pair.id)) is not None and before != pair:
        problem = f"the pair {pair.id!r} has other texts in an earlier record"
        raise BadInput(logged.path, problem, row=logged.row)
    return pair


def _refuse_two_files(logged: LoggedJudgment, first: str) -> None:
    """Two files that judge the same are two judges, or one twice; within one they are samples."""
    if first != logged.path:
        raise UsageError(
            f"{first} and {logged.path} judge the same pairs; import them one by one: "
            f"rmr1 import {logged.path}"
        )
