"""From the engine's options to vLLM's arguments, by name and as flags of its server."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rmr1_core import Backbone
from rmr1_core.errors import UsageError
from rmr1_core.weights import SAFE_OR_PICKLED, checked_folder

if TYPE_CHECKING:
    from rmr1_vllm import VllmEngine

_ALWAYS = {"generation_config": "vllm"}
"""A model's own sampling settings are not applied; its end-of-sequence tokens still are."""
_NOT_VLLMS = {"name", "summary", "default", "extra", "log"}


def engine_arguments(engine: VllmEngine) -> dict[str, Any]:
    """vLLM's engine arguments by name, without those whose choice is left to vLLM.

    Raises:
        UsageError: `extra` has what is said elsewhere.
    """
    for name in ("model", "revision"):
        if name in engine.extra:
            raise UsageError(f"engine 'vllm': extra {name!r}: name the weights with --backbone")
    options = {name: getattr(engine, name) for name in engine.__struct_fields__}
    given = {
        name: value
        for name, value in options.items()
        if name not in _NOT_VLLMS and (value not in (0, "") or isinstance(value, bool))
    }
    return {**_ALWAYS, "seed": engine.seed, **given, **engine.extra}


def server_flags(arguments: Mapping[str, Any]) -> Iterator[str]:
    """The same arguments as flags of vLLM's server."""
    for name, value in arguments.items():
        flag = name.replace("_", "-")
        if value is None:
            continue
        if isinstance(value, bool):
            yield f"--{flag}" if value else f"--no-{flag}"
            continue
        yield f"--{flag}"
        yield value if isinstance(value, str) else json.dumps(value)


def weights(backbone: Backbone) -> str:
    """The folder or hub id that vLLM loads.

    Raises:
        BadInput: a folder lacks something, said here before a start of half a minute.
        UsageError: the backbone has no weights yet.
    """
    if not backbone.model:
        raise UsageError(
            f"backbone {backbone.name!r} starts from nothing; train it with rmr1 run, and name "
            "the checkpoint folder instead"
        )
    folder = checked_folder(backbone.model, (*SAFE_OR_PICKLED, "*.gguf", "*.pt"))
    return backbone.model if folder is None else str(folder.resolve())
