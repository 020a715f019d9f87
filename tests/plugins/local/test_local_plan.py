import sys

import msgspec
import pytest

from rmr1_core import Job, Step
from rmr1_local import rmr1_trainers
from rmr1_local.trainers import GrpoWork, SftWork

TRAINERS = {trainer.name: trainer for trainer in rmr1_trainers()}


@pytest.mark.parametrize(
    ("name", "worker"), [("local-sft", "rmr1_local.sft"), ("local-grpo", "rmr1_local.grpo")]
)
def test_a_plan_is_one_process_with_one_job_file(make_task, name, worker):
    task = make_task("out", name)
    job = TRAINERS[name].plan(task)
    job_file = f"{task.output}/job.json"
    assert job == Job(
        name="stage",
        steps=(Step(argv=(sys.executable, "-m", worker, job_file)),),
        files={job_file: job.files[job_file]},
        env={"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"},
        environment="",
        events=f"{task.output}/metrics.jsonl",
        log=f"{task.output}/log.txt",
        checkpoint=f"{task.output}/checkpoint",
    )


@pytest.mark.parametrize(("name", "type_"), [("local-sft", SftWork), ("local-grpo", GrpoWork)])
def test_the_job_file_tells_the_worker_everything(make_task, name, type_):
    task = make_task("out", name, cpu_seconds=12.5)
    trainer = msgspec.structs.replace(TRAINERS[name], steps=7, learning_rate=0.5)
    (text,) = trainer.plan(task).files.values()
    assert msgspec.json.decode(text, type=type_) == type_(task=task, trainer=trainer)


def test_planning_touches_no_file(make_task, tmp_path):
    task = make_task("out", "local-sft")
    before = sorted(tmp_path.rglob("*"))
    TRAINERS["local-sft"].plan(task)
    assert sorted(tmp_path.rglob("*")) == before


def test_threads_are_told_to_the_process(make_task):
    trainer = msgspec.structs.replace(TRAINERS["local-sft"], threads=3)
    assert trainer.plan(make_task("out", "local-sft")).env["OMP_NUM_THREADS"] == "3"
