"""What a report tells of a run: which evaluations in full, with which charts and numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from rmr1_core import Bars, Benchmark, Chart, EvalProtocol, Mark, Ref, Report, Scores, Validity
from rmr1_core.charts import overview
from rmr1_core.curves import of_steps, scores
from rmr1_core.import_words import order_known
from rmr1_core.lookup import resolve
from rmr1_core.repeating import Repeated
from rmr1_core.stored import StoredEvaluation, StoredRun
from rmr1_reports import examples, slices
from rmr1_reports.examples import Example
from rmr1_reports.published import Published, marks, published

SAMPLED = "-sampled"
MOST_CURVES = 24


class Section(NamedTuple):
    """One benchmark of an evaluation. `report` is None while judgments are lacking: then there is
    no score, and `made` of `wanted` judgments are there."""

    evaluation: StoredEvaluation
    benchmark: str
    report: Report | None
    pairs: int
    made: int
    wanted: int
    validity: Validity
    says_first: float | None
    charts: Sequence[Chart]
    published: Sequence[Published]
    examples: Sequence[Example]
    repeated: Repeated | None = None
    order_known: bool = True


def sections(run: StoredRun, *, with_examples: bool = True) -> list[Section]:
    """The benchmarks of the evaluation that a report has in full. Judgments are read twice at
    most, and their texts are not kept."""
    evaluation = main_evaluation(run)
    if evaluation is None:
        return []
    seen = slices.slices(evaluation)
    kinds = {name: slices.examples(part.outcomes) for name, part in seen.items()}
    texts = examples.read(evaluation, kinds) if with_examples else {}
    reports = {report.benchmark: report for report in evaluation.reports()}
    return [
        _section(run, evaluation, name, part, reports.get(name), texts.get(name, []))
        for name, part in seen.items()
    ]


def main_evaluation(run: StoredRun) -> StoredEvaluation | None:
    """Of `rmr1 bench` the only one; of a training the last one that has begun: greedy, and of the
    recipe itself."""
    own = [e for e in run.evaluations() if "/" not in e.name and not e.name.endswith(SAMPLED)]
    return own[-1] if own else None


def training_charts(run: StoredRun) -> list[Chart]:
    """The scores between the stages of a training, and the curves of each; none of a bench."""
    curves = [c for stage, steps in run.steps().items() for c in of_steps(stage, steps)]
    return [*scores(run.results()), *curves[:MOST_CURVES]]


def _section(
    run: StoredRun, evaluation: StoredEvaluation, name: str, part: slices.Slices,
    report: Report | None, texts: Sequence[Example],
) -> Section:  # fmt: skip
    protocol = evaluation.protocol
    found = published(run, evaluation, report) if report else []
    drawn: list[Chart] = []
    ordered = order_known(run.record.imported)
    if report is not None:
        by_name = marks(found, report.scores.headline)
        of_it = [_marked(c, by_name) for c in benchmark_charts(run, name, report.scores)]
        drawn = [_partial(c) if report.partial else c for c in of_it]
    return Section(
        evaluation=evaluation,
        benchmark=name,
        report=report,
        pairs=part.pairs,
        made=part.validity.judgments,
        wanted=_wanted(run, part, protocol),
        validity=report.validity if report else part.validity,
        says_first=slices.says_first(part.outcomes) if ordered else None,
        charts=[
            *drawn,
            *_by_tokens(evaluation, report),
            *slices.charts(part, order_known=ordered),
        ],
        published=found,
        examples=texts,
        repeated=next((r for r in evaluation.repeated() if r.benchmark == name), None),
        order_known=ordered,
    )


def _wanted(run: StoredRun, part: slices.Slices, protocol: EvalProtocol) -> int:
    """How many judgments there are to make; of another project's log, as many as it has."""
    if run.record.imported:
        return part.validity.judgments
    return part.pairs * protocol.samples * (2 if protocol.order == "both" else 1)


def _by_tokens(evaluation: StoredEvaluation, report: Report | None) -> list[Chart]:
    """The score against tokens, by votes and by budgets; of a complete evaluation alone."""
    if report is None:
        return []
    found = evaluation.token_curves(report.benchmark)
    return [_partial(chart) if report.partial else chart for chart in found]


def benchmark_charts(run: StoredRun, name: str, of: Scores) -> Sequence[Chart]:
    """What the benchmark wants to be drawn; an overview where its plugin is gone or raises."""
    record = run.record
    recipe = record.recipe
    variants = list(recipe.variants.values()) if recipe else []
    refs = [*record.benchmarks, *(ref for v in variants for ref in v.benchmarks or ())]
    try:
        for ref in refs:
            benchmark: Benchmark = resolve("benchmark", Ref(name=ref.name))
            if benchmark.name == name:
                return benchmark.charts(of)
    except Exception:  # the boundary to foreign code; there may be stored scores without it
        return [overview(of)]
    return [overview(of)]


def _marked(chart: Chart, by_name: Mapping[str, tuple[Mark, ...]]) -> Chart:
    """The chart with these marks, where it has bars of that name."""
    if not isinstance(chart, Bars):
        return chart
    names = {m.name for row in chart.rows for m in row.metrics if m}
    there = {name: found for name, found in by_name.items() if name in names}
    return msgspec.structs.replace(chart, marks={**chart.marks, **there})


def _partial(chart: Chart) -> Chart:
    """The chart of a partial report, which says so wherever it stands."""
    return msgspec.structs.replace(chart, title=f"{chart.title} (partial)")
