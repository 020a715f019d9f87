"""A linear head that is not part of a model's class: found among its tensors, or in a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from rmr1_core import Backbone
from rmr1_core.errors import BadInput, UsageError

_FILES = ("*.safetensors", "*.bin", "*.pt")
_EXTRA = ("value_head.safetensors", "value_head.bin", "reward_head.safetensors", "reward_head.bin")
"""Files beside the weights of a hub's model that loading the model does not fetch."""


class Head(NamedTuple):
    """A linear layer in float32: `weight` (numbers, hidden size), `bias` (numbers,) or None."""

    name: str
    weight: torch.Tensor
    bias: torch.Tensor | None


def load_head(named: str, backbone: Backbone, hidden_size: int) -> Head:
    """The head in a file, or that of this name among the backbone's tensors.

    Raises:
        UsageError: there is none, there are several, or it does not fit the model.
    """
    path = Path(named).expanduser()
    if path.is_file():
        head = _of_file(path)
    else:
        head = _of_weights(named, _folder(backbone), backbone.model)
    if head.weight.dim() != 2 or head.weight.shape[1] != hidden_size:
        shape = "x".join(map(str, head.weight.shape))
        raise UsageError(
            f"the head {head.name} is {shape}, and the hidden states of {backbone.model!r} have "
            f"{hidden_size} numbers; it is of another model, or no linear head: --head"
        )
    return head


def _of_file(path: Path) -> Head:
    tensors = dict(_tensors(path, ""))
    weights = [name for name in tensors if name == "weight" or name.endswith(".weight")]
    if len(weights) != 1:
        there = ", ".join(sorted(tensors)[:6]) or "none"
        raise BadInput(path, f"has not one linear head but the tensors {there}; see --head")
    return _head(weights[0], tensors, path.name)


def _of_weights(named: str, folder: Path, model: str) -> Head:
    wanted = named.removesuffix(".weight")
    seen: set[str] = set()
    found: dict[str, torch.Tensor] = {}
    for pattern in _FILES:
        for path in sorted(folder.glob(pattern)):
            for name, tensor in _tensors(path, wanted, seen):
                found[name] = tensor
    if f"{wanted}.weight" in found:
        return _head(f"{wanted}.weight", found, wanted)
    alike = sorted(name for name in seen if any(w in name for w in ("head", "score", "reward")))
    has = f"there is {', '.join(alike[:5])}" if alike else "nothing there looks like a head"
    raise UsageError(
        f"{model!r} has no tensor {wanted}.weight, and there is no such file; {has}: --head NAME"
    )


def _head(name: str, tensors: Mapping[str, torch.Tensor], called: str) -> Head:
    bias = tensors.get(name.removesuffix("weight") + "bias")
    weight = tensors[name].detach().float()
    if weight.dim() == 1:
        weight = weight[None]
    return Head(called, weight, None if bias is None else bias.detach().float())


def _tensors(
    path: Path, wanted: str, seen: set[str] | None = None
) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors of a file whose names begin with `wanted`; adds all names to `seen`."""
    try:
        if path.suffix == ".safetensors":
            from safetensors import safe_open

            with safe_open(str(path), framework="pt") as file:
                names = list(file.keys())
                values = {n: file.get_tensor(n) for n in names if n.startswith(wanted)}
        else:
            loaded: Any = torch.load(path, map_location="cpu", weights_only=True)
            names = list(loaded)
            values = {n: v for n, v in loaded.items() if str(n).startswith(wanted)}
    except Exception as error:  # the boundary to foreign files
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadInput(path, f"cannot be read as tensors: {first}") from error
    if seen is not None:
        seen.update(map(str, names))
    yield from ((n, v) for n, v in values.items() if isinstance(v, torch.Tensor))


def _folder(backbone: Backbone) -> Path:
    """Where the weights are, on this machine: their folder, or that of the hub's cache."""
    folder = Path(backbone.model).expanduser()
    if folder.is_dir():
        return folder
    from transformers.utils import cached_file

    for name in _EXTRA:
        cached_file(
            backbone.model,
            name,
            revision=backbone.revision,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
        )
    return Path(cached_file(backbone.model, "config.json", revision=backbone.revision)).parent
