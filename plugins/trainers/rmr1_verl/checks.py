"""What is looked at before hours are spent."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from rmr1_core import Check, TrainingTask
from rmr1_core.environments import if_built
from rmr1_core.errors import UsageError
from rmr1_core.processes import capture, completed
from rmr1_verl.memory import GIB, Need, Shape, need

if TYPE_CHECKING:
    from rmr1_verl.trainer import VerlGrpo

CPU_HEAD_WIDTHS = (32, 64, 80, 96, 112, 128, 160, 192, 224, 256, 512)


def checks(trainer: VerlGrpo, task: TrainingTask) -> Iterator[Check]:
    """Batches, lengths, memory, disk, and whether the installed veRL heeds every setting."""
    shape = Shape.read(task.model)
    yield batches(trainer)
    yield parallel(trainer, shape)
    yield lengths(trainer, shape)
    yield rows(trainer, Path(task.data))
    here = task.recipe.launcher.name.rpartition("/")[2] == "local"  # else a scheduler chooses
    yield memory(trainer, shape, gpu_memory() if here else [])
    yield disk(trainer, shape, Path(task.output))
    yield settings(trainer, task)


def batches(trainer: VerlGrpo) -> Check:
    """Whether rollouts, updates and passes divide evenly."""
    gpus = trainer.nodes * max(1, trainer.gpus_per_node)
    answers = trainer.mini_batch_size * trainer.samples_per_prompt
    longest = trainer.max_prompt_length + trainer.max_response_length
    wrong = []
    if trainer.rollout_batch_size % trainer.mini_batch_size:
        wrong.append(
            f"rollout_batch_size {trainer.rollout_batch_size} is no multiple of mini_batch_size "
            f"{trainer.mini_batch_size}"
        )
    if answers % gpus:
        wrong.append(
            f"mini_batch_size times samples_per_prompt, {answers}, is no multiple of {gpus} GPUs"
        )
    if trainer.micro_batch_tokens < longest:
        wrong.append(
            f"micro_batch_tokens {trainer.micro_batch_tokens} is less than one answer with its "
            f"prompt may have, {longest}"
        )
    updates = trainer.rollout_batch_size // trainer.mini_batch_size
    told = f"{updates} updates a step, each of {answers} answers on {gpus} GPU{'s' * (gpus > 1)}"
    return _check("batch sizes", wrong, told)


def parallel(trainer: VerlGrpo, shape: Shape | None) -> Check:
    """Whether vLLM can cut the model as it is asked to."""
    size, gpus = trainer.tensor_parallel_size, max(1, trainer.gpus_per_node)
    wrong = []
    if gpus % size:
        wrong.append(f"tensor_parallel_size {size} does not divide the {gpus} GPUs of a node")
    if shape and shape.heads % size:
        wrong.append(f"tensor_parallel_size {size} does not divide {shape.heads} attention heads")
    if shape and not trainer.gpus_per_node and shape.head_width not in CPU_HEAD_WIDTHS:
        wrong.append(
            f"vLLM has no attention on a CPU for heads of width {shape.head_width}; take a model "
            f"with one of {', '.join(map(str, CPU_HEAD_WIDTHS))}"
        )
    return _check("tensor parallel", wrong, f"{gpus // size or 1} engines of {size} per node")


def lengths(trainer: VerlGrpo, shape: Shape | None) -> Check:
    """Whether the model takes prompts and answers as long as they may be."""
    longest = trainer.max_prompt_length + trainer.max_response_length
    if shape is None:
        return Check(name="lengths", ok=None, detail="the model's context is not known here")
    wrong = []
    if longest > shape.context:
        wrong.append(
            f"max_prompt_length and max_response_length are {longest} tokens together, more than "
            f"the model's context of {shape.context}"
        )
    return _check("lengths", wrong, f"{longest} of {shape.context} tokens")


def rows(trainer: VerlGrpo, data: Path) -> Check:
    """Whether there is enough data for one step."""
    if not data.exists():
        return Check(name="steps", ok=None, detail=f"{data} is not there yet")
    with data.open("rb") as lines:
        count = sum(1 for _ in lines) * (2 if trainer.orders == "both" else 1)
    steps = trainer.steps or count // trainer.rollout_batch_size * trainer.epochs
    wrong = []
    if count < trainer.rollout_batch_size:
        wrong.append(
            f"{count} prompts are fewer than one step's rollout_batch_size "
            f"{trainer.rollout_batch_size}"
        )
    return _check("steps", wrong, f"{count} prompts, {steps} steps at most")


def memory(trainer: VerlGrpo, shape: Shape | None, gpus: list[float]) -> Check:
    """Whether the smallest GPU holds what the formulas of `memory` say. `gpus` are in GiB."""
    if shape is None:
        return Check(name="GPU memory", ok=None, detail="the model's size is not known here")
    needs = need(trainer, shape)
    told = _told(trainer, shape, needs)
    if not gpus and not trainer.gpus_per_node:
        return Check(name="GPU memory", ok=True, detail="no GPU is asked for")
    if not gpus:
        return Check(name="GPU memory", ok=None, detail=f"{told}; there is no GPU here to compare")
    wrong = []
    total, share = min(gpus) * GIB, trainer.gpu_memory_utilization
    if len(gpus) < trainer.gpus_per_node:
        wrong.append(f"gpus_per_node is {trainer.gpus_per_node}, and there are {len(gpus)} here")
    if needs.update > total:
        wrong.append(f"{told}, of {total / GIB:.0f}; take more GPUs or fewer micro_batch_tokens")
    if needs.engine_weights + needs.one_answer > share * total:
        wrong.append(
            f"vLLM needs {(needs.engine_weights + needs.one_answer) / GIB:.1f} GiB for weights and "
            f"one answer, and gets {share * total / GIB:.1f}; raise gpu_memory_utilization or "
            "tensor_parallel_size"
        )
    elif needs.states + share * total > total:
        wrong.append(
            f"vLLM's share of {share:g} and {needs.states / GIB:.1f} GiB of states do not fit "
            f"{total / GIB:.0f} GiB; set offload, or lower gpu_memory_utilization"
        )
    return _check("GPU memory", wrong, f"{told}, of {total / GIB:.0f}")


def disk(trainer: VerlGrpo, shape: Shape | None, output: Path) -> Check:
    """Whether the checkpoints fit."""
    if shape is None:
        return Check(name="disk", ok=None, detail="the model's size is not known here")
    there = next(folder for folder in (output, *output.parents) if folder.exists())
    free, wanted = shutil.disk_usage(there).free, need(trainer, shape).disk
    told = f"{wanted / GIB:.1f} GiB of checkpoints, {free / GIB:.1f} GiB free in {there}"
    return _check("disk", [told] if wanted > free else [], told)


def settings(trainer: VerlGrpo, task: TrainingTask) -> Check:
    """What the installed veRL says of every setting."""
    name = "veRL's settings"
    try:
        located = if_built("verl")
    except UsageError as error:
        return Check(name=name, ok=False, detail=str(error))
    if located is None:
        detail = "veRL's environment is not built; make it with: rmr1 env create verl"
        return Check(name=name, ok=None, detail=detail)
    job = trainer.plan(task)
    _, start, _, file, *exact = job.steps[0].argv
    command = [str(located.python), start, "tell", job.files[file], *exact]
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        code = completed(command, env={**located.env, **job.env}, log=log, look=lambda: None)
        said = log.read_text(encoding="utf-8", errors="replace").splitlines()
    if code or not said:
        return Check(name=name, ok=None, detail=f"they could not be checked: {said[-1:]}")
    wrong = msgspec.json.decode(said[-1], type=list[str])
    return _check(name, wrong, f"{len(exact)} of them, all heeded")


def gpu_memory() -> list[float]:
    """The memory of this machine's GPUs, in GiB."""
    told = capture(["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"])
    return [float(line) / 1024 for line in told.splitlines() if line.strip().isdigit()]


def _told(trainer: VerlGrpo, shape: Shape, needs: Need) -> str:
    gpus = trainer.nodes * max(1, trainer.gpus_per_node)
    return (
        f"{shape.parameters / 1e9:.3g} B parameters need {needs.update / GIB:.1f} GiB on each of "
        f"{gpus} GPUs"
    )


def _check(name: str, wrong: Iterable[str], told: str) -> Check:
    problems = "; ".join(wrong)
    return Check(name=name, ok=not problems, detail=problems or told)
