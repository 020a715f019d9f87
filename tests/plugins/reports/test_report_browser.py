"""report.html in a real browser, opened as a file: quiet, offline, in both schemes, on a phone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from browser import chromium

from rmr1_core import Judgment, Message, Pair, bench, jsonl
from rmr1_core.cli import run_command
from rmr1_core.stored import StoredRun
from rmr1_reports.page import write

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("sample")]

Opened = Callable[..., "Page"]
ASKED = ("bench", "sample-one", "--backbone", "nobody", "--engine", "scripted")
HOSTILE = (
    "</style></pre></svg><script>document.title='owned'</script>"
    "<img src=https://example.org/x onerror=\"document.title='owned'\">"
    "\u202eright to left\u202c \u05e9\u05dc\u05d5\u05dd \0 " + "long" * 250_000
)
LOOK = "e => getComputedStyle(document.querySelector(e[0])).getPropertyValue(e[1])"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def opened(browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
    """A run's page, of which nothing is asked but the file itself, and which complains of
    nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RMR1_RUNS", raising=False)
    wrong: list[str] = []
    pages: list[Page] = []

    def open_(path: Path, width: int = 1300, scheme: str = "light") -> Page:
        page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
        pages.append(page)
        page.on("console", lambda said: wrong.append(said.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        address = path.resolve().as_uri()
        page.on("request", lambda asked: wrong.extend({asked.url} - {address}))
        page.goto(address)
        return page

    yield open_
    for page in pages:
        page.close()
    assert wrong == []


def written(*asked: str) -> Path:
    run_command(asked or ASKED)
    return write(StoredRun.find("last"))


@pytest.mark.parametrize("width", [1300, 800, 390, 320])
@pytest.mark.parametrize("asked", [ASKED, ("run", "--recipe", "sample")], ids=["bench", "run"])
def test_the_page_is_as_wide_as_the_screen(
    opened: Opened, width: int, asked: tuple[str, ...]
) -> None:
    page = opened(written(*asked), width)
    for summary in page.locator("summary").all():
        summary.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_figures_can_be_read_on_a_phone(opened: Opened) -> None:
    page = opened(written(), 390)
    texts = page.locator("figure svg text")
    assert texts.count() > 10
    heights = [box["height"] for text in texts.all() if (box := text.bounding_box())]
    assert min(heights) > 8
    figure = page.locator("figure svg").first.bounding_box()
    assert figure is not None
    assert figure["width"] > 300


@pytest.mark.parametrize(("scheme", "page_colour"), [("light", 246), ("dark", 18)])
def test_page_and_figures_follow_the_scheme(opened: Opened, scheme: str, page_colour: int) -> None:
    page = opened(written(), scheme=scheme)
    assert page.evaluate(LOOK, ["body", "background-color"]).startswith(f"rgb({page_colour}")
    ink = page.evaluate(LOOK, ["body", "color"])
    fills = page.evaluate(
        "[...document.querySelectorAll('figure svg text')].map(e => getComputedStyle(e).fill)"
    )
    assert ink in fills


def test_what_is_folded_opens_by_keyboard(opened: Opened) -> None:
    page = opened(written())
    numbers = page.locator("details", has_text="All numbers").first
    assert not numbers.locator("table").is_visible()
    numbers.locator("summary").focus()
    page.keyboard.press("Enter")
    assert numbers.locator("table").is_visible()
    assert "accuracy" in numbers.inner_text()


def test_hostile_text_is_shown_and_does_nothing(opened: Opened) -> None:
    run_command(ASKED)
    run = StoredRun.find("last")
    rewrite(run.folder)
    page = opened(write(run), 390)
    for summary in page.locator("summary").all():
        summary.click()
    assert page.title() == run.record.id
    assert page.evaluate("document.scripts.length + document.images.length") == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert (
        "<script>document.title='owned'</script>" in page.locator("article pre").first.inner_text()
    )
    assert page.locator("section.benchmark").count() == 1


def rewrite(folder: Path) -> None:
    """Let judge and benchmark have said what is hostile everywhere, also in names."""
    replaced = msgspec.structs.replace
    journal = folder / bench.FOLDER / "judgments.jsonl"
    pairs = folder / bench.FOLDER / "pairs" / "sample-one.jsonl.gz"
    made = list(jsonl.read(journal, Judgment))
    said = [replaced(j, completion=replaced(j.completion, text=HOSTILE)) for j in made]
    jsonl.write(journal, said)
    changed = {"subset": HOSTILE, "chosen": HOSTILE, "rejected": HOSTILE}
    known = list(jsonl.read(pairs, Pair))
    asked = (Message("user", HOSTILE),)
    jsonl.write(pairs, [replaced(pair, prompt=asked, **changed) for pair in known])
