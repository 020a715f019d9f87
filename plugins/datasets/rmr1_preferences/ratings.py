"""Rated answers turned into pairs: the higher-rated answer to a prompt against a lower-rated one.

    rows    one answer a row; rows that follow each other and have the same prompt belong together,
            as in HelpSteer
    sets    one prompt a row, with a list of answers, as in UltraFeedback

Ratings say how good, not how sure: a tie says nothing and is left out, and so is a difference
smaller than `margin`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, groupby
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from rmr1_core import Message, Option, Pair
from rmr1_preferences.source import Source

if TYPE_CHECKING:
    from rmr1_core.datafiles import Row
    from rmr1_preferences.provenance import Provenance


class Rated(NamedTuple):
    """An answer with its rating, and the row that it is from."""

    row: Row
    prompt: tuple[Message, ...]
    answer: str
    score: float


class Ratings(Source, frozen=True, kw_only=True):
    """Rated answers to the same prompt, in rows or in sets, as pairs."""

    layout: Annotated[
        Literal["rows", "sets"],
        Option(description="an answer a row, or a prompt a row with a list of answers"),
    ] = "rows"
    prompt_field: Annotated[str, Option(description="field with the prompt")] = "prompt"
    prompt_marks: Annotated[
        Literal["none", "helpsteer"],
        Option(description="how further turns are marked in a prompt that is a text"),
    ] = "none"
    answers_field: Annotated[
        str, Option(description="field with the list of answers, where they are in sets")
    ] = "completions"
    answer_field: Annotated[str, Option(description="field with an answer")] = "response"
    score_fields: Annotated[
        tuple[str, ...],
        Option(description="fields whose mean is an answer's rating", min_length=1),
    ] = ("overall_score",)
    margin: Annotated[
        float, Option(description="least difference of two ratings; ties never count", ge=0)
    ] = 0.0
    pairs: Annotated[
        Literal["best-worst", "all"],
        Option(description="of each prompt: the best answer against the worst, or all pairs"),
    ] = "best-worst"

    def compared(self, split: str) -> Iterator[tuple[Pair, bool | None]]:
        """The pairs in upstream's order of prompts."""
        provenance = self.provenance(split)
        for rated in self._together(split):
            for better, worse in self._compared(rated):
                yield _pair(provenance, rated, better, worse), None

    def _together(self, split: str) -> Iterator[list[Rated]]:
        """The rated answers to each prompt."""
        from rmr1_core.datafiles import made

        if self.layout == "sets":
            yield from made(self.rows(split), self._set)
            return
        for _, answers in groupby(made(self.rows(split), self._rated), key=lambda one: one.prompt):
            yield list(answers)

    def _rated(self, row: Row) -> Rated:
        return self._answer(row, row, self._prompt(row), "")

    def _set(self, row: Row) -> list[Rated]:
        from rmr1_core.datafiles import Row

        prompt, listed = self._prompt(row), row.get(self.answers_field, list[dict[str, Any]])
        found = []
        for number, answer in enumerate(listed):
            place = f"{self.answers_field}[{number}]."
            inner = {f"{place}{name}": value for name, value in answer.items()}
            found.append(self._answer(row, Row(row.path, row.number, inner), prompt, place))
        return found

    def _answer(self, row: Row, inner: Row, prompt: tuple[Message, ...], place: str) -> Rated:
        scores = [inner.get(f"{place}{field}", float) for field in self.score_fields]
        answer = inner.get(f"{place}{self.answer_field}", str)
        return Rated(row, prompt, answer, sum(scores) / len(scores))

    def _prompt(self, row: Row) -> tuple[Message, ...]:
        from rmr1_preferences.turns import helpsteer_prompt, prompt_of

        if self.prompt_marks == "helpsteer":
            return helpsteer_prompt(row, self.prompt_field)
        return prompt_of(row, self.prompt_field)

    def _compared(self, rated: Sequence[Rated]) -> Iterator[tuple[int, int]]:
        """The positions of the better and the worse answer of each pair."""
        positions = range(len(rated))
        if self.pairs == "all":
            chosen = list(combinations(positions, 2))
        elif rated:
            best = max(positions, key=lambda one: rated[one].score)
            chosen = [(best, min(positions, key=lambda one: rated[one].score))]
        else:
            chosen = []
        for one, other in chosen:
            difference = rated[one].score - rated[other].score
            if difference and abs(difference) >= self.margin:
                yield (one, other) if difference > 0 else (other, one)


def _pair(provenance: Provenance, rated: Sequence[Rated], better: int, worse: int) -> Pair:
    from rmr1_preferences.forms import Compared

    first = rated[0]
    compared = Compared(first.prompt, rated[better].answer, rated[worse].answer)
    return provenance.pair(first.row, compared, part=f"-{better + 1}-{worse + 1}")
