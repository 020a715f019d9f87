"""What a judge wrote, taken apart for readers: thought, rubric, evaluation, quotations, verdict.

Only for showing; the verdict is `parsing`'s alone. As there, a quotation is an answer's text: tags
inside of it are not the judge's. Everything is total and takes time in proportion to the text.
"""

from __future__ import annotations

import re
from typing import Literal

from rmr1_core.values import Value

SECTIONS = ("think", "type", "rubric", "justify", "solution", "eval", "answer")
"""Tags of sections, in the order in which a judge is asked for them."""

_TAG = re.compile(
    rf"<(?P<close>/?)(?:(?P<section>{'|'.join(SECTIONS[1:])})"
    r"|(?P<evidence>quote|summary)_(?P<of>[AB]))>"
)
_GAP = re.compile(r"\s*(?:\[\s*)?(?:\.{3,}|…)(?:\s*\])?\s*")
_SAME = str.maketrans(
    {"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‘": "'", "’": "'", "–": "-", "—": "-"}
    | {"‑": "-", "−": "-"}
)
_DROPPED = "*`"
"""Markup that judges leave out of what they quote."""


class Section(Value, frozen=True):
    """A part of the text between tags, `text[start:end]`; the name "" is for what is in none.

    A section inside of another one divides it: the rubric goes on after its justification.
    """

    name: str
    text: str
    start: int
    end: int


class Evidence(Value, frozen=True):
    """What the judge says that an answer says, `text[start:end]` without its tags.

    A "quote" should be the answer's own words, a "summary" need not be.
    """

    kind: Literal["quote", "summary"]
    of: Literal["A", "B"]
    text: str
    start: int
    end: int


class Trace(Value, frozen=True):
    """A judge's text taken apart. Sections come in the order of the text and do not overlap; their
    texts hold the tags of the evidence in them."""

    sections: tuple[Section, ...]
    evidence: tuple[Evidence, ...]

    @property
    def quotes(self) -> tuple[Evidence, ...]:
        """What is given as an answer's own words."""
        return tuple(found for found in self.evidence if found.kind == "quote")


def read_trace(text: str) -> Trace:
    """Take a judge's text apart. Total: any text gives a trace."""
    thought, body = _thought(text)
    sections = [_section(text, "think", *thought)] if thought else []
    evidence: list[Evidence] = []
    last_close = {tag: text.rfind(f"</{tag}>") for tag in _evidence_tags()}
    opened: list[str] = []
    start = place = body
    while (tag := _TAG.search(text, place)) is not None:
        place = tag.end()
        if tag["evidence"]:
            name = f"{tag['evidence']}_{tag['of']}"
            if not tag["close"] and last_close[name] >= place:
                end = text.index(f"</{name}>", place)
                evidence.append(_evidence(text, tag, end))
                place = end + len(name) + 3
        elif _turns(opened, tag["section"], closes=bool(tag["close"])):
            sections.append(_section(text, _inner(opened, tag), start, tag.start()))
            start = place
    sections.append(_section(text, opened[-1] if opened else "", start, len(text)))
    return Trace(
        sections=tuple(section for section in sections if section.text.strip()),
        evidence=tuple(evidence),
    )


def locate(quote: str, answer: str) -> tuple[int, int] | None:
    """Where a quotation stands in an answer: the span, or None where it does not.

    White space, case, kinds of quotation marks and dashes, emphasis, and marks around the whole
    quotation do not matter. "..." or "…" stands for words left out: the pieces must follow one
    another, and the span reaches from the first to the last.
    """
    pieces = [_plain(piece)[0].strip(" \"'") for piece in _GAP.split(quote)]
    pieces = [piece for piece in pieces if piece]
    plain, places = _plain(answer)
    spans, after = [], 0
    for piece in pieces:
        found = plain.find(piece, after)
        if found < 0:
            return None
        after = found + len(piece)
        spans.append((places[found], places[after - 1] + 1))
    return (spans[0][0], spans[-1][1]) if spans else None


def _thought(text: str) -> tuple[tuple[int, int] | None, int]:
    """The span of the thought, if there is one, and where the rest begins.

    As in `parsing`: all up to the last `</think>`, or everything after a `<think>` that begins the
    text and is not closed.
    """
    begins = len(text) - len(text.lstrip())
    has_tag = text.startswith("<think>", begins)
    start = begins + len("<think>") if has_tag else 0
    end = text.rfind("</think>")
    if end >= 0:
        return (min(start, end), end), end + len("</think>")
    if has_tag:
        return (start, len(text)), len(text)
    return None, 0


def _turns(opened: list[str], name: str, *, closes: bool) -> bool:
    """Open or close a section; whether the tag did anything. A closing tag closes all that stands
    open inside of its section."""
    if not closes:
        opened.append(name)
        return True
    if name not in opened:
        return False
    while opened.pop() != name:
        pass
    return True


def _inner(opened: list[str], tag: re.Match[str]) -> str:
    """Which section the text before a tag that was just carried out belongs to."""
    if tag["close"]:
        return tag["section"]
    return opened[-2] if len(opened) > 1 else ""


def _section(text: str, name: str, start: int, end: int) -> Section:
    return Section(name=name, text=text[start:end], start=start, end=end)


def _evidence(text: str, tag: re.Match[str], end: int) -> Evidence:
    kind: Literal["quote", "summary"] = "quote" if tag["evidence"] == "quote" else "summary"
    of: Literal["A", "B"] = "A" if tag["of"] == "A" else "B"
    return Evidence(kind=kind, of=of, text=text[tag.end() : end], start=tag.end(), end=end)


def _evidence_tags() -> list[str]:
    return [f"{kind}_{of}" for kind in ("quote", "summary") for of in "AB"]


def _plain(text: str) -> tuple[str, list[int]]:
    """The text without what does not matter, and the place in the text of each letter left."""
    letters: list[str] = []
    places: list[int] = []
    for place, letter in enumerate(text.translate(_SAME)):
        if letter in _DROPPED:
            continue
        if letter.isspace():
            if letters and letters[-1] != " ":
                letters.append(" ")
                places.append(place)
            continue
        lower = letter.lower()
        letters.append(lower if len(lower) == 1 else letter)
        places.append(place)
    return "".join(letters), places
