"""The folder of a distillation that is under way: its rows, its passes, what they have so far.

In its folder `work` are:

request.json                      what was asked, written when the rows are stored
rows.jsonl.gz                     the source's rows, as they were when the distillation began
prompt.json                       what is asked of the first row
judging.jsonl, correcting.jsonl   every answer as it came, per pass
"""

from __future__ import annotations

from pathlib import Path

from rmr1_core import examples_file, runs
from rmr1_core.distill_passes import passes
from rmr1_core.distill_report import Distillation
from rmr1_core.errors import UsageError
from rmr1_core.judging import render
from rmr1_core.values import Example, Value

WORK, REQUEST_FILE, STORED_FILE = "work", "request.json", "rows.jsonl.gz"
_PROMPT_FILE = "prompt.json"


class Begun(Value, frozen=True):
    """What a distillation began with. `skipped` are the rows that could not be used."""

    request: Distillation
    skipped: tuple[str, ...] = ()


class Work:
    """A distillation's folder, its rows and its passes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.begun = runs.read_whole(folder / WORK / REQUEST_FILE, Begun)
        stored = examples_file.read(folder / WORK / STORED_FILE)
        self.rows = {example.pair.id: example for example in stored}
        self.judging, *correcting = passes(self.begun.request, folder / WORK)
        self.correcting = correcting[0] if correcting else None

    def check_prompt(self) -> None:
        """Keep what is asked of the first row, or make sure that it is still asked.

        Raises:
            UsageError: the strategy, its file or its plugin has changed since.
        """
        strategy, first = self.judging.judge.strategy, next(iter(self.rows.values()))
        messages = render(strategy, first.pair, first.chosen_first)
        path = self.folder / WORK / _PROMPT_FILE
        if not path.exists():
            runs.write_whole(path, messages)
        elif path.read_bytes() != runs.as_json(messages):
            raise UsageError(
                f"prompt {strategy.name!r} asks something else than when this began, which is in "
                f"{path}; distill into another folder with: -o DIR"
            )

    def without_trace(self) -> list[Example]:
        """The rows of which the judge has no trace to keep yet."""
        kept = {t.judgment.pair_id for t in self.judging.traces(self.rows) if t.rejection is None}
        return [row for id_, row in self.rows.items() if id_ not in kept]

    def flawed(self) -> dict[str, str]:
        """The first sample of each row without a trace to keep, in the order of the rows; a row
        whose prompt was too long for the judge has none."""
        first: dict[str, tuple[int, str]] = {}
        kept = set()
        for trace in self.judging.traces(self.rows):
            made = trace.judgment
            if trace.rejection is None:
                kept.add(made.pair_id)
            text = trace.text or made.completion.text
            if text and made.sample < first.get(made.pair_id, (made.sample + 1,))[0]:
                first[made.pair_id] = (made.sample, text)
        return {id_: first[id_][1] for id_ in self.rows if id_ in first and id_ not in kept}
