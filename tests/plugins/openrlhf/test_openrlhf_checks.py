"""What is looked at before hours are spent."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from openrlhf_stages import TRAINER, stage_task

from rmr1_core import Check, Ref
from rmr1_openrlhf import checks, memory
from rmr1_openrlhf.memory import GIB, Shape, need, shape_of
from rmr1_openrlhf.trainer import OpenRlhfSft

QWEN_7B = {
    "hidden_size": 3584,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "num_hidden_layers": 28,
    "intermediate_size": 18944,
    "vocab_size": 152064,
    "max_position_embeddings": 32768,
    "tie_word_embeddings": False,
}
"""The shape of Qwen2.5-7B-Instruct, whose card says 7.61 B parameters."""


def changed(**options: object) -> OpenRlhfSft:
    return msgspec.structs.replace(TRAINER, **options)


@pytest.fixture
def qwen(tmp_path: Path) -> Shape:
    (tmp_path / "config.json").write_text(json.dumps(QWEN_7B))
    shape = shape_of(str(tmp_path))
    assert shape is not None
    return shape


def by_name(found: object) -> dict[str, Check]:
    return {check.name: check for check in found}  # type: ignore[attr-defined]


def test_parameters_are_counted_from_the_configuration(qwen):
    assert qwen.parameters == pytest.approx(7.61e9, rel=0.002)
    assert qwen.context == 32768


def test_the_shape_of_an_unknown_model_is_not_known():
    assert shape_of("/no/such/model") is None


def test_states_are_shared_as_the_stage_says(qwen):
    def weights_and_states(stage, **options):
        options = {"adam_offload": False, "max_length": 8, **options}
        trainer = changed(zero_stage=stage, **options)
        return need(trainer, qwen).gpu - memory._passing(trainer, qwen)

    count = qwen.parameters
    assert weights_and_states(0) == pytest.approx(16 * count)
    assert weights_and_states(1) == pytest.approx((4 + 12 / 8) * count)
    assert weights_and_states(2) == pytest.approx((2 + 14 / 8) * count)
    assert weights_and_states(3) == pytest.approx(16 / 8 * count + 2e9)
    assert weights_and_states(3, nodes=2) == pytest.approx(16 / 16 * count + 2e9)
    assert weights_and_states(2, adam_offload=True) == pytest.approx((2 + 2 / 8) * count)


def test_what_is_offloaded_is_in_the_machines_memory(qwen):
    assert need(TRAINER, qwen).node == 16 * qwen.parameters
    assert need(changed(nodes=2), qwen).node == 8 * qwen.parameters
    assert need(changed(adam_offload=False), qwen).node == 0


def test_checkpointing_keeps_less_and_scores_grow_with_the_row(qwen):
    kept = need(changed(gradient_checkpointing=False), qwen).gpu - need(TRAINER, qwen).gpu
    assert kept > 10 * GIB
    longer = need(changed(max_length=24576), qwen).gpu - need(TRAINER, qwen).gpu
    assert longer > 12 * 12288 * qwen.vocabulary


def test_the_paper_fits_its_own_gpus(qwen):
    found = checks.memory(TRAINER, qwen, [80.0] * 8)
    assert found.ok, found.detail
    assert "7.62 B parameters" in found.detail


def test_what_does_not_fit_is_refused_with_advice(qwen):
    found = checks.memory(changed(zero_stage=0, adam_offload=False), qwen, [80.0] * 8)
    assert found.ok is False
    assert "and there are 80; take more GPUs, a higher zero_stage" in found.detail


def test_fewer_gpus_than_asked_for_are_refused(qwen):
    found = checks.memory(TRAINER, qwen, [80.0])
    assert found.detail == "gpus_per_node is 8, and there are 1 here"


def test_no_gpu_where_some_are_asked_for_is_refused(qwen):
    for shape in (qwen, None):
        found = checks.memory(TRAINER, shape, [])
        assert (found.ok, found.detail) == (False, "gpus_per_node is 8, and there are 0 here")
    assert checks.memory(changed(gpus_per_node=0), qwen, []).ok


def test_of_gpus_that_a_scheduler_chooses_nothing_is_claimed(qwen):
    found = checks.memory(TRAINER, qwen, None)
    assert found.ok is None
    assert "need 30.5 GiB on each GPU; those that will train are not seen here" in found.detail
    assert checks.offload(TRAINER, qwen, None).ok is None


@pytest.mark.parametrize(("launcher", "ok"), [("local", False), ("slurm", None), ("ray", None)])
def test_only_a_job_of_this_machine_is_held_against_this_machine(
    make_task, monkeypatch, launcher, ok
):
    monkeypatch.setenv("RMR1_ENVIRONMENTS", "/no/such/folder")
    monkeypatch.setenv("PATH", "/no/such/folder")  # where there is no nvidia-smi
    task = make_task()
    recipe = msgspec.structs.replace(task.recipe, launcher=Ref(name=launcher))
    found = by_name(TRAINER.checks(msgspec.structs.replace(task, recipe=recipe)))
    assert found["GPU memory"].ok is ok


def test_flags_that_change_what_is_needed_leave_it_unknown(make_task, monkeypatch):
    monkeypatch.setenv("RMR1_ENVIRONMENTS", "/no/such/folder")
    found = by_name(changed(extra={"ds.lora.rank": 64}).checks(make_task()))
    assert found["memory and disk"] == Check(
        name="memory and disk",
        ok=None,
        detail="not estimated: ds.lora.rank changes what is needed",
    )
    assert "GPU memory" not in found


def test_too_little_memory_for_offloading_is_refused(qwen):
    assert checks.offload(TRAINER, qwen, 200 * GIB).ok
    found = checks.offload(TRAINER, qwen, 100 * GIB)
    assert found.ok is False
    assert "113.5 GiB of Adam's states in each node's 100 GiB; take more nodes" in found.detail


def test_a_batch_is_rows_times_passes_times_ranks():
    found = checks.batches(TRAINER)
    assert found.ok
    assert found.detail == "batch_size 128 = micro_batch_size 1 x 16 passes x 8 ranks"
    assert checks.batches(changed(micro_batch_size=3)).detail == (
        "batch_size 128 is no multiple of micro_batch_size 3 x 8 ranks = 24"
    )
    assert checks.batches(changed(batch_size=4)).ok is False


def test_ranks_that_share_rows_count_once_in_a_batch():
    shared = {"ds.ring_attn_size": 2, "ds.tensor_parallel_size": 2}
    assert checks.batches(changed(extra=shared)).detail == (
        "batch_size 128 = micro_batch_size 1 x 64 passes x 2 groups of 4 ranks"
    )
    assert checks.batches(changed(extra={"ds.ring_attn_size": 3})).detail == (
        "8 ranks are no multiple of the 3 that share a row"
    )


def test_rows_for_less_than_a_step_are_refused(make_task):
    task = make_task()
    assert checks.steps_of(changed(batch_size=24), Path(task.data)).detail == (
        "24 rows, about 1 steps"
    )
    assert checks.steps_of(TRAINER, Path(task.data)).ok is False
    assert checks.steps_of(TRAINER, Path("/no/such/rows")).ok is None


def test_a_row_may_not_be_longer_than_the_models_context(qwen):
    assert checks.context(TRAINER, qwen).ok
    found = checks.context(changed(max_length=40000), qwen)
    assert found.detail == "max_length 40000 is more than the model's context, 32768 tokens"
    assert checks.context(TRAINER, None).ok is None


def test_checkpoints_that_do_not_fit_the_disk_are_refused(qwen, tmp_path):
    saved = need(TRAINER, qwen).disk
    assert saved == pytest.approx(30 * qwen.parameters)
    assert need(changed(save_every=-1), qwen).disk == pytest.approx(2 * qwen.parameters)
    huge = qwen._replace(parameters=10**15)
    found = checks.disk(TRAINER, huge, tmp_path / "not" / "there")
    assert found.ok is False
    assert f"free in {tmp_path}" in found.detail


def test_without_an_environment_it_is_said_what_is_not_known(make_task, tmp_path, monkeypatch):
    monkeypatch.setenv("RMR1_ENVIRONMENTS", str(tmp_path / "none"))
    monkeypatch.delenv("RMR1_ENV_OPENRLHF", raising=False)
    found = by_name(TRAINER.checks(make_task()))
    assert found["row lengths"].ok is None
    assert found["OpenRLHF's flags"].ok is None


def test_a_model_that_is_not_here_is_no_obstacle_to_the_other_checks(tmp_path, monkeypatch):
    monkeypatch.setenv("RMR1_ENVIRONMENTS", str(tmp_path / "none"))
    found = by_name(TRAINER.checks(stage_task()))
    assert found["batch size"].ok
    assert found["checkpoints"].ok is None
