"""`rmr1 bench --repeat`: the same requests asked again, and what the engine alone changes.

    <evaluation>/repeats/2/   the second pass, as the evaluation itself
                 repeats.json what differs between the passes

Every pass has the same messages, limits and seeds, in the same order. Whatever differs is the
engine's doing: other batches, other kernels, sums in another order (He et al. 2025, "Defeating
Nondeterminism in LLM Inference"), or an endpoint that does not heed seeds.
"""

from __future__ import annotations

import statistics as moments
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec

from rmr1_core import runs
from rmr1_core.evaluation import Evaluation
from rmr1_core.journals import JournalLine, identity
from rmr1_core.slots import Identity
from rmr1_core.values import Judgment, Metric, Report, Value

FOLDER = "repeats"
FILE = "repeats.json"


class Spread(Value, frozen=True):
    """A metric in every pass. `sd` is the standard deviation from pass to pass, with n - 1;
    `half_width` is half of the first pass's 95 % interval, which is that of the sample of pairs."""

    name: str
    values: tuple[float, ...]
    low: float
    high: float
    sd: float
    half_width: float


class Repeated(Value, frozen=True):
    """What repeating changed on one benchmark. Of the `judgments` that the first pass and another
    one have, `same_text` and `same_verdict` were the same in all of them. `first_difference` is
    where, in the middle of the changed texts, they part from that of the first pass, in characters,
    and `changed_length` how long those texts are there; both None where none changed. The first of
    `spreads` is the headline's."""

    benchmark: str
    passes: int
    judgments: int
    same_text: int
    same_verdict: int
    first_difference: int | None
    changed_length: int | None
    spreads: tuple[Spread, ...]

    @property
    def words(self) -> tuple[str, str]:
        """What changed of the judgments, and what that does to the headline, in a sentence each."""
        return self._of_judgments(), self._of_headline()

    def _of_judgments(self) -> str:
        if self.same_text == self.judgments:
            return f"asked {self.passes} times: all {self.judgments:,} answers are the same"
        words = (
            f"asked {self.passes} times: {_share(self.same_text, self.judgments)} of "
            f"{self.judgments:,} answers are the same every time, and "
            f"{_share(self.same_verdict, self.judgments)} of the verdicts"
        )
        if self.first_difference is None or self.changed_length is None:
            return words
        return (
            f"{words}; texts that change part after {self.first_difference:,} of their "
            f"{self.changed_length:,} characters (medians)"
        )

    def _of_headline(self) -> str:
        headline = self.spreads[0]
        sample = f"the interval from the sample of pairs is ±{_points(headline.half_width)}"
        if headline.low == headline.high:
            return f"the engine's own nondeterminism does not move {headline.name}; {sample}"
        return (
            f"the engine's own nondeterminism moves {headline.name} by ±{_points(headline.sd)} "
            f"points (standard deviation of {self.passes} passes, from "
            f"{100 * headline.low:.1f} to {100 * headline.high:.1f}); {sample}"
        )


def passes(evaluation: Evaluation, repeat: int) -> list[Evaluation]:
    """The passes beside the first, of `repeat` in all."""
    return [evaluation.another_pass(f"{FOLDER}/{number}") for number in range(2, repeat + 1)]


def store(each: Sequence[Evaluation], reports: Sequence[Sequence[Report]]) -> None:
    """Compare the complete passes and store what differs; the first is the evaluation itself."""
    runs.write_whole(each[0].folder / FOLDER / FILE, repeated(each, reports))


def stored(folder: Path) -> list[Repeated]:
    """What differed between the passes of the evaluation in a folder; nothing where it was judged
    once, or not all passes are complete. Raises BadInput when the file is damaged."""
    path = folder / FOLDER / FILE
    return runs.read_whole(path, list[Repeated]) if path.exists() else []


def repeated(each: Sequence[Evaluation], reports: Sequence[Sequence[Report]]) -> list[Repeated]:
    """What differs between complete passes, benchmark by benchmark."""
    changes: dict[str, _Changes] = {}
    with _Texts(each[0].journal) as first:
        for other in each[1:]:
            for judgment in other.judgments():
                found = changes.setdefault(judgment.benchmark, _Changes())
                before = first.judgment(judgment)
                if before is not None:  # votes that stop early do not always stop alike
                    found.add(before, judgment)
    return [
        Repeated(
            benchmark=report.benchmark,
            passes=len(each),
            **changes[report.benchmark].counted(),
            spreads=tuple(_spreads([of[place] for of in reports])),
        )
        for place, report in enumerate(reports[0])
        if report.benchmark in changes
    ]


def _share(part: int, whole: int) -> str:
    """In percent, and 100 % or 0 % only where that is so."""
    percent = 100 * part / whole
    if 0 < part < whole:
        percent = min(max(percent, 0.1), 99.9)
    return f"{percent:.1f} %"


def _points(share: float) -> str:
    return f"{100 * share:.1f}" if share >= 0.0005 else f"{100 * share:.2f}"


def _spreads(reports: Sequence[Report]) -> Iterator[Spread]:
    """Every metric that all passes have, the headline first."""
    names = [{m.name: m for m in _metrics(report)} for report in reports]
    for name, metric in names[0].items():
        if all(name in other for other in names):
            values = tuple(other[name].value for other in names)
            yield Spread(
                name=name,
                values=values,
                low=min(values),
                high=max(values),
                sd=moments.stdev(values),
                half_width=(metric.high - metric.low) / 2,
            )


def _metrics(report: Report) -> list[Metric]:
    return [report.scores.headline, *report.scores.metrics]


def _common(one: str, other: str) -> int:
    """How many characters two texts have in common from their start on."""
    both = min(len(one), len(other))
    return next((place for place in range(both) if one[place] != other[place]), both)


class _Changes:
    """What changed of one benchmark's judgments, pass by pass."""

    def __init__(self) -> None:
        self._seen: set[Identity] = set()
        self._texts: dict[Identity, tuple[int, int]] = {}
        self._verdicts: set[Identity] = set()

    def add(self, before: Judgment, after: Judgment) -> None:
        """Take in a judgment of a later pass, beside that of the first."""
        which = identity(after)
        self._seen.add(which)
        if before.verdict is not after.verdict:
            self._verdicts.add(which)
        texts = before.completion.text, after.completion.text
        if texts[0] != texts[1]:
            self._texts.setdefault(which, (_common(*texts), len(texts[0])))

    def counted(self) -> dict[str, Any]:
        """The fields of `Repeated` that are about judgments."""
        total = len(self._seen)
        parted, lengths = zip(*self._texts.values(), strict=True) if self._texts else ((), ())
        return {
            "judgments": total,
            "same_text": total - len(self._texts),
            "same_verdict": total - len(self._verdicts),
            "first_difference": round(moments.median(parted)) if parted else None,
            "changed_length": round(moments.median(lengths)) if lengths else None,
        }


class _Texts:
    """A journal whose judgments are found by their identity; none of their texts are kept."""

    def __init__(self, journal: Path) -> None:
        self._file = journal.open("rb")
        self._decode = msgspec.json.Decoder(JournalLine).decode
        self._places: dict[Identity, int] = {}

    def __enter__(self) -> Self:
        place = 0
        for line in self._file:
            found = self._decode(line) if line.endswith(b"\n") else None
            if isinstance(found, Judgment):
                self._places.setdefault(identity(found), place)
            place += len(line)
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def judgment(self, like: Judgment) -> Judgment | None:
        """The judgment of the same identity, if there is one."""
        if (place := self._places.get(identity(like))) is None:
            return None
        self._file.seek(place)
        found = self._decode(self._file.readline())
        assert isinstance(found, Judgment)
        return found
