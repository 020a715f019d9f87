"""A recipe's stages in one folder: what they train on, their jobs, and how good the judge is after.

Each step leaves a marker when it is complete, so going on after a crash is the same code: what is
complete is skipped, and a job resumes by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import msgspec

from rmr1_core import environments, jobs, jsonl, launching, plugin_files, runs
from rmr1_core.assessing import JudgeParts, judge_all
from rmr1_core.bench import benchmarks_of, check_scoring
from rmr1_core.components import Backbone, Benchmark, Engine, Launcher, PromptStrategy, Trainer
from rmr1_core.errors import JobFailed, UnknownName, UsageError
from rmr1_core.evaluation import Evaluation
from rmr1_core.launching import number
from rmr1_core.lookup import BACKBONE_FILE, resolve
from rmr1_core.observers import Observers
from rmr1_core.rendering import training_rows
from rmr1_core.values import (
    EvalProtocol,
    Job,
    Recipe,
    Report,
    Stage,
    StageResult,
    TrainingRow,
    TrainingTask,
)

BEFORE = "before"
CORPUS_ROWS = 4000
"""How many examples of every stage a backbone built from scratch sees for its tokenizer."""


class Planned(NamedTuple):
    """A stage, and what its trainer plans for it."""

    stage: Stage
    trainer: Trainer
    task: TrainingTask
    job: Job


class Pipeline:
    """One pass through a recipe's stages, in one folder.

    `versions` gets the facts of the engine that judges.
    """

    def __init__(self, recipe: Recipe, folder: Path, base: Pipeline | None = None) -> None:
        self.recipe, self.folder, self._base = recipe, folder.absolute(), base
        self.strategy: PromptStrategy = resolve("prompt", recipe.prompt)
        self.launcher: Launcher = resolve("launcher", recipe.launcher)
        self.benchmarks: list[Benchmark] = benchmarks_of(recipe.benchmarks)
        self.versions: dict[str, str] = {}
        self.backbone: Backbone = resolve("backbone", recipe.backbone)
        self._trainers: dict[str, Trainer] = {
            stage.name: resolve("trainer", stage.trainer) for stage in recipe.stages
        }
        resolve("reward", recipe.reward)
        resolve("engine", recipe.engine)
        for protocol in filter(None, (recipe.evaluation, recipe.sampled_evaluation)):
            check_scoring(protocol.scoring, self.benchmarks)
        self._check_stages()

    def write(self) -> list[Job]:
        """Write the data and the job of every stage; start nothing."""
        return [self._write_stage(stage, budget=None) for stage in self.recipe.stages]

    def run(self) -> Iterator[StageResult]:
        """Evaluate, then train and evaluate stage by stage; yield every result as it is there.

        A variant of another pipeline is evaluated once, at its end, for the cost of all stages.
        """
        backbone = self.prepared_backbone()
        if self._base is None:
            yield self._result(BEFORE, backbone, [])
        unseen: list[Stage] = []
        for stage in self.recipe.stages:
            trained = self._train(stage)
            unseen.append(stage)
            if self._base is None or stage is self.recipe.stages[-1]:
                yield self._result(stage.name, trained, unseen)
                unseen = []

    def environments(self) -> set[str]:
        """The managed environments that judging and the stages' jobs need; "" is none."""
        engine: Engine = resolve("engine", self.recipe.engine)
        return {engine.environment, *(planned.job.environment for planned in self.planned())}

    def planned(self) -> Iterator[Planned]:
        """Every stage with what its trainer plans, in their order. Pure."""
        for stage in self.recipe.stages:
            task, trainer = self._task(stage, None), self._trainers[stage.name]
            yield Planned(stage, trainer, task, trainer.plan(task))

    def prepared_backbone(self) -> Backbone:
        """The recipe's backbone, built in the run's folder if it starts from nothing."""
        if self._base is not None and self._base.recipe.backbone == self.recipe.backbone:
            return self._base.prepared_backbone()
        folder = self.folder / "backbone"
        prepared = self.backbone.prepare(folder, seed=self.recipe.seed, corpus=self._corpus)
        return self._asked_as_trained(prepared)

    def checkpoint(self, stage: str) -> Path:
        """Where a stage's weights are, or will be. Raises UnknownName for a stage that is not."""
        return Path(self._plan(self._stage(stage), None).checkpoint)

    def events(self, stage: str) -> list[Mapping[str, object]]:
        """All events that a stage's job has reported."""
        job = self._plan(self._stage(stage), None)
        return list(launching.events(self._trainers[stage], job))

    def done_event(self, stage: str) -> Mapping[str, object]:
        """What a finished stage's job said at its end."""
        return next((e for e in reversed(self.events(stage)) if e.get("event") == "done"), {})

    def _train(self, stage: Stage) -> Backbone:
        job = self._write_stage(stage, self._budget(stage))
        if not Path(job.checkpoint).is_dir():
            self._launch(stage, job)
        trained = msgspec.structs.replace(
            self._asked_as_trained(self.backbone),
            name=f"{self.recipe.name}-{stage.name}",
            model=job.checkpoint,
        )
        runs.write_whole(Path(job.checkpoint) / BACKBONE_FILE, trained)
        return trained

    def _launch(self, stage: Stage, job: Job) -> None:
        trainer, told = self._trainers[stage.name], Observers()
        try:
            launching.launch(
                self.launcher, trainer, job, lambda e: told.stepped(self.folder, stage.name, e)
            )
        except JobFailed as failed:
            failed.resume_with(f"rmr1 run --resume {(self._base or self).folder.name}")
            raise

    def _result(self, name: str, backbone: Backbone, spent_in: Sequence[Stage]) -> StageResult:
        ends = [self.done_event(stage.name) for stage in spent_in]
        sampled: Sequence[Report] = ()
        if self.recipe.sampled_evaluation is not None:
            sampled = self._evaluate(f"{name}-sampled", backbone, self.recipe.sampled_evaluation)
        return StageResult(
            variant=self.folder.name if self._base else "",
            stage=name,
            reports=tuple(self._evaluate(name, backbone, self.recipe.evaluation)),
            sampled=tuple(sampled),
            cpu_seconds=sum(number(end, "cpu_seconds") for end in ends),
            wall_seconds=sum(number(end, "wall_seconds") for end in ends),
            peak_memory_mb=max((number(end, "peak_memory_mb") for end in ends), default=0.0),
        )

    def _evaluate(self, name: str, backbone: Backbone, protocol: EvalProtocol) -> list[Report]:
        evaluation = Evaluation(self.folder / "evaluations" / name)
        stored = evaluation.stored_reports()
        if stored is not None:
            return stored
        if not evaluation.is_set_up:
            evaluation.set_up([(benchmark, None) for benchmark in self.benchmarks], protocol)
        engine: Engine = resolve("engine", self.recipe.engine)
        judge = JudgeParts(engine=engine, backbone=backbone, strategy=self.strategy)
        return judge_all(evaluation, judge, protocol, self.benchmarks, self.versions)

    def _write_stage(self, stage: Stage, budget: float | None) -> Job:
        trainer = self._trainers[stage.name]
        data = self._data_file(stage)
        if not data.exists():
            rows = training_rows(stage, trainer, self.strategy, self.recipe.seed)
            jsonl.write(data, rows)
        job = self._plan(stage, budget)
        located = environments.if_built(job.environment)
        jobs.write(job, located, self.launcher.files(job, located))
        return job

    def _plan(self, stage: Stage, budget: float | None) -> Job:
        job = self._trainers[stage.name].plan(self._task(stage, budget))
        return msgspec.structs.replace(job, env={**plugin_files.environment(), **job.env})

    def _task(self, stage: Stage, budget: float | None) -> TrainingTask:
        return TrainingTask(
            recipe=self.recipe,
            stage=stage,
            model=self._model_before(stage),
            data=str(self._data_file(stage)),
            output=str(self._stage_folder(stage.name)),
            seed=self.recipe.seed,
            cpu_seconds=budget,
        )

    def _model_before(self, stage: Stage) -> str:
        if stage.start_from and self._base is not None:
            return str(self._base.checkpoint(stage.start_from))
        position = self.recipe.stages.index(stage)
        if position:
            return str(self.checkpoint(self.recipe.stages[position - 1].name))
        return self.prepared_backbone_path()

    def prepared_backbone_path(self) -> str:
        """What the first stage loads: pretrained weights by name, or where a backbone that starts
        from nothing is built."""
        if self._base is not None and self._base.recipe.backbone == self.recipe.backbone:
            return self._base.prepared_backbone_path()
        return self.backbone.model or str(self.folder / "backbone")

    def _budget(self, stage: Stage) -> float | None:
        if not stage.compute_of or self._base is None:
            return None
        ends = [self._base.done_event(name) for name in stage.compute_of]
        budget = sum(number(end, "cpu_seconds") for end in ends)
        if budget <= 0:
            raise UsageError(
                f"stage {stage.name!r} is to cost as much as {', '.join(stage.compute_of)}, "
                "whose trainer did not report its cpu_seconds"
            )
        return budget

    def _check_stages(self) -> None:
        name, stages = self.recipe.name, self.recipe.stages
        if len(self._trainers) < len(stages):
            raise UsageError(f"recipe {name!r}: two stages have the same name")
        for stage in stages:
            for other in filter(None, (stage.start_from, *stage.compute_of)):
                if self._base is None:
                    raise UsageError(
                        f"recipe {name!r}: stage {stage.name!r} refers to stage {other!r} of the "
                        "recipe that it varies; run it with: rmr1 run --ablations"
                    )
                self._base._stage(other)

    def _stage(self, name: str) -> Stage:
        for stage in self.recipe.stages:
            if stage.name == name:
                return stage
        raise UnknownName("stage", name, (stage.name for stage in self.recipe.stages))

    def _asked_as_trained(self, backbone: Backbone) -> Backbone:
        prompt = self.recipe.prompt
        return msgspec.structs.replace(
            backbone, prompt=prompt.name, prompt_options=dict(prompt.options)
        )

    def _corpus(self) -> Iterable[str]:
        for stage in self.recipe.stages:
            for row in islice(jsonl.read(self._data_file(stage), TrainingRow), CORPUS_ROWS):
                yield "\n".join([*(m.content for m in row.messages), row.completion])

    def _stage_folder(self, stage: str) -> Path:
        return self.folder / "stages" / stage

    def _data_file(self, stage: Stage) -> Path:
        return self._stage_folder(stage.name) / "data.jsonl"
