"""Reading the documentation: its code blocks, its command lines, its links.

Markers in the Markdown say what a code block is:

    <!-- file: PATH -->      the whole file
    <!-- from: PATH -->      an excerpt of the file, contiguous
    <!-- test: NAME -->      run by the test of this name in test_docs_run.py
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")],
)
GENERATED = {"commands.md", "hooks.md", "components.md", "licences.md"}
PLACEHOLDER = re.compile(r"[A-Z][A-Z_]*")
"""NAME, PATH, RUN: to be replaced by the reader."""

_FENCE = re.compile(
    r"(?:^<!-- (?P<mark>[a-z]+): (?P<what>[^>]*?) -->\n)?"
    r"^```(?P<language>\w*)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_INLINE = re.compile(r"(?<!`)`(rmr1 [^`]+)`(?!`)")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


class Block(NamedTuple):
    """A fenced block of code, with its marker."""

    page: Path
    mark: str
    what: str
    language: str
    code: str

    def __str__(self) -> str:
        return f"{self.page.name}: {self.what or self.language}"


class Line(NamedTuple):
    """A command line that the documentation shows, or mentions in a sentence.

    What is mentioned may leave out required arguments.
    """

    page: Path
    text: str
    mentioned: bool = False

    def __str__(self) -> str:
        return f"{self.page.name}: {self.text}"

    @property
    def words(self) -> list[str]:
        """What follows `rmr1`, without a redirection."""
        words = shlex.split(self.text, comments=True)[1:]
        return words[: words.index(">")] if ">" in words else words


def blocks() -> Iterator[Block]:
    """All fenced blocks of all pages."""
    for page in PAGES:
        for found in _FENCE.finditer(page.read_text(encoding="utf-8")):
            groups = found.groupdict(default="")
            yield Block(page, groups["mark"], groups["what"], groups["language"], groups["code"])


def marked(name: str) -> Block:
    """The block of the marker `<!-- test: NAME -->`."""
    (block,) = [block for block in blocks() if block.mark == "test" and block.what == name]
    return block


def command_lines() -> list[Line]:
    """All lines that begin with `rmr1`, in console blocks and in text, each once per page."""
    lines = []
    for block in blocks():
        if block.language == "console":
            shown = [line.removeprefix("$ ").strip() for line in block.code.splitlines()]
            lines += [Line(block.page, text) for text in shown if text.startswith("rmr1 ")]
    for page in PAGES:
        if page.name not in GENERATED:
            lines += [Line(page, text, mentioned=True) for text in _INLINE.findall(prose(page))]
    return list(dict.fromkeys(lines))


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def links(page: Path) -> list[str]:
    """The targets of a page's links."""
    return _LINK.findall(prose(page))


def anchors(page: Path) -> set[str]:
    """What can follow `#` in a link to the page: its headings, as code hosts name them."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in _HEADING.findall(prose(page))
    }
