"""Decisions and rankings for people, with what the judge wrote."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rmr1_core.cli.judge_input import Case
from rmr1_core.decisions import Decision, Opinion, Ranking, by_order
from rmr1_core.show import console, percent, print_table
from rmr1_core.traces import Evidence, locate, read_trace
from rmr1_core.values import Verdict

if TYPE_CHECKING:
    from rich.text import Text

_STYLES = {
    "think": "dim",
    "type": "magenta",
    "rubric": "cyan",
    "justify": "cyan dim",
    "solution": "blue",
    "answer": "bold",
}
_VOTES = {
    Verdict.A: "for A",
    Verdict.B: "for B",
    Verdict.TIE: "tied",
    Verdict.UNPARSED: "unparsed",
}
_HIDDEN = {
    number: "\ufffd"
    for number in [*range(32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
    if chr(number) not in "\n\t"
}
"""What could steer a terminal, or turn the direction of a line, in the text of a model."""


def print_decision(decision: Decision, case: Case) -> None:
    """The verdict, and then every opinion with its sections and quotations marked."""
    from rich.text import Text

    out = console()
    for opinion in in_order(decision):
        out.print(Text(opinion_words(opinion), style="bold underline"))
        out.print(marked(opinion, case), soft_wrap=True)
        out.print()
    style = {Verdict.A: "bold green", Verdict.B: "bold green"}.get(decision.verdict, "bold yellow")
    out.print(Text(verdict_words(decision), style=style))
    if decision.flipped:
        out.print(Text(flip_words(decision), style="yellow"))


def verdict_words(decision: Decision) -> str:
    """The verdict in a sentence, with what it rests on."""
    said = {
        Verdict.A: "A is better",
        Verdict.B: "B is better",
        Verdict.TIE: "A tie",
        Verdict.UNPARSED: "No verdict: none could be read",
    }[decision.verdict]
    cast = Counter(opinion.verdict for opinion in decision.opinions)
    votes = [f"{cast[verdict]} {word}" for verdict, word in _VOTES.items() if cast[verdict]]
    count = len(decision.opinions)
    plural = "" if count == 1 else "s"
    share = percent(decision.share)
    return f"{said}. Of {count} judgment{plural}: {', '.join(votes)}. {share} % for A."


def in_order(decision: Decision) -> list[Opinion]:
    """The opinions, those first that saw the answers as they were given."""
    return sorted(decision.opinions, key=lambda opinion: (not opinion.a_first, opinion.sample))


def flip_words(decision: Decision) -> str:
    """How the verdict depends on the order."""
    said = by_order(decision.opinions)
    return (
        f"The verdict flips with the order: {said[True]} when A is shown first, "
        f"{said[False]} when B is shown first."
    )


def opinion_words(opinion: Opinion) -> str:
    """The heading of an opinion."""
    order = "A shown first" if opinion.a_first else "B shown first, the text calls it A"
    sample = f", sample {opinion.sample + 1}" if opinion.sample else ""
    cut = ", cut off at the limit" if opinion.completion.finish_reason == "length" else ""
    return f"{order}{sample}{cut}: {opinion.verdict}"


def marked(opinion: Opinion, case: Case) -> Text:
    """What the judge wrote: sections in their colours, quotations green where the answer has them,
    and flagged where it does not."""
    from rich.text import Text

    written = opinion.completion.text.translate(_HIDDEN)
    trace, text = read_trace(written), Text(written)
    for section in trace.sections:
        text.stylize(_STYLES.get(section.name, ""), section.start, section.end)
    flags = []
    for quote in trace.quotes:
        named = given_name(opinion, quote)
        occurs = occurs_in(quote, opinion, case)
        text.stylize("green" if occurs else "red", quote.start, quote.end)
        if not occurs:
            flags.append((quote.end, f" [does not occur in answer {named}]"))
    ends = [end for end, _ in flags]
    first, *rest = text.divide(ends) if ends else [text]
    for (_, flag), piece in zip(flags, rest, strict=True):
        first = first.append(flag, style="bold red").append_text(piece)
    return first


def print_ranking(ranking: Ranking, case: Case) -> None:
    """The answers, the best first."""
    rows = [
        (
            str(rank),
            str(place + 1),
            f"{ranking.scores[place]:+.2f}",
            " ".join(case.answers[place].translate(_HIDDEN).split())[:60],
        )
        for rank, place in enumerate(ranking.order, start=1)
    ]
    print_table(("rank", "answer", "strength", "begins"), rows)
    flips = sum(match.decision.flipped for match in ranking.matches)
    unread = sum(match.decision.verdict is Verdict.UNPARSED for match in ranking.matches)
    console().print(
        f"{len(ranking.matches)} comparisons; {flips} flipped with the order, {unread} unparsed"
    )


def given_name(opinion: Opinion, quote: Evidence) -> str:
    """The name of the quoted answer as it was given, not as it was shown."""
    return "A" if (quote.of == "A") is opinion.a_first else "B"


def occurs_in(quote: Evidence, opinion: Opinion, case: Case) -> bool:
    """Whether the quoted answer has the quotation."""
    answer = case.answers[0 if given_name(opinion, quote) == "A" else 1]
    return locate(quote.text, answer) is not None
