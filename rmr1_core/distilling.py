"""`rmr1 data distill`: traces to imitate, from a judge, and from a corrector where it was wrong.

A row keeps its order of the answers. What is asked follows from the rows and the journals alone, so
that a distillation which goes on asks what it would have asked anyway.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import msgspec

from rmr1_core import environments, examples_file, runs
from rmr1_core.bench import judge_of
from rmr1_core.components import Dataset, EngineSession
from rmr1_core.correcting import correction
from rmr1_core.distill_passes import Pass, plans
from rmr1_core.distill_report import Distillation, DistillReport, PassPlan, Teacher
from rmr1_core.distill_results import results
from rmr1_core.distill_work import REQUEST_FILE, STORED_FILE, WORK, Begun, Work
from rmr1_core.errors import BadInput, EngineFailed, RunIncomplete, UsageError
from rmr1_core.judging import Judging
from rmr1_core.locks import locked
from rmr1_core.lookup import pinned, resolve
from rmr1_core.observers import Observers
from rmr1_core.progress import progress
from rmr1_core.slots import Slot
from rmr1_core.values import Example, FailedJudgment, Message

_BENCH = "rmr1 bench --resume last"
"""How engines say that a run goes on."""


def execute(folder: Path, *, allow_failed: bool = False) -> DistillReport:
    """Ask, or go on with, what was started, and write what came of it.

    With `allow_failed`, a row whose requests fail for good is left out.

    Raises:
        RunIncomplete: some requests failed for good. RunLocked: it runs already.
        UsageError: there is no distillation here.
    """
    with locked(work_of(folder)):
        began, observers = time.monotonic(), Observers()
        try:
            work = Work(folder)
            work.check_prompt()
            _ask(work, allow_failed)
            report = results(work)
        except BaseException as error:
            status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            words = f"error: {error}" if str(error) else ""
            observers.distilled(folder, status, time.monotonic() - began, words)
            raise
        words = f"{report.kept:,} traces for {report.rows:,} rows"
        observers.distilled(folder, "done", time.monotonic() - began, words)
        return report


def work_of(folder: Path) -> Path:
    """Where a distillation that was started keeps its work, and its lock. Raises UsageError where
    none was started."""
    if not (folder / WORK / REQUEST_FILE).is_file():
        raise UsageError(
            f"{folder} has no distillation to go on with; start one: rmr1 data distill SOURCE "
            f"-o {folder}"
        )
    return folder / WORK


def start(folder: Path, request: Distillation, skipped: Sequence[Exception] = ()) -> None:
    """Make a distillation's folder: resolve every name, store every row, ask nothing yet.

    Raises:
        UsageError: something that was typed or given cannot work. Nothing is left behind.
    """
    check_output(folder)
    request, rows = prepared(request)
    work = folder / WORK
    try:
        shutil.rmtree(work, ignore_errors=True)
        examples_file.write(work / STORED_FILE, rows)
        begun = Begun(request=request, skipped=tuple(map(str, skipped)))
        runs.write_whole(work / REQUEST_FILE, begun)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
        raise


def prepared(request: Distillation) -> tuple[Distillation, list[Example]]:
    """The request with every default named, and the rows that it is about.

    Raises:
        UsageError: a name is unknown, an environment is missing, or the rows cannot be used.
    """
    teachers, prompt = [], request.prompt
    for teacher in filter(None, (request.judge, request.corrector)):
        judge, engine, prompt = judge_of(teacher.backbone, teacher.engine, prompt)
        environments.labels([judge.engine.environment])
        backbone = teacher.backbone and pinned("backbone", teacher.backbone)
        teachers.append(Teacher(backbone=backbone, engine=pinned("engine", engine)))
    request = msgspec.structs.replace(
        request,
        dataset=pinned("dataset", request.dataset),
        judge=teachers[0],
        corrector=teachers[1] if request.corrector else None,
        prompt=prompt and pinned("prompt", prompt),
    )
    return request, _rows(request)


def _rows(request: Distillation) -> list[Example]:
    dataset: Dataset = resolve("dataset", request.dataset)
    dataset.check_split(request.split)
    found = dataset.examples(request.split, seed=request.protocol.seed)
    rows = list(islice(found, request.protocol.limit))
    if not rows:
        raise UsageError(f"dataset {dataset.name!r}, split {request.split!r}: there are no rows")
    (often, count), *_ = Counter(row.pair.id for row in rows).most_common(1)
    if count > 1:
        raise BadInput(dataset.name, f"{count} rows have the id {often!r}; give each its own")
    return rows


def plan(request: Distillation, folder: Path) -> list[PassPlan]:
    """What would be asked at most, and what that may cost. Loads the rows, and no engine."""
    check_output(folder)
    request, rows = prepared(request)
    return plans(request, rows)


def check_output(folder: Path) -> None:
    """Raise UsageError where a distillation would meet something that is there already."""
    if (folder / WORK / REQUEST_FILE).exists():
        raise UsageError(
            f"{folder} has a distillation; go on with: rmr1 data distill --resume {folder}, or "
            "name another folder with: -o DIR"
        )
    if folder.exists() and (not folder.is_dir() or {p.name for p in folder.iterdir()} - {WORK}):
        raise UsageError(f"{folder} is there and is not empty; name another folder with: -o DIR")


def _ask(work: Work, allow_failed: bool) -> None:
    """Make all answers that are not in the journals yet."""
    name, judging = work.begun.request.dataset.name, work.judging
    strategy = judging.judge.strategy
    asked = Judging(strategy, judging.protocol, judging.journal)
    with ExitStack() as stack:
        asker = _Asker(work.folder, judging, asked, allow_failed)
        for sample in range(judging.protocol.samples):
            rows = work.without_trace()
            asker.ask([Slot(name, row.pair, row.chosen_first, sample) for row in rows], stack)
    if work.correcting is None:
        return
    flawed, one = work.flawed(), work.correcting

    def messages(slot: Slot) -> tuple[Message, ...]:
        return correction(strategy, slot, flawed[slot.pair.id])

    asked = Judging(strategy, one.protocol, one.journal, messages=messages)
    found = [work.rows[id_] for id_ in flawed]
    with ExitStack() as stack:
        wanted = [Slot(name, row.pair, row.chosen_first, 0) for row in found]
        _Asker(work.folder, one, asked, allow_failed).ask(wanted, stack)


class _Asker:
    """Asks what a pass wants, with the engine open from the first request on."""

    def __init__(self, folder: Path, one: Pass, judging: Judging, allow_failed: bool) -> None:
        self._folder, self._pass, self._judging = folder, one, judging
        self._allow_failed = allow_failed
        self._session: EngineSession | None = None

    def ask(self, wanted: Sequence[Slot], stack: ExitStack) -> None:
        judge, failures, kept = self._pass.judge, [], 0
        limit = judge.max_new_tokens(self._pass.protocol)
        requests = self._judging.pending(wanted, limit)
        if not len(requests):
            return
        done = len(wanted) - self._judging.open_judgments
        try:
            self._session = self._session or stack.enter_context(judge.engine.open(judge.backbone))
            with progress(self._pass.name, len(wanted), "rows", done=done) as bar:
                for line in self._judging.run(self._session, requests):
                    if isinstance(line, FailedJudgment):
                        failures.append(line)
                        continue
                    done, kept = done + 1, kept + line.correct
                    bar.advance(done, f"{kept} right")
        except EngineFailed as error:
            how = f"rmr1 data distill --resume {self._folder}"
            raise EngineFailed(str(error).replace(_BENCH, how)) from error
        if failures and not self._allow_failed:
            raise RunIncomplete(str(self._folder), len(failures), failures[0].error)
