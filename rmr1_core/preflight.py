"""What should hold before hours are spent: gathered from the machine, the data and the plugins.

Nothing is changed and nothing is started. What cannot be found out is said to be unknown.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from rmr1_core import environments, jsonl
from rmr1_core.components import RewardFunction, Trainer
from rmr1_core.errors import Rmr1Error
from rmr1_core.hub import OFFLINE, prefer_cache_when_unreachable
from rmr1_core.lookup import resolve
from rmr1_core.pipeline import Pipeline, Planned
from rmr1_core.rendering import training_rows
from rmr1_core.tokens import Limits, Probed, SeenRow, probe, token_checks
from rmr1_core.values import Check, TrainingRow, Value

ROWS = 32
"""Rows of each stage that the model's tokenizer is shown."""
LEAST_FREE_BYTES = 1 << 30
HUB_SECONDS = 10.0


class Part(Value, frozen=True):
    """What was looked at of one stage, or of the run as a whole; `row` is one of a stage's rows as
    the model sees it."""

    title: str
    checks: tuple[Check, ...]
    row: SeenRow | None = None

    def more(self, checks: Iterable[Check]) -> Part:
        """The part with more checks."""
        return msgspec.structs.replace(self, checks=(*self.checks, *checks))


class Preflight(Value, frozen=True):
    """All that was looked at."""

    parts: tuple[Part, ...]

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that do not hold."""
        return tuple(check for part in self.parts for check in part.checks if check.ok is False)


def is_due(pipelines: Iterable[Pipeline]) -> bool:
    """Whether a trainer, a launcher or the reward has something to check: short runs are not kept
    waiting."""
    pipelines = list(pipelines)
    if any(_of_reward(pipeline) for pipeline in pipelines):
        return True
    planned = [(pipeline.launcher, each) for pipeline in pipelines for each in pipeline.planned()]
    return any(type(each.trainer).checks is not Trainer.checks for _, each in planned) or any(
        _of_plugin(launcher.name, launcher.checks, each.job) for launcher, each in planned
    )


def gather(pipelines: Sequence[Pipeline]) -> Preflight:
    """Look at everything that these pipelines need; the first is the recipe's own."""
    names = sorted({name for pipeline in pipelines for name in pipeline.environments()} - {""})
    of_the_run = [disk_check(pipelines[0].folder), *map(_environment, names)]
    parts = [Part(title="run", checks=tuple(of_the_run))]
    for pipeline in pipelines:
        variant = "" if pipeline is pipelines[0] else f"{pipeline.folder.name}/"
        for planned in pipeline.planned():
            parts.append(_stage(f"{variant}{planned.stage.name}", pipeline, planned))
            if planned.trainer.objective == "rl":
                parts[-1] = parts[-1].more(_of_reward(pipeline))
    return Preflight(parts=tuple(parts))


def disk_check(folder: Path) -> Check:
    """Is there room where the run is written? What a stage needs, its trainer knows."""
    place = next(path for path in (folder, *folder.parents) if path.is_dir())
    free = shutil.disk_usage(place).free
    detail = f"{free / 1e9:,.0f} GB free in {place}"
    if free < LEAST_FREE_BYTES:
        return Check(name="disk", ok=False, detail=f"{detail}; choose another place: --runs-dir")
    return Check(name="disk", ok=True, detail=detail)


def _environment(name: str) -> Check:
    try:
        label = environments.locate(name).label
    except Rmr1Error as error:
        return Check(name=f"environment {name}", ok=False, detail=str(error))
    return Check(name=f"environment {name}", ok=True, detail=label)


def _stage(title: str, pipeline: Pipeline, planned: Planned) -> Part:
    """What is known of a stage before the one before it has run: its model is like the first."""
    task, first = planned.task, pipeline.prepared_backbone_path()
    is_first = task.model == first
    if not Path(task.model).exists():
        task = msgspec.structs.replace(task, model=first)
    planned = planned._replace(task=task)
    data, rows = _data(pipeline, planned)
    model = model_check(task.model, pipeline.backbone.revision)
    checks, row = [data, model] if is_first else [data], None
    if rows and model.ok:
        found = _probed(pipeline, planned, rows)
        checks += _of_tokens(found, planned)
        row = found.rows[0] if found and found.rows else None
    checks += _of_plugin(planned.stage.trainer.name, planned.trainer.checks, task)
    checks += _of_plugin(pipeline.launcher.name, pipeline.launcher.checks, planned.job)
    return Part(title=title, checks=tuple(checks), row=row)


def _data(pipeline: Pipeline, planned: Planned) -> tuple[Check, list[TrainingRow]]:
    """Can every row be read and rendered? And the first rows."""
    path, stage = Path(planned.task.data), planned.stage
    kept: list[TrainingRow] = []
    count = 0
    try:
        written: Iterable[TrainingRow] = jsonl.read(path, TrainingRow) if path.exists() else ()
        made = training_rows(stage, planned.trainer, pipeline.strategy, pipeline.recipe.seed)
        for row in written if path.exists() else made:
            count += 1
            if len(kept) < ROWS:
                kept.append(row)
    except Rmr1Error as error:
        return Check(name="data", ok=False, detail=str(error)), []
    detail = f"{count:,} rows of {stage.dataset.name}, split {stage.split}"
    if not kept:
        return Check(name="data", ok=False, detail=f"{detail}; choose another split"), []
    return Check(name="data", ok=True, detail=detail), kept


def model_check(model: str, revision: str) -> Check:
    """Are the weights there, or to be had?"""
    if Path(model).is_absolute() or Path(model).is_dir():
        there = (Path(model) / "config.json").is_file()
        detail = model if there else "built from nothing when the run starts"
        return Check(name="model", ok=True if there else None, detail=detail)
    import os

    prefer_cache_when_unreachable()
    from huggingface_hub import HfApi, try_to_load_from_cache

    if isinstance(try_to_load_from_cache(model, "config.json", revision=revision), str):
        return Check(name="model", ok=True, detail=f"{model}, in the hub's cache")
    if os.environ.get(OFFLINE, "0") not in ("", "0"):
        detail = f"{model} is not in the hub's cache, and the hub cannot be reached"
        advice = f"fetch it where there is a network: hf download {model}"
        return Check(name="model", ok=False, detail=f"{detail}; {advice}")
    try:
        info = HfApi().model_info(
            model, revision=revision, timeout=HUB_SECONDS, files_metadata=True
        )
    except Exception as error:  # the boundary to the hub
        cause = str(error).strip().splitlines()[0]
        return Check(name="model", ok=False, detail=f"{model}: {cause}")
    size = sum(file.size or 0 for file in info.siblings or [])
    return Check(name="model", ok=True, detail=f"{model}, {size / 1e9:,.1f} GB to download")


def _probed(pipeline: Pipeline, planned: Planned, rows: Sequence[TrainingRow]) -> Probed | None:
    located = environments.if_built(planned.job.environment)
    return probe(planned.task.model, pipeline.backbone.revision, rows, located)


def _of_tokens(found: Probed | None, planned: Planned) -> Iterator[Check]:
    if found is None:
        detail = "transformers is neither here nor in the stage's environment"
        yield Check(name="template", ok=None, detail=detail)
    elif found.error or found.crash:
        ok = False if found.error else None
        yield Check(name="template", ok=ok, detail=found.error or found.crash)
    else:
        sft = planned.trainer.objective == "sft"
        yield from token_checks(found, Limits.of(planned.trainer), sft=sft)


def _of_reward(pipeline: Pipeline) -> list[Check]:
    reward: RewardFunction = resolve("reward", pipeline.recipe.reward)
    return _of_plugin(reward.name, lambda _: reward.checks(), None)


def _of_plugin(name: str, look: Callable[[Any], Iterable[Check]], at: object) -> list[Check]:
    """What a trainer or a launcher knows; where it cannot look, that is what is found."""
    found = []
    try:
        for check in look(at):
            found.append(check)
    except Rmr1Error as error:
        found.append(Check(name=name, ok=False, detail=str(error)))
    except Exception as error:  # the boundary to foreign code
        detail = f"it could not look: {type(error).__name__}: {error}"
        found.append(Check(name=name, ok=None, detail=detail))
    return found
