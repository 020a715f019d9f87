"""Reading a journal of judgments: which are made, how they voted, and all of them in turn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from rmr1_core import jsonl
from rmr1_core.slots import Identity
from rmr1_core.values import FailedJudgment, Judgment, Value, Verdict

JournalLine = Judgment | FailedJudgment


class _Made(Value, frozen=True, tag_field="kind", tag="judgment"):
    """Of a judgment in the journal, its identity and verdict: quicker to read than all."""

    benchmark: str
    pair_id: str
    chosen_first: bool
    sample: int
    verdict: Verdict


def identity(line: JournalLine | _Made) -> Identity:
    """Which judgment this is a line of."""
    return line.benchmark, line.pair_id, line.chosen_first, line.sample


def verdicts(journal: Path | None) -> dict[Identity, Verdict]:
    """The judgments that are in a journal, and what they say; of a repeated one, the first."""
    if journal is None or not journal.exists():
        return {}
    found: dict[Identity, Verdict] = {}
    for line in jsonl.read(journal, _Made | FailedJudgment):
        if isinstance(line, _Made):
            found.setdefault(identity(line), line.verdict)
    return found


def made(journal: Path | None) -> set[Identity]:
    """Which judgments are in a journal."""
    return set(verdicts(journal))


def stored(journal: Path) -> Iterator[Judgment]:
    """The judgments in a journal, one by one; of a repeated one, only the first."""
    if not journal.exists():
        return
    seen = set()
    for line in jsonl.read(journal, JournalLine):
        if isinstance(line, Judgment) and (which := identity(line)) not in seen:
            seen.add(which)
            yield line


class Places:
    """The judgments of a journal by identity, each read when it is asked for: a journal's texts
    need not fit the memory."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._starts: dict[Identity, int] = {}
        decoder = msgspec.json.Decoder(_Made | FailedJudgment)
        start = 0
        with journal.open("rb") as file:
            for line in file:
                if line.endswith(b"\n") and isinstance(found := decoder.decode(line), _Made):
                    self._starts.setdefault(identity(found), start)
                start += len(line)

    def __contains__(self, which: Identity) -> bool:
        return which in self._starts

    def __getitem__(self, which: Identity) -> Judgment:
        with self._journal.open("rb") as file:
            file.seek(self._starts[which])
            return msgspec.json.decode(file.readline(), type=Judgment)
