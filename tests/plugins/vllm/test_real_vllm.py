"""The real vLLM on a CPU, with models made on the spot: it does what the transformers engine does.

One engine serves most of these tests, because its start takes longest.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from living import ends

from rmr1_core import Backbone, EngineSession, Message, Request, Sampling
from rmr1_core.errors import EngineFailed, UsageError
from rmr1_core.lookup import resolve
from rmr1_core.values import Ref
from rmr1_tiny.backbone import Tiny

pytestmark = pytest.mark.slow

CONTEXT = 512
QUICK = {"dtype": "float32", "enforce_eager": True, "max_num_seqs": 32}


def corpus() -> list[str]:
    return ["question: which is better?\n[A] one\n[B] two", "<answer>[[B]]</answer>", "hello world"]


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    """A judge with random weights that writes varied texts. Many tokens end them, as a model's
    generation settings may say."""
    tiny = Tiny(name="tiny", model="", layers=2, heads=2, context=CONTEXT, initializer_range=0.25)
    prepared = tiny.prepare(tmp_path_factory.mktemp("tiny") / "model", seed=3, corpus=corpus)
    path = Path(prepared.model) / "generation_config.json"
    settings = json.loads(path.read_text())
    settings |= {"eos_token_id": [settings["eos_token_id"], *range(60, 80)], "top_k": 1}
    settings |= {"do_sample": True, "repetition_penalty": 3.0}
    path.write_text(json.dumps(settings))
    return prepared


@pytest.fixture(scope="module")
def session(
    real: Any, backbone: Backbone, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EngineSession]:
    log = str(tmp_path_factory.mktemp("log") / "vllm.log")
    engine = resolve("engine", Ref(name="vllm", options={**QUICK, "log": log}))
    with engine.open(backbone) as opened:
        yield opened


def requests(count: int, **sampling: Any) -> list[Request]:
    long_words = "the answers share a long conversation before them. " * 12
    return [
        Request(
            id=str(number),
            messages=(Message("user", f"{long_words if number % 2 else ''}question {number}"),),
            sampling=Sampling(**{"max_new_tokens": 48, **sampling}),
        )
        for number in range(count)
    ]


def results(session: EngineSession, asked: list[Request]) -> dict[str, Any]:
    return {answer.id: answer.result for answer in session.generate(asked)}


def comparable(results: dict[str, Any]) -> dict[str, Any]:
    return {
        id_: (r.text, r.finish_reason, r.prompt_tokens, r.completion_tokens)
        for id_, r in results.items()
    }


def test_greedy_answers_equal_those_of_transformers(
    session: EngineSession, backbone: Backbone
) -> None:
    asked = requests(24)
    mine = comparable(results(session, asked))
    engine = resolve("engine", Ref(name="transformers", options={"dtype": "float32", "threads": 1}))
    with engine.open(backbone) as reference:
        theirs = comparable(results(reference, asked))
    assert mine == theirs
    assert {reason for _, reason, _, _ in mine.values()} == {"stop", "length"}


def test_answers_go_on_from_a_beginning_as_those_of_transformers(
    session: EngineSession, backbone: Backbone
) -> None:
    text = "hello world <answer> question: which is better?"
    engine = resolve("engine", Ref(name="transformers", options={"dtype": "float32", "threads": 1}))
    with engine.open(backbone) as reference:
        ends = [reference.beginnings([text, "hello"], tokens) for tokens in (1, 3, 9, 999)]
        assert [session.beginnings([text, "hello"], tokens) for tokens in (1, 3, 9, 999)] == ends
        asked = [
            msgspec.structs.replace(request, prefill=text[:end])
            for request, (end, _) in zip(requests(4), ends, strict=True)
        ]
        assert comparable(results(session, asked)) == comparable(results(reference, asked))


def test_an_answer_ends_right_after_a_stop_string_which_stays(
    session: EngineSession, backbone: Backbone
) -> None:
    whole = results(session, requests(24))
    texts = {id_: r.text for id_, r in whole.items()}
    # what many of these random answers have in the middle
    stop = max(
        {text[i : i + 2] for text in texts.values() for i in range(4, 12)} - {""},
        key=lambda s: sum(s in text for text in texts.values()),
    )
    stopped = results(session, requests(24, stop=(stop, "</answer>")))
    ended = 0
    for id_, text in texts.items():
        cuts = [text.index(s) + len(s) for s in (stop, "</answer>") if s in text]
        if cuts:
            ended += 1
            assert stopped[id_].text == text[: min(cuts)]
            assert stopped[id_].finish_reason == "stop"
            assert stopped[id_].completion_tokens <= whole[id_].completion_tokens
    assert ended > 0


def test_shared_beginnings_are_computed_once(session: EngineSession) -> None:
    made = results(session, requests(24))
    assert sum(result.cached_tokens for result in made.values()) > 0


def test_samples_repeat_by_their_seeds(session: EngineSession) -> None:
    first = results(session, requests(12, temperature=1.0, top_p=0.95, seed=5))
    again = results(session, requests(12, temperature=1.0, top_p=0.95, seed=5))
    other = results(session, requests(12, temperature=1.0, top_p=0.95, seed=6))
    assert comparable(first) == comparable(again)
    assert comparable(first) != comparable(other)


def test_what_does_not_fit_is_answered_as_transformers_does(
    session: EngineSession, backbone: Backbone
) -> None:
    texts = ["word " * 200, "word " * 160, "short"]
    asked = [
        Request(id=str(n), messages=(Message("user", text),), sampling=Sampling(max_new_tokens=900))
        for n, text in enumerate(texts)
    ]
    engine = resolve("engine", Ref(name="transformers", options={"dtype": "float32", "threads": 1}))
    with engine.open(backbone) as reference:
        theirs = comparable(results(reference, asked))
    assert comparable(results(session, asked)) == theirs
    assert theirs["0"][1] == "prompt_too_long"


def test_a_caller_who_leaves_early_costs_later_ones_nothing(session: EngineSession) -> None:
    answers = session.generate(requests(60))
    next(iter(answers))
    answers.close()  # type: ignore[attr-defined]
    assert set(results(session, requests(3))) == {"0", "1", "2"}


def test_the_facts_say_how_it_ran(session: EngineSession) -> None:
    facts = session.facts
    assert facts["dtype"] == "float32"
    assert facts["max_model_len"] == str(CONTEXT)
    assert facts["prefix caching"] == "on"
    assert facts["attention"]
    assert int(facts["kv cache tokens"]) > CONTEXT
    assert facts["tokenizer"].startswith("sha256 ")


def test_replicas_share_the_requests_and_leave_nothing(
    real: Any, session: EngineSession, backbone: Backbone
) -> None:
    engine = resolve("engine", Ref(name="vllm", options={**QUICK, "data_parallel_size": 2}))
    with engine.open(backbone) as replicas:
        made = results(replicas, requests(24))
        facts, processes = replicas.facts, below(os.getpid())
    assert comparable(made) == comparable(results(session, requests(24)))
    assert sum(result.cached_tokens for result in made.values()) > 0
    assert facts["data parallel"] == "2"
    mine = set(processes) - set(below(os.getpid()))
    assert len(mine) > 2
    assert all(map(ends, mine))


def below(pid: int) -> list[int]:
    """All processes that any thread of this one started, and those that they started."""
    words: list[str] = []
    for thread in Path(f"/proc/{pid}/task").glob("*"):
        with suppress(OSError):
            words += (thread / "children").read_text().split()
    return [one for word in words for one in (int(word), *below(int(word)))]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"extra": {"max_nun_seqs": 3}}, "did you mean 'max_num_seqs'"),
        ({"max_model_len": 100_000}, "max_model_len"),
    ],
)
def test_what_vllm_does_not_know_is_refused_in_one_sentence(
    real: Any, backbone: Backbone, options: dict[str, Any], words: str
) -> None:
    engine = resolve("engine", Ref(name="vllm", options={**QUICK, **options}))
    with pytest.raises(UsageError, match=words) as refusal, engine.open(backbone):
        pass
    assert "\n" not in str(refusal.value)


def test_damaged_weights_are_reported_with_the_true_error(
    real: Any, backbone: Backbone, tmp_path: Path
) -> None:
    for path in Path(backbone.model).iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    engine = resolve("engine", Ref(name="vllm", options=QUICK))
    damaged = Backbone(name="damaged", model=str(tmp_path))
    with pytest.raises(EngineFailed, match="SafetensorError") as failure, engine.open(damaged):
        pass
    assert "vllm.log" in str(failure.value)


def test_heads_that_a_cpu_cannot_attend_with_are_refused_before_loading(
    real: Any, tmp_path: Path, make_request: Callable[..., Request]
) -> None:
    tiny = Tiny(name="tiny", model="", layers=1, hidden=32, heads=2, context=64)
    prepared = tiny.prepare(tmp_path / "model", seed=0, corpus=corpus)
    engine = resolve("engine", Ref(name="vllm", options=QUICK))
    with pytest.raises(UsageError, match="heads of size 16"), engine.open(prepared):
        pass
