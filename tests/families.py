"""Tokenizers in the form of each family of backbones, made for a test.

Templates say what matters of the published ones in our own words: which markers there are, whether
a beginning-of-text token is written, what becomes of a system message and of thoughts.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

CHATML = (
    "{%- if messages[0].role != 'system' -%}"
    "{{ '<|im_start|>system\nYou help.<|im_end|>\n' }}{%- endif -%}"
    "{%- for message in messages -%}"
    "{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}{%- endif -%}"
)
"""As Qwen2.5-Instruct's: a system message of its own where there is none."""
THINKING = (
    "{{ bos_token }}"
    "{%- for message in messages -%}"
    "{%- if message.role == 'system' -%}{{ message.content }}{%- endif -%}"
    "{%- if message.role == 'user' -%}{{ '<|User|>' + message.content }}{%- endif -%}"
    "{%- if message.role == 'assistant' -%}"
    "{{ '<|Assistant|>' + message.content.split('</think>')[-1] + eos_token }}{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|Assistant|><think>\n' }}{%- endif -%}"
)
"""As DeepSeek-R1-Distill's: it begins a text, opens the thought, and drops past thoughts."""
SYSTEMLESS = (
    "{{ bos_token }}"
    "{%- for message in messages -%}"
    "{%- if message.role == 'system' -%}"
    "{{ raise_exception('System role not supported') }}{%- endif -%}"
    "{%- set role = 'model' if message.role == 'assistant' else message.role -%}"
    "{{ '<start_of_turn>' + role + '\n' + message.content | trim + '<end_of_turn>\n' }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<start_of_turn>model\n' }}{%- endif -%}"
)
"""As Gemma's: it begins a text and refuses system messages."""
TEXTS = [
    "user\nassistant\nsystem\nmodel\nHow many minutes are there in a day?\n\n\n[A] 24\n[B] 1400",
    "<answer>[[A]]</answer>\n<type>Reasoning</type>\nThe two responses, A and B, are compared.",
] * 4


def qwen_like(folder: Path) -> Path:
    """ChatML with a system message of its own, byte-level, without a beginning of text."""
    from rmr1_tiny.tokenizer import train_tokenizer

    tokenizer = train_tokenizer(TEXTS, 576)
    tokenizer.chat_template = CHATML
    return _saved(tokenizer, folder)


def tiny(folder: Path) -> Path:
    """The tokenizer of the backbone `tiny`."""
    from rmr1_tiny.tokenizer import train_tokenizer

    return _saved(train_tokenizer(TEXTS, 576), folder)


def deepseek_like(folder: Path) -> Path:
    """Byte-level; the tokenizer itself puts a beginning before every text, as the template does."""
    from tokenizers import decoders, pre_tokenizers

    specials = ["<|begin▁of▁sentence|>", "<|end▁of▁sentence|>", "<|User|>", "<|Assistant|>"]
    byte_level = pre_tokenizers.ByteLevel
    return _made(
        folder,
        specials,
        THINKING,
        before=byte_level(add_prefix_space=False),
        decoder=decoders.ByteLevel(),
        alphabet=byte_level.alphabet(),
        plain=["<think>", "</think>"],
    )


def gemma_like(folder: Path) -> Path:
    """SentencePiece's spaces, a beginning before every text, no system message; what ends a turn
    does not end a text."""
    from tokenizers import decoders, pre_tokenizers

    specials = ["<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"]
    return _made(
        folder,
        specials,
        SYSTEMLESS,
        before=pre_tokenizers.Metaspace(prepend_scheme="never"),
        decoder=decoders.Metaspace(prepend_scheme="never"),
        alphabet=[],
        plain=[],
    )


FAMILIES: dict[str, Callable[[Path], Path]] = {
    "qwen": qwen_like,
    "deepseek": deepseek_like,
    "gemma": gemma_like,
    "tiny": tiny,
}
PROMPTS = {"qwen": "cor-instruct", "deepseek": "cor-reasoning", "gemma": "cor-reasoning",
           "tiny": "compact"}  # fmt: skip
"""How each family is asked where nobody says it; Gemma, which takes no system message, as those
that get none."""


def _made(
    folder: Path,
    specials: list[str],
    template: str,
    *,
    before: Any,
    decoder: Any,
    alphabet: list[str],
    plain: list[str],
) -> Path:
    """A BPE whose first special token begins and whose second ends a text."""
    from tokenizers import AddedToken, Tokenizer, models, processors, trainers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer, backend.decoder = before, decoder
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=specials, initial_alphabet=alphabet, show_progress=False
    )
    printable = ["".join(map(chr, range(32, 127)))] if not alphabet else []
    backend.train_from_iterator([*TEXTS, *printable], trainer)
    backend.add_tokens([AddedToken(token, normalized=False) for token in plain])
    backend.post_processor = processors.TemplateProcessing(
        single=f"{specials[0]} $A", special_tokens=[(specials[0], 0)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token=specials[0],
        eos_token=specials[1],
        extra_special_tokens=specials[2:],
        chat_template=template,
        clean_up_tokenization_spaces=False,
    )
    return _saved(tokenizer, folder)


def _saved(tokenizer: Any, folder: Path) -> Path:
    """The tokenizer with a configuration beside it; weights are not needed to tokenize."""
    from transformers import LlamaConfig

    tokenizer.save_pretrained(folder)
    LlamaConfig(vocab_size=len(tokenizer)).save_pretrained(folder)  # takes any tokenizer as it is
    return folder
