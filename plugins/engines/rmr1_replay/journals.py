"""Our own journals: every answer under the judgment that it belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec

from rmr1_core import Completion, FailedJudgment, Judgment
from rmr1_core.errors import UsageError
from rmr1_core.jsonl import read

NAMES = ("judgments.jsonl", "judgments.jsonl.gz")
"""What a run calls its journal."""


class Key(NamedTuple):
    """Which judgment an answer is for."""

    benchmark: str
    pair_id: str
    chosen_first: bool
    sample: int

    @classmethod
    def of_request(cls, request_id: str) -> Key | None:
        """The judgment that a request asks for, in whichever pass, or None where its id does not
        say."""
        try:
            parts = msgspec.json.decode(request_id, type=list[str | bool | int])
            return msgspec.convert(parts[: len(cls._fields)], cls)
        except msgspec.MsgspecError:
            return None


def read_journals(paths: Iterable[Path]) -> dict[Key, Completion]:
    """The answers of some journals; of a judgment that one of them repeats, the first.

    Judgments that failed, and a last line that was never finished, are left out.

    Raises:
        BadInput: a line is not a judgment; it names file and row.
        UsageError: two journals answer the same judgment.
    """
    answers: dict[Key, Completion] = {}
    sources: dict[Key, Path] = {}
    for path in paths:
        for line in read(path, Judgment | FailedJudgment):
            if isinstance(line, FailedJudgment):
                continue
            key = Key(line.benchmark, line.pair_id, line.chosen_first, line.sample)
            source = sources.setdefault(key, path)
            if source != path:
                raise UsageError(
                    f"{source} and {path} answer the same judgments; say which to replay: "
                    "--engine replay:PATH"
                )
            answers.setdefault(key, line.completion)
    return answers
