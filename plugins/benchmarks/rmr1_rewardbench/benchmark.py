"""RewardBench's rules: accuracy per subset, weighted into sections, averaged.

"as-published" is the authors' generative scorer, for which all that is neither A nor B is half a
win; "strict" counts it as a loss. Equal scores of a reward model are a loss under both, as in the
authors' scripts for such models. Which text is unparsed is the prompt strategy's business. With
both orders judged, a pair's score is the mean of the two: the expectation of the random order that
the authors draw.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from rmr1_core import Benchmark, Chart, Metric, Outcome, Pair, Scores, bars
from rmr1_core.datafiles import hub_rows
from rmr1_core.statistics import Estimate, average, mean, weighted
from rmr1_rewardbench import rows
from rmr1_rewardbench.sections import PRIOR, PRIOR_SETS, SECTION_OF, SECTIONS, WEIGHTS

UNDECIDED = {"strict": 0.0, "as-published": 0.5}
"""What an unparsed answer, or a tie that a judge wrote, is worth under each scoring."""


class RewardBench(Benchmark, frozen=True, kw_only=True):
    """RewardBench (arXiv 2403.13787). Rows of the four prior sets may be in the data as well."""

    def pairs(self, source: Path | None) -> Iterator[Pair]:
        """The pairs of the split `filtered`, from the hub, a file, or a folder with that file."""
        if source is None:
            return rows.pairs(hub_rows(self.hub, split="filtered", revision=self.revision))
        return rows.pairs(rows.local_rows(source))

    @property
    def expected(self) -> Mapping[str, int]:
        """The 23 subsets' sizes."""
        return {subset: n for subsets in SECTIONS.values() for subset, n in subsets.items()}

    def summarize(self, outcomes: Sequence[Outcome], scoring: str) -> Scores:
        """The mean of the four sections; what is missing is left out of the means above it."""
        subsets = _subsets(outcomes, UNDECIDED[scoring])
        sections = _sections(subsets)
        core = [estimate for name, estimate in sections.items() if name != PRIOR]
        headline = average(core or sections.values())
        return Scores(
            headline=headline.metric("Mean of sections"),
            metrics=(
                *(estimate.metric(name) for name, estimate in sections.items()),
                _micro(outcomes, UNDECIDED[scoring]),
                _leaderboard(sections).metric("Leaderboard"),
                *(e.metric(f"{SECTION_OF[name]}/{name}") for name, e in subsets.items()),
            ),
        )

    def charts(self, scores: Scores) -> Sequence[Chart]:
        """Sections with the averages, and the subsets, section by section."""
        subsets = [m for m in scores.metrics if "/" in m.name]
        return (*super().charts(scores), *([bars("score by subset", subsets)] if subsets else []))


def _subsets(outcomes: Iterable[Outcome], undecided: float) -> dict[str, Estimate]:
    scores: dict[str, tuple[list[float], list[str]]] = {name: ([], []) for name in SECTION_OF}
    for outcome in outcomes:
        values, clusters = scores[outcome.pair.subset]
        values.append(_score(outcome, undecided))
        clusters.append(outcome.pair.group)
    return {name: mean(*columns) for name, columns in scores.items() if columns[0]}


def _score(outcome: Outcome, undecided: float) -> float:
    scored = outcome.chosen_score is not None
    return outcome.score(unparsed=undecided, tie=0.0 if scored else undecided)


def _sections(subsets: Mapping[str, Estimate]) -> dict[str, Estimate]:
    parts = {
        section: [(float(WEIGHTS[name]), subsets[name]) for name in names if name in subsets]
        for section, names in SECTIONS.items()
    }
    parts[PRIOR] = [(1.0, subsets[name]) for name in PRIOR_SETS if name in subsets]
    return {section: weighted(estimates) for section, estimates in parts.items() if estimates}


def _micro(outcomes: Sequence[Outcome], undecided: float) -> Metric:
    core = [outcome for outcome in outcomes if outcome.pair.subset in WEIGHTS] or outcomes
    scores = [_score(outcome, undecided) for outcome in core]
    return mean(scores, [outcome.pair.group for outcome in core]).metric("Micro average")


def _leaderboard(sections: Mapping[str, Estimate]) -> Estimate:
    return weighted((0.5 if name == PRIOR else 1.0, part) for name, part in sections.items())
