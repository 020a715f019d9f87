"""How `rmr1 view` does with 50,000 judgments: time to index, memory, answers, and scrolling.

    python benchmarks/viewer_large.py [--judgments 50000] [--limit-ms 250] [--no-browser]

The run is made on the spot: pairs of some 1,500 characters, judged in both orders with texts of
about 2,000. The server runs in a process of its own, whose memory is measured. Answers are timed
over HTTP, as the page asks: windows of the list at random places, filters, searches of one word
that few, some and all pairs have, and whole pairs. In Chromium, where it is installed: the time
from opening the address to the first row, and the longest gap between two frames while the list
is scrolled from its beginning to its end in 120 frames. Exits with 1 when the 95th percentile of
an answer is above the limit.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec

from rmr1_core import (
    Completion,
    EvalProtocol,
    Judgment,
    Message,
    Pair,
    Ref,
    Verdict,
    bench,
    jsonl,
    runs,
)
from rmr1_core.evaluation import INDEX_FILE, JOURNAL_FILE, Judged

PLACE = {"run": "large", "evaluation": "evaluation"}
ROUNDS = 60
SCROLL = """() => new Promise((done) => {
  const list = document.getElementById('list');
  const end = list.scrollHeight - list.clientHeight;
  let frame = 0, longest = 0, before = performance.now();
  const step = (now) => {
    longest = Math.max(longest, now - before);
    before = now;
    list.scrollTop = (end * ++frame) / 120;
    if (frame < 120) requestAnimationFrame(step);
    else done(longest);
  };
  requestAnimationFrame(step);
})"""


def main() -> int:
    """Measure and print a table; the exit code."""
    options = argparse.ArgumentParser()
    options.add_argument("--judgments", type=int, default=50_000)
    options.add_argument("--limit-ms", type=float, default=250.0)
    options.add_argument("--no-browser", action="store_true")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        size = make(Path(folder) / "large", given.judgments // 2)
        print(f"| {given.judgments:,} judgments, journal of {size / 1e6:.0f} MB | |\n|---|---|")
        worst = measure(Path(folder), given.judgments // 2, browser=not given.no_browser)
    return int(worst > given.limit_ms)


def measure(root: Path, pairs: int, *, browser: bool) -> float:
    """Print what it takes; the highest 95th percentile of an answer, in milliseconds."""
    started = time.perf_counter()
    command = ["-m", "rmr1_core", "view", "--no-browser", "--runs-dir", str(root)]
    server = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        address = server.stdout.readline().split()[0]
        while ask(address, "runs")["indexing"]:
            time.sleep(0.05)
        print(f"| start and index | {time.perf_counter() - started:.1f} s |")
        worst = max(timed(name, call) for name, call in questions(address, pairs).items())
        if browser and shutil.which("chromium"):
            scroll(address)
        print(f"| most memory of the server | {peak_mb(server.pid):.0f} MB |")
        return worst
    finally:
        server.terminate()
        server.wait(timeout=30)


def questions(address: str, pairs: int) -> dict[str, Callable[[], Any]]:
    """What the page asks, by the name that the table has."""
    draw = random.Random(0)

    def window(**more: object) -> Callable[[], Any]:
        return lambda: ask(address, "list", **more, offset=draw.randrange(pairs), limit=100)

    return {
        "a window of the list": window(),
        "a window of the wrong ones": window(kind="wrong"),
        "search, one pair has it": lambda: ask(
            address, "list", q=f"number{draw.randrange(pairs)}", limit=100
        ),
        "search, a hundredth has it": lambda: ask(
            address, "list", q=f"topic{draw.randrange(100)}", limit=100
        ),
        "search, all have it": lambda: ask(address, "list", q="answer", limit=100),
        "a whole pair": lambda: ask(
            address, "pair", benchmark="made", pair=f"pair-{draw.randrange(pairs)}"
        ),
    }


def timed(name: str, call: Callable[[], Any]) -> float:
    """Print median and 95th percentile of a request; the latter, in milliseconds."""
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - started))
    p95 = statistics.quantiles(times, n=20)[-1]
    print(f"| {name}: median, 95th percentile | {statistics.median(times):.0f}, {p95:.0f} ms |")
    return p95


def scroll(address: str) -> None:
    """Print what a reader in Chromium waits for."""
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        started = time.perf_counter()
        page.goto(f"{address}#large/evaluation")
        page.wait_for_selector(".row .excerpt")
        print(f"| Chromium: to the first row | {time.perf_counter() - started:.2f} s |")
        print(f"| Chromium: longest frame while scrolling | {page.evaluate(SCROLL):.0f} ms |")
        started = time.perf_counter()
        page.wait_for_function("() => !document.querySelector('.row.waiting')")
        waited = 1000 * (time.perf_counter() - started)
        print(f"| Chromium: rows at the end of the scroll are there after | {waited:.0f} ms |")
        browser.close()


def ask(address: str, what: str, **facts: object) -> Any:
    """An answer of the server."""
    with urllib.request.urlopen(f"{address}api/{what}?{urlencode({**PLACE, **facts})}") as answer:
        return json.load(answer)


def peak_mb(process: int) -> float:
    """The most memory that a process of Linux has had."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def make(folder: Path, pairs: int) -> int:
    """A run with two judgments for each pair; the size of its journal in bytes."""
    place = folder / bench.FOLDER
    place.mkdir(parents=True)
    record = runs.new_record(folder, "bench", backbone=Ref(name="made"), protocol=EvalProtocol())
    runs.write_record(folder, msgspec.structs.replace(record, status="done"))
    jsonl.write(place / "pairs" / "made.jsonl.gz", map(pair, range(pairs)))
    index = [Judged(benchmark="made", pairs=pairs, expected={})]
    runs.write_whole(place / INDEX_FILE, index)
    jsonl.write(place / JOURNAL_FILE, judgments(pairs))
    return (place / JOURNAL_FILE).stat().st_size


def pair(number: int) -> Pair:
    """A pair with words of its own, words that some have, and words that all have."""
    prompt = f"number{number} about topic{number % 100}: " + words(number, 80)
    return Pair(
        id=f"pair-{number}",
        subset=f"subset-{number % 23}",
        group=str(number),
        prompt=(Message(role="user", content=prompt),),
        chosen="the answer is " + words(number + 1, 80),
        rejected="the answer may be " + words(number + 2, 80),
    )


def judgments(pairs: int) -> Iterator[Judgment]:
    """Both orders of each pair; one in nine is wrong."""
    for number in range(2 * pairs):
        first = number % 2 == 0
        right = Verdict.A if first else Verdict.B
        wrong = Verdict.B if first else Verdict.A
        text = f"<rubric>{words(number, 120)}</rubric><eval><quote_A>the answer</quote_A> "
        yield Judgment(
            benchmark="made",
            pair_id=f"pair-{number // 2}",
            chosen_first=first,
            sample=0,
            verdict=wrong if number % 9 == 0 else right,
            completion=Completion(
                text=f"{text}{words(number + 7, 180)}</eval><answer>[[A]]</answer>",
                finish_reason="stop",
                prompt_tokens=400,
                completion_tokens=500,
            ),
        )


def words(seed: int, count: int) -> str:
    """So many words out of a few thousand."""
    return " ".join(f"w{(seed * 7919 + place * 104729) % 4001}" for place in range(count))


if __name__ == "__main__":
    sys.exit(main())
