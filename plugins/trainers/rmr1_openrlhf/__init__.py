"""Supervised fine-tuning with OpenRLHF, in an environment of its own.

What is planned here runs there (`inside`), without rmr1: OpenRLHF's own program, its own flags.
"""

from __future__ import annotations

from rmr1_core import Environment, Recipe, Trainer, hookimpl
from rmr1_openrlhf.environment import ENVIRONMENT


@hookimpl
def rmr1_environments() -> list[Environment]:
    """Where OpenRLHF runs."""
    return [ENVIRONMENT]


@hookimpl
def rmr1_trainers() -> list[Trainer]:
    """Distillation."""
    from rmr1_openrlhf.trainer import OpenRlhfSft

    return [
        OpenRlhfSft(
            name="openrlhf-sft",
            summary="distillation on reasoning traces, with OpenRLHF and DeepSpeed",
            objective="sft",
        )
    ]


@hookimpl
def rmr1_recipes() -> list[Recipe]:
    """A training of minutes on a CPU."""
    from importlib.resources import files

    import msgspec

    text = files("rmr1_openrlhf").joinpath("toy-openrlhf.toml").read_bytes()
    return [msgspec.toml.decode(text, type=Recipe)]
