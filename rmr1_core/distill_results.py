"""What came of a distillation: the traces that are kept, the others with why, card and report."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import msgspec

from rmr1_core import __version__, examples_file, jsonl, runs
from rmr1_core.distill_passes import Pass, Trace
from rmr1_core.distill_report import (
    CARD_FILE,
    REJECTED_FILE,
    REPORT_FILE,
    ROWS_FILE,
    DistillReport,
    PassName,
    PassReport,
    RejectedTrace,
    card,
    counted,
)
from rmr1_core.distill_work import Work
from rmr1_core.trace_filters import Rejection
from rmr1_core.values import Example


def results(work: Work) -> DistillReport:
    """Write the traces that are kept, those that are not, the card and, last, the report."""
    folder = work.folder
    kept: dict[str, Example] = {}
    rejected: list[RejectedTrace] = []
    reports = []
    for one in filter(None, (work.judging, work.correcting)):
        traces = list(one.traces(work.rows))
        for trace in traces:
            id_ = trace.judgment.pair_id
            if trace.rejection is not None:
                rejected.append(_rejected(one.name, trace, trace.rejection))
            elif id_ not in kept:
                kept[id_] = _example(work.rows[id_], one, trace, work.begun.request.dataset.name)
        asked = len(work.rows) if one is work.judging else len(work.flawed())
        reports.append(_pass_report(one, traces, asked))
    place = {id_: number for number, id_ in enumerate(work.rows)}
    rejected.sort(key=lambda r: (place[r.id], r.by == "correcting", r.sample))
    examples = [kept[id_] for id_ in work.rows if id_ in kept]
    jsonl.write(folder / REJECTED_FILE, rejected)
    examples_file.write(folder / ROWS_FILE, examples)
    content = (folder / ROWS_FILE).read_bytes()
    report = DistillReport(
        request=work.begun.request,
        version=__version__,
        rows=len(work.rows),
        kept=len(examples),
        passes=tuple(reports),
        licences=counted(e.pair.tags.get("licence", "") for e in examples),
        domains=counted(e.pair.tags.get("domain", "") for e in examples),
        skipped=work.begun.skipped,
        sha256=hashlib.sha256(content).hexdigest(),
        bytes=len(content),
    )
    (folder / CARD_FILE).write_text(card(report), encoding="utf-8")
    runs.write_whole(folder / REPORT_FILE, report)
    return report


def _example(row: Example, one: Pass, trace: Trace, source: str) -> Example:
    made = {"pass": one.name, "teacher": one.judge.backbone.name}
    tags = {examples_file.SOURCE: source, **row.pair.tags, **made}
    pair = msgspec.structs.replace(row.pair, tags=tags)
    return msgspec.structs.replace(row, pair=pair, trace=trace.text)


def _rejected(name: PassName, trace: Trace, why: Rejection) -> RejectedTrace:
    made = trace.judgment
    return RejectedTrace(
        id=made.pair_id,
        by=name,
        sample=made.sample,
        reason=why.reason,
        detail=why.detail,
        verdict=made.verdict,
        text=made.completion.text,
    )


def _pass_report(one: Pass, traces: Sequence[Trace], asked: int) -> PassReport:
    answers = [trace.judgment.completion for trace in traces]
    why = counted(trace.rejection.reason for trace in traces if trace.rejection)
    return PassReport(
        name=one.name,
        teacher=one.judge.backbone.name,
        engine=one.judge.engine.name,
        asked=asked,
        traces=len(traces),
        kept=len(traces) - sum(why.values()),
        rejected=why,
        prompt_tokens=sum(answer.prompt_tokens for answer in answers),
        completion_tokens=sum(answer.completion_tokens for answer in answers),
        cost=math.fsum(answer.cost for answer in answers),
    )
