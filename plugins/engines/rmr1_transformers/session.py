"""Requests in, answers out: rendered, batched by length, decoded, and yielded as they finish.

Requests are taken in windows, so that batches are of similar length and yet memory stays flat
however many requests there are.
"""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import torch

from rmr1_core import Answer, Completion, EngineSession, Request, RequestFailed
from rmr1_transformers.batching import Budget, Item, in_order, take
from rmr1_transformers.decoding import Decoding, DecodingOptions, Finished, Row
from rmr1_transformers.facts import facts_of
from rmr1_transformers.loading import Loaded
from rmr1_transformers.memory import token_budget
from rmr1_transformers.prefills import first_tokens, text_after, text_ids
from rmr1_transformers.stopping import StopStrings

if TYPE_CHECKING:
    from rmr1_transformers import TransformersEngine

_WINDOW = 2048


class TransformersSession(EngineSession):
    """A loaded model that answers requests."""

    def __init__(self, loaded: Loaded, engine: TransformersEngine) -> None:
        self._loaded = loaded
        self._threads = torch.get_num_threads()
        if engine.threads:
            torch.set_num_threads(engine.threads)
        tokens = engine.max_batch_tokens or token_budget(loaded.model)
        self._budget = Budget(engine.max_batch_size, tokens)
        self._stops: dict[tuple[str, ...], StopStrings] = {}

    @property
    def facts(self) -> Mapping[str, str]:
        """Versions, dtype, device, attention, and what prompts become tokens by."""
        return facts_of(self._loaded.model, self._loaded.tokenizer)

    def generate(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """Answer every request, the ones that finish first first."""
        source = iter(requests)
        while window := list(islice(source, _WINDOW)):
            items = []
            for request, prompt in zip(window, self._encode(window), strict=True):
                item = self._item(request, prompt)
                if isinstance(item, Answer):
                    yield item
                else:
                    items.append(item)
            queue = in_order(items)
            while queue:
                yield from self._answer(take(queue), queue)

    def beginnings(self, texts: Sequence[str], tokens: int) -> list[int]:
        """For each text how many characters its first so many tokens are."""
        return [first_tokens(self._loaded.tokenizer, text, tokens) for text in texts]

    def close(self) -> None:
        """Let go of the model and its memory."""
        gpu = self._loaded.model.device.type == "cuda"
        del self._loaded, self._stops
        torch.set_num_threads(self._threads)
        gc.collect()
        if gpu:
            torch.cuda.empty_cache()

    def _encode(self, requests: Sequence[Request]) -> list[list[int] | str]:
        """Token ids of each conversation, or why it cannot be rendered.

        Ids, not text: the template's own beginning-of-sequence token is then the only one.
        """
        conversations = [
            [{"role": m.role, "content": m.content} for m in request.messages]
            for request in requests
        ]
        try:
            return self._ids(conversations)
        except Exception:  # the boundary to a foreign template, which may refuse some of them
            return [self._ids_or_why(conversation) for conversation in conversations]

    def _ids(self, conversations: list[Any]) -> list[list[int] | str]:
        tokenizer = self._loaded.tokenizer
        texts = tokenizer.apply_chat_template(
            conversations, tokenize=False, add_generation_prompt=True
        )
        if not tokenizer.is_fast:
            ids: list[list[int] | str] = tokenizer(texts, add_special_tokens=False)["input_ids"]
            return ids
        backend = tokenizer.backend_tokenizer  # a quarter less time than through the library
        backend.no_truncation()
        backend.no_padding()
        return [e.ids for e in backend.encode_batch_fast(texts, add_special_tokens=False)]

    def _ids_or_why(self, conversation: Any) -> list[int] | str:
        try:
            return self._ids([conversation])[0]
        except Exception as error:  # the boundary to a foreign template
            return f"the model's chat template refuses the conversation: {error}"

    def _item(self, request: Request, prompt: list[int] | str) -> Item | Answer:
        """The request ready for a batch, or its answer where nothing can be written."""
        if isinstance(prompt, str):
            return Answer(id=request.id, result=RequestFailed(error=prompt))
        begun = text_ids(self._loaded.tokenizer, request.prefill) if request.prefill else []
        prompt = [*prompt, *begun]
        limit, context = request.sampling.max_new_tokens, self._loaded.context
        if context is not None:
            limit = min(limit, context - len(prompt))
        if limit < 1:
            return Answer(
                id=request.id,
                result=Completion(
                    text="",
                    finish_reason="prompt_too_long",
                    prompt_tokens=len(prompt),
                    completion_tokens=0,
                ),
            )
        return Item(request, tuple(prompt), limit, len(begun))

    def _answer(self, items: list[Item], queue: deque[Item]) -> Iterator[Answer]:
        """Answer items of one manner; when memory runs out, the unfinished ones are queued."""
        waiting = dict(enumerate(items))
        decoding = self._decoding(items)
        try:
            for finished in decoding.run():
                yield self._completed(waiting.pop(finished.copy), finished)
            return
        except torch.OutOfMemoryError:
            pass
        if self._loaded.model.device.type == "cuda":
            torch.cuda.empty_cache()
        left = list(waiting.values())
        if decoding.alone:
            item = left.pop(0)
            problem = (
                f"a prompt of {len(item.prompt)} tokens and its answer do not fit the memory "
                f"of {self._loaded.model.device}"
            )
            yield Answer(id=item.request.id, result=RequestFailed(error=problem))
        else:
            self._budget = self._budget._replace(tokens=decoding.held // 2)
        queue.extendleft(reversed(left))

    def _decoding(self, items: Sequence[Item]) -> Decoding:
        """How to write these; identical prompts are one, and a row's copy is the item's place."""
        prompts = list(dict.fromkeys(item.prompt for item in items))
        number = {prompt: place for place, prompt in enumerate(prompts)}
        rows = [
            Row(number[item.prompt], place, item.request.sampling.seed, item.limit)
            for place, item in enumerate(items)
        ]
        sampling = items[0].request.sampling
        options = DecodingOptions(
            max_new_tokens=max(item.limit for item in items),
            eos=self._loaded.eos,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            stop=self._stop_strings(sampling.stop),
        )
        return Decoding(self._loaded.model, prompts, rows, options, self._budget)

    def _stop_strings(self, strings: tuple[str, ...]) -> StopStrings | None:
        if strings and strings not in self._stops:
            self._stops[strings] = StopStrings(self._loaded.tokenizer, strings)
        return self._stops.get(strings)

    def _completed(self, item: Item, finished: Finished) -> Answer:
        tokens = finished.tokens
        if tokens[-1] in self._loaded.eos:
            tokens = tokens[:-1]
        begun = item.prompt[len(item.prompt) - item.begun :]
        text = text_after(self._loaded.tokenizer, begun, tokens)
        completion = Completion(
            text=item.request.prefill + _cut(text, item.request.sampling.stop),
            finish_reason=finished.finish_reason,
            prompt_tokens=len(item.prompt) - item.begun,
            completion_tokens=item.begun + len(finished.tokens),
        )
        return Answer(id=item.request.id, result=completion)


def _cut(text: str, stop: Sequence[str]) -> str:
    """The text up to the end of the first stop string in it."""
    ends = [text.index(string) + len(string) for string in stop if string in text]
    return text[: min(ends)] if ends else text
