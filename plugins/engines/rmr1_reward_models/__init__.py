"""Models that give an answer a number instead of writing about it, as engines.

`reward-model` runs a scalar reward model, `dpo-reward` takes the implicit reward of a model that
was trained with DPO. Both answer a comparison with the scores of its two answers and the verdict
that follows. An answer is scored by itself: its place in the comparison makes no difference, and
all comparisons that it takes part in share one score.

Nothing heavy is imported until an engine is opened.
"""

from __future__ import annotations

import abc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from rmr1_core import PATH, PATH_OR_NAME, Backbone, Engine, EngineSession, Option, hookimpl
from rmr1_core.errors import BadInput
from rmr1_transformers import InProcessEngine

if TYPE_CHECKING:
    from rmr1_reward_models.scorers import Scorer


class ScoringEngine(InProcessEngine, frozen=True, kw_only=True):
    """Hugging Face weights in this process that score answers: the options that all share."""

    asks: ClassVar[bool] = False
    max_batch_size: Annotated[int, Option(description="answers scored at a time", ge=1)] = 64
    max_batch_tokens: Annotated[
        int, Option(description="tokens scored at a time, with padding; 0: what suits", ge=0)
    ] = 0
    max_context: Annotated[
        int,
        Option(description="longest conversation with its answer; 0: the model's own limit", ge=0),
    ] = 0
    trust_remote_code: Annotated[
        bool, Option(description="run the Python code that comes with the weights")
    ] = False
    chat_template: Annotated[
        str,
        Option(description="Jinja file to write conversations with; empty: the tokenizer's own",
               extra=PATH),
    ] = ""  # fmt: skip

    def models(self, backbone: Backbone) -> tuple[str, ...]:
        """The folders and hub ids of all weights that `open` loads."""
        return (backbone.model,)

    @abc.abstractmethod
    def scorer(self, backbone: Backbone) -> Scorer:
        """What scores, with its weights loaded. Raises as `open` does."""

    @contextmanager
    def open(self, backbone: Backbone) -> Iterator[EngineSession]:
        """Load the weights and the tokenizer once.

        Raises:
            UsageError: the folder lacks something, the hub cannot be reached, or torch is missing.
            EngineFailed: the weights do not fit the device.
        """
        self.find_libraries(*self.models(backbone))
        from rmr1_reward_models.session import ScoringSession

        session = ScoringSession(self.scorer(backbone), self)
        try:
            yield session
        finally:
            session.close()

    def template(self) -> str:
        """The text of the chat template that was given, or "". Raises BadInput."""
        if not self.chat_template:
            return ""
        path = Path(self.chat_template).expanduser()
        try:
            return path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(path, f"cannot be read as a chat template: {error}") from error


class RewardModelEngine(ScoringEngine, frozen=True, kw_only=True):
    """A scalar reward model: a sequence classifier, or a linear head on a language model.

    The score is what the model says of the whole conversation with the answer as its last turn,
    written with the model's own chat template.
    """

    score: Annotated[
        str,
        Option(
            description="which number is the reward, where there are several: a place such as '1', "
            "weights of all such as '0.5,0.3,0.2', or the name of an output such as 'rewards'"
        ),
    ] = ""
    head: Annotated[
        str,
        Option(
            description="a linear head by itself: the name of its tensors in the weights, such as "
            "'v_head.summary', or a file that has it (.safetensors, .bin, .pt)",
            extra=PATH_OR_NAME,
        ),
    ] = ""
    head_token: Annotated[
        Literal["last", "eos"],
        Option(description="whose hidden state the head reads: the last token, or the last that "
               "ends a turn or a text"),
    ] = "last"  # fmt: skip

    def scorer(self, backbone: Backbone) -> Scorer:
        """The classifier, or the model with its head."""
        from rmr1_reward_models.scorers import classifier, headed

        return headed(self, backbone) if self.head else classifier(self, backbone)


class DpoRewardEngine(ScoringEngine, frozen=True, kw_only=True):
    """The implicit reward of DPO (Rafailov et al. 2023, arXiv 2305.18290, section 4):
    beta * (log pi(y|x) - log pi_ref(y|x)), summed over the tokens of the answer y.

    These are all that the chat template writes after the header of the answer's turn, with what
    ends the turn, as in training with TRL.
    """

    reference: Annotated[
        str,
        Option(
            description="the model that training began with: a backbone, hub id or folder; empty: "
            "the model's own log-probabilities are the reward",
            extra=PATH_OR_NAME,
        ),
    ] = ""
    beta: Annotated[
        float, Option(description="scale of the reward; no verdict depends on it", gt=0)
    ] = 0.1
    over_tokens: Annotated[
        Literal["sum", "mean", "norm"],
        Option(
            description="how tokens add up: 'sum', 'mean' (so that length does not count), or "
            "without a reference 'norm', minus the Euclidean norm, as RewardBench does"
        ),
    ] = "sum"

    def models(self, backbone: Backbone) -> tuple[str, ...]:
        """The model, and its reference."""
        return (backbone.model, self.reference) if self.reference else (backbone.model,)

    def scorer(self, backbone: Backbone) -> Scorer:
        """The model, and its reference."""
        from rmr1_reward_models.dpo import implicit

        return implicit(self, backbone)


@hookimpl
def rmr1_engines() -> Iterable[Engine]:
    """Offer `reward-model` and `dpo-reward`."""
    return [
        RewardModelEngine(
            name="reward-model",
            summary="a scalar reward model (sequence classifier or custom head) in this process",
        ),
        DpoRewardEngine(
            name="dpo-reward",
            summary="the implicit reward of a model trained with DPO, in this process",
        ),
    ]
