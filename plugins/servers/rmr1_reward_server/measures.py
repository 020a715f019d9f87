"""What Prometheus is told."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from rmr1_core import Verdict
from rmr1_core.decisions import Decision

_KNOWN = ("/v1/compare", "/v1/rank", "/v1/score", "/v1/gather", "/v1/openrlhf")
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)


class Measures:
    """Counters of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "rmr1_requests", "requests by path and status", ("path", "status"), registry=registry
        )
        self.seconds = Histogram(
            "rmr1_request_seconds", "time of a request", ("path",), buckets=_SECONDS,
            registry=registry,
        )  # fmt: skip
        self.under_way = Gauge("rmr1_under_way", "requests being judged", registry=registry)
        self.refused = Counter("rmr1_refused", "requests refused with 429", registry=registry)
        self.judgments = Counter("rmr1_judgments", "judgments made", registry=registry)
        self.unparsed = Counter("rmr1_unparsed", "judgments without a verdict", registry=registry)
        self.read = Counter("rmr1_prompt_tokens", "tokens read", registry=registry)
        self.written = Counter("rmr1_completion_tokens", "tokens written", registry=registry)

    def count(self, decision: Decision) -> None:
        """Count a decision's judgments."""
        self.judgments.inc(len(decision.opinions))
        self.unparsed.inc(sum(one.verdict is Verdict.UNPARSED for one in decision.opinions))
        self.read.inc(decision.prompt_tokens)
        self.written.inc(decision.completion_tokens)

    @contextmanager
    def timed(self, path: str) -> Iterator[list[int]]:
        """Count and time a request; the block appends its status. Unknown paths are one."""
        outcome: list[int] = []
        name, start = path if path in _KNOWN else "other", time.monotonic()
        try:
            yield outcome
        finally:
            self.requests.labels(name, str(outcome[0] if outcome else 500)).inc()
            self.seconds.labels(name).observe(time.monotonic() - start)
