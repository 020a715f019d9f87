"""Mixtures: reading TOML, and finding the one that is meant.

A mixture is data, as a recipe is: `--set sources.code.count=100` changes a field before anything is
read, and what was resolved is stored beside the mixed rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import cast

import msgspec

from rmr1_core.errors import BadInput, UsageError
from rmr1_core.lookup import find
from rmr1_core.recipes import with_settings
from rmr1_core.values import MixSource, Mixture
from rmr1_core.words import misfit


def choose(name: str, settings: Iterable[str] = ()) -> Mixture:
    """The mixture of a TOML file or of a name, with `path.to.field=value` settings.

    Raises:
        UnknownName: there is no such mixture. BadInput: the file holds none; it names the field.
        UsageError: its fields contradict each other.
    """
    path = Path(name)
    mixture = read(path) if path.suffix == ".toml" else cast("Mixture", find("mixture", name))
    mixture = with_settings(mixture, settings)
    check(mixture)
    return mixture


def read(path: Path) -> Mixture:
    """A mixture from a TOML file. Raises BadInput, naming the field."""
    try:
        return decode(path.read_bytes(), path)
    except OSError as error:
        cause = (error.strerror or "cannot be read").lower()
        raise BadInput(path, f"{cause}; those with a name: rmr1 list mixtures") from None


def decode(text: str | bytes, path: Path | str) -> Mixture:
    """A mixture from TOML. Raises BadInput, naming the field, when it is none."""
    try:
        return msgspec.toml.decode(text, type=Mixture)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        problem, field = misfit(error)
        raise BadInput(path, problem, field=field or None) from None


def check(mixture: Mixture) -> None:
    """Raise UsageError where fields of a mixture contradict each other."""
    names = [source.name for source in mixture.sources]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(
            f"mixture {mixture.name!r}: two sources are named {twice!r}; name each once"
        )
    for source in mixture.sources:
        problem = _contradiction(source)
        if problem:
            raise UsageError(f"mixture {mixture.name!r}, source {source.name!r}: {problem}")
    if mixture.total and not any(source.weight for source in mixture.sources):
        raise UsageError(
            f"mixture {mixture.name!r}: total is of the sources with a weight, and none has one; "
            "give them a weight, or leave out total"
        )


def _contradiction(source: MixSource) -> str:
    if source.count and source.weight:
        return "count and weight exclude each other; leave out one of them"
    if source.shuffle_seed is not None and not (source.count or source.weight):
        return "shuffle_seed draws what count or weight ask for; add one of them"
    if bool(source.filters.max_tokens) != bool(source.filters.tokenizer):
        return "filters.max_tokens and filters.tokenizer need each other; add the other one"
    return ""
