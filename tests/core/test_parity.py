"""One example has the same tokens in SFT, in RL and in evaluation; what differs is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from families import FAMILIES, PROMPTS, THINKING, deepseek_like
from rich.console import Console

from rmr1_core import Backbone, Check, Ref, TrainingRow
from rmr1_core.errors import BadInput
from rmr1_core.lookup import resolve
from rmr1_core.parity import EXAMPLES, Parity, look
from rmr1_core.parity_words import diff_lines, print_parity, special_words
from rmr1_core.rendering import training_row
from rmr1_core.token_views import Token, View, Way, difference

TRACES = {"deepseek": "reasoning"}


def example_row(family: str, **changes: Any) -> TrainingRow:
    example = EXAMPLES[TRACES.get(family, "instruct")]
    strategy = resolve("prompt", changes.pop("prompt", PROMPTS[family]))
    row = training_row(example, strategy, "example", swap=False)
    return msgspec.structs.replace(row, **changes)


def looked(folder: Path, row: TrainingRow, prompt: str = "compact") -> Parity:
    backbone = Backbone(name=folder.name, model=str(folder))
    engine = resolve("engine", "transformers")
    return look(backbone, resolve("prompt", prompt), engine, row, tell=str)


def ids(found: Parity, way: Way) -> list[int]:
    view = next(view for view in found.views if view.way == way)
    return [token.id for token in view.tokens]


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """A folder with the tokenizer of a family, where no environment is built."""
    monkeypatch.setenv("RMR1_ENVIRONMENTS", str(tmp_path / "none"))
    return lambda family: FAMILIES[family](tmp_path / family)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_sees_one_example_alike_in_every_way(
    model: Callable[[str], Path], family: str
) -> None:
    """And what is shown is what our engine's worker and our trainers themselves make of it."""
    from transformers import AutoTokenizer

    from rmr1_local.encoding import encode_prompts, encode_traces
    from rmr1_openrlhf.inside import rows
    from rmr1_vllm.inside.prompts import Prompts

    folder, row = model(family), example_row(family)
    found = looked(folder, row)
    assert found.problem == ""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    asked = Prompts(str(folder), "main", {}).ids([[(m.role, m.content) for m in row.messages]])
    assert [ids(found, "evaluation")] == asked == encode_prompts(tokenizer, [row.messages])
    messages = [{"role": m.role, "content": m.content} for m in row.messages]
    assert ids(found, "RL") == tokenizer.apply_chat_template(
        messages, add_generation_prompt=True, return_dict=False
    )
    answer = [{"role": "assistant", "content": row.completion}]
    example = rows.Example(row.id, row.source, row.label, messages, answer)
    assert rows.Counts(ids(found, "SFT"), len(asked[0])) == rows.encode(tokenizer, example)
    (trace,) = encode_traces(tokenizer, [row], 1.0)
    assert ids(found, "SFT") == [*trace.sequence.prompt, *trace.sequence.completion]
    learned = [token.id for v in found.views if v.way == "SFT" for token in v.tokens if token.loss]
    assert learned[-1] == tokenizer.eos_token_id
    assert tokenizer.decode(learned[:-1]) == row.completion
    begins = 0 if tokenizer.bos_token_id is None else 1
    assert {view.begins for view in found.views} == {begins}


@pytest.mark.slow
def test_a_second_beginning_of_text_is_a_problem(
    model: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = deepseek_like(tmp_path / "twice")
    (folder / "chat_template.jinja").write_text("{{ bos_token }}" + THINKING)
    found = looked(folder, example_row("deepseek"))
    assert {view.begins for view in found.views} == {2}
    assert found.problem == (
        "begin of text in this Python: a prompt has 2, and a model expects one at most; "
        "see its chat template"
    )


@pytest.mark.slow
def test_an_answer_that_joins_the_prompt_is_a_problem_with_a_diff(
    model: Callable[[str], Path],
) -> None:
    row = example_row("deepseek", completion="\n\nwell</think><answer>[[A]]</answer>")
    found = looked(model("deepseek"), row)
    assert found.problem.startswith(
        "SFT (this Python) and evaluation (this Python) differ from token"
    )
    assert found.problem.endswith("join the prompt's last; begin answers otherwise")
    assert found.diff[:2] == ("--- evaluation (this Python)", "+++ SFT (this Python)")


@pytest.mark.slow
def test_a_template_that_refuses_a_system_message_gets_a_prompt_without(
    model: Callable[[str], Path],
) -> None:
    with pytest.raises(Exception, match="System role not supported") as caught:
        looked(model("gemma"), example_row("gemma", prompt="cor-instruct"))
    assert str(caught.value) == (
        "gemma: its chat template refuses a conversation: System role not supported; "
        "choose a prompt without a system message: --prompt cor-reasoning"
    )


# what differs


def token(id_: int, text: str = "", *, loss: bool = False, special: bool = False) -> Token:
    return Token(id=id_, text=text or f"t{id_}", special=special, loss=loss)


def view(way: Way, where: str, *prompt: int, answer: tuple[int, ...] = ()) -> View:
    tokens = [token(number) for number in prompt]
    tokens += [token(number, loss=True) for number in answer]
    return View(
        way=way,
        where=where,
        library=f"library of {where}",
        tokens=tuple(tokens),
        prompt_tokens=len(prompt),
        begins=0,
    )


EVALUATION = view("evaluation", "here", 1, 2, 3)
SFT = view("SFT", "here", 1, 2, 3, answer=(4, 5))
RL = view("RL", "here", 1, 2, 3)
ASKED = {"here": [1, 2, 3], "there": [1, 2, 3]}


def test_the_same_tokens_are_no_difference() -> None:
    there = view("SFT", "there", 1, 2, 3, answer=(4, 5))
    assert difference([EVALUATION, SFT, there, RL], ASKED) is None


def test_a_difference_is_a_sentence_with_place_and_cause_and_a_diff() -> None:
    found = difference([EVALUATION, SFT, view("RL", "there", 9, 1, 2, 3)], ASKED)
    assert found is not None
    sentence, diff = found
    assert sentence == (
        "RL (there) and evaluation (here) differ from token 1 of the prompt on: 9 't9' instead of "
        "1 't1'; the chat template gives other tokens than its text; mend the tokenizer's files"
    )
    assert [line for line in diff if line[:1] in "+-"] == [
        *("--- evaluation (here)", "+++ RL (there)", "+9 't9'")
    ]


def test_a_place_that_reads_the_tokenizer_differently_is_named_with_both_libraries() -> None:
    found = difference([EVALUATION, SFT, view("RL", "there", 1, 2)], {**ASKED, "there": [1, 2]})
    assert found is not None
    assert found[0].endswith(
        "nothing instead of 3 't3'; library of there and library of here read this tokenizer "
        "differently"
    )


def test_answers_that_differ_between_places_are_a_difference() -> None:
    there = view("SFT", "there", 1, 2, 3, answer=(4, 6))
    found = difference([EVALUATION, SFT, there, RL], ASKED)
    assert found is not None
    assert found[0].startswith("SFT (there) and SFT (here) differ from token 2 of the answer on")


# words


def parity(*views: View, **changes: Any) -> Parity:
    found = Parity(
        backbone="b",
        model="m",
        prompt="p",
        views=views,
        checks=(Check(name="vocabulary", ok=True, detail="9 tokens"),),
        notes=("environment x is not built",),
        problem="",
        diff=(),
    )
    return msgspec.structs.replace(found, **changes)


def printed(found: Parity, *, every: bool = False, width: int = 80) -> str:
    out = Console(width=width, highlight=False, markup=False, emoji=False)
    with out.capture() as capture:
        print_parity(found, out, every=every)
    return capture.get()


def test_what_the_loss_is_on_is_marked_without_colour_and_white_space_is_visible() -> None:
    texts = ["<s>", "one", " two", "\n"]
    tokens = (
        *(token(n, text, special=n == 0) for n, text in enumerate(texts)),
        *(token(n, text, loss=True) for n, text in enumerate(["[A]", "\x1b", "</s>"])),
    )
    sft = msgspec.structs.replace(SFT, tokens=tokens, prompt_tokens=4)
    text = printed(parity(EVALUATION, sft, RL))
    assert "<s> one ␣two ⏎ ▶ [A] \\x1b </s> ◀" in text
    assert "special tokens: <s> (0) x1" in text
    assert "\x1b" not in text


def test_all_fits_80_columns_and_long_parts_lose_their_middle() -> None:
    sft = view("SFT", "environment openrlhf", *range(1000), answer=tuple(range(200)))
    text = printed(parity(EVALUATION, sft, RL))
    assert max(map(len, text.splitlines())) <= 80
    words = " ".join(text.split())
    assert "t39 [… 920 tokens …] t960" in words
    assert "▶ t0" in words
    assert "t500" not in words
    assert "t500" in printed(parity(EVALUATION, sft, RL), every=True)


def test_a_long_diff_loses_its_end_unless_all_is_asked_for() -> None:
    diff = [f"+{n}" for n in range(50)]
    shown = list(diff_lines(diff, every=False))
    assert shown[-1] == "[… 10 lines, see all with --all …]"
    assert list(diff_lines(diff, every=True)) == diff


def test_special_tokens_are_counted() -> None:
    twice = msgspec.structs.replace(SFT, tokens=(token(1, "<s>", special=True),) * 2)
    assert special_words(twice) == "<s> (1) x2"


# what cannot be looked at


def test_an_engine_that_is_elsewhere_is_refused_in_a_sentence() -> None:
    engine = resolve("engine", Ref(name="openai"))
    with pytest.raises(Exception, match="cannot be seen from here; choose one that runs weights"):
        look(Backbone(name="x", model="x"), resolve("prompt", "compact"), engine,
             example_row("tiny"), tell=str)  # fmt: skip


@pytest.mark.parametrize(
    ("files", "problem"), [([], "no config.json"), (["config.json"], "no tok")]
)
def test_a_folder_that_lacks_something_is_a_sentence(
    tmp_path: Path, files: list[str], problem: str
) -> None:
    for file in files:
        (tmp_path / file).write_text("{}")
    with pytest.raises(BadInput, match=problem):
        looked(tmp_path, example_row("tiny"))


def test_a_model_that_is_not_cached_is_a_sentence_with_the_next_command() -> None:
    backbone = Backbone(name="x", model="no/where")
    engine = resolve("engine", "transformers")
    with pytest.raises(Exception, match=r"not in the hub's cache, .*: hf download no/where"):
        look(backbone, resolve("prompt", "compact"), engine, example_row("tiny"), tell=str)
