"""The parsers of verdicts by name: the project's own, and those that published numbers used.

The published ones are kept to reproduce those numbers, faults included: what they leave undecided
(upstream's "error", "strong_error" or nothing) is UNPARSED here. All are total and linear in the
length of the text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from rmr1_core import Verdict, parse_verdict

ParserName = Literal[
    "rmr1",
    "allenai",
    "allenai-prometheus",
    "allenai-offsetbias",
    "allenai-atla",
    "allenai-con-j",
    "rmr1-eval",
    "rmr1-train",
]

LEADS: Mapping[ParserName, str] = {
    "allenai": "[[",
    "allenai-prometheus": "[RESULT] ",
    "allenai-offsetbias": "Output (",
    "allenai-atla": "**Result:** ",
}
"""What leads into a verdict, for parsers that read no `<answer>`."""

TRAINING_TAIL = 80
"""Characters at the end of an answer in which RM-R1's training reward looks for the verdict."""

_ATLA = re.compile(r"\*\*Result:\*\*\s*(\w+)")
_CON_J_KEY = "更好的回答"
_CON_J_KEYS = (
    *(_CON_J_KEY, "更好回答", "更好得回答", "更好地回答", "better_answer", "better answer"),
    *("更好答案", "更好得答案", "更好的答案", "更好地答案", "更佳回答", "更佳答案", "更好答"),
    *("最佳答案", "更好答 案", "更好 的 回答", "betterAnswer", "更好 的 回应"),
    *("更好得回应回答", "答案", "回答"),
)
_CON_J_NUMBERS = {"1": Verdict.A, "１": Verdict.A, "2": Verdict.B, "２": Verdict.B}
_CON_J_NUMBER = re.compile("[12１２]")


def allenai(text: str) -> Verdict:
    """RewardBench's reading: `[[A]]` anywhere, and only without one `[[B]]` anywhere.

    A text with both is A, even if it ends with `[[B]]`.
    """
    return _first_of(text, "[[A]]", "[[B]]")


def allenai_prometheus(text: str) -> Verdict:
    """RewardBench for Prometheus: the very last character, if there is a `[RESULT]` somewhere."""
    if "[RESULT]" not in text:
        return Verdict.UNPARSED
    return {"A": Verdict.A, "B": Verdict.B}.get(text[-1], Verdict.UNPARSED)


def allenai_offsetbias(text: str) -> Verdict:
    """RewardBench for OffsetBias: `Output (a)` anywhere, else `Output (b)` anywhere."""
    return _first_of(text, "Output (a)", "Output (b)")


def allenai_atla(text: str) -> Verdict:
    """RewardBench for Atla Selene: the word after the first `**Result:**`."""
    match = _ATLA.search(text)
    words = {"A": Verdict.A, "B": Verdict.B, "Tie": Verdict.TIE}
    return words.get(match[1], Verdict.UNPARSED) if match else Verdict.UNPARSED


def allenai_con_j(text: str) -> Verdict:
    """RewardBench for Con-J: the number 1 or 2 under "更好的回答" (better answer).

    It is looked for in JSON objects first, then beside any of several spellings of the key.
    """
    line = text.replace("\n", " ").strip()
    for candidate in _con_j_objects(line):
        try:
            value = json.loads(candidate)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and _CON_J_KEY in value:
            return _con_j_number(value[_CON_J_KEY])
    return _con_j_near_key(line)


def rmr1_eval(text: str) -> Verdict:
    """RM-R1's evaluation: `[[A]]` or `[[B]]` anywhere, and an error if there are both."""
    a, b = "[[A]]" in text, "[[B]]" in text
    return Verdict.UNPARSED if a is b else Verdict.A if a else Verdict.B


def rmr1_train(text: str) -> Verdict:
    """RM-R1's training reward, as a verdict: the label for which it would pay +1.

    It wants exactly `<answer>[[X]]</answer>`, alone of its kind, in the last 80 characters.
    """
    tail = text[-TRAINING_TAIL:]
    a, b = "<answer>[[A]]</answer>" in tail, "<answer>[[B]]</answer>" in tail
    return Verdict.UNPARSED if a is b else Verdict.A if a else Verdict.B


PARSERS: Mapping[ParserName, Callable[[str], Verdict]] = {
    "rmr1": parse_verdict,
    "allenai": allenai,
    "allenai-prometheus": allenai_prometheus,
    "allenai-offsetbias": allenai_offsetbias,
    "allenai-atla": allenai_atla,
    "allenai-con-j": allenai_con_j,
    "rmr1-eval": rmr1_eval,
    "rmr1-train": rmr1_train,
}
"""By the name that a user types."""


def _first_of(text: str, a: str, b: str) -> Verdict:
    return Verdict.A if a in text else Verdict.B if b in text else Verdict.UNPARSED


def _con_j_objects(line: str) -> Iterator[str]:
    """Texts that may be the JSON object, in the order in which they are tried."""
    yield from _between(line, "```json", "```")
    yield line
    for inside in _between(line, "{", "}"):
        yield f"{{{inside}}}"


def _between(text: str, opening: str, closing: str) -> Iterator[str]:
    start = text.find(opening)
    while start >= 0:
        end = text.find(closing, start + len(opening))
        if end < 0:
            return
        yield text[start + len(opening) : end]
        start = text.find(opening, end + len(closing))


def _con_j_near_key(line: str) -> Verdict:
    """The first number after `"key":`, else after the key, else the first before the key."""
    for key in _CON_J_KEYS:
        if key not in line:
            continue
        quoted = re.search(rf'"{key}"\s*:', line)
        after_quoted = _CON_J_NUMBER.search(line, quoted.end()) if quoted else None
        after = _CON_J_NUMBER.search(line, line.find(key) + len(key))
        before = _CON_J_NUMBER.search(line, 0, line.rfind(key))
        found = after_quoted or after or before
        if found:
            return _CON_J_NUMBERS[found[0]]
    return Verdict.UNPARSED


def _con_j_number(value: Any) -> Verdict:
    written = str(value) if isinstance(value, int | str) else ""
    return _CON_J_NUMBERS.get(written, Verdict.UNPARSED)
