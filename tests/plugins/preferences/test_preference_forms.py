"""Preferences in every usual form become the comparison that they say."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from preference_rows import (
    FORMS,
    QUESTION,
    TALK,
    answers,
    asked,
    begun,
    conversations,
    examples,
    labelled,
    messages,
    openai,
    prompts,
    said,
    shown,
    texts,
    transcripts,
)

from rmr1_core import Message
from rmr1_core.datafiles import Row, prompt_key, skipping
from rmr1_core.errors import BadInput
from rmr1_preferences.forms import Labels, Names, detect

names = pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)


@names
def test_every_form_says_the_same(tmp_path, form):
    (one,) = examples(tmp_path, [form(QUESTION, "4", "5")])
    assert (one.pair.prompt, one.pair.chosen, one.pair.rejected) == (QUESTION, "4", "5")
    assert one.pair.group == prompt_key(QUESTION)
    assert one.trace == ""


@pytest.mark.parametrize(
    "form", [f for f in FORMS if f not in (transcripts, begun)], ids=lambda f: f.__name__
)
def test_conversations_of_several_turns_keep_them(tmp_path, form):
    (one,) = examples(tmp_path, [form(TALK, "4", "5")])
    assert (one.pair.prompt, one.pair.chosen, one.pair.rejected) == (TALK, "4", "5")


@names
@given(prompt=prompts, good=texts, bad=texts)
@settings(deadline=None)
def test_any_texts_survive_every_form(form, prompt, good, bad):
    row = Row("x.jsonl", 1, json.loads(json.dumps(form(prompt, good, bad))))
    found = detect(row.values, Names(), None)
    compared = found.read(row, Labels(), "error")
    if form in (transcripts, begun):
        prompt = tuple(Message(turn.role, turn.content.strip()) for turn in prompt)
    if form is transcripts:
        good, bad = good.strip(), bad.strip()
    assert compared[:3] == (prompt, good, bad)


@given(
    common=prompts, tails=st.lists(st.lists(asked, min_size=2, max_size=2), min_size=2, max_size=2)
)
@settings(deadline=None)
def test_joined_conversations_lose_no_turn(common, tails):
    turns = [
        (*common, Message("assistant", a), Message("user", a + b), Message("assistant", b))
        for a, b in tails
    ]
    row = Row("x", 1, {"chosen": messages(*turns[0]), "rejected": messages(*turns[1])})
    compared = detect(row.values, Names(), None).read(row, Labels(), "join")
    for tail, answer in zip(tails, compared[1:3], strict=True):
        assert all(text in "\n".join(t.content for t in compared[0]) + answer for text in tail)
    assert compared.prompt[: len(common)] == common


def test_where_rows_have_no_order_the_better_answer_comes_first_and_second_in_turn(tmp_path):
    found = examples(tmp_path, [answers(QUESTION, str(n), "x") for n in range(5)])
    assert [one.chosen_first for one in found] == [True, False, True, False, True]


def test_labelled_answers_keep_the_order_that_they_are_in(tmp_path):
    rows = [
        {"question": "q", "answer_1": "first", "answer_2": "second", "preference": preferred}
        for preferred in (1, "2", 2.0, "answer_1")
    ]
    found = examples(tmp_path, rows)
    assert [shown(one).a for one in found] == ["first"] * 4
    assert [one.chosen_first for one in found] == [True, False, False, True]
    assert [one.pair.chosen for one in found] == ["first", "second", "second", "first"]


@pytest.mark.parametrize("label", ["A", "a", "model_a", "response_a", "[[A]]", " A "])
def test_the_usual_labels_are_known(tmp_path, label):
    (one,) = examples(tmp_path, [labelled(QUESTION, "4", "5") | {"label": label}])
    assert one.chosen_first


def test_a_tie_is_left_out(tmp_path):
    rows = [labelled(QUESTION, "4", "5") | {"label": label} for label in ("tie", "A", "both")]
    assert len(examples(tmp_path, rows, tie_label="tie,both")) == 1


def test_labels_may_be_said(tmp_path):
    rows = [labelled(QUESTION, "4", "5") | {"label": label} for label in (0, 1)]
    found = examples(tmp_path, rows, first_label="1", second_label="0")
    assert [one.chosen_first for one in found] == [False, True]


def test_a_strength_of_preference_is_a_label(tmp_path):
    """As HelpSteer2's annotators gave it, from -3 (the first is much better) to 3."""
    rows = [
        {"prompt": "q", "response_1": "a", "response_2": "b", "preference_strength": strength}
        for strength in (-3, 0, 1)
    ]
    found = examples(
        tmp_path, rows, label_field="preference_strength",
        first_label="-3,-2,-1", second_label="1,2,3", tie_label="0",
    )  # fmt: skip
    assert [one.pair.chosen for one in found] == ["a", "b"]


def test_columns_may_be_named(tmp_path):
    rows = [{"ask": "q", "good": "4", "bad": "5", "prompt": "another", "nr": 17, "kind": "math"}]
    named = {"prompt_field": "ask", "chosen_field": "good", "rejected_field": "bad"}
    (one,) = examples(tmp_path, rows, id_field="nr", domain_field="kind", **named)
    assert one.pair.prompt == (Message("user", "q"),)
    assert one.pair.tags["row_id"] == "17"
    assert one.pair.tags["domain"] == "math"


def test_a_prefix_is_put_before_both_answers(tmp_path):
    rows = [answers(QUESTION, "4", "5") | {"steps": "2 + 2 is "}]
    (one,) = examples(tmp_path, rows, prefix_field="steps")
    assert (one.pair.chosen, one.pair.rejected) == ("2 + 2 is 4", "2 + 2 is 5")


def test_content_may_be_in_parts_of_text(tmp_path):
    parts = [{"type": "text", "text": "What is "}, {"type": "text", "text": "2 + 2?"}]
    row = openai(QUESTION, "4", "5")
    row["input"]["messages"] = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": parts},
    ]
    (one,) = examples(tmp_path, [row])
    assert one.pair.prompt == (Message("system", "Be brief."), *QUESTION)


def test_conversations_that_part_early_are_joined_where_that_is_wanted(tmp_path):
    row = {
        "chosen": said((*QUESTION, Message("assistant", "4"), Message("user", "Sure?")), "Yes."),
        "rejected": said((*QUESTION, Message("assistant", "5"), Message("user", "Sure?")), "No."),
    }
    (one,) = examples(tmp_path, [row], diverging="join")
    assert one.pair.prompt == QUESTION
    assert one.pair.chosen == "4\n\nUser: Sure?\n\nAssistant: Yes."
    assert one.pair.rejected == "5\n\nUser: Sure?\n\nAssistant: No."
    with pytest.raises(BadInput, match=r"field 'rejected': is another .*diverging=join"):
        examples(tmp_path, [row])


IMAGE = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]


@pytest.mark.parametrize(
    ("row", "field", "says"),
    [
        ({"prompt": "q", "chosen": "x"}, "rejected", "is missing"),
        ({"chosen": "x", "rejected": "y"}, "prompt", "is missing"),
        ({"prompt": "q", "chosen": 1, "rejected": "y"}, "chosen", "expected `str`, got `int`"),
        ({"prompt": "q", "chosen": None, "rejected": "y"}, "chosen", "got `null`"),
        ({"prompt": [], "chosen": "x", "rejected": "y"}, "prompt", "has no turn"),
        ({"prompt": 5, "chosen": "x", "rejected": "y"}, "prompt", "got `int`"),
        (answers(QUESTION, "x", "y") | {"prompt": said((), "hi")}, "prompt", "user's turn"),
        (conversations(QUESTION, "x", "y"), "prompt", "is missing"),
    ],
)
def test_a_bad_row_of_answers_is_named_with_row_and_field(tmp_path, row, field, says):
    bad_row(tmp_path, answers, row, field, says)


@pytest.mark.parametrize(
    ("row", "field", "says"),
    [
        (answers(QUESTION, "x", "y"), "chosen", "expected `array`, got `str`"),
        ({"chosen": said(QUESTION, "x"), "rejected": []}, "rejected", "has no turn"),
        ({"chosen": messages(*QUESTION), "rejected": []}, "rejected", "has no turn"),
        (
            {"chosen": messages(*QUESTION), "rejected": said(QUESTION, "x")},
            "chosen",
            "does not end with an assistant's turn",
        ),
        (
            {"chosen": said(QUESTION, "x"), "rejected": said(TALK, "x")},
            "rejected",
            "begins another conversation than chosen",
        ),
        ({"chosen": said((), "x"), "rejected": said((), "y")}, "chosen", "user's turn"),
        ({"chosen": [{"role": "tool", "content": ""}], "rejected": []}, "chosen", "enum"),
        ({"chosen": [{"role": "user"}], "rejected": []}, "chosen", "missing required field"),
        ({"chosen": IMAGE, "rejected": IMAGE}, "chosen", "'image_url', and only text"),
    ],
)
def test_a_bad_conversation_is_named_with_row_and_field(tmp_path, row, field, says):
    bad_row(tmp_path, conversations, row, field, says)


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"label": "C"}, "label", "'C' means neither response_a nor response_b"),
        ({"label": 1}, "label", "first_label"),
        ({"label": None}, "label", "got `null`"),
        ({"label": ["A"]}, "label", "got `array`"),
        ({"response_b": None}, "response_b", "got `null`"),
        ({"prompt": None}, "prompt", "got `null`"),
    ],
)
def test_a_wrong_label_is_named_with_row_and_field(tmp_path, change, field, says):
    bad_row(tmp_path, labelled, labelled(QUESTION, "4", "5") | change, field, says)


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"input": {}}, "input.messages", "is missing"),
        ({"input": None}, "input", "got `null`"),
        ({"input": {"messages": [{"role": "user"}]}}, "input.messages", "missing"),
        ({"preferred_output": messages(*QUESTION)}, "preferred_output", "assistant's turn"),
    ],
)
def test_a_bad_row_of_openai_is_named_with_row_and_field(tmp_path, change, field, says):
    bad_row(tmp_path, openai, openai(QUESTION, "4", "5") | change, field, says)


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"chosen": "What is 2 + 2?"}, "chosen", "does not begin with 'Human:'"),
        ({"chosen": "\n\nHuman: What is 2 + 2?"}, "chosen", "assistant's turn"),
        ({"chosen": "\n\nHuman: hi\n\nAssistant: hi"}, "rejected", "begins another"),
    ],
)
def test_a_bad_transcript_is_named_with_row_and_field(tmp_path, change, field, says):
    bad_row(tmp_path, transcripts, transcripts(QUESTION, "4", "5") | change, field, says)


def bad_row(tmp_path, form, row, field, says):
    """The third row of otherwise good ones is an error, and with skipping() the only one."""
    good = [form(QUESTION, "4", "5")] * 2
    with pytest.raises(BadInput) as caught:
        examples(tmp_path, [*good, row, *good])
    error = caught.value
    assert (error.path, error.row, error.field) == (str(tmp_path / "mine.jsonl"), 3, field)
    assert says in str(error)
    assert "\n" not in str(error)
    with skipping() as skipped:
        assert len(examples(tmp_path, [*good, row, *good])) == 4
    assert [str(one) for one in skipped] == [str(error)]


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"prompt": "What is 2 + 2?"}, "prompt", "does not begin with 'Human:'"),
        ({"prompt": "\n\nHuman: hi\n\nAssistant: hi"}, "prompt", "user's turn"),
        ({"chosen": None}, "chosen", "got `null`"),
    ],
)
def test_a_bad_prompt_of_a_transcript_is_named_with_row_and_field(tmp_path, change, field, says):
    bad_row(tmp_path, begun, begun(QUESTION, "4", "5") | change, field, says)


def test_the_form_is_that_of_most_rows_wherever_the_odd_one_is(tmp_path):
    rows = [answers(QUESTION, "4", "5"), *[conversations(QUESTION, "4", "5")] * 3]
    with pytest.raises(BadInput, match=r"row 1, field 'chosen'.*in the form 'conversations'"):
        examples(tmp_path, rows)
    with skipping() as skipped:
        assert len(examples(tmp_path, rows)) == 3
    assert [error.row for error in skipped] == [1]


@pytest.mark.parametrize("row", [{"text": "x"}, {}, {"chosen": "no prompt", "rejected": "at all"}])
def test_data_of_no_known_form_gets_one_sentence_with_its_columns(tmp_path, row):
    with pytest.raises(BadInput, match=r"row 1: its columns .*rmr1 show datasets/pref") as caught:
        examples(tmp_path, [row])
    assert all(column in str(caught.value) for column in row)


def test_a_form_that_is_said_is_not_guessed(tmp_path):
    for said_form in ("labelled", "openai"):
        with pytest.raises(BadInput, match=f"not of the form '{said_form}'"):
            examples(tmp_path, [answers(QUESTION, "4", "5")], form=said_form)
    (one,) = examples(
        tmp_path, [answers(QUESTION, "4", "5") | {"a": "6", "b": "7", "label": "b"}],
        form="labelled", first_field="a", second_field="b",
    )  # fmt: skip
    assert (one.pair.chosen, one.chosen_first) == ("7", False)
