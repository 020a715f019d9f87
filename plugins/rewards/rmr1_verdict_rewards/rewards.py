"""A reward is a number that follows from the judgment and the right verdict alone. (`combined` may
add rewards of other plugins, which may look at more.)

The paper pays for the verdict only (arXiv 2505.02387, section 3.3): after distillation the form of
the answer holds by itself. `format` and `combined` are for models that start without it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec

from rmr1_core import Check, Judgment, Message, Option, Ref, RewardFunction, Verdict
from rmr1_core.errors import BadOption, UnknownName
from rmr1_core.lookup import resolve
from rmr1_verdict_rewards.form import Form


class VerdictReward(RewardFunction, frozen=True, kw_only=True):
    """The paper's reward: +1 when the verdict is right, else -1.

    A tie or an answer that does not parse is wrong.
    """

    def __call__(self, judgment: Judgment, label: Verdict) -> float:
        """+1.0 or -1.0."""
        return 1.0 if judgment.verdict is label else -1.0


class FormatReward(RewardFunction, frozen=True, kw_only=True):
    """+1 when the answer has the required form, else -1, whatever its verdict.

    `rubrics` requires, in this order, each once and none empty: `<type>` with Reasoning or Chat;
    `<solution>` for Reasoning or `<rubric>` for Chat, which may hold a `<justify>`; `<eval>`;
    `<answer>` with `[[A]]` or `[[B]]`, and nothing after it. `answer` requires only that one
    `<answer>` at the end. What a model thinks before `</think>`, and what it quotes, is not
    looked at.
    """

    form: Annotated[
        Literal["rubrics", "answer"], Option(description="what is required: all tags, or the last")
    ] = "rubrics"
    justify: Annotated[
        bool, Option(description="a rubric must hold a <justify> with its reasons")
    ] = False
    evidence: Annotated[
        bool, Option(description="<eval> must quote or summarise both answers in their tags")
    ] = False

    def __call__(self, judgment: Judgment, label: Verdict) -> float:
        """+1.0 or -1.0."""
        form = Form(self.form == "rubrics", self.justify, self.evidence)
        return 1.0 if form.holds(judgment.completion.text) else -1.0


class CombinedReward(RewardFunction, frozen=True, kw_only=True, dict=True):
    """The weighted sum of other rewards.

    In a recipe: `options = {weights = {verdict = 1.0, format = 0.2}, options = {format = {form =
    "answer"}}}`. Keep the weight of the form below that of the verdict, or a model may live on
    well-formed wrong answers. `weights = {verdict = 1.0, served = 0.3}` adds what a judge thinks.
    """

    weights: Annotated[
        Mapping[str, float], Option(description="weight of each reward, by name")
    ] = msgspec.field(default_factory=lambda: {"verdict": 1.0, "format": 0.2})
    options: Annotated[
        Mapping[str, Mapping[str, Any]], Option(description="options of the rewards, by name")
    ] = {}

    def __post_init__(self) -> None:
        """Raise BadOption now, not when the training begins."""
        self._parts  # noqa: B018 - resolves the names

    @functools.cached_property
    def _parts(self) -> list[tuple[float, RewardFunction]]:
        stray = sorted(self.options.keys() - self.weights.keys())
        if stray:
            raise BadOption("reward", self.name, f"options for {stray[0]!r}, which has no weight")
        return [(w, self._part(n, self.options.get(n, {}))) for n, w in self.weights.items()]

    def _part(self, name: str, options: Mapping[str, Any]) -> RewardFunction:
        if name == self.name:
            raise BadOption("reward", self.name, f"{name!r} cannot weigh itself")
        if name not in PARTS:
            return self._elsewhere(name, options)
        kind = PARTS[name]
        unknown = sorted(set(options) - set(kind.__struct_fields__))
        if unknown:
            raise BadOption("reward", self.name, f"reward {name!r} has no option {unknown[0]!r}")
        try:
            return msgspec.convert({"name": name, **options}, kind)
        except msgspec.ValidationError as error:
            problem = str(error).replace("`", "")
            raise BadOption("reward", self.name, f"options of {name!r}: {problem}") from None

    def _elsewhere(self, name: str, options: Mapping[str, Any]) -> RewardFunction:
        """A reward of another plugin. Those of this one are made without looking them up, because
        plugins are still being found when this one is asked what it offers."""
        try:
            reward: RewardFunction = resolve("reward", Ref(name=name, options=dict(options)))
        except UnknownName as error:
            raise BadOption("reward", self.name, f"cannot weigh {name!r}: {error}") from None
        return reward

    def __call__(self, judgment: Judgment, label: Verdict) -> float:
        """The sum of weight times reward."""
        return sum(weight * reward(judgment, label) for weight, reward in self._parts)

    def group(
        self, messages: Sequence[Message], judgments: Sequence[Judgment], label: Verdict
    ) -> list[float]:
        """The same for all answers to a prompt."""
        columns = [
            [weight * score for score in reward.group(messages, judgments, label)]
            for weight, reward in self._parts
        ]
        return [sum(scores) for scores in zip(*columns, strict=True)]

    @property
    def sees_groups(self) -> bool:
        """Whether one of them compares answers."""
        return any(reward.sees_groups for _, reward in self._parts)

    def checks(self) -> Iterable[Check]:
        """What each of them looks at."""
        return [check for _, reward in self._parts for check in reward.checks()]


PARTS: Mapping[str, type[RewardFunction]] = {"verdict": VerdictReward, "format": FormatReward}
"""The rewards of this plugin that can be combined, by name."""
