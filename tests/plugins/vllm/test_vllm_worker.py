"""The worker's own parts, run by this Python: they need no vLLM."""

import subprocess
import sys
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace

import pytest

from rmr1_vllm import wire
from rmr1_vllm.inside.worker import Rendered, Worker
from rmr1_vllm.session import START

TALK = """
import os, sys
sys.argv = ["start"]
sys.path.insert(0, {inside!r})
import start
start._stand_in_for_the_package()
from rmr1_vllm.inside.streams import Inbox, Outbox, take_over
from rmr1_vllm import wire
source, target = take_over()
print("printed by a library")
os.system("echo printed by a child; cat")
outbox = Outbox(target)
ended = []
inbox = Inbox(source, lambda: ended.append(True))
messages = inbox.read()
for number in range(3):
    outbox.say(wire.Loading(step=f"step {{number}} of {{messages[0].model}}"))
outbox.flush()
assert "rmr1_core" not in sys.modules
"""


def test_what_is_printed_stays_out_of_the_conversation_and_children_get_no_input():
    setup = wire.encode(wire.Setup(model="m", revision="main", arguments={})) + b"\n"
    done = subprocess.run(
        [sys.executable, "-c", TALK.format(inside=str(START.parent))],
        input=setup,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = [wire.from_worker(line) for line in done.stdout.splitlines()]
    assert said == [wire.Loading(step=f"step {number} of m") for number in range(3)]
    assert b"printed by a library" in done.stderr
    assert b"printed by a child" in done.stderr


MUTE = """
import sys, time
sys.argv = ["start"]
sys.path.insert(0, {inside!r})
import start
start._stand_in_for_the_package()
from rmr1_vllm.inside.streams import Outbox, take_over
source, target = take_over()
outbox = Outbox(target)
outbox.put([lambda: {{}}["no such message"]])
time.sleep(60)
"""


def test_a_worker_that_cannot_say_something_ends_with_the_reason():
    done = subprocess.run(
        [sys.executable, "-c", MUTE.format(inside=str(START.parent))],
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.endswith(b"KeyError: 'no such message'\n")


def test_an_answer_that_the_tokenizer_cannot_read_fails_alone():
    class Tokenizer:
        eos = 1

        def text(self, tokens, ends, stop, begun):
            raise IndexError(f"piece id {tokens[0]} is out of range")

    ask = wire.Ask(number=3, messages=(("user", "x"),), max_new_tokens=5)
    completion = SimpleNamespace(token_ids=[999], finish_reason="stop")
    model = SimpleNamespace(max_model_len=8, hf_config=None, try_get_generation_config=dict)
    worker = Worker(None, Tokenizer(), SimpleNamespace(model_config=model), SimpleQueue())
    said = worker._wrote(Rendered(ask, [5], []), SimpleNamespace(outputs=[completion]))
    assert said == wire.Declined(
        number=3,
        why=(
            "the model's tokenizer cannot read the answer: IndexError: piece id 999 is out of range"
        ),
    )


def test_a_worker_that_nobody_talks_to_ends():
    done = subprocess.run(
        [sys.executable, str(START)], input=b"", capture_output=True, timeout=30, check=False
    )
    assert done.returncode == 0
    assert done.stdout == b""


def test_messages_survive_the_wire():
    ask = wire.Ask(
        number=3,
        messages=(("user", "\u2028\n\U0001f600\x00"),),
        max_new_tokens=5,
        seed=1,
        stop=("</answer>",),
    )
    line = wire.encode(ask)
    assert b"\n" not in line
    assert wire.to_worker(line) == ask


BOS_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|><think>{% endif %}"
)
PICKY = "{{ raise_exception('only users talk') if messages[0]['role'] != 'user' }}" + BOS_TEMPLATE


@pytest.fixture(scope="module")
def prompts(tmp_path_factory):
    """A tokenizer that puts a beginning-of-sequence token before every text by itself."""
    from rmr1_vllm.inside.prompts import Prompts

    return Prompts(str(with_bos(tmp_path_factory.mktemp("tokenizer"))), "main", {})


def with_bos(folder: Path) -> Path:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: n for n, token in enumerate(["<pad>", "<eos>", "<bos>", *alphabet])}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.post_processor = processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", 2)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="<pad>",
        eos_token="<eos>",
        bos_token="<bos>",
        chat_template=PICKY,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.save_pretrained(folder)
    return folder


def test_what_prompts_become_tokens_by_is_hashed_as_by_transformers(tmp_path):
    from rmr1_transformers.facts import tokenizing
    from rmr1_vllm.inside.prompts import Prompts

    prompts = Prompts(str(with_bos(tmp_path)), "main", {})
    tokenizer = prompts._tokenizer
    assert prompts.facts == tokenizing(tokenizer)
    hashed = prompts.facts["tokenizer"]
    tokenizer.backend_tokenizer.enable_padding()
    assert prompts.facts["tokenizer"] == hashed
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.add_tokens(["<|another|>"])
    assert prompts.facts["tokenizer"] != hashed


def test_a_prompt_begins_with_exactly_one_bos(prompts):
    ids, other = prompts.ids([(("user", "hello"),), (("user", "a longer one"),)])
    assert ids.count(2) == other.count(2) == 1
    assert ids[0] == other[0] == 2
    assert prompts.text(ids, (), ()).endswith("hello<|assistant|><think>")


def test_a_conversation_that_the_template_refuses_fails_alone(prompts):
    fine, refused = prompts.ids([(("user", "hello"),), (("assistant", "hello"),)])
    assert isinstance(fine, list)
    assert refused == "the model's chat template refuses the conversation: only users talk"


def test_text_ends_after_the_first_stop_string_and_without_the_last_token(prompts):
    (ids,) = prompts.ids([(("user", "a</answer>b</answer>"),)])
    tokens = [*ids[1:], 1]
    assert prompts.text(tokens, (1,), ("</answer>",)) == "<|user|>a</answer>"
    assert prompts.text(tokens, (1,), ()).endswith("<think>")


def test_a_tokenizer_without_a_chat_template_is_refused(tmp_path):
    from rmr1_vllm.inside.prompts import CannotLoadError, Prompts

    folder = with_bos(tmp_path)
    for path in folder.glob("chat_template*"):
        path.unlink()
    with pytest.raises(CannotLoadError, match="no chat template"):
        Prompts(str(folder), "main", {})


def test_an_error_is_put_in_one_line():
    from rmr1_vllm.inside.prompts import first_line

    class Many(ValueError):
        def errors(self):
            return [{"msg": "Value error, too long\nand more"}]

    assert first_line(Many("1 validation error")) == "too long"
    assert first_line(ValueError("first.\nsecond")) == "first"
    assert first_line(KeyError()) == "KeyError"
