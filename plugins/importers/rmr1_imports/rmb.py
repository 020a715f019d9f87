"""RMB: how a log's records name pairs and best-of-N items, and results of scalar reward models.

These are written by RMB's own `my_run_rm.py` (`chosen_reward`, `reject_reward`, without texts) and
by RM-R1's `run_rm.py` and `run_rm_bestofn.py` (`score_chosen`, `score_rejected`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from rmr1_core import Importer, LoggedJudgment, Pair
from rmr1_core.datafiles import Row, prompt_key
from rmr1_core.salvage import read_records
from rmr1_imports.logs import Texts, by_scores, each, find_logs, number, texts_of

_MARK = re.compile(rb'"(score_chosen|chosen_reward)"\s*:\s*(-?\d|\[\s*-?[\d.e+-]+\s*\])')
GROUPED, PLAIN = "group_by_same_id_logs.json", "raw_logs.json"
"""The same records twice: by best-of-N item, and one after the other."""


class Items:
    """The best-of-N items of a file. A record has one of an item's losers, and not which one."""

    def __init__(self, rows: list[Row]) -> None:
        self._losers = Counter(uid for row in rows if (uid := _item(row)))
        self._seen: Counter[str] = Counter()

    def pair(self, row: Row, texts: Texts) -> Pair:
        """The pair of this record, whether of an item or by itself; in the order of the file.

        Raises:
            BadInput: it says no category, or one that is none.
        """
        field = "category_path" if "category_path" in row.values else "subset"
        category = row.get(field, str)
        if category.count("/") < 2:
            raise row.bad(field, f"{category!r} is no category of RMB")
        _, goal, name = category.split("/", 2)
        tags = {"goal": goal, "category": name, "turns": str(len(texts.prompt))}
        uid = _item(row)
        if uid:
            self._seen[uid] += 1
            id_ = f"bon/{uid}#{self._seen[uid]}"
            tags |= {"task": "bon", "item": uid, "losers": str(self._losers[uid])}
        else:
            id_ = f"pairwise/{row.get('pair_uid', str | int)}"  # type: ignore[arg-type]
            tags["task"] = "pairwise"
        group = prompt_key(texts.prompt) if texts.prompt else id_.partition("#")[0]
        return Pair(
            id=id_,
            subset=category,
            group=group,
            prompt=texts.prompt,
            chosen=texts.chosen,
            rejected=texts.rejected,
            tags=tags,
        )


class RMBScores(Importer, frozen=True, kw_only=True):
    """Two scores a record, of the better and the worse answer of a pair, or of a best-of-N item's
    best answer and one of its losers. Where the answers are not logged, RMB's data says them."""

    def files(self, path: Path) -> list[Path]:
        """The JSON files whose records have two scores; a grouped one where it has no twin."""
        return without_twins(find_logs(path, lambda head: _MARK.search(head) is not None))

    def judgments(self, path: Path) -> Iterator[LoggedJudgment]:
        """The pairs, by their scores."""
        for file in self.files(path):
            rows = list(read_records(file))
            items = Items(rows)
            yield from each(rows, lambda row, items=items: _judgment(row, items))  # type: ignore[misc]


def without_twins(files: list[Path]) -> list[Path]:
    """The files, but of those that hold the same records grouped and plain only the plain one."""
    return [f for f in files if f.name != GROUPED or f.with_name(PLAIN) not in files]


def _judgment(row: Row, items: Items) -> Iterator[LoggedJudgment]:
    chosen = number(row, "score_chosen", "chosen_reward")
    rejected = number(row, "score_rejected", "reject_reward")
    verdict, words = by_scores(chosen, rejected)
    yield LoggedJudgment(
        benchmark="rmb",
        pair=items.pair(row, texts_of(row)),
        chosen_first=True,
        verdict=verdict,
        path=str(row.path),
        row=row.number,
        text=words,
        scores=(chosen, rejected),
    )


def _item(row: Row) -> str:
    uid = row.values.get("bon_uid")
    return "" if uid is None else str(uid)
