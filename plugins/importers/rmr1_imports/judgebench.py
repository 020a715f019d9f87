"""JudgeBench's outputs (github.com/ScalerLab/JudgeBench, `run_judge.py`).

They are the data's rows, each with the judgments of its first order and of the other one, whose "A"
is the row's answer B.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rmr1_core import Importer, LoggedJudgment, Message, Pair, Verdict
from rmr1_core.datafiles import Row, prompt_key
from rmr1_core.salvage import read_records
from rmr1_imports.logs import by_scores, each, find_logs, finite

_MARKS = (b'"pair_id"', b'"judge_name"', b'"judgments"')
_JUDGE = re.compile(r"judge_name=([^,]+),judge_model=(.+?)\.jsonl")
_DECISIONS = {"A>B": Verdict.A, "B>A": Verdict.B, "A=B": Verdict.TIE}
_CATEGORIES = {
    "mmlu-pro": "Knowledge",
    "livebench-reasoning": "Reasoning",
    "livebench-math": "Mathematics",
    "livecodebench": "Coding",
}
"""The beginning of a row's source, and the category of the paper (arXiv 2410.12784, section 3)."""


class JudgeBenchOutputs(Importer, frozen=True, kw_only=True):
    """One or two judgments a line. Every judge has a notation of its own, so the decisions that
    JudgeBench's parsers made are used; an answer without one, or a failed call, is unparsed."""

    def files(self, path: Path) -> list[Path]:
        """The files whose lines have a judge and judgments."""
        return find_logs(path, lambda head: all(mark in head for mark in _MARKS))

    def judgments(self, path: Path) -> Iterator[LoggedJudgment]:
        """Those of each line, the order of the data first."""
        for file in self.files(path):
            yield from each(read_records(file), _judgments)

    def judge(self, path: Path) -> str:
        """The judge's model and prompt, from the name of the file."""
        named = [found for file in self.files(path) if (found := _JUDGE.search(file.name))]
        return f"{named[0][2]} ({named[0][1]})" if named else ""


def _judgments(row: Row) -> Iterator[LoggedJudgment]:
    label = row.get("label", str)
    if label not in ("A>B", "B>A"):
        raise row.bad("label", f"expected A>B or B>A, and not {label!r}")
    as_given = label == "A>B"
    benchmark = "judgebench"
    if "claude" in str(row.values.get("response_model", "")):
        benchmark = "judgebench-claude"
    pair = _pair(row, label)
    games: list[Any] = row.get("judgments", list)
    if not 0 < len(games) < 3:
        raise row.bad("judgments", f"expected one or two, and not {len(games)}")
    for n, game in enumerate(games):
        chosen_first = as_given if n == 0 else not as_given
        verdict, text, scores = _read(row, game, chosen_first)
        yield LoggedJudgment(
            benchmark=benchmark,
            pair=pair,
            chosen_first=chosen_first,
            verdict=verdict,
            path=str(row.path),
            row=row.number,
            text=text,
            scores=scores,
        )


def _read(
    row: Row, game: Any, chosen_first: bool
) -> tuple[Verdict, str, tuple[float, float] | None]:
    """The decision of a game, what was written, and the scores of A and B where it has any."""
    if game is None:
        return Verdict.UNPARSED, "", None
    if not isinstance(game, dict):
        raise row.bad("judgments", f"expected an object or null, and not {game!r:.40}")
    decision = game.get("decision")
    if not isinstance(decision, str | None):
        raise row.bad(
            "judgments", f"expected a decision in words or null, and not {decision!r:.40}"
        )
    verdict = _DECISIONS.get(decision, Verdict.UNPARSED) if decision else Verdict.UNPARSED
    said = game.get("judgment")
    if not isinstance(said, dict):
        return verdict, said if isinstance(said, str) else "", None
    listed = said.get("scores")
    if isinstance(listed, list) and len(listed) == 2:
        a, b = (finite(row, "judgments", score) for score in listed)
        return verdict, by_scores(*((a, b) if chosen_first else (b, a)))[1], (a, b)
    answer = said.get("response")
    return verdict, answer if isinstance(answer, str) else "", None


def _pair(row: Row, label: str) -> Pair:
    source = row.get("source", str)
    category = next((c for start, c in _CATEGORIES.items() if source.startswith(start)), None)
    if category is None:
        raise row.bad("source", f"{source!r} is in no category of JudgeBench")
    right, wrong = ("A", "B") if label == "A>B" else ("B", "A")
    prompt = (Message("user", row.get("question", str)),)
    return Pair(
        id=row.get("pair_id", str),
        subset=category,
        group=prompt_key(prompt),
        prompt=prompt,
        chosen=row.get(f"response_{right}", str),
        rejected=row.get(f"response_{wrong}", str),
        tags={"source": source, "label": label},
    )
