"""Values as tables, lists, numbers and texts, as TOML has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from rmr1_core.values import Value


def plain(value: Any) -> Any:
    """A value as TOML has it: without what is None, or empty by default, or has nothing left.

    An empty option of a component stays: it may differ from the component's own.
    """
    if isinstance(value, Value):
        fields = ((f, getattr(value, f.name)) for f in msgspec.structs.fields(value))
        kept = {f.name: v for f, v in fields if v is not None and not _empty_by_default(f, v)}
        made = {name: plain(v) for name, v in kept.items()}
        return {name: v for name, v in made.items() if v != {} or not isinstance(kept[name], Value)}
    if isinstance(value, Mapping):
        return {key: plain(v) for key, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    return msgspec.to_builtins(value)


def _empty_by_default(field: msgspec.structs.FieldInfo, value: Any) -> bool:
    if value or not isinstance(value, str | tuple | Mapping):
        return False
    made = field.default_factory
    return bool(value == (made() if callable(made) else field.default))
