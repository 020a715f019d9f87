"""What the page asks of the index: windows of the list, and one pair with all its judgments."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from rmr1_core import Judgment, Pair
from rmr1_core.traces import Evidence, locate, read_trace

KINDS: Mapping[str, str] = {
    "right": "p.judged > 0 AND p.right = p.judged",
    "wrong": "p.judged > 0 AND p.right < p.judged",
    "flipped": "p.flipped",
    "unparsed": "p.unparsed > 0",
    "truncated": "p.truncated > 0",
    "tied": "p.tied > 0",
    "failed": "p.failed > 0",
    "open": "p.judged = 0",
}
"""Filters by what the judge made of a pair. A pair is wrong where any of its judgments is."""
COMPARED: Mapping[str, str] = {
    "gained": "p.judged > 0 AND o.judged > 0 AND p.right * o.judged > o.right * p.judged",
    "lost": "p.judged > 0 AND o.judged > 0 AND p.right * o.judged < o.right * p.judged",
}
"""Filters by a second evaluation: more, or fewer, of the judgments on the pair are right."""
MOST_ROWS = 200
LONGEST_SEARCHED = 200_000
"""Characters of an answer in which quotations are looked for; longer ones would hold up a page."""


def listed(database: sqlite3.Connection, asked: Mapping[str, str]) -> dict[str, Any]:
    """A window of the pairs of an evaluation, and how many the filters leave.

    `asked` has run, evaluation; and may have against_run, against, benchmark, subset, kind, q,
    offset and limit. What it has of unknown filters matches nothing.
    """
    source, values = _filtered(database, asked)
    (total,) = database.execute(f"SELECT count(*) {source}", values).fetchone()
    limit = min(MOST_ROWS, _number(asked.get("limit"), MOST_ROWS))
    fields = "p.benchmark, p.pair, p.subset, p.excerpt, p.judged, p.right, p.wrong, p.tied,"
    fields += " p.unparsed, p.truncated, p.failed, p.flipped"
    if asked.get("against"):
        fields += ", o.judged AS other_judged, o.right AS other_right"
    rows = database.execute(
        f"SELECT {fields} {source} ORDER BY p.id LIMIT ? OFFSET ?",
        (*values, limit, _number(asked.get("offset"), 0)),
    )
    return {"total": total, "rows": [dict(row) for row in rows]}


def subsets(database: sqlite3.Connection, run: str, evaluation: str) -> list[dict[str, Any]]:
    """Benchmarks and subsets of an evaluation, with their numbers of pairs."""
    rows = database.execute(
        "SELECT benchmark, subset, count(*) AS pairs FROM pair WHERE evaluation=?"
        " GROUP BY benchmark, subset ORDER BY min(id)",
        (_key(database, run, evaluation),),
    )
    return [dict(row) for row in rows]


def shown(
    database: sqlite3.Connection, run: str, evaluation: str, benchmark: str, pair_id: str
) -> dict[str, Any] | None:
    """A pair, whole, with all judgments on it; None where there is no such pair."""
    key = _key(database, run, evaluation)
    row = database.execute(
        "SELECT p.id, p.document, e.journal FROM pair p JOIN evaluation e ON e.id = p.evaluation"
        " WHERE p.evaluation=? AND p.benchmark=? AND p.pair=?",
        (key, benchmark, pair_id),
    ).fetchone()
    if row is None:
        return None
    pair = msgspec.json.decode(zlib.decompress(row["document"]), type=Pair)
    found = database.execute(
        "SELECT * FROM judgment WHERE pair=? ORDER BY chosen_first DESC, sample", (row["id"],)
    )
    judgments = [_judgment(pair, row["journal"], line) for line in found]
    return {"pair": msgspec.to_builtins(pair), "judgments": judgments}


def _filtered(
    database: sqlite3.Connection, asked: Mapping[str, str]
) -> tuple[str, tuple[Any, ...]]:
    """FROM and WHERE of a list, with what stands for its question marks."""
    source, where = "FROM pair p", ["p.evaluation = ?"]
    joined: list[Any] = []
    values: list[Any] = [_key(database, asked.get("run", ""), asked.get("evaluation", ""))]
    kind = asked.get("kind", "")
    if against := asked.get("against"):
        source += " JOIN pair o ON o.evaluation = ? AND o.benchmark = p.benchmark"
        source += " AND o.pair = p.pair"
        joined.append(_key(database, asked.get("against_run", ""), against))
    for field in ("benchmark", "subset"):
        if asked.get(field):
            where.append(f"p.{field} = ?")
            values.append(asked[field])
    if kind:
        allowed = {**KINDS, **(COMPARED if against else {})}
        where.append(f"({allowed.get(kind, '0')})")
    if words := _words(asked.get("q", "")):
        where.append(
            "(p.id IN (SELECT rowid FROM asked WHERE asked MATCH ?) OR p.id IN (SELECT pair FROM"
            " judgment WHERE id IN (SELECT rowid FROM said WHERE said MATCH ?)))"
        )
        values += [words, words]
    return f"{source} WHERE {' AND '.join(where)}", (*joined, *values)


def _words(text: str) -> str:
    """A search for all words of a text, the last one perhaps only begun."""
    words = [word for word in text.replace("\0", " ").split() if any(map(str.isalnum, word))]
    quoted = ['"' + word.replace('"', '""') + '"' for word in words[:32]]
    return " ".join(quoted) + "*" if quoted else ""


def _key(database: sqlite3.Connection, run: str, evaluation: str) -> int:
    row = database.execute(
        "SELECT id FROM evaluation WHERE run=? AND name=?", (run, evaluation)
    ).fetchone()
    return -1 if row is None else int(row["id"])


def _number(text: str | None, default: int) -> int:
    digits = (text or "").strip()
    return int(digits) if digits.isdecimal() and len(digits) < 10 else default


def _judgment(pair: Pair, journal: str, row: sqlite3.Row) -> dict[str, Any]:
    facts = {name: row[name] for name in ("sample", "verdict", "finish", "tokens", "error")}
    facts["chosen_first"] = bool(row["chosen_first"])
    if row["verdict"] is None:
        return {**facts, "sections": [], "evidence": []}
    with Path(journal).open("rb") as file:
        file.seek(row["start"])
        said = msgspec.json.decode(file.read(row["size"]), type=Judgment).completion
    trace = read_trace(said.text)
    a, b = (pair.chosen, pair.rejected) if facts["chosen_first"] else (pair.rejected, pair.chosen)
    return {
        **facts,
        "scores": said.scores,
        "sections": [{"name": part.name, "text": part.text} for part in trace.sections],
        "evidence": [_evidence(quote, a if quote.of == "A" else b) for quote in trace.quotes[:50]],
    }


def _evidence(quote: Evidence, answer: str) -> dict[str, Any]:
    """A quotation and its place in the answer, in the units in which browsers count."""
    if len(answer) > LONGEST_SEARCHED:
        return {"of": quote.of, "text": quote.text, "looked": False, "span": None}
    span = locate(quote.text, answer)
    place = None if span is None else [_units(answer[:end]) for end in span]
    return {"of": quote.of, "text": quote.text, "looked": True, "span": place}


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def encode(value: Any) -> bytes:
    """An answer to the page."""
    return json.dumps(value, ensure_ascii=True, allow_nan=False).encode()
