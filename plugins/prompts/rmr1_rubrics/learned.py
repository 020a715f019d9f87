"""A template learned from rows, and the proof: every row rendered again, byte for byte."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from msgspec import UNSET

from rmr1_core import Message
from rmr1_core.errors import UsageError
from rmr1_rubrics.learning import FEWEST_ROWS, find_patterns
from rmr1_rubrics.patterns import ConversationPattern, Pattern
from rmr1_rubrics.template import Template, literal


class TrainingPrompt(NamedTuple):
    """The messages of one row, and the row's number for people, from 1."""

    number: int
    messages: tuple[Message, ...]


class Variant(msgspec.Struct, frozen=True):
    """One template found among the rows. `used` if it went into the file, which has room for one
    of each shape."""

    shape: str
    rows: int
    used: bool
    system: str | None
    pattern: Pattern


class Misfit(msgspec.Struct, frozen=True):
    """A row that the file's template does not render again."""

    row: int
    reason: str


class Learned(msgspec.Struct, frozen=True):
    """What was learned: the template, all that was found, and which rows do not fit."""

    template: Template
    rows: int
    variants: tuple[Variant, ...]
    misfits: tuple[Misfit, ...]


def learn(rows: Sequence[TrainingPrompt], description: str) -> Learned:
    """The template of these rows, verified on every one of them.

    Raises:
        UsageError: no template can be found.
    """
    variants = find_variants(rows)
    single = _largest(variants, "single-turn")
    multi = _largest(variants, "multi-turn")
    if single is None and multi is None:
        raise UsageError(
            f"no template was found in {len(rows)} rows: fewer than {FEWEST_ROWS} of them share "
            "a wording around a question and two answers; is this the right field?"
        )
    template = _template(single, multi, description)
    used = [variant for variant in (single, multi) if variant is not None]
    variants = [
        msgspec.structs.replace(variant, used=any(variant is one for one in used))
        for variant in variants
    ]
    misfits = tuple(
        Misfit(row.number, reason)
        for row in rows
        if (reason := _why_not(row, template, variants)) is not None
    )
    return Learned(template, len(rows), tuple(variants), misfits)


def find_variants(rows: Sequence[TrainingPrompt]) -> list[Variant]:
    """The templates among these rows, the one with most rows first."""
    by_system: dict[str | None, list[str]] = {}
    for row in rows:
        if _roles(row) in (("user",), ("system", "user")):
            by_system.setdefault(_system(row), []).append(row.messages[-1].content)
    variants = []
    for system, contents in by_system.items():
        for pattern in find_patterns(contents):
            read = sum(pattern.read(content) is not None for content in contents)
            variants.append(Variant(_shape(pattern), read, False, system, pattern))
    return sorted(variants, key=lambda variant: -variant.rows)


def _template(single: Variant | None, multi: Variant | None, description: str) -> Template:
    first = single or multi
    assert first is not None  # the caller has one of them
    template = Template(
        format="rmr1-prompt-1",
        description=description,
        system=None if first.system is None else literal(first.system),
        single_turn=first.pattern.text,
        turns=first.pattern.turns,
    )
    if multi is None:
        return template
    other = None if multi.system is None else literal(multi.system)
    return msgspec.structs.replace(
        template,
        multi_turn=multi.pattern.text,
        multi_turn_system=UNSET if other == template.system else other,
        turns=multi.pattern.turns,
    )


def _why_not(row: TrainingPrompt, template: Template, variants: Sequence[Variant]) -> str | None:
    """Why the template does not render this row, or None if it does."""
    roles, content = _roles(row), row.messages[-1].content if row.messages else ""
    if roles not in (("user",), ("system", "user")):
        return f"its roles are {', '.join(roles) or 'none'}, not an optional system and one user"
    if all(variant.system != _system(row) for variant in variants):
        return "no template was found among the rows with its system message"
    for variant in variants:
        comparison = variant.pattern.read(content) if variant.system == _system(row) else None
        if comparison is None:
            continue
        if variant.used and template.render(comparison) == row.messages:
            return None
        if not variant.used:
            return f"it was made with another {variant.shape} template, see above"
    return f"it has no wording in common with the others; it begins {content[:40]!r}"


def _largest(variants: Sequence[Variant], shape: str) -> Variant | None:
    return next((variant for variant in variants if variant.shape == shape), None)


def _shape(pattern: Pattern) -> str:
    several = isinstance(pattern, ConversationPattern) and pattern.user is not None
    return "multi-turn" if several else "single-turn"


def _roles(row: TrainingPrompt) -> tuple[str, ...]:
    return tuple(message.role for message in row.messages)


def _system(row: TrainingPrompt) -> str | None:
    return row.messages[0].content if row.messages[0].role == "system" else None
