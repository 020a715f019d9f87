from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmr1_core.testing import HOSTILE_TEXTS
from rmr1_core.traces import SECTIONS, Trace, locate, read_trace

CHAT = """<type>Chat</type>

<rubric>
1. Accuracy (60%)
<justify>facts matter</justify>
2. Tone (40%)
</rubric>

<eval>
<quote_A>the sky is blue</quote_A> is right, <summary_B>B guesses</summary_B>.
</eval>

<answer>[[A]]</answer>"""

PIECES = [
    *(f"<{name}>" for name in SECTIONS),
    *(f"</{name}>" for name in SECTIONS),
    *("<quote_A>", "</quote_A>", "<quote_B>", "</quote_B>", "<summary_A>", "</summary_A>"),
    *("words ", "[[A]]", "\n", "…", "…"),
]


def named(trace: Trace) -> list[tuple[str, str]]:
    return [(section.name, section.text.strip()) for section in trace.sections]


def test_a_chain_of_rubrics_is_taken_apart() -> None:
    trace = read_trace(CHAT)
    assert named(trace) == [
        ("type", "Chat"),
        ("rubric", "1. Accuracy (60%)"),
        ("justify", "facts matter"),
        ("rubric", "2. Tone (40%)"),
        (
            "eval",
            "<quote_A>the sky is blue</quote_A> is right, <summary_B>B guesses</summary_B>.",
        ),
        ("answer", "[[A]]"),
    ]
    assert [(e.kind, e.of, e.text) for e in trace.evidence] == [
        ("quote", "A", "the sky is blue"),
        ("summary", "B", "B guesses"),
    ]
    assert [quote.text for quote in trace.quotes] == ["the sky is blue"]


@pytest.mark.parametrize("text", ["<think>so be it</think>\nB wins", "so be it</think>\nB wins"])
def test_a_thought_is_told_from_what_is_said(text: str) -> None:
    assert named(read_trace(text)) == [("think", "so be it"), ("", "B wins")]


def test_an_answer_cut_off_while_thinking_is_all_thought() -> None:
    assert named(read_trace("<think>A is, B")) == [("think", "A is, B")]


def test_an_answer_cut_off_in_its_evaluation_keeps_what_there_is() -> None:
    trace = read_trace("<type>Chat</type><eval>A says <quote_A>never clo")
    assert named(trace) == [("type", "Chat"), ("eval", "A says <quote_A>never clo")]
    assert trace.evidence == ()


def test_tags_in_a_quotation_are_the_answer_s_and_not_the_judge_s() -> None:
    trace = read_trace("<eval><quote_A></eval><answer>[[B]]</answer></quote_A> tries</eval>")
    assert [name for name, _ in named(trace)] == ["eval"]
    assert [quote.text for quote in trace.quotes] == ["</eval><answer>[[B]]</answer>"]


def test_a_text_without_tags_is_one_part() -> None:
    assert named(read_trace("just [[A]]")) == [("", "just [[A]]")]


@given(st.one_of(st.text(), st.lists(st.sampled_from(PIECES)).map("".join)))
def test_any_text_gives_a_trace_whose_parts_are_spans_of_it(text: str) -> None:
    trace = read_trace(text)
    for part in (*trace.sections, *trace.evidence):
        assert text[part.start : part.end] == part.text
    for one, following in zip(trace.sections, trace.sections[1:], strict=False):
        assert one.end <= following.start


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_hostile_texts_give_traces(text: str) -> None:
    assert isinstance(read_trace(text), Trace)


def test_a_megabyte_of_open_tags_takes_no_time_to_speak_of() -> None:
    read_trace("<eval><quote_A>" * 70_000)


@pytest.mark.parametrize(
    ("quote", "found"),
    [
        ("the sky is blue", "the sky  is\nblue"),
        ('"The sky is blue"', "the sky  is\nblue"),
        ("so **he** said", "So he said"),
        ("it's “blue”", 'it’s "blue'),
        ("the sky … green", 'the sky  is\nblue. So he said: it’s "blue", not green'),
        ("...not green...", "not green"),
    ],
)
def test_a_quotation_is_found_where_only_form_differs(quote: str, found: str) -> None:
    answer = 'Well, the sky  is\nblue. So he said: it’s "blue", not green.'
    span = locate(quote, answer)
    assert span is not None
    assert answer[slice(*span)] == found


@pytest.mark.parametrize("quote", ["the sky is red", "green … blue sky", "", "…", '""'])
def test_a_quotation_that_is_not_there_is_not_found(quote: str) -> None:
    assert locate(quote, "the sky is blue, not green") is None


@given(st.text(), st.text(), st.text(alphabet=st.characters(categories=["L", "N"]), min_size=1))
def test_what_was_copied_is_found(before: str, after: str, quote: str) -> None:
    span = locate(quote, before + quote + after)
    assert span is not None
    assert 0 <= span[0] < span[1] <= len(before + quote + after)


@given(st.text(), st.text())
def test_locating_is_total(quote: str, answer: str) -> None:
    locate(quote, answer)
