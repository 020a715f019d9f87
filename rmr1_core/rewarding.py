"""The recipe's own parser and reward, for a trainer that runs in an environment without rmr1.

`python -m rmr1_core.rewarding FILE` reads answers as JSON lines (`Asked`) and writes for each, in
the same order, what it is worth (`Rewarded`) or why nobody can tell (`Unrewarded`). FILE holds a
`Rewarding`: the prompt strategy that parses and the reward that prices, with their options. The
standard output belongs to the answers: what a plugin prints goes to the standard error.
"""

from __future__ import annotations

import math
import os
import sys
import traceback
from pathlib import Path
from typing import IO, Literal

import msgspec

from rmr1_core.components import PromptStrategy, RewardFunction
from rmr1_core.errors import PluginFailed, Rmr1Error
from rmr1_core.judging import read_verdict
from rmr1_core.lookup import resolve
from rmr1_core.values import Completion, FinishReason, Judgment, Ref, Value, Verdict


class Rewarding(Value, frozen=True):
    """What prices answers."""

    prompt: Ref
    reward: Ref


class Asked(Value, frozen=True, omit_defaults=True):
    """An answer, and the right verdict. Counts are in tokens, 0 where they are not known."""

    text: str
    label: Literal["A", "B"]
    id: str = ""
    finish_reason: FinishReason = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Rewarded(Value, frozen=True):
    """What an answer is worth, and how it was read."""

    score: float
    verdict: Verdict
    right: bool


class Unrewarded(Value, frozen=True):
    """Why an answer has no reward: the exception in one line, and where it came from."""

    error: str
    traceback: str


def reward_of(asked: Asked, strategy: PromptStrategy, reward: RewardFunction) -> Rewarded:
    """Read and price one answer.

    Raises:
        PluginFailed: the parser or the reward raised, or the reward is no finite number.
    """
    label = Verdict(asked.label)
    judgment = Judgment(
        benchmark="training",
        pair_id=asked.id,
        chosen_first=label is Verdict.A,
        sample=0,
        verdict=read_verdict(strategy, asked.text),
        completion=Completion(
            text=asked.text,
            finish_reason=asked.finish_reason,
            prompt_tokens=asked.prompt_tokens,
            completion_tokens=asked.completion_tokens,
        ),
    )
    try:
        score = float(reward(judgment, label))
    except Rmr1Error:
        raise
    except Exception as error:  # the boundary to foreign code
        problem = f"reward {reward.name!r} raised {error!r}"
        raise PluginFailed(reward.name, problem) from error
    if not math.isfinite(score):
        raise PluginFailed(reward.name, f"reward {reward.name!r} is {score}, no finite number")
    return Rewarded(score=score, verdict=judgment.verdict, right=judgment.correct)


def serve(rewarding: Rewarding, answers: IO[bytes], out: IO[bytes]) -> None:
    """Answer line by line until there are no more; what fails is told, and the next one read.

    Raises:
        UnknownName, BadOption: the prompt or the reward cannot be used.
    """
    strategy: PromptStrategy = resolve("prompt", rewarding.prompt)
    reward: RewardFunction = resolve("reward", rewarding.reward)
    decode = msgspec.json.Decoder(Asked).decode
    for line in answers:
        try:
            told: Value = reward_of(decode(line), strategy, reward)
        except Exception as error:  # whoever asked has to end the training, and say this
            told = _told(error)
        out.write(msgspec.json.encode(told) + b"\n")
        out.flush()


def main(file: str) -> None:
    """Serve on the standard streams."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        rewarding = msgspec.json.decode(Path(file).read_bytes(), type=Rewarding)
        serve(rewarding, sys.stdin.buffer, out)
    except Exception as error:  # told in the place of the first answer
        out.write(msgspec.json.encode(_told(error)) + b"\n")
        out.flush()
        raise


def _told(error: Exception) -> Unrewarded:
    *_, last = traceback.format_exception_only(error)
    return Unrewarded(error=last.strip(), traceback="".join(traceback.format_exception(error)))


if __name__ == "__main__":
    main(sys.argv[1])
