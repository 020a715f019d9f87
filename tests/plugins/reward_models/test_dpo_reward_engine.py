from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from scored_answers import ANSWERS, PROMPTS, Maker, all_requests, request

from rmr1_core import Backbone, Completion, Request
from rmr1_core.errors import UsageError
from rmr1_reward_models import DpoRewardEngine

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

ENGINE = DpoRewardEngine(name="dpo-reward")


@pytest.fixture(scope="module", params=["qwen", "deepseek"])
def models(request: pytest.FixtureRequest, make: Maker) -> tuple[Path, Path]:
    """A policy and its reference."""
    return tuple(make("LlamaForCausalLM", request.param, seed=seed) for seed in (1, 2))  # type: ignore[return-value]


def scores(engine: DpoRewardEngine, folder: Path, *asked: Request) -> dict[tuple[str, str], float]:
    """The score of every answer to every prompt."""
    found = {}
    with engine.open(Backbone(name="x", model=str(folder))) as session:
        made = {answer.id: answer.result for answer in session.generate(asked)}
    for one in asked:
        result = made[one.id]
        assert isinstance(result, Completion), result
        assert result.scores is not None
        assert one.comparison is not None
        prompt = one.comparison.prompt[0].content
        found[prompt, one.comparison.a] = result.scores[0]
    return found


HEADERS = {"<|im_start|>": "<|im_start|>assistant\n", "<|Assistant|>": "<|Assistant|>"}


@lru_cache
def plain_model(folder: Path) -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(folder).eval()


def by_hand(folder: Path, prompt: str, answer: str) -> list[float]:
    """Log-probabilities of the answer's tokens, one text at a time, with the plain library."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
    text = tokenizer.apply_chat_template(turns, tokenize=False)
    [header] = [header for mark, header in HEADERS.items() if mark in text]
    before = text.rindex(header) + len(header)
    coded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids = torch.tensor([coded["input_ids"]])
    with torch.no_grad():
        steps = plain_model(folder)(ids).logits[0].log_softmax(-1)
    return [
        float(steps[place - 1, ids[0, place]])
        for place, (_, end) in enumerate(coded["offset_mapping"])
        if end > before
    ]


def test_the_reward_is_that_of_a_hand_computation(models: tuple[Path, Path]) -> None:
    policy, reference = models
    engine = msgspec.structs.replace(ENGINE, reference=str(reference), beta=0.5)
    found = scores(engine, policy, *all_requests())
    assert len(found) == len(PROMPTS) * len(ANSWERS)
    for (prompt, answer), score in found.items():
        mine, theirs = (by_hand(folder, prompt, answer) for folder in models)
        assert score == pytest.approx(0.5 * (sum(mine) - sum(theirs)), abs=1e-3)


@pytest.mark.parametrize("over", ["sum", "mean", "norm"])
def test_without_a_reference_it_is_the_log_probability_itself(make: Maker, over: Any) -> None:
    folder = make("LlamaForCausalLM")
    engine = msgspec.structs.replace(ENGINE, over_tokens=over, beta=1.0)
    [score] = scores(engine, folder, request(0, "Why?", "so it is", "no")).values()
    steps = by_hand(folder, "Why?", "so it is")
    expected = {
        "sum": sum(steps),
        "mean": sum(steps) / len(steps),
        "norm": -(sum(step**2 for step in steps) ** 0.5),
    }[over]
    assert score == pytest.approx(expected, abs=1e-3)


def test_padding_does_not_change_rewards(models: tuple[Path, Path]) -> None:
    engine = msgspec.structs.replace(ENGINE, reference=str(models[1]))
    alone = msgspec.structs.replace(engine, max_batch_size=1)
    together = scores(engine, models[0], *all_requests())
    assert together == pytest.approx(scores(alone, models[0], *all_requests()), abs=1e-4)


def test_the_tokens_of_an_answer_are_its_own_turn_with_what_ends_it(make: Maker) -> None:
    folder = make("LlamaForCausalLM")
    with ENGINE.open(Backbone(name="x", model=str(folder))) as session:
        prompt = request(0, "Why?", "a", "b").comparison.prompt  # type: ignore[union-attr]
        texts = [session._scorer.write((prompt, answer)) for answer in ANSWERS]
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    own = [tokenizer.decode(text.ids[text.start :]) for text in texts]
    assert own[:3] == [f"{answer}<|im_end|>\n" for answer in ANSWERS[:3]]
    assert own[3].endswith("\n\nNo.<|im_end|>\n")


def test_a_policy_that_is_its_own_reference_has_no_reward(models: tuple[Path, Path]) -> None:
    engine = msgspec.structs.replace(ENGINE, reference=str(models[0]))
    assert set(scores(engine, models[0], *all_requests()).values()) == {0.0}


def sentence(engine: DpoRewardEngine, folder: Path) -> str:
    with (
        pytest.raises(UsageError) as caught,
        engine.open(Backbone(name="x", model=str(folder))),
    ):
        pass
    return str(caught.value)


def test_a_reference_with_other_tokens_is_refused(make: Maker) -> None:
    folder, other = make("LlamaForCausalLM"), make("LlamaForCausalLM", "deepseek")
    said = sentence(msgspec.structs.replace(ENGINE, reference=str(other)), folder)
    assert "another vocabulary" in said


def test_a_norm_is_not_taken_of_ratios(models: tuple[Path, Path]) -> None:
    engine = msgspec.structs.replace(ENGINE, reference=str(models[1]), over_tokens="norm")
    assert "--over-tokens norm" in sentence(engine, models[0])
