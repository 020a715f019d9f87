from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
from verl_checkpoints import save_checkpoint

from rmr1_core import Message, TrainingRow
from rmr1_core.lookup import resolve
from rmr1_verl.inside import data
from rmr1_verl.inside.settings import Settings

SHORT = (Message("user", "which is better?"),)
LONG = (Message("user", "which of these is better, and why? " * 12),)


def row(number: int, messages: tuple[Message, ...] = SHORT, **changes: Any) -> TrainingRow:
    made = TrainingRow(
        id=f"row-{number}",
        source="toy",
        messages=messages,
        label="A",
        twin=(Message("user", "and the other way round?"),),
    )
    return msgspec.structs.replace(made, **changes)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("tiny") / "model"
    corpus = [m.content for m in (*SHORT, *LONG)] * 20
    resolve("backbone", "tiny").prepare(folder, seed=0, corpus=lambda: corpus)
    return str(folder)


def settings(folder: Path, model: str, rows: list[TrainingRow], **changes: Any) -> Settings:
    file = folder / "data.jsonl"
    file.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    given: dict[str, Any] = {
        "data": str(file),
        "model": model,
        "output": str(folder),
        "events": "",
        "checkpoint": str(folder / "checkpoint"),
        "orders": "given",
        "rollout_batch_size": 2,
        "max_prompt_length": 64,
        "epochs": 3,
        "steps": 0,
        "keep_checkpoints": 1,
        "start_minutes": 1.0,
        "step_minutes": 1.0,
    }
    return Settings(**given | changes)


def written(made: Settings) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(made.parquet).to_pylist()
    return rows


def test_rows_get_verls_columns_and_keep_where_they_came_from(tmp_path: Path, model: str) -> None:
    made = settings(tmp_path, model, [row(0), row(1, label="B")])
    assert data.main(made) == 0
    assert written(made)[1] == {
        "data_source": "toy",
        "prompt": [{"role": "user", "content": "which is better?"}],
        "ability": "judging",
        "reward_model": {"style": "rule", "ground_truth": "B"},
        "extra_info": {"id": "row-1", "index": 1, "order": "given"},
    }
    assert made.total_steps == 3  # one step an epoch


def test_both_orders_make_two_prompts_of_a_pair(tmp_path: Path, model: str) -> None:
    made = settings(tmp_path, model, [row(0)], orders="both")
    data.main(made)
    given, swapped = written(made)
    assert given["reward_model"]["ground_truth"] == "A"
    assert swapped["reward_model"]["ground_truth"] == "B"
    assert swapped["prompt"][0]["content"] == "and the other way round?"
    assert swapped["extra_info"] == {"id": "row-0", "index": 1, "order": "swapped"}


def test_prompts_that_are_too_long_are_left_out_and_counted(
    tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made = settings(tmp_path, model, [row(0), row(1, LONG), row(2)])
    data.main(made)
    assert [line["extra_info"]["id"] for line in written(made)] == ["row-0", "row-2"]
    assert "left out: 1 of 3 prompts, over 64" in capsys.readouterr().out
    assert json.loads(made.manifest.read_text())["left_out"] == 1


def test_too_little_data_for_one_step_says_what_to_change(tmp_path: Path, model: str) -> None:
    made = settings(tmp_path, model, [row(0), row(1, LONG)])
    with pytest.raises(SystemExit, match="1 prompts of at most 64 tokens are fewer than one step"):
        data.main(made)
    assert not made.manifest.exists()


def test_data_that_is_made_is_not_made_again(tmp_path: Path, model: str) -> None:
    made = settings(tmp_path, model, [row(0), row(1)])
    data.main(made)
    before = made.parquet.stat().st_mtime_ns
    data.main(made)
    assert made.parquet.stat().st_mtime_ns == before


def test_changed_data_is_made_anew(tmp_path: Path, model: str) -> None:
    data.main(settings(tmp_path, model, [row(0), row(1)]))
    made = settings(tmp_path, model, [row(0), row(1), row(2), row(3)])
    data.main(made)
    assert len(written(made)) == 4
    assert made.total_steps == 6


def test_a_training_that_began_does_not_go_on_with_other_data(tmp_path: Path, model: str) -> None:
    made = settings(tmp_path, model, [row(0), row(1)])
    data.main(made)
    save_checkpoint(made.checkpoints, 1)
    assert data.main(made) == 0
    with pytest.raises(SystemExit, match="was trained on other data; move it away"):
        data.main(settings(tmp_path, model, [row(0), row(2)]))
    assert data.main(settings(tmp_path, model, [row(0), row(1)], steps=9)) == 0  # longer
