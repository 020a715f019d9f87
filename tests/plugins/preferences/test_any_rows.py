"""Whatever is in a file: a pair, or one sentence with file, row and field. Never anything else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from preference_rows import FORMS, QUESTION, source

from rmr1_core import Message
from rmr1_core.datafiles import skipping
from rmr1_core.errors import BadInput
from rmr1_core.jsonl import write

COLUMNS = (
    *("prompt", "chosen", "rejected", "response_a", "response_b", "label", "input", "winner"),
    *("conversation_a", "conversation_b", "preferred_output", "non_preferred_output"),
    *("instruction", "completions", "response", "helpfulness", "source", "accepted"),
    *("full_chosen", "full_rejected", "initial_reason_steps"),
)
WORDS = ("", "A", "1", "q", "\n\nHuman: q\n\nAssistant: a", "x<extra_id_1>User\n", "magpie_ultra")
message = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant", "tool"]), "content": st.just("x")}
)
rating = st.fixed_dictionaries({"response": st.just("x"), "overall_score": st.integers(0, 3)})
plain = st.sampled_from(WORDS) | st.none() | st.booleans() | st.integers(0, 2) | st.floats(0, 1)
values = st.recursive(
    plain | st.lists(message, max_size=3) | st.lists(rating, max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["messages", "role", "content", "type"]), inner)
    ),
    max_leaves=4,
)
rows = st.lists(st.dictionaries(st.sampled_from(COLUMNS), values, max_size=8), max_size=6)
NAMES = ("preferences", "skywork-80k", "math-step-dpo", "helpsteer2", "ultrafeedback")


@pytest.mark.parametrize("name", [*NAMES, "code-preference-pairs", "mixed"])
@given(rows=rows, form=st.sampled_from(FORMS), join=st.booleans())
@settings(deadline=None, max_examples=60)
def test_any_rows_are_pairs_or_errors_that_say_where(tmp_path_factory, name, rows, form, join):
    path = tmp_path_factory.mktemp("any") / "train.jsonl"
    good = form(QUESTION, "4", "5")
    given_rows = [{**good, **row} if number % 2 else row for number, row in enumerate(rows)]
    write(path, given_rows)
    options: dict[str, Any] = {"sample": 0} if name.startswith("code") else {}
    if name == "preferences" and join:
        options["diverging"] = "join"
    dataset = source(path, name, **options)
    found, none_fits = [], ""
    with skipping() as skipped:
        try:
            found = list(dataset.examples("train", seed=0))
        except BadInput as error:
            none_fits = str(error)
    assert "its columns" in none_fits or not none_fits
    assert all(isinstance(turn, Message) for one in found for turn in one.pair.prompt)
    assert len({one.pair.id for one in found}) == len(found) or name == "mixed"
    for error in skipped:
        assert error.path == str(path)
        assert 1 <= error.row <= len(given_rows)
        assert error.field
        assert "\n" not in str(error)
