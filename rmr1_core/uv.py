"""uv, as rmr1 uses it: where it is, the settings that it takes over from pip, its true errors."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from rmr1_core.errors import MissingPackage

_FROM_PIP = (
    ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL"),
    ("PIP_EXTRA_INDEX_URL", "UV_INDEX", "UV_EXTRA_INDEX_URL"),
    ("PIP_FIND_LINKS", "UV_FIND_LINKS", "UV_FIND_LINKS"),
    ("PIP_NO_INDEX", "UV_NO_INDEX", "UV_NO_INDEX"),
    ("PIP_TRUSTED_HOST", "UV_INSECURE_HOST", "UV_INSECURE_HOST"),
    ("PIP_CERT", "SSL_CERT_FILE", "SSL_CERT_FILE"),
    ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_FILE"),
)
"""pip's variable, uv's of the same meaning, and uv's older name of it."""
_COMMAS = {"UV_FIND_LINKS"}
"""Lists that uv separates by commas; pip separates by blanks."""
_EXCEPTION = re.compile(r"^[A-Za-z_][\w.]*(Error|Exception)\b")


def uv_program(purpose: str = "building an environment") -> str:
    """The path of uv. Raises MissingPackage where it is not installed."""
    try:
        from uv import find_uv_bin

        return os.fsdecode(find_uv_bin())
    except (ImportError, FileNotFoundError):
        raise MissingPackage("uv", purpose, "pip install uv") from None


def settings() -> Mapping[str, str]:
    """What a user told pip and did not tell uv, in uv's words."""
    found: dict[str, str] = {}
    for pip, name, older in _FROM_PIP:
        value = os.environ.get(pip, "").strip()
        if value and name not in os.environ and older not in os.environ and name not in found:
            found[name] = ",".join(value.split()) if name in _COMMAS else value
    return found


def interpreter(version: str) -> str:
    """What uv makes an environment from: the Python that runs, where it is of this version, so that
    no other one on the path is in the way; else the version, which uv finds or fetches."""
    running = ".".join(map(str, sys.version_info[:2]))
    return os.path.realpath(sys.executable) if version == running else version


def find_links() -> bool:
    """Whether the user says where wheels are, or which build of torch to take."""
    said = {**os.environ, **settings()}
    return any(said.get(name) for name in ("UV_FIND_LINKS", "UV_TORCH_BACKEND"))


def uv_error(log: Path, code: int, *, since: int = 0) -> str:
    """Why a step of a build failed, in one line: uv's last error with its last cause, or the last
    exception of what it ran, or else the last line; in what the log holds from byte `since` on."""
    text = log.read_bytes()[since:].decode("utf-8", "replace")
    lines = _unwrapped(text)
    starts = [i for i, line in enumerate(lines) if line.startswith("error: ")]
    block = lines[starts[-1] :] if starts else lines
    exceptions = [line for line in block if _EXCEPTION.match(line)]
    causes = [line.removeprefix("cause: ") for line in block if line.startswith("cause: ")]
    head = [block[0].removeprefix("error: ")] if starts else []
    last = (exceptions or causes)[-1:] or ([] if head else lines[-1:])
    return ": ".join(part.rstrip(".") for part in [*head, *last]) or f"exit code {code}"


def _unwrapped(text: str) -> list[str]:
    """The lines that say something; uv breaks its sentences where the terminal ends."""
    lines: list[str] = []
    open_ = False
    for line in text.splitlines():
        words = line.strip()
        if open_ and words and line.startswith(" " * 7):
            lines[-1] += f" {words}"
            continue
        open_ = words.startswith(("error: ", "cause: "))
        lines += [words] if words else []
    return lines
