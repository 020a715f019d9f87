"""Rows of preferences in every form, from one and the same comparison."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from rmr1_core import Comparison, Example, Message, Ref
from rmr1_core.jsonl import write
from rmr1_core.lookup import resolve

QUESTION = (Message("user", "What is 2 + 2?"),)
TALK = (
    Message("system", "Be brief."),
    Message("user", "Hello"),
    Message("assistant", "Hi!"),
    Message("user", "What is 2 + 2?"),
)


def messages(*turns: Message) -> list[dict[str, str]]:
    return [{"role": turn.role, "content": turn.content} for turn in turns]


def said(prompt: tuple[Message, ...], answer: str) -> list[dict[str, str]]:
    return messages(*prompt, Message("assistant", answer))


def transcript(prompt: tuple[Message, ...], answer: str) -> str:
    names = {"user": "Human", "assistant": "Assistant"}
    turns = (*prompt, Message("assistant", answer))
    return "".join(f"\n\n{names[turn.role]}: {turn.content}" for turn in turns)


def question(prompt: tuple[Message, ...]) -> Any:
    return prompt[0].content if len(prompt) == 1 else messages(*prompt)


def answers(prompt: tuple[Message, ...], good: str, bad: str) -> dict[str, Any]:
    return {"prompt": question(prompt), "chosen": good, "rejected": bad}


def conversations(prompt: tuple[Message, ...], good: str, bad: str) -> dict[str, Any]:
    return {"chosen": said(prompt, good), "rejected": said(prompt, bad)}


def completions(prompt: tuple[Message, ...], good: str, bad: str) -> dict[str, Any]:
    return {
        "prompt": messages(*prompt),
        "chosen": said((), good),
        "rejected": said((), bad),
    }


def labelled(prompt: tuple[Message, ...], good: str, bad: str) -> dict[str, Any]:
    return {"prompt": question(prompt), "response_a": bad, "response_b": good, "label": "B"}


def arena(prompt: tuple[Message, ...], good: str, bad: str) -> dict[str, Any]:
    return {
        "conversation_a": said(prompt, good),
        "conversation_b": said(prompt, bad),
        "winner": "model_a",
    }


def openai(prompt: tuple[Message, ...], good: str, bad: str) -> dict[str, Any]:
    return {
        "input": {"messages": messages(*prompt), "tools": [], "parallel_tool_calls": True},
        "preferred_output": said((), good),
        "non_preferred_output": said((), bad),
    }


def transcripts(prompt: tuple[Message, ...], good: str, bad: str) -> dict[str, Any]:
    return {"chosen": transcript(prompt, good), "rejected": transcript(prompt, bad)}


def begun(prompt: tuple[Message, ...], good: str, bad: str) -> dict[str, Any]:
    return {"prompt": transcript(prompt, ""), "chosen": good, "rejected": bad}


FORMS = (answers, conversations, completions, labelled, arena, openai, transcripts, begun)

texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
asked = texts.filter(str.strip)
prompts = st.lists(st.tuples(asked, texts), max_size=2).flatmap(
    lambda earlier: asked.map(
        lambda last: (
            *(m for u, a in earlier for m in (Message("user", u), Message("assistant", a))),
            Message("user", last),
        )
    )
)


def source(path: Path | str, name: str = "preferences", **options: Any) -> Any:
    return resolve("dataset", Ref(name=f"{name}:{path}", options=options))


def examples(folder: Path, rows: list[Any], **options: Any) -> list[Example]:
    write(folder / "mine.jsonl", rows)
    return list(source(folder / "mine.jsonl", **options).examples("train", seed=0))


def shown(example: Example) -> Comparison:
    return example.pair.comparison(example.chosen_first)
