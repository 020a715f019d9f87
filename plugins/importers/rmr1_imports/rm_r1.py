"""Logs that RM-R1's evaluation writes for RewardBench, RM-Bench and RMB.

A record holds the two answers, whether the chosen one was shown second, and what the judge wrote.
RewardBench and RMB have one judgment a record. RM-Bench has three a record, in three files: file
`total_dataset_2` compares chosen style k with rejected style k + 1 (modulo 3), whose answers it
holds in that order (`eval/RM-Bench/scripts/process_final_result.py`). One file with all nine, row
by row, is read, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from rmr1_core import Importer, LoggedJudgment, Pair, Verdict
from rmr1_core.datafiles import Row, prompt_key
from rmr1_core.salvage import read_records
from rmr1_imports.logs import by_result, each, find_logs, listed, texts_of
from rmr1_imports.rm_bench import STYLES, answers, cell_pair
from rmr1_imports.rmb import Items, without_twins

SHOWN_SECOND = "Is_Chosen_Answer_Shuffled_toPositionB"
_ROTATION = re.compile(r"total_dataset_([123])(?!\d)")
_SIDE = len(STYLES)


class RMR1Logs(Importer, frozen=True, kw_only=True):
    """What RM-R1's scripts log (arXiv 2505.02387). `results` is what they make of an answer: 0 for
    one with both verdicts or none."""

    def files(self, path: Path) -> list[Path]:
        """The JSON files whose records say which answer was shown second; of RMB's items, which
        are logged twice, the plain list."""
        return without_twins(find_logs(path, lambda head: SHOWN_SECOND.encode() in head))

    def judgments(self, path: Path) -> Iterator[LoggedJudgment]:
        """One judgment of each record, or those of the cells that it has."""
        for file in self.files(path):
            rows = list(read_records(file))
            items = Items(rows)
            yield from each(rows, lambda row, items=items: _judgments(row, items))  # type: ignore[misc]


def _judgments(row: Row, items: Items) -> Iterator[LoggedJudgment]:
    if "text_chosen" not in row.values:
        yield from _cells(row)
        return
    text, second = row.get("answers", str), row.get(SHOWN_SECOND, bool)
    texts = texts_of(row)
    if "pair_uid" in row.values or "bon_uid" in row.values:
        benchmark, pair = "rmb", items.pair(row, texts)
    else:
        subset = row.get("subset", str)
        benchmark = "rewardbench"
        pair = Pair(
            # upstream's ids repeat; the log has the data's rows in their order
            id=f"{subset}/{row.number - 1}",
            subset=subset,
            group=prompt_key(texts.prompt),
            prompt=texts.prompt,
            chosen=texts.chosen,
            rejected=texts.rejected,
            tags={"index": str(row.number - 1), "turns": str(len(texts.prompt))},
        )
    yield _logged(row, benchmark, pair, second, text, ("results", row.values.get("results")))


def _cells(row: Row) -> Iterator[LoggedJudgment]:
    """The judgments of an RM-Bench record: those of one file of three, or all nine."""
    texts = listed(row, "output", (_SIDE, _SIDE * _SIDE), "pair of answers")
    seconds = listed(row, SHOWN_SECOND, (len(texts),), "output")
    results = row.values.get("result")
    if not isinstance(results, list) or len(results) != len(texts):
        results = [None] * len(texts)
    chosen, rejected = answers(row, "chosen"), answers(row, "rejected")
    named = _ROTATION.search(Path(row.path).name)
    if named is None and len(texts) == _SIDE:
        raise row.bad(
            "output",
            "has three members, and only the file's name says of which styles; call it as RM-R1 "
            "does, total_dataset_1 to total_dataset_3",
        )
    shift = int(named[1]) - 1 if named else 0
    for n, (text, second, result) in enumerate(zip(texts, seconds, results, strict=True)):
        if not isinstance(text, str) or not isinstance(second, bool):
            raise row.bad("output", f"number {n + 1} is no text, or has no order")
        if len(texts) == _SIDE:
            i, j, wrong = n, (n + shift) % _SIDE, rejected[n]
        else:
            i, j = divmod(n, _SIDE)
            wrong = rejected[j]
        pair = cell_pair(row, i, j, chosen[i], wrong)
        yield _logged(row, "rm-bench", pair, second, text, ("result", result))


def _logged(
    row: Row, benchmark: str, pair: Pair, second: bool, text: str, result: tuple[str, object]
) -> LoggedJudgment:
    return LoggedJudgment(
        benchmark=benchmark,
        pair=pair,
        chosen_first=not second,
        verdict=_theirs(row, result, text, not second),
        path=str(row.path),
        row=row.number,
        text=text,
    )


def _theirs(row: Row, result: tuple[str, object], text: str, chosen_first: bool) -> Verdict | None:
    """What RM-R1's scorer made of the answer; its 0 may also mean that it read no verdict."""
    field, value = result
    if value is None:
        return None
    if value == 0 and ("[[A]]" in text) is ("[[B]]" in text):
        return Verdict.UNPARSED
    return Verdict.TIE if value == 0.5 else by_result(row, field, value, chosen_first)
