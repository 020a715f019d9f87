"""How much of the prompts vLLM finds in its prefix cache, in our order and in others.

    python benchmarks/prefix_order.py --data FOLDER [--limit 300] [--cache-share 0.07]

The cache holds a share of all prompt tokens, as on one 80 GB GPU that runs a 7 B model: about one
million tokens, of the 14 million that RM-Bench's judgments are (a token of Qwen2.5-7B takes
2 x 28 layers x 4 heads x 128 x 2 bytes = 57 kB). FOLDER holds `rm-bench` and `rmb`. The judge has
random weights and writes 8 tokens. Exits with 1 when our order is not the one with the most tokens
found.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec
import vllm_runs
from common import long_judge, machine

from rmr1_core import Backbone, Completion, EvalProtocol, Ref, Request, environments
from rmr1_core.lookup import resolve

OURS = "rmr1's order"
BLOCK = 128
"""Tokens of a block of the cache; vLLM on a CPU has no other size by default."""


def main() -> int:
    """Measure, print; whether ours is the best order."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--benchmarks", nargs="+", default=["rm-bench", "rmb"])
    parser.add_argument("--limit", type=int, default=300, help="pairs of each benchmark")
    parser.add_argument("--cache-share", type=float, default=0.07)
    options = parser.parse_args()
    protocol = EvalProtocol(limit=options.limit, allow_partial=True, max_new_tokens=8)
    print(f"{machine()}, {environments.locate('vllm').label}\n")
    print("| | requests | prompt tokens | cache | " + " | ".join(orders([])) + " |")
    print("|---" * (4 + len(orders([]))) + "|")
    best = True
    with tempfile.TemporaryDirectory() as folder:
        model = long_judge(Path(folder))
        for name in options.benchmarks:
            asked = vllm_runs.requests([name], model, protocol, options.data)
            lengths = [len(ids) for ids in vllm_runs.work(model, asked)["prompts"]]
            held = max(int(options.cache_share * sum(lengths)), max(lengths) + BLOCK)
            found = shares(model, asked, held // BLOCK + 1, max(lengths) + BLOCK)
            best = best and found[OURS] == max(found.values())
            cells = [name, f"{len(asked):,}", f"{sum(lengths):,}", f"{held:,}"]
            cells += [f"{100 * share:.1f} %" for share in found.values()]
            print("| " + " | ".join(cells) + " |", flush=True)
    return int(not best)


def orders(asked: Sequence[Request]) -> dict[str, list[Request]]:
    """The same requests in our order, as the files have them (first one order of the answers, then
    the other), and shuffled."""
    as_read = sorted(asked, key=lambda request: not _chosen_first(request))
    shuffled = random.Random(0).sample(list(asked), len(asked))
    return {OURS: list(asked), "as read": as_read, "shuffled": shuffled}


def shares(
    model: str, asked: Sequence[Request], blocks: int, longest: int
) -> dict[str, float]:  # fmt: skip
    """The share of prompt tokens found in a cache of so many blocks, by order; each order in an
    engine of its own, for prompts and answers of at most `longest` tokens."""
    extra = {"num_gpu_blocks_override": blocks}
    options = {"dtype": "float32", "max_model_len": longest, "extra": extra}
    engine = resolve("engine", Ref(name="vllm", options=options))
    found = {}
    for name, requests in orders(asked).items():
        with engine.open(Backbone(name="long", model=model)) as session:
            results = [answer.result for answer in session.generate(requests)]
        completions = [r for r in results if isinstance(r, Completion)]
        cached = sum(completion.cached_tokens for completion in completions)
        found[name] = cached / sum(completion.prompt_tokens for completion in completions)
    return found


def _chosen_first(request: Request) -> bool:
    _, _, first, _ = msgspec.json.decode(request.id)
    return bool(first)


if __name__ == "__main__":
    sys.exit(main())
