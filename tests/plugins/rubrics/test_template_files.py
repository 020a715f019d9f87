from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmr1_core import Comparison, Message, Verdict
from rmr1_core.errors import BadInput
from rmr1_rubrics import template_files
from rmr1_rubrics.strategies import FromFile
from rmr1_rubrics.template import Template, Turns, literal

SHOWS_ALL = "{{question}}|{{answer_a}}|{{answer_b}}"
BRACES = st.text() | st.text(alphabet="{}aopenqustio") | st.just("{{question}} {{open}} {{{")
MULTI = (Message("user", "one?"), Message("assistant", "1"), Message("user", "two?"))


def template(text: str = SHOWS_ALL, **fields: object) -> Template:
    return Template(format="rmr1-prompt-1", single_turn=text, **fields)  # type: ignore[arg-type]


def rendered(made: Template, *, multi: bool = False) -> list[tuple[str, str]]:
    prompt = MULTI if multi else MULTI[:1]
    messages = made.render(Comparison(prompt=prompt, a="first", b="other"))
    return [(message.role, message.content) for message in messages]


def written(folder: Path, text: str, name: str = "p.json") -> FromFile:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return FromFile(name="file", path=str(path))


@given(before=BRACES, between=BRACES, after=BRACES, system=st.none() | BRACES)
def test_any_wording_survives_a_file_to_the_byte(
    before: str, between: str, after: str, system: str | None
) -> None:
    words = [literal(text) for text in (before, between, after)]
    made = template(
        f"{words[0]}{{{{question}}}}{words[1]}{{{{answer_a}}}}{words[1]}{{{{answer_b}}}}{words[2]}",
        system=None if system is None else literal(system),
        turns=Turns(user=words[0], separator=words[1]),
    )
    again = template_files.decode(template_files.encode(made), Path("p.json"))
    assert again == made
    expected = f"{before}one?{between}first{between}other{after}"
    assert rendered(again) == [
        *([] if system is None else [("system", system)]),
        ("user", expected),
    ]


def test_an_empty_system_message_is_not_the_same_as_none() -> None:
    made = template_files.decode(template_files.encode(template(system="")), Path("p.json"))
    assert rendered(made)[0] == ("system", "")


def test_several_turns_have_their_own_text_and_labels() -> None:
    made = template(
        multi_turn="<{{conversation_a}}>{{open}}<{{conversation_b}}>",
        turns=Turns("U:", assistant_a="A:", assistant_b="B:", separator="/"),
    )
    expected = "<U:one?/A:1/U:two?/A:first>{{<U:one?/B:1/U:two?/B:other>"
    assert rendered(made, multi=True) == [("user", expected)]
    assert rendered(made) == [("user", "one?|first|other")]


def test_without_a_text_for_several_turns_they_take_the_question_s_place() -> None:
    expected = "User: one?\nAssistant: 1\nUser: two?|first|other"
    assert rendered(template(), multi=True) == [("user", expected)]


def test_several_turns_may_have_another_system_message_or_none() -> None:
    multi = "{{conversation}} {{question}} {{answer_a}} {{answer_b}}"
    same = template(system="s", multi_turn=multi)
    none = template(system="s", multi_turn=multi, multi_turn_system=None)
    assert [role for role, _ in rendered(same, multi=True)] == ["system", "user"]
    assert [role for role, _ in rendered(none, multi=True)] == ["user"]
    assert [role for role, _ in rendered(none)] == ["system", "user"]
    again = template_files.decode(template_files.encode(none), Path("p.json"))
    assert again == none


def test_a_fence_is_longer_than_any_run_of_equals_signs_that_is_shown() -> None:
    made = template("{{fence}}{{question}}{{answer_a}}{{answer_b}}")
    shown = made.render(Comparison(prompt=(Message("user", "======="),), a="=", b="x"))[0].content
    assert shown == "========" + "=======" + "=x"


def test_a_file_can_be_toml_for_people(tmp_path: Path) -> None:
    text = f'format = "rmr1-prompt-1"\nsingle_turn = """\n{SHOWS_ALL}\nWhich?"""\n'
    strategy = written(tmp_path, text, "p.toml")
    shown = strategy.render(Comparison(prompt=MULTI[:1], a="first", b="other"))
    assert shown == (Message("user", "one?|first|other\nWhich?"),)


def test_a_file_names_its_parser_and_the_user_may_name_another(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_bytes(template_files.encode(template(parser="allenai", stop=("]]",))))
    both = "[[B]] ... [[A]]"
    strategy = FromFile(name="file", path=str(path))
    assert strategy.parse(both) is Verdict.A
    assert strategy.stop == ("]]",)
    assert FromFile(name="file", path=str(path), parser="rmr1").parse(both) is Verdict.UNPARSED


@pytest.mark.parametrize(
    ("parser", "words", "closed"),
    [
        ("rmr1", "", "\n\n<answer>"),
        ("allenai", "", "\n\n[["),
        ("allenai", "end with <answer>[[A]]</answer>", "\n\n<answer>"),
        ("allenai-atla", "", "\n\n**Result:** "),
    ],
)
def test_a_cut_answer_is_led_into_a_verdict_as_its_parser_reads_it(
    tmp_path: Path, parser: str, words: str, closed: str
) -> None:
    text = f'format = "rmr1-prompt-1"\nparser = "{parser}"\nsingle_turn = "{SHOWS_ALL} {words}"'
    strategy = written(tmp_path, text, "p.toml")
    assert strategy.closing("so far", thinking=False) == closed
    assert strategy.closing("so far", thinking=True) == f"\n</think>{closed}"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{", "p.json: not JSON"),
        ("not json at all", "p.json: not JSON"),
        ("[]", "expected object, got array"),
        ('{"format": "rmr1-prompt-1"}', "missing required field single_turn"),
        ('{"format": "x", "single_turn": ""}', "field 'format'"),
        ('{"format": "rmr1-prompt-1", "single_turn": 3}', "field 'single_turn'"),
        ('{"format": "rmr1-prompt-1", "single_turn": "x"}', "field 'single_turn': must show"),
        ('{"format": "rmr1-prompt-1", "single_turn": "{{answer}}"}', "no slot begins with"),
        ('{"format": "rmr1-prompt-1", "single_turn": "%s", "turn": {}}', "unknown field turn"),
        ('{"format": "rmr1-prompt-1", "single_turn": "%s", "turns": {"user": 1}}', "'turns.user'"),
        (
            '{"format": "rmr1-prompt-1", "single_turn": "%s", "turns": {"user": "{{question}}"}}',
            "'turns.user': a label cannot hold {{question}}",
        ),
        (
            '{"format": "rmr1-prompt-1", "single_turn": "%s", "multi_turn": "{{question}}"}',
            "field 'multi_turn'",
        ),
        ('{"format": "rmr1-prompt-1", "single_turn": "%s", "parser": "x"}', "field 'parser'"),
        ('{"format": "rmr1-prompt-1", "single_turn": "%s", "system": "{{x}}"}', "field 'system'"),
    ],
)
def test_a_wrong_file_is_named_with_its_field(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(BadInput) as caught:
        written(tmp_path, text.replace("%s", SHOWS_ALL)).render(
            Comparison(prompt=MULTI, a="", b="")
        )
    assert named in str(caught.value).replace("Object", "object").replace("`", "")
    assert "p.json" in str(caught.value)
    assert "rmr1 prompts show cor-instruct --template" in str(caught.value)


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match=r"p\.json: not JSON"):
        template_files.load(tmp_path / "p.json")


def test_a_missing_file_and_no_file_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"absent\.json: cannot be read: no such file"):
        FromFile(name="file", path=str(tmp_path / "absent.json")).parse("")
    with pytest.raises(BadInput, match="--prompt file:PATH"):
        FromFile(name="file").parse("")


def test_file_is_typed_with_its_path() -> None:
    assert FromFile.argument == "path"


@pytest.mark.parametrize("name", ["cor-instruct", "cor-reasoning", "pairwise", "direct"])
def test_a_packaged_wording_can_be_saved_and_used_as_a_file(name: str, tmp_path: Path) -> None:
    packaged = template_files.packaged(name)
    path = tmp_path / "mine.json"
    path.write_bytes(template_files.encode(packaged))
    assert template_files.load(path) == packaged
