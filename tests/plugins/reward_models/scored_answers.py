"""Answers to score, in every comparison of two."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rmr1_core import Comparison, Message, Request, Sampling

Maker = Callable[..., Path]
"""Makes a folder with a model."""
PROMPTS = ["How many minutes are there in a day?", "Why?", "Name three rivers, and where they end."]
ANSWERS = ["1440", "24", "There are twenty-four hours of sixty minutes each: 1440.", "\n\nNo."]


def request(number: int, prompt: str, a: str, b: str) -> Request:
    messages = (Message("user", prompt),)
    return Request(
        id=f"r{number}",
        messages=(Message("user", "which?"),),
        sampling=Sampling(max_new_tokens=5),
        comparison=Comparison(prompt=messages, a=a, b=b),
    )


def all_requests() -> list[Request]:
    """Every ordered pair of the answers, to every prompt."""
    pairs = [(p, a, b) for p in PROMPTS for a in ANSWERS for b in ANSWERS if a != b]
    return [request(number, *pair) for number, pair in enumerate(pairs)]
