"""What veRL itself says of our settings, data and reward; without Ray and vLLM."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

import rmr1_verl
from rmr1_core import Message, Ref, TrainingRow, TrainingTask, jobs
from rmr1_core.lookup import resolve
from rmr1_core.tokens import probe
from rmr1_verl import checks
from rmr1_verl.trainer import VerlGrpo

pytestmark = pytest.mark.slow
PLUGIN = Path(rmr1_verl.__file__).parent
Located = Any
TINY: dict[str, Any] = {
    "rollout_batch_size": 2,
    "mini_batch_size": 2,
    "max_prompt_length": 128,
    "max_response_length": 72,
    "micro_batch_tokens": 4096,
    "tensor_parallel_size": 1,
    "gpus_per_node": 0,
}


def grpo(**options: Any) -> VerlGrpo:
    trainer: VerlGrpo = resolve("trainer", Ref(name="verl-grpo", options=options))
    return trainer


@pytest.fixture(scope="module")
def located(managed_environment: Callable[[str], Located]) -> Located:
    return managed_environment("verl")


def in_environment(located: Located, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(located.python), *argv],
        env={**os.environ, **located.env},
        capture_output=True,
        text=True,
        check=False,
    )


SAID = """\
takes custom_reward_function.path and ignores it; write reward.custom_reward_function.path
takes reward_model.reward_manager and ignores it; write reward.reward_manager.name
takes actor_rollout_ref.actor.grad_clip and ignores it; write actor_rollout_ref.actor.optim.clip
takes data.trust_remote_code and ignores it; write actor_rollout_ref.model.trust_remote_code
takes trainer.balance_batch and ignores it; leave it out
has no setting trainer.val_generations_to_log_to_wandb; it is called trainer.log_val_generations now
has no setting actor_rollout_ref.actor.optim.lrr; did you mean actor_rollout_ref.actor.optim.lr?
would refuse +actor_rollout_ref.actor.nothing_reads_this: FSDPActorConfig has no field
would ignore +trainer.nothing_reads_this_either: no line of its code names
would give ray.init 'num_gpu', which it does not know; did you mean num_gpus?
""".splitlines()


def test_verl_heeds_every_setting_of_a_preset(located: Located, task: TrainingTask) -> None:
    preset = resolve("backbone", "qwen32b").presets["verl-grpo"]
    check = checks.settings(grpo(**preset), task)
    assert check.ok, check.detail


def test_settings_that_verl_would_ignore_or_refuse_are_named(
    located: Located, task: TrainingTask
) -> None:
    extra = {
        "custom_reward_function.path": "mine.py",
        "reward_model.reward_manager": "dapo",
        "data.trust_remote_code": True,
        "trainer.balance_batch": False,
        "trainer.val_generations_to_log_to_wandb": 5,
        "actor_rollout_ref.actor.grad_clip": 0.5,
        "actor_rollout_ref.actor.optim.lrr": 1e-6,
        "+actor_rollout_ref.actor.nothing_reads_this": 1,
        "+trainer.nothing_reads_this_either": 1,
        "+ray_kwargs.ray_init.num_gpu": 1,
        "+actor_rollout_ref.model.override_config.rope_theta": 1e6,
        "actor_rollout_ref.actor.optim.lr_scheduler_type": "cosine",
    }
    check = checks.settings(grpo(**TINY, extra=extra), task)
    assert check.ok is False
    said = check.detail.replace("veRL 0.9.1 ", "")
    assert [line for line in SAID if line not in said] == []
    assert "rope_theta" not in said
    assert "cosine" not in said


def test_what_only_verls_older_trainer_reads_is_taken_with_it(
    located: Located, task: TrainingTask
) -> None:
    extra = {"trainer.use_v1": False, "trainer.balance_batch": False}
    check = checks.settings(grpo(**TINY, extra=extra), task)
    assert check.ok, check.detail


def test_what_verls_own_validation_refuses_is_told(located: Located, task: TrainingTask) -> None:
    extra = {"actor_rollout_ref.actor.loss_agg_mode": "median"}
    check = checks.settings(grpo(**TINY, extra=extra), task)
    assert check.ok is False
    assert "refuses the settings" in check.detail
    assert "median" in check.detail


def test_the_jobs_first_step_refuses_and_names_the_setting(
    located: Located, task: TrainingTask
) -> None:
    trainer = grpo(**TINY, extra={"custom_reward_function.path": "mine.py"})
    job = trainer.plan(task)
    jobs.write(job, located)
    done = in_environment(located, *job.steps[0].argv[1:])
    assert done.returncode == 1
    assert "ValueError: veRL 0.9.1 takes custom_reward_function.path and ignores" in done.stderr


def test_verls_dataset_reads_our_rows_and_its_reward_manager_our_reward(
    located: Located, task: TrainingTask
) -> None:
    texts = ["which one is better?", "and which of these?"]
    resolve("backbone", "tiny").prepare(Path(task.model), seed=0, corpus=lambda: texts * 50)
    rows = [
        TrainingRow(id=f"row-{i}", source="toy", messages=(Message("user", text),), label="A")
        for i, text in enumerate(texts)
    ]
    job = grpo(**TINY).plan(task)
    jobs.write(job, located)
    Path(task.data).write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    made = in_environment(located, *job.steps[1].argv[1:])
    assert made.returncode == 0, made.stderr
    contract = str(Path(__file__).with_name("contract.py"))
    done = in_environment(located, contract, str(PLUGIN), *job.steps[2].argv[4:])
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["rows"] == 2
    assert told["first"] == {
        "data_source": "toy",
        "reward_model": {"style": "rule", "ground_truth": "A"},
        "extra_info": {"index": 0, "id": "row-0", "order": "given"},
    }
    seen = probe(task.model, "main", rows, None, tokens=True)
    assert seen is not None
    assert [list(each.rl) for each in seen.ids] == told["prompts"]  # as doctor shows
    right, lost, cut = told["rewards"]
    assert right["reward_score"] == 1.0
    assert right["reward_extra_info"]["acc"] == 1
    assert (lost["reward_score"], lost["reward_extra_info"]["unparsed"]) == (-1.0, 1)
    assert cut["reward_extra_info"]["tokens"] == 72
    (tally,) = (Path(task.output) / "tallies").glob("*.jsonl")
    assert [json.loads(line)["step"] for line in tally.read_text().splitlines()] == [3, 3, 3]
