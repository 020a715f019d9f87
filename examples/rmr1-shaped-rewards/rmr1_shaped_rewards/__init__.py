"""Rewards that look at more than the verdict: at how long an answer is, and whether it quotes
honestly."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

from rmr1_core import Judgment, Message, Option, RewardFunction, Verdict, hookimpl
from rmr1_core.traces import Evidence, locate, read_trace


class BriefVerdict(RewardFunction, frozen=True, kw_only=True):
    """+1 or -1 for the verdict, and more the shorter an answer is among those to its prompt.

    The length reward of Kimi k1.5 (arXiv 2501.12599, section 2.3.3): from 0.5 for the shortest
    answer to a prompt to -0.5 for the longest, in tokens; a wrong answer gets no more than 0.
    """

    weight: Annotated[float, Option(description="weight of the length reward", ge=0)] = 0.2

    def __call__(self, judgment: Judgment, label: Verdict) -> float:
        """The reward of the verdict: one answer alone is neither short nor long."""
        return 1.0 if judgment.verdict is label else -1.0

    def group(
        self, messages: Sequence[Message], judgments: Sequence[Judgment], label: Verdict
    ) -> list[float]:
        """The rewards of all answers to a prompt, which are compared with one another."""
        lengths = [judgment.completion.completion_tokens for judgment in judgments]
        shortest, spread = min(lengths), max(lengths) - min(lengths)
        rewards = []
        for judgment, length in zip(judgments, lengths, strict=True):
            verdict = self(judgment, label)
            brevity = 0.5 - (length - shortest) / spread if spread else 0.0
            rewards.append(verdict + self.weight * (brevity if verdict > 0 else min(0.0, brevity)))
        return rewards


class Overlong(RewardFunction, frozen=True, kw_only=True):
    """0 for an answer of at most `limit - margin` tokens, falling to -1 at `limit` and beyond.

    The soft overlong punishment of DAPO (arXiv 2503.14476, section 3.4), to be added to the reward
    of the verdict: `reward.options.weights = {verdict = 1.0, overlong = 1.0}` of `combined`.
    """

    limit: Annotated[int, Option(description="tokens that get the whole punishment", ge=1)] = 8192
    margin: Annotated[int, Option(description="tokens below it where it begins", ge=1)] = 2048

    def __call__(self, judgment: Judgment, label: Verdict) -> float:
        """The punishment, in [-1, 0]."""
        over = judgment.completion.completion_tokens - (self.limit - self.margin)
        return -min(1.0, max(0.0, over / self.margin))


class QuoteFidelity(RewardFunction, frozen=True, kw_only=True):
    """The share of an answer's quotations that stand in the response which they name, as a number
    from -1 to 1.

    A process reward: it does not look at the verdict. A quotation is what `<quote_A>` or
    `<quote_B>` holds; white space, case and "..." for omissions do not matter. Where the prompt
    has the headings of the packaged prompts, it must stand in that very response, and otherwise
    anywhere in the prompt. Very short quotations prove nothing and are not counted.
    """

    shortest: Annotated[
        int, Option(description="characters that a quotation needs to count", ge=1)
    ] = 12
    without: Annotated[
        float, Option(description="reward of an answer that quotes nothing", ge=-1, le=1)
    ] = -1.0

    def __call__(self, judgment: Judgment, label: Verdict) -> float:
        """The reward of an answer whose prompt is not known: whether it quotes at all."""
        return 0.0 if self._quotes(judgment) else self.without

    def group(
        self, messages: Sequence[Message], judgments: Sequence[Judgment], label: Verdict
    ) -> list[float]:
        """The rewards of all answers to one prompt."""
        sources = _responses(messages[-1].content)
        rewards = []
        for judgment in judgments:
            quotes = self._quotes(judgment)
            found = [locate(quote.text, sources[quote.of]) is not None for quote in quotes]
            rewards.append(2 * sum(found) / len(found) - 1 if found else self.without)
        return rewards

    def _quotes(self, judgment: Judgment) -> list[Evidence]:
        quotes = read_trace(judgment.completion.text).quotes
        return [quote for quote in quotes if len(quote.text.strip()) >= self.shortest]


def _responses(text: str) -> Mapping[str, str]:
    """The two responses in a prompt with the packaged headings; in another one, the whole prompt.

    Headings are made of the longest run of equals signs, which nothing that is shown contains.
    """
    fence = max(re.findall("=+", text), key=len, default="")
    rest = text.partition(f"{fence} RESPONSE A {fence}\n")[2]
    first, _, rest = rest.partition(f"\n{fence} RESPONSE B {fence}\n")
    second, end, _ = rest.partition(f"\n{fence} END ")
    return {"A": first, "B": second} if end else {"A": text, "B": text}


@hookimpl
def rmr1_rewards() -> Iterable[RewardFunction]:
    """Offer the rewards of this package."""
    return [
        BriefVerdict(name="brief-verdict", summary="the verdict, and more for the shorter answers"),
        Overlong(name="overlong", summary="punishes answers near and beyond a length"),
        QuoteFidelity(name="quote-fidelity", summary="share of quotations that the answers have"),
    ]
