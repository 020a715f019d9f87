"""GRPO with veRL: the options, and the job that they plan.

The defaults are RM-R1's numbers for its 7 B model (arXiv 2505.02387, section 4 and appendix); other
sizes have presets with their backbones.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from rmr1_core import Check, Job, Option, RewardFunction, Step, Trainer, TrainingTask
from rmr1_core.errors import UsageError
from rmr1_core.lookup import resolve
from rmr1_core.rewarding import Rewarding
from rmr1_verl import progress
from rmr1_verl.overrides import overrides

INSIDE = Path(__file__).with_name("inside")
"""What runs in veRL's environment, which has no rmr1: it is started by its path."""
EVENTS, LOG, CHECKPOINT = "events.jsonl", "log.txt", "checkpoint"
CPU_SLOTS = '{"CPU": 32, "GPU": 1}'
"""What each node of a Ray cluster says that it has when no GPU is asked for: veRL counts GPUs, and
asks for more CPUs than a small machine has."""
MOST_WAITING = 1000
"""Calls that a process of Ray with coroutines has under way, and what waits for more waits for
ever: an answer waits in such a call until its group is complete."""
METRICS = "verl-metrics.jsonl"
"""veRL's own log of metrics, which begins anew whenever the training resumes."""


class VerlGrpo(Trainer, frozen=True, kw_only=True):
    """Reinforcement learning with verifiable rewards (RM-R1, section 3.3), by veRL with vLLM's
    rollouts. Everything that has no option here is set through `extra`, in veRL's own words."""

    environment: ClassVar[str] = "verl"
    learning_rate: Annotated[float, Option(description="learning rate", gt=0)] = 1e-6
    rollout_batch_size: Annotated[int, Option(description="prompts per step", ge=1)] = 1024
    mini_batch_size: Annotated[int, Option(description="prompts per update", ge=1)] = 128
    samples_per_prompt: Annotated[int, Option(description="answers per prompt", ge=2)] = 7
    temperature: Annotated[float, Option(description="of sampling and scoring", gt=0)] = 1.0
    kl_loss_coef: Annotated[
        float, Option(description="weight of the KL to the first model, low-variance form", ge=0)
    ] = 1e-3
    clip_ratio: Annotated[float, Option(description="bound of the probability ratio", gt=0)] = 0.2
    entropy_coeff: Annotated[float, Option(description="weight of the entropy bonus")] = 0.0
    max_prompt_length: Annotated[
        int, Option(description="in tokens; longer prompts are left out", ge=1)
    ] = 4096
    max_response_length: Annotated[int, Option(description="in tokens", ge=1)] = 8192
    micro_batch_tokens: Annotated[
        int,
        Option(description="tokens per GPU and forward pass; memory, not results", ge=1),
    ] = 16384
    tensor_parallel_size: Annotated[int, Option(description="GPUs per vLLM engine", ge=1)] = 4
    gpu_memory_utilization: Annotated[
        float, Option(description="share of a GPU's memory that vLLM takes", gt=0, le=1)
    ] = 0.4
    offload: Annotated[
        bool, Option(description="keep weights and optimizer in the CPU's memory meanwhile")
    ] = False
    nodes: Annotated[int, Option(description="machines", ge=1)] = 1
    gpus_per_node: Annotated[int, Option(description="GPUs of each; 0 is a CPU", ge=0)] = 8
    epochs: Annotated[int, Option(description="passes over the data", ge=1)] = 1
    steps: Annotated[int, Option(description="steps, if not 0, instead of epochs", ge=0)] = 0
    orders: Annotated[
        Literal["given", "both"],
        Option(description="each pair in the order that its dataset gives, or also swapped"),
    ] = "given"
    save_every: Annotated[int, Option(description="steps between checkpoints", ge=1)] = 20
    keep_checkpoints: Annotated[int, Option(description="the last ones to keep", ge=1)] = 1
    start_minutes: Annotated[
        float, Option(description="give up when Ray and the models have not started by then", gt=0)
    ] = 30.0
    step_minutes: Annotated[float, Option(description="give up when a step takes longer", gt=0)] = (
        240.0
    )
    extra: Annotated[
        Mapping[str, Any], Option(description="veRL's settings by their names, as they are")
    ] = {}

    def plan(self, task: TrainingTask) -> Job:
        """Check the settings, make the data, train, merge; each by a script of this plugin.

        Raises:
            UsageError: a budget of compute is given, `extra` sets what is not its own, or a reward
                that compares would be shown more answers than can wait.
        """
        if task.cpu_seconds is not None:
            raise UsageError(
                f"trainer {self.name!r} cannot end at a budget of compute; give the stage 'steps' "
                "in the place of compute_of"
            )
        groups = self._compares(task)
        output = Path(task.output)
        settings, reward = str(output / "settings.json"), str(output / "reward.json")
        rewarding = str(output / "rewarding.json")
        start = ("python", str(INSIDE / "start.py"))
        paths = {
            "train_files": str(output / "data" / "train.parquet"),
            "checkpoints": str(output / "verl"),
            "hydra_folder": str(output / "hydra"),
            "reward_file": str(INSIDE / "reward.py"),
            "manager_file": str(INSIDE / "manager.py"),
            "reward_settings": reward,
        }
        exact = overrides(self, task, paths, groups=groups)
        return Job(
            name=task.stage.name,
            steps=(
                Step(argv=(*start, "check", settings, *exact)),
                Step(argv=(*start, "data", settings)),
                Step(argv=(*start, "train", settings, *exact)),
                Step(argv=(*start, "merge", settings)),
            ),
            files={
                settings: _json(self._settings(task)),
                reward: _json(self._reward_settings(output, rewarding, groups)),
                rewarding: _json(
                    Rewarding(prompt=task.recipe.prompt, reward=task.recipe.reward, groups=groups)
                ),
            },
            env={
                "VERL_FILE_LOGGER_PATH": str(output / METRICS),
                "HYDRA_FULL_ERROR": "1",  # the cause, not a summary of it
                "PYTHONUNBUFFERED": "1",
                **({} if self.gpus_per_node else {"RAY_OVERRIDE_RESOURCES": CPU_SLOTS}),
            },
            environment=self.environment,
            events=str(output / EVENTS),
            log=str(output / LOG),
            checkpoint=str(output / CHECKPOINT),
            nodes=self.nodes,
            gpus_per_node=self.gpus_per_node,
            cluster="ray",
        )

    def event(self, line: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """A line of veRL's metrics as an event."""
        return progress.event(line)

    def checks(self, task: TrainingTask) -> Iterable[Check]:
        """Batches, lengths, memory, disk, and whether the installed veRL heeds every setting."""
        from rmr1_verl.checks import checks

        return checks(self, task)

    def _settings(self, task: TrainingTask) -> dict[str, Any]:
        output = Path(task.output)
        return {
            "data": task.data,
            "model": task.model,
            "output": task.output,
            "events": str(output / EVENTS),
            "checkpoint": str(output / CHECKPOINT),
            "orders": self.orders,
            "rollout_batch_size": self.rollout_batch_size,
            "max_prompt_length": self.max_prompt_length,
            "epochs": self.epochs,
            "steps": self.steps,
            "keep_checkpoints": self.keep_checkpoints,
            "start_minutes": self.start_minutes,
            "step_minutes": self.step_minutes,
        }

    def _reward_settings(self, output: Path, rewarding: str, groups: bool) -> dict[str, Any]:
        return {
            "python": sys.executable,
            "rewarding": rewarding,
            "cause": str(output / "reward-error.txt"),
            "tallies": str(output / "tallies"),
            **({"group_seconds": self.step_minutes * 60} if groups else {}),
        }

    def _compares(self, task: TrainingTask) -> bool:
        """Whether the reward compares the answers to a prompt.

        Raises:
            UsageError: and there are more answers in a step than can wait for the others.
        """
        reward: RewardFunction = resolve("reward", task.recipe.reward)
        answers = self.rollout_batch_size * self.samples_per_prompt
        if reward.sees_groups and answers > MOST_WAITING:
            most = MOST_WAITING // self.samples_per_prompt
            raise UsageError(
                f"reward {reward.name!r} compares the answers to a prompt, and the {answers:,} of "
                f"a step are more than veRL's reward process can hold; set rollout_batch_size of "
                f"{self.name!r} to {most} at most"
            )
        return reward.sees_groups


def _json(value: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(value)).decode() + "\n"
