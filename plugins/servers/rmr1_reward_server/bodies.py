"""What is sent to the server, and what it sends back."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, Field

from rmr1_core.decisions import Decision, Opinion, Ranking
from rmr1_core.ranking import Method, Strength

MOST_ANSWERS = 256

_MESSAGES = "a question, or a conversation that ends with what is to be answered"


class Compare(BaseModel):
    """Two answers to a conversation."""

    messages: str | list[dict[str, str]] = Field(description=_MESSAGES, examples=["What is 2 + 2?"])
    a: str = Field(examples=["4"])
    b: str = Field(examples=["5"])


class OneOpinion(BaseModel):
    """One answer of the judge: its verdict of the answers as they were sent, and what it wrote of
    them as they were shown. `scores` are the model's own of A and B as they were sent; null from a
    judge that writes."""

    a_first: bool
    sample: int
    verdict: str
    text: str
    finish_reason: str
    scores: tuple[float, float] | None = None


class Compared(BaseModel):
    """`verdict` is A, B, tie or unparsed, and `share` A's part of the orders, in [0, 1]."""

    verdict: str
    share: float
    flipped: bool
    agreement: float
    opinions: list[OneOpinion]

    @classmethod
    def of(cls, decision: Decision) -> Self:
        """The decision as it is sent."""
        opinions = [
            OneOpinion(
                a_first=one.a_first,
                sample=one.sample,
                verdict=one.verdict.value,
                text=one.completion.text,
                finish_reason=one.completion.finish_reason,
                scores=_as_sent(one),
            )
            for one in decision.opinions
        ]
        return cls(
            verdict=decision.verdict.value,
            share=decision.share,
            flipped=decision.flipped,
            agreement=decision.agreement,
            opinions=opinions,
        )


def _as_sent(opinion: Opinion) -> tuple[float, float] | None:
    if opinion.completion.scores is None:
        return None
    first, second = opinion.completion.scores
    return (first, second) if opinion.a_first else (second, first)


class Rank(BaseModel):
    """Answers to one conversation, and how they are compared."""

    messages: str | list[dict[str, str]] = Field(description=_MESSAGES, examples=["What is 2 + 2?"])
    answers: list[str] = Field(
        min_length=1, max_length=MOST_ANSWERS, examples=[["4", "5", "four, I think"]]
    )
    method: Method = Field(
        default="round-robin",
        description="compare all, or those that did equally well so far, or only with references",
    )
    strength: Strength = Field(
        default="bradley-terry", description="log-strengths, or shares of the matches won"
    )
    references: list[str] | dict[str, float] = Field(
        default=[],
        max_length=16,
        description="answers to compare with, or such answers with their log-strengths; they keep "
        "the scale of bradley-terry the same from call to call",
    )
    rounds: int | None = Field(default=None, ge=1, le=64, description="rounds of swiss")

    def how(self) -> dict[str, Any]:
        """The options of `Judge.rank`."""
        return {
            "method": self.method,
            "strength": self.strength,
            "references": self.references,
            "rounds": self.rounds,
        }


class Ranked(BaseModel):
    """`order` has the places of the answers, the best first; `scores` are in the order sent."""

    order: list[int]
    scores: list[float]
    comparisons: int

    @classmethod
    def of(cls, ranking: Ranking) -> Self:
        """The ranking as it is sent."""
        return cls(
            order=list(ranking.order),
            scores=list(ranking.scores),
            comparisons=len(ranking.matches),
        )


class Scores(BaseModel):
    """A reward for each answer, in the order sent."""

    scores: list[float]
    comparisons: int
