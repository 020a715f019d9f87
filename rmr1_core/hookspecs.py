"""The whole plugin contract: what a plugin may implement.

A plugin is a module with some of these functions, marked with `rmr1_core.hookimpl` and named by an
entry point of the group `rmr1`. A hook that offers components returns ready-made records; it is
called at most once per process, and must be quick.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    import click

    from rmr1_core.components import (
        Backbone,
        Benchmark,
        Dataset,
        Engine,
        Environment,
        Importer,
        Launcher,
        PromptStrategy,
        RewardFunction,
        Trainer,
    )
    from rmr1_core.values import Anchor, Check, Judgment, Mixture, Recipe, RunRecord

hookspec = pluggy.HookspecMarker("rmr1")
hookimpl = pluggy.HookimplMarker("rmr1")
"""Marks a function of a plugin as the implementation of the hook of its name."""


@hookspec
def rmr1_backbones() -> Iterable[Backbone]:  # type: ignore[empty-body]
    """Offer judges: weights with their family and prompt."""


@hookspec
def rmr1_engines() -> Iterable[Engine]:  # type: ignore[empty-body]
    """Offer ways of running weights."""


@hookspec
def rmr1_prompts() -> Iterable[PromptStrategy]:  # type: ignore[empty-body]
    """Offer prompt strategies: what a judge is asked, and how its answer is read."""


@hookspec
def rmr1_rewards() -> Iterable[RewardFunction]:  # type: ignore[empty-body]
    """Offer reward functions for reinforcement learning."""


@hookspec
def rmr1_trainers() -> Iterable[Trainer]:  # type: ignore[empty-body]
    """Offer trainers: what turns a stage of a recipe into a job."""


@hookspec
def rmr1_benchmarks() -> Iterable[Benchmark]:  # type: ignore[empty-body]
    """Offer benchmarks: pairs and the rule that scores verdicts on them."""


@hookspec
def rmr1_datasets() -> Iterable[Dataset]:  # type: ignore[empty-body]
    """Offer sources of training examples."""


@hookspec
def rmr1_launchers() -> Iterable[Launcher]:  # type: ignore[empty-body]
    """Offer places where jobs run."""


@hookspec
def rmr1_environments() -> Iterable[Environment]:  # type: ignore[empty-body]
    """Offer environments that `rmr1 env create` builds: packages that exclude those of others."""


@hookspec
def rmr1_importers() -> Iterable[Importer]:  # type: ignore[empty-body]
    """Offer formats of other projects' logs, which `rmr1 import` makes runs of."""


@hookspec
def rmr1_recipes() -> Iterable[Recipe]:  # type: ignore[empty-body]
    """Offer whole training runs by name."""


@hookspec
def rmr1_mixtures() -> Iterable[Mixture]:  # type: ignore[empty-body]
    """Offer mixtures of training data by name, for `rmr1 data mix`."""


@hookspec
def rmr1_anchors() -> Iterable[Anchor]:  # type: ignore[empty-body]
    """Offer published numbers, which are shown beside results of the same weights."""


@hookspec
def rmr1_checks() -> Iterable[Check]:  # type: ignore[empty-body]
    """Look whether what the plugin needs is on this machine, for `rmr1 doctor`: quickly, and
    without changing anything. A check that does not hold says what to do."""


@hookspec
def rmr1_commands(cli: click.Group) -> None:
    """Add subcommands to the command line."""


@hookspec
def rmr1_run_started(record: RunRecord, folder: Path) -> None:
    """Observe that a run begins, or goes on, in its folder. Observers change nothing there but
    files of their own; an exception is logged once."""


@hookspec
def rmr1_judged(judgment: Judgment) -> None:
    """Observe one judgment, after it is in the journal."""


@hookspec
def rmr1_stepped(folder: Path, stage: str, event: Mapping[str, Any]) -> None:
    """Observe one step of a training stage, as `Trainer.event` describes it, while it goes on;
    `folder` is the run's, or that of one of its ablations."""


@hookspec
def rmr1_run_finished(record: RunRecord, folder: Path) -> None:
    """Observe how a run ended; its results are in its folder."""


@hookspec
def rmr1_distilled(folder: Path, status: str, seconds: float, words: str) -> None:
    """Observe how `rmr1 data distill` ended ("done", "failed" or "interrupted") after so many
    seconds; `words` say what came of it, or what its error was."""
