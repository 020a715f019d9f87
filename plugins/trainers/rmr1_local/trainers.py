"""The trainers' options, and the jobs that they plan.

The defaults suit the tiny backbone. A pretrained model wants learning rates near 1e-5 (sft) and
1e-6 (grpo).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import msgspec

from rmr1_core import Job, Option, Step, Trainer, TrainingTask

METRICS, LOG, CHECKPOINT, RESUME = "metrics.jsonl", "log.txt", "checkpoint", "resume.pt"
"""What a stage leaves in its output folder; the resume point goes when the checkpoint is there."""


class LocalTrainer(Trainer, frozen=True, kw_only=True):
    """What both stages share."""

    learning_rate: Annotated[float, Option(description="highest learning rate", gt=0)]
    steps: Annotated[int, Option(description="optimizer or rollout steps", ge=1)]
    warmup_steps: Annotated[int, Option(description="steps of rising learning rate", ge=0)]
    save_every: Annotated[int, Option(description="steps between resume points", ge=1)]
    micro_batch_size: Annotated[
        int, Option(description="sequences per forward pass; memory, not results", ge=1)
    ] = 64
    threads: Annotated[int, Option(description="CPU threads of the worker", ge=1)] = 1

    def _job(self, task: TrainingTask, worker: str) -> Job:
        output = Path(task.output)
        job_file = str(output / "job.json")
        work = msgspec.json.format(msgspec.json.encode({"task": task, "trainer": self}))
        return Job(
            name=task.stage.name,
            steps=(Step(argv=(sys.executable, "-m", worker, job_file)),),
            files={job_file: work.decode()},
            env={"OMP_NUM_THREADS": str(self.threads), "TOKENIZERS_PARALLELISM": "false"},
            environment="",
            events=str(output / METRICS),
            log=str(output / LOG),
            checkpoint=str(output / CHECKPOINT),
        )


class LocalSft(LocalTrainer, frozen=True, kw_only=True):
    """Distillation: next-token loss on the traces, not on the prompts (RM-R1, section 3.2)."""

    learning_rate: Annotated[float, Option(description="highest learning rate", gt=0)] = 4e-3
    steps: Annotated[int, Option(description="optimizer steps", ge=1)] = 2500
    warmup_steps: Annotated[int, Option(description="steps of rising learning rate", ge=0)] = 50
    save_every: Annotated[int, Option(description="steps between resume points", ge=1)] = 100
    batch_size: Annotated[int, Option(description="traces per step", ge=1)] = 32
    weight_decay: Annotated[float, Option(description="AdamW's weight decay", ge=0)] = 0.01
    decision_weight: Annotated[
        float, Option(description="weight of tokens that name an answer, such as [[A]]", gt=0)
    ] = 3.0

    def plan(self, task: TrainingTask) -> Job:
        """A process that runs `rmr1_local.sft`."""
        return self._job(task, "rmr1_local.sft")


class LocalGrpo(LocalTrainer, frozen=True, kw_only=True):
    """Reinforcement learning with verifiable rewards (RM-R1, section 3.3)."""

    learning_rate: Annotated[float, Option(description="highest learning rate", gt=0)] = 5e-4
    steps: Annotated[int, Option(description="rollouts", ge=1)] = 80
    warmup_steps: Annotated[int, Option(description="steps of rising learning rate", ge=0)] = 5
    save_every: Annotated[int, Option(description="steps between resume points", ge=1)] = 10
    prompts_per_step: Annotated[int, Option(description="prompts per rollout", ge=1)] = 32
    samples_per_prompt: Annotated[int, Option(description="answers per prompt", ge=2)] = 7
    updates_per_step: Annotated[
        int, Option(description="minibatches that a rollout is cut into, one update each", ge=1)
    ] = 1
    epochs_per_step: Annotated[int, Option(description="passes over a rollout", ge=1)] = 1
    kl_coefficient: Annotated[float, Option(description="weight of the KL term", ge=0)] = 1e-3
    clip: Annotated[float, Option(description="bound of the probability ratio", gt=0)] = 0.2
    temperature: Annotated[float, Option(description="of sampling and scoring", gt=0)] = 1.0
    max_new_tokens: Annotated[int, Option(description="limit of an answer, in tokens", ge=1)] = 72

    def plan(self, task: TrainingTask) -> Job:
        """A process that runs `rmr1_local.grpo`."""
        return self._job(task, "rmr1_local.grpo")


class SftWork(msgspec.Struct, frozen=True):
    """A job file of `rmr1_local.sft`."""

    task: TrainingTask
    trainer: LocalSft


class GrpoWork(msgspec.Struct, frozen=True):
    """A job file of `rmr1_local.grpo`."""

    task: TrainingTask
    trainer: LocalGrpo
