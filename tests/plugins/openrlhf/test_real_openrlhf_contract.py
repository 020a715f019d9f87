"""The real OpenRLHF, in its environment: it takes our flags, and learns what we mean it to."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from openrlhf_stages import TRAINER, stage_task

from rmr1_core.lookup import resolve, resolve_recipe
from rmr1_core.tokens import probe
from rmr1_openrlhf.checks import checks
from rmr1_openrlhf.inside import data, keys, places, rows
from rmr1_openrlhf.trainer import RELEASE, START

pytestmark = pytest.mark.slow
CONTRACT = Path(__file__).with_name("contract.py")


@pytest.fixture(scope="session")
def inside(managed_environment: Callable[[str], Any]) -> Callable[..., str]:
    """Run one of our programs in the environment, and give what it prints."""
    located = managed_environment("openrlhf")

    def run(*words: str | Path, code: int = 0) -> str:
        done = subprocess.run(
            [located.python, *words],
            env={**os.environ, **located.env, "HF_HUB_OFFLINE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done.stdout if not code else done.stderr

    return run


def test_the_release_of_the_lock_is_the_one_whose_flags_are_used(inside):
    program = "from importlib.metadata import version; print(version('openrlhf'))"
    assert inside("-c", program).strip() == RELEASE


def test_its_parser_takes_the_flags_of_every_recipe(inside):
    (toy,) = resolve_recipe("toy-openrlhf").stages
    for trainer in (TRAINER, resolve("trainer", toy.trainer)):
        job = trainer.plan(stage_task())
        inside(*job.steps[0].argv[1:])


def test_its_parser_knows_every_option_that_we_name(inside):
    words = [w for flag in keys.names(RELEASE).values() for w in (flag,)]
    told = inside(START, "check", "--tell", *words)
    assert "has no flag" not in told


def test_its_parser_refuses_what_it_does_not_know(inside):
    said = inside(START, "check", "--learning_rate", "1", code=2)
    assert said.splitlines()[-1] == (
        "UsageError: OpenRLHF 0.11.2 has no flag --learning_rate; it calls that --adam.lr"
    )


def learned(
    inside: Callable[..., str], folder: Path, model: Path, raw: Path
) -> list[tuple[list[int], list[int]]]:
    """What OpenRLHF reads of our rows: ids, and the places of those that carry loss."""
    folder.mkdir(exist_ok=True)
    data.run(str(model), str(raw), str(folder), "1024")
    said = inside(CONTRACT, "masked", model, folder / places.ROWS, folder / places.TEMPLATE)
    return [(ids, places_) for ids, places_ in json.loads(said.splitlines()[-1])]


@pytest.mark.parametrize("family", ["tiny_folder", "thinking_folder"])
def test_loss_is_on_the_answer_alone_and_tokens_are_those_of_evaluation(
    inside, make_task, tmp_path, family, request, capsys
):
    """With ChatML, as Qwen has, and with a template that drops thoughts, as DeepSeek-R1's does."""
    model = request.getfixturevalue(family)
    task = make_task(model=str(model))
    found = learned(inside, tmp_path / "out", model, Path(task.data))
    tokenizer = rows.tokenizer_of(str(model))
    examples = list(rows.read(Path(task.data)))
    assert len(found) == len(examples)
    for (ids, loss), example in zip(found, examples, strict=True):
        asked = tokenizer.apply_chat_template(
            example.prompt, add_generation_prompt=True, tokenize=True, return_dict=False
        )  # as the engines do
        assert ids[: len(asked)] == asked
        assert loss == list(range(len(asked), len(ids)))
        answer = tokenizer.decode(ids[len(asked) :])
        assert answer == example.answer[0]["content"] + tokenizer.eos_token
        assert "assistant" not in answer
    seen = probe(str(model), "main", request.getfixturevalue("rows"), None, tokens=True)
    assert seen is not None
    assert [list(each.sft) for each in seen.ids] == [ids for ids, _ in found]  # as doctor shows
    shown = [(row.prompt_tokens, row.trained_tokens) for row in seen.rows]
    assert shown == [(len(ids) - len(loss), len(loss)) for ids, loss in found]  # as --check says


def test_packed_rows_stay_apart_under_sdpa_and_steps_are_told_where_they_were(
    inside, make_task, tmp_path
):
    """One look, because it takes long to import all that it needs."""
    task = make_task()
    data.run(task.model, task.data, task.output, "1024")
    said = inside(CONTRACT, "packed", task.model, Path(task.output) / places.ROWS)
    found = json.loads(said.splitlines()[-1])
    assert found["attention"] == "sdpa"
    assert found["difference"] < 1e-5
    assert found["if rows saw one another"] > 1e-3
    assert found["fit"] == ["self", "args", "consumed_samples", "num_update_steps_per_epoch"]
    assert found["step"] == [
        *("self", "args", "global_step", "step_bar", "logs_dict", "client_states")
    ]


def test_rows_and_flags_are_checked_with_the_real_environment(managed_environment, make_task):
    managed_environment("openrlhf")
    trainer = msgspec.structs.replace(TRAINER, max_length=60, extra={"ds.packing_sample": True})
    found = {check.name: check for check in checks(trainer, make_task())}
    assert found["row lengths"].ok
    assert "rows are longer than max_length 60 and are left out" in found["row lengths"].detail
    assert found["OpenRLHF's flags"].detail == (
        "OpenRLHF 0.11.2 has no flag --ds.packing_sample; did you mean --ds.packing_samples?"
    )
