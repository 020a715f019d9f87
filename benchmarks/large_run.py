"""What a run of 100,000 judgments costs to resume, to score again and to report: time and memory.

    python benchmarks/large_run.py [--pairs 50000] [--limit-seconds 3] [--limit-growth-mb 60]

Each measurement is a process of its own. Memory must not grow with the judgments: ten samples of
a tenth of the pairs are compared with one sample of them. Exits with 1 when one work takes more
CPU time than the limit, or ten times the judgments take so many more megabytes.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

from rmr1_core import (
    Benchmark,
    EvalProtocol,
    Outcome,
    Pair,
    Ref,
    Scores,
    Verdict,
    bench,
    hookimpl,
    jsonl,
)
from rmr1_core.discovery import plugins
from rmr1_core.evaluation import Evaluation
from rmr1_core.statistics import mean
from rmr1_core.testing import ScriptedEngine, example_pair, judgment

ANSWER = "<eval>word by word it says </eval> " * 60 + "<answer>[[A]]</answer>"


class Many(Benchmark, frozen=True, kw_only=True):
    """So many small pairs."""

    size: int

    def pairs(self, source: Path | None) -> Iterator[Pair]:
        """Pairs that differ in their number alone."""
        return map(example_pair, range(self.size))

    def summarize(self, outcomes: Sequence[Outcome], scoring: str) -> Scores:
        """The mean over all pairs."""
        groups = [outcome.pair.group for outcome in outcomes]
        scores = mean([outcome.score() for outcome in outcomes], groups)
        return Scores(headline=scores.metric("all"))


class Cost(NamedTuple):
    """CPU seconds of the work, and the most memory that its process held, in megabytes."""

    seconds: float
    peak_mb: float


def offer_benchmark(size: int) -> None:
    """Make the benchmark known in this process."""
    offered = SimpleNamespace(
        rmr1_benchmarks=hookimpl(lambda: [Many(name="many", size=size)]),
        rmr1_engines=hookimpl(lambda: [ScriptedEngine(name="none", write=lambda _: ANSWER)]),
    )
    plugins().register("large-run", offered)


def finished_run(folder: Path, pairs: int, samples: int) -> Path:
    """A run in which every pair was judged in both orders so many times, at length."""
    offer_benchmark(pairs)
    protocol = EvalProtocol(samples=samples, temperature=1.0)
    request = bench.BenchRequest(
        benchmarks=(Ref(name="many"),),
        backbone=Ref(name="no/body"),
        engine=Ref(name="none"),
        protocol=protocol,
    )
    run = bench.start(folder, request)
    evaluation = Evaluation(run / bench.FOLDER)
    made = (
        judgment(
            slot.pair,
            Verdict.A,
            ANSWER,
            benchmark="many",
            chosen_first=slot.chosen_first,
            sample=slot.sample,
        )
        for slot in evaluation.slots(protocol)
    )
    jsonl.write(evaluation.journal, made)
    bench.execute(run)
    return run


def works(run: Path) -> Mapping[str, Callable[[], object]]:
    """What is measured, by name."""
    return {
        "resume": lambda: bench.execute(run),
        "score again": lambda: bench.rescore(run, None, None),
        "read with another parser": lambda: bench.rescore(run, None, "allenai"),
        "report": lambda: show(run),
    }


def show(run: Path) -> None:
    """What `rmr1 runs show` does."""
    from rmr1_core.cli import run_command

    with contextlib.redirect_stdout(io.StringIO()):
        run_command(["runs", "show", str(run)])


def measured_here(run: Path, pairs: int, work: str) -> Cost:
    """Do the work in this process."""
    offer_benchmark(pairs)
    before = time.process_time()
    works(run)[work]()
    spent = time.process_time() - before
    return Cost(spent, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def measured(run: Path, pairs: int, work: str) -> Cost:
    """Do the work in a process of its own."""
    argv = [sys.executable, __file__, "--run", str(run), "--pairs", str(pairs), "--work", work]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return Cost(*json.loads(done.stdout.splitlines()[-1]))


def made_elsewhere(folder: Path, pairs: int, samples: int) -> Path:
    """A finished run, made by a process of its own: a child's peak begins at its parent's size."""
    argv = [sys.executable, __file__, "--make", str(folder), "--pairs", str(pairs)]
    argv += ["--samples", str(samples)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    return Path(done.stdout.splitlines()[-1])


def main() -> int:
    """Measure, print, compare with the limits."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pairs", type=int, default=50_000)
    parser.add_argument("--limit-seconds", type=float, default=3.0)
    parser.add_argument("--limit-growth-mb", type=float, default=60.0)
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--samples", type=int, default=1, help=argparse.SUPPRESS)
    parser.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--work", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make:
        print(finished_run(options.make, options.pairs, options.samples))
        return 0
    if options.work:
        print(json.dumps(measured_here(options.run, options.pairs, options.work)))
        return 0
    return compared(options.pairs, options.limit_seconds, options.limit_growth_mb)


def compared(pairs: int, limit_seconds: float, limit_growth_mb: float) -> int:
    """Measure runs of three shapes; the exit code."""
    fewer = max(1, pairs // 10)
    shapes = [(pairs, 1), (fewer, 10), (fewer, 1)]
    slowest = growth = 0.0
    with tempfile.TemporaryDirectory() as folder:
        made = [made_elsewhere(Path(folder) / str(i), *shape) for i, shape in enumerate(shapes)]
        heads = []
        for run, (size, samples) in zip(made, shapes, strict=True):
            megabytes = Evaluation(run / bench.FOLDER).journal.stat().st_size / 1e6
            heads.append(f"{size:,} pairs × 2 orders × {samples} ({megabytes:.0f} MB)")
        print("CPU seconds and peak MB | " + " | ".join(heads))
        print("|---" * (1 + len(shapes)) + "|")
        for work in works(made[0]):
            costs = [measured(run, s[0], work) for run, s in zip(made, shapes, strict=True)]
            cells = [f"{cost.seconds:.2f} s, {cost.peak_mb:.0f} MB" for cost in costs]
            print(f"| {work} | " + " | ".join(cells) + " |", flush=True)
            slowest = max(slowest, *(cost.seconds for cost in costs))
            growth = max(growth, costs[1].peak_mb - costs[2].peak_mb)
    print(f"\nslowest {slowest:.2f} s of CPU; ten times the judgments took {growth:.0f} MB more")
    return int(slowest > limit_seconds or growth > limit_growth_mb)


if __name__ == "__main__":
    sys.exit(main())
