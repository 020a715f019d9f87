"""Anybody's preferences, in any of the usual forms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import chain, islice
from typing import TYPE_CHECKING, Annotated, Literal

from rmr1_core import Option, Pair
from rmr1_core.errors import BadInput, UsageError
from rmr1_preferences.source import Source

if TYPE_CHECKING:
    from rmr1_core.datafiles import Row
    from rmr1_preferences.forms import Compared, Form, Labels
    from rmr1_preferences.provenance import Provenance

_LOOKED_AT = 64
"""Rows at the beginning that decide in which form the data is."""


class Preferences(Source, frozen=True, kw_only=True):
    """Rows that each have a prompt, a better and a worse answer, in one of five forms.

    The form is what most of the first rows have; a row that is not of it is an error. Columns are
    known by their usual names, or by those that the options say.
    """

    form: Annotated[
        Literal["auto", "answers", "conversations", "labelled", "openai", "transcripts"],
        Option(description="what a row looks like; auto: as the first rows do"),
    ] = "auto"
    prompt_field: Annotated[str, Option(description="field with the prompt")] = ""
    chosen_field: Annotated[str, Option(description="field with the better answer")] = ""
    rejected_field: Annotated[str, Option(description="field with the worse answer")] = ""
    first_field: Annotated[str, Option(description="field with the first of two answers")] = ""
    second_field: Annotated[str, Option(description="field with the second of two answers")] = ""
    label_field: Annotated[str, Option(description="field that says which is better")] = ""
    first_label: Annotated[
        tuple[str, ...], Option(description="labels that mean the first answer; empty: A, model_a")
    ] = ()
    second_label: Annotated[
        tuple[str, ...], Option(description="labels that mean the second answer; empty: B, model_b")
    ] = ()
    tie_label: Annotated[
        tuple[str, ...], Option(description="labels of ties, which are left out")
    ] = ("tie", "tie (bothbad)")
    prefix_field: Annotated[
        str, Option(description="field with a beginning that both answers have in common")
    ] = ""
    diverging: Annotated[
        Literal["error", "join"],
        Option(description="conversations that differ before the last turn: join what differs"),
    ] = "error"
    sample: Annotated[
        int, Option(description="so many rows, drawn with sample_seed; 0: all", ge=0)
    ] = 0
    sample_seed: Annotated[int, Option(description="as for Dataset.shuffle of datasets")] = 42

    def compared(self, split: str) -> Iterator[tuple[Pair, bool | None]]:
        """The pairs in upstream's order, or in that of the sample."""
        from rmr1_core.datafiles import made
        from rmr1_preferences.forms import Labels

        rows = self._sampled(split) if self.sample else self.rows(split)
        head = list(islice(rows, _LOOKED_AT))
        if not head:
            return iter(())
        form, provenance = self._form_of(head), self.provenance(split)
        labels = Labels(self.first_label, self.second_label, self.tie_label)
        return made(chain(head, rows), lambda row: self._made(row, form, labels, provenance))

    def _made(
        self, row: Row, form: Form, labels: Labels, provenance: Provenance
    ) -> tuple[Pair, bool | None] | None:
        try:
            compared = form.read(row, labels, self.diverging)
        except BadInput as misfit:
            if self.form != "auto" or form.kind == "labelled":
                raise
            problem = f"{misfit.problem} (the data is read in the form {form.kind!r})"
            raise BadInput(row.path, problem, row=row.number, field=misfit.field) from None
        if compared is None:
            return None
        if self.prefix_field:
            compared = _prefixed(compared, row.get(self.prefix_field, str))
        return provenance.pair(row, compared), compared.chosen_first

    def _form_of(self, rows: list[Row]) -> Form:
        """The form of most rows, the earlier one of equally frequent ones.

        Raises:
            BadInput: none of the rows is of a known form; it names the first.
        """
        from rmr1_preferences.forms import Names, detect, no_form

        names = Names(
            self.prompt_field,
            self.chosen_field,
            self.rejected_field,
            self.first_field,
            self.second_field,
            self.label_field,
        )
        kind = None if self.form == "auto" else self.form
        found = Counter(form for row in rows if (form := detect(row.values, names, kind)))
        if not found:
            raise no_form(rows[0], kind, f"rmr1 show datasets/{self.name}")
        return found.most_common(1)[0][0]

    def _sampled(self, split: str) -> Iterator[Row]:
        """The rows that `Dataset.shuffle(seed).select(range(sample))` takes, in that order."""
        import numpy

        count = sum(1 for _ in self.rows(split))
        if count < self.sample:
            raise UsageError(
                f"dataset {self.name!r}: there are {count} rows, and {self.sample} are to be "
                "drawn; set the option sample=0 to take all"
            )
        order = numpy.random.default_rng(self.sample_seed).permutation(count)[: self.sample]
        drawn = {int(position): None for position in order}
        rows: dict[int, Row] = {}
        for position, row in enumerate(self.rows(split)):
            if position in drawn:
                rows[position] = row
        return iter([rows[position] for position in drawn])


def _prefixed(compared: Compared, prefix: str) -> Compared:
    return compared._replace(chosen=prefix + compared.chosen, rejected=prefix + compared.rejected)
