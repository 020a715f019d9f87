"""A served judge as the reward of a training: answers are compared with one another."""

from __future__ import annotations

from collections.abc import Iterable

from rmr1_core import RewardFunction, hookimpl


@hookimpl
def rmr1_rewards() -> Iterable[RewardFunction]:
    """Offer the reward of this plugin."""
    from rmr1_served_rewards.reward import ServedReward

    summary = "what a judge that rmr1 serve offers thinks of the answers to a prompt, compared"
    return [ServedReward(name="served", summary=summary)]
