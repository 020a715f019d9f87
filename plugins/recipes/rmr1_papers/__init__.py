"""Recipes and mixtures of published papers, with their numbers: RM-R1 (arXiv 2505.02387)."""

from __future__ import annotations

from rmr1_core import Mixture, Recipe, hookimpl


@hookimpl
def rmr1_recipes() -> list[Recipe]:
    """The six models of the paper."""
    from rmr1_papers.rm_r1 import recipes

    return recipes()


@hookimpl
def rmr1_mixtures() -> list[Mixture]:
    """The preferences that the paper trains on."""
    from importlib.resources import files

    import msgspec

    text = files("rmr1_papers").joinpath("rm-r1.mix.toml").read_bytes()
    return [msgspec.toml.decode(text, type=Mixture)]
