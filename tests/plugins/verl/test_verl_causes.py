from __future__ import annotations

import pytest

from rmr1_core.jobs import last_error
from rmr1_verl.inside.causes import Causes

WORKER = "\x1b[36m(WorkerDict pid=512, ip=10.0.0.7)\x1b[0m "


def cause(*lines: str) -> Causes:
    found = Causes()
    for line in lines:
        found.look(f"{line}\n")
    return found


def test_the_drivers_own_error_is_the_cause() -> None:
    found = cause(
        f"{WORKER}RuntimeError: an old problem that was mended",
        "ray.exceptions.RayTaskError(ValueError): ray::TaskRunnerV1.run() (pid=3)",
        "  File x.py, line 3, in run",
        "ValueError: train_batch_size (4) must be >= actor.ppo_mini_batch_size (8)",
    )
    assert found.true_one().startswith("ValueError: train_batch_size (4)")


@pytest.mark.parametrize(
    "consequence",
    [
        "ray.exceptions.ActorDiedError: The actor died unexpectedly before finishing this task.",
        "RuntimeError: Engine core initialization failed. See root cause above.",
        "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue.",
        "RuntimeError: Sync replay buffer selected groups with no materializable trajectories.",
    ],
)
def test_what_follows_from_a_workers_error_is_not_the_cause(consequence: str) -> None:
    own = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."
    assert cause(f"{WORKER}{own}", consequence).true_one() == own


def test_vllms_log_lines_are_read() -> None:
    said = "(vLLMHttpServer pid=9) ERROR 11-20 18:59:37 [core.py:842] ValueError: no KV blocks"
    dead = "ray.exceptions.RayActorError: The actor died"
    assert cause(said, dead).true_one() == "ValueError: no KV blocks"


def test_the_worker_inside_of_an_engine_is_read() -> None:
    mark = "\x1b[36m(vLLMHttpServer pid=27)\x1b[0m (Worker pid=43) ERROR 11-20 19:06:45"
    own = "RuntimeError: Unsupported CPU attention configuration: head_dim=16"
    found = cause(
        f"{mark} [multiproc_executor.py:1058] Traceback (most recent call last):",
        f"{mark} [multiproc_executor.py:1058] {own}",
        f"{mark} [core.py:1435] RuntimeError: Worker failed with error 'Unsupported CPU'",
        "RuntimeError: Sync replay buffer selected groups with no materializable trajectories.",
    )
    assert found.true_one() == own


DEATH = """\
ray.exceptions.ActorDiedError: The actor died unexpectedly before finishing this task.
\tclass_name: create_colocated_worker_cls.<locals>.WorkerDict
\tactor_id: 48493a8c4315984286e51dad01000000
\tpid: 24570
\tname: whcUj3WorkerDict_0:0
\tip: 10.0.0.7
The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR Worker exit \
detail: Worker unexpectedly exits with a connection error code 2. End of file. Some common causes \
include: (1) the process was killed by the OOM killer due to high memory usage, (2) others.
"""


def test_of_a_worker_that_was_killed_it_is_said_who_and_how() -> None:
    assert cause(*DEATH.splitlines()).true_one() == (
        "RuntimeError: WorkerDict (pid 24570) was killed (out of memory?): Worker unexpectedly "
        "exits with a connection error code 2. End of file"
    )


def test_what_a_worker_said_before_it_died_is_the_cause() -> None:
    own = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."
    assert cause(f"{WORKER}{own}", *DEATH.splitlines()).true_one() == own


def test_without_another_the_consequence_is_better_than_nothing() -> None:
    died = "ray.exceptions.ActorDiedError: The actor died unexpectedly."
    assert cause("training", died).true_one() == died
    assert cause("training").true_one() == ""


def test_what_ray_waits_for_is_kept() -> None:
    waits = "Warning: The following resource request cannot be scheduled right now: {'GPU': 8.0}."
    assert cause(f"(autoscaler +1m3s) {waits}").waiting.endswith(waits)


def test_the_cause_that_is_printed_last_is_the_jobs_error(tmp_path: object) -> None:
    from pathlib import Path

    log = Path(str(tmp_path)) / "log.txt"
    own = "torch.OutOfMemoryError: CUDA out of memory."
    died = "ray.exceptions.ActorDiedError: The actor died unexpectedly."
    log.write_text(f"{WORKER}{own}\n{died}\n{cause(f'{WORKER}{own}', died).true_one()}\n")
    assert last_error(log, 1) == own
