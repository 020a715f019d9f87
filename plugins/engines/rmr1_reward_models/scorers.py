"""What scores: a sequence classifier, or a language model with a linear head of its own.

Texts are padded at their right, which no causal model sees, and attention masks hide it from the
others. Where a model's configuration names no token to pad with, or one that its vocabulary lacks,
one is taken that none of the texts has, so that the model finds their ends as it does without
padding.
"""

from __future__ import annotations

import abc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import transformers

from rmr1_core import Backbone
from rmr1_core.errors import EngineFailed, UsageError
from rmr1_core.weights import checked_folder
from rmr1_reward_models.choosing import Chosen
from rmr1_reward_models.heads import Head, load_head
from rmr1_reward_models.texts import Side, Text, Writer
from rmr1_transformers.loading import (
    Place,
    context_of,
    load_tokenizer,
    load_weights,
    place_of,
    quiet,
)

if TYPE_CHECKING:
    from rmr1_reward_models import RewardModelEngine, ScoringEngine

_TOKENS = {"cpu": 4096}
_GPU_TOKENS = 32_768
_NO_HEAD = (
    "; a model that writes has no head that scores: take --engine dpo-reward, or name a head by "
    "itself with --head"
)


class Scorer(abc.ABC):
    """Weights that score texts. `context` is the longest text in tokens, None without a limit."""

    def __init__(self, model: Any, tokenizer: Any, engine: ScoringEngine) -> None:
        self.model, self.writer = model, Writer(tokenizer)
        self.context: int | None = context_of(model, engine.max_context)

    @property
    def most_tokens(self) -> int:
        """How many tokens, with padding, suit one batch."""
        return _TOKENS.get(self.model.device.type, _GPU_TOKENS)

    @property
    def facts(self) -> Mapping[str, str]:
        """How it scores, for the record of a run."""
        return {}

    def write(self, side: Side) -> Text | str:
        """A conversation and its answer in tokens, or why they cannot be scored."""
        return self.writer.whole(side)

    @abc.abstractmethod
    def score(self, texts: Sequence[Text]) -> list[float]:
        """The reward of each text. Raises torch.OutOfMemoryError."""


class Batch(NamedTuple):
    """Texts of several lengths in one rectangle, both (rows, longest)."""

    ids: torch.Tensor
    mask: torch.Tensor


def rectangle(texts: Sequence[Text], pad: int, device: torch.device) -> Batch:
    """The texts, padded at their right."""
    longest = max(len(text.ids) for text in texts)
    rows = [[*text.ids, *[pad] * (longest - len(text.ids))] for text in texts]
    seen = [[1] * len(text.ids) + [0] * (longest - len(text.ids)) for text in texts]
    return Batch(torch.tensor(rows, device=device), torch.tensor(seen, device=device))


class Classifier(Scorer):
    """A model for sequence classification."""

    def __init__(self, model: Any, tokenizer: Any, engine: RewardModelEngine) -> None:
        super().__init__(model, tokenizer, engine)
        self._chosen = Chosen(engine.score)
        if self._chosen.output == "logits":
            self._chosen.check(model.config.num_labels, UsageError)

    @property
    def facts(self) -> Mapping[str, str]:
        """The class of the model."""
        return {"reward from": type(self.model).__name__}

    def score(self, texts: Sequence[Text]) -> list[float]:
        """The logit of each text, or what `score` asks for."""
        with _padding(self.model, texts) as pad:
            if pad is None:
                return [score for text in texts for score in self.score([text])]
            ids, mask = rectangle(texts, pad, self.model.device)
            with torch.inference_mode():
                out = self.model(input_ids=ids, attention_mask=mask)
        numbers = getattr(out, self._chosen.output, None)
        if not isinstance(numbers, torch.Tensor):
            known = ", ".join(name for name, value in out.items() if torch.is_tensor(value))
            raise EngineFailed(
                f"the model has no output {self._chosen.output!r}; it has {known}: --score NAME"
            )
        return self._chosen.of(numbers)


class Headed(Scorer):
    """A language model whose hidden state at one token goes through a linear head, in float32."""

    def __init__(self, model: Any, tokenizer: Any, engine: RewardModelEngine, head: Head) -> None:
        super().__init__(model, tokenizer, engine)
        self._chosen, self._head = Chosen(engine.score), head
        self._chosen.check(head.weight.shape[0], UsageError)
        self._ends = _ends(model, tokenizer) if engine.head_token == "eos" else None

    @property
    def facts(self) -> Mapping[str, str]:
        """Which head reads which token."""
        token = "last token" if self._ends is None else "last token that ends a turn"
        return {"reward from": f"{self._head.name}, at the {token}"}

    def write(self, side: Side) -> Text | str:
        """The whole text, if the head finds its token in it."""
        text = super().write(side)
        if self._ends and isinstance(text, Text) and not self._ends & set(text.ids):
            return "no token of this conversation ends a turn or a text; use --head-token last"
        return text

    def score(self, texts: Sequence[Text]) -> list[float]:
        """What the head says of each text."""
        ids, mask = rectangle(texts, 0, self.model.device)
        with torch.inference_mode():
            hidden = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
            rows = torch.arange(len(texts), device=hidden.device)
            places = torch.tensor([self._place(text) for text in texts], device=hidden.device)
            state = hidden[rows, places].float()
            numbers = state @ self._head.weight.to(state.device).T
            if self._head.bias is not None:
                numbers = numbers + self._head.bias.to(state.device)
        return self._chosen.of(numbers)

    def _place(self, text: Text) -> int:
        if self._ends is None:
            return len(text.ids) - 1
        return max(place for place, token in enumerate(text.ids) if token in self._ends)


def placed(engine: ScoringEngine) -> Place:
    """Where and how the engine's options say to run."""
    return place_of(engine.device, engine.dtype, engine.attn_implementation)


def classifier(engine: RewardModelEngine, backbone: Backbone) -> Scorer:
    """Load a sequence classifier. Raises as the engine's `open` does."""
    auto, own = transformers.AutoModelForSequenceClassification, engine.trust_remote_code
    Chosen(engine.score)  # refused before anything is loaded
    with quiet(local=checked_folder(backbone.model) is not None), own_code(backbone):
        tokenizer = load_tokenizer(backbone, trust_remote_code=own, template=engine.template())
        model = load_weights(
            auto, backbone, placed(engine), lacking=_NO_HEAD, trust_remote_code=own
        )
    return Classifier(model, tokenizer, engine)


def headed(engine: RewardModelEngine, backbone: Backbone) -> Scorer:
    """Load a model without its output layer, and a head. Raises as the engine's `open` does."""
    own = engine.trust_remote_code
    Chosen(engine.score)
    with quiet(local=checked_folder(backbone.model) is not None), own_code(backbone):
        tokenizer = load_tokenizer(backbone, trust_remote_code=own, template=engine.template())
        model = load_weights(
            transformers.AutoModel, backbone, placed(engine), trust_remote_code=own
        )
        head = load_head(engine.head, backbone, model.config.get_text_config().hidden_size)
    return Headed(model, tokenizer, engine, head)


@contextmanager
def own_code(backbone: Backbone) -> Iterator[None]:
    """Say in our words that a model needs the code that comes with it."""
    try:
        yield
    except UsageError as error:
        if "trust_remote_code" not in str(error.__cause__):
            raise
        raise UsageError(
            f"{backbone.model!r} comes with Python code of its own; read it, and if you trust it: "
            "--trust-remote-code true"
        ) from error


@contextmanager
def _padding(model: Any, texts: Sequence[Text]) -> Iterator[int | None]:
    """A token to pad these texts with, known to the model meanwhile; None: one text at a time."""
    config = model.config.get_text_config()
    own = getattr(config, "pad_token_id", None)
    size = model.get_input_embeddings().num_embeddings
    if len(texts) == 1:
        yield 0  # nothing is padded
        return
    if own is not None and 0 <= own < size:
        yield own
        return
    used = {token for text in texts for token in text.ids}
    config.pad_token_id = next(
        (token for token in reversed(range(size)) if token not in used), None
    )
    try:
        yield config.pad_token_id
    finally:
        config.pad_token_id = own


def _ends(model: Any, tokenizer: Any) -> frozenset[int]:
    found: set[int] = set()
    for source in (model.config.get_text_config(), tokenizer):
        ids = getattr(source, "eos_token_id", None)
        found.update(ids if isinstance(ids, list) else [] if ids is None else [ids])
    return frozenset(found)
