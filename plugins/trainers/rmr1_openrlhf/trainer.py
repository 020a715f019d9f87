"""OpenRLHF's supervised fine-tuning: its options, and the job that it plans.

The defaults are the numbers of the paper (RM-R1, arXiv 2505.02387, section 3.2 and appendix) for
7 B parameters on one node of 8 GPUs. Departure: rows that are longer than max_length are left out,
where OpenRLHF cuts them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from rmr1_core import Check, Job, Option, Step, Trainer, TrainingTask
from rmr1_core.errors import BadOption, UsageError
from rmr1_openrlhf.inside import keys, places

START = Path(__file__).parent / "inside" / "start.py"
RELEASE = "0.11.2"
"""The release in the lock of our environment."""
KEPT = 2
"""Checkpoints to resume from: one may be half written."""


class OpenRlhfSft(Trainer, frozen=True, kw_only=True):
    """Distillation with OpenRLHF and DeepSpeed, from one CPU to several nodes of GPUs."""

    environment: ClassVar[str] = "openrlhf"
    learning_rate: Annotated[float, Option(description="highest learning rate", gt=0)] = 5e-6
    batch_size: Annotated[int, Option(description="rows per optimizer step", ge=1)] = 128
    micro_batch_size: Annotated[
        int, Option(description="rows per forward pass of a rank; memory, not results", ge=1)
    ] = 1
    epochs: Annotated[int, Option(description="passes over the data", ge=1)] = 1
    max_length: Annotated[
        int, Option(description="longest row, in tokens; longer ones are left out", ge=8)
    ] = 12_288
    zero_stage: Annotated[
        Literal[0, 1, 2, 3],
        Option(description="what ranks share: optimizer (1), gradients (2), weights (3)"),
    ] = 3
    packing: Annotated[bool, Option(description="no padding between the rows of a pass")] = True
    adam_offload: Annotated[bool, Option(description="optimizer in the machine's memory")] = True
    gradient_checkpointing: Annotated[
        bool, Option(description="compute activations twice instead of keeping them")
    ] = True
    attn_implementation: Annotated[
        str,
        Option(description="'auto': flash_attention_2 where it and a GPU are, else sdpa"),
    ] = "auto"
    lr_scheduler: Annotated[str, Option(description="name of the schedule in transformers")] = (
        "cosine_with_min_lr"
    )
    warmup_ratio: Annotated[
        float, Option(description="share of the steps with a rising learning rate", ge=0, le=1)
    ] = 0.03
    weight_decay: Annotated[float, Option(description="AdamW's weight decay", ge=0)] = 0.0
    save_every: Annotated[
        int, Option(description="steps between checkpoints to resume from; -1 is never", ge=-1)
    ] = 20
    nodes: Annotated[int, Option(description="machines", ge=1)] = 1
    gpus_per_node: Annotated[int, Option(description="GPUs of each; 0 is a CPU", ge=0)] = 8
    ranks_per_node: Annotated[
        int, Option(description="processes of each; 0 is one per GPU, or one on a CPU", ge=0)
    ] = 0
    release: Annotated[str, Option(description="release of OpenRLHF whose flags to use")] = RELEASE
    extra: Annotated[
        Mapping[str, Any],
        Option(description="more flags, verbatim: {'ds.lora.rank' = 64} is --ds.lora.rank 64"),
    ] = {}

    @property
    def ranks(self) -> int:
        """Processes on all nodes."""
        return self.nodes * self.local_ranks

    @property
    def local_ranks(self) -> int:
        """Processes on each node."""
        return self.ranks_per_node or max(1, self.gpus_per_node)

    def plan(self, task: TrainingTask) -> Job:
        """Check the flags, convert the rows, train on all nodes, put the result in its place.

        Raises:
            UsageError: the options contradict one another or the release.
        """
        output = Path(task.output)
        words = tuple(self.flags(task))
        if task.cpu_seconds is not None:
            raise UsageError(
                f"trainer {self.name!r} cannot end at a budget of compute; give the stage "
                "'epochs' in the place of compute_of"
            )
        return Job(
            name=task.stage.name,
            steps=(
                _step("check", *words),
                _step("data", task.model, task.data, task.output, str(self.max_length)),
                _step("train", task.output, *words, everywhere=True),
                _step("result", task.model, task.output),
            ),
            files={},
            env=self._env(),
            environment=self.environment,
            events=str(output / places.EVENTS),
            log=str(output / places.LOG),
            checkpoint=str(output / places.CHECKPOINT),
            nodes=self.nodes,
            gpus_per_node=self.gpus_per_node,
            cluster="torchrun",
        )

    def flags(self, task: TrainingTask) -> Iterable[str]:
        """The command line of OpenRLHF, `extra` last.

        Raises:
            UsageError: the release is not known, or `extra` repeats one of our options.
        """
        settings = self._settings(task)
        try:
            words = list(keys.flags(settings, self.release))
        except ValueError as error:
            raise BadOption("trainer", self.name, str(error)) from None
        ours = {keys.names(self.release)[name]: name for name in settings}
        for name, value in self.extra.items():
            if f"--{name}" in ours:
                option = ours[f"--{name}"]
                known = f"is the option {option!r}" if hasattr(self, option) else "is set already"
                raise BadOption("trainer", self.name, f"extra {name!r} {known}")
            values = value if isinstance(value, list | tuple) else [value]
            if value is not False:
                words += [f"--{name}", *(map(str, values) if value is not True else ())]
        return words

    def checks(self, task: TrainingTask) -> Iterable[Check]:
        """Batch sizes, memory, lengths, disk, and the flags as the installed release takes them."""
        from rmr1_openrlhf.checks import checks

        return checks(self, task)

    def _settings(self, task: TrainingTask) -> dict[str, Any]:
        output = Path(task.output)
        attention = self.attn_implementation
        return {
            "model": task.model,
            "data": str(output / places.ROWS),
            "input_key": "input",
            "output_key": "output",
            "chat_messages": True,
            "max_length": self.max_length,
            "seed": task.seed,
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "micro_batch_size": self.micro_batch_size,
            "learning_rate": self.learning_rate,
            "lr_scheduler": self.lr_scheduler,
            "warmup_ratio": self.warmup_ratio,
            "weight_decay": self.weight_decay,
            "zero_stage": self.zero_stage,
            "packing": self.packing,
            "adam_offload": self.adam_offload,
            "gradient_checkpointing": self.gradient_checkpointing,
            "attn_implementation": None if attention == "auto" else attention,
            "param_dtype": "bf16",
            "result": str(output / places.TRAINED),
            "resume_folder": str(output / places.RESUME),
            "resume": True,
            "save_every": self.save_every,
            "kept": KEPT,
        }

    def _env(self) -> dict[str, str]:
        """What the agent reads, as torchrun does; of several nodes, the launcher says the rest."""
        alone = {"PET_NNODES": "1", "PET_STANDALONE": "1"} if self.nodes == 1 else {}
        return {"PET_NPROC_PER_NODE": str(self.local_ranks), **alone}


def _step(verb: str, *words: str, everywhere: bool = False) -> Step:
    return Step(argv=("python", str(START), verb, *words), everywhere=everywhere)
