"""RewardBench's results by prompt (github.com/allenai/reward-bench).

Its `run_rm.py`, `run_dpo.py` and `run_generative.py` write one object of columns to
`eval-set-scores/`: `results` (1, 0, or 0.5 where a generative judge named neither), `subset`, and
the scores of scalar models. Neither the judge's words nor the order of the answers are in it.
`rewardbench --save_all` writes two scores a line, in the order of the data, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rmr1_core import Importer, LoggedJudgment, Pair, Verdict
from rmr1_core.datafiles import Row, prompt_key
from rmr1_core.errors import BadInput
from rmr1_core.salvage import beginning, read_records
from rmr1_imports.logs import by_result, by_scores, each, find_logs, number, texts_of

_COLUMNS = re.compile(
    rb'\s*\{\s*"[a-z_]+"\s*:.*?"(text_chosen|results|subset)"\s*:\s*\[', re.DOTALL
)
_FIRST = re.compile(rb'\s*\{\s*"(text_chosen|results|subset)"\s*:\s*\[')
_PAIR_OF_SCORES = re.compile(rb'\s*\{\s*"chosen"\s*:\s*\[?\s*-?\d')
_MODEL = re.compile(rb'"model"\s*:\s*"([^"\\]+)"')
_NOT_OURS = (b"Is_Chosen_Answer_Shuffled_toPositionB", b'"score_chosen"', b'"chosen_reward"')


class RewardBenchResults(Importer, frozen=True, kw_only=True):
    """A result for each pair. A generative judge's order of the answers was drawn and is not in
    the file, so all of them stand as if the chosen answer had come first."""

    def files(self, path: Path) -> list[Path]:
        """The files of columns or records with results, and those of two scores a line."""
        return find_logs(path, _is_log)

    def judgments(self, path: Path) -> Iterator[LoggedJudgment]:
        """The results, in the order of the data."""
        for file in self.files(path):
            yield from each(_rows(file), _judgment)

    def judge(self, path: Path) -> str:
        """The model that the file names near its end or its beginning, else what it is called."""
        for file in self.files(path)[:1]:
            if file.suffix != ".gz":
                with file.open("rb") as opened:
                    opened.seek(max(0, file.stat().st_size - 65536))
                    if found := _MODEL.search(opened.read()) or _MODEL.search(beginning(file)):
                        return found[1].decode("utf-8", "replace")
            return file.name.partition(".json")[0].removesuffix("_all")
        return ""


def _is_log(head: bytes) -> bool:
    if any(mark in head for mark in _NOT_OURS):
        return False
    if _PAIR_OF_SCORES.match(head) or _FIRST.match(head):
        return True
    return head.lstrip()[:1] == b"{" and _COLUMNS.match(head) is not None and b'"results"' in head


def _rows(path: Path) -> Iterator[Row]:
    """The records, one for each pair; columns are cut into records."""
    for row in read_records(path):
        if isinstance(row.values.get("results"), list):
            yield from _cut(row)
        else:
            yield row


def _cut(row: Row) -> Iterator[Row]:
    columns: dict[str, list[Any]] = {k: v for k, v in row.values.items() if isinstance(v, list)}
    length = len(columns["results"])
    for name, column in columns.items():
        if len(column) != length:
            problem = f"has {len(column)} members, and 'results' has {length}"
            raise BadInput(row.path, problem, field=name)
    for i in range(length):
        yield Row(row.path, i + 1, {name: column[i] for name, column in columns.items()})


def _judgment(row: Row) -> Iterator[LoggedJudgment]:
    scores, words = None, ""
    if "results" not in row.values:
        chosen, rejected = number(row, "chosen"), number(row, "rejected")
        verdict, words = by_scores(chosen, rejected)
        scores = chosen, rejected
        pair = Pair(id=f"#{row.number}", subset="", group="", prompt=(), chosen="", rejected="")
    else:
        pair = _pair(row)
        verdict, words, scores = _said(row)
    yield LoggedJudgment(
        benchmark="rewardbench",
        pair=pair,
        chosen_first=True,
        verdict=verdict,
        path=str(row.path),
        row=row.number,
        text=words,
        scores=scores,
    )


def _said(row: Row) -> tuple[Verdict, str, tuple[float, float] | None]:
    if row.values.get("scores_chosen") is not None:
        chosen, rejected = number(row, "scores_chosen"), number(row, "scores_rejected")
        return *by_scores(chosen, rejected), (chosen, rejected)
    result = row.values["results"]
    return by_result(row, "results", result, True), f"result {result}", None


def _pair(row: Row) -> Pair:
    field = "subset" if "subset" in row.values else "subsets"
    subset, texts = row.get(field, str), texts_of(row)
    id_ = f"{subset}/{row.number - 1}"
    return Pair(
        id=id_,
        subset=subset,
        group=prompt_key(texts.prompt) if texts.prompt else id_,
        prompt=texts.prompt,
        chosen=texts.chosen,
        rejected=texts.rejected,
        tags={"index": str(row.number - 1), "turns": str(len(texts.prompt))},
    )
