"""Would the installed veRL heed these settings? Asked of its own schema, without starting anything.

Hydra refuses some keys that do not exist; others it takes and nothing ever reads. Both are refused
here, each by name and with what to write instead.
"""

from __future__ import annotations

import difflib
import importlib.metadata
import inspect
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rmr1_verl.inside import machine
from rmr1_verl.inside.settings import Settings
from rmr1_verl.releases import RENAMED, Release, release_of

FREE = (
    "reward.custom_reward_function.reward_kwargs",
    "reward.reward_kwargs",
    "actor_rollout_ref.model.override_config",
    "actor_rollout_ref.rollout.engine_kwargs",
    "actor_rollout_ref.rollout.checkpoint_engine.engine_kwargs",
    "actor_rollout_ref.actor.optim.override_optimizer_config",
    "data.apply_chat_template_kwargs",
    "data.mm_processor_kwargs",
    "ray_kwargs.ray_init",
    "trainer.v1.sampler.sampler_kwargs",
)
"""Where any name may stand: it goes on to somebody else."""


def main(settings: Settings, overrides: Sequence[str]) -> int:
    """Say what is wrong, if anything is; the exit code says whether."""
    if Path(settings.checkpoint).is_dir():
        return 0
    found = list(problems(machine.complete(overrides)))
    for problem in found:
        print(f"ValueError: {problem}", file=sys.stderr)
    return 1 if found else 0


def problems(overrides: Sequence[str]) -> Iterator[str]:
    """What the installed release would refuse or ignore of these overrides."""
    version = importlib.metadata.version("verl")
    release = release_of(version)
    schema = compose([])
    ignored = _ignored(release, overrides)
    found = False
    for override in overrides:
        for problem in _of_key(override, schema, ignored):
            found = True
            yield f"veRL {version} {problem}"
    if not found:
        try:
            validate(compose(overrides))
        except Exception as error:  # whatever it says, it says before hours are spent
            yield f"veRL {version} refuses the settings: {_sentence(error)}"


def compose(overrides: Sequence[str]) -> Any:
    """The whole configuration, as `main_ppo` would see it."""
    from hydra import compose, initialize_config_module

    with initialize_config_module("verl.trainer.config", version_base=None):
        return compose("ppo_trainer", overrides=[o for o in overrides if not _is_hydras(o)])


def validate(config: Any) -> None:
    """veRL's own validation. Raises whatever it raises."""
    from verl.trainer.ppo.utils import need_critic, need_reference_policy
    from verl.utils.config import validate_config

    reference, critic = need_reference_policy(config), need_critic(config)
    validate_config(config=config, use_reference_policy=reference, use_critic=critic)


def _ignored(release: Release | None, overrides: Sequence[str]) -> Mapping[str, str]:
    """What the release takes and never reads, with the trainer that these overrides choose."""
    if release is None:
        return {}
    given = {machine.name_of(o): o.partition("=")[2].lower() for o in overrides}
    older = given.get("trainer.use_v1") in ("false", "no", "off", "0")
    return {**release.ignored, **({} if older else release.ignored_by_v1)}


def _of_key(override: str, schema: Any, ignored: Mapping[str, str]) -> Iterator[str]:
    name, plus = machine.name_of(override), override.startswith("+")
    if _is_hydras(override) or override.startswith("~"):
        return
    for prefix, instead in ignored.items():
        if name == prefix or name.startswith(f"{prefix}."):
            better = RENAMED.get(name) or (instead and name.replace(prefix, instead, 1))
            advice = f"write {better}" if better else "leave it out"
            yield f"takes {name} and ignores it; {advice}"
            return
    if any(name.startswith(f"{free}.") for free in FREE):
        if name.startswith("ray_kwargs.ray_init."):
            yield from _of_ray(name.split(".")[2])
        return
    if _exists(schema, name):
        return
    if name in RENAMED:
        yield f"has no setting {name}; it is called {RENAMED[name]} now"
    elif not plus:
        yield f"has no setting {name}{_guess(schema, name)}"
    else:
        yield from _of_addition(schema, name)


def _of_addition(schema: Any, name: str) -> Iterator[str]:
    """A key that the schema lacks, added with "+": somebody has to look for it."""
    parent, _, leaf = name.rpartition(".")
    kind = _class_of(schema, parent)
    if kind is not None and leaf not in {field.name for field in fields(kind)}:
        yield f"would refuse +{name}: {kind.__name__} has no field {leaf}{_guess(schema, name)}"
    elif leaf not in _words():
        yield f"would ignore +{name}: no line of its code names {leaf}{_guess(schema, name)}"


def _of_ray(name: str) -> Iterator[str]:
    import ray

    known = set(inspect.signature(ray.init).parameters) | {"_temp_dir"}
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        yield f"would give ray.init {name!r}, which it does not know{_mean(near)}"


def _exists(schema: Any, name: str) -> bool:
    from omegaconf import OmegaConf

    node = schema
    for part in name.split("."):
        if not hasattr(node, "keys"):
            return False
        if part not in node and not OmegaConf.is_missing(node, part):
            return False
        node = node._get_node(part)
    return True


def _class_of(schema: Any, name: str) -> type[Any] | None:
    """The dataclass that the part of the configuration of this name becomes."""
    from hydra.utils import get_class
    from omegaconf import OmegaConf

    node: Any = OmegaConf.select(schema, name) if name else None
    target = node.get("_target_") if hasattr(node, "get") else None
    kind: type[Any] | None = get_class(target) if target else None
    return kind if kind and is_dataclass(kind) else None


def _guess(schema: Any, name: str) -> str:
    known = list(_names(schema))
    leaf = name.rpartition(".")[2]
    near = [other for other in known if other.rpartition(".")[2] == leaf]
    near = difflib.get_close_matches(name, near or known, 1, 0.5) or near[:1]
    return _mean(near)


def _mean(near: Sequence[str]) -> str:
    return f"; did you mean {near[0]}?" if near else ""


def _names(node: Any, prefix: str = "") -> Iterator[str]:
    for part in node:
        name = f"{prefix}{part}"
        inner = node._get_node(part)
        yield name
        if hasattr(inner, "keys") and not inner._is_none() and not inner._is_interpolation():
            yield from _names(inner, f"{name}.")


@cache
def _words() -> frozenset[str]:
    """Every word in veRL's code."""
    import verl

    words: set[str] = set()
    for path in Path(verl.__file__).parent.rglob("*.py"):
        words.update(re.findall(r"\w+", path.read_text(encoding="utf-8", errors="replace")))
    return frozenset(words)


def _is_hydras(override: str) -> bool:
    """Whether it is for Hydra itself."""
    return machine.name_of(override).startswith("hydra.")


def _sentence(error: Exception) -> str:
    return " ".join(str(error).split())
