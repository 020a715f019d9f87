"""What vLLM's log says: why it ended, what it is doing, what it chose.

vLLM logs an engine's traceback line by line, each with process, level, time and place before it,
and then raises one error after another that says only "see above".
"""

from __future__ import annotations

import re
from pathlib import Path

from rmr1_core.jobs import last_error

_PREFIX = re.compile(
    r"^(\([\w .:=-]+\)\s*)*((ERROR|CRITICAL|WARNING|INFO)\s+[\d-]+\s+[\d:.]+\s+\[[^\]]*\]\s?)?"
)
_EXCEPTION = re.compile(r"^[A-Za-z_][\w.]*(Error|Exception|Interrupt|Exit)\b")
_CONSEQUENCES = ("EngineDeadError", "See root cause above", "cancelled", "BrokenPipeError")
_ATTENTION = re.compile(r"Using (\w+) attention backend")
_TAIL_BYTES = 262144
_START_BYTES = 1 << 20


def true_error(log: Path, returncode: int, *, since: int = 0) -> str:
    """The error in what the log holds from byte `since` on that the others follow from."""
    found = [line for line in _lines(log, since) if _EXCEPTION.match(line)]
    causes = [line for line in found if not follows(line)]
    killed = returncode < 0
    if causes and not killed:
        return causes[-1]
    return last_error(log, returncode, since=since)


def follows(error: str) -> bool:
    """Whether this error only says that there was another one."""
    return any(mark in error for mark in _CONSEQUENCES)


def doing(log: Path, since: int = 0) -> str:
    """What the log says last, for people who wait."""
    lines = _lines(log, max(since, log.stat().st_size - 4096) if log.exists() else since)
    return lines[-1] if lines else ""


def attention(log: Path, since: int = 0) -> dict[str, str]:
    """The attention backend, where processes of vLLM's chose it and only the log says which."""
    with log.open("rb") as file:
        file.seek(since)
        found = _ATTENTION.search(file.read(_START_BYTES).decode("utf-8", "replace"))
    return {"attention": found[1]} if found else {}


def _lines(log: Path, since: int) -> list[str]:
    if not log.exists():
        return []
    with log.open("rb") as file:
        file.seek(max(since, file.seek(0, 2) - _TAIL_BYTES))
        text = file.read().decode("utf-8", "replace")
    lines = (_PREFIX.sub("", line).strip() for line in re.split(r"[\r\n]+", text))
    return [line for line in lines if line]
