"""Rewards of a judge behind `rmr1 serve`, for TRL and veRL.

This file needs nothing but Python, so it can be copied to where the training runs, or named by the
path that `python -m rmr1_reward_server.trainers` prints. The server's address is in RMR1_URL, its
token, if it wants one, in RMR1_TOKEN.

TRL, whose groups come whole:

    from trainers import judge_reward
    trainer = GRPOTrainer(..., reward_funcs=judge_reward())

veRL, whose answers come one by one, and meet at the server:

    reward.custom_reward_function.path=trainers.py
    reward.custom_reward_function.name=compute_score
    +reward.custom_reward_function.reward_kwargs.group=8     # rollout.n
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import random
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

Rewards = Callable[..., list[float]]

URL = "http://127.0.0.1:8000"
AT_ONCE = 256
"""Requests that are under way at a time; those of a group wait for one another."""
PATIENCE = 300.0
"""Seconds for which a server that is busy or away is asked again."""
TIMEOUT = 600.0
_PROMPTS = ("prompt", "messages", "raw_prompt", "question", "problem")
_AGAIN = {408, 425, 429, 500, 502, 503, 504}
_threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="rmr1-reward")


class NoReward(RuntimeError):
    """The server is not there, or refuses."""


def judge_reward(
    url: str | None = None,
    *,
    reference_column: str | None = None,
    alone: float | None = None,
    **how: Any,
) -> Rewards:
    """A reward function for TRL: `(prompts, completions, **columns) -> list[float]`.

    Answers to the same prompt in one call are compared with one another, and with the texts of
    `reference_column`, if it is given. `how` may have method, strength, references and rounds.
    An answer that has nothing to be compared with is worth `alone`, or an error without it.
    """

    def judge(prompts: Sequence[Any], completions: Sequence[Any], **columns: Any) -> list[float]:
        groups: dict[str, list[int]] = {}
        for place, prompt in enumerate(prompts):
            groups.setdefault(json.dumps(prompt, sort_keys=True), []).append(place)
        bodies = []
        for places in groups.values():
            body: dict[str, Any] = {"messages": prompts[places[0]], **how}
            body["answers"] = [_text(completions[place]) for place in places]
            if reference_column is not None:
                ours = [_text(columns[reference_column][place]) for place in places]
                body["references"] = [*how.get("references", ()), *dict.fromkeys(ours)]
            bodies.append(body)
        scores = list(_threads.map(lambda body: _scores(url, body, alone), bodies))
        rewards = [0.0] * len(prompts)
        for places, found in zip(groups.values(), scores):  # noqa: B905 - as many by construction
            for place, score in zip(places, found):  # noqa: B905
                rewards[place] = score
        return rewards

    return judge


async def compute_score(
    data_source: str,  # noqa: ARG001 - veRL's signature
    solution_str: str,
    ground_truth: Any,
    extra_info: Mapping[str, Any] | None = None,
    *,
    url: str | None = None,
    prompt_key: str | None = None,
    ground_truth_is_reference: bool = False,
    **how: Any,
) -> dict[str, float]:
    """A custom reward for veRL: the score of an answer, compared with the others to its prompt.

    veRL does not show a reward the prompt, so `extra_info` of the data has to hold it: as
    `prompt_key`, or else as prompt, messages, raw_prompt, question or problem. `how` may have group
    (which should be rollout.n), wait, method, strength, references, rounds, and alone.
    """
    body = {
        "messages": _prompt(extra_info or {}, prompt_key),
        "answer": solution_str,
        **_plain(how),
    }
    if ground_truth_is_reference:
        body["references"] = [*body.get("references", ()), str(ground_truth)]
    loop = asyncio.get_running_loop()
    found = await loop.run_in_executor(_threads, lambda: post("/v1/gather", body, url))
    return {"score": found["score"], "judged_together": found["group"]}


def post(path: str, body: Mapping[str, Any], url: str | None = None) -> Any:
    """What the server answers; it is asked again while it is busy, when it says.

    Raises:
        NoReward: it is not there for longer than PATIENCE, or refuses.
    """
    server = (url or os.environ.get("RMR1_URL") or URL).rstrip("/")
    headers = {"Content-Type": "application/json"}
    if token := os.environ.get("RMR1_TOKEN", "").strip():
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(server + path, json.dumps(body).encode(), headers)
    deadline, pause = time.monotonic() + PATIENCE, 0.25
    while True:
        try:
            with _opener(server).open(request, timeout=TIMEOUT) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            why, wait = _refusal(error)
            if error.code not in _AGAIN:
                raise NoReward(f"the reward server at {server} refuses: {why}") from None
        except (OSError, http.client.HTTPException) as error:
            why, wait = str(getattr(error, "reason", error)), None
        if wait is None:
            pause = min(2 * pause, 30.0)
            wait = pause * random.uniform(0.5, 1.0)
        if time.monotonic() + wait > deadline:
            raise NoReward(f"the reward server at {server} does not answer: {why}")
        time.sleep(wait)


def _opener(server: str) -> urllib.request.OpenerDirector:
    """No proxy stands between a machine and itself."""
    local = urlsplit(server).hostname in ("127.0.0.1", "::1", "localhost")
    return urllib.request.build_opener(*[urllib.request.ProxyHandler({})] * local)


def _scores(url: str | None, body: Mapping[str, Any], alone: float | None) -> list[float]:
    if len(body["answers"]) == 1 and not body.get("references") and alone is not None:
        return [float(alone)]
    scores: list[float] = post("/v1/score", body, url)["scores"]
    return scores


def _refusal(error: urllib.error.HTTPError) -> tuple[str, float | None]:
    with error:
        said = error.read(2000).decode("utf-8", "replace")
    wait = (error.headers.get("Retry-After") or "").strip()
    return f"{error.code} {' '.join(said.split())}", float(wait) if wait.isdecimal() else None


def _prompt(extra: Mapping[str, Any], key: str | None) -> Any:
    for name in _PROMPTS if key is None else (key,):
        if name in extra and extra[name] is not None:
            return _plain(extra[name])
    wanted = key or ", ".join(_PROMPTS)
    raise NoReward(f"extra_info has no prompt ({wanted}); add it to the data as extra_info.prompt")


def _plain(value: Any) -> Any:
    """Settings and messages as JSON knows them; those of trainers are OmegaConf's and NumPy's."""
    if hasattr(value, "items"):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, str | int | float | None):
        return value
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    return [_plain(one) for one in value]


def _text(completion: str | Sequence[Mapping[str, Any]]) -> str:
    """The text of an answer; a conversational one is a list of messages."""
    if isinstance(completion, str):
        return completion
    return "\n\n".join(message["content"] or "" for message in completion)


if __name__ == "__main__":
    print(__file__)
