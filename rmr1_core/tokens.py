"""What a model makes of its training rows: the probe's answers, and what they say about a stage."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import msgspec

from rmr1_core.components import Trainer
from rmr1_core.hub import prefer_cache_when_unreachable
from rmr1_core.values import Check, Located, TrainingRow, Value

PROBE = Path(__file__).with_name("token_probe.py")
SECONDS = 120.0


class SeenRow(Value, frozen=True):
    """A row as the model sees it. `trained` is what the loss is on, the answer and the token that
    ends it; `templated`, whether the chat template would write the same. Counts are in tokens."""

    prompt: str
    trained: str
    prompt_tokens: int
    trained_tokens: int
    bos: int
    agrees: bool
    templated: bool


class SeenIds(Value, frozen=True):
    """A row's token ids: as evaluation and as reinforcement ask for an answer, and as distillation
    reads prompt and answer."""

    evaluation: tuple[int, ...]
    rl: tuple[int, ...]
    sft: tuple[int, ...]


class Probed(Value, frozen=True):
    """What the probe found. `embeddings` is the model's vocabulary, `vocabulary` its tokenizer's,
    `context` its longest text in tokens, 0 where it does not say, `end` the token that ends an
    answer. `error` is why the model cannot be asked, `crash` why the probe could not look.

    Where it was asked for tokens: `ids` of each row, `pieces` their texts, `special` those that
    are, `begin` the one that begins a text, `library` what has read them.
    """

    rows: tuple[SeenRow, ...] = ()
    vocabulary: int = 0
    embeddings: int = 0
    context: int = 0
    end: str = ""
    error: str = ""
    crash: str = ""
    ids: tuple[SeenIds, ...] = ()
    pieces: Mapping[int, str] = {}
    special: tuple[int, ...] = ()
    begin: int | None = None
    library: str = ""


class Limits(Value, frozen=True):
    """A stage's limits of length, in tokens; None where the trainer has no such option."""

    max_length: int | None = None
    max_prompt_length: int | None = None
    max_response_length: int | None = None

    @classmethod
    def of(cls, trainer: Trainer) -> Limits:
        """Those of the trainer's options that have the field's names for them."""
        return cls(**{name: getattr(trainer, name, None) for name in cls.__struct_fields__})


def probe(
    model: str,
    revision: str,
    rows: Sequence[TrainingRow],
    located: Located | None,
    *,
    tokens: bool = False,
) -> Probed | None:
    """Ask the model's own tokenizer, in the stage's environment where it is built; None where
    transformers is in neither. `tokens`: for every token, too."""
    if located is None and not find_spec("transformers"):
        return None
    prefer_cache_when_unreachable()
    python = str(located.python) if located else sys.executable
    folder = Path(model)
    shown = [{"messages": row.messages, "completion": row.completion} for row in rows]
    asked: dict[str, object] = {"revision": revision, "is_folder": folder.is_dir(), "rows": shown}
    asked["tokens"] = tokens
    asked["model"] = str(folder.absolute()) if folder.is_dir() else model
    try:
        done = subprocess.run(
            [python, "-c", PROBE.read_text(encoding="utf-8")],  # not by its path: see sys.path[0]
            cwd=os.sep,
            input=msgspec.json.encode(asked),
            env={**os.environ, **(located.env if located else {})},
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Probed(crash=f"its tokenizer did not load within {SECONDS:.0f} s")
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        return Probed(crash=said[-1] if said else f"{python} ended with {done.returncode}")
    return msgspec.json.decode(lines[-1], type=Probed)


def token_checks(found: Probed, limits: Limits, *, sft: bool) -> Iterator[Check]:
    """What the model's own view of the rows says about the stage."""
    yield _template(found.rows)
    yield _begin(found.rows)
    if sft:
        yield _mask(found)
    yield _lengths(found, limits, sft=sft)
    yield _vocabulary(found)


def _template(rows: Sequence[SeenRow]) -> Check:
    wrong = [n for n, row in enumerate(rows, start=1) if not row.agrees]
    if wrong:
        detail = f"row {wrong[0]} gets other tokens as a text than from the template itself"
        return Check(name="template", ok=False, detail=detail)
    return Check(name="template", ok=True, detail=f"template and tokenizer agree on {len(rows)}")


def _begin(rows: Sequence[SeenRow]) -> Check:
    most = max(row.bos for row in rows)
    if most > 1:
        detail = f"a prompt has {most}, and a model expects one at most; see its chat template"
        return Check(name="begin of text", ok=False, detail=detail)
    return Check(
        name="begin of text", ok=True, detail="one" if most else "none, as in its template"
    )


def _mask(found: Probed) -> Check:
    """What trainers learn from a row (see `Trainer`); a template has no say in that."""
    name, first = "loss mask", found.rows[0]
    if not found.end:
        return Check(name=name, ok=False, detail="the tokenizer has no token that ends an answer")
    whole = first.prompt_tokens + first.trained_tokens
    detail = (
        f"on {first.trained_tokens:,} of the first row's {whole:,} tokens, the answer and "
        f"{found.end}"
    )
    if not all(row.templated for row in found.rows):
        detail += "; its chat template would change answers, and does not write them here"
    return Check(name=name, ok=True, detail=detail)


def _lengths(found: Probed, limits: Limits, *, sft: bool) -> Check:
    lengths = [row.prompt_tokens + (row.trained_tokens if sft else 0) for row in found.rows]
    name = "max_length" if sft else "max_prompt_length"
    limit: int | None = getattr(limits, name)
    words = f"{min(lengths):,} to {max(lengths):,} tokens"
    asked = (limit or max(lengths)) + (0 if sft else limits.max_response_length or 0)
    if found.context and asked > found.context:
        detail = f"{asked:,} tokens are asked for, and the model has room for {found.context:,}"
        return Check(name="lengths", ok=False, detail=f"{detail}; lower the stage's limits")
    if limit is None:
        return Check(name="lengths", ok=True, detail=words)
    longer = sum(length > limit for length in lengths)
    if longer == len(lengths):
        detail = f"{words}: all of {longer} are longer than {name} {limit:,}; raise it"
        return Check(name="lengths", ok=False, detail=detail)
    note = f"; {longer} of {len(lengths)} are longer" if longer else ""
    return Check(name="lengths", ok=True, detail=f"{words}, {name} {limit:,}{note}")


def _vocabulary(found: Probed) -> Check:
    detail = f"{found.vocabulary:,} tokens, {found.embeddings:,} embeddings"
    if found.vocabulary > found.embeddings:
        detail += "; the tokenizer is not this model's, or was extended without it"
        return Check(name="vocabulary", ok=False, detail=detail)
    return Check(name="vocabulary", ok=True, detail=detail)
