"""The jobs of the papers' recipes as text; run as a program, it writes them anew.

    python tests/plugins/papers/recipe_jobs.py

Paths of the plugins, of the run and of this Python are replaced by words, so that the files are
the same on every machine.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from rmr1_core import Job, recipes
from rmr1_core.lookup import resolve_recipe
from rmr1_core.pipeline import Pipeline

ROOT = Path(__file__).parents[3]
FOLDER = Path(__file__).with_name("golden")
RUN = "/the/run"
NAMES = [f"rm-r1-{family}{size}b" for family in ("qwen", "deepseek") for size in (7, 14, 32)]
VARIANTS = ("", "cold-start-rl", "without-categories", "without-rubrics", "sft-only")


def jobs(name: str, variant: str = "") -> list[Job]:
    """What the trainers plan for a recipe or one of its variants, under `RUN`."""
    recipe = resolve_recipe(name)
    recipe = recipes.variant(recipe, variant) if variant else recipe
    pipeline = Pipeline(recipes.with_presets(recipe), Path(RUN))
    return [planned.job for planned in pipeline.planned()]


def text_of(name: str) -> str:
    """All jobs of a recipe and its variants, one argument a line."""
    lines: list[str] = []
    for variant in VARIANTS if name == "rm-r1-qwen32b" else ("",):
        for job in jobs(name, variant):
            lines += [f"== {variant or name}: {job.name}", *_lines(job), ""]
    words = {str(ROOT): "RMR1", sys.executable: "PYTHON", RUN: "RUN"}
    text = "\n".join(lines)
    for path, word in words.items():
        text = text.replace(path, word)
    return text


def _lines(job: Job) -> Iterator[str]:
    where = f"{job.nodes} x {job.gpus_per_node} GPUs, {job.cluster or 'alone'}, {job.environment}"
    yield f"runs on {where}"
    for name, value in sorted(job.env.items()):
        yield f"env {name}={value}"
    for step in job.steps:
        yield f"step{' everywhere' if step.everywhere else ''}"
        yield from (f"  {argument}" for argument in step.argv)
    for path, content in sorted(job.files.items()):
        if path.endswith("rewarding.json"):
            yield f"file {path}: {msgspec.json.encode(msgspec.json.decode(content)).decode()}"
    yield f"leaves {job.checkpoint}"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for recipe_name in NAMES:
        (FOLDER / f"{recipe_name}.txt").write_text(text_of(recipe_name), encoding="utf-8")
