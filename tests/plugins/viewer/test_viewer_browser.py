"""The page in a real browser: clicks, keys, filters, comparison, live runs, hostile text."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser import chromium
from made_runs import HOSTILE, append, both, import_without_order, judgment, make, pair, usual

from rmr1_core import Verdict
from rmr1_viewer.serving import served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page whose scripts fail nowhere and that the policy has to stop nowhere."""
    page = browser.new_page(viewport={"width": 1300, "height": 850})
    page.set_default_timeout(10_000)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    yield page
    page.close()
    assert wrong == []


@contextmanager
def opened(page: Page, root: Path) -> Iterator[str]:
    """The viewer over these runs, which the page leaves before it ends."""
    with served([], root) as address:
        yield address
        page.goto("about:blank")


@pytest.fixture
def address(page: Page, tmp_path: Path) -> Iterator[str]:
    usual(tmp_path)
    with opened(page, tmp_path) as address:
        yield address


def reader(page: Page, address: str) -> None:
    """The list of the first run's pairs, complete."""
    page.goto(f"{address}#one/evaluation")
    counted(page, "6 pairs")
    page.wait_for_selector("#row-4 .flag.truncated")


def counted(page: Page, words: str) -> None:
    page.wait_for_function("w => document.getElementById('count').textContent === w", arg=words)


def test_the_overview_leads_to_judgments(page: Page, address: str) -> None:
    page.goto(address)
    page.click("section[aria-label='Run one'] a")
    page.click("#row-0")
    page.wait_for_selector(".verdict.right")
    assert page.text_content(".detail h2") == "pair-0"
    assert "#one/evaluation/made/pair-0" in page.url
    assert len(page.screenshot()) > 20_000


def test_quotations_are_marked_and_invented_ones_flagged(page: Page, address: str) -> None:
    page.goto(f"{address}#one/evaluation/made/pair-0")
    assert page.text_content(".answer.chosen mark") == "clear words"
    assert "never written" in (page.text_content("q.missing") or "")
    assert page.locator(".order").count() == 2


def test_filters_and_search_leave_what_they_say(page: Page, address: str) -> None:
    reader(page, address)
    page.select_option("#kind", "wrong")
    counted(page, "3 pairs")
    page.select_option("#subset", label="made · odd (3)")
    counted(page, "2 pairs")
    page.keyboard.press("/")
    page.keyboard.type("zebra")
    counted(page, "1 pair")
    assert "q=zebra" in page.url


def test_keys_walk_swap_help_and_go_back(page: Page, address: str) -> None:
    reader(page, address)
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.wait_for_function("() => document.querySelector('.detail h2')?.textContent === 'pair-1'")
    page.keyboard.press("k")
    page.wait_for_function("() => document.querySelector('.detail h2')?.textContent === 'pair-0'")
    assert "chosen" in (page.text_content(".answer >> nth=0") or "")
    page.keyboard.press("o")
    assert (page.text_content(".answer h3 >> nth=0") or "").endswith("rejected")
    page.keyboard.press("?")
    assert page.is_visible("#help")
    page.keyboard.press("Escape")
    assert not page.is_visible("#help")
    page.keyboard.press("Escape")
    page.wait_for_selector(".detail .nothing")
    page.keyboard.press("Escape")
    page.wait_for_selector("#overview:not([hidden])")


def test_a_second_run_stands_beneath_on_the_same_pair(page: Page, address: str) -> None:
    reader(page, address)
    page.select_option("#against", label="Compare with two · evaluation")
    page.wait_for_selector("#row-0 .flag.gained")
    page.select_option("#kind", "lost")
    counted(page, "1 pair")
    page.click("#row-0")
    page.wait_for_function("() => document.querySelectorAll('.judged').length === 2")
    assert page.text_content(".detail h2") == "pair-1"
    assert page.locator(".judged >> nth=0").locator(".verdict.wrong").count() == 2
    assert page.locator(".judged >> nth=1").locator(".verdict.right").count() == 2


def test_an_address_shows_the_same_again(page: Page, address: str) -> None:
    page.goto(f"{address}#one/evaluation/made/pair-3?kind=unparsed&q=zebras")
    page.wait_for_selector(".verdict.unparsed")
    assert page.input_value("#q") == "zebras"
    assert page.input_value("#kind") == "unparsed"
    page.wait_for_selector(".row.chosen")


def test_an_order_that_nobody_knows_is_not_made_up(page: Page, tmp_path: Path) -> None:
    import_without_order(tmp_path)
    with opened(page, tmp_path) as address:
        page.goto(f"{address}#theirs/evaluation/made/pair-0")
        page.wait_for_selector("text=order not known")
        assert page.text_content(".verdict b") == "wrong"
        assert "not judged" not in (page.text_content(".detail") or "")


def test_samples_can_each_be_read(page: Page, tmp_path: Path) -> None:
    texts = ["first thought", "second thought", "third thought"]
    lines = [
        judgment(0, first=True, verdict=Verdict.A, text=text, sample=n)
        for n, text in enumerate(texts)
    ]
    make(tmp_path, "one", [pair(0)], lines)
    with opened(page, tmp_path) as address:
        page.goto(f"{address}#one/evaluation/made/pair-0")
        for number, text in enumerate(texts):
            page.click(f".tabs button >> nth={number}")
            assert text in (page.text_content(".order") or "")


def test_judgments_appear_while_a_run_goes_on(page: Page, tmp_path: Path) -> None:
    folder = make(tmp_path, "one", [pair(0), pair(1)], both(0, "A", "B"), "started")
    with opened(page, tmp_path) as address:
        page.goto(f"{address}#one/evaluation/made/pair-1")
        page.wait_for_selector(".order.none")
        append(folder, both(1, "A", "B"))
        page.wait_for_selector(".verdict.right")
        page.wait_for_selector("#row-1 .dot.right")


def test_hostile_text_stays_text_and_does_not_freeze_the_page(page: Page, tmp_path: Path) -> None:
    long = HOSTILE + "x" * 1_000_000
    hostile = pair(0, prompt=long, chosen=long, rejected=HOSTILE)
    make(tmp_path, "one", [hostile], both(0, "A", "B", f"<rubric>{long}</rubric>"))
    with opened(page, tmp_path) as address:
        page.goto(f"{address}#one/evaluation/made/pair-0")
        page.wait_for_selector(".verdict")
        assert "<script>" in (page.text_content(".message") or "")
        assert page.locator(".detail script, .detail img, .list script, .list img").count() == 0
        started = time.monotonic()
        page.click(".message button.all")
        page.wait_for_function(
            "() => document.querySelector('.message .text').textContent.length > 1e6"
        )
        page.keyboard.press("o")
        assert (page.text_content(".answer h3 >> nth=0") or "").endswith("rejected")
        assert time.monotonic() - started < 10
        assert page.title() == "pair-0 · rmr1 view"
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 1300


def test_a_phone_shows_the_list_or_the_pair(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    reader(page, address)
    page.click("#row-0")
    page.wait_for_selector(".verdict")
    assert not page.is_visible("#list")
    page.click(".back")
    page.wait_for_selector("#list", state="visible")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
