"""A recipe with every option of what it names, as it will be used: what a run stores and shows."""

from __future__ import annotations

import msgspec

from rmr1_core.lookup import option_infos, resolve
from rmr1_core.values import Recipe, Ref


def with_defaults(recipe: Recipe) -> Recipe:
    """The recipe with all options, also those that have their default.

    A backbone's presets are left out: they are in the trainers' options already.

    Raises:
        UnknownName, AmbiguousName, BadOption: it names something that cannot work.
    """
    stages = (
        msgspec.structs.replace(
            stage,
            trainer=_whole("trainer", stage.trainer),
            dataset=_whole("dataset", stage.dataset),
        )
        for stage in recipe.stages
    )
    named = {
        kind: _whole(kind, getattr(recipe, kind))
        for kind in ("backbone", "prompt", "reward", "engine", "launcher")
    }
    benchmarks = tuple(_whole("benchmark", ref) for ref in recipe.benchmarks)
    return msgspec.structs.replace(recipe, stages=tuple(stages), benchmarks=benchmarks, **named)


def _whole(kind: str, ref: Ref) -> Ref:
    component = resolve(kind, ref)
    values = {info.name: getattr(component, info.name) for info in option_infos(component)}
    values.pop("presets", None)
    options = msgspec.json.decode(msgspec.json.encode(values))
    kept = {name: value for name, value in options.items() if value is not None}
    return msgspec.structs.replace(ref, options=kept)
