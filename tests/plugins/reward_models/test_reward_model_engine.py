from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec
import pytest
from scored_answers import ANSWERS, PROMPTS, Maker, all_requests, request

from rmr1_core import Answer, Backbone, Completion, Request, RequestFailed, Verdict
from rmr1_core.errors import EngineFailed, UsageError
from rmr1_core.parsing import parse_verdict
from rmr1_core.testing import check_component
from rmr1_reward_models import RewardModelEngine, rmr1_engines

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

ENGINE = RewardModelEngine(name="reward-model")


def answers(engine: RewardModelEngine, folder: Path, *asked: Request) -> dict[str, Answer]:
    with engine.open(Backbone(name="x", model=str(folder))) as session:
        return {answer.id: answer for answer in session.generate(asked)}


def completion(answer: Answer) -> Completion:
    assert isinstance(answer.result, Completion), answer.result
    return answer.result


def scores(engine: RewardModelEngine, folder: Path, *asked: Request) -> list[Any]:
    found = answers(engine, folder, *asked)
    return [completion(found[one.id]).scores for one in asked]


def ids(folder: Path, prompt: str, answer: str) -> list[int]:
    """What the plain library makes of a conversation with its answer."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
    made: list[int] = tokenizer.apply_chat_template(turns, tokenize=True, return_dict=False)
    return made


def logits(folder: Path, prompt: str, answer: str) -> Any:
    """What the plain library says of one conversation alone."""
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        return model(torch.tensor([ids(folder, prompt, answer)])).logits[0]


def sentence(engine: RewardModelEngine, folder: Path) -> str:
    with (
        pytest.raises(UsageError) as caught,
        engine.open(Backbone(name="x", model=str(folder))),
    ):
        pass
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_engines_keep_the_contract_of_components() -> None:
    for engine in rmr1_engines():
        check_component(engine)


@pytest.mark.parametrize("family", ["qwen", "deepseek"])
def test_a_score_is_the_logit_of_the_plain_library(make: Maker, family: str) -> None:
    folder = make("LlamaForSequenceClassification", family)
    found = scores(ENGINE, folder, *(request(n, p, *ANSWERS[:2]) for n, p in enumerate(PROMPTS)))
    for prompt, pair in zip(PROMPTS, found, strict=True):
        for answer, score in zip(ANSWERS, pair, strict=False):
            assert score == pytest.approx(float(logits(folder, prompt, answer)[0]), abs=1e-5)


def test_a_template_that_begins_a_text_gives_exactly_one_beginning(make: Maker) -> None:
    folder = make("LlamaForSequenceClassification", "deepseek")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    assert tokenizer("x")["input_ids"][0] == tokenizer.bos_token_id
    with ENGINE.open(Backbone(name="x", model=str(folder))) as session:
        text = session._scorer.write((request(0, "why", "a", "b").comparison.prompt, "a"))
    assert text.ids.count(tokenizer.bos_token_id) == 1


@pytest.mark.parametrize("pad", [None, 0, "eos", -1])
def test_padding_does_not_change_scores(make: Maker, pad: Any) -> None:
    folder = make("LlamaForSequenceClassification")
    if pad is not None:
        config = transformers.AutoConfig.from_pretrained(folder)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        config.pad_token_id = tokenizer.eos_token_id if pad == "eos" else pad
        config.save_pretrained(folder)
    asked = all_requests()
    alone = scores(msgspec.structs.replace(ENGINE, max_batch_size=1), folder, *asked)
    together = scores(ENGINE, folder, *asked)
    flat = [pytest.approx(pair, abs=1e-5) for pair in alone]
    assert together == flat


def test_every_answer_is_scored_once_whatever_it_is_compared_with(classifier: Path) -> None:
    with ENGINE.open(Backbone(name="x", model=str(classifier))) as session:
        asked = all_requests()
        assert len(list(session.generate(asked))) == len(asked) == 36
        again = [completion(answer) for answer in session.generate(asked)]
        assert session.facts["answers scored"].startswith("12, ")
    assert all(one.cached_tokens == one.prompt_tokens for one in again)


def test_the_place_of_an_answer_makes_no_difference(classifier: Path) -> None:
    first = request(0, "Why?", "so", "because of that")
    second = request(1, "Why?", "because of that", "so")
    ((a, b), (c, d)) = scores(ENGINE, classifier, first, second)
    assert (a, b) == (d, c)


def test_the_verdict_is_that_of_the_scores_and_the_parser_reads_it(classifier: Path) -> None:
    for answer in answers(ENGINE, classifier, *all_requests()).values():
        made = completion(answer)
        assert made.scores is not None
        a, b = made.scores
        assert parse_verdict(made.text) is (Verdict.A if a > b else Verdict.B)
        assert f"{a:.6g}" in made.text


def test_equal_scores_are_a_tie(classifier: Path) -> None:
    [answer] = answers(ENGINE, classifier, request(0, "Why?", "so", "so")).values()
    assert parse_verdict(completion(answer).text) is Verdict.TIE


def test_a_text_that_does_not_fit_is_told_and_not_cut(classifier: Path) -> None:
    long = request(0, "Why?", "so " * 600, "so")
    found = answers(ENGINE, classifier, long, request(1, "Why?", "yes", "no"))
    assert completion(found["r0"]).finish_reason == "prompt_too_long"
    assert completion(found["r0"]).scores is None
    assert completion(found["r1"]).scores is not None


def test_what_compares_nothing_fails_alone(classifier: Path) -> None:
    asked = msgspec.structs.replace(request(0, "Why?", "a", "b"), comparison=None)
    found = answers(ENGINE, classifier, asked, request(1, "Why?", "a", "b"))
    assert isinstance(found["r0"].result, RequestFailed)
    assert completion(found["r1"]).scores


def test_a_score_that_is_no_number_fails_its_comparisons(
    classifier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ENGINE.open(Backbone(name="x", model=str(classifier))) as session:
        session._scorer.score = lambda texts: [math.nan] * len(texts)
        [answer] = session.generate([request(0, "Why?", "a", "b")])
    assert isinstance(answer.result, RequestFailed)
    assert "nan" in answer.result.error


def test_a_batch_that_does_not_fit_the_memory_is_halved(classifier: Path) -> None:
    asked = all_requests()
    expected = scores(ENGINE, classifier, *asked)
    with ENGINE.open(Backbone(name="x", model=str(classifier))) as session:
        plain, sizes = session._scorer.score, []

        def cramped(texts: Any) -> Any:
            sizes.append(len(texts))
            if len(texts) > 3:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return plain(texts)

        session._scorer.score = cramped
        found = {answer.id: completion(answer).scores for answer in session.generate(asked)}
    assert sizes[:3] == [12, 6, 3]
    assert [found[one.id] for one in asked] == [pytest.approx(pair, abs=1e-5) for pair in expected]


# which number


@pytest.mark.parametrize(
    ("score", "weights"), [("0", (1, 0)), ("-1", (0, 1)), ("-1,1", (-1, 1)), ("0.25, 2", (0.25, 2))]
)
def test_one_of_several_numbers_or_a_sum_of_them_is_the_reward(
    make: Maker, score: str, weights: tuple[float, float]
) -> None:
    folder = make("LlamaForSequenceClassification", num_labels=2)
    engine = msgspec.structs.replace(ENGINE, score=score)
    [(a, _)] = scores(engine, folder, request(0, "Why?", "so", "no"))
    expected = float(logits(folder, "Why?", "so") @ torch.tensor(weights, dtype=torch.float32))
    assert a == pytest.approx(expected, abs=1e-5)


def test_several_numbers_are_not_chosen_from_by_accident(make: Maker) -> None:
    folder = make("LlamaForSequenceClassification", num_labels=3)
    assert "3 numbers" in sentence(ENGINE, folder)
    assert "--score" in sentence(ENGINE, folder)
    assert "places" in sentence(msgspec.structs.replace(ENGINE, score="3"), folder)
    assert "weights" in sentence(msgspec.structs.replace(ENGINE, score="1,2"), folder)
    assert "no place" in sentence(msgspec.structs.replace(ENGINE, score="first one"), folder)


def test_an_output_that_the_model_does_not_have_is_named(classifier: Path) -> None:
    engine = msgspec.structs.replace(ENGINE, score="rewards")
    with pytest.raises(EngineFailed, match="no output 'rewards'; it has logits"):
        scores(engine, classifier, request(0, "Why?", "a", "b"))


def test_a_model_that_writes_is_no_reward_model(make: Maker) -> None:
    said = sentence(ENGINE, make("LlamaForCausalLM"))
    assert "score.weight" in said
    assert "--engine dpo-reward" in said


# heads


def by_hand(folder: Path, head: dict[str, Any], prompt: str, answer: str, place: int = -1) -> float:
    model = transformers.AutoModel.from_pretrained(folder).eval()
    with torch.no_grad():
        hidden = model(torch.tensor([ids(folder, prompt, answer)])).last_hidden_state[0, place]
    return float(hidden @ head["weight"][0] + head["bias"])


@pytest.fixture
def head() -> dict[str, Any]:
    torch.manual_seed(5)
    return {"weight": torch.randn(1, 32), "bias": torch.randn(1)}


def test_a_head_in_a_file_of_its_own(make: Maker, head: dict[str, Any], tmp_path: Path) -> None:
    from safetensors.torch import save_file

    folder, file = make("LlamaForCausalLM"), tmp_path / "head.safetensors"
    save_file({f"head.{name}": tensor for name, tensor in head.items()}, file)
    engine = msgspec.structs.replace(ENGINE, head=str(file))
    found = scores(engine, folder, *all_requests())
    for one, (a, _) in zip(all_requests(), found, strict=True):
        assert one.comparison is not None
        expected = by_hand(folder, head, one.comparison.prompt[0].content, one.comparison.a)
        assert a == pytest.approx(expected, abs=1e-4)


def test_a_value_head_among_the_weights(make: Maker, head: dict[str, Any]) -> None:
    from safetensors.torch import load_file, save_file

    folder = make("LlamaForCausalLM")
    file = folder / "model.safetensors"
    tensors = {f"v_head.summary.{name}": tensor for name, tensor in head.items()}
    save_file({**load_file(file), **tensors}, file, metadata={"format": "pt"})
    engine = msgspec.structs.replace(ENGINE, head="v_head.summary")
    [(a, _)] = scores(engine, folder, request(0, "Why?", "so", "no"))
    assert a == pytest.approx(by_hand(folder, head, "Why?", "so"), abs=1e-4)


def test_a_head_may_read_the_token_that_ends_the_turn(
    make: Maker, head: dict[str, Any], tmp_path: Path
) -> None:
    folder, file = make("LlamaForCausalLM"), tmp_path / "value_head.bin"
    torch.save(head, file)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    end = ids(folder, "Why?", "so")
    tokenizer.eos_token = tokenizer.convert_ids_to_tokens(end[-2])
    tokenizer.save_pretrained(folder)
    engine = msgspec.structs.replace(ENGINE, head=str(file), head_token="eos")
    [(a, _)] = scores(engine, folder, request(0, "Why?", "so", "no"))
    place = max(n for n, token in enumerate(end) if token == end[-2])
    assert a == pytest.approx(by_hand(folder, head, "Why?", "so", place), abs=1e-4)


def test_a_head_that_is_not_there_or_of_another_model_is_named(make: Maker, tmp_path: Path) -> None:
    folder = make("LlamaForSequenceClassification")
    missing = sentence(msgspec.structs.replace(ENGINE, head="v_head"), folder)
    assert "no tensor v_head.weight" in missing
    assert "score.weight" in missing
    torch.save({"weight": torch.zeros(1, 8)}, tmp_path / "head.pt")
    other = msgspec.structs.replace(ENGINE, head=str(tmp_path / "head.pt"))
    assert "1x8" in sentence(other, folder)
    torch.save({"a.weight": torch.zeros(1, 8), "b.weight": torch.zeros(1, 8)}, tmp_path / "two.pt")
    two = msgspec.structs.replace(ENGINE, head=str(tmp_path / "two.pt"))
    assert "a.weight, b.weight" in sentence(two, folder)


def test_a_template_may_be_given(classifier: Path, tmp_path: Path) -> None:
    template = tmp_path / "plain.jinja"
    template.write_text("{% for m in messages %}{{ m['content'] }};{% endfor %}")
    engine = msgspec.structs.replace(ENGINE, chat_template=str(template))
    with engine.open(Backbone(name="x", model=str(classifier))) as session:
        text = session._scorer.write((request(0, "why", "a", "b").comparison.prompt, "so"))
    tokenizer = transformers.AutoTokenizer.from_pretrained(classifier)
    assert tokenizer.decode(text.ids) == "why;so;"
    lost = msgspec.structs.replace(ENGINE, chat_template=str(tmp_path / "none.jinja"))
    assert "chat template" in sentence(lost, classifier)
