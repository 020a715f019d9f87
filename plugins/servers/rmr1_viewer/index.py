"""An index of judgments, so that 50,000 of them are listed and searched at once.

It is built from the journals as they grow: each time only what was appended is read, a line at a
time, and the texts stay where they are. The index knows where in the journal a judgment stands.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import msgspec

from rmr1_core import FailedJudgment, Judgment, Pair, Verdict
from rmr1_core.scoring import majority
from rmr1_core.stored import StoredEvaluation

SCHEMA = """
CREATE TABLE evaluation (
  id INTEGER PRIMARY KEY, run TEXT, name TEXT, journal TEXT, read INTEGER DEFAULT 0,
  UNIQUE (run, name));
CREATE TABLE pair (
  id INTEGER PRIMARY KEY AUTOINCREMENT, evaluation INTEGER, benchmark TEXT, pair TEXT, subset TEXT,
  excerpt TEXT, document BLOB, judged INTEGER DEFAULT 0, right INTEGER DEFAULT 0,
  wrong INTEGER DEFAULT 0, tied INTEGER DEFAULT 0, unparsed INTEGER DEFAULT 0,
  truncated INTEGER DEFAULT 0, failed INTEGER DEFAULT 0, flipped INTEGER DEFAULT 0,
  UNIQUE (evaluation, benchmark, pair));
CREATE TABLE judgment (
  id INTEGER PRIMARY KEY AUTOINCREMENT, pair INTEGER, chosen_first INTEGER, sample INTEGER,
  verdict TEXT, finish TEXT, tokens INTEGER, error TEXT, start INTEGER, size INTEGER,
  UNIQUE (pair, chosen_first, sample));
CREATE VIRTUAL TABLE asked USING fts5 (text, content='');
CREATE VIRTUAL TABLE said USING fts5 (text, content='');
"""
EXCERPT_CHARACTERS = 160
BATCH_LINES = 2000
Line = Judgment | FailedJudgment
_LINE: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)


class Index:
    """The file of the index: one thread at a time adds to it, any number read it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with closing(self.connect()) as database:
            database.execute("PRAGMA journal_mode=WAL")
            database.executescript(SCHEMA)

    def connect(self) -> sqlite3.Connection:
        """A connection for the calling thread, which closes it."""
        database = sqlite3.connect(self.path, timeout=30)
        database.row_factory = sqlite3.Row
        database.execute("PRAGMA synchronous=OFF")
        return database

    def add(self, run: str, evaluation: StoredEvaluation) -> int:
        """Take in what an evaluation has that is not in the index; how many judgments these are.

        Raises:
            BadInput: the evaluation's pairs are damaged.
        """
        with closing(self.connect()) as database:
            key = _evaluation(database, run, evaluation)
            added = 0
            while True:
                with database:
                    lines = _appended(database, key, evaluation.journal)
                if not lines:
                    return added
                added += lines


def _evaluation(database: sqlite3.Connection, run: str, evaluation: StoredEvaluation) -> int:
    """The number of an evaluation, with all its pairs in the index."""
    name = evaluation.name
    row = database.execute(
        "SELECT id, read FROM evaluation WHERE run=? AND name=?", (run, name)
    ).fetchone()
    size = evaluation.journal.stat().st_size if evaluation.journal.exists() else 0
    if row is not None and size >= row["read"]:
        return int(row["id"])
    with database:
        if row is not None:  # the journal was cut: begin again
            _forget(database, row["id"])
        key = database.execute(
            "INSERT INTO evaluation (run, name, journal) VALUES (?, ?, ?)",
            (run, name, str(evaluation.journal)),
        ).lastrowid
        assert key is not None
        for benchmark in evaluation.benchmarks():
            for pair in evaluation.each_pair(benchmark):
                _add_pair(database, key, benchmark, pair)
    return key


def _forget(database: sqlite3.Connection, key: int) -> None:
    """Leave an evaluation out. Its words stay in the search index, under numbers that are not
    given again."""
    database.execute(
        "DELETE FROM judgment WHERE pair IN (SELECT id FROM pair WHERE evaluation=?)", (key,)
    )
    database.execute("DELETE FROM pair WHERE evaluation=?", (key,))
    database.execute("DELETE FROM evaluation WHERE id=?", (key,))


def _add_pair(database: sqlite3.Connection, key: int, benchmark: str, pair: Pair) -> None:
    last = pair.prompt[-1].content if pair.prompt else ""
    excerpt = " ".join(last[: 4 * EXCERPT_CHARACTERS].split())[:EXCERPT_CHARACTERS]
    number = database.execute(
        "INSERT OR IGNORE INTO pair (evaluation, benchmark, pair, subset, excerpt, document)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (
            key,
            benchmark,
            pair.id,
            pair.subset,
            excerpt,
            zlib.compress(msgspec.json.encode(pair), 1),
        ),
    ).lastrowid
    words = [*(message.content for message in pair.prompt), pair.chosen, pair.rejected]
    _searchable(database, "asked", number, "\n".join([pair.id, *words]))


def _searchable(database: sqlite3.Connection, table: str, number: int | None, text: str) -> None:
    plain = text.replace("\0", " ")  # the tokenizer would end there
    database.execute(f"INSERT INTO {table} (rowid, text) VALUES (?, ?)", (number, plain))


def _appended(database: sqlite3.Connection, key: int, journal: Path) -> int:
    """Take in the next lines of a journal; how many."""
    if not journal.exists():
        return 0
    start = database.execute("SELECT read FROM evaluation WHERE id=?", (key,)).fetchone()[0]
    touched: set[int] = set()
    lines = 0
    with journal.open("rb") as file:
        file.seek(start)
        while lines < BATCH_LINES and (line := file.readline()).endswith(b"\n"):
            pair = _add_line(database, key, line, start)
            touched |= {pair} if pair is not None else set()
            start += len(line)
            lines += 1
    _count(database, touched)
    database.execute("UPDATE evaluation SET read=? WHERE id=?", (start, key))
    return lines


def _add_line(database: sqlite3.Connection, key: int, line: bytes, start: int) -> int | None:
    """Take in a line; the number of its pair, or None where the line says nothing of a pair."""
    try:
        judged = _LINE.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    row = database.execute(
        "SELECT id FROM pair WHERE evaluation=? AND benchmark=? AND pair=?",
        (key, judged.benchmark, judged.pair_id),
    ).fetchone()
    if row is None:
        return None
    slot = (row["id"], judged.chosen_first, judged.sample)
    if isinstance(judged, FailedJudgment):
        database.execute(
            "INSERT OR IGNORE INTO judgment (pair, chosen_first, sample, error, start, size)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (*slot, judged.error, start, len(line)),
        )
        return int(row["id"])
    done = judged.completion
    database.execute(  # the last one counts, as in reports
        "INSERT OR REPLACE INTO judgment (pair, chosen_first, sample, verdict, finish, tokens,"
        " start, size) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (*slot, judged.verdict, done.finish_reason, done.completion_tokens, start, len(line)),
    )
    number = database.execute("SELECT last_insert_rowid()").fetchone()[0]
    _searchable(database, "said", number, done.text)
    return int(row["id"])


def _count(database: sqlite3.Connection, pairs: Iterable[int]) -> None:
    """Count the judgments of pairs that have new ones."""
    for pair in pairs:
        rows = database.execute(
            "SELECT chosen_first, verdict, finish FROM judgment WHERE pair=?", (pair,)
        ).fetchall()
        made = [row for row in rows if row["verdict"] is not None]
        right = [row["verdict"] == ("A" if row["chosen_first"] else "B") for row in made]
        verdicts = [row["verdict"] for row in made]
        other = sum(verdict in (Verdict.TIE, Verdict.UNPARSED) for verdict in verdicts)
        database.execute(
            "UPDATE pair SET judged=?, right=?, wrong=?, tied=?, unparsed=?, truncated=?, failed=?,"
            " flipped=? WHERE id=?",
            (
                len(made),
                sum(right),
                len(made) - sum(right) - other,
                verdicts.count(Verdict.TIE),
                verdicts.count(Verdict.UNPARSED),
                sum(row["finish"] == "length" for row in made),
                len(rows) - len(made),
                _flipped(made),
                pair,
            ),
        )


def _flipped(made: list[sqlite3.Row]) -> bool:
    """Whether the judge prefers another answer when their order is changed."""
    by_order = [
        majority(Verdict(row["verdict"]) for row in made if bool(row["chosen_first"]) is first)
        for first in (True, False)
    ]
    return by_order[0] is by_order[1] and by_order[0] in (Verdict.A, Verdict.B)
