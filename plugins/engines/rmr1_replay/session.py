"""Requests answered from journals or logs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from rmr1_core import (
    Answer,
    Completion,
    EngineSession,
    LoggedJudgment,
    Request,
    RequestFailed,
)
from rmr1_core.errors import BadInput
from rmr1_core.logged import recognized
from rmr1_replay import journals
from rmr1_replay.journals import Key
from rmr1_replay.matching import Matcher, shown_first

INDEX_FILE = "index.json"
"""What the folder of a run's evaluation has, beside its journal."""


class ReplaySession(EngineSession):
    """What is stored at a path."""

    def __init__(self, path: Path) -> None:
        self._path = path
        own = _journals(path)
        self._answers = journals.read_journals(own)
        judgments = [] if own else _logged(path)
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


def _journals(path: Path) -> list[Path]:
    """The journals at a path: the file that is called as one, or those below the folder."""
    if path.is_file():
        return [path] if path.name in journals.NAMES else []
    found = sorted(found for name in journals.NAMES for found in path.rglob(name))
    return [journal for journal in found if not _of_another_pass(journal)]


def _logged(path: Path) -> list[LoggedJudgment]:
    """What another project's logs at a path hold, with the answers that were compared.

    Raises:
        BadInput: nothing is there, or a record cannot be used, or there are no texts.
        UsageError: no importer knows what is there, or several do.
    """
    importer = recognized(path, say="import them, and replay the run: rmr1 import PATH --from")
    found = [logged for logged in importer.judgments(path) if logged.pair.prompt]
    if not found:
        raise BadInput(path, "holds no answers to find requests by; import it with: rmr1 import")
    return found
