"""`rmr1 run`: a recipe from its backbone to its last evaluation, and its ablations beside it.

Everything is planned and written before anything starts: the data of every stage, rendered by the
recipe's own prompt strategy, and its job.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from rmr1_core import curves, defaults, environments, recipes, run_plugins, runs
from rmr1_core.components import Engine
from rmr1_core.errors import BadInput
from rmr1_core.lookup import resolve
from rmr1_core.pipeline import Pipeline
from rmr1_core.values import Recipe, StageResult

RESULTS_FILE = "results.json"
RECIPE_FILE = "recipe.toml"
"""The recipe as it was resolved, with every option."""


def start(
    root: Path, recipe: Recipe, ablations: Sequence[str] = (), *, dry_run: bool = False
) -> Path:
    """Create a run and write everything of every stage; start nothing. A dry run goes without the
    environments that the run will need.

    Raises:
        UsageError: something that the recipe names cannot work. No run is left behind.
        MissingEnvironment: one that it needs has to be built first.
    """
    recipe = resolved(recipe)
    engine: Engine = resolve("engine", recipe.engine)
    if not dry_run:
        environments.labels([engine.environment])
    with runs.created(root, "run", recipe.name) as folder:
        kept = run_plugins.keep(folder)
        for pipeline in pipelines_of(recipe, folder, ablations):
            pipeline.write()
        written = recipes.encode(defaults.with_defaults(run_plugins.portable(recipe)))
        (folder / RECIPE_FILE).write_text(written, encoding="utf-8")
        record = runs.new_record(
            folder,
            "run",
            recipe=recipe,
            backbone=recipe.backbone,
            engine=recipe.engine,
            prompt=recipe.prompt,
            benchmarks=recipe.benchmarks,
            ablations=tuple(ablations),
            plugins=kept,
        )
        runs.write_record(folder, record)
    return folder


def execute(folder: Path) -> list[StageResult]:
    """Run, or go on with, a created run; store and return its results.

    Raises:
        JobFailed, RunIncomplete, EngineFailed: what is complete is kept. RunLocked.
        MissingEnvironment: one that it needs has to be built first.
    """
    whole = pipelines(folder)
    needed = {name for pipeline in whole for name in pipeline.environments()}
    record = environments.recorded(needed, runs.read_record(folder))
    with runs.recorded(folder, record) as versions:
        return _run(folder, whole, versions)


def resolved(recipe: Recipe) -> Recipe:
    """The recipe as a run takes it: with the plugins that it names loaded, its backbone's presets,
    and paths made absolute. Raises UsageError where a plugin is missing."""
    run_plugins.load_for(recipe)
    return recipes.with_presets(recipes.pinned(recipe))


def pipelines(folder: Path) -> list[Pipeline]:
    """What a created run consists of: the recipe, then its ablations. Raises BadInput."""
    record = runs.read_record(folder)
    if record.recipe is None:
        raise BadInput(folder / runs.RECORD_FILE, "not a run of rmr1 run", field="recipe")
    run_plugins.use(folder, record.plugins)
    return pipelines_of(record.recipe, folder, record.ablations)


def stored_results(folder: Path) -> list[StageResult]:
    """The results of a run so far. Raises BadInput when they are damaged."""
    path = folder / RESULTS_FILE
    return runs.read_whole(path, list[StageResult]) if path.exists() else []


def pipelines_of(recipe: Recipe, folder: Path, ablations: Sequence[str]) -> list[Pipeline]:
    """The recipe's pass through its stages, and its ablations'; nothing is written.

    Raises:
        UsageError: something that the recipe names cannot work.
    """
    base = Pipeline(recipe, folder)
    variants = [
        Pipeline(
            recipes.with_presets(recipes.variant(recipe, name)), folder / "ablations" / name, base
        )
        for name in ablations
    ]
    return [base, *variants]


def _run(
    folder: Path, pipelines: Sequence[Pipeline], versions: dict[str, str]
) -> list[StageResult]:
    results: list[StageResult] = []
    for pipeline in pipelines:
        pipeline.versions = versions
        for result in pipeline.run():
            results.append(result)
            runs.write_whole(folder / RESULTS_FILE, results)
            _draw(pipelines[0], results)
    return results


def _draw(base: Pipeline, results: Sequence[StageResult]) -> None:
    """Draw the learning curve; a run does not fail of a picture."""
    told = [(stage.name, base.events(stage.name)) for stage in base.recipe.stages]
    try:
        curves.draw([(name, e) for name, e in told if e], results, base.folder / curves.CURVE_FILE)
    except Exception as error:  # the boundary to foreign code
        print(f"warning: the learning curve cannot be drawn: {error!r}", file=sys.stderr)
