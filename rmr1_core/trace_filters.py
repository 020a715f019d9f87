"""Which reasoning traces are good enough to imitate, beside having the right verdict.

What a complete trace has is read off the prompt: the tags that its wording names. A trace for
`cor-instruct` needs a type, a rubric with its justification or a solution, and an evaluation; one
for a prompt that asks for the verdict alone needs nothing else. Phrases that tell of a given label
are found by pattern, in English; a phrase that the conversation or an answer has, too, is none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, NamedTuple

import msgspec

from rmr1_core.components import PromptStrategy
from rmr1_core.judging import render
from rmr1_core.parsing import after_thought, without_quotes
from rmr1_core.values import Example, Message, Pair, Value

INCOMPLETE, QUOTE, LEAK = "incomplete form", "quote not in the answer", "leaked label"
SHORT, LONG = "too short", "too long"

_TAGS = ("type", "solution", "rubric", "justify", "eval", "answer")
_TYPES = ("Reasoning", "Chat")
_REASONING_DOMAINS = ("code", "math")
_QUOTED = re.compile(r"<quote_([AB])>(.*?)</quote_\1>", re.DOTALL)
_QUOTE_TAGS = re.compile(r"</?quote_[AB]>")
_END = re.compile(r"<answer>\s*\[\[\s*[AB]\s*\]\]\s*</answer>\s*\Z")
_ELISION = re.compile(r"\[?(?:…|\.\.\.)\]?")
_PLAIN = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'", "\u00a0": " "})
_VERDICT = r"(?:verdict|label|evaluation|judge?ment|trace)"
_ANSWER = r"(?:(?:response|answer|assistant) )?\[*(?-i:[AB])\b"
_LEAKS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b(?:I|we)(?:'ve| have| had)? (?:was|were|am|are|been) (?:told|informed|instructed)\b",
        r"\bas you (?:have |had )?(?:said|told|stated|indicated|specified|noted|pointed out)\b",
        r"\byou (?:have |had )?(?:told|informed|gave) (?:me|us)\b",
        r"\b(?:correct|right|true|given|provided|known|reference|gold(?:en)?) (?:verdict|label)\b",
        r"\bground[- ]truth\b",
        rf"\b(?:earlier|previous|prior|flawed|original|corrected) {_VERDICT}\b",
        r"\b(?:verdict|label) (?:that )?(?:was|is) (?:given|provided|supplied|known)\b",
        rf"\b(?:told|instructed|required|asked) to (?:choose|pick|prefer|favou?r) {_ANSWER}",
        rf"\bknowing (?:in advance )?that {_ANSWER}",
    )
)

Counter = Callable[[Sequence[str]], list[int]]


class Limits(Value, frozen=True, forbid_unknown_fields=True):
    """How long a trace may be: characters, or tokens of the tokenizer of that backbone."""

    min_length: Annotated[int, msgspec.Meta(ge=0)] = 0
    max_length: Annotated[int, msgspec.Meta(ge=1)] | None = None
    tokenizer: str = ""


class Rejection(NamedTuple):
    """Why a trace is not imitated: the reason that is counted, and what exactly is wrong."""

    reason: str
    detail: str = ""


class TraceFilters:
    """The filters for the traces that a prompt strategy asks for."""

    def __init__(
        self, strategy: PromptStrategy, limits: Limits, count: Counter | None = None
    ) -> None:
        self.asked = asked_tags(strategy)
        self._limits, self._count = limits, count

    def trace_of(self, text: str) -> str:
        """What is to be imitated of an answer: all of it, or what follows the thought where the
        prompt asks for the reasoning itself in the answer."""
        wants_reasoning = self.asked - {"answer"}
        return (after_thought(text) if wants_reasoning else text).strip()

    def rejection(self, example: Example, trace: str) -> Rejection | None:
        """The first thing that is wrong with a trace of this example, if anything is."""
        pair, first = example.pair, example.chosen_first
        incomplete = incompleteness(trace, self.asked, pair.tags.get("domain", ""))
        if incomplete:
            return Rejection(INCOMPLETE, incomplete)
        a, b = (pair.chosen, pair.rejected) if first else (pair.rejected, pair.chosen)
        foreign = foreign_quote(trace, a, b)
        if foreign:
            return Rejection(QUOTE, foreign)
        leak = leaked(trace, pair)
        return Rejection(LEAK, leak) if leak else self._misfit(trace)

    def _misfit(self, trace: str) -> Rejection | None:
        length = self._count([trace])[0] if self._count else len(trace)
        unit = "tokens" if self._count else "characters"
        if length < self._limits.min_length:
            return Rejection(SHORT, f"{length} {unit}")
        if self._limits.max_length is not None and length > self._limits.max_length:
            return Rejection(LONG, f"{length} {unit}")
        return None


def asked_tags(strategy: PromptStrategy) -> frozenset[str]:
    """The tags that the wording of a prompt names, whatever it is asked about."""
    nothing = Pair(
        id="wording", subset="", group="", prompt=(Message("user", "q"),), chosen="a", rejected="b"
    )
    words = "\n".join(message.content for message in render(strategy, nothing, True))
    return frozenset(tag for tag in _TAGS if f"<{tag}>" in words)


def incompleteness(trace: str, asked: frozenset[str], domain: str) -> str:
    """What the trace lacks of the form that is asked for, in a few words; empty if nothing."""
    return next(_faults(without_quotes(after_thought(trace)), asked, domain), "")


def _faults(text: str, asked: frozenset[str], domain: str) -> Iterator[str]:
    if "answer" in asked and not _END.search(text):
        yield "it does not end with the verdict in <answer>"
    for tag in _TAGS:
        if text.count(f"<{tag}>") != text.count(f"</{tag}>"):
            yield f"<{tag}> is not closed, or closed twice"
    standard: tuple[str, ...] = ("rubric", "justify") if "rubric" in asked else ("solution",)
    if "type" in asked:
        kind = _inside(text, "type")
        if kind not in _TYPES:
            yield f"<type> is {kind[:40]!r}, neither Reasoning nor Chat" if kind else "no <type>"
        if kind == "Chat" and domain in _REASONING_DOMAINS:
            yield f"<type> is Chat, and the row is of the domain {domain}"
        standard = ("solution",) if kind == "Reasoning" else ("rubric", "justify")
    for tag in (*standard, "eval"):
        if tag in asked and not _inside(text, tag):
            yield f"no <{tag}>"
    places = [text.find(f"<{tag}>") for tag in ("type", standard[0], "eval", "answer")]
    found = [place for place in places if place >= 0]
    if found != sorted(found):
        yield "its parts are in another order"


def _inside(text: str, tag: str) -> str:
    """What the first such tag holds, without white space around it."""
    _, _, rest = text.partition(f"<{tag}>")
    inside, closed, _ = rest.partition(f"</{tag}>")
    return inside.strip() if closed else ""


def foreign_quote(trace: str, a: str, b: str) -> str:
    """The first quotation that its answer does not have; white space, the form of quotation marks
    and what an ellipsis leaves out do not count."""
    text = after_thought(trace)
    for letter, quote in _QUOTED.findall(text):
        answer, place = _plain(a if letter == "A" else b), 0
        parts = [part for part in map(_bare, _ELISION.split(_plain(quote))) if part]
        for part in parts:
            place = answer.find(part, place)
            if place < 0:
                break
            place += len(part)
        if place < 0 or not parts:
            return f"<quote_{letter}> {' '.join(quote.split())[:200]}"
    stray = _QUOTE_TAGS.search(_QUOTED.sub("", text))
    return f"{stray[0]} stands alone" if stray else ""


def leaked(trace: str, pair: Pair) -> str:
    """The first words that tell of a given verdict or of an earlier answer; "" without any."""
    shown: str | None = None
    text = without_quotes(trace)
    for pattern in _LEAKS:
        for match in pattern.finditer(text):
            if shown is None:
                texts = [*(m.content for m in pair.prompt), pair.chosen, pair.rejected]
                shown = "\n".join(texts).lower()
            if match[0].lower() not in shown:
                return match[0]
    return ""


def _plain(text: str) -> str:
    return " ".join(text.translate(_PLAIN).split())


def _bare(text: str) -> str:
    """The text without marks around it that a judge adds to a quotation."""
    return text.strip().strip('"').strip()
