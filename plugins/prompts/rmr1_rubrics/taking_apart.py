"""Rendered prompts back into what they were made from.

The wordings of a training set are learned from a sample of its rows; every row is then read by the
wording that it was made with. A row that none of them reads is a misfit, never a guess.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence

from rmr1_core import Comparison, Message
from rmr1_core.errors import UsageError
from rmr1_rubrics.learned import TrainingPrompt, find_variants
from rmr1_rubrics.learning import FEWEST_ROWS
from rmr1_rubrics.patterns import Pattern

LEARNED_ON = 3000
"""Rows from which the wordings of a set are learned: enough to meet the rare ones."""


class Misfit(Exception):
    """A row that no wording reads, and why."""


class Wordings:
    """The wordings of a training set, each with the system message that it comes with."""

    def __init__(self, patterns: Mapping[str | None, Sequence[Pattern]]) -> None:
        self._patterns = patterns

    @classmethod
    def learned(cls, rows: Iterable[TrainingPrompt], name: str) -> Wordings:
        """The wordings of these rows, of which a sample is kept in memory.

        Raises:
            UsageError: they have none in common.
        """
        patterns: dict[str | None, list[Pattern]] = {}
        sample = _sample(rows)
        for variant in find_variants(sample):
            patterns.setdefault(variant.system, []).append(variant.pattern)
        if not patterns:
            raise UsageError(
                f"{name}: no wording of a prompt was found in {len(sample)} rows: fewer than "
                f"{FEWEST_ROWS} of them share one around a question and two answers"
            )
        return cls(patterns)

    def read(self, messages: Sequence[Message]) -> Comparison:
        """The conversation and the answers that these messages show.

        Raises:
            Misfit: it was not made with any of these wordings.
        """
        roles = [message.role for message in messages]
        if roles not in (["user"], ["system", "user"]):
            shown = ", ".join(roles) or "none"
            raise Misfit(f"its roles are {shown}, not an optional system and one user")
        system = messages[0].content if len(messages) == 2 else None
        if system not in self._patterns:
            raise Misfit("its system message is not that of the other rows")
        content = messages[-1].content
        for pattern in self._patterns[system]:
            comparison = pattern.read(content)
            if comparison is not None:
                return comparison
        raise Misfit(f"it has no wording in common with the others; it begins {content[:40]!r}")


def _sample(rows: Iterable[TrainingPrompt]) -> list[TrainingPrompt]:
    """Some of the rows, the same ones every time, each as likely as the others (reservoir)."""
    rng = random.Random(0)
    kept: list[TrainingPrompt] = []
    for seen, row in enumerate(rows):
        if seen < LEARNED_ON:
            kept.append(row)
        elif (place := rng.randint(0, seen)) < LEARNED_ON:
            kept[place] = row
    return kept
