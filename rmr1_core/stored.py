"""A run as readers see it: its record, its evaluations by name, and the steps of its stages.

Nothing here changes a run, and all of it works while the run goes on: an evaluation that is not
complete yet has pairs and the judgments made so far.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from rmr1_core import bench, jsonl, locks, prompt_prints, repeating, runs, tradeoffs, train
from rmr1_core.charts import TokenCurve
from rmr1_core.evaluation import JOURNAL_FILE, Evaluation
from rmr1_core.launching import STEPS_FILE
from rmr1_core.prompt_prints import Fingerprint
from rmr1_core.repeating import Repeated
from rmr1_core.tradeoffs import TradeOffs
from rmr1_core.values import EvalProtocol, Judgment, Pair, Report, RunRecord, StageResult

BENCH = "evaluation"
"""The name of the one evaluation that `rmr1 bench` makes."""


class StoredEvaluation:
    """One evaluation of a run: "evaluation" of `rmr1 bench`; of `rmr1 run` "before" and the names
    of its stages, with "-sampled" for those at the temperature of training, and with
    "VARIANT/" before it for those of an ablation."""

    def __init__(self, name: str, folder: Path, protocol: EvalProtocol) -> None:
        self.name, self.folder, self.protocol = name, folder, protocol
        self._evaluation = Evaluation(folder)
        self.journal = self._evaluation.journal

    def benchmarks(self) -> list[str]:
        """The benchmarks that are judged. Raises BadInput when the folder is damaged."""
        return [judged.benchmark for judged in self._evaluation.index()]

    def pairs(self, benchmark: str) -> list[Pair]:
        """The judged pairs of a benchmark, in its order."""
        return self._evaluation.pairs(benchmark)

    def each_pair(self, benchmark: str) -> Iterator[Pair]:
        """The same pairs one by one, none of them kept in memory."""
        return self._evaluation.each_pair(benchmark)

    def judgments(self) -> Iterator[Judgment]:
        """The judgments made so far, one by one."""
        return self._evaluation.judgments()

    def progress(self) -> tuple[int, int]:
        """How many judgments are made, and how many there are to make in all."""
        lacking, wanted = self._evaluation.open_judgments(self.protocol)
        return wanted - lacking, wanted

    def reports(self) -> list[Report]:
        """The reports of the complete evaluation; none while judgments are lacking."""
        return self._evaluation.stored_reports() or []

    def tradeoffs(self) -> TradeOffs:
        """Of the complete evaluation the scores against tokens, by votes and by budgets, and what
        votes that ended early saved."""
        return tradeoffs.stored(self._evaluation)

    def token_curves(self, benchmark: str) -> list[TokenCurve]:
        """A benchmark's score against tokens, as charts; none where it has none."""
        return [tradeoffs.chart(c) for c in tradeoffs.of_benchmark(self.tradeoffs(), benchmark)]

    def fingerprints(self) -> Mapping[str, Fingerprint]:
        """Hashes of what is asked, by benchmark; nothing where that is not known."""
        return prompt_prints.stored(self.folder)

    def repeated(self) -> list[Repeated]:
        """What changed when everything was asked again, by benchmark; nothing where it was not, or
        is not yet."""
        return repeating.stored(self.folder)

    def passes(self) -> list[StoredPass]:
        """The other passes over the same pairs that have begun, such as repeats/2."""
        return [StoredPass(self, path.parent) for path in self.folder.glob(f"*/*/{JOURNAL_FILE}")]


class StoredPass(NamedTuple):
    """A pass of an evaluation, beside its first."""

    evaluation: StoredEvaluation
    folder: Path

    @property
    def name(self) -> str:
        """Its place in the evaluation, such as "repeats/2"."""
        return self.folder.relative_to(self.evaluation.folder).as_posix()

    @property
    def journal(self) -> Path:
        """Its judgments."""
        return self.folder / JOURNAL_FILE


class StoredRun:
    """A run's folder, to read.

    Raises:
        BadInput: the run's record is missing or damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.record: RunRecord = runs.read_record(folder)

    @classmethod
    def find(cls, name: str, runs_dir: Path | None = None) -> StoredRun:
        """A run by its path, its id, a part of it, or "last", among those that are kept there.

        Raises:
            UsageError, UnknownName: no run, or several, are meant. BadInput: it is damaged.
        """
        return cls(runs.find(runs.runs_folder(runs_dir), name))

    @staticmethod
    def kept(runs_dir: Path | None = None) -> list[Path]:
        """The folders of all runs that are kept there, oldest first."""
        return runs.folders(runs.runs_folder(runs_dir))

    @property
    def state(self) -> str:
        """The status that the record has, but "running" while a process writes the run, and "died"
        where it should and none does: it was killed."""
        if locks.holder(self.folder) is not None:
            return "running"
        return "died" if self.record.status == "started" else self.record.status

    def how_far(self) -> str:
        """In a few words, how much of it is done, without reading much; "" where that is not known
        yet."""
        evaluations, steps = self.evaluations(), self._last_steps()
        passes = [each for e in evaluations for each in e.passes()]
        again = [(_changed(p.journal), _judged(p.evaluation, p)) for p in passes]
        newest = max(
            [*((_changed(e.journal), _judged(e)) for e in evaluations), *again, *steps],
            default=(0.0, ""),
        )
        return newest[1]

    def evaluations(self) -> list[StoredEvaluation]:
        """Every evaluation that has begun, in the order of the run."""
        if self.record.command == "bench":
            protocol = self.record.protocol or EvalProtocol()
            return _begun([(BENCH, self.folder / bench.FOLDER, protocol)])
        found = []
        for variant, folder in self._passes():
            for stage in ("before", *self._stages()):
                for suffix, protocol in self._protocols():
                    name = f"{stage}{suffix}"
                    place = folder / "evaluations" / name
                    found.append((f"{variant}/{name}" if variant else name, place, protocol))
        return _begun(found)

    def steps(self) -> Mapping[str, list[Mapping[str, Any]]]:
        """The steps of every training stage that has begun, as `Trainer.event` describes them, in
        the order of the recipe, by the stage's name, with "VARIANT/" before it for an ablation."""
        found = {}
        for variant, folder in self._passes():
            there = sorted(path.parent.name for path in folder.glob(f"stages/*/{STEPS_FILE}"))
            for name in sorted(there, key=self._place):
                path = folder / "stages" / name / STEPS_FILE
                found[f"{variant}/{name}" if variant else name] = list(jsonl.read(path, dict))
        return found

    def _last_steps(self) -> list[tuple[float, str]]:
        """For each stage that has steps, when the last one was, and which."""
        found = []
        for _, folder in self._passes():
            for path in folder.glob(f"stages/*/{STEPS_FILE}"):
                with path.open("rb") as file:
                    file.seek(max(0, path.stat().st_size - 65536))
                    *_, last = [b"", *file.read().splitlines()]
                try:
                    step = msgspec.json.decode(last, type=dict[str, Any])
                except msgspec.DecodeError:  # it is being written
                    continue
                words = f"{path.parent.name}: step {step.get('step')} of {step.get('steps')}"
                found.append((_changed(path), words))
        return found

    def results(self) -> list[StageResult]:
        """The table of a training run, so far."""
        return train.stored_results(self.folder)

    def _passes(self) -> list[tuple[str, Path]]:
        return [
            ("", self.folder),
            *((name, self.folder / "ablations" / name) for name in self.record.ablations),
        ]

    def _stages(self) -> list[str]:
        recipe = self.record.recipe
        if recipe is None:
            return []
        own = [stage.name for stage in recipe.stages]
        varied = [s.name for v in recipe.variants.values() for s in v.stages or ()]
        return list(dict.fromkeys([*own, *varied]))

    def _place(self, stage: str) -> int:
        """Where a stage stands in the recipe; behind all others where it has none of that name."""
        known = self._stages()
        return known.index(stage) if stage in known else len(known)

    def _protocols(self) -> list[tuple[str, EvalProtocol]]:
        recipe = self.record.recipe
        if recipe is None:
            return []
        sampled = recipe.sampled_evaluation
        return [("", recipe.evaluation), *([("-sampled", sampled)] if sampled else [])]


def _begun(found: list[tuple[str, Path, EvalProtocol]]) -> list[StoredEvaluation]:
    evaluations = [StoredEvaluation(name, folder, protocol) for name, folder, protocol in found]
    return [e for e in evaluations if Evaluation(e.folder).is_set_up]


def _changed(path: Path) -> float:
    return path.stat().st_mtime if path.exists() else 0.0


def _judged(evaluation: StoredEvaluation, of: StoredPass | None = None) -> str:
    """How many lines the journal has, of those that it shall have; failed ones count, too."""
    done, journal, protocol = 0, of.journal if of else evaluation.journal, evaluation.protocol
    if journal.exists():
        with journal.open("rb") as file:
            while chunk := file.read(1 << 20):
                done += chunk.count(b"\n")
    each = protocol.samples * (2 if protocol.order == "both" else 1)
    total = each * sum(judged.pairs for judged in Evaluation(evaluation.folder).index())
    names = ("" if evaluation.name == BENCH else evaluation.name, of.name if of else "")
    where = "".join(f"{name}: " for name in names if name)
    most = "" if protocol.confidence is None else "at most "
    return f"{where}{min(done, total):,} of {most}{total:,} judgments"
