"""A million rows are mixed: how long it takes, and how much memory.

    python benchmarks/mix_million.py [--rows 1000000] [--data FOLDER]

The rows are preferences of about a kilobyte in JSON lines, one in a hundred of which is there
twice. They are read, filtered, compared with each other and with the prompts of benchmarks, and
written in a seeded order, by `rmr1 data mix` in a process of its own. With `--data` the benchmarks
are RewardBench, RM-Bench and RMB from that folder, else the toy one. Exits with 1 when that takes
more than `--limit-seconds` (60) of CPU or `--limit-mb` (500) of memory, or when a second run writes
other bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from rmr1_core import Example, Message, Pair, jsonl
from rmr1_core.examples_file import to_row

WORDS = 4000
REAL = ("rewardbench", "rm-bench", "rmb")


def rows(count: int) -> Iterator[object]:
    """So many preferences; every hundredth repeats the one before it."""
    rng = random.Random(0)
    vocabulary = [
        "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 9)))
        for _ in range(WORDS)
    ]
    text = " ".join(rng.choices(vocabulary, k=200_000)).split(" ")

    def words(length: int) -> str:
        start = rng.randrange(len(text) - length)
        return " ".join(text[start : start + length])

    pair = None
    for number in range(count):
        if pair is None or number % 100 != 99:
            pair = Pair(
                id=f"row-{number}",
                subset="made-up",
                group=str(number),
                prompt=(Message("user", f"{words(30)} {number}?"),),
                chosen=words(60),
                rejected=words(60),
                tags={"source": "made-up", "row_id": str(number), "licence": "CC0-1.0"},
            )
        yield to_row(Example(pair=pair, chosen_first=True))


def mixed(mixture: Path, output: Path, data: str) -> tuple[float, float, float]:
    """Mix in a process of its own: CPU seconds, wall seconds, and peak MB."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "rmr1_core", "data", "mix", str(mixture), "-o", str(output)]
    process = subprocess.Popen([*command, *(["--data", data] if data else [])], stdout=sys.stderr)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(process.returncode)
    wall = time.perf_counter() - start
    return usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024


def main() -> int:
    """Measure twice, print, compare with the limits."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--data", default="")
    parser.add_argument("--limit-seconds", type=float, default=60.0)
    parser.add_argument("--limit-mb", type=float, default=500.0)
    options = parser.parse_args()
    measured, hashes = [], set()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        jsonl.write(folder / "in" / "train.jsonl", rows(options.rows))
        mixture = folder / "million.toml"
        benchmarks = ", ".join(f'{{name = "{b}"}}' for b in (REAL if options.data else ("toy",)))
        mixture.write_text(
            'name = "million"\ndescription = "Made up."\n'
            f"[overlap]\nbenchmarks = [{benchmarks}]\n"
            f'[[sources]]\nname = "made-up"\ndataset = {{name = "mixed:{folder / "in"}"}}\n'
            "filters = {max_chars = 100000}\n"
        )
        print("| run | CPU s | wall s | peak MB | rows kept |")
        print("|---|---|---|---|---|")
        for run in (1, 2):
            measured.append(mixed(mixture, folder / f"out-{run}", options.data))
            report = json.loads((folder / f"out-{run}" / "mix.json").read_text())
            hashes.add(report["sha256"])
            cpu, wall, peak = measured[-1]
            print(
                f"| {run} | {cpu:.1f} | {wall:.1f} | {peak:.0f} | {report['rows']:,} |", flush=True
            )
    print(f"\n{'the same bytes' if len(hashes) == 1 else 'OTHER BYTES'} in both runs")
    cpu, _, peak = (max(column) for column in zip(*measured, strict=True))
    return int(cpu > options.limit_seconds or peak > options.limit_mb or len(hashes) > 1)


if __name__ == "__main__":
    sys.exit(main())
