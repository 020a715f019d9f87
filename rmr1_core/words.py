"""Types, and values that do not fit them, in words for people."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

_PLACE = re.compile(r" - at `?\$(?P<path>[^`]*)`?$")


def type_words(type_: Any) -> str:
    """A type as an option's help shows it: a choice by its values, `str`, `Mapping[str, float]`."""
    if get_origin(type_) is Annotated:
        return type_words(get_args(type_)[0])
    if get_origin(type_) is Literal:
        return " | ".join(map(str, get_args(type_)))
    if get_origin(type_) is Union or type(type_).__name__ == "UnionType":
        return " | ".join(map(type_words, get_args(type_)))
    if get_origin(type_) is tuple:
        return f"list of {type_words(get_args(type_)[0])}"
    text = type_.__name__ if isinstance(type_, type) and not get_args(type_) else str(type_)
    return text.replace("typing.", "").replace("collections.abc.", "").replace("pathlib.", "")


def misfit(error: Exception) -> tuple[str, str]:
    """What msgspec complains of, and where: "expected 'int', got 'str'", "stages[0].split".

    The place is empty where the value as a whole does not fit.
    """
    if isinstance(error, UnicodeDecodeError):
        return f"byte 0x{error.object[error.start]:02x} is not UTF-8", ""
    text = str(error)
    place = _PLACE.search(text)
    if place is not None:
        text = text[: place.start()]
    words = text.replace("`", "'").removeprefix("JSON is malformed: ")
    return words[:1].lower() + words[1:], place["path"].lstrip(".") if place else ""


def option_misfit(error: msgspec.ValidationError, type_: Any, value: Any) -> str:
    """Why a value does not fit an option of this type."""
    problem, place = misfit(error)
    problem = problem.replace("'", "")
    if problem.startswith("invalid enum value"):
        problem = f"expected {type_words(type_)}"
    where = f" in {place}" if place else ""
    return f"{problem}{where}, and not {value!r}"
