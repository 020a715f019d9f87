"""Requests answered from journals or logs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from rmr1_core import Answer, Completion, EngineSession, Request, RequestFailed
from rmr1_core.errors import BadInput
from rmr1_replay import journals, logs
from rmr1_replay.journals import Key
from rmr1_replay.matching import Matcher, shown_first

INDEX_FILE = "index.json"
"""What the folder of a run's evaluation has, beside its journal."""


class ReplaySession(EngineSession):
    """What is stored at a path."""

    def __init__(self, path: Path) -> None:
        self._path = path
        own, foreign = _files(path)
        self._answers = journals.read_journals(own)
        judgments = logs.read_logs(foreign)
        self._matcher = Matcher(judgments)
        self._size = len(self._answers) + len(judgments)
        if not self._size:
            raise BadInput(path, "holds no judgments")

    @property
    def facts(self) -> Mapping[str, str]:
        """What is replayed."""
        return {"replayed": str(self._path), "stored answers": str(self._size)}

    def generate(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """Answer every request from what is stored, in the order of asking."""
        for request in requests:
            yield Answer(id=request.id, result=self._answer(request))

    def _answer(self, request: Request) -> Completion | RequestFailed:
        key = Key.of_request(request.id)
        if key is not None and key in self._answers:
            return self._answers[key]
        found = self._matcher.find(request, key)
        if not found:
            return RequestFailed(error=f"{self._path} holds no answer to this request")
        first = shown_first(request, key, found[0])
        same_order = [judgment for judgment in found if judgment.chosen_first is first]
        if not same_order:
            other = "second" if first else "first"
            return RequestFailed(
                error=f"{self._path} holds this pair only with the chosen answer {other}"
            )
        sample = key.sample if key else 0
        if sample >= len(same_order):
            return RequestFailed(
                error=f"{self._path} holds {len(same_order)} answers to this request, and number "
                f"{sample + 1} was asked for"
            )
        return Completion(
            text=same_order[sample].text, finish_reason="stop", prompt_tokens=0, completion_tokens=0
        )


def _of_another_pass(journal: Path) -> bool:
    """Whether a run's journal is of another pass over its pairs, such as repeats/2: what it answers
    is answered by the run's first pass, too."""
    return (
        not (journal.parent / INDEX_FILE).exists()
        and (journal.parent.parent.parent / INDEX_FILE).exists()
    )


def _files(path: Path) -> tuple[list[Path], list[Path]]:
    """The journals and the logs at a path.

    Raises:
        BadInput: there are none.
    """
    if path.is_file():
        return ([path], []) if ".jsonl" in path.name else ([], [path])
    if not path.is_dir():
        raise BadInput(path, "no such file or folder; say what to replay: --engine replay:PATH")
    own = sorted(found for name in journals.NAMES for found in path.rglob(name))
    own = [found for found in own if not _of_another_pass(found)]
    foreign = [] if own else logs.log_files(path)
    if not own and not foreign:
        raise BadInput(path, f"no {journals.NAMES[0]} and no *logs.json in this folder")
    return own, foreign
