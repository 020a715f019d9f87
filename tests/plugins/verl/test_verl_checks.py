from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rmr1_core import Ref, TrainingTask
from rmr1_core.lookup import resolve
from rmr1_verl import checks
from rmr1_verl.memory import GIB, Shape, need
from rmr1_verl.trainer import VerlGrpo

QWEN_7B = {
    "num_hidden_layers": 28,
    "hidden_size": 3584,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "intermediate_size": 18944,
    "vocab_size": 152064,
    "max_position_embeddings": 32768,
    "tie_word_embeddings": False,
}
"""The shape of Qwen2.5-7B-Instruct."""


def grpo(**options: Any) -> VerlGrpo:
    trainer: VerlGrpo = resolve("trainer", Ref(name="verl-grpo", options=options))
    return trainer


def shape(**changes: Any) -> Shape:
    return Shape.of(QWEN_7B | changes)


def test_the_size_of_a_model_follows_from_its_shape() -> None:
    assert shape().parameters == pytest.approx(7.616e9, rel=1e-3)
    assert shape().cache_per_token == 57344


def test_memory_is_what_the_documented_formulas_say() -> None:
    needs = need(grpo(), shape())
    count = shape().parameters
    assert needs.states == pytest.approx(16 * count / 8)
    assert needs.engine_weights == pytest.approx(2 * count / 4)
    passes = 2 * 16384 * 3584 * 28 + 12 * 16384 * 152064
    assert needs.update == pytest.approx(16 * count / 8 + 2 * count / 28 + passes)
    assert need(grpo(offload=True), shape()).states == pytest.approx(4 * count / 8)


def test_the_papers_machine_holds_the_papers_model() -> None:
    check = checks.memory(grpo(), shape(), [80.0] * 8)
    assert check.ok
    assert "7.62 B parameters" in check.detail


@pytest.mark.parametrize(
    ("options", "gpus", "problem"),
    [
        ({}, [80.0] * 4, "gpus_per_node is 8, and there are 4 here"),
        ({}, [24.0] * 8, "take more GPUs or fewer micro_batch_tokens"),
        ({"gpu_memory_utilization": 0.04}, [80.0] * 8, "raise gpu_memory_utilization"),
        ({"gpu_memory_utilization": 0.9}, [80.0] * 8, "set offload, or lower"),
    ],
)
def test_what_a_gpu_cannot_hold_is_said(
    options: dict[str, Any], gpus: list[float], problem: str
) -> None:
    check = checks.memory(grpo(**options), shape(), gpus)
    assert not check.ok
    assert problem in check.detail


def test_without_a_gpu_or_a_model_memory_is_not_known() -> None:
    assert checks.memory(grpo(), shape(), []).ok is None
    assert checks.memory(grpo(gpus_per_node=0), shape(), []).ok
    assert checks.memory(grpo(), None, [80.0]).ok is None


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"rollout_batch_size": 100}, "100 is no multiple of mini_batch_size 128"),
        ({"mini_batch_size": 4, "samples_per_prompt": 3}, "12, is no multiple of 8 GPUs"),
        ({"micro_batch_tokens": 8192}, "8192 is less than one answer"),
    ],
)
def test_batches_that_do_not_divide_are_said(options: dict[str, Any], problem: str) -> None:
    check = checks.batches(grpo(**options))
    assert not check.ok
    assert problem in check.detail


def test_the_papers_batches_divide() -> None:
    check = checks.batches(grpo(nodes=4))
    assert check.ok
    assert check.detail == "8 updates a step, each of 896 answers on 32 GPUs"


def test_vllm_must_be_able_to_cut_the_model() -> None:
    assert checks.parallel(grpo(), shape()).ok
    assert not checks.parallel(grpo(tensor_parallel_size=3), shape()).ok
    check = checks.parallel(grpo(tensor_parallel_size=8), shape())
    assert "does not divide 28 attention heads" in check.detail


def test_vllm_needs_heads_of_a_width_that_it_knows_on_a_cpu() -> None:
    narrow = shape(head_dim=16)
    on_cpu = grpo(tensor_parallel_size=1, gpus_per_node=0)
    assert checks.parallel(on_cpu, shape()).ok
    assert "no attention on a CPU for heads of width 16" in checks.parallel(on_cpu, narrow).detail
    assert checks.parallel(grpo(), narrow).ok


def test_prompt_and_answer_must_fit_the_context() -> None:
    assert checks.lengths(grpo(), shape()).ok
    check = checks.lengths(grpo(max_response_length=30000), shape())
    assert check.detail.startswith("max_prompt_length and max_response_length are 34096 tokens")
    assert checks.lengths(grpo(), None).ok is None


def test_a_step_needs_its_prompts(tmp_path: Path) -> None:
    data = tmp_path / "data.jsonl"
    assert checks.rows(grpo(), data).ok is None
    data.write_text("{}\n" * 600)
    assert not checks.rows(grpo(), data).ok
    both = checks.rows(grpo(orders="both"), data)
    assert (both.ok, both.detail) == (True, "1200 prompts, 1 steps at most")


def test_checkpoints_must_fit_the_disk(tmp_path: Path) -> None:
    assert checks.disk(grpo(), Shape.of(TINY), tmp_path / "not" / "there").ok
    huge = shape(num_hidden_layers=10**6)
    assert not checks.disk(grpo(), huge, tmp_path).ok
    assert need(grpo(), shape()).disk == pytest.approx(26 * shape().parameters)
    assert GIB == 2**30


TINY = QWEN_7B | {"num_hidden_layers": 1, "hidden_size": 8, "num_attention_heads": 2} | {
    "num_key_value_heads": 2, "intermediate_size": 8, "vocab_size": 100,
}  # fmt: skip


def test_everything_is_looked_at_where_nothing_is_built(
    task: TrainingTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RMR1_ENVIRONMENTS", str(tmp_path / "none"))
    monkeypatch.delenv("RMR1_ENV_VERL", raising=False)
    Path(task.model).mkdir()
    (Path(task.model) / "config.json").write_text(json.dumps(TINY))
    found = {check.name: check for check in grpo().checks(task)}
    assert list(found) == [
        "batch sizes",
        "tensor parallel",
        "lengths",
        "steps",
        "GPU memory",
        "disk",
        "veRL's settings",
    ]
    assert "rmr1 env create verl" in found["veRL's settings"].detail
    assert not found["tensor parallel"].ok


def test_a_model_that_is_not_built_yet_has_no_known_shape(tmp_path: Path) -> None:
    assert Shape.read(str(tmp_path / "backbone")) is None


@pytest.mark.parametrize(("launcher", "ok"), [("local", False), ("slurm", None), ("ray", None)])
def test_only_a_job_of_this_machine_is_held_against_its_gpus(
    task: TrainingTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, launcher: str, ok: bool
) -> None:
    smi = tmp_path / "bin" / "nvidia-smi"
    smi.parent.mkdir()
    smi.write_text("#!/bin/sh\necho 81559\n")  # one GPU, and eight are asked for
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{smi.parent}:/bin:/usr/bin")
    monkeypatch.setenv("RMR1_ENVIRONMENTS", str(tmp_path / "none"))
    monkeypatch.delenv("RMR1_ENV_VERL", raising=False)
    Path(task.model).mkdir()
    (Path(task.model) / "config.json").write_text(json.dumps(QWEN_7B))
    recipe = msgspec.structs.replace(task.recipe, launcher=Ref(name=launcher))
    found = grpo().checks(msgspec.structs.replace(task, recipe=recipe))
    assert {check.name: check.ok for check in found}["GPU memory"] is ok
