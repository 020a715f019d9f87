"""The implicit reward of a model that was trained with DPO.

Log-probabilities are of the answer's own tokens, summed in float32. Only positions from the first
answer's token on are projected to the vocabulary, so that memory goes to them.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
import transformers

from rmr1_core import Backbone
from rmr1_core.errors import UsageError
from rmr1_core.lookup import resolve
from rmr1_core.weights import checked_folder
from rmr1_reward_models.scorers import Scorer, own_code, placed, rectangle
from rmr1_reward_models.texts import Side, Text
from rmr1_transformers.loading import load_tokenizer, load_weights, quiet

if TYPE_CHECKING:
    from rmr1_reward_models import DpoRewardEngine

_LOGIT_BYTES = {"cpu": 2**28}
_GPU_LOGIT_BYTES = 2**31


class Implicit(Scorer):
    """A policy, and what it is compared with; without a reference its own log-probabilities."""

    def __init__(
        self, model: Any, tokenizer: Any, engine: DpoRewardEngine, reference: Any | None
    ) -> None:
        super().__init__(model, tokenizer, engine)
        self._engine, self._reference = engine, reference

    @property
    def most_tokens(self) -> int:
        """As many as leave room for their logits, twice: as they are, and in float32."""
        device = self.model.device.type
        room = _LOGIT_BYTES.get(device, _GPU_LOGIT_BYTES)
        each: int = self.model.config.get_text_config().vocab_size * 8
        return max(256, min(super().most_tokens, room // each))

    @property
    def facts(self) -> Mapping[str, str]:
        """What the reward is made of."""
        engine = self._engine
        ratio = f"against {engine.reference}" if engine.reference else "without a reference"
        return {"reward from": f"{engine.beta:g} x log-probability {ratio}, {engine.over_tokens}"}

    def write(self, side: Side) -> Text | str:
        """The text, with the place where the answer begins."""
        return self.writer.with_start(side)

    def score(self, texts: Sequence[Text]) -> list[float]:
        """beta times the log-probability of each answer, or its ratio to the reference's."""
        policy = token_log_probs(self.model, texts)
        if self._reference is not None:
            reference = token_log_probs(self._reference, texts)
            policy = [mine - theirs for mine, theirs in zip(policy, reference, strict=True)]
        return [self._engine.beta * self._over_tokens(steps) for steps in policy]

    def _over_tokens(self, steps: torch.Tensor) -> float:
        match self._engine.over_tokens:
            case "sum":
                return float(steps.sum())
            case "mean":
                return float(steps.mean())
            case "norm":
                return -float(torch.linalg.vector_norm(steps))


def token_log_probs(model: Any, texts: Sequence[Text]) -> list[torch.Tensor]:
    """The log-probability of each of the answer's tokens, given all before it: one tensor
    (tokens of the answer,) in float32 for every text."""
    ids, mask = rectangle(texts, 0, model.device)
    first = min(text.start for text in texts) - 1
    some = "logits_to_keep" in inspect.signature(model.forward).parameters
    options = {"logits_to_keep": ids.shape[1] - first} if some else {}
    found = []
    with torch.inference_mode():
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False, **options).logits
        offset = first if some else 0
        for row, text in enumerate(texts):
            part = logits[row, text.start - 1 - offset : len(text.ids) - 1 - offset].float()
            next_ = ids[row, text.start : len(text.ids)]
            picked = part.gather(-1, next_[:, None])[:, 0]
            found.append((picked - part.logsumexp(-1)).cpu())
    return found


def implicit(engine: DpoRewardEngine, backbone: Backbone) -> Scorer:
    """Load the policy and its reference. Raises as the engine's `open` does."""
    if engine.reference and engine.over_tokens == "norm":
        raise UsageError(
            "--over-tokens norm is for log-probabilities without a reference; leave out one of them"
        )
    tokenizer, model = _loaded(engine, backbone, chats=True)
    if not tokenizer.is_fast:
        raise UsageError(
            f"the tokenizer of {backbone.model!r} does not tell where its tokens begin, which the "
            "tokens of an answer are found by; save it as a fast one (tokenizer.json)"
        )
    reference = None
    if engine.reference:
        other: Backbone = resolve("backbone", engine.reference)
        others, reference = _loaded(engine, other, chats=False)
        _check_same_tokens(tokenizer, others, reference, other.model)
    return Implicit(model, tokenizer, engine, reference)


def _loaded(engine: DpoRewardEngine, backbone: Backbone, *, chats: bool) -> tuple[Any, Any]:
    """A tokenizer, which needs a template only if it `chats`, and its model."""
    own = engine.trust_remote_code
    with quiet(local=checked_folder(backbone.model) is not None), own_code(backbone):
        tokenizer = load_tokenizer(
            backbone, trust_remote_code=own, template=engine.template(), chats=chats
        )
        model = load_weights(
            transformers.AutoModelForCausalLM, backbone, placed(engine), trust_remote_code=own
        )
    return tokenizer, model


def _check_same_tokens(mine: Any, theirs: Any, reference: Any, name: str) -> None:
    """Raise UsageError unless the reference reads the same ids as the same text."""
    known, size = theirs.get_vocab(), reference.get_input_embeddings().num_embeddings
    ids = mine.get_vocab()
    other = [token for token, number in ids.items() if known.get(token, number) != number]
    added = [token for token, number in ids.items() if number >= size]
    if other or added:
        raise UsageError(
            f"the reference {name!r} has another vocabulary, by the token "
            f"{(other or added)[0]!r}; name the model that training began with: --reference"
        )
