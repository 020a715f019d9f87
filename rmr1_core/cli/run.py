"""`rmr1 run`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from rmr1_core.cli.detach import detach, detach_option, refuse_to_detach
from rmr1_core.cli.options import (
    ComponentName,
    RunName,
    echo_json,
    json_option,
    refuse_with_resume,
    runs_dir_option,
)
from rmr1_core.errors import MissingPackage, UsageError


@click.command(
    epilog="\b\nExamples:\n"
    "  rmr1 run                                  the embedded recipe, on this machine's CPU\n"
    "  rmr1 run --smoke                          the same in less than a minute\n"
    "  rmr1 run --ablations --seed 1             and what the paper asks of it\n"
    "  rmr1 run --backbone qwen14b --trainer verl-grpo --check\n"
    "  rmr1 run --backbone qwen14b --trainer verl-grpo --dry-run\n"
    "  rmr1 run --recipe my.toml --set seed=3 --dry-run\n"
    "  rmr1 run --detach                         goes on without the terminal\n"
    "  rmr1 run --resume last"
)
@click.option("--recipe", type=ComponentName("recipe"), help="A recipe's name, or a TOML file.")
@click.option(
    "--backbone",
    type=ComponentName("backbone"),
    help="Choose the recipe for this backbone; with --recipe, train this one by it.",
)
@click.option(
    "--trainer", type=ComponentName("trainer"), help="Choose the recipe with this trainer."
)
@click.option(
    "--dataset", type=ComponentName("dataset"), help="Choose the recipe with this dataset."
)
@click.option("--seed", type=int, help="Seed of data, weights and samples. [default: the recipe's]")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Change a field of the recipe, as in stages.sft.trainer.options.steps=100.",
)
@click.option("--variant", help="Run a variant of the recipe; see: rmr1 show recipes/NAME.")
@click.option("--smoke", is_flag=True, help="Short for --variant smoke.")
@click.option(
    "--ablations",
    is_flag=True,
    help="Also run the recipe's ablations, at equal compute, as a table.",
)
@click.option("--resume", type=RunName(), help="Go on with a run: its id, a part of it, or 'last'.")
@click.option("--dry-run", is_flag=True, help="Write every file of every stage, and start nothing.")
@click.option(
    "--check", is_flag=True, help="Look whether all that the run needs is there; start nothing."
)
@click.option("--no-check", is_flag=True, help="Start without looking first.")
@detach_option
@runs_dir_option
@json_option
def run(
    resume: str | None,
    dry_run: bool,
    detached: bool,
    runs_dir: Path | None,
    as_json: bool,
    **asked: Any,
) -> None:
    """Train a judge by a recipe, and evaluate it on the way.

    It is evaluated before the first stage and after each. What is complete is kept; an interrupted
    run goes on with --resume. Before a trainer that takes long is started, what it needs is looked
    at, as by --check.
    """
    from rmr1_core import runs, train

    root = runs.runs_folder(runs_dir)
    if detached:
        refuse_to_detach(dry_run=dry_run, check=asked["check"])
    if asked["check"]:
        _check(root, resume, asked, as_json)
        return
    if resume is not None:
        refuse_with_resume("dry_run", "no_check", "detached")
        folder = runs.find(root, resume)
    else:
        recipe = _recipe(asked)
        ablations = recipe.ablations if asked["ablations"] else ()
        folder = train.start(root, recipe, ablations, dry_run=dry_run)
        click.echo(f"run {folder}", err=True)
        _tell(folder)
    if dry_run:
        _build_models(folder)
        _print_files(folder, as_json)
        return
    if not asked["no_check"]:
        _hold(folder)
    if detached:
        again = ("run", "--resume", str(folder), "--no-check")  # it has been looked at
        detach(folder, folder.name if runs_dir is None else str(folder), again, as_json=as_json)
        return
    results = train.execute(folder)
    from rmr1_core.show import plain_results, print_results

    if as_json:
        plain = plain_results(results)
        whole = {"run": folder.name, "folder": str(folder), "recipe": _resolved(folder)}
        echo_json({**whole, "results": plain})
        return
    print_results(results, folder)


def _tell(folder: Path) -> None:
    """What the run resolved to, on standard error."""
    from rmr1_core import train
    from rmr1_core.plan_words import print_plan

    print_plan(train.pipelines(folder))


def _hold(folder: Path) -> None:
    """Stop before hours are spent, if something that the trainers need is not there.

    Raises:
        UsageError: some of the checks do not hold. The run stays as it is.
    """
    from rmr1_core import preflight, train
    from rmr1_core.plan_words import errors, print_preflight, summary

    pipelines = train.pipelines(folder)
    if not preflight.is_due(pipelines):
        return
    pipelines[0].prepared_backbone()  # so that one that starts from nothing can be looked at
    found = preflight.gather(pipelines)
    if found.failed:
        print_preflight(found, errors())
        raise UsageError(
            f"{summary(found)}; nothing was started: when it holds, go on with: "
            f"rmr1 run --resume {folder.name} (or start all the same, with --no-check)"
        )
    click.echo(summary(found), err=True)


def _check(root: Path, resume: str | None, asked: dict[str, Any], as_json: bool) -> None:
    """Look, print what was found, and end with 1 if something does not hold."""
    from rmr1_core import preflight, runs, train
    from rmr1_core.plan_words import print_plan, print_preflight
    from rmr1_core.show import console

    if resume is not None:
        refuse_with_resume("check")
        pipelines = train.pipelines(runs.find(root, resume))
    else:
        recipe = train.resolved(_recipe(asked))
        ablations = recipe.ablations if asked["ablations"] else ()
        pipelines = train.pipelines_of(recipe, root / recipe.name, ablations)
    found = preflight.gather(pipelines)
    if as_json:
        echo_json({"ok": not found.failed, "recipe": pipelines[0].recipe, "parts": found.parts})
    else:
        print_plan(pipelines)
        print_preflight(found, console())
    if found.failed:
        click.get_current_context().exit(1)


def _resolved(folder: Path) -> Any:
    """The recipe as the run took it, with every option."""
    from rmr1_core import recipes, train

    return recipes.read(folder / train.RECIPE_FILE)


def _recipe(asked: dict[str, Any]) -> Any:
    from rmr1_core import recipes

    wanted = recipes.Wanted(
        backbone=asked["backbone"] or "",
        trainer=asked["trainer"] or "",
        dataset=asked["dataset"] or "",
    )
    recipe = recipes.choose(asked["recipe"], wanted)
    if asked["smoke"] and asked["variant"]:
        raise UsageError("--smoke is a variant itself; leave out one of --smoke and --variant")
    name = "smoke" if asked["smoke"] else asked["variant"]
    if name and asked["ablations"]:
        raise UsageError("--ablations compares variants with the whole recipe; name no variant")
    if name:
        recipe = recipes.variant(recipe, name)
    recipe = recipes.with_settings(recipe, asked["settings"])
    if asked["ablations"] and not recipe.ablations:
        raise UsageError(f"recipe {recipe.name!r} has no ablations; see: rmr1 list recipes")
    if asked["seed"] is not None:
        recipe = msgspec.structs.replace(recipe, seed=asked["seed"])
    return recipe


def _build_models(folder: Path) -> None:
    """Build the backbones that start from nothing, so that each run.sh works by hand."""
    from rmr1_core import train

    try:
        for pipeline in train.pipelines(folder):
            pipeline.prepared_backbone()
    except MissingPackage as missing:
        click.echo(f"run.sh lacks its model: {missing}", err=True)


def _print_files(folder: Path, as_json: bool) -> None:
    files = sorted(str(path) for path in folder.rglob("*") if path.is_file())
    if as_json:
        whole = {"run": folder.name, "folder": str(folder), "recipe": _resolved(folder)}
        echo_json({**whole, "files": files})
        return
    click.echo("\n".join(files))
    click.echo(f"nothing was started; go on with: rmr1 run --resume {folder.name}", err=True)
