import json
import os
import signal
import subprocess
import time
from pathlib import Path

import msgspec
import pytest
import torch

from rmr1_core import Ref, TrainingRow
from rmr1_core.errors import BadInput, UsageError
from rmr1_local.encoding import encode_traces, fitting, read_rows
from rmr1_local.scoring import Scorer
from rmr1_local.sft import Distillation
from rmr1_local.trainers import LocalSft

TRAINER = LocalSft(name="local-sft", objective="sft", batch_size=6)


def weights(model):
    return {name: w.clone() for name, w in model.state_dict().items()}


def test_tokens_that_name_an_answer_get_their_weight(tokenizer, rows):
    sequence, token_weights = encode_traces(tokenizer, rows[:1], 3.0)[0]
    assert len(token_weights) == len(sequence.completion)
    heavy = [
        tokenizer.decode([token])
        for token, weight in zip(sequence.completion, token_weights, strict=True)
        if weight == 3.0
    ]
    assert heavy == [f"[[{rows[0].label}]]"]
    assert set(token_weights) == {1.0, 3.0}


def test_a_trace_is_the_completion_and_the_end_of_the_turn(tokenizer, rows):
    sequence, _ = encode_traces(tokenizer, rows[:1], 3.0)[0]
    assert tokenizer.decode(sequence.completion) == f"{rows[0].completion}<|im_end|>"
    assert tokenizer.decode(sequence.prompt).endswith("<|im_start|>assistant\n")
    assert rows[0].messages[0].content in tokenizer.decode(sequence.prompt)


def test_the_loss_is_the_weighted_mean_over_completion_tokens(tiny, tokenizer, rows):
    traces = encode_traces(tokenizer, rows[:6], 3.0)
    with torch.no_grad():
        total = sum(
            -(Scorer(tiny)([sequence]).log_probs * torch.tensor(weights)).sum()
            for sequence, weights in traces
        )
    expected = total / sum(sum(weights) for _, weights in traces)
    step = Distillation(TRAINER, tiny, traces, seed=0)
    facts = step(0, torch.optim.SGD(tiny.parameters(), lr=0.0))
    assert facts["loss"] == pytest.approx(expected.item(), rel=1e-4)
    assert facts["tokens"] == sum(sequence.length for sequence, _ in traces)


def test_the_micro_batch_size_changes_memory_and_not_results(tiny, tokenizer, rows):
    traces = encode_traces(tokenizer, rows, 3.0)
    start, results = weights(tiny), []
    for size in (1, 4, 64):
        tiny.load_state_dict(start)
        trainer = msgspec.structs.replace(TRAINER, micro_batch_size=size)
        optimizer = torch.optim.SGD(tiny.parameters(), lr=1.0)
        loss = Distillation(trainer, tiny, traces, seed=0)(0, optimizer)["loss"]
        results.append((loss, weights(tiny)))
    for loss, after in results[1:]:
        assert loss == pytest.approx(results[0][0], rel=1e-4)
        for name, value in after.items():
            torch.testing.assert_close(value, results[0][1][name], rtol=1e-3, atol=1e-5)


def test_the_loss_falls(tiny, tokenizer, rows):
    step = Distillation(TRAINER, tiny, encode_traces(tokenizer, rows, 3.0), seed=0)
    optimizer = torch.optim.AdamW(tiny.parameters(), lr=1e-2)
    losses = [step(number, optimizer)["loss"] for number in range(40)]
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])


def test_examples_longer_than_the_context_are_left_out_and_said(tiny, capsys):
    tiny.config.max_position_embeddings = 10
    assert fitting(["short", "long"], [10, 11], tiny) == ["short"]
    assert "left out: 1 of 2 examples, over 10 tokens" in capsys.readouterr().out


def test_when_no_example_fits_the_error_says_how_long_they_may_be(tiny):
    tiny.config.max_position_embeddings = 10
    with pytest.raises(UsageError, match="longer than the 10 tokens"):
        fitting(["long"], [11], tiny)


def test_data_without_examples_is_an_error(tmp_path):
    (tmp_path / "data.jsonl").touch()
    with pytest.raises(UsageError, match="holds no examples"):
        read_rows(str(tmp_path / "data.jsonl"))


def test_a_malformed_example_is_named_by_its_row(tmp_path, rows):
    good = msgspec.json.encode(rows[0])
    (tmp_path / "data.jsonl").write_bytes(good + b'\n{"id": 3}\n')
    with pytest.raises(BadInput, match=r"data.jsonl, row 2: .*id"):
        read_rows(str(tmp_path / "data.jsonl"))
    assert msgspec.json.decode(good, type=TrainingRow) == rows[0]


def start(job):
    for path, text in job.files.items():
        Path(path).write_text(text)
    with Path(job.log).open("ab") as log:
        return subprocess.Popen(
            job.steps[0].argv, env={**os.environ, **job.env}, stdout=log, stderr=log
        )


def steps_done(job):
    path = Path(job.events)
    return path.read_bytes().count(b"\n") if path.exists() else 0


VARIED = """
from rmr1_core import RewardFunction, hookimpl

class Varied(RewardFunction, frozen=True, kw_only=True):
    def __call__(self, judgment, label):
        return float(sum(map(ord, judgment.completion.text)) % 5)

@hookimpl
def rmr1_rewards():
    return [Varied(name="varied")]
"""
"""A reward that even untrained answers do not all get alike."""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["local-sft", "local-grpo"])
def test_a_killed_worker_ends_with_the_weights_of_an_undisturbed_one(
    make_task, install_plugin, name
):
    from rmr1_local import rmr1_trainers

    install_plugin("varied", VARIED)
    recipe = msgspec.structs.replace(make_task("x", name).recipe, reward=Ref(name="varied"))
    trainer = next(trainer for trainer in rmr1_trainers() if trainer.name == name)
    options = {"steps": 40, "save_every": 7, "learning_rate": 1e-3}
    if name == "local-grpo":
        options |= {"prompts_per_step": 4, "samples_per_prompt": 3, "max_new_tokens": 12}
    trainer = msgspec.structs.replace(trainer, **options)
    whole = trainer.plan(make_task("whole", name, recipe=recipe))
    broken = trainer.plan(make_task("broken", name, recipe=recipe))
    assert start(whole).wait() == 0
    for at in (10, 25):
        process = start(broken)
        while process.poll() is None and steps_done(broken) < at:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert start(broken).wait() == 0

    files = [Path(job.checkpoint, "model.safetensors").read_bytes() for job in (whole, broken)]
    assert files[0] == files[1]
    events = [json.loads(line) for line in Path(broken.events).read_text().splitlines()]
    assert [event.get("step") for event in events] == [*range(1, 41), None]
    assert sum("loss" in event for event in events) > 30, "hardly a step learned anything"


@pytest.mark.slow
def test_a_worker_whose_job_is_done_does_nothing_more(make_task):
    from rmr1_local import rmr1_trainers

    trainer = msgspec.structs.replace(rmr1_trainers()[0], steps=2)
    job = trainer.plan(make_task("out", "local-sft"))
    assert start(job).wait() == 0
    before = Path(job.events).read_bytes()
    assert start(job).wait() == 0
    assert Path(job.events).read_bytes() == before


@pytest.mark.slow
def test_a_failing_worker_leaves_its_error_in_the_log(make_task, tmp_path):
    from rmr1_local import rmr1_trainers

    job = rmr1_trainers()[0].plan(make_task("out", "local-sft", data=str(tmp_path / "absent")))
    assert start(job).wait() != 0
    assert "absent" in Path(job.log).read_text().splitlines()[-1]
