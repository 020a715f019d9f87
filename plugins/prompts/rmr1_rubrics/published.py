"""RM-R1's published training sets, taken apart into pairs.

A published row is a rendered prompt (`context_messages`) with the right verdict, not a pair: it
holds one wording and one order. Here it becomes a pair again, so that the recipe's own prompt
renders it, as it renders the benchmarks.

On the hub (the cards of 2025-05): RM-R1-Distill-SFT has 8,753 rows, whose `winner` is the trace to
imitate and whose `ground_truth` is the verdict. RM-R1-after-Distill-RLVR has the other 64,226 rows,
RM-R1-Entire-RLVR-Train all 72,983 in the wording of the instruct models, and RM-R1-Reasoning-RLVR
the same in that of the reasoning models; there `winner` is the verdict.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from rmr1_core import PATH, Dataset, Example, Message, Option, Pair, Verdict, parse_verdict
from rmr1_core.errors import UsageError

if TYPE_CHECKING:
    from rmr1_core.datafiles import Row
    from rmr1_core.errors import BadInput
    from rmr1_rubrics.learned import TrainingPrompt
    from rmr1_rubrics.taking_apart import Wordings

PROMPT_FIELD = "context_messages"
_LABELS = {"model_a": Verdict.A, "model_b": Verdict.B, "A": Verdict.A, "B": Verdict.B}


class Published(Dataset, frozen=True, kw_only=True):
    """Rows with a rendered prompt and the right verdict, and a trace where there is one.

    The wordings around question and answers are learned from the rows themselves, in a first pass.
    A row that was not made with one of them, or whose trace does not end with its own label, is an
    error that names file, row and field; `allow_misfits` leaves out so many instead.
    """

    argument: ClassVar[str] = "path"
    path: Annotated[
        str,
        Option(
            extra=PATH, description="local copy: a data file, or a folder with one for each split"
        ),
    ] = ""
    hub: Annotated[str, Option(description="dataset id on the hub")] = ""
    revision: Annotated[str, Option(description="branch, tag or commit on the hub")] = "main"
    label_field: Annotated[
        str, Option(description="field with the right verdict: model_a or model_b")
    ] = "winner"
    trace_field: Annotated[str, Option(description="field with the trace, where there is one")] = ""
    traces: Annotated[
        Literal["published", "verdict", "none"],
        Option(description="what a judge is to imitate: the row's trace, the verdict alone"),
    ] = "none"
    allow_misfits: Annotated[
        int, Option(description="rows that may be left out because they do not fit", ge=0)
    ] = 0
    licence: Annotated[str, Option(description="note that every row keeps")] = "not stated"
    limit: Annotated[int, Option(description="at most so many rows; 0: all", ge=0)] = 0

    def examples(self, split: str, *, seed: int) -> Iterator[Example]:
        """The rows in the published order, each in its published order of answers.

        Raises:
            BadInput: more rows do not fit than may; it names file, row and field. Inside of
                `skipping()` they are left out, however many.
            UsageError: there is no such split, or the hub cannot be reached.
        """
        from rmr1_core.datafiles import made
        from rmr1_rubrics.taking_apart import Wordings

        self.check_split(split)
        prompts = made(self._rows(split), _prompt)
        wordings = Wordings.learned(prompts, f"dataset {self.name!r}")
        found = self._fitting(split, wordings)
        return islice(found, self.limit) if self.limit else found

    def check_split(self, split: str) -> None:
        """Raise UsageError unless the dataset has this split; a local folder has those of its
        files."""
        if self.path:
            self._files(split)
        else:
            super().check_split(split)

    def _fitting(self, split: str, wordings: Wordings) -> Iterator[Example]:
        from rmr1_core.errors import BadInput

        misfits = 0
        for row in self._rows(split):
            try:
                example = self._example(row, f"{self.name}-{split}-{row.place}", wordings)
            except BadInput as misfit:
                misfits += 1
                if misfits > self.allow_misfits:
                    _leave_out(misfit, misfits)
                continue
            yield example

    def _example(self, row: Row, id_: str, wordings: Wordings) -> Example:
        from rmr1_core.datafiles import prompt_key
        from rmr1_rubrics.taking_apart import Misfit

        try:
            shown = wordings.read(_prompt(row).messages)
        except Misfit as misfit:
            raise row.bad(PROMPT_FIELD, str(misfit)) from None
        label = self._label(row)
        first = label is Verdict.A
        chosen, rejected = (shown.a, shown.b) if first else (shown.b, shown.a)
        pair = Pair(
            id=id_,
            subset=self.name,
            group=prompt_key(shown.prompt),
            prompt=shown.prompt,
            chosen=chosen,
            rejected=rejected,
            tags={"source": self.name, "row_id": row.place, "licence": self.licence},
        )
        return Example(pair=pair, chosen_first=first, trace=self._trace(row, label))

    def _label(self, row: Row) -> Verdict:
        text = row.get(self.label_field, str).strip()
        if text not in _LABELS:
            raise row.bad(self.label_field, f"neither model_a nor model_b, but {text[:40]!r}")
        return _LABELS[text]

    def _trace(self, row: Row, label: Verdict) -> str:
        if self.traces == "none":
            return ""
        if self.traces == "verdict":
            return f"<answer>[[{label}]]</answer>"
        if not self.trace_field:
            problem = f"dataset {self.name!r} has no traces; say which field: trace_field"
            raise UsageError(f"{problem}; see: rmr1 show datasets/{self.name}")
        trace = row.get(self.trace_field, str)
        if parse_verdict(trace) is not label:
            problem = f"its verdict is {parse_verdict(trace)}, and {self.label_field} says {label}"
            raise row.bad(self.trace_field, problem)
        return trace

    def _rows(self, split: str) -> Iterator[Row]:
        from rmr1_core.datafiles import hub_rows, read_rows

        if self.path:
            return chain.from_iterable(map(read_rows, self._files(split)))
        if not self.hub:
            raise UsageError(f"dataset {self.name!r}: say where it is with the option path or hub")
        recipe = "--set stages.STAGE.dataset.options.path=PATH"
        local = f"{self.name}:PATH, or in a recipe {recipe}"
        return hub_rows(self.hub, split=split, revision=self.revision, local=local)

    def _files(self, split: str) -> list[Path]:
        """The local files of a split, in order. Raises UsageError if there is none."""
        from rmr1_core.datafiles import find_data

        path = Path(self.path).expanduser()
        patterns, say = (f"{split}.*", f"{split}-*"), f"{self.name}:PATH"
        files = find_data(path, *patterns, say=say) if path.is_dir() else [path]
        if not files:
            raise UsageError(
                f"dataset {self.name!r}: {path} has no data file for the split {split!r}, such as "
                f"{split}.jsonl or {split}-00000-of-00001.parquet"
            )
        return files


def _prompt(row: Row) -> TrainingPrompt:
    from rmr1_rubrics.learned import TrainingPrompt

    return TrainingPrompt(row.number, tuple(row.get(PROMPT_FIELD, list[Message])))


def _leave_out(misfit: BadInput, misfits: int) -> None:
    """Leave out a row that does not fit, where bad rows are skipped. Raises BadInput elsewhere."""
    from rmr1_core.datafiles import skip
    from rmr1_core.errors import BadInput

    try:
        skip(misfit)
    except BadInput:
        raise _too_many(misfit, misfits) from None


def _too_many(misfit: BadInput, misfits: int) -> BadInput:
    """The error of a row that does not fit, with how to go on without it."""
    from rmr1_core.errors import BadInput

    advice = f"if such rows may be left out, set the dataset's option allow_misfits={misfits}"
    return BadInput(misfit.path, f"{misfit.problem}; {advice}", row=misfit.row, field=misfit.field)
