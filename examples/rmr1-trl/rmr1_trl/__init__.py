"""GRPO with TRL's `GRPOTrainer`: the trainer's options, and the job that it plans.

The job is a process of its own (`rmr1_trl.worker`) in the environment of rmr1, in which TRL is
installed. It works on one machine and one GPU, or on a CPU.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from rmr1_core import Check, Job, Option, Step, Trainer, TrainingTask, hookimpl
from rmr1_core.errors import UsageError

EVENTS, CHECKPOINT, JOB = "events.jsonl", "checkpoint", "job.json"
"""What a stage has in its output folder."""


class TrlGrpo(Trainer, frozen=True, kw_only=True):
    """Reinforcement learning with verifiable rewards (RM-R1, arXiv 2505.02387, section 3.3)."""

    learning_rate: Annotated[float, Option(description="highest learning rate", gt=0)] = 1e-6
    steps: Annotated[int, Option(description="rollouts, one update each", ge=1)] = 200
    prompts_per_step: Annotated[int, Option(description="prompts per rollout", ge=1)] = 16
    samples_per_prompt: Annotated[int, Option(description="answers per prompt", ge=2)] = 7
    kl_coefficient: Annotated[float, Option(description="weight of the KL term", ge=0)] = 1e-3
    clip: Annotated[float, Option(description="bound of the probability ratio", gt=0)] = 0.2
    temperature: Annotated[float, Option(description="of sampling", gt=0)] = 1.0
    max_new_tokens: Annotated[int, Option(description="limit of an answer, in tokens", ge=1)] = 4096
    save_every: Annotated[int, Option(description="steps between resume points", ge=1)] = 20
    extra: Annotated[
        Mapping[str, Any], Option(description="more arguments of TRL's GRPOConfig, verbatim")
    ] = {}

    def plan(self, task: TrainingTask) -> Job:
        """A process that runs `rmr1_trl.worker`.

        Raises:
            UsageError: a budget of CPU time is asked for, which TRL does not keep.
        """
        if task.cpu_seconds is not None:
            raise UsageError(f"{self.name} counts steps, not CPU time; use: --trainer local-grpo")
        output = Path(task.output)
        work = msgspec.json.format(msgspec.json.encode(Work(task, self)))
        return Job(
            name=task.stage.name,
            steps=(Step(argv=(sys.executable, "-m", "rmr1_trl.worker", str(output / JOB))),),
            files={str(output / JOB): work.decode()},
            env={"TOKENIZERS_PARALLELISM": "false"},
            environment="",
            events=str(output / EVENTS),
            log=str(output / "log.txt"),
            checkpoint=str(output / CHECKPOINT),
        )

    def arguments(self, *, cuda: bool) -> dict[str, Any]:
        """What TRL's GRPOConfig is given, whatever the stage."""
        fixed: dict[str, Any] = {
            "max_steps": self.steps,
            "learning_rate": self.learning_rate,
            "per_device_train_batch_size": self.samples_per_prompt,  # one group at a time
            "gradient_accumulation_steps": self.prompts_per_step,
            "num_generations": self.samples_per_prompt,
            "max_completion_length": self.max_new_tokens,
            "temperature": self.temperature,
            "beta": self.kl_coefficient,
            "epsilon": self.clip,
            "loss_type": "grpo",
            "save_steps": self.save_every,
            "save_total_limit": 2,
            "logging_steps": 1,
        }
        quiet = {"disable_tqdm": True, "report_to": "none"}
        device = {"bf16": cuda, "use_cpu": not cuda, "gradient_checkpointing": cuda}
        return {**fixed, **quiet, **device, **self.extra}

    def checks(self, task: TrainingTask) -> Iterable[Check]:
        """Is TRL there?"""
        found = importlib.util.find_spec("trl") is not None
        words = "installed" if found else "not installed; pip install trl"
        yield Check(name="trl", ok=found, detail=words)


class Work(msgspec.Struct, frozen=True):
    """The job file."""

    task: TrainingTask
    trainer: TrlGrpo


@hookimpl
def rmr1_trainers() -> list[Trainer]:
    """Offer TRL's GRPO."""
    return [TrlGrpo(name="trl-grpo", summary="GRPO with TRL, on one GPU or a CPU", objective="rl")]
