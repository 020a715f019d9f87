"""A stage, its rows, and a chat template that gets in the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from rmr1_core import Message, Recipe, Ref, Stage, TrainingRow, TrainingTask
from rmr1_openrlhf import rmr1_trainers
from rmr1_openrlhf.trainer import OpenRlhfSft

(TRAINER,) = rmr1_trainers()
assert isinstance(TRAINER, OpenRlhfSft)
DEEPSEEK = (
    "{{ bos_token or '' }}{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ '<|im_start|>user ' + message['content'] }}{% endif %}"
    "{% if message['role'] == 'assistant' %}"
    "{% set content = message['content'].split('</think>')[-1] %}"
    "{{ '<|im_start|>assistant ' + content + '<|im_end|>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant <think>\\n' }}{% endif %}"
)
"""What matters of the templates of DeepSeek-R1's children: thoughts of the past are dropped, and
an answer begins with `<think>`, which is in the prompt."""


def row(number: int, words: int = 1) -> TrainingRow:
    """The larger number is the better answer, said in about so many words."""
    small, large = number % 5, number % 5 + 1 + number % 4
    a, b, label = (large, small, "A") if number % 2 else (small, large, "B")
    thought = " ".join([f"{large} is more"] * words)
    return TrainingRow(
        id=str(number),
        source="test",
        messages=(Message("system", "judge"), Message("user", f"larger\n[A] {a}\n[B] {b}")),
        label=label,
        completion=f"{thought}</think> <eval> {large}</eval><answer>[[{label}]]</answer>",
    )


def write_rows(path: Path, rows: list[TrainingRow]) -> Path:
    path.write_bytes(b"".join(msgspec.json.encode(r) + b"\n" for r in rows))
    return path


def stage_task(trainer: str = "openrlhf-sft", **changes: Any) -> TrainingTask:
    """A stage whose paths are not there."""
    stage = Stage(name="sft", trainer=Ref(name=trainer), dataset=Ref(name="toy"), split="sft")
    recipe = Recipe(
        name="test",
        description="",
        backbone=Ref(name="tiny"),
        prompt=Ref(name="compact"),
        reward=Ref(name="verdict"),
        engine=Ref(name="transformers"),
        launcher=Ref(name="local"),
        stages=(stage,),
    )
    task = TrainingTask(
        recipe=recipe,
        stage=stage,
        model="/models/base",
        data="/runs/one/data.jsonl",
        output="/runs/one/sft",
        seed=3,
    )
    return msgspec.structs.replace(task, **changes)
