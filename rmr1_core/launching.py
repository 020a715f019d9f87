"""A stage's job while it runs: its events in the words of `Trainer.event`, told as they come.

Every step is a line of `steps.jsonl`, beside the job's own events, whichever trainer it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec

from rmr1_core import jsonl
from rmr1_core.components import Launcher, Trainer
from rmr1_core.progress import progress
from rmr1_core.values import Job

Event = Mapping[str, Any]

STEPS_FILE = "steps.jsonl"


def launch(launcher: Launcher, trainer: Trainer, job: Job, tell: Callable[[Event], None]) -> None:
    """Run a job to its end; show its steps, and keep and tell of each once.

    Raises:
        JobFailed: with the job's own last error.
    """
    lines = launcher.run(job)
    steps, began = Steps(steps_file(job)), False
    with progress(job.name, 1, "steps") as bar, ExitStack() as at_end:
        at_end.callback(getattr(lines, "close", lambda: None))  # which stops the job
        for line in lines:
            event = trainer.event(line)
            if event is not None and event.get("event") == "step":
                new = steps.add(event)  # the first new one came after starting, at no rate
                known = not (new and began)
                bar.advance(event["step"], _note(event), total=event["steps"], known=known)
                began = new
                if new:
                    tell(event)


def steps_file(job: Job) -> Path:
    """Where a job's steps are kept."""
    return Path(job.events).with_name(STEPS_FILE)


class Steps:
    """The steps of a job on disk, one line each, in their order.

    A job that goes on is followed from its beginning, and may repeat steps since its last
    checkpoint: what is known already is not new, and a step that comes out differently replaces
    those from there on.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        known = jsonl.read(path, dict[str, Any]) if path.exists() else ()
        self._known: dict[int, Event] = {event["step"]: event for event in known}

    def add(self, event: Event) -> bool:
        """Keep a step; whether it is new."""
        event = msgspec.json.decode(msgspec.json.encode(event))  # as it reads from the file
        step = event["step"]
        if self._known.get(step) == event:
            return False
        if step <= next(reversed(self._known), step - 1):  # the last one known
            self._known = {n: e for n, e in self._known.items() if n < step}
            jsonl.write(self._path, self._known.values())
        with jsonl.Appender(self._path) as file:
            file.append(event)
        self._known[step] = event
        return True


def events(trainer: Trainer, job: Job) -> Iterator[Event]:
    """What a job has reported so far."""
    path = Path(job.events)
    lines = jsonl.read(path, dict[str, Any]) if path.exists() else ()
    for line in lines:
        event = trainer.event(line)
        if event is not None:
            yield event


def number(event: Event, field: str) -> float:
    """A field of an event, 0 where it says nothing of it."""
    value = event.get(field, 0.0)
    return float(value) if isinstance(value, int | float) else 0.0


def _note(event: Event) -> str:
    shown = [("reward_mean", "reward"), ("kl", "KL"), ("response_length", "tokens/answer")]
    if event.get("reward_mean") is None:  # beside a reward, the loss of a policy says nothing
        shown = [("loss", "loss")]
    shown.append(("tokens_per_second", "tokens/s"))
    words = [
        f"{word} {number(event, key):.3g}" for key, word in shown if event.get(key) is not None
    ]
    if event.get("unparsed"):
        words.append(f"{100 * number(event, 'unparsed'):.0f} % unparsed")
    return ", ".join(words)
