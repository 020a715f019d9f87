"""What the measurements share: a small trained judge, interleaved timing, the machine's facts."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from rmr1_core import Recipe, Ref, recipes
from rmr1_core.lookup import resolve
from rmr1_core.pipeline import Pipeline

DOCS = Path(__file__).parents[1] / "docs"


class Judge(NamedTuple):
    """A judge after distillation, and the job of the reinforcement that would follow."""

    model: Path
    grpo_job: Path


class Run(NamedTuple):
    """One timed run. `work` is what it got done, such as tokens written."""

    work: int
    wall: float
    cpu: float

    @property
    def rate(self) -> float:
        """Work per second."""
        return self.work / self.wall


def trained_judge(folder: Path, *, steps: int, seed: int = 0, heads: int = 4) -> Judge:
    """Train the embedded recipe's first stage in this folder, unless it is there already.

    vLLM on a CPU needs 2 `heads`, each of size 32.
    """
    pipeline = Pipeline(_shortened(steps, seed, heads), folder)
    sft, grpo = pipeline.write()
    pipeline.prepared_backbone()
    if not Path(sft.checkpoint).is_dir():
        print(f"distilling a judge first: {steps} steps", flush=True)
        subprocess.run(sft.steps[0].argv, env={**os.environ, **sft.env}, check=True)
    (job_file,) = grpo.files
    return Judge(Path(sft.checkpoint), Path(job_file))


def long_judge(folder: Path) -> str:
    """A judge with random weights that reads long prompts, for vLLM on a CPU: its folder."""
    options = {"heads": 2, "context": 32768, "vocab_size": 2048}
    backbone = resolve("backbone", Ref(name="tiny", options=options))
    pages = [page.read_text() for page in sorted(DOCS.glob("*.md"))]  # some English
    return str(backbone.prepare(folder / "judge", seed=0, corpus=lambda: pages).model)


def recipe() -> Recipe:
    """The recipe of `rmr1 run`."""
    return recipes.choose(None)


def _shortened(steps: int, seed: int, heads: int) -> Recipe:
    whole = recipe()
    sft, grpo = whole.stages
    options = {**sft.trainer.options, "steps": steps}
    short = msgspec.structs.replace(sft, trainer=Ref(name=sft.trainer.name, options=options))
    backbone = Ref(name=whole.backbone.name, options={**whole.backbone.options, "heads": heads})
    return msgspec.structs.replace(whole, backbone=backbone, stages=(short, grpo), seed=seed)


def timed(work: Callable[[], int]) -> Run:
    """Run something that returns how much it got done."""
    wall, cpu = time.perf_counter(), time.process_time()
    done = work()
    return Run(done, time.perf_counter() - wall, time.process_time() - cpu)


def alternating(contenders: Mapping[str, Callable[[], Run]], rounds: int) -> dict[str, list[Run]]:
    """Run the contenders in turns, so that a slow minute of the machine hits all of them."""
    runs: dict[str, list[Run]] = {name: [] for name in contenders}
    for number in range(rounds):
        for name, contender in contenders.items():
            runs[name].append(contender())
        line = ", ".join(f"{name} {made[-1].rate:,.0f}/s" for name, made in runs.items())
        print(f"round {number + 1}: {line}", flush=True)
    return runs


def ratios(runs: Mapping[str, list[Run]], ours: str, theirs: str) -> list[float]:
    """How many times as fast `ours` was, round by round, by CPU time.

    CPU time is not disturbed by what else the machine does; both sides use one thread.
    """
    return [
        (mine.work / mine.cpu) / (other.work / other.cpu)
        for mine, other in zip(runs[ours], runs[theirs], strict=True)
    ]


def table(runs: Mapping[str, list[Run]], unit: str = "tokens") -> str:
    """Medians as a Markdown table."""
    lines = [
        f"| | {unit}/s | {unit}/CPU-s | µs of CPU per {unit.removesuffix('s')} |",
        "|---|---|---|---|",
    ]
    for name, made in runs.items():
        rate = statistics.median(run.rate for run in made)
        per_cpu = statistics.median(run.work / run.cpu for run in made)
        lines.append(f"| {name} | {rate:,.0f} | {per_cpu:,.0f} | {1e6 / per_cpu:,.1f} |")
    return "\n".join(lines)


def machine(*packages: str) -> str:
    """Cores, instruction sets and versions, in a line."""
    from importlib.metadata import version

    import torch

    facts = [
        f"{platform.machine()}, {os.cpu_count()} cores",
        torch.backends.cpu.get_cpu_capability(),
        f"Python {platform.python_version()}",
        *(f"{package} {version(package)}" for package in packages),
    ]
    return ", ".join(facts)
