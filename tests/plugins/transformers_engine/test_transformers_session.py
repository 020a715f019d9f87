"""The engine from a folder of weights to answers."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tokenizers import Tokenizer

from rmr1_core import (
    Answer,
    Backbone,
    Completion,
    EvalProtocol,
    Message,
    Ref,
    Request,
    RequestFailed,
    Sampling,
    bench,
    repeating,
)
from rmr1_core.bench import BenchRequest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from rmr1_transformers import TransformersEngine  # noqa: E402

ENGINE = TransformersEngine(name="transformers")
GREEDY = Sampling(max_new_tokens=12)


def backbone(folder: Path) -> Backbone:
    return Backbone(name="random", model=str(folder))


def request(number: int, text: str = "", sampling: Sampling = GREEDY) -> Request:
    messages = (Message("user", text or f"question {number} " + "why " * (number % 7)),)
    return Request(id=f"r{number}", messages=messages, sampling=sampling)


def answers(engine: TransformersEngine, folder: Path, *requests: Request) -> dict[str, Answer]:
    with engine.open(backbone(folder)) as session:
        found = list(session.generate(requests))
    assert len(found) == len(requests)
    return {answer.id: answer for answer in found}


def completion(answer: Answer) -> Completion:
    assert isinstance(answer.result, Completion)
    return answer.result


def test_answers_are_those_of_generate_on_the_chat_template(weights: Path) -> None:
    requests = [request(number) for number in range(20)]
    found = answers(ENGINE, weights, *requests)
    tokenizer = transformers.AutoTokenizer.from_pretrained(weights)
    model = transformers.AutoModelForCausalLM.from_pretrained(weights)
    for asked in requests:
        text = f"<bos><|user|>{asked.messages[0].content}<|assistant|>"
        ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")
        written = model.generate(**ids, max_new_tokens=12, do_sample=False, pad_token_id=0)
        expected = written[0, ids["input_ids"].shape[1] :]
        result = completion(found[asked.id])
        assert result.text == tokenizer.decode(expected, skip_special_tokens=True)
        assert result.prompt_tokens == ids["input_ids"].shape[1]
        assert result.completion_tokens == len(expected)


def test_a_template_that_begins_a_sequence_gives_exactly_one_beginning(
    weights: Path, tokenizer: Any
) -> None:
    assert tokenizer("x")["input_ids"][0] == tokenizer.bos_token_id
    with ENGINE.open(backbone(weights)) as session:
        (ids,) = session._encode([request(1)])
    assert ids.count(tokenizer.bos_token_id) == 1
    assert ids[0] == tokenizer.bos_token_id


def test_a_tokenizer_saved_with_padding_and_truncation_gives_whole_prompts(
    weights: Path, tokenizer: Any
) -> None:
    requests = [request(1), request(6)]
    with ENGINE.open(backbone(weights)) as session:
        expected = session._encode(requests)
    saved = Tokenizer.from_file(str(weights / "tokenizer.json"))
    saved.enable_padding(length=200)
    saved.enable_truncation(5)
    saved.save(str(weights / "tokenizer.json"))
    with ENGINE.open(backbone(weights)) as session:
        assert session._encode(requests) == expected


def test_batching_does_not_change_greedy_answers(weights: Path) -> None:
    requests = [request(number) for number in range(15)]
    together = answers(ENGINE, weights, *requests)
    alone = msgspec.structs.replace(ENGINE, max_batch_size=1)
    assert answers(alone, weights, *requests) == together


def test_samples_of_one_prompt_differ_by_their_seeds(weights: Path) -> None:
    seeds = [Sampling(max_new_tokens=12, temperature=1.0, seed=seed) for seed in range(8)]
    asked = [request(n, "the same", sampling) for n, sampling in enumerate(seeds)]
    texts = {
        id_: completion(answer).text for id_, answer in answers(ENGINE, weights, *asked).items()
    }
    assert len(set(texts.values())) > 4
    again = answers(ENGINE, weights, *asked[3:5])
    assert {id_: completion(answer).text for id_, answer in again.items()} == {
        id_: texts[id_] for id_ in ("r3", "r4")
    }


def test_an_answer_ends_right_after_its_stop_string(weights: Path) -> None:
    plain = completion(answers(ENGINE, weights, request(1))["r1"]).text
    stop = plain[3:5]
    sampling = Sampling(max_new_tokens=12, stop=(stop,))
    result = completion(answers(ENGINE, weights, request(1, sampling=sampling))["r1"])
    assert result.text == plain[: plain.index(stop) + len(stop)]
    assert result.finish_reason == "stop"


def test_a_prompt_that_leaves_no_room_is_reported_as_such(weights: Path) -> None:
    small = msgspec.structs.replace(ENGINE, max_context=30)
    found = answers(small, weights, request(1, "why " * 100), request(2, "so"))
    refused = completion(found["r1"])
    assert refused.finish_reason == "prompt_too_long"
    assert (refused.text, refused.completion_tokens) == ("", 0)
    assert refused.prompt_tokens > 100


def test_an_answer_is_capped_by_what_the_context_leaves(weights: Path) -> None:
    prompt = completion(answers(ENGINE, weights, request(2, "so"))["r2"]).prompt_tokens
    small = msgspec.structs.replace(ENGINE, max_context=prompt + 5)
    capped = completion(answers(small, weights, request(2, "so"))["r2"])
    assert (capped.completion_tokens, capped.finish_reason) == (5, "length")


def test_requests_are_taken_a_window_at_a_time(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rmr1_transformers.session._WINDOW", 4)
    taken = []

    def endless() -> Iterator[Request]:
        number = 0
        while True:
            taken.append(number)
            yield request(number)
            number += 1

    with ENGINE.open(backbone(weights)) as session:
        stream = session.generate(endless())
        first = [next(stream).id for _ in range(6)]
    assert len(taken) == 8
    assert set(first) < {f"r{number}" for number in taken}


def test_a_conversation_that_the_template_refuses_fails_alone(weights: Path) -> None:
    template = weights / "chat_template.jinja"
    refusal = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    )
    template.write_text(refusal + template.read_text())
    asked = request(1)
    with_system = msgspec.structs.replace(
        asked, id="s", messages=(Message("system", "judge"), *asked.messages)
    )
    found = answers(ENGINE, weights, asked, with_system)
    assert completion(found["r1"])
    assert isinstance(found["s"].result, RequestFailed)
    assert "no system" in found["s"].result.error


class Cramped:
    """A device whose memory holds so many tokens of keys and values."""

    def __init__(self, model: Any, tokens: int) -> None:
        self.most, self._tokens = 0, tokens
        self._forward = model.forward
        self.__signature__ = inspect.signature(model.forward)

    def __call__(self, *args: Any, past_key_values: Any, **options: Any) -> Any:
        out = self._forward(*args, past_key_values=past_key_values, **options)
        rows, _, columns, _ = past_key_values.layers[0].keys.shape
        if rows * columns > self._tokens:
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.most = max(self.most, rows * columns)
        return out


def test_a_batch_that_does_not_fit_the_memory_is_halved(weights: Path) -> None:
    requests = [request(number) for number in range(20)]
    expected = answers(ENGINE, weights, *requests)
    with ENGINE.open(backbone(weights)) as session:
        model = session._loaded.model
        model.forward = Cramped(model, 400)
        found = {answer.id: answer for answer in session.generate(requests)}
        assert 100 <= model.forward.most <= 400
    assert found == expected


def test_one_request_that_does_not_fit_fails_and_the_others_go_on(weights: Path) -> None:
    with ENGINE.open(backbone(weights)) as session:
        model = session._loaded.model
        model.forward = Cramped(model, 0)
        results = [answer.result for answer in session.generate([request(1), request(2)])]
    assert len(results) == 2
    assert all(isinstance(r, RequestFailed) and "do not fit" in r.error for r in results)


def test_facts_say_how_the_weights_ran(weights: Path) -> None:
    engine = msgspec.structs.replace(ENGINE, dtype="bfloat16", device="cpu", threads=1)
    with engine.open(backbone(weights)) as session:
        facts = session.facts
    assert facts["torch"] == torch.__version__
    assert facts["dtype"] == "bfloat16"
    assert facts["device"].startswith("cpu")
    assert facts["attention"] == "sdpa"
    assert facts["threads"] == "1"
    for hashed in ("chat template", "tokenizer"):
        assert re.fullmatch("sha256 [0-9a-f]{16}", facts[hashed])


@pytest.mark.usefixtures("sample")
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_this_engine_answers_alike_when_it_is_asked_again(
    weights: Path, tmp_path: Path, temperature: float
) -> None:
    engine = Ref(name="transformers", options={"device": "cpu", "max_batch_size": 5})
    request = BenchRequest(
        benchmarks=(Ref(name="sample-one"),),
        backbone=Ref(name=str(weights)),
        engine=engine,
        prompt=Ref(name="plain"),
        protocol=EvalProtocol(temperature=temperature, max_new_tokens=12),
        repeat=3,
    )
    folder = bench.start(tmp_path, request)
    bench.execute(folder)
    (found,) = repeating.stored(folder / bench.FOLDER)
    assert (found.passes, found.judgments, found.same_text) == (3, 24, 24)
