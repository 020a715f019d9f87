"""What is looked at before hours are spent."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from rmr1_core import Check, TrainingTask
from rmr1_core.environments import if_built
from rmr1_core.errors import UsageError
from rmr1_core.processes import capture
from rmr1_openrlhf.memory import GIB, Shape, need, shape_of

if TYPE_CHECKING:
    from rmr1_openrlhf.trainer import OpenRlhfSft

COUNT_SECONDS = 600.0
ASK_SECONDS = 60.0
_TOLD = "told:"
NOT_ESTIMATED = ("ds.lora.rank", "ds.load_in_4bit", "ds.ring_attn_size", "ds.tensor_parallel_size")
"""Flags in `extra` under which the formulas of `memory` do not hold."""
_LATER = "known once the rows are written: rmr1 run --dry-run, then --resume last --check"


def checks(trainer: OpenRlhfSft, task: TrainingTask) -> Iterator[Check]:
    """Batches, data, lengths, memory, disk, and the flags as the installed release takes them."""
    shape = shape_of(task.model)
    yield batches(trainer)
    yield steps_of(trainer, Path(task.data))
    yield context(trainer, shape)
    yield lengths(trainer, task)
    changed = [name for name in NOT_ESTIMATED if trainer.extra.get(name)]
    if changed:
        told = f"not estimated: {', '.join(changed)} changes what is needed"
        yield Check(name="memory and disk", ok=None, detail=told)
    else:
        here = runs_here(task)
        yield memory(trainer, shape, gpu_memory() if here else None)
        yield offload(trainer, shape, machine_memory() if here else None)
        yield disk(trainer, shape, Path(task.output))
    yield flags(trainer, task)


def runs_here(task: TrainingTask) -> bool:
    """Whether it will train on this machine, and not on one that a scheduler chooses."""
    return task.recipe.launcher.name.rpartition("/")[2] == "local"


def batches(trainer: OpenRlhfSft) -> Check:
    """Whether a batch divides evenly: rows per pass, times passes, times ranks."""
    name, shared = "batch size", 1
    for flag in ("ds.ring_attn_size", "ds.tensor_parallel_size"):
        shared *= int(trainer.extra.get(flag, 1))
    ranks, left = divmod(trainer.ranks, shared)
    if left or not ranks:
        detail = f"{trainer.ranks} ranks are no multiple of the {shared} that share a row"
        return Check(name=name, ok=False, detail=detail)
    at_once = trainer.micro_batch_size * ranks
    passes, rest = divmod(trainer.batch_size, at_once)
    rows = f"micro_batch_size {trainer.micro_batch_size}"
    each = f"{ranks} ranks" if shared == 1 else f"{ranks} groups of {shared} ranks"
    told = f"batch_size {trainer.batch_size} = {rows} x {passes} passes x {each}"
    problem = f"batch_size {trainer.batch_size} is no multiple of {rows} x {each} = {at_once}"
    return _check(name, [problem] if rest or not passes else [], told)


def steps_of(trainer: OpenRlhfSft, rows: Path) -> Check:
    """Whether there is enough data for one step."""
    if not rows.exists():
        return Check(name="steps", ok=None, detail=_LATER)
    with rows.open("rb") as lines:
        count = sum(1 for _ in lines)
    steps = count * trainer.epochs // trainer.batch_size
    problem = f"{count} rows are fewer than one step's batch_size {trainer.batch_size}"
    return _check("steps", [] if steps else [problem], f"{count} rows, about {steps} steps")


def context(trainer: OpenRlhfSft, shape: Shape | None) -> Check:
    """Whether the model takes rows as long as they may be."""
    if shape is None:
        return Check(name="context", ok=None, detail="the model's context is not known here")
    told = f"max_length {trainer.max_length} of the model's context, {shape.context} tokens"
    problem = (
        f"max_length {trainer.max_length} is more than the model's context, {shape.context} tokens"
    )
    return _check("context", [problem] if trainer.max_length > shape.context else [], told)


def lengths(trainer: OpenRlhfSft, task: TrainingTask) -> Check:
    """How many rows are too long, as the model's own tokenizer counts them."""
    name, rows = "row lengths", Path(task.data)
    if not rows.exists():
        return Check(name=name, ok=None, detail=_LATER)
    told = _inside(["lengths", task.model, task.data], COUNT_SECONDS)
    try:
        found = msgspec.json.decode(told, type=list[int])
    except msgspec.DecodeError:
        detail = "not counted: OpenRLHF's environment or the model's tokenizer is not here"
        return Check(name=name, ok=None, detail=detail)
    longer = sum(length > trainer.max_length for length in found)
    detail = (
        f"{longer} of {len(found)} rows are longer than max_length {trainer.max_length} and are "
        f"left out; the longest has {max(found, default=0)} tokens"
    )
    return Check(name=name, ok=longer < len(found), detail=detail)


def memory(trainer: OpenRlhfSft, shape: Shape | None, gpus: Sequence[float] | None) -> Check:
    """Whether there are enough GPUs, and the smallest holds what the formulas of `memory` say.
    `gpus` are in GiB; None where they are not to be seen from here."""
    name = "GPU memory"
    if not trainer.gpus_per_node:
        return Check(name=name, ok=True, detail="gpus_per_node is 0: a CPU trains")
    wrong = []
    if gpus is not None and len(gpus) < trainer.gpus_per_node:
        wrong.append(f"gpus_per_node is {trainer.gpus_per_node}, and there are {len(gpus)} here")
    if shape is None:
        detail = "; ".join(wrong) or "the model's size is not known here"
        return Check(name=name, ok=False if wrong else None, detail=detail)
    wanted = need(trainer, shape).gpu / GIB
    told = f"{shape.parameters / 1e9:.3g} B parameters need {wanted:.1f} GiB on each GPU"
    if gpus is None:
        return Check(name=name, ok=None, detail=f"{told}; those that will train are not seen here")
    if not gpus:
        return _check(name, wrong, "")
    if wanted > min(gpus):
        advice = "take more GPUs, a higher zero_stage, adam_offload or a smaller max_length"
        wrong.append(f"{told}, and there are {min(gpus):.0f}; {advice}")
    return _check(name, wrong, f"{told}, of {min(gpus):.0f}")


def offload(trainer: OpenRlhfSft, shape: Shape | None, total: float | None) -> Check:
    """Whether a machine of `total` bytes of memory holds what is kept out of the GPUs."""
    name = "memory"
    if shape is None:
        return Check(name=name, ok=None, detail="the model's size is not known here")
    wanted = need(trainer, shape).node
    told = f"{wanted / GIB:.1f} GiB of Adam's states in each node's"
    if total is None:
        return Check(name=name, ok=None, detail=f"{told} memory, which is not known here")
    told = f"{told} {total / GIB:.0f} GiB"
    return _check(name, [f"{told}; take more nodes"] if wanted > total else [], told)


def disk(trainer: OpenRlhfSft, shape: Shape | None, output: Path) -> Check:
    """Whether the checkpoints fit."""
    if shape is None:
        return Check(name="checkpoints", ok=None, detail="the model's size is not known here")
    there = next(folder for folder in (output, *output.parents) if folder.exists())
    free, wanted = shutil.disk_usage(there).free, need(trainer, shape).disk
    told = f"{wanted / GIB:.1f} GiB of checkpoints, {free / GIB:.1f} GiB free in {there}"
    return _check("checkpoints", [told] if wanted > free else [], told)


def flags(trainer: OpenRlhfSft, task: TrainingTask) -> Check:
    """What the installed release's own parser says of every flag."""
    name, words = "OpenRLHF's flags", list(trainer.flags(task))
    told = _inside(["check", "--tell", *words], ASK_SECONDS)
    if not told.startswith(_TOLD):
        return Check(name=name, ok=None, detail="not asked: OpenRLHF's environment is not here")
    problem = told.removeprefix(_TOLD).strip()
    return _check(name, [problem] if problem else [], f"{len(words)} words, all known")


def gpu_memory() -> list[float]:
    """The memory of this machine's GPUs, in GiB."""
    told = capture(["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"])
    return [float(line) / 1024 for line in told.splitlines() if line.strip().isdigit()]


def machine_memory() -> float:
    """The memory of this machine, in bytes."""
    return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))


def _inside(words: Sequence[str], seconds: float) -> str:
    """What one of our programs prints in OpenRLHF's environment; "" where it cannot."""
    from rmr1_openrlhf.trainer import START

    try:
        located = if_built("openrlhf")
    except UsageError:
        return ""
    if located is None:
        return ""
    env = [f"{name}={value}" for name, value in located.env.items()]
    return capture(["env", *env, str(located.python), str(START), *words], timeout=seconds)


def _check(name: str, wrong: Iterable[str], told: str) -> Check:
    problems = "; ".join(wrong)
    return Check(name=name, ok=not problems, detail=problems or told)
