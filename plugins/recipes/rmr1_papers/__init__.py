"""Recipes of published papers, with their numbers: RM-R1 (arXiv 2505.02387)."""

from __future__ import annotations

from rmr1_core import Recipe, hookimpl


@hookimpl
def rmr1_recipes() -> list[Recipe]:
    """The six models of the paper."""
    from rmr1_papers.rm_r1 import recipes

    return recipes()
