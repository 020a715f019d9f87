"""RM-Bench: how a record's three by three comparisons are named, and results of scalar models.

Its `run_rm.py` and `run_dpo.py` write the data's rows with `score_chosen` and `score_rejected`,
three numbers each, in the order of the styles (arXiv 2410.16184, section 3).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from rmr1_core import Importer, LoggedJudgment, Message, Pair
from rmr1_core.datafiles import Row, prompt_key
from rmr1_core.salvage import read_records
from rmr1_imports.logs import by_scores, each, find_logs, finite, listed

STYLES = ("concise", "plain", "markdown")
_MARK = re.compile(rb'"score_chosen"\s*:\s*\[[^\]]*,')
_LEVELS = ("easy", "normal", "hard")


def cell_pair(row: Row, i: int, j: int, chosen: str, rejected: str) -> Pair:
    """The pair of the chosen answer in style `i` and the rejected one in style `j`.

    Raises:
        BadInput: the record says no domain, id or prompt.
    """
    domain = row.get("domain", str)
    id_ = str(row.get("id", str | int))  # type: ignore[arg-type]
    item = id_ if id_.startswith(f"{domain}/") else f"{domain}/{id_}"
    prompt: tuple[Message, ...] = row.messages("prompt") if "prompt" in row.values else ()
    return Pair(
        id=f"{item}/{STYLES[i]}-{STYLES[j]}",
        subset=domain,
        group=prompt_key(prompt) if prompt else item,
        prompt=prompt,
        chosen=chosen,
        rejected=rejected,
        tags={
            "domain": domain,
            "item": item,
            "turns": str(len(prompt)),
            "chosen_style": STYLES[i],
            "rejected_style": STYLES[j],
            "level": _LEVELS[(j > i) - (j < i) + 1],
        },
    )


def answers(row: Row, field: str) -> list[str]:
    """The three answers; empty texts where the record has none. Raises BadInput."""
    if field not in row.values:
        return [""] * len(STYLES)
    listed(row, field, (len(STYLES),), "style")
    found: list[str] = row.get(field, list[str])
    return found


class RMBenchScores(Importer, frozen=True, kw_only=True):
    """Three scores of right answers and three of wrong ones a record: nine comparisons. Equal
    scores are a tie, which loses, as upstream's strict comparison has it."""

    def files(self, path: Path) -> list[Path]:
        """The JSON files whose records have lists of scores."""
        return find_logs(path, lambda head: _MARK.search(head) is not None)

    def judgments(self, path: Path) -> Iterator[LoggedJudgment]:
        """Nine of each record, row by row of the matrix."""
        for file in self.files(path):
            yield from each(read_records(file), _judgments)


def _judgments(row: Row) -> Iterator[LoggedJudgment]:
    scores = {}
    for field in ("score_chosen", "score_rejected"):
        values = listed(row, field, (len(STYLES),), "style")
        scores[field] = [finite(row, field, value) for value in values]
    chosen, rejected = answers(row, "chosen"), answers(row, "rejected")
    for i, right in enumerate(scores["score_chosen"]):
        for j, wrong in enumerate(scores["score_rejected"]):
            verdict, words = by_scores(right, wrong)
            yield LoggedJudgment(
                benchmark="rm-bench",
                pair=cell_pair(row, i, j, chosen[i], rejected[j]),
                chosen_first=True,
                verdict=verdict,
                path=str(row.path),
                row=row.number,
                text=words,
                scores=(right, wrong),
            )
