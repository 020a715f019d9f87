"""Runs as rows of tables: one for each judgment, or for each metric.

Neither the judgments of a run nor the texts of its pairs are held in memory.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any, NamedTuple

import msgspec

from rmr1_core import Completion, Judgment, Pair, Report
from rmr1_core.import_words import order_known
from rmr1_core.stored import StoredEvaluation, StoredRun

Row = dict[str, Any]

JUDGMENT: Mapping[str, type] = {
    "run": str,
    "evaluation": str,
    "benchmark": str,
    "subset": str,
    "pair_id": str,
    "group": str,
    "tags": str,
    "chosen_first": bool,
    "sample": int,
    "verdict": str,
    "correct": bool,
    "finish_reason": str,
    "prompt_tokens": int,
    "completion_tokens": int,
    "cached_tokens": int,
    "cost": float,
    "chosen_score": float,
    "rejected_score": float,
}
"""The columns of a judgment. `tags` is a JSON object; scores are empty for judges that write."""
TEXT: Mapping[str, type] = {"text": str}
"""The column of `--texts`: what the judge wrote."""
PAIR: Mapping[str, type] = {"prompt": list, "chosen": str, "rejected": str}
"""The columns of `--pairs`; `prompt` is a list of messages."""
METRIC: Mapping[str, type] = {
    "run": str,
    "evaluation": str,
    "judge": str,
    "benchmark": str,
    "scoring": str,
    "metric": str,
    "headline": bool,
    "value": float,
    "low": float,
    "high": float,
    "n": int,
    "partial": bool,
    "judgments": int,
    "unparsed": int,
    "truncated": int,
    "ties": int,
    "flip_rate": float,
}
"""The columns of a metric, with what a reader must know beside it."""


class Wanted(NamedTuple):
    """Which judgments to export, and how much of each."""

    runs: Sequence[StoredRun]
    evaluations: Sequence[str] = ()
    texts: bool = False
    pairs: bool = False

    @property
    def columns(self) -> dict[str, type]:
        """The columns by name."""
        more = {**(TEXT if self.texts else {}), **(PAIR if self.pairs else {})}
        return {**JUDGMENT, **more}

    def of(self, run: StoredRun) -> list[StoredEvaluation]:
        """The run's evaluations that are wanted: all, or those that were named."""
        found = run.evaluations()
        return [e for e in found if not self.evaluations or e.name in self.evaluations]


class Result(NamedTuple):
    """A report, and whose it is."""

    run: str
    evaluation: str
    judge: str
    report: Report


def judgments(wanted: Wanted) -> Iterator[Row]:
    """A row for each judgment made so far, in the order of the journals."""
    for run in wanted.runs:
        for evaluation in wanted.of(run):
            with _Pairs(evaluation, texts=wanted.pairs) as pairs:
                where = {"run": run.record.id, "evaluation": evaluation.name}
                hidden = {} if order_known(run.record.imported) else {"chosen_first": None}
                for judgment in evaluation.judgments():
                    yield {**_row(where, judgment, pairs, texts=wanted.texts), **hidden}


def results(wanted: Wanted) -> list[Result]:
    """The reports of all evaluations that are complete."""
    return [
        Result(run.record.id, evaluation.name, _judge(run, evaluation), report)
        for run in wanted.runs
        for evaluation in wanted.of(run)
        for report in evaluation.reports()
    ]


def metrics(found: Sequence[Result]) -> Iterator[Row]:
    """A row for each metric of each report, its headline first."""
    for run, evaluation, judge, report in found:
        facts = report.validity
        of_all = {
            "run": run,
            "evaluation": evaluation,
            "judge": judge,
            "benchmark": report.benchmark,
            "scoring": report.scoring,
            "partial": report.partial,
            "judgments": facts.judgments,
            "unparsed": facts.unparsed,
            "truncated": facts.truncated if facts.counted else None,
            "ties": facts.ties,
            "flip_rate": facts.flip_rate,
        }
        for metric in (report.scores.headline, *report.scores.metrics):
            own = {"metric": metric.name, "headline": metric is report.scores.headline}
            values = {name: getattr(metric, name) for name in ("value", "low", "high", "n")}
            yield {name: {**of_all, **own, **values}[name] for name in METRIC}


def _judge(run: StoredRun, evaluation: StoredEvaluation) -> str:
    """Who judged, in a few words."""
    record = run.record
    if record.recipe is not None:
        return f"{record.recipe.name}, {evaluation.name}"
    if record.backbone is not None and record.backbone.name:
        return record.backbone.name
    engine = record.engine
    return str(engine.options.get("model") or engine.name) if engine else ""


def _row(where: Row, judgment: Judgment, pairs: _Pairs, *, texts: bool) -> Row:
    made = judgment.completion
    about = pairs.about(judgment.benchmark, judgment.pair_id)
    a, b = made.scores or (None, None)
    row = {
        **where,
        "benchmark": judgment.benchmark,
        "pair_id": judgment.pair_id,
        **about,
        "chosen_first": judgment.chosen_first,
        "sample": judgment.sample,
        "verdict": judgment.verdict.value,
        "correct": judgment.correct,
        **_counts(made),
        "chosen_score": a if judgment.chosen_first else b,
        "rejected_score": b if judgment.chosen_first else a,
    }
    if texts:
        row["text"] = made.text
    return row


def _counts(made: Completion) -> Mapping[str, Any]:
    """How an answer ended and what it took; empty where another project's log does not say it."""
    names = ("finish_reason", "prompt_tokens", "completion_tokens", "cached_tokens", "cost")
    return {name: getattr(made, name) if made.counted else None for name in names}


class _Pairs:
    """What is told of a pair beside its judgments: where it belongs and, if asked for, its texts,
    which wait in a temporary file."""

    def __init__(self, evaluation: StoredEvaluation, *, texts: bool) -> None:
        self._evaluation = evaluation
        self._about: dict[tuple[str, str], Row] = {}
        self._places: dict[tuple[str, str], tuple[int, int]] = {}
        self._texts: IO[bytes] | None = None
        if texts:
            self._texts = tempfile.TemporaryFile()  # noqa: SIM115 - until this context ends

    def __enter__(self) -> _Pairs:
        for benchmark in self._evaluation.benchmarks():
            for pair in self._evaluation.each_pair(benchmark):
                self._keep((benchmark, pair.id), pair)
        return self

    def __exit__(self, *_: object) -> None:
        if self._texts is not None:
            self._texts.close()

    def about(self, benchmark: str, pair_id: str) -> Row:
        """The columns of a pair."""
        which = (benchmark, pair_id)
        row = self._about.get(which, {"subset": "", "group": "", "tags": "{}"})
        if self._texts is None:
            return row
        if which not in self._places:
            return {**row, "prompt": [], "chosen": "", "rejected": ""}
        place, size = self._places[which]
        self._texts.seek(place)
        return {**row, **msgspec.json.decode(self._texts.read(size))}

    def _keep(self, which: tuple[str, str], pair: Pair) -> None:
        tags = msgspec.json.encode(pair.tags).decode()
        self._about[which] = {"subset": pair.subset, "group": pair.group, "tags": tags}
        if self._texts is not None:
            texts = {"prompt": pair.prompt, "chosen": pair.chosen, "rejected": pair.rejected}
            line = msgspec.json.encode(texts)
            self._places[which] = (self._texts.tell(), len(line))
            self._texts.write(line)
