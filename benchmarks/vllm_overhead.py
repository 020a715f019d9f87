"""A whole `rmr1 bench` with vLLM against vLLM alone on the same prompts: what do we add?

    python benchmarks/vllm_overhead.py [--problems 1000] [--rounds 3] [--at-most 5]

Both are whole processes, from their start to their end, in turns; vLLM alone gets token ids that
were made beforehand, and keeps nothing. The judge is a trained `tiny` with heads of size 32, which
vLLM on a CPU needs. Exits with 1 when the median overhead in CPU time is above the limit (percent).
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

import vllm_runs
from common import machine, trained_judge

from rmr1_core import EvalProtocol, Ref, environments

PROMPT, MOST_TOKENS = "compact", 72
"""What the judge was trained on."""


def main() -> int:
    """Measure, print, compare with the limit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--problems", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=1500, help="of the judge's training")
    parser.add_argument("--folder", type=Path, help="where the judge is, or is trained")
    parser.add_argument("--at-most", type=float, default=5.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        judge = trained_judge(options.folder or Path(folder), steps=options.steps, heads=2)
        return compared(str(judge.model), options.problems, options.rounds, options.at_most)


def compared(model: str, problems: int, rounds: int, at_most: float) -> int:
    """Run both in turns; the exit code."""
    protocol = EvalProtocol(max_new_tokens=MOST_TOKENS)
    asked = vllm_runs.requests(
        ["toy"], model, protocol, prompt=Ref(name=PROMPT), options={"problems": problems}
    )
    work = vllm_runs.work(model, asked)
    print(f"{len(asked)} requests; {machine()}, {environments.locate('vllm').label}\n")
    print("| round | rmr1 bench: wall s | CPU s | vLLM alone: wall s | CPU s | of these to load |")
    print("|---|---|---|---|---|---|")
    walls, cpus = [], []
    for number in range(1, rounds + 1):
        ours = vllm_runs.rmr1(
            *("bench", "toy", "--backbone", model, "--engine", "vllm", "--dtype", "float32"),
            *("--prompt", PROMPT, "--max-new-tokens", str(MOST_TOKENS)),
            *("-o", f"benchmark.toy.problems={problems}"),
        )
        theirs = vllm_runs.bare(work)
        loading = json.loads(theirs.said)["load"]
        cells = (ours.wall, ours.cpu, theirs.wall, theirs.cpu, loading)
        print(f"| {number} | " + " | ".join(f"{cell:.1f}" for cell in cells) + " |", flush=True)
        walls.append(ours.wall / theirs.wall)
        cpus.append(ours.cpu / theirs.cpu)
    wall, cpu = (100 * (statistics.median(ratios) - 1) for ratios in (walls, cpus))
    print(f"\noverhead, median: {cpu:+.1f} % of CPU time, {wall:+.1f} % of wall time")
    return int(cpu > at_most)


if __name__ == "__main__":
    sys.exit(main())
