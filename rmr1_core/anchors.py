"""Published numbers beside ours, and how far apart the two may be.

The tolerance of a difference is that of two independent measurements, each on a sample of prompts:

    z · √(v_ours + v_published) + resolution / 2,        z = 1.96 for 95 %

- v_ours is the variance behind our interval, clustered by prompt.
- v_published is ours, scaled to the publication's n and p(1 − p). So it has the same clusters and
  weights, which a table of percentages does not tell. Where ours has no spread, it is p(1 − p)/n.
- A random order adds f/(4 n) to the publication's variance where ours judged both orders: of the
  share f of pairs whose verdict flips with the order, each counts 1 or 0 by the toss of a coin,
  where both orders give ½. f is our flip rate. A run in one order has this variance already.

The same prompts stand on both sides, so for the same weights the prompts' part cancels and the
tolerance is generous; it is meant for judges that were trained again as well. Wilson's interval
(Wilson 1927) is read backwards: v is the square of its half width over z.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec

from rmr1_core.components import Backbone
from rmr1_core.discovery import Plugins, plugins
from rmr1_core.errors import UnknownName, UsageError
from rmr1_core.lookup import resolve
from rmr1_core.statistics import Z95
from rmr1_core.values import (
    Anchor,
    EvalProtocol,
    Metric,
    Ref,
    Report,
    RunRecord,
    Scores,
    Value,
)


class Beside(Value, frozen=True):
    """A published number beside ours. Shares are in [0, 1].

    `within` says whether the difference is in the tolerance; it is None where that means nothing,
    as `why_not` says. `differs` names what was done otherwise than the publication did.
    """

    anchor: Anchor
    ours: Metric
    tolerance: float
    why_not: str = ""
    differs: tuple[str, ...] = ()

    @property
    def difference(self) -> float:
        """Ours less the published one."""
        return self.ours.value - self.anchor.value

    @property
    def within(self) -> bool | None:
        """Whether the difference is in the tolerance."""
        return None if self.why_not else abs(self.difference) <= self.tolerance


def published(benchmark: str = "", known: Plugins | None = None) -> list[Anchor]:
    """The published numbers on a benchmark, or on all, as the plugins list them."""
    anchors = (known or plugins()).anchors()
    return [anchor for anchor in anchors if benchmark in ("", anchor.benchmark)]


def of_model(name: str, anchors: Iterable[Anchor]) -> list[Anchor]:
    """Those of a model, by its published name or by its backbone.

    Raises:
        UnknownName: none is of it.
    """
    anchors = list(anchors)
    found = [a for a in anchors if name.lower() in (a.model.lower(), a.backbone)]
    if not found:
        known = [word for a in anchors for word in (a.model, a.backbone) if word]
        raise UnknownName("published model", name, known, hint="rmr1 anchors")
    return found


def of_weights(backbone: Ref | Backbone | None, anchors: Iterable[Anchor]) -> list[Anchor]:
    """Those of the same weights: the backbone's name, or the hub id that it stands for."""
    if backbone is None:
        return []
    names = {backbone.name} | _model_of(backbone)
    return [a for a in anchors if a.backbone and ({a.backbone} | _model_of(a.backbone)) & names]


def tolerance(anchor: Anchor, metric: Metric, flip_rate: float | None = None) -> float:
    """How far our metric may be from the anchor by chance, at 95 %: a share, see above.

    `flip_rate` is that of our run in both orders, and None of one in a single order.
    """
    ours = _variance(metric)
    spread = metric.value * (1 - metric.value)
    theirs = anchor.value * (1 - anchor.value)
    one = ours * metric.n / spread if spread > 0 else 1.0
    there = theirs * one / anchor.n
    if flip_rate is not None and anchor.protocol.order in ("random", "balanced"):
        there += flip_rate / (4 * anchor.n)
    return Z95 * math.sqrt(ours + there) + anchor.resolution / 2


def beside(
    report: Report, anchors: Iterable[Anchor], protocol: EvalProtocol, parser: str = ""
) -> list[Beside]:
    """Each anchor of the report's benchmark whose metric it has, with ours under the same rule.

    `parser` is the one that read our answers, where that is known.
    """
    found = []
    for anchor in anchors:
        scores = _scores(report, anchor.protocol.scoring)
        if anchor.benchmark != report.benchmark or scores is None:
            continue
        metric = next((m for m in _metrics(scores) if m.name == anchor.metric), None)
        if metric is not None:
            why = f"{metric.n} of {anchor.n} were judged" if metric.n != anchor.n else ""
            found.append(
                Beside(
                    anchor=anchor,
                    ours=metric,
                    tolerance=tolerance(anchor, metric, report.validity.flip_rate),
                    why_not=why,
                    differs=tuple(_differences(anchor, protocol, parser)),
                )
            )
    return found


def of_run(
    record: RunRecord, reports: Iterable[Report], *, everybody: bool = False
) -> list[Beside]:
    """The published numbers to show beside a run's: those of the weights that judged, or those
    that it is to reproduce; or with `everybody` those of all models."""
    anchors = published()
    if not everybody:
        wanted = record.reproduces.lower()
        anchors = (
            [a for a in anchors if wanted in (a.model.lower(), a.backbone)]
            if wanted
            else of_weights(record.backbone, anchors)
        )
    protocol, parser = record.protocol or EvalProtocol(), _parser(record)
    found = [b for report in reports for b in beside(report, anchors, protocol, parser)]
    return as_known(record, found)


def as_known(record: RunRecord, found: list[Beside]) -> list[Beside]:
    """The same, but of an imported run without what was done otherwise: that is not known."""
    if record.imported is None:
        return found
    unknown = "imported: how it was judged is not known"
    return [msgspec.structs.replace(b, differs=(unknown,)) for b in found]


def expected_tolerance(anchor: Anchor) -> float:
    """The tolerance of a run of the same size with the same result, were no two pairs of one
    prompt; they are, on some benchmarks, and the tolerance is larger."""
    half = Z95 * math.sqrt(anchor.value * (1 - anchor.value) / anchor.n)
    low, high = anchor.value - half, anchor.value + half
    ours = Metric(name=anchor.metric, value=anchor.value, n=anchor.n, low=low, high=high)
    return tolerance(anchor, ours)


def protocol_to_reproduce(anchors: Sequence[Anchor]) -> dict[str, object]:
    """What the anchors say of how they were made, as fields of `EvalProtocol` and "parser".

    Raises:
        UsageError: they were made in different ways.
    """
    found: dict[str, object] = {}
    for name in ("order", "samples", "temperature", "max_new_tokens", "parser"):
        said = {getattr(anchor.protocol, name) for anchor in anchors} - {None, ""}
        if len(said) > 1:
            words = " and ".join(sorted(map(str, said)))
            raise UsageError(
                f"these numbers were published with different {name} ({words}); name one benchmark"
            )
        if said:
            found[name] = said.pop()
    return found


def _differences(anchor: Anchor, protocol: EvalProtocol, parser: str) -> Iterable[str]:
    theirs = anchor.protocol
    if theirs.order is not None and theirs.order != protocol.order:
        yield f"order {protocol.order}, not {theirs.order}"
    if theirs.temperature is not None and theirs.temperature != protocol.temperature:
        yield f"temperature {protocol.temperature:g}, not {theirs.temperature:g}"
    if theirs.samples is not None and theirs.samples != protocol.samples:
        yield f"{protocol.samples} samples, not {theirs.samples}"
    if theirs.max_new_tokens not in (None, protocol.max_new_tokens):
        ours = protocol.max_new_tokens or "the backbone's limit of"
        yield f"{ours} new tokens, not {theirs.max_new_tokens}"
    if theirs.parser and theirs.parser != parser:
        yield f"parser {parser or 'of the prompt'}, not {theirs.parser}"


def _scores(report: Report, scoring: str) -> Scores | None:
    return report.scores if report.scoring == scoring else report.alternatives.get(scoring)


def _metrics(scores: Scores) -> Iterable[Metric]:
    return (scores.headline, *scores.metrics)


def _parser(record: RunRecord) -> str:
    """The name of the parser that read the run's answers, where its prompt has such an option."""
    if record.prompt is None:
        return ""
    try:
        return str(getattr(resolve("prompt", record.prompt), "parser", ""))
    except UsageError:  # its plugin is gone
        return ""


def _variance(metric: Metric) -> float:
    return ((metric.high - metric.low) / (2 * Z95)) ** 2


def _model_of(backbone: Ref | Backbone | str) -> set[str]:
    """The hub id or folder that a backbone stands for; none for an unknown one."""
    if isinstance(backbone, Backbone):
        return {backbone.model} - {""}
    try:
        found: Backbone = resolve("backbone", backbone)
    except UsageError:
        return set()
    return {found.model} - {""}
