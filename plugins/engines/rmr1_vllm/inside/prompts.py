"""Conversations to token ids and back, with the model's own tokenizer.

Ids, not text, go to vLLM: the chat template's own beginning-of-sequence token is then the only one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from itertools import takewhile
from typing import Any

from rmr1_vllm import wire


class CannotLoadError(Exception):
    """What was given cannot work; one sentence."""


class Prompts:
    """The tokenizer of one model."""

    def __init__(self, model: str, revision: str, arguments: Mapping[str, Any]) -> None:
        from transformers import AutoTokenizer

        name = arguments.get("tokenizer") or model
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(
                name,
                revision=arguments.get("tokenizer_revision") or revision,
                trust_remote_code=bool(arguments.get("trust_remote_code")),
            )
        except Exception as error:  # the boundary to the hub and to foreign files
            raise CannotLoadError(
                f"the tokenizer of {name!r} cannot be loaded: {first_line(error)}; check the name "
                "and the network, or give a folder with the weights: --backbone PATH"
            ) from error
        if not self._tokenizer.chat_template:
            raise CannotLoadError(
                f"the tokenizer of {name!r} has no chat template, so conversations cannot be put "
                "into its words; use the model's instruct version, or add a chat_template.jinja "
                "to its folder"
            )
        # the first call may change the tokenizer's own settings; later ones only read, so that
        # one thread may encode while another decodes
        sample = [{"role": "user", "content": "hello"}]
        self._encode: Callable[[list[str]], list[list[int]]] = self._encode_plainly
        with suppress(Exception):  # a template that refuses it, a tokenizer without a backend
            (text,) = self._rendered([sample])
            if self._encode_fast([text]) == self._encode_plainly([text]):
                self._encode = self._encode_fast

    @property
    def facts(self) -> dict[str, str]:
        """Hashes of what prompts become tokens by, as the engine `transformers` has them. Padding
        and truncation are for batches."""
        tokenizer = self._tokenizer
        parts = tokenizer.get_vocab()
        if tokenizer.is_fast:
            parts = json.loads(tokenizer.backend_tokenizer.to_str())
            parts = {**parts, "padding": None, "truncation": None}
        return {
            "chat template": _hash(str(tokenizer.chat_template)),
            "tokenizer": _hash(json.dumps(parts, sort_keys=True)),
        }

    @property
    def eos(self) -> int | None:
        """The tokenizer's own end-of-sequence token."""
        number: int | None = self._tokenizer.eos_token_id
        return number

    def ids(self, messages: Sequence[Sequence[tuple[str, str]]]) -> list[list[int] | str]:
        """Token ids of each conversation, or why it cannot be rendered."""
        conversations = [
            [{"role": role, "content": content} for role, content in conversation]
            for conversation in messages
        ]
        try:
            return self._ids(conversations)
        except Exception:  # the boundary to a foreign template, which may refuse some of them
            return [self._ids_or_why(conversation) for conversation in conversations]

    def begun(self, text: str) -> list[int]:
        """Token ids of what an answer begins with."""
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def first_tokens(self, text: str, tokens: int) -> int:
        """How many characters the first so many tokens are; all where there are no more."""
        if self._tokenizer.is_fast:
            encoded = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
            offsets = encoded["offset_mapping"]
            return len(text) if len(offsets) <= tokens else max(end for _, end in offsets[:tokens])
        ids = self.begun(text)
        if len(ids) <= tokens:
            return len(text)
        alike = (a == b for a, b in zip(self._tokenizer.decode(ids[:tokens]), text, strict=False))
        return sum(takewhile(bool, alike))  # a character that is cut in two is not there

    def text(
        self, tokens: Sequence[int], ends: Collection[int], stop: Sequence[str],
        begun: Sequence[int] = (),
    ) -> str:  # fmt: skip
        """What was written after what the answer began with, up to the end of the first stop
        string in it."""
        written = tokens[:-1] if tokens and tokens[-1] in ends else tokens
        text: str = self._tokenizer.decode([*begun, *written], skip_special_tokens=True)
        if begun:  # some tokenizers write a text's first word without the space before it
            text = text[len(self._tokenizer.decode(list(begun), skip_special_tokens=True)) :]
        cuts = [text.index(string) + len(string) for string in stop if string in text]
        return text[: min(cuts)] if cuts else text

    def _ids(self, conversations: list[Any]) -> list[list[int] | str]:
        return [*self._encode(self._rendered(conversations))]

    def _rendered(self, conversations: list[Any]) -> list[str]:
        texts: list[str] = self._tokenizer.apply_chat_template(
            conversations, tokenize=False, add_generation_prompt=True
        )
        return texts

    def _encode_plainly(self, texts: list[str]) -> list[list[int]]:
        ids: list[list[int]] = self._tokenizer(texts, add_special_tokens=False)["input_ids"]
        return ids

    def _encode_fast(self, texts: list[str]) -> list[list[int]]:
        """The same without offsets and masks, which take a third of the time."""
        encode = self._tokenizer.backend_tokenizer.encode_batch_fast
        return [encoding.ids for encoding in encode(texts, add_special_tokens=False)]

    def _ids_or_why(self, conversation: Any) -> list[int] | str:
        try:
            return self._ids([conversation])[0]
        except Exception as error:  # the boundary to a foreign template
            return f"the model's chat template refuses the conversation: {first_line(error)}"


def _hash(text: str) -> str:
    return f"sha256 {hashlib.sha256(text.encode()).hexdigest()[:16]}"


def first_line(error: BaseException) -> str:
    """What an error says, in one line: of a list of problems, the first with its field."""
    problems = getattr(error, "errors", None)
    if callable(problems):
        try:
            problem = problems()[0]
            field = ".".join(map(str, problem.get("loc", ())))
            text = str(problem["msg"]).removeprefix("Value error, ").splitlines()[0]
            return f"{field}: {text}" if field else text
        except (TypeError, LookupError):
            pass
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".")


def named(error: BaseException) -> str:
    """The same with the error's type, without which many say little."""
    return f"{type(error).__name__}: {first_line(error)}"


def too_long(ask: wire.Ask, ids: Sequence[int]) -> wire.Wrote:
    """The answer to a prompt that leaves no room for one."""
    return wire.Wrote(
        number=ask.number,
        text="",
        finish_reason="prompt_too_long",
        prompt_tokens=len(ids),
        completion_tokens=0,
    )
