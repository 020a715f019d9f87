"""What does a reward server do when 256 clients ask at the same time?

    python reward_server_load.py http://127.0.0.1:8000

Each client asks for the scores of groups of answers, one group after the other. Every answer says
what it is worth, so the server has to judge with the engine of `reward_load_engine.py`, and a score
that belongs to another request is noticed. A client that is told 429 waits as long as it is told,
and asks again.

Prints a Markdown table; exits with 1 if a request was lost, or if the 99th percentile of the time
to an answer, waiting included, is above `--limit-seconds`.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import platform
import random
import sys
import time
from typing import Any, NamedTuple

import aiohttp


class Served(NamedTuple):
    """A request that was answered: seconds of the attempt that was, and from the first one on."""

    attempt: float
    whole: float
    refused: int


class Load(NamedTuple):
    """What is asked, and until when."""

    url: str
    answers: int
    deadline: float


async def one(session: aiohttp.ClientSession, load: Load, rng: random.Random) -> Served:
    """Ask for the scores of a group until they are there.

    Raises:
        AssertionError: the scores are not those of this group, or the server failed.
    """
    worths = rng.sample(range(10**6), load.answers)
    body = {
        "messages": f"What is it worth, in case {rng.random()}?",
        "answers": [f"worth {worth}" for worth in worths],
        "strength": "win-rate",
    }
    begun, refused = time.perf_counter(), 0
    while True:
        at = time.perf_counter()
        assert at < load.deadline, "the time is over"
        async with session.post(f"{load.url}/v1/score", json=body) as response:
            if response.status == 429:
                refused += 1
                seconds = float(response.headers["Retry-After"])
                await asyncio.sleep(seconds * rng.uniform(1.0, 1.5))
                continue
            assert response.status == 200, f"{response.status}: {await response.text()}"
            scores = (await response.json())["scores"]
        now = time.perf_counter()
        wins = [sum(other < worth for other in worths) for worth in worths]
        expected = [won / (load.answers - 1) for won in wins]
        assert all(abs(x - y) < 1e-6 for x, y in zip(scores, expected, strict=True)), scores
        return Served(now - at, now - begun, refused)


async def client(session: aiohttp.ClientSession, load: Load, number: int, count: int) -> list[Any]:
    """All requests of one client, one after the other; one that is lost is told as text."""
    rng, done = random.Random(number), []
    for _ in range(count):
        try:
            done.append(await one(session, load, rng))
        except (AssertionError, aiohttp.ClientError, TimeoutError) as error:
            done.append(f"{type(error).__name__}: {error}")
    return done


async def work(url: str, clients: int, count: int, answers: int, seconds: float) -> dict[str, Any]:
    """Let all clients work, at most for some seconds."""
    begun = time.perf_counter()
    load = Load(url, answers, begun + seconds)
    settings = {
        "connector": aiohttp.TCPConnector(limit=0),
        "timeout": aiohttp.ClientTimeout(total=seconds),
    }
    async with aiohttp.ClientSession(**settings) as session:
        coming = (client(session, load, number, count) for number in range(clients))
        found = [one for done in await asyncio.gather(*coming) for one in done]
    served = [one for one in found if isinstance(one, Served)]
    return {
        "seconds": time.perf_counter() - begun,
        "served": len(served),
        "lost": [one for one in found if isinstance(one, str)],
        "refused": sum(one.refused for one in served),
        "attempts": sorted(one.attempt for one in served),
        "wholes": sorted(one.whole for one in served),
    }


def percentile(ordered: list[float], share: float) -> float:
    """The value below or at which this share of the ordered ones is; 0 of none."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


def table(found: dict[str, Any], judgments: int) -> str:
    """What the clients saw, where a group takes so many judgments."""
    seconds, served = found["seconds"], found["served"]
    times = [percentile(found[kind], q) for kind in ("attempts", "wholes") for q in (0.5, 0.99)]
    cells = [
        f"{served:,}", f"{len(found['lost'])}", f"{found['refused']:,}",
        f"{served / seconds:,.0f}", f"{served * judgments / seconds:,.0f}",
        *(f"{seconds:.2f} s" for seconds in times),
    ]  # fmt: skip
    head = (
        "| served | lost | 429s | groups/s | judgments/s "
        "| p50, accepted | p99, accepted | p50, with waiting | p99, with waiting |"
    )
    return "\n".join([head, "|---" * len(cells) + "|", f"| {' | '.join(cells)} |"])


def main() -> int:
    """Measure once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="where the server listens")
    parser.add_argument("--clients", type=int, default=256)
    parser.add_argument("--requests", type=int, default=8, help="of each client")
    parser.add_argument("--answers", type=int, default=4, help="in each group")
    parser.add_argument("--seconds", type=float, default=240.0, help="at most, for all requests")
    parser.add_argument("--limit-seconds", type=float, default=math.inf, help="of the 99th percent")
    args = parser.parse_args()
    judgments = args.answers * (args.answers - 1)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"{args.clients} clients × {args.requests} groups of {args.answers} answers, round robin")
    found = asyncio.run(work(args.url, args.clients, args.requests, args.answers, args.seconds))
    print(f"\n{table(found, judgments)}")
    for lost in sorted(set(found["lost"]))[:3]:
        print(f"lost: {lost}", file=sys.stderr)
    whole = found["served"] == args.clients * args.requests
    return 0 if whole and percentile(found["wholes"], 0.99) <= args.limit_seconds else 1


if __name__ == "__main__":
    sys.exit(main())
