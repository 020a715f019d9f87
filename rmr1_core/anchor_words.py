"""Published numbers for people and for programs: alone, and beside a run's own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

import msgspec

from rmr1_core.anchors import Beside, expected_tolerance
from rmr1_core.show import console, percent, table_of
from rmr1_core.values import Anchor, PublishedProtocol, Source


def print_anchors(anchors: Sequence[Anchor]) -> None:
    """Print a table for each benchmark and publication, with how its numbers were made."""
    out = console()
    for (benchmark, source, protocol), group in groupby(anchors, _publication):
        listed = list(group)
        rows, before = [], ""
        for anchor in listed:
            who = "" if anchor.model == before else _who(anchor)
            before = anchor.model
            off = f"±{100 * expected_tolerance(anchor):.1f}"
            rows.append((who, anchor.metric, _printed(anchor), off, str(anchor.n)))
        columns = ("model", "metric", "published", "tolerance", "n")
        _print_title(f"{benchmark}: {source_words(source)}", source.url)
        out.print(table_of(columns, rows))
        _print_words([f"{protocol.scoring} scoring; {protocol_words(protocol)}"])
        _print_words(_remarks(listed))
        out.print()


def print_beside(besides: Sequence[Beside]) -> None:
    """Print a table for each benchmark, model and publication: theirs, ours, and the verdict."""
    out = console()
    for _, group in groupby(besides, lambda b: (*_publication(b.anchor), b.anchor.model)):
        listed = list(group)
        anchor = listed[0].anchor
        rows = [
            (
                b.anchor.metric,
                _printed(b.anchor),
                percent(b.ours.value),
                f"{100 * b.difference:+.1f}",
                f"±{100 * b.tolerance:.1f}",
                verdict(b),
            )
            for b in listed
        ]
        columns = ("metric", "published", "here", "difference", "tolerance", "is it within?")
        title = f"{anchor.benchmark}, published of {_who(anchor)}: {source_words(anchor.source)}"
        _print_title(title)
        out.print(table_of(columns, rows))
        scoring = anchor.protocol.scoring
        _print_words([f"both under {scoring} scoring; {protocol_words(anchor.protocol)}"])
        differs = dict.fromkeys(word for b in listed for word in b.differs)
        if differs:
            _print_words([f"done otherwise here: {', '.join(differs)}"])
        _print_words(_remarks([b.anchor for b in listed]))
        out.print()


def verdict(found: Beside) -> str:
    """Whether a difference is within its tolerance, in a word."""
    match found.within:
        case None:
            return f"- ({found.why_not})"
        case True:
            return "yes"
        case _:
            return "NO"


def plain_anchor(anchor: Anchor) -> dict[str, Any]:
    """A published number as JSON has it, with the tolerance of a run of its size."""
    return {**msgspec.to_builtins(anchor), "tolerance": expected_tolerance(anchor)}


def plain_beside(found: Beside) -> dict[str, Any]:
    """A published number beside ours, as JSON has it."""
    return {
        **msgspec.to_builtins(found.anchor),
        "ours": found.ours.value,
        "difference": found.difference,
        "tolerance": found.tolerance,
        "within": found.within,
        "why_not": found.why_not,
        "differs": found.differs,
    }


def add_published(plain: Iterable[dict[str, Any]], besides: Sequence[Beside]) -> None:
    """Put published numbers into the reports that JSON has, as "published"."""
    for report in plain:
        of = [b for b in besides if b.anchor.benchmark == report["benchmark"]]
        report["published"] = [plain_beside(b) for b in of]


def source_words(source: Source) -> str:
    """Who published it, and where it stands."""
    paper = f" (arXiv {source.arxiv})" if source.arxiv else ""
    return f"{source.title}{paper}, {source.table}"


def protocol_words(protocol: PublishedProtocol) -> str:
    """How numbers were made, in words; what is not known is left out."""
    words = []
    if protocol.order is not None:
        drawn = protocol.order in ("random", "balanced")
        words.append(f"order {protocol.order}" + (" (unseeded)" * (not protocol.seeded) * drawn))
    if protocol.parser:
        words.append(f"parser {protocol.parser}")
    if protocol.unparsed:
        words.append(f"unparsed: {protocol.unparsed}")
    if protocol.samples is not None:
        words.append("one sample" if protocol.samples == 1 else f"{protocol.samples} samples")
    if protocol.temperature is not None:
        words.append(f"temperature {protocol.temperature:g}")
    if protocol.max_new_tokens is not None:
        words.append(f"at most {protocol.max_new_tokens} new tokens")
    return ", ".join(words) or "how it was made is not stated"


def _publication(anchor: Anchor) -> tuple[str, Source, PublishedProtocol]:
    return anchor.benchmark, anchor.source, anchor.protocol


def _who(anchor: Anchor) -> str:
    return f"{anchor.model} ({anchor.backbone})" if anchor.backbone else anchor.model


def _printed(anchor: Anchor) -> str:
    """The number with as many decimals as its source prints."""
    return f"{100 * anchor.value:.{1 if anchor.resolution > 0.0005 else 2}f}"


def _remarks(anchors: Sequence[Anchor]) -> list[str]:
    """Notes and defects, each once, with whom they are about."""
    found: dict[str, list[str]] = {}
    for anchor in anchors:
        for text in filter(None, (anchor.note and f"{anchor.model}: {anchor.note}", anchor.defect)):
            found.setdefault(text, []).append(anchor.metric)
    every = {anchor.metric for anchor in anchors}
    return [
        f"note: {text}" + ("" if set(of) == every else f" ({', '.join(dict.fromkeys(of))})")
        for text, of in found.items()
    ]


def _print_title(title: str, url: str = "") -> None:
    from rich.text import Text

    console().print(Text.assemble((title, "bold"), f"\n{url}" if url else ""))


def _print_words(lines: Sequence[str]) -> None:
    for line in lines:
        console().print(line)
