"""A mixture's sources: their examples, filtered, each with its provenance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec

from rmr1_core.components import Dataset
from rmr1_core.errors import UsageError
from rmr1_core.examples_file import SOURCE
from rmr1_core.lookup import resolve
from rmr1_core.token_counts import row_lengths, texts_of, token_counter
from rmr1_core.values import Example, MixSource, Mixture

_BATCH = 512
"""Rows whose tokens are counted at once."""


class Source:
    """One source while it is read. `filtered` counts the rows that its filters left out, by why."""

    def __init__(self, mixture: Mixture, spec: MixSource) -> None:
        self.spec = spec
        self.read = 0
        self.filtered: Counter[str] = Counter()
        self.dataset: Dataset = resolve("dataset", spec.dataset)
        self.dataset.check_split(spec.split)
        others = (resolve("dataset", s.dataset).name for s in mixture.sources if s != spec)
        self._prefix = f"{spec.name}:" if self.dataset.name in others else ""
        self._seed, self._order = mixture.seed, mixture.order
        self._seen_tags: set[str] = set()

    def examples(self) -> Iterator[Example]:
        """The rows that pass the filters, as many as can be taken.

        Raises:
            BadInput: a row cannot be used.
            UsageError: a filter names a tag that no row has; a row's trace forbids its order.
        """
        examples = map(self._marked, self.dataset.examples(self.spec.split, seed=self._seed))
        passing: Iterator[Example] = filter(self._passes, examples)
        if self.spec.filters.max_tokens:
            passing = self._short_enough(passing, self.spec.filters.max_tokens)
        if self._only_first:
            passing = islice(passing, self.spec.count)
        for example in passing:
            if example.trace and self._order == "alternate":
                raise UsageError(self._bound_by_its_trace(example))
            yield example
        if not self._only_first:
            self._check_tags()

    @property
    def _only_first(self) -> bool:
        """Whether the source need not be read to its end."""
        return self.spec.count is not None and self.spec.shuffle_seed is None

    def _marked(self, example: Example) -> Example:
        """The example with the tags that every mixed row has, and a name that no other source's row
        has."""
        self.read += 1
        pair = example.pair
        if SOURCE in pair.tags and not self._prefix:
            return example
        tags = {SOURCE: self.dataset.name, "row_id": pair.id, **pair.tags}
        pair = msgspec.structs.replace(pair, id=self._prefix + pair.id, tags=tags)
        return msgspec.structs.replace(example, pair=pair)

    def _passes(self, example: Example) -> bool:
        filters, tags = self.spec.filters, example.pair.tags
        if filters.drop or filters.keep:
            self._seen_tags.update(tags)
        for tag, values in filters.drop.items():
            if tags.get(tag) in values:
                self.filtered[f"{tag} is {tags[tag]}"] += 1
                return False
        for tag, values in filters.keep.items():
            if tags.get(tag) not in values:
                self.filtered[f"{tag} is none of {', '.join(values)}"] += 1
                return False
        if filters.max_chars and sum(map(len, texts_of(example))) > filters.max_chars:
            self.filtered[f"longer than {filters.max_chars:,} characters"] += 1
            return False
        return True

    def _short_enough(self, examples: Iterable[Example], limit: int) -> Iterator[Example]:
        count = token_counter(self.spec.filters.tokenizer)
        rest = iter(examples)
        while batch := list(islice(rest, _BATCH)):
            for example, tokens in zip(batch, row_lengths(batch, count), strict=True):
                if tokens > limit:
                    self.filtered[f"longer than {limit:,} tokens"] += 1
                else:
                    yield example

    def _check_tags(self) -> None:
        named = {*self.spec.filters.keep, *self.spec.filters.drop}
        unknown = sorted(named - self._seen_tags)
        if unknown and self.read:
            raise UsageError(
                f"source {self.spec.name!r}: no row has the tag {unknown[0]!r} that its filters "
                f"name; see the tags with: rmr1 data preview {self.spec.dataset.name}"
            )

    def _bound_by_its_trace(self, example: Example) -> str:
        return (
            f"source {self.spec.name!r}: row {example.pair.id!r} has a trace, which names the "
            "answer that comes first, so the order cannot be changed; keep every row's own order "
            "with: --set order=as-given"
        )
