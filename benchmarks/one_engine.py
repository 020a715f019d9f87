"""One command for three benchmarks against eight engine starts, as RM-R1's script has them.

    python benchmarks/one_engine.py --data FOLDER [--requests 2000] [--at-least 3]

The eight starts are vLLM alone on an eighth of the same prompts each, and keep nothing. FOLDER
holds `rewardbench`, `rm-bench` and `rmb` in the upstream formats. The judge has random weights and
a long context, and writes at most 64 tokens. Exits with 1 when one command is not so many times
faster (wall time).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import vllm_runs
from common import long_judge, machine

from rmr1_core import EvalProtocol, environments

BENCHMARKS = ("rewardbench", "rm-bench", "rmb")


def main() -> int:
    """Measure, print, compare with the limit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--starts", type=int, default=8, help="of vLLM alone")
    parser.add_argument("--at-least", type=float, default=3.0)
    options = parser.parse_args()
    limit = max(1, options.requests // (2 * len(BENCHMARKS)))
    protocol = EvalProtocol(limit=limit, allow_partial=True, max_new_tokens=options.new_tokens)
    with tempfile.TemporaryDirectory() as folder:
        model = long_judge(Path(folder))
        ratio = compared(model, protocol, options.data, options.starts)
    return int(ratio < options.at_least)


def compared(model: str, protocol: EvalProtocol, data: Path, starts: int) -> float:
    """Time both; how many times faster one command is."""
    asked = vllm_runs.requests(BENCHMARKS, model, protocol, data)
    print(f"{len(asked)} requests; {machine()}, {environments.locate('vllm').label}\n", flush=True)
    ours = vllm_runs.rmr1(
        *("bench", *BENCHMARKS, "--backbone", model, "--engine", "vllm", "--dtype", "float32"),
        *("--data", str(data), "--allow-partial", "--limit", str(protocol.limit)),
        *("--max-new-tokens", str(protocol.max_new_tokens)),
    )
    parts = [asked[part::starts] for part in range(starts)]
    theirs = [vllm_runs.bare(vllm_runs.work(model, part)) for part in parts]
    wall, cpu = sum(cost.wall for cost in theirs), sum(cost.cpu for cost in theirs)
    print("| | wall s | CPU s |\n|---|---|---|")
    print(f"| rmr1 bench, one engine | {ours.wall:.1f} | {ours.cpu:.1f} |")
    print(f"| vLLM alone, {starts} starts | {wall:.1f} | {cpu:.1f} |")
    ratio = wall / ours.wall
    print(f"\n{ratio:.1f} times faster ({cpu / ours.cpu:.1f} in CPU time)")
    return ratio


if __name__ == "__main__":
    sys.exit(main())
