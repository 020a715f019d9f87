"""What a model's own tokenizer says about a stage's rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rmr1_core import Check, Message, TrainingRow
from rmr1_core.lookup import resolve
from rmr1_core.tokens import Limits, Probed, SeenRow, probe, token_checks
from rmr1_core.values import Located

ROW = SeenRow(
    prompt="<user>which?<judge>",
    trained="A<end>",
    prompt_tokens=30,
    trained_tokens=10,
    bos=1,
    agrees=True,
    templated=True,
)


def row(**changes: Any) -> SeenRow:
    return msgspec.structs.replace(ROW, **changes)


def checks(*rows: SeenRow, sft: bool = True, limits: Limits | None = None, **changes: Any) -> Any:
    found = Probed(rows=rows, vocabulary=500, embeddings=512, context=100, end="<end>")
    found = msgspec.structs.replace(found, **changes)
    return {check.name: check for check in token_checks(found, limits or Limits(), sft=sft)}


def test_rows_that_a_model_sees_as_it_should_pass() -> None:
    assert list(checks(ROW, row(prompt_tokens=50)).values()) == [
        Check(name="template", ok=True, detail="template and tokenizer agree on 2"),
        Check(name="begin of text", ok=True, detail="one"),
        Check(
            name="loss mask",
            ok=True,
            detail="on 10 of the first row's 40 tokens, the answer and <end>",
        ),
        Check(name="lengths", ok=True, detail="40 to 60 tokens"),
        Check(name="vocabulary", ok=True, detail="500 tokens, 512 embeddings"),
    ]


def test_reinforcement_has_no_loss_mask() -> None:
    assert "loss mask" not in checks(ROW, sft=False)


@pytest.mark.parametrize(
    ("changed", "name", "detail"),
    [
        ({"agrees": False}, "template", "row 2 gets other tokens as a text"),
        ({"bos": 2}, "begin of text", "a prompt has 2"),
    ],
)
def test_a_row_that_would_be_trained_wrongly_is_named(
    changed: dict[str, Any], name: str, detail: str
) -> None:
    check = checks(ROW, row(**changed))[name]
    assert (check.ok, check.detail.startswith(detail)) == (False, True), check


def test_a_template_that_changes_answers_is_named_and_stops_nothing() -> None:
    check = checks(ROW, row(templated=False))["loss mask"]
    assert check.ok
    assert check.detail.endswith(
        "; its chat template would change answers, and does not write them here"
    )


def test_a_tokenizer_that_cannot_end_an_answer_is_refused() -> None:
    check = checks(ROW, end="")["loss mask"]
    assert (check.ok, check.detail) == (False, "the tokenizer has no token that ends an answer")


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused() -> None:
    check = checks(ROW, vocabulary=513)["vocabulary"]
    assert (check.ok, check.detail.partition(";")[0]) == (False, "513 tokens, 512 embeddings")


@pytest.mark.parametrize(
    ("limits", "sft", "ok", "detail"),
    [
        (Limits(max_length=50), True, True, "40 to 60 tokens, max_length 50; 1 of 2 are longer"),
        (Limits(max_length=39), True, False, "40 to 60 tokens: all of 2 are longer than"),
        (Limits(max_length=200), True, False, "200 tokens are asked for, and the model has room"),
        (
            Limits(max_prompt_length=60, max_response_length=40),
            False,
            True,
            "30 to 50 tokens, max_prompt_length 60",
        ),
        (
            Limits(max_prompt_length=60, max_response_length=41),
            False,
            False,
            "101 tokens are asked for, and the model has room for 100",
        ),
    ],
)
def test_lengths_are_held_against_the_stages_limits_and_the_models_context(
    limits: Limits, sft: bool, ok: bool, detail: str
) -> None:
    check = checks(ROW, row(prompt_tokens=50), sft=sft, limits=limits)["lengths"]
    assert (check.ok, check.detail.startswith(detail)) == (ok, True), check


def test_limits_are_the_trainers_options_of_these_names() -> None:
    assert Limits.of(resolve("trainer", "local-sft")) == Limits()
    assert Limits.of(resolve("trainer", "verl-grpo")) == Limits(
        max_prompt_length=4096, max_response_length=8192
    )


MADE = TrainingRow(
    id="1",
    source="made",
    messages=(Message("user", "which is better?\n[A] one\n[B] two"),),
    label="A",
    completion="<answer>[[A]]</answer>",
)


@pytest.mark.slow
@pytest.mark.parametrize("environment", ["", "openrlhf"])
def test_a_real_tokenizer_is_asked_about_real_rows(
    environment: str, tmp_path: Path, managed_environment: Callable[[str], Located]
) -> None:
    texts = ["which is better?\n[A] one\n[B] two\n<answer>[[A]]</answer>"] * 4
    backbone = resolve("backbone", "tiny").prepare(tmp_path / "m", seed=0, corpus=lambda: texts)
    located = managed_environment(environment) if environment else None
    found = probe(backbone.model, "main", [MADE], located)
    assert found is not None
    assert (found.error, found.crash) == ("", "")
    (seen,) = found.rows
    assert MADE.messages[0].content in seen.prompt
    assert seen.trained == f"{MADE.completion}<|im_end|>"
    assert seen.templated
    assert {check.ok for check in token_checks(found, Limits(), sft=True)} == {True}


def test_an_environment_that_cannot_look_is_no_fault_of_the_model(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'ImportError: no such thing' >&2\nexit 1\n")
    python.chmod(0o755)
    located = Located(name="x", variant="cpu", python=python, env={}, label="x")
    assert probe(str(tmp_path), "main", [MADE], located) == Probed(
        crash="ImportError: no such thing"
    )


@pytest.mark.slow
def test_a_folder_without_a_tokenizer_is_an_error_in_a_line(tmp_path: Path) -> None:
    found = probe(str(tmp_path), "main", [MADE], None)
    assert found is not None
    assert "\n" not in found.error
    assert found.error
