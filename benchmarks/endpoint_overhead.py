"""A whole `rmr1 bench` on an endpoint against the bare client on the same prompts: what do we add?

    python benchmarks/endpoint_overhead.py [--problems 1000] [--rounds 5] [--at-most 3]

An endpoint on loopback answers after one second; 256 requests are under way at a time. The bare
client is `openai`'s own, asked by 256 tasks, with its quicker backend. All are measured in one
process, in CPU time, in turns. The whole command loads its data, renders, asks, parses, keeps its
journal and reports. Exits with 1 when the median of whole command against bare client is above the
limit (percent).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from common import machine

from rmr1_core import Ref, Request, bench
from rmr1_core.evaluation import load
from rmr1_core.judging import Judging
from rmr1_core.slots import slots

SERVER = Path(__file__).with_name("slow_endpoint.py")
CONCURRENT = 256
MOST_TOKENS = 8192


@contextlib.contextmanager
def endpoint(seconds: float) -> Iterator[str]:
    """The URL of an endpoint that answers after so many seconds."""
    argv = [sys.executable, str(SERVER), str(seconds)]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdin
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        process.stdin.close()


class Contest:
    """The three ways of asking the same, on one endpoint."""

    def __init__(self, url: str, problems: int) -> None:
        options = {"base_url": [url], "model": "judge", "max_concurrency": CONCURRENT}
        toy = Ref(name="toy", options={"problems": problems})
        self._url = url
        self._request = bench.BenchRequest(
            benchmarks=(toy,), engine=Ref(name="openai", options=options)
        )
        self._judge, _, _ = bench.judge_of(None, self._request.engine, None)
        (benchmark,) = bench.benchmarks_of([toy])
        protocol = self._request.protocol
        pairs, _ = load(benchmark, None, protocol)
        judging = Judging(self._judge.strategy, protocol, None)
        wanted = list(slots("toy", pairs, protocol))
        self.asked: Sequence[Request] = list(judging.pending(wanted, MOST_TOKENS))

    def bare(self) -> None:
        """The client alone."""
        asyncio.run(self._bare())

    def engine(self) -> None:
        """The engine's `generate`."""
        with self._judge.engine.open(self._judge.backbone) as session:
            answers = sum(1 for _ in session.generate(self.asked))
        assert answers == len(self.asked)

    def whole(self) -> None:
        """All that `rmr1 bench` does after its start."""
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
            bench.execute(bench.start(Path(folder), self._request))

    async def _bare(self) -> None:
        import httpx2
        import openai

        limits = httpx2.Limits(max_connections=CONCURRENT, max_keepalive_connections=CONCURRENT)
        source = iter(self.asked)
        async with openai.AsyncOpenAI(
            base_url=self._url,
            api_key="none",
            max_retries=0,
            http_client=openai.DefaultAioHttpClient(limits=limits),
        ) as client:

            async def ask() -> None:
                for request in source:
                    messages = [{"role": m.role, "content": m.content} for m in request.messages]
                    answer = await client.chat.completions.create(
                        model="judge",
                        messages=messages,  # type: ignore[arg-type]
                        temperature=0,
                        max_tokens=MOST_TOKENS,
                        stop=list(request.sampling.stop),
                    )
                    assert answer.choices[0].message.content

            await asyncio.gather(*(ask() for _ in range(CONCURRENT)))


def cpu_seconds(work: Callable[[], None]) -> float:
    """CPU seconds of this process for some work."""
    before = time.process_time()
    work()
    return time.process_time() - before


def main() -> int:
    """Measure, print, compare with the limit."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--problems", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="until an answer comes")
    parser.add_argument("--at-most", type=float, default=3.0)
    options = parser.parse_args()
    with endpoint(options.seconds) as url:
        contest = Contest(url, options.problems)
        ways = {"bare client": contest.bare, "engine": contest.engine, "whole": contest.whole}
        costs: dict[str, list[float]] = {name: [] for name in ways}
        for work in ways.values():
            work()  # imports, connections, caches
        for _ in range(options.rounds):
            for name, work in ways.items():
                costs[name].append(1e6 * cpu_seconds(work) / len(contest.asked))
    print(f"{len(contest.asked)} requests, {CONCURRENT} at a time; {machine('openai')}\n")
    print("| | CPU ms per 1,000 requests | against the bare client |\n|---|---|---|")
    overhead = {}
    for name, measured in costs.items():
        ratios = [ours / bare for ours, bare in zip(measured, costs["bare client"], strict=True)]
        overhead[name] = 100 * (statistics.median(ratios) - 1)
        print(f"| {name} | {statistics.median(measured):,.0f} | {overhead[name]:+.1f} % |")
    return int(overhead["whole"] > options.at_most)


if __name__ == "__main__":
    sys.exit(main())
