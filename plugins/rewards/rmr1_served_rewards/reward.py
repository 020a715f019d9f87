"""Answers to one prompt are rewarded by a tournament, in which a served judge compares them.

The policy that is trained here is a judge itself, so what is compared are its judgments, and the
conversation is the rendered prompt that asked for them. With a dataset and a prompt of other
kinds, answers are answers and the conversation is what a user said: nothing here depends on it.
The right verdict is not shown to the judge, except where a reference holds it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec

from rmr1_core import Check, Judgment, Message, Option, RewardFunction, Verdict
from rmr1_core.errors import BadOption, EngineFailed, UsageError
from rmr1_served_rewards.client import Client, Refused

SCORE, HEALTH = "/v1/score", "/health"
LABEL = "{label}"
LOOK_SECONDS = 5.0
LEVEL: Mapping[str, float] = {"bradley-terry": 0.0, "win-rate": 0.5}
"""The score of an answer that there is nothing to compare with."""


class ServedReward(RewardFunction, frozen=True, kw_only=True):
    """What a judge behind `rmr1 serve` thinks of an answer, compared with the others to the same
    prompt. Equal answers get equal rewards, and are sent once."""

    url: Annotated[str, Option(description="where rmr1 serve listens")] = "http://127.0.0.1:8000"
    method: Annotated[
        Literal["round-robin", "swiss", "reference"],
        Option(description="who is compared: all, those that did equally well, with references"),
    ] = "round-robin"
    strength: Annotated[
        Literal["bradley-terry", "win-rate"],
        Option(description="the number: a log-strength around 0, or the share of matches won"),
    ] = "bradley-terry"
    references: Annotated[
        tuple[str, ...],
        Option(description="texts to compare every answer with; {label} is the right verdict"),
    ] = ()
    rounds: Annotated[int, Option(description="rounds of swiss; 0: as many as tell", ge=0)] = 0
    timeout: Annotated[float, Option(description="seconds that an attempt may take", gt=0)] = 600.0
    patience: Annotated[
        float, Option(description="seconds to wait for a server that is busy or away", ge=0)
    ] = 120.0

    def __post_init__(self) -> None:
        """Raise BadOption now, not when the training begins."""
        where = urlsplit(self.url)
        if where.scheme not in ("http", "https") or not where.hostname:
            raise BadOption("reward", self.name, f"url {self.url!r} is no address of a server")
        if self.method == "reference" and not self.references:
            raise BadOption("reward", self.name, "method 'reference' needs references")

    def __call__(self, judgment: Judgment, label: Verdict) -> float:
        """Raise UsageError: there is nothing to compare an answer with."""
        raise UsageError(
            f"reward {self.name!r} compares all answers to a prompt, and was shown one alone; "
            "use a trainer that shows it groups, such as local-grpo or verl-grpo"
        )

    def group(
        self, messages: Sequence[Message], judgments: Sequence[Judgment], label: Verdict
    ) -> list[float]:
        """The rewards of the answers to a prompt.

        Raises:
            EngineFailed: the server is not there, refuses, or does not score every answer.
        """
        texts = [judgment.completion.text for judgment in judgments]
        different = list(dict.fromkeys(texts))
        score = dict(zip(different, self._scores(messages, different, label), strict=True))
        return [score[text] for text in texts]

    def checks(self) -> Iterable[Check]:
        """Is the server there?"""
        client = Client(self.url, LOOK_SECONDS, 0.0)
        try:
            client.get(HEALTH)
        except (EngineFailed, UsageError) as error:
            return [Check(name="reward server", ok=False, detail=str(error))]
        return [Check(name="reward server", ok=True, detail=self.url)]

    def _scores(
        self, messages: Sequence[Message], texts: Sequence[str], label: Verdict
    ) -> list[float]:
        if len(texts) < 2 and not self.references:
            return [LEVEL[self.strength]] * len(texts)
        body: dict[str, Any] = {
            "messages": [{"role": m.role, "content": m.content} for m in messages],
            "answers": list(texts),
            "method": self.method,
            "strength": self.strength,
        }
        if self.references:
            body["references"] = [text.replace(LABEL, label.value) for text in self.references]
        if self.rounds:
            body["rounds"] = self.rounds
        answer = Client(self.url, self.timeout, self.patience).post(SCORE, body)
        try:
            scores = msgspec.convert(answer, dict[str, Any])["scores"]
            return self._whole(msgspec.convert(scores, list[float]), len(texts))
        except (msgspec.ValidationError, KeyError):
            raise Refused(
                f"what answers at {self.url} is no reward server: it gives no scores; "
                "start one with: rmr1 serve --backbone NAME"
            ) from None

    def _whole(self, scores: list[float], count: int) -> list[float]:
        if len(scores) != count:
            raise Refused(
                f"the reward server at {self.url} gave {len(scores)} scores for {count} answers; "
                "is it of this version of rmr1? see: rmr1 plugins"
            )
        return scores
