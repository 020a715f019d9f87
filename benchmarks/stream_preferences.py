"""A preference file becomes training data row by row: the same memory for any number of rows.

    python benchmarks/stream_preferences.py [--rows 1000000] [--limit-growth-mb 40]

Rows of a file are read, rendered by a prompt strategy, and written as a trainer reads them; each
measurement is a process of its own. Exits with 1 when ten times the rows take so many more
megabytes.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import msgspec

from rmr1_core import Dataset, Example, Message, Pair, Ref, Stage, hookimpl, jsonl
from rmr1_core.datafiles import read_rows
from rmr1_core.discovery import plugins
from rmr1_core.lookup import resolve
from rmr1_core.rendering import training_rows

SUFFIXES = (".jsonl", ".jsonl.gz", ".parquet")
ANSWER = "First one looks at it from the left, then from the right, and then one decides. " * 6


class FromFile(Dataset, frozen=True, kw_only=True):
    """Preferences in a file with the columns prompt, chosen and rejected."""

    path: str

    def examples(self, split: str, *, seed: int) -> Iterator[Example]:
        """The rows, the chosen answer first in every other one."""
        for row in read_rows(Path(self.path)):
            prompt = (Message("user", row.get("prompt", str)),)
            pair = Pair(
                id=str(row.number),
                subset="all",
                group=str(row.number),
                prompt=prompt,
                chosen=row.get("chosen", str),
                rejected=row.get("rejected", str),
            )
            yield Example(pair=pair, chosen_first=row.number % 2 == 0)


def preferences(rows: int) -> Iterator[dict[str, str]]:
    """So many preferences of about a kilobyte."""
    for number in range(rows):
        yield {
            "prompt": f"Question {number}: which way?",
            "chosen": f"{ANSWER}{number}",
            "rejected": f"{number} {ANSWER}",
        }


def write(path: Path, rows: int) -> None:
    """Write preferences in the format that the name says."""
    if path.suffix != ".parquet":
        jsonl.write(path, preferences(rows))
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.string()) for name in ("prompt", "chosen", "rejected")])
    with pq.ParquetWriter(path, schema) as writer:
        batch = []
        for row in preferences(rows):
            batch.append(row)
            if len(batch) == 10_000:
                writer.write_table(pa.Table.from_pylist(batch, schema))
                batch = []
        if batch:
            writer.write_table(pa.Table.from_pylist(batch, schema))


def rendered(path: Path, out: Path) -> tuple[float, float]:
    """Render the file's rows in this process: CPU seconds and peak MB."""
    source = FromFile(name="from-file", path=str(path))
    offered = SimpleNamespace(rmr1_datasets=hookimpl(lambda: [source]))
    plugins().register("stream-preferences", offered)
    stage = Stage(name="rl", trainer=Ref(name="local-grpo"), dataset=Ref(name="from-file"))
    before = time.process_time()
    trainer = resolve("trainer", stage.trainer)
    rows = training_rows(stage, trainer, resolve("prompt", "cor-instruct"), seed=0)
    jsonl.write(out, rows)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return time.process_time() - before, peak


def elsewhere(*argv: str) -> str:
    """What this script says last, run as a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, *argv], capture_output=True, text=True, check=True
    )
    return (done.stdout.splitlines() or [""])[-1]


def main() -> int:
    """Measure, print, compare with the limit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--limit-growth-mb", type=float, default=40.0)
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--render", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        write(options.write, options.rows)
        return 0
    if options.render:
        print(json.dumps(rendered(options.render, options.render.with_name("out.jsonl"))))
        return 0
    fewer, growth = max(1, options.rows // 10), 0.0
    print(f"| | {options.rows:,} rows: rows/CPU-s | peak MB | {fewer:,} rows: peak MB |")
    print("|---|---|---|---|")
    for suffix in SUFFIXES:
        with tempfile.TemporaryDirectory() as folder:
            peaks = []
            for rows in (options.rows, fewer):
                path = Path(folder) / f"{rows}{suffix}"
                elsewhere("--write", str(path), "--rows", str(rows))
                seconds, peak = msgspec.json.decode(elsewhere("--render", str(path)))
                peaks.append((rows / seconds, peak))
        (rate, most), (_, least) = peaks
        print(f"| {suffix} | {rate:,.0f} | {most:.0f} | {least:.0f} |", flush=True)
        growth = max(growth, most - least)
    print(f"\nten times the rows took {growth:.0f} MB more")
    return int(growth > options.limit_growth_mb)


if __name__ == "__main__":
    sys.exit(main())
