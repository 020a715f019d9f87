"""A model that is built where it is needed, from a seed and a corpus."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import msgspec

from rmr1_core import Backbone, Option
from rmr1_core.errors import MissingPackage, UsageError
from rmr1_core.folders import whole_folder

RECORD = "rmr1_tiny.json"
"""What the model in a folder was built from; its presence says that the folder is complete."""


class Tiny(Backbone, frozen=True, kw_only=True):
    """A Qwen2 with random weights and its own tokenizer: 190 thousand parameters by default."""

    layers: Annotated[int, Option(description="transformer layers", ge=1)] = 3
    hidden: Annotated[int, Option(description="width of the hidden states", ge=8)] = 64
    heads: Annotated[int, Option(description="attention heads", ge=1)] = 4
    feed_forward: Annotated[int, Option(description="width of the feed-forward", ge=8)] = 192
    vocab_size: Annotated[int, Option(description="tokens at most", ge=300)] = 576
    context: Annotated[int, Option(description="longest sequence, in tokens", ge=64)] = 8192
    initializer_range: Annotated[
        float,
        Option(description="standard deviation of the first weights; 0.02 learns slowly", gt=0),
    ] = 0.1

    def prepare(self, folder: Path, *, seed: int, corpus: Callable[[], Iterable[str]]) -> Tiny:
        """Build model and tokenizer in `folder`, unless it holds just this model already.

        It is built aside and renamed, so an interruption leaves no half of a model.

        Raises:
            UsageError: heads do not divide the hidden width.
            MissingPackage: torch or transformers is not installed.
        """
        if self.hidden % (2 * self.heads):
            raise UsageError(
                f"backbone {self.name!r}: 'hidden' ({self.hidden}) must be an even multiple of "
                f"'heads' ({self.heads}); see: rmr1 show backbones/{self.name}"
            )
        prepared = msgspec.structs.replace(self, model=str(folder))
        record = msgspec.json.format(msgspec.json.encode({"seed": seed, "options": self}))
        if not _is_complete(folder, record):
            with whole_folder(folder) as aside:
                self._build(aside, seed, corpus)
                (aside / RECORD).write_bytes(record)
        return prepared

    def _build(self, folder: Path, seed: int, corpus: Callable[[], Iterable[str]]) -> None:
        try:
            import torch
            from transformers import Qwen2ForCausalLM
            from transformers.utils import logging
        except ModuleNotFoundError as error:
            package, install = error.name or "torch", "pip install 'rmr1[local]'"
            raise MissingPackage(package, f"backbone {self.name!r}", install) from None
        from rmr1_tiny.tokenizer import train_tokenizer

        logging.disable_progress_bar()  # one file of a megabyte
        tokenizer = train_tokenizer(corpus(), self.vocab_size)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = Qwen2ForCausalLM(self._config(tokenizer))
        model.generation_config.eos_token_id = tokenizer.eos_token_id
        model.generation_config.pad_token_id = tokenizer.pad_token_id
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)

    def _config(self, tokenizer: Any) -> Any:
        from transformers import Qwen2Config

        return Qwen2Config(
            vocab_size=len(tokenizer),
            hidden_size=self.hidden,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            num_key_value_heads=self.heads,
            intermediate_size=self.feed_forward,
            max_position_embeddings=self.context,
            tie_word_embeddings=True,
            initializer_range=self.initializer_range,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            dtype="float32",
        )


def _is_complete(folder: Path, record: bytes) -> bool:
    try:
        return (folder / RECORD).read_bytes() == record
    except OSError:
        return False
