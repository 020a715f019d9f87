"""What is said and heard when the worker at the other end is gone."""

import sys
from contextlib import contextmanager

import pytest

from rmr1_core.errors import EngineFailed, UsageError
from rmr1_core.processes import talking
from rmr1_vllm import wire
from rmr1_vllm.talk import Worker

ANSWER = wire.Wrote(
    number=1, text="kept", finish_reason="stop", prompt_tokens=1, completion_tokens=1
)


@contextmanager
def saying(log, *messages, code=0):
    """A worker that says all this at once, and is gone."""
    said = b"".join(wire.encode(message) + b"\n" for message in messages)
    program = f"import os; os.write(1, {said!r}); os._exit({code})"
    with talking([sys.executable, "-c", program], env={}, log=log) as process:
        process.wait(30)
        yield Worker(process, log, since=0)


def test_answers_are_heard_before_the_error_that_came_with_them(tmp_path):
    failed = wire.Failed(why="RuntimeError: said by itself")
    with saying(tmp_path / "log", ANSWER, failed, code=1) as worker:
        assert worker.hear() == [ANSWER]
        for _ in range(2):
            with pytest.raises(EngineFailed, match="said by itself"):
                worker.hear()


def test_answers_of_a_worker_that_is_gone_are_heard_after_it_was_asked_more(tmp_path):
    with saying(tmp_path / "log", ANSWER, code=3) as worker:
        worker.say([wire.Forget(numbers=(1,))])
        assert worker.hear() == [ANSWER]
        with pytest.raises(EngineFailed, match="exit code 3"):
            worker.hear()


def test_a_refusal_is_heard_after_what_was_said_before(tmp_path):
    loading = wire.Loading(step="importing")
    with saying(tmp_path / "log", loading, wire.Refused(why="no such thing"), code=2) as worker:
        assert worker.hear(patient=False) == [loading]
        with pytest.raises(UsageError, match="no such thing"):
            worker.hear(patient=False)
