"""The recipe's own parser and reward, for a trainer that runs in an environment without rmr1.

`python -m rmr1_core.rewarding FILE` reads answers as JSON lines (`Asked`) and writes for each, in
the same order, what it is worth (`Rewarded`) or why nobody can tell (`Unrewarded`). FILE holds a
`Rewarding`: the prompt strategy that parses and the reward that prices, with their options. The
standard output belongs to the answers: what a plugin prints goes to the standard error.

A reward may compare the answers to a prompt. With `groups` in FILE, a line is a whole group
(`AskedGroup`, `RewardedGroup`), and several groups are priced at the same time.
"""

from __future__ import annotations

import math
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Literal, NamedTuple

import msgspec

from rmr1_core.components import PromptStrategy, RewardFunction
from rmr1_core.errors import PluginFailed, Rmr1Error
from rmr1_core.judging import read_verdict
from rmr1_core.lookup import resolve
from rmr1_core.values import (
    Completion,
    FinishReason,
    Judgment,
    Message,
    Ref,
    Value,
    Verdict,
)

AT_ONCE = 16
"""Groups that are priced at the same time: a reward that compares mostly waits for a judge."""


class Rewarding(Value, frozen=True, omit_defaults=True):
    """What prices answers, one by one or in groups."""

    prompt: Ref
    reward: Ref
    groups: bool = False


class Asked(Value, frozen=True, omit_defaults=True):
    """An answer, and the right verdict. Counts are in tokens, 0 where they are not known."""

    text: str
    label: Literal["A", "B"]
    id: str = ""
    finish_reason: FinishReason = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0


class AskedGroup(Value, frozen=True):
    """All answers to one prompt, at least one, with the same label."""

    messages: tuple[Message, ...]
    answers: tuple[Asked, ...]


class Rewarded(Value, frozen=True):
    """What an answer is worth, and how it was read."""

    score: float
    verdict: Verdict
    right: bool


class RewardedGroup(Value, frozen=True):
    """What each of a group's answers is worth, in their order."""

    answers: tuple[Rewarded, ...]


class Unrewarded(Value, frozen=True):
    """Why an answer or a group has no reward: the exception in one line, and where it came from."""

    error: str
    traceback: str


class Group(NamedTuple):
    """A prompt, what was answered to it, and the right verdict."""

    messages: Sequence[Message]
    judgments: Sequence[Judgment]
    label: Verdict


def reward_of(asked: Asked, strategy: PromptStrategy, reward: RewardFunction) -> Rewarded:
    """Read and price one answer.

    Raises:
        PluginFailed: the parser or the reward raised, or the reward is no finite number.
    """
    judgment, label = _judgment(asked, strategy), Verdict(asked.label)
    (score,) = _priced(reward, lambda: [reward(judgment, label)], 1)
    return Rewarded(score=score, verdict=judgment.verdict, right=judgment.correct)


def rewards_of_group(
    asked: AskedGroup, strategy: PromptStrategy, reward: RewardFunction
) -> RewardedGroup:
    """Read and price the answers to one prompt. Raises as `reward_of` does."""
    judgments = [_judgment(answer, strategy) for answer in asked.answers]
    scores = price(reward, Group(asked.messages, judgments, Verdict(asked.answers[0].label)))
    return RewardedGroup(
        answers=tuple(
            Rewarded(score=score, verdict=judgment.verdict, right=judgment.correct)
            for judgment, score in zip(judgments, scores, strict=True)
        )
    )


def price(reward: RewardFunction, group: Group) -> list[float]:
    """What a group's answers are worth. Raises PluginFailed as `reward_of` does."""
    return _priced(reward, lambda: reward.group(*group), len(group.judgments))


def price_all(reward: RewardFunction, groups: Sequence[Group]) -> list[list[float]]:
    """What the answers of each group are worth; several groups at the same time where the reward
    compares answers. Raises PluginFailed as `reward_of` does."""
    if not reward.sees_groups:
        return [price(reward, group) for group in groups]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        coming = [pool.submit(price, reward, group) for group in groups]
        try:
            return [future.result() for future in coming]
        finally:
            pool.shutdown(cancel_futures=True)


def serve(rewarding: Rewarding, answers: IO[bytes], out: IO[bytes]) -> None:
    """Answer line by line until there are no more; what fails is told, and the next one read.

    Raises:
        UnknownName, BadOption: the prompt or the reward cannot be used.
    """
    strategy: PromptStrategy = resolve("prompt", rewarding.prompt)
    reward: RewardFunction = resolve("reward", rewarding.reward)
    one = msgspec.json.Decoder(Asked).decode
    group = msgspec.json.Decoder(AskedGroup).decode
    if rewarding.groups:
        _side_by_side(answers, lambda line: rewards_of_group(group(line), strategy, reward), out)
        return
    for line in answers:
        _write(out, _or_why(lambda line: reward_of(one(line), strategy, reward), line))


def _side_by_side(lines: Iterable[bytes], tell: Callable[[bytes], Value], out: IO[bytes]) -> None:
    """Answer several lines at the same time, in their order."""
    coming: SimpleQueue[Future[Value] | None] = SimpleQueue()

    def write() -> None:
        while (future := coming.get()) is not None:
            _write(out, future.result())

    writer = threading.Thread(target=write, name="rewards", daemon=True)
    writer.start()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for line in lines:
            coming.put(pool.submit(_or_why, tell, line))
        coming.put(None)
        writer.join()


def _or_why(tell: Callable[[bytes], Value], line: bytes) -> Value:
    try:
        return tell(line)
    except Exception as error:  # whoever asked has to end the training, and say this
        return _told(error)


def _write(out: IO[bytes], told: Value) -> None:
    out.write(msgspec.json.encode(told) + b"\n")
    out.flush()


def _judgment(asked: Asked, strategy: PromptStrategy) -> Judgment:
    return Judgment(
        benchmark="training",
        pair_id=asked.id,
        chosen_first=asked.label == "A",
        sample=0,
        verdict=read_verdict(strategy, asked.text),
        completion=Completion(
            text=asked.text,
            finish_reason=asked.finish_reason,
            prompt_tokens=asked.prompt_tokens,
            completion_tokens=asked.completion_tokens,
        ),
    )


def _priced(reward: RewardFunction, ask: Callable[[], list[float]], count: int) -> list[float]:
    """What a reward says, if it says `count` finite numbers; the boundary to foreign code."""
    try:
        scores = [float(score) for score in ask()]
    except Rmr1Error:
        raise
    except Exception as error:
        problem = f"reward {reward.name!r} raised {error!r}"
        raise PluginFailed(reward.name, problem) from error
    if len(scores) != count:
        problem = f"reward {reward.name!r} gave {len(scores)} numbers for {count} answers"
        raise PluginFailed(reward.name, problem)
    for score in scores:
        if not math.isfinite(score):
            raise PluginFailed(reward.name, f"reward {reward.name!r} is {score}, no finite number")
    return scores


def main(file: str) -> None:
    """Serve on the standard streams."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        rewarding = msgspec.json.decode(Path(file).read_bytes(), type=Rewarding)
        serve(rewarding, sys.stdin.buffer, out)
    except Exception as error:  # told in the place of the first answer
        _write(out, _told(error))
        raise


def _told(error: Exception) -> Unrewarded:
    *_, last = traceback.format_exception_only(error)
    return Unrewarded(error=last.strip(), traceback="".join(traceback.format_exception(error)))


if __name__ == "__main__":
    main(sys.argv[1])
