"""Answers sampled from the policy, and what they are worth.

An answer is read by the recipe's own prompt strategy and priced by its own reward, so training and
evaluation cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from rmr1_core import (
    Completion,
    Judgment,
    Message,
    PromptStrategy,
    RewardFunction,
    TrainingRow,
    Verdict,
)
from rmr1_core.rewarding import Group, price_all
from rmr1_local.encoding import encode_prompts
from rmr1_local.scoring import Encoded
from rmr1_local.trainers import LocalGrpo
from rmr1_transformers.decoding import DecodingOptions, Finished, decode
from rmr1_transformers.loading import ends


class Question(NamedTuple):
    """A prompt in one order of its answers, and the right verdict."""

    id: str
    prompt: list[int]
    label: Verdict
    messages: tuple[Message, ...] = ()


class Rollout(NamedTuple):
    """Answers to some prompts: `answers[i][j]` is the j-th to prompt i.

    `rewards` is (prompts, samples); `unparsed` the share of answers without a verdict.
    """

    answers: list[list[Encoded]]
    rewards: torch.Tensor
    unparsed: float


def both_orders(tokenizer: Any, rows: Sequence[TrainingRow]) -> list[tuple[Question, ...]]:
    """Each row as one question per order of its answers; only one where there is no twin."""
    prompts = encode_prompts(tokenizer, [row.messages for row in rows])
    questions: list[tuple[Question, ...]] = [
        (Question(row.id, prompt, Verdict(row.label), row.messages),)
        for row, prompt in zip(rows, prompts, strict=True)
    ]
    twins = [index for index, row in enumerate(rows) if row.twin]
    swapped = {"A": Verdict.B, "B": Verdict.A}
    if twins:
        prompts = encode_prompts(tokenizer, [rows[index].twin for index in twins])
        for index, prompt in zip(twins, prompts, strict=True):
            row = rows[index]
            questions[index] += (Question(row.id, prompt, swapped[row.label], row.twin),)
    return questions


class Sampler:
    """Samples answers from the policy and rewards them."""

    def __init__(
        self,
        trainer: LocalGrpo,
        model: Any,
        tokenizer: Any,
        prompt: PromptStrategy,
        reward: RewardFunction,
    ) -> None:
        self._trainer, self._model, self._tokenizer = trainer, model, tokenizer
        self._prompt, self._reward = prompt, reward

    def __call__(self, questions: Sequence[Question], seed: int) -> Rollout:
        """Several answers to each question, the same ones for the same seed."""
        trainer = self._trainer
        options = DecodingOptions(
            max_new_tokens=trainer.max_new_tokens,
            eos=ends(self._model, self._tokenizer),
            temperature=trainer.temperature,
            seed=seed,
        )
        samples = trainer.samples_per_prompt
        answers = [[Encoded([], [])] * samples for _ in questions]
        judgments: list[dict[int, Judgment]] = [{} for _ in questions]
        prompts = [question.prompt for question in questions]
        for finished in decode(self._model, prompts, options, copies=samples):
            question = questions[finished.prompt]
            judgments[finished.prompt][finished.copy] = self._judge(question, finished)
            answers[finished.prompt][finished.copy] = Encoded(question.prompt, finished.tokens)
        groups = [
            Group(question.messages, [own[copy] for copy in range(samples)], question.label)
            for question, own in zip(questions, judgments, strict=True)
        ]
        rewards = torch.tensor(price_all(self._reward, groups))
        lost = [j.verdict is Verdict.UNPARSED for group in groups for j in group.judgments]
        return Rollout(answers, rewards, sum(lost) / len(lost))

    def _judge(self, question: Question, finished: Finished) -> Judgment:
        text = self._tokenizer.decode(finished.tokens, skip_special_tokens=True)
        return Judgment(
            benchmark="training",
            pair_id=question.id,
            chosen_first=question.label is Verdict.A,
            sample=finished.copy,
            verdict=self._prompt.parse(text),
            completion=Completion(
                text=text,
                finish_reason=finished.finish_reason,
                prompt_tokens=len(question.prompt),
                completion_tokens=len(finished.tokens),
            ),
        )
