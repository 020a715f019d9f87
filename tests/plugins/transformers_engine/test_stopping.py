"""Stop strings against the plain definition: the first token after which the text has one."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rmr1_transformers.stopping import Ends, StopStrings

PIECES = ["</answer>", "<", "/", "ans", "answer>", "> and", "</an", "swer", " ", "ü", "é\n", "\n\n"]


def end_of(ends: Ends, tokens: list[int], at_once: int) -> int | None:
    """How many tokens the loop would keep."""
    for start in range(0, len(tokens), at_once):
        place = ends.first(tokens[:start], tokens[start : start + at_once])
        if place is not None:
            return start + place + 1
    return None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(st.sampled_from(PIECES), max_size=12),
    st.lists(
        st.sampled_from(["</answer>", "<", "wer> a", "\n\n", "ü", "/answer>\n"]),
        min_size=1,
        max_size=2,
        unique=True,
    ),
    st.integers(1, 4),
)
def test_a_row_ends_with_the_token_that_completes_a_stop_string(
    tokenizer: Any, pieces: list[str], strings: list[str], at_once: int
) -> None:
    tokens = [t for piece in pieces for t in tokenizer.encode(piece, add_special_tokens=False)]
    ends = Ends(frozenset(), StopStrings(tokenizer, strings))
    complete = [
        count
        for count in range(1, len(tokens) + 1)
        if any(string in tokenizer.decode(tokens[:count]) for string in strings)
    ]
    assert end_of(ends, tokens, at_once) == (complete[0] if complete else None)


def test_tokens_that_cannot_complete_a_stop_string_are_not_looked_at(tokenizer: Any) -> None:
    stop = StopStrings(tokenizer, ["</answer>"])
    tokens = tokenizer.encode("the answer is and", add_special_tokens=False)
    for token in tokens:
        if tokenizer.convert_ids_to_tokens(token)[0] not in "</answer>":
            assert stop.effects[token] == 0
