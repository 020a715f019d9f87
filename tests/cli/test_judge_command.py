"""`rmr1 judge`, with an engine that prefers the larger number and quotes what is not there."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmr1_core import Message
from rmr1_core.cli.judge_input import from_template, template
from rmr1_core.errors import UsageError

Cli = Callable[..., Any]
ENGINE = """
    import re
    from typing import Annotated
    from rmr1_core import Backbone, Option, RequestFailed, hookimpl
    from rmr1_core.testing import ScriptedEngine

    def write(request):
        first, second = re.findall(r"number (\\d+)", request.messages[-1].content)
        if "0" in (first, second):
            return RequestFailed(error="refused")
        word = "A" if int(first) >= int(second) else "B"
        return (
            f"<rubric>size\\x1b[31m</rubric><eval><quote_A>Number  {first}</quote_A> "
            f"<quote_B>never said</quote_B></eval><answer>[[{word}]]</answer>"
        )

    class Judge(ScriptedEngine, frozen=True, kw_only=True):
        def own_backbone(self):
            return Backbone(name=self.name, model="", prompt="direct")

    @hookimpl
    def rmr1_engines():
        return [
            Judge(name="larger", summary="likes the larger number", write=write),
            Judge(name="first", summary="says A", write=lambda _: "<answer>[[A]]</answer>"),
        ]
"""
LARGER = ("judge", "--engine", "larger")
TEXTS = ("which?", "number 1", "number 2")


@pytest.fixture(autouse=True)
def engines(install_plugin: Callable[..., None]) -> None:
    install_plugin("judges", ENGINE)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Give a text on standard input."""
    return lambda text: monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def test_the_better_answer_is_named_with_what_was_written(cli: Cli) -> None:
    done = cli(*LARGER, *TEXTS)
    assert done.code == 0, done.err
    assert "B is better. Of 2 judgments: 2 for B. 0.0 % for A." in done.out
    assert "A shown first: B" in done.out
    assert "B shown first, the text calls it A: B" in done.out


def test_a_quotation_that_is_not_there_is_flagged_by_the_answer_as_it_was_given(cli: Cli) -> None:
    done = cli(*LARGER, *TEXTS)
    first, second = re.findall(r"never said(.*?)</quote_B>", done.out)
    assert first == " [does not occur in answer B]"
    assert second == " [does not occur in answer A]"
    assert "1 [does not" not in done.out


def test_what_a_model_writes_does_not_steer_the_terminal(cli: Cli) -> None:
    assert "\x1b" not in cli(*LARGER, *TEXTS).out


def test_a_verdict_that_flips_with_the_order_is_told(cli: Cli) -> None:
    done = cli("judge", "--engine", "first", *TEXTS)
    assert "A tie. Of 2 judgments: 1 for A, 1 for B. 50.0 % for A." in done.out
    assert (
        "The verdict flips with the order: A when A is shown first, B when B is shown first."
        in done.out
    )


def test_json_has_every_opinion(cli: Cli) -> None:
    found = cli(*LARGER, *TEXTS, "--json").json
    assert (found["verdict"], found["share"], found["flipped"]) == ("B", 0.0, False)
    assert [opinion["a_first"] for opinion in found["opinions"]] == [True, False]
    assert found["opinions"][1]["quotes"] == [
        {"of": "B", "text": "Number  2", "occurs": True},
        {"of": "A", "text": "never said", "occurs": False},
    ]


def test_the_order_in_which_answers_were_given_comes_first(cli: Cli) -> None:
    found = cli(*LARGER, "which?", *TEXTS[:0:-1], "--json").json
    assert [opinion["a_first"] for opinion in found["opinions"]] == [True, False]


def test_votes_and_orders_are_as_many_as_asked(cli: Cli) -> None:
    votes = cli(*LARGER, *TEXTS, "-n", "3", "--order", "as-given", "--json").json
    assert [(o["a_first"], o["sample"]) for o in votes["opinions"]] == [
        (True, 0),
        (True, 1),
        (True, 2),
    ]


def test_texts_come_from_files_and_from_standard_input(
    cli: Cli, typed: Callable[[str], None]
) -> None:
    Path("a.txt").write_text("number 8")
    typed("number 7")
    assert cli(*LARGER, "@@which?", "@a.txt", "@-", "--json").json["verdict"] == "A"


def test_json_lines_give_a_line_each_in_their_order(cli: Cli, typed: Callable[[str], None]) -> None:
    rows = [
        {"id": "x", "prompt": "q", "a": "number 3", "b": "number 2"},
        {
            "messages": [{"role": "user", "content": "q"}],
            "chosen": [{"role": "assistant", "content": "number 4"}],
            "rejected": "number 5",
        },
    ]
    typed("\n".join(map(json.dumps, rows)))
    done = cli(*LARGER)
    first, second = map(json.loads, done.out.splitlines())
    assert (first["id"], first["verdict"], second["verdict"]) == ("x", "A", "B")
    assert "id" not in second
    assert "2 comparisons, 4 requests" in done.err


def test_a_case_without_an_answer_stops_no_other_one(
    cli: Cli, typed: Callable[[str], None]
) -> None:
    rows = [{"prompt": "q", "a": "number 3", "b": f"number {b}"} for b in range(3)]
    typed(json.dumps(rows))
    done = cli(*LARGER)
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert done.code == 1
    assert [line.get("verdict", line.get("error")) for line in lines] == ["refused", "A", "A"]
    assert done.err.splitlines()[-1].startswith("error: 1 of 3 cases got no answer")


def test_more_cases_than_are_under_way_together_keep_their_order(
    cli: Cli, typed: Callable[[str], None]
) -> None:
    rows = [
        {"id": n, "prompt": f"q{n}", "a": "number 3", "b": f"number {1 + n % 5}"}
        for n in range(600)
    ]
    typed("\n".join(map(json.dumps, rows)))
    lines = [json.loads(line) for line in cli(*LARGER, "--order", "as-given").out.splitlines()]
    assert [line["id"] for line in lines] == list(range(600))
    assert [line["verdict"] for line in lines[:5]] == ["A", "A", "A", "B", "B"]


def test_many_answers_are_put_in_order_and_the_comparisons_counted_before(cli: Cli) -> None:
    done = cli(*LARGER, "--rank", "which?", "number 2", "number 9", "number 5")
    assert [line.split()[:2] for line in done.out.splitlines() if "number" in line] == [
        ["1", "2"],
        ["2", "3"],
        ["3", "1"],
    ]
    assert done.err.startswith("3 comparisons, 6 requests")
    assert "3 comparisons; 0 flipped" in done.out


def test_a_ranking_against_references_leaves_them_out(cli: Cli) -> None:
    asked = (*LARGER, "--rank", "--method", "reference", "--reference", "number 3", "--json")
    done = cli(*asked, "which?", "number 2", "number 9")
    assert done.json["order"] == [1, 0]
    assert [(m["i"], m["j"]) for m in done.json["matches"]] == [(0, 2), (1, 2)]


def test_a_dry_run_shows_the_prompt_and_the_counts_and_asks_nobody(cli: Cli) -> None:
    done = cli(*LARGER, "--rank", "--method", "swiss", "--dry-run", "which?", *"abcd")
    assert done.out.startswith("at most 6 comparisons, 12 requests. The first prompt:")
    assert "which?" in done.out
    found = cli(*LARGER, *TEXTS, "-n", "5", "--dry-run", "--json").json
    assert (found["comparisons"], found["requests"]) == (1, 10)


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (("q", "a"), "two answers are needed"),
        (("q", "a", "b", "c"), "there are 3 answers; put them in order with --rank"),
        (("q", "a", "--rank"), "has nothing to compare; give more answers, or --reference"),
        (("q", "a", "b", "--rounds", "2"), "--rounds is for a tournament; add --rank"),
        (("q", "@no.txt", "b"), "no.txt: No such file or directory"),
        (("q", "a", "b", "--file", "x"), "--file has all texts"),
        (("q", "a", "b", "-o", "reward.x=1"), "rmr1 judge uses no such component"),
    ],
)
def test_what_cannot_be_judged_is_refused_with_a_sentence(
    cli: Cli, args: tuple[str, ...], sentence: str
) -> None:
    done = cli(*LARGER, *args)
    assert (done.code, done.out) == (2, "")
    assert sentence in done.err


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "nothing to judge: the input is empty"),
        ('{"prompt": "q", "a": "x"}', "standard input: b is missing; give a and b, or answers"),
        ('{"a": "x", "b": "y"}', "standard input: give prompt (a text) or messages (a list)"),
        ('{"prompt": "q", "a": 1, "b": "y"}', "standard input: a is to be a text"),
        ('{"prompt": "q", "answers": "x"}', "standard input: answers is to be a list"),
        ('[{"prompt": "q", "a": "x", "b": "y"}, 3]', "standard input, row 2: expected an object"),
        ('{"prompt": "q", "a": "x", "b": "y"}\n{oops', "standard input, line 2: "),
        (
            '{"messages": [{"role": "assistant", "content": "x"}], "a": "x", "b": "y"}',
            "standard input: messages: the last one is to be the user's",
        ),
    ],
)
def test_bad_input_is_named_by_its_row_and_field(
    cli: Cli, typed: Callable[[str], None], text: str, sentence: str
) -> None:
    typed(text)
    done = cli(*LARGER)
    assert (done.code, done.out) == (2, "")
    assert sentence in done.err


def test_the_editor_gives_the_texts(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("fill.py").write_text(
        "import sys\n"
        "path = sys.argv[1]\n"
        "text = open(path).read().replace('ANSWER B ===\\n', 'ANSWER B ===\\nnumber 6\\n')\n"
        "open(path, 'w').write(text)\n"
    )
    monkeypatch.setenv("VISUAL", f"{sys.executable} {Path('fill.py').absolute()}")
    done = cli(*LARGER, "--edit", "which?", "number 4", "--json")
    assert json.loads(done.out)["verdict"] == "B"


def test_an_unfinished_template_is_refused(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISUAL", "touch -d 2001-01-01")
    done = cli(*LARGER, "--edit", "which?", "number 4")
    assert done.code == 2
    assert "there is nothing under ANSWER B; fill it in with --edit" in done.err


def test_a_template_without_its_headings_is_refused() -> None:
    with pytest.raises(UsageError, match="see to ANSWER A"):
        from_template("=== QUESTION ===\nq\n=== ANSWER B ===\nb")


_LINE = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), min_size=1)
_TEXT = st.lists(_LINE.filter(lambda s: s.strip() and not s.startswith(("#:", "==="))), min_size=1)


@given(st.lists(_TEXT.map("\n".join), min_size=3, max_size=6))
def test_what_is_in_a_template_comes_out_of_it(texts: list[str]) -> None:
    case = from_template(template(texts, len(texts) - 1))
    assert case.messages == (Message("user", texts[0]),)
    assert case.answers == tuple(texts[1:])
