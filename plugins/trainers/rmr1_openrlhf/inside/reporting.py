"""A line of JSON per step, from the one method that OpenRLHF calls after each.

`SFTTrainer.save_logs_and_checkpoints` gets the step's number and what was measured; it goes on as
before. Tokens are counted by a hook of the forward pass. Nothing of what is trained changes. JSON
has no word for a loss that is no number: that is null.
"""

from __future__ import annotations

import functools
import json
import math
import os
import resource
import time
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

_STARTED = time.monotonic()


class Reporter:
    """What this process knows of the training; the first of all writes it down.

    Seconds and CPU seconds go on from those of the processes that it resumes.
    """

    def __init__(self, events: Path, **facts: str) -> None:
        self._events, self._facts = events, facts
        self._strategy: Any = None
        self._steps = 0
        self._tokens: Any = 0
        self._wall_before = self._cpu_before = 0.0
        self._last = time.monotonic()

    def watch(self) -> None:
        """Be told of the training that this process will do."""
        from openrlhf.trainer.sft_trainer import SFTTrainer

        fit, after_step = SFTTrainer.fit, SFTTrainer.save_logs_and_checkpoints

        @functools.wraps(fit)
        def watched_fit(trainer: Any, *args: Any, **kwargs: Any) -> Any:
            self._begin(trainer)
            return fit(trainer, *args, **kwargs)

        @functools.wraps(after_step)
        def watched_step(
            trainer: Any, args: Any, global_step: int, step_bar: Any, logs_dict: Any = None,
            client_states: Any = None,
        ) -> Any:  # fmt: skip
            self._step(global_step, logs_dict or {})
            return after_step(trainer, args, global_step, step_bar, logs_dict, client_states)

        SFTTrainer.fit, SFTTrainer.save_logs_and_checkpoints = watched_fit, watched_step

    def finish(self, marker: Path) -> None:
        """Say that training is done and its result is whole; called by all, at the very end."""
        import torch

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        done = {"event": "done", "steps": self._steps, **self._spent(self._summed(_cpu()))}
        done["peak_memory_mb"] = round(self._strategy.all_reduce(peak, op="max"), 1)
        if torch.cuda.is_available():
            gpu = torch.cuda.max_memory_allocated() / 2**20
            done["peak_gpu_memory_mb"] = round(self._strategy.all_reduce(gpu, op="max"), 1)
        if self._strategy.is_rank_0():
            self._append(done)
            aside = marker.with_name(f"{marker.name}.part")
            aside.write_text(json.dumps(done), encoding="utf-8")
            aside.rename(marker)

    def _begin(self, trainer: Any) -> None:
        """Training starts, or goes on after a step whose checkpoint was loaded."""
        strategy = self._strategy = trainer.strategy
        batches = len(trainer.train_dataloader) * trainer.epochs
        self._steps = batches // strategy.accumulated_gradient
        trainer.model.register_forward_pre_hook(self._count, with_kwargs=True)
        self._last = time.monotonic()
        if not strategy.is_rank_0():
            return
        kept = list(until(self._events, trainer.model.model.global_steps))
        steps = [line for line in kept if line["event"] == "step"]
        if steps:
            self._wall_before = steps[-1]["wall_seconds"]
            self._cpu_before = steps[-1]["cpu_seconds"]
        replace(self._events, kept)
        about = {"openrlhf": version("openrlhf"), "deepspeed": version("deepspeed")}
        self._append({"event": "start", "steps": self._steps, **about, **self._facts,
                      "ranks": strategy.world_size, "from_step": len(steps)})  # fmt: skip

    def _count(self, _: Any, args: Any, kwargs: Mapping[str, Any]) -> None:
        self._tokens = self._tokens + kwargs["attention_mask"].sum()

    def _step(self, number: int, logs: Mapping[str, float]) -> None:
        now = time.monotonic()
        seconds, self._last = now - self._last, now
        tokens, cpu = self._summed(float(self._tokens)), self._summed(_cpu())
        self._tokens = 0
        loss = self._strategy.all_reduce(float(logs["loss_mean"]))
        if not self._strategy.is_rank_0():
            return
        self._append({
            "event": "step", "step": number, "steps": self._steps, "loss": loss,
            "lr": logs["lr"], "grad_norm": logs["grad_norm"], "tokens": round(tokens),
            "tokens_per_second": tokens / max(seconds, 1e-9), "seconds": seconds,
            **self._spent(cpu),
        })  # fmt: skip

    def _summed(self, value: float) -> float:
        """Over all processes."""
        import torch

        total = self._strategy.all_reduce(torch.tensor([value], dtype=torch.float64), op="sum")
        return float(total.item())

    def _spent(self, cpu: float) -> dict[str, float]:
        return {
            "cpu_seconds": self._cpu_before + cpu,
            "wall_seconds": self._wall_before + time.monotonic() - _STARTED,
        }

    def _append(self, event: Mapping[str, Any]) -> None:
        finite = {name: value if _is_told(value) else None for name, value in event.items()}
        with self._events.open("a", encoding="utf-8") as file:
            file.write(json.dumps(finite, allow_nan=False) + "\n")


def until(events: Path, step: int) -> Iterator[dict[str, Any]]:
    """The events of the steps up to this one; what a killed process wrote after its last
    checkpoint will be measured again."""
    if not events.exists():
        return
    for line in events.read_text(encoding="utf-8").splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue  # the process was killed while it wrote it
        if event["event"] == "step" and event["step"] <= step:
            yield event


def replace(events: Path, kept: list[dict[str, Any]]) -> None:
    """Write all events anew; at no instant is there half of them."""
    aside = events.with_name(f"{events.name}.part")
    aside.write_text("".join(json.dumps(event) + "\n" for event in kept), encoding="utf-8")
    aside.rename(events)


def _is_told(value: object) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def _cpu() -> float:
    """CPU seconds of this process and of those that it waited for."""
    return sum(os.times()[:4])
