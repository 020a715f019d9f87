"""The contract of a trainer, and the real TRL on a very small model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rmr1_core import Ref, Stage, TrainingRow, TrainingTask
from rmr1_core.errors import UsageError
from rmr1_core.jsonl import read, write
from rmr1_core.lookup import resolve, resolve_recipe
from rmr1_core.testing import check_component
from rmr1_trl import TrlGrpo, Work, rmr1_trainers

(TRAINER,) = rmr1_trainers()
QUICK = TrlGrpo(
    name="trl-grpo",
    objective="rl",
    steps=2,
    prompts_per_step=2,
    samples_per_prompt=3,
    max_new_tokens=6,
    save_every=1,
    learning_rate=1e-3,
    extra={"use_cpu": True, "bf16": False},
)


def a_task(folder: Path) -> TrainingTask:
    recipe = resolve_recipe("toy")
    stage = Stage(name="rl", trainer=Ref(name="trl-grpo"), dataset=Ref(name="toy"), split="rl")
    return TrainingTask(
        recipe=recipe,
        stage=stage,
        model=str(folder / "model"),
        data=str(folder / "data.jsonl"),
        output=str(folder / "out"),
        seed=1,
    )


def rows(task: TrainingTask) -> Iterator[TrainingRow]:
    prompt = resolve("prompt", task.recipe.prompt)
    dataset = resolve("dataset", Ref(name="toy", options={"rl_items": 8}))
    for example in dataset.examples("rl", seed=0):
        yield TrainingRow(
            id=example.pair.id,
            source="toy",
            messages=prompt.render(example.pair.comparison(example.chosen_first)),
            label="A" if example.chosen_first else "B",
            twin=prompt.render(example.pair.comparison(not example.chosen_first)),
        )


def test_it_keeps_the_contract_of_a_component() -> None:
    check_component(TRAINER)


def test_the_job_is_one_process_whose_file_says_all(tmp_path: Path) -> None:
    task = a_task(tmp_path)
    job = QUICK.plan(task)
    (path,) = job.files
    assert job.steps[0].argv[1:] == ("-m", "rmr1_trl.worker", path)
    assert msgspec.json.decode(job.files[path], type=Work) == Work(task, QUICK)
    assert job.checkpoint == str(tmp_path / "out" / "checkpoint")
    assert not (tmp_path / "out").exists()


def test_what_is_extra_reaches_trl_as_it_is() -> None:
    more = msgspec.structs.replace(QUICK, extra={"use_vllm": True, "beta": 0.5})
    assert {"use_vllm": True, "beta": 0.5, "max_steps": 2}.items() <= more.arguments(
        cuda=True
    ).items()


def test_a_budget_of_cpu_time_is_refused(tmp_path: Path) -> None:
    task = msgspec.structs.replace(a_task(tmp_path), cpu_seconds=5.0)
    with pytest.raises(UsageError, match="counts steps"):
        QUICK.plan(task)


def test_the_real_trl_trains_resumes_and_leaves_a_judge(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("trl")
    from rmr1_core.cli import run_command
    from rmr1_trl.worker import main

    task = a_task(tmp_path)
    data = list(rows(task))
    write(Path(task.data), data)
    texts = [message.content for row in data for message in row.messages]
    resolve("backbone", "tiny").prepare(Path(task.model), seed=0, corpus=lambda: texts)

    def run(trainer: TrlGrpo) -> list[dict[str, Any]]:
        job = trainer.plan(task)
        ((path, text),) = job.files.items()
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)
        main(path)
        return list(read(Path(job.events), dict[str, Any]))

    first = run(QUICK)
    assert [line["event"] for line in first] == ["step", "step", "done"]
    assert {"reward_mean", "loss", "kl", "response_length", "unparsed"} <= first[0].keys()
    assert -1 <= first[0]["reward_mean"] <= 1
    judge = Path(task.output) / "checkpoint"
    asked = ["bench", "toy", "--backbone", str(judge), "--limit", "2", "--max-new-tokens", "4"]
    capsys.readouterr()
    assert run_command([*asked, "--runs-dir", str(tmp_path / "runs"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["reports"][0]["validity"]["judgments"] == 4
    assert run(QUICK) == first, "what is done is done again"

    judge.rename(tmp_path / "aside")  # as if it was killed after two of three steps
    again = run(msgspec.structs.replace(QUICK, steps=3))
    assert [line.get("step") for line in again] == [1, 2, 3, None]
    assert again[:2] == first[:2]
