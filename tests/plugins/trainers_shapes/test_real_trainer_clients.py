"""The real clients of OpenRLHF and veRL, in their environments, get rewards from the routes."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rmr1_core import Message
from rmr1_core.lookup import resolve
from rmr1_reward_server import trainers

pytestmark = pytest.mark.slow
CLIENTS = Path(__file__).with_name("trainer_clients.py")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder with a tokenizer and its chat template."""
    texts = ["how much is it worth?", "worth 1 2 3 4 5"] * 50
    resolve("backbone", "tiny").prepare(tmp_path / "model", seed=0, corpus=lambda: texts)
    return tmp_path / "model"


@pytest.fixture
def client(managed_environment: Callable[[str], Any]) -> Callable[..., Any]:
    """Run the client of a trainer in its environment."""

    def run(name: str, *words: str | Path) -> Any:
        located = managed_environment(name)
        done = subprocess.run(
            [located.python, CLIENTS, name, *words],
            env={**os.environ, **located.env, "HF_HUB_OFFLINE": "1"},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return run


def test_openrlhf_s_client_gets_rewards_that_its_trainer_takes(shapes, client, model):
    url = f"{shapes.url}/v1/openrlhf?group=3&strength=win-rate"
    found = client("openrlhf", url, model, "1", "3", "2")
    shares = [[pytest.approx(share)] for share in (0.0, 1.0, 0.5)]
    assert [one["rewards"] for one in found] == shares
    assert [one["scores"] for one in found] == shares
    assert [one["group"] for one in found] == [[3.0]] * 3
    ((messages, answers, _),) = shapes.groups
    assert sorted(answers) == ["worth 1", "worth 2", "worth 3"]
    assert messages == (Message("user", "how much?"),)


def test_verl_s_reward_manager_gets_rewards_through_the_file(shapes, client, model):
    found = client("verl", trainers.__file__, shapes.url, model, "1", "3", "2")
    assert [one["reward_score"] for one in found] == [pytest.approx(x) for x in (0.0, 1.0, 0.5)]
    assert [one["reward_extra_info"]["judged_together"] for one in found] == [3, 3, 3]
    ((messages, answers, _),) = shapes.groups
    assert sorted(answers) == ["worth 1", "worth 2", "worth 3"]
    assert messages == (Message("user", "how much?"),)
