from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rmr1_core import Ref
from rmr1_core.rewarding import Rewarding, serve

RIGHT = {"text": "<answer>[[A]]</answer>", "label": "A"}
RECIPE = Rewarding(prompt=Ref(name="compact"), reward=Ref(name="verdict"))
FAILING = """
from rmr1_core import RewardFunction, hookimpl

class Failing(RewardFunction, frozen=True, kw_only=True):
    def __call__(self, judgment, label):
        print("the reward looks at", judgment.pair_id)
        if judgment.completion.completion_tokens > 7:
            raise KeyError("no rubric")
        return float("nan") if judgment.completion.finish_reason == "length" else 0.5

@hookimpl
def rmr1_rewards():
    return [Failing(name="failing", summary="raises at long answers")]
"""


COMPARING = """
import threading

from rmr1_core import RewardFunction, hookimpl

TOGETHER = threading.Barrier(2, timeout=20)


class Longest(RewardFunction, frozen=True, kw_only=True):
    def __call__(self, judgment, label):
        raise AssertionError("answers to a prompt are priced together")

    def group(self, messages, judgments, label):
        TOGETHER.wait()
        if messages[0].content == "too many":
            return [1.0] * (len(judgments) + 1)
        lengths = [len(judgment.completion.text) for judgment in judgments]
        return [float(length == max(lengths)) for length in lengths]


@hookimpl
def rmr1_rewards():
    return [Longest(name="longest", summary="the longest answer to a prompt wins")]
"""


def told(rewarding: Rewarding, *answers: dict[str, Any]) -> list[dict[str, Any]]:
    lines = io.BytesIO(b"".join(json.dumps(answer).encode() + b"\n" for answer in answers))
    out = io.BytesIO()
    serve(rewarding, lines, out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def run(file: Path, *answers: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rmr1_core.rewarding", str(file)],
        input="".join(json.dumps(answer) + "\n" for answer in answers),
        capture_output=True,
        text=True,
        check=False,
    )


def test_answers_are_read_and_priced_by_the_recipes_own_components() -> None:
    wrong = {"text": "<answer>[[B]]</answer>", "label": "A"}
    lost = {"text": "I cannot say", "label": "B"}
    assert told(RECIPE, RIGHT, wrong, lost) == [
        {"score": 1.0, "verdict": "A", "right": True},
        {"score": -1.0, "verdict": "B", "right": False},
        {"score": -1.0, "verdict": "unparsed", "right": False},
    ]


def test_the_options_of_the_reward_count() -> None:
    form = Ref(name="format", options={"form": "answer"})
    (reward,) = told(Rewarding(prompt=Ref(name="compact"), reward=form), RIGHT | {"label": "B"})
    assert reward == {"score": 1.0, "verdict": "A", "right": False}


def test_a_line_that_is_no_answer_is_told_and_the_next_one_read() -> None:
    bad, good = told(RECIPE, {"text": 3, "label": "A"}, RIGHT)
    assert bad["error"].startswith("msgspec.ValidationError")
    assert good["score"] == 1.0


def test_the_reward_sees_how_the_answer_ended(install_plugin: Any) -> None:
    install_plugin("failing", FAILING)
    failing = Rewarding(prompt=Ref(name="compact"), reward=Ref(name="failing"))
    short, long, cut = told(
        failing,
        RIGHT,
        RIGHT | {"completion_tokens": 8},
        RIGHT | {"finish_reason": "length"},
    )
    assert short["score"] == 0.5
    assert "reward 'failing' raised KeyError('no rubric')" in long["error"]
    assert 'raise KeyError("no rubric")' in long["traceback"]
    assert "is nan, no finite number" in cut["error"]


def test_what_a_plugin_prints_stays_out_of_the_answers(tmp_path: Path, install_plugin: Any) -> None:
    install_plugin("failing", FAILING)
    file = tmp_path / "rewarding.json"
    failing = Rewarding(prompt=Ref(name="compact"), reward=Ref(name="failing"))
    file.write_bytes(msgspec.json.encode(failing))
    done = run(file, RIGHT | {"id": "row 7"})
    assert json.loads(done.stdout) == {"score": 0.5, "verdict": "A", "right": True}
    assert "the reward looks at row 7" in done.stderr


@pytest.mark.parametrize("reward", ["verdct", "nothing-like-it"])
def test_a_reward_that_is_not_installed_is_told_in_place_of_an_answer(
    tmp_path: Path, reward: str
) -> None:
    file = tmp_path / "rewarding.json"
    missing = Rewarding(prompt=Ref(name="compact"), reward=Ref(name=reward))
    file.write_bytes(msgspec.json.encode(missing))
    done = run(file, RIGHT)
    assert f"no reward named '{reward}'" in json.loads(done.stdout)["error"]
    assert done.returncode != 0


def group(prompt: str, *texts: str) -> dict[str, Any]:
    answers = [{"text": text, "label": "A"} for text in texts]
    return {"messages": [{"role": "user", "content": prompt}], "answers": answers}


def test_groups_are_priced_whole_at_the_same_time_and_told_in_their_order(
    install_plugin: Any,
) -> None:
    install_plugin("comparing", COMPARING)  # each waits for the other one
    longest = Rewarding(prompt=Ref(name="compact"), reward=Ref(name="longest"), groups=True)
    first, second = told(longest, group("one", "long", "l", "s"), group("two", "s", "[[A]]"))
    assert [answer["score"] for answer in first["answers"]] == [1.0, 0.0, 0.0]
    assert [answer["score"] for answer in second["answers"]] == [0.0, 1.0]
    assert [answer["right"] for answer in second["answers"]] == [False, True]


def test_a_reward_must_give_a_number_for_every_answer_of_a_group(install_plugin: Any) -> None:
    install_plugin("comparing", COMPARING)
    longest = Rewarding(prompt=Ref(name="compact"), reward=Ref(name="longest"), groups=True)
    many, good = told(longest, group("too many", "a", "b"), group("two", "s", "long"))
    assert "reward 'longest' gave 3 numbers for 2 answers" in many["error"]
    assert [answer["score"] for answer in good["answers"]] == [0.0, 1.0]


def test_a_reward_that_does_not_compare_prices_the_answers_of_a_group_one_by_one() -> None:
    both = msgspec.structs.replace(RECIPE, groups=True)
    (priced,) = told(both, group("which?", "[[A]]", "[[B]]"))
    assert [answer["score"] for answer in priced["answers"]] == [1.0, -1.0]
