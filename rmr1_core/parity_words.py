"""One example as a model sees it, for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rmr1_core.parity import Parity
from rmr1_core.plan_words import STATES, TRAINED
from rmr1_core.token_views import Token, View

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

SHOWN = 40
"""Tokens of either end of a long part."""
DIFF_LINES = 40
COLUMNS = ("as seen in", "where", "tokens", "BOS", "the loss is on")
MARKS = str.maketrans({" ": "␣", "\n": "⏎", "\t": "⇥"})
"""How white space inside of a token is shown: what stands between tokens is a space."""


def print_parity(found: Parity, out: Console, *, every: bool) -> None:
    """Print every way, the tokens of the row that is trained on, and where ways differ."""
    from rmr1_core.show import table_of

    out.print(f"{found.backbone}, prompt {found.prompt}")
    out.print(table_of(COLUMNS, map(_line, found.views)))
    shown = next(view for view in found.views if view.way == "SFT")
    out.print(f"special tokens: {special_words(shown) or 'none'}")
    out.print(f"the tokens of {shown.title}, the loss between {TRAINED[0]} and {TRAINED[1]}:")
    out.print(token_text(shown, every=every))
    out.print()
    rows = [(check.name, STATES[check.ok], check.detail) for check in found.checks]
    out.print(table_of(("check", "", "found"), rows))
    for note in found.notes:
        out.print(f"note: {note}")
    for line in diff_lines(found.diff, every=every):
        out.print(line)
    if not found.problem:
        prompt = found.views[0].prompt_tokens
        out.print(f"the same {prompt:,} tokens ask in SFT, in RL and in evaluation")


def special_words(view: View) -> str:
    """Each special token with its id and how often it is there."""
    counts = Counter((token.text, token.id) for token in view.tokens if token.special)
    return ", ".join(f"{text} ({id_}) x{n}" for (text, id_), n in counts.items())


def token_text(view: View, *, every: bool) -> Text:
    """The tokens, a space between two; in colour, too, where there is any: special ones and those
    that the loss is on."""
    from rich.text import Text

    text = Text()
    for part in (view.tokens[: view.prompt_tokens], view.tokens[view.prompt_tokens :]):
        trained = part[:1] and part[0].loss
        text.append(f"{TRAINED[0]} " if trained else "")
        for shown, style in _pieces(part, every=every):
            text.append(shown, style)
            text.append(" ")
        text.append(TRAINED[1] if trained else "")
    return text


def diff_lines(diff: Sequence[str], *, every: bool) -> Iterator[str]:
    """A diff, and of a long one its beginning."""
    shown = diff if every else diff[:DIFF_LINES]
    yield from shown
    if len(shown) < len(diff):
        yield f"[… {len(diff) - len(shown):,} lines, see all with --all …]"


def _pieces(tokens: Sequence[Token], *, every: bool) -> Iterator[tuple[str, str]]:
    left_out = 0 if every else max(len(tokens) - 2 * SHOWN, 0)
    for number, token in enumerate(tokens):
        if left_out and number == SHOWN:
            yield f"[… {left_out:,} tokens …]", "dim"
        if not left_out or not SHOWN <= number < SHOWN + left_out:
            style = "bold cyan" if token.special else "green" if token.loss else ""
            yield _visible(token.text), style


def _visible(text: str) -> str:
    marked = text.translate(MARKS)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in marked)


def _line(view: View) -> tuple[str, ...]:
    learned = len(view.tokens) - view.prompt_tokens
    loss = {
        "evaluation": "-",
        "SFT": f"the last {learned:,}",
        "RL": "what it writes",
    }[view.way]
    place = f"{view.where}, {view.library}"
    return view.way, place, f"{len(view.tokens):,}", str(view.begins), loss
