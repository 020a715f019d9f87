"""A handful of judgments to read in a report, their texts cut to a length that can be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rmr1_core import Judgment, Pair
from rmr1_core.stored import StoredEvaluation

MOST = 700
"""Characters of a text: those at its beginning and, of what a judge wrote, those at its end."""

Wanted = Mapping[str, Mapping[str, Sequence[Pair]]]
"""By benchmark and kind, the pairs to show."""


class Said(NamedTuple):
    """What the judge wrote on a pair in one order."""

    chosen_first: bool
    verdict: str
    right: bool
    truncated: bool
    tokens: int
    text: str


class Example(NamedTuple):
    """A pair with what was said of it."""

    kind: str
    pair_id: str
    subset: str
    prompt: str
    chosen: str
    rejected: str
    said: Sequence[Said]


def read(evaluation: StoredEvaluation, wanted: Wanted) -> dict[str, list[Example]]:
    """The examples of every benchmark; of several samples the first one."""
    ids = {(b, pair.id) for b, kinds in wanted.items() for ps in kinds.values() for pair in ps}
    if not ids:
        return {}
    said: dict[tuple[str, str], list[Said]] = {}
    for judgment in evaluation.judgments():
        which = (judgment.benchmark, judgment.pair_id)
        if which in ids and judgment.sample == 0:
            said.setdefault(which, []).append(_said(judgment))
    found = {}
    for benchmark, kinds in wanted.items():
        texts = _texts(evaluation, benchmark, ids)
        found[benchmark] = [
            _example(kind, texts[pair.id], said.get((benchmark, pair.id), []))
            for kind, pairs in kinds.items()
            for pair in pairs
        ]
    return found


def cut(text: str, most: int = MOST) -> str:
    """The beginning of a text, and how much of it is left out."""
    left = len(text) - most
    return text if left <= 0 else f"{text[:most]}… [{left:,} more characters]"


def _said(judgment: Judgment) -> Said:
    made = judgment.completion
    return Said(
        chosen_first=judgment.chosen_first,
        verdict=judgment.verdict.value,
        right=judgment.correct,
        truncated=made.finish_reason == "length",
        tokens=made.completion_tokens,
        text=_ends(made.text),
    )


def _ends(text: str) -> str:
    """The beginning and the end of what a judge wrote, where the verdict is."""
    left = len(text) - 2 * MOST
    return text if left <= 0 else f"{text[:MOST]}… [{left:,} characters] …{text[-MOST:]}"


def _texts(
    evaluation: StoredEvaluation, benchmark: str, ids: set[tuple[str, str]]
) -> dict[str, Pair]:
    lacking = {pair_id for name, pair_id in ids if name == benchmark}
    found: dict[str, Pair] = {}
    if lacking:
        for pair in evaluation.each_pair(benchmark):
            if pair.id in lacking:
                found[pair.id] = pair
                if len(found) == len(lacking):
                    break
    return found


def _example(kind: str, pair: Pair, said: Sequence[Said]) -> Example:
    return Example(
        kind=kind,
        pair_id=pair.id,
        subset=pair.subset,
        prompt=cut("\n\n".join(message.content for message in pair.prompt[-1:])),
        chosen=cut(pair.chosen),
        rejected=cut(pair.rejected),
        said=sorted(said, key=lambda one: not one.chosen_first),
    )
