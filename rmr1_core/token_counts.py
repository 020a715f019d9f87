"""How long texts are in the tokens of a model's tokenizer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rmr1_core.components import Backbone
from rmr1_core.errors import MissingPackage, UsageError
from rmr1_core.hub import prefer_cache_when_unreachable
from rmr1_core.lookup import resolve
from rmr1_core.values import Example

Counter = Callable[[Sequence[str]], list[int]]


def token_counter(name: str) -> Counter:
    """What counts the tokens of texts, for a backbone's name, a hub id or a folder.

    Raises:
        MissingPackage: transformers is not installed. UsageError: there is no such tokenizer.
    """
    backbone: Backbone = resolve("backbone", name)
    if not backbone.model:
        raise UsageError(
            f"backbone {name!r} starts from nothing and has no tokenizer yet; name another one"
        )
    prefer_cache_when_unreachable()
    try:
        from transformers import AutoTokenizer
    except ImportError:
        raise MissingPackage(
            "transformers", "counting tokens", "pip install 'rmr1[local]'"
        ) from None
    try:
        tokenizer = AutoTokenizer.from_pretrained(backbone.model, revision=backbone.revision)
    except Exception as error:  # the boundary to the hub and to foreign files
        cause = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UsageError(
            f"cannot load the tokenizer of {name!r}: {cause}; "
            "name a folder that has it, or leave tokens out"
        ) from error

    def count(texts: Sequence[str]) -> list[int]:
        encoded = tokenizer(list(texts), add_special_tokens=False, verbose=False)
        return [len(ids) for ids in encoded["input_ids"]]

    return count


def texts_of(example: Example) -> list[str]:
    """All texts of a row that a judge reads: those of its prompt, and the two answers."""
    pair = example.pair
    return [*(message.content for message in pair.prompt), pair.chosen, pair.rejected]


def row_lengths(examples: Sequence[Example], count: Counter) -> list[int]:
    """How long each row is, prompt and both answers together."""
    texts = [texts_of(example) for example in examples]
    counts = iter(count([text for row in texts for text in row]))
    return [sum(next(counts) for _ in row) for row in texts]
