"""From a line of veRL's metrics to an event of a training stage."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

NAMES = {
    "reward_mean": "critic/score/mean",
    "kl": "actor/kl_loss",
    "loss": "actor/pg_loss",
    "entropy": "actor/entropy",
    "grad_norm": "actor/grad_norm",
    "clip_fraction": "actor/pg_clipfrac",
    "learning_rate": "actor/lr",
    "response_length": "response_length/mean",
    "truncated": "response_length/clip_ratio",
    "tokens_per_second": "perf/throughput",
    "seconds": "timing_s/step",
}
"""Our words for veRL's metrics."""


def event(line: Mapping[str, Any]) -> dict[str, Any] | None:
    """The event that a line of the job's events file tells of; None where it tells of none."""
    times = {name: line[name] for name in ("wall_seconds", "cpu_seconds") if name in line}
    if line.get("done"):
        return {"event": "done", **times}
    if "step" not in line or "steps" not in line:
        return None
    told = {name: line["data"].get(theirs) for name, theirs in NAMES.items()}
    if answers := line.get("answers"):
        told["unparsed"] = line["unparsed"] / answers
        told["accuracy"] = line["right"] / answers
    known = {name: value for name, value in told.items() if _is_number(value)}
    return {"event": "step", "step": line["step"], "steps": line["steps"], **known, **times}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
