"""GRPO with veRL, in an environment of its own."""

from __future__ import annotations

from rmr1_core import Environment, Recipe, Trainer, hookimpl
from rmr1_verl.environment import ENVIRONMENT


@hookimpl
def rmr1_environments() -> list[Environment]:
    """Where veRL runs."""
    return [ENVIRONMENT]


@hookimpl
def rmr1_trainers() -> list[Trainer]:
    """Reinforcement learning on GPUs."""
    from rmr1_verl.trainer import VerlGrpo

    return [
        VerlGrpo(
            name="verl-grpo",
            summary="GRPO with verifiable rewards, by veRL and vLLM on one or more machines",
            objective="rl",
        )
    ]


@hookimpl
def rmr1_recipes() -> list[Recipe]:
    """The tiny judge trained by the real veRL, on a CPU."""
    from importlib.resources import files

    import msgspec

    text = files("rmr1_verl").joinpath("toy-verl.toml").read_bytes()
    return [msgspec.toml.decode(text, type=Recipe)]
