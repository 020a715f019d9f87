"""What a judge is asked, and how its answer is read: chain-of-rubrics and its ablations.

The published training sets of RM-R1 are here, too: their rows hold rendered prompts, and what
learns a wording from such rows is what takes them apart again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rmr1_core import Dataset, PromptStrategy, hookimpl

if TYPE_CHECKING:
    import click


@hookimpl
def rmr1_prompts() -> Iterable[PromptStrategy]:
    """Offer the strategies of this plugin."""
    from rmr1_rubrics.strategies import Compact, FromFile, Packaged

    return [
        Packaged(
            name="cor-instruct",
            summary="chain of rubrics in a system message, for instruct models",
            default_for="instruct",
        ),
        Packaged(
            name="cor-reasoning",
            summary="chain of rubrics in the user turn, for models that think by themselves",
            default_for="reasoning",
        ),
        Packaged(
            name="cor-uncategorized",
            summary="chain of rubrics for every task alike, without naming its type",
        ),
        Packaged(name="pairwise", summary="compare and explain, without a rubric"),
        Packaged(name="direct", summary="the verdict alone, without reasoning"),
        Compact(name="compact", summary="question and answers, no instructions; tiny models"),
        FromFile(name="file", summary="a template of yours or a checkpoint's: file:PATH"),
    ]


@hookimpl
def rmr1_datasets() -> Iterable[Dataset]:
    """Offer RM-R1's published training sets, whose prompts this plugin can take apart."""
    from rmr1_rubrics.published import Published

    return [
        Published(
            name="rm-r1-distill",
            summary="RM-R1's published traces for distillation, 8,753 rows",
            hub="gaotang/RM-R1-Distill-SFT",
            label_field="ground_truth",
            trace_field="winner",
            traces="published",
            licence="see the card of the set on the hub",
        ),
        Published(
            name="rm-r1-rlvr",
            summary="RM-R1's published pairs for reinforcement learning, 72,983 rows",
            hub="gaotang/RM-R1-Reasoning-RLVR",
            licence="see the card of the set on the hub",
        ),
    ]


@hookimpl
def rmr1_commands(cli: click.Group) -> None:
    """Add `rmr1 prompts`."""
    from rmr1_rubrics.commands import prompts

    cli.add_command(prompts)
