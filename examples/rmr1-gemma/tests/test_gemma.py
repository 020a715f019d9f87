"""The contracts of backbones and prompts, and a very small Gemma 2 that judges."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rmr1_core import Backbone, Comparison, Message, PromptStrategy, Verdict
from rmr1_core.lookup import resolve
from rmr1_core.testing import check_component
from rmr1_gemma import OneTurn, rmr1_backbones, rmr1_prompts

ROWS = {row.name: row for row in rmr1_backbones()}
(ONE_TURN,) = rmr1_prompts()
PLAIN = Comparison(prompt=(Message("user", "Why?"),), a="Because.", b="I do not know.")
TEMPLATE = """{{ bos_token }}{% if messages[0]['role'] == 'system' %}\
{{ raise_exception('System role not supported') }}{% endif %}{% for message in messages %}\
{{ '<s>' + message['content'] + '</s>' }}{% endfor %}"""
"""As Gemma 2's: it knows no system message."""


@pytest.mark.parametrize("component", [*ROWS.values(), ONE_TURN], ids=lambda c: c.name)
def test_it_keeps_the_contract_of_a_component(component: Backbone | PromptStrategy) -> None:
    check_component(component)


def test_the_older_generation_comes_with_the_prompt_that_it_needs() -> None:
    assert {row.prompt for name, row in ROWS.items() if "gemma2" in name} == {"one-turn"}
    assert {row.prompt for name, row in ROWS.items() if "gemma3" in name} == {""}
    assert all(resolve("prompt", row.prompt) for row in ROWS.values() if row.prompt)


@pytest.mark.parametrize("of", ["cor-instruct", "pairwise", "direct"])
def test_the_words_of_the_other_strategy_are_all_there_in_one_message(of: str) -> None:
    system, user = resolve("prompt", of).render(PLAIN)
    (only,) = OneTurn(name="one-turn", of=of).render(PLAIN)
    assert only == Message("user", f"{system.content}\n\n{user.content}")


def test_a_strategy_without_a_system_message_stays_as_it_is() -> None:
    assert OneTurn(name="o", of="compact").render(PLAIN) == resolve("prompt", "compact").render(
        PLAIN
    )


def test_the_answer_is_read_and_ended_as_the_other_strategy_does() -> None:
    assert ONE_TURN.parse("<answer>[[B]]</answer>") is Verdict.B
    assert OneTurn(name="o", of="direct").stop == resolve("prompt", "direct").stop


def test_a_very_small_gemma_2_that_refuses_system_messages_judges(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch = pytest.importorskip("torch")
    from transformers import AutoTokenizer, Gemma2Config, Gemma2ForCausalLM

    from rmr1_core.cli import run_command

    model = tmp_path / "model"
    resolve("backbone", "tiny").prepare(model, seed=0, corpus=lambda: ["much", "more"] * 50)
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.chat_template = TEMPLATE
    for weights in model.glob("*.safetensors"):
        weights.unlink()
    torch.manual_seed(0)
    size = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "head_dim": 16}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1}
    config = Gemma2Config(vocab_size=len(tokenizer), eos_token_id=0, **size, **heads)
    Gemma2ForCausalLM(config).save_pretrained(model)
    tokenizer.save_pretrained(model)
    judge = ["--backbone", str(model), "--max-new-tokens", "4", "--runs-dir", str(tmp_path / "r")]
    asked = ["bench", "toy", "--limit", "2", "--json", *judge]
    assert run_command([*asked, "--prompt", "one-turn", "-o", "prompt.of=direct"]) == 0
    report = json.loads(capsys.readouterr().out)["reports"][0]
    assert report["validity"]["judgments"] == 4
    assert report["validity"]["prompt_too_long"] == 0
