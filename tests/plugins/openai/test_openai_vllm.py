"""Against vLLM's own server, on a CPU, with a small model made on the spot."""

from __future__ import annotations

import socket
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from openai_endpoint import ask as ask_quickly

from rmr1_core import Answer, Backbone, Message, Request, Sampling
from rmr1_core.errors import EngineFailed
from rmr1_core.processes import running

if TYPE_CHECKING:
    from rmr1_core.environments import Located

pytestmark = pytest.mark.slow
CONTEXT = 512
READY_SECONDS = 300
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
TEXTS = [f"the answer to question {n} is <answer>[[{'AB'[n % 2]}]]</answer>" for n in range(16)]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama whose tokenizer begins every text with a BOS, as its chat template does, too."""
    import torch
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    folder = tmp_path_factory.mktemp("served") / "weights"
    ascii_ = [chr(byte) for byte in range(33, 127)] + ["\u0120"]  # which is a space
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=200,
        special_tokens=["<pad>", "<eos>", "<bos>"],
        initial_alphabet=ascii_,
        show_progress=False,
    )
    backend.train_from_iterator(TEXTS, trainer)
    backend.post_processor = processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", backend.token_to_id("<bos>"))]
    )
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", eos_token="<eos>", bos_token="<bos>",
        chat_template=TEMPLATE, clean_up_tokenization_spaces=False,
    )  # fmt: skip
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=64, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, intermediate_size=64, initializer_range=0.5,
        max_position_embeddings=CONTEXT, bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def url(managed_environment: Callable[[str], Located], weights: Path) -> Iterator[str]:
    """vLLM's server for these weights, once it answers."""
    located = managed_environment("vllm")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    argv = [str(located.python), "-m", "vllm.entrypoints.openai.api_server", "--port", str(port)]
    argv += ["--host", "127.0.0.1", "--model", str(weights), "--served-model-name", "judge"]
    argv += ["--dtype", "float32", "--max-model-len", str(CONTEXT), "--max-num-seqs", "16"]
    argv += ["--enable-prompt-tokens-details", "--enforce-eager"]
    log = weights.with_name("server.log")
    with running(argv, env={"VLLM_CPU_KVCACHE_SPACE": "1", **located.env}, log=log) as process:
        _wait(f"http://127.0.0.1:{port}/health", process, log)
        yield f"http://127.0.0.1:{port}/v1"


def _wait(health: str, process: Any, log: Path) -> None:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text(errors="replace")[-3000:]
        try:
            urllib.request.urlopen(health, timeout=5).close()
            return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"not ready: {log.read_text(errors='replace')[-3000:]}")


def ask(url: str, **options: Any) -> list[Answer]:
    """Ask a server that may be slow, and expect no failure."""
    answers = ask_quickly(url, timeout_seconds=300.0, **options)
    failed = [answer.result.error for answer in answers if hasattr(answer.result, "error")]
    assert not failed, failed
    return answers


def requests(**sampling: Any) -> list[Request]:
    options = Sampling(**{"max_new_tokens": 24, **sampling})
    return [
        Request(id=text, messages=(Message("system", "judge"), Message("user", text)),
                sampling=options)
        for text in TEXTS
    ]  # fmt: skip


def by_id(answers: list[Answer]) -> dict[str, Any]:
    return {answer.id: answer.result for answer in answers}


def local(weights: Path, asked: list[Request]) -> dict[str, Any]:
    """What the transformers engine answers."""
    import torch

    from rmr1_core.lookup import resolve
    from rmr1_core.values import Ref

    torch.set_num_threads(1)
    engine = resolve("engine", Ref(name="transformers", options={"dtype": "float32"}))
    with engine.open(Backbone(name="judge", model=str(weights))) as session:
        return by_id(list(session.generate(asked)))


def test_greedy_answers_are_those_of_the_transformers_engine(url: str, weights: Path) -> None:
    """Equal counts of prompt tokens say that there is no second BOS."""
    here, there = local(weights, requests()), by_id(ask(url, requests=requests()))
    assert len(set(map(str, here.values()))) > 4, "a model that says more than one thing"
    for text in TEXTS:
        assert there[text].text == here[text].text
        assert there[text].finish_reason == here[text].finish_reason
        assert there[text].prompt_tokens == here[text].prompt_tokens
        assert there[text].completion_tokens == here[text].completion_tokens


def test_a_stop_string_stays_in_the_text_as_with_the_transformers_engine(
    url: str, weights: Path
) -> None:
    whole = by_id(ask(url, requests=requests()))
    longest = max((result.text for result in whole.values()), key=len)
    stop = longest[5:7]
    here = local(weights, requests(stop=(stop,)))
    there = by_id(ask(url, requests=requests(stop=(stop,))))
    assert any(result.text.endswith(stop) for result in there.values())
    assert {id_: result.text for id_, result in there.items()} == {
        id_: result.text for id_, result in here.items()
    }


def test_a_seed_repeats_a_sample(url: str) -> None:
    sampled = {"temperature": 1.0, "top_p": 0.9}
    first, again, other = (
        {id_: r.text for id_, r in by_id(ask(url, requests=requests(**sampled, seed=n))).items()}
        for n in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_a_prompt_that_is_too_long_is_marked(url: str) -> None:
    long = Request(
        id="long", messages=(Message("user", "word " * CONTEXT),), sampling=requests()[0].sampling
    )
    (answer,) = ask(url, requests=[long])
    assert answer.result.finish_reason == "prompt_too_long"


def test_an_answer_may_be_longer_than_the_context_leaves_room_for(url: str) -> None:
    answers = by_id(ask(url, requests=requests(max_new_tokens=10 * CONTEXT)[:4]))
    assert all(result.finish_reason in ("stop", "length") for result in answers.values())
    assert all(r.prompt_tokens + r.completion_tokens <= CONTEXT for r in answers.values())


def test_a_long_prompt_gets_an_answer_as_long_as_there_is_room(url: str) -> None:
    """Neither alone is longer than the context, and vLLM does not say how long the prompt is."""
    text = "the answer to question is " * 20
    asked = Request(
        id="long", messages=(Message("user", text),), sampling=Sampling(max_new_tokens=CONTEXT - 40)
    )
    (answer,) = ask(url, requests=[asked])
    assert 40 < answer.result.prompt_tokens < CONTEXT - 40
    assert answer.result.finish_reason in ("stop", "length")
    assert answer.result.completion_tokens > 0


def test_a_prefix_that_was_seen_is_told_as_cached(url: str) -> None:
    shared = "the same long beginning of a conversation " * 7
    asked = [
        Request(id=str(n), messages=(Message("user", f"{shared}{n}"),),
                sampling=Sampling(max_new_tokens=2))
        for n in range(4)
    ]  # fmt: skip
    answers = ask(url, requests=asked, max_concurrency=1)
    assert all(answer.result.prompt_tokens > 128 for answer in answers)
    assert [answer.result.cached_tokens > 0 for answer in answers] == [False, True, True, True]


def test_a_model_that_is_not_served_is_told_by_name(url: str) -> None:
    with pytest.raises(EngineFailed, match=r"does not serve the model 'other'.*--model: judge$"):
        ask(url, requests=requests(), model="other")
