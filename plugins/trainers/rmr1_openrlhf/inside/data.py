"""The first step of training: the rows in OpenRLHF's form, and where they came from beside it.

`input` is the list of messages that evaluation would send, `output` a list with one message: what
is to be learned. OpenRLHF would cut a row that is too long in the middle of its answer and end it
there, and the model would learn to stop without a verdict; such rows are left out instead.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rmr1_openrlhf.inside import places, rows


def run(model: str, source: str, output: str, max_length: str) -> int:
    """Write the rows and the template that they need, unless they are there."""
    folder = Path(output)
    sweep(folder / places.RESUME)
    target = folder / places.ROWS
    if target.exists():
        return 0
    tokenizer = rows.tokenizer_of(model)
    first = next(rows.read(Path(source)), None)
    if first is None:
        raise ValueError(f"{source} holds no examples")
    show(tokenizer, first)
    aside = target.with_name(f"{target.name}.part")
    kept, left, template = 0, 0, ""
    with aside.open("w", encoding="utf-8") as file:
        for example, fits in _fitting(tokenizer, Path(source), int(max_length)):
            kept, left = kept + fits, left + (not fits)
            if fits:
                template = template or rows.agreeing(tokenizer, example)
                file.write(json.dumps(as_read(example), ensure_ascii=False) + "\n")
    if template:  # one row is enough: the template that agrees suits them all
        (folder / places.TEMPLATE).write_text(template, encoding="utf-8")
        print("the model's chat template changes answers; training uses one that does not")
    if left:
        print(f"left out: {left} of {kept + left} examples, over {max_length} tokens")
    if not kept:
        raise ValueError(f"every example is longer than max_length, {max_length} tokens")
    aside.rename(target)
    return 0


def as_read(example: rows.Example) -> dict[str, Any]:
    """A row in OpenRLHF's form, with its provenance."""
    return {
        "id": example.id,
        "source": example.source,
        "label": example.label,
        "input": example.prompt,
        "output": example.answer,
    }


def show(tokenizer: Any, example: rows.Example) -> None:
    """Print one example as the model reads it, and where learning begins."""
    ids, prompt = rows.encode(tokenizer, example)
    print(
        f"the first example, {len(ids)} tokens, of which the last {len(ids) - prompt} are learned:"
    )
    print(tokenizer.decode(ids[:prompt]), end="")
    print(f"⟦{tokenizer.decode(ids[prompt:])}⟧", flush=True)


def sweep(folder: Path) -> None:
    """Remove what a killed process left half written: all but the last whole checkpoint. OpenRLHF
    would count it, and remove the whole one in its place."""
    latest = folder / "latest"
    if not folder.is_dir():
        return
    whole = latest.read_text(encoding="utf-8").strip() if latest.exists() else ""
    for tag in folder.iterdir():
        if tag.is_dir() and tag.name != whole:
            shutil.rmtree(tag)


def _fitting(tokenizer: Any, source: Path, max_length: int) -> Iterator[tuple[rows.Example, bool]]:
    for example in rows.read(source):
        yield example, len(rows.encode(tokenizer, example).ids) <= max_length
