"""Published numbers beside those of a report, where any are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rmr1_core import Mark, Metric, Report, anchors
from rmr1_core.stored import StoredEvaluation, StoredRun

MOST_MODELS = 3
"""Whose numbers are drawn beside ours: first those of the same weights, then the nearest ones."""


class Published(NamedTuple):
    """A published number beside ours; shares in [0, 1]. `verdict` says what the difference means,
    and `how` what the publication did otherwise."""

    model: str
    same_weights: bool
    metric: str
    theirs: float
    ours: Metric
    tolerance: float
    verdict: str
    how: str
    source: str
    url: str
    note: str

    @property
    def difference(self) -> float:
        """Ours less theirs."""
        return self.ours.value - self.theirs


def published(run: StoredRun, evaluation: StoredEvaluation, report: Report) -> list[Published]:
    """Every published number on this benchmark whose metric the report has."""
    known = anchors.published(report.benchmark)
    record = run.record
    own = anchors.of_weights(record.backbone if record.command == "bench" else None, known)
    prompt = record.prompt
    parser = str(prompt.options.get("parser", "")) if prompt else ""
    beside = anchors.beside(report, known, evaluation.protocol, parser)
    return [_told(one, one.anchor in own) for one in anchors.as_known(record, beside)]


def marks(found: Sequence[Published], headline: Metric) -> dict[str, tuple[Mark, ...]]:
    """What is drawn of them, by the name of the metric."""
    chosen = nearest(found, headline)
    drawn: dict[str, tuple[Mark, ...]] = {}
    for one in found:
        if one.model in chosen:
            mark = Mark(label=one.model, value=one.theirs, tolerance=one.tolerance)
            drawn[one.metric] = (*drawn.get(one.metric, ()), mark)
    return drawn


def nearest(found: Sequence[Published], headline: Metric) -> list[str]:
    """The models to show: of the same weights, then those whose headline is nearest to ours."""
    whole = [one for one in found if one.metric == headline.name]
    ranked = sorted(whole, key=lambda one: (not one.same_weights, abs(one.difference)))
    return list(dict.fromkeys(one.model for one in ranked))[:MOST_MODELS]


def _told(beside: anchors.Beside, same_weights: bool) -> Published:
    anchor = beside.anchor
    source = anchor.source
    return Published(
        model=anchor.model,
        same_weights=same_weights,
        metric=anchor.metric,
        theirs=anchor.value,
        ours=beside.ours,
        tolerance=beside.tolerance,
        verdict=beside.why_not or ("within" if beside.within else "outside"),
        how="; ".join(beside.differs),
        source=f"{source.title}, {source.table}",
        url=source.url if source.url.startswith("https://") else "",
        note=" ".join(filter(None, (anchor.note, anchor.defect))),
    )
