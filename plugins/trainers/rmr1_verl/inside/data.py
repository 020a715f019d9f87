"""The stage's rows as veRL reads them: a parquet of prompts, labels, and where each came from.

A prompt that is longer than the limit is left out here, not by veRL, so that the number of steps is
known before anything starts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rmr1_verl.inside.settings import Settings

STYLE = "rule"
"""veRL's word for a reward that follows from a ground truth."""
BATCH = 256
OTHER = {"A": "B", "B": "A"}


def main(settings: Settings, _: Sequence[str] = ()) -> int:
    """Write the parquet, unless it was made from just this already."""
    wanted = _origin(settings)
    if settings.manifest.exists():
        if json.loads(settings.manifest.read_text())["made"] == wanted:
            return 0
        if settings.steps_done:
            raise SystemExit(
                f"ValueError: {settings.checkpoints.folder} was trained on other data; move it "
                "away to begin anew"
            )
        settings.manifest.unlink()
    rows = list(records(Path(settings.data), settings.orders))
    kept = fitting(rows, settings.model, settings.max_prompt_length)
    if left_out := len(rows) - len(kept):
        print(f"left out: {left_out} of {len(rows)} prompts, over {settings.max_prompt_length}")
    if len(kept) < settings.rollout_batch_size:
        raise SystemExit(
            f"ValueError: {len(kept)} prompts of at most {settings.max_prompt_length} tokens are "
            f"fewer than one step's {settings.rollout_batch_size}; set rollout_batch_size or "
            "max_prompt_length of verl-grpo, or take more data"
        )
    _write(kept, settings.parquet)
    made = {"made": wanted, "rows": len(kept), "left_out": left_out}
    settings.manifest.write_text(json.dumps(made, indent=1), encoding="utf-8")
    return 0


def records(data: Path, orders: str) -> Iterator[dict[str, Any]]:
    """The rows of a file of JSON lines in veRL's columns, each in its own order of the two answers
    or in both."""
    with data.open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            yield _record(row, row["messages"], row["label"], "given")
            if orders == "both" and row.get("twin"):
                yield _record(row, row["twin"], OTHER[row["label"]], "swapped")


def fitting(rows: Sequence[dict[str, Any]], model: str, limit: int) -> list[dict[str, Any]]:
    """The rows whose prompts have at most `limit` tokens, numbered."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    kept = []
    for start in range(0, len(rows), BATCH):
        part = rows[start : start + BATCH]
        texts = [
            tokenizer.apply_chat_template(row["prompt"], add_generation_prompt=True, tokenize=False)
            for row in part
        ]
        lengths = [len(ids) for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]]
        kept += [row for row, length in zip(part, lengths, strict=True) if length <= limit]
    for index, row in enumerate(kept):
        row["extra_info"]["index"] = index
    return kept


def _record(
    row: dict[str, Any], messages: list[dict[str, str]], label: str, order: str
) -> dict[str, Any]:
    return {
        "data_source": row["source"],
        "prompt": [{"role": turn["role"], "content": turn["content"]} for turn in messages],
        "ability": "judging",
        "reward_model": {"style": STYLE, "ground_truth": label},
        "extra_info": {"index": 0, "id": row["id"], "order": order},
    }


def _write(rows: Sequence[dict[str, Any]], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.part")
    pq.write_table(pa.Table.from_pylist(list(rows)), aside)
    aside.replace(path)


def _origin(settings: Settings) -> dict[str, Any]:
    """What the parquet depends on."""
    digest = hashlib.sha256()
    with Path(settings.data).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return {
        "data": digest.hexdigest(),
        "model": settings.model,
        "orders": settings.orders,
        "rollout_batch_size": settings.rollout_batch_size,
        "max_prompt_length": settings.max_prompt_length,
    }
