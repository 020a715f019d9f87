"""Lines of JSON per step, and what is left of them after a kill."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from rmr1_openrlhf.inside import reporting


class Alone:
    """A strategy of one process, as far as it is asked."""

    accumulated_gradient, world_size = 2, 1

    def is_rank_0(self) -> bool:
        return True

    def all_reduce(self, value: Any, op: str = "mean") -> Any:
        return value


class Model:
    """A model that is called and counted, at a step that was loaded."""

    def __init__(self, loaded: int) -> None:
        self.model = SimpleNamespace(global_steps=loaded)

    def register_forward_pre_hook(self, hook: Any, *, with_kwargs: bool) -> None:
        assert with_kwargs
        self.hook = hook


@pytest.fixture
def events(tmp_path: Path) -> Path:
    return tmp_path / "metrics.jsonl"


def begun(events: Path, loaded: int = 0) -> tuple[reporting.Reporter, Model]:
    """A reporter of 4 epochs of 5 passes, at 2 passes a step."""
    reporter, model = reporting.Reporter(events, attention="sdpa"), Model(loaded)
    reporter._begin(
        SimpleNamespace(model=model, strategy=Alone(), train_dataloader=[0] * 5, epochs=4)
    )
    return reporter, model


def lines(events: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in events.read_text().splitlines()]


@pytest.fixture(autouse=True)
def releases(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """OpenRLHF and DeepSpeed as their metadata."""
    for name in ("openrlhf", "deepspeed"):
        info = tmp_path / "site" / f"{name}-1.2.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))


def measured(loss: float) -> dict[str, float]:
    return {"gpt_loss": 9.0, "loss_mean": loss, "lr": 1e-3, "grad_norm": 0.5}


def test_a_step_says_what_was_measured(events):
    import torch

    reporter, model = begun(events)
    for mask in ([1, 1, 0], [1, 0, 0]):
        model.hook(None, (), {"attention_mask": torch.tensor([mask])})
    reporter._step(1, measured(2.5))
    start, step = lines(events)
    assert start["event"] == "start"
    assert (start["attention"], start["ranks"], start["openrlhf"]) == ("sdpa", 1, "1.2")
    assert (step["event"], step["step"], step["steps"]) == ("step", 1, 10)
    assert (step["loss"], step["lr"], step["grad_norm"], step["tokens"]) == (2.5, 1e-3, 0.5, 3)
    assert step["tokens_per_second"] == pytest.approx(3 / step["seconds"])
    assert 0 < step["seconds"] <= step["wall_seconds"]
    assert step["cpu_seconds"] > 0


def test_tokens_are_counted_step_by_step(events):
    import torch

    reporter, model = begun(events)
    for count in (3, 5):
        model.hook(None, (), {"attention_mask": torch.ones(1, count)})
        reporter._step(count, measured(1.0))
    assert [line["tokens"] for line in lines(events)[1:]] == [3, 5]


def test_a_loss_that_is_no_number_is_null_so_that_the_line_can_be_read(events):
    reporter, _ = begun(events)
    reporter._step(1, {**measured(float("nan")), "grad_norm": float("inf")})
    step = msgspec.json.decode(events.read_text().splitlines()[-1])
    assert (step["step"], step["loss"], step["grad_norm"], step["lr"]) == (1, None, None, 1e-3)


def test_the_end_says_what_was_spent_and_marks_the_result_as_whole(events, tmp_path):
    reporter, _ = begun(events)
    reporter._step(1, measured(1.0))
    marker = tmp_path / "trained.json"
    reporter.finish(marker)
    done = lines(events)[-1]
    assert done["event"] == "done"
    assert done["steps"] == 10
    assert done["peak_memory_mb"] > 1
    assert done["wall_seconds"] > 0 < done["cpu_seconds"]
    assert json.loads(marker.read_text()) == done


def test_going_on_forgets_what_came_after_the_checkpoint(events):
    reporter, _ = begun(events)
    for step in (1, 2, 3):
        reporter._step(step, measured(step))
    with events.open("a") as file:
        file.write('{"event": "st')
    spent = lines_until_torn(events)[2]["wall_seconds"]
    again, _ = begun(events, loaded=2)
    again._step(3, measured(7.0))
    found = lines(events)
    assert [line["event"] for line in found] == ["step", "step", "start", "step"]
    assert [line.get("loss") for line in found] == [1, 2, None, 7.0]
    assert found[2]["from_step"] == 2
    assert found[3]["wall_seconds"] > spent


def lines_until_torn(events: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in events.read_text().splitlines()[:-1]]


def test_starting_anew_forgets_all(events):
    reporter, _ = begun(events)
    reporter._step(1, measured(1.0))
    begun(events)
    assert [line["event"] for line in lines(events)] == ["start"]
