"""Logs as the other projects' scripts write them, made on the spot."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

SECOND = "Is_Chosen_Answer_Shuffled_toPositionB"


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2))
    return path


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def talk(question: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def logged(
    answer: str, *, second: bool, result: float, question: str = "which?", **fields: Any
) -> dict[str, Any]:
    """A record of RM-R1's logs of RewardBench and RMB."""
    return {
        "text_chosen": talk(question, f"good of {question}"),
        "text_rejected": talk(question, f"bad of {question}"),
        "results": result,
        "answers": answer,
        SECOND: second,
        **fields,
    }


def said(letter: str) -> str:
    return f"<eval>so</eval><answer>[[{letter}]]</answer>"


def verdict(right: bool, second: bool) -> str:
    """The judge's words that make the result 1 or 0."""
    return said("B" if right is second else "A")


def style_record(item: str, domain: str, **fields: Any) -> dict[str, Any]:
    """A row of RM-Bench's data, with what a script adds to it."""
    return {
        "id": item,
        "prompt": f"question of {item}",
        "chosen": [f"{item} right {style}" for style in "012"],
        "rejected": [f"{item} wrong {style}" for style in "012"],
        "domain": domain,
        **fields,
    }


def three_files(folder: Path, rows: Iterable[tuple[str, str, list[list[int]]]]) -> Path:
    """RM-R1's three files of RM-Bench, from an id, a domain and the 3 × 3 results of each row."""
    listed = list(rows)
    for shift in range(3):
        records = []
        for number, (item, domain, matrix) in enumerate(listed):
            made = style_record(item, domain)
            second = (number + shift) % 2 == 1
            right = [matrix[k][(k + shift) % 3] for k in range(3)]
            made["rejected"] = [made["rejected"][(k + shift) % 3] for k in range(3)]
            made["result"] = right
            made["output"] = [verdict(bool(r), second) for r in right]
            made[SECOND] = [second] * 3
            records.append(made)
        write(folder / f"total_dataset_{shift + 1}_model.json", records)
    return folder
