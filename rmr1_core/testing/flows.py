"""What holds for recipes, mixtures, commands and observers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from rmr1_core import mixtures, recipes
from rmr1_core.lookup import resolve
from rmr1_core.pipeline import Pipeline
from rmr1_core.testing.made import example_pair, example_record, judgment
from rmr1_core.values import Mixture, Recipe, Verdict


def check_recipe(recipe: Recipe) -> None:
    """Assert that a recipe round-trips to TOML, that what it names exists with its options, that
    its trainers plan its stages, and that its variants and ablations do so, too.

    Raises:
        AssertionError: a rule is broken.
        UsageError: it names what does not exist, or an option that does not fit.
    """
    assert recipe.description, f"{recipe.name}: say what it is"
    assert recipes.decode(recipes.encode(recipe), "recipe") == recipe, "TOML does not hold it whole"
    for name in recipe.ablations:
        assert name in recipe.variants, f"ablation {name!r} is no variant"
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        base = Pipeline(recipes.with_presets(recipe), folder)
        list(base.planned())
        for name in recipe.variants:
            varied = recipes.with_presets(recipes.variant(recipe, name))
            Pipeline(varied, folder / name, base)
    for stage in recipe.stages:
        resolve("dataset", stage.dataset).check_split(stage.split)


def check_mixture(mixture: Mixture) -> None:
    """Assert that a mixture round-trips to TOML, and that what it names exists.

    Raises:
        AssertionError: a rule is broken.
        UsageError: its fields contradict each other, or a name does not exist.
    """
    assert mixture.description, f"{mixture.name}: say what it is"
    written = recipes.encode(mixture)
    assert mixtures.decode(written, "mixture") == mixture, "TOML does not hold it whole"
    mixtures.check(mixture)
    for source in mixture.sources:
        resolve("dataset", source.dataset).check_split(source.split)
    for benchmark in mixture.overlap.benchmarks:
        resolve("benchmark", benchmark)


def check_commands(add: Callable[..., Any]) -> None:
    """Assert that an implementation of `rmr1_commands` adds commands, that each says what it does,
    and that it replaces none. `add` is that function."""
    present = click.Command("bench", help="Evaluate a judge.")
    group = click.Group(commands={"bench": present})
    add(group)
    assert group.commands.get("bench") is present, "it replaces a command that is there"
    added = [command for name, command in group.commands.items() if name != "bench"]
    assert added, "it adds no command"
    for command in added:
        _check_command(command, f"rmr1 {command.name}")


def check_observer(hook: str, observe: Callable[..., Any], folder: Path) -> None:
    """Call an observing hook as a run does, and let what it raises through.

    `hook` is its name, `observe` the function of the plugin, `folder` an empty one for the run.
    """
    told: dict[str, Any] = {
        "record": example_record(),
        "folder": folder,
        "judgment": judgment(example_pair(), Verdict.A),
        "stage": "only",
        "event": {"event": "step", "step": 1, "steps": 2, "loss": 0.5},
        "status": "done",
        "seconds": 1.0,
        "words": "2 rows",
    }
    names = observe.__code__.co_varnames[: observe.__code__.co_argcount]
    assert set(names) <= set(told), f"{hook}: arguments {set(names) - set(told)} do not exist"
    observe(**{name: told[name] for name in names})


def _check_command(command: click.Command, path: str) -> None:
    assert command.help, f"{path} has no help: give its function a docstring"
    context = click.Context(command, info_name=path)
    command.get_help(context)
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            assert parameter.help, f"{path}: option {parameter.opts[0]} has no help"
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            _check_command(inner, f"{path} {name}")
