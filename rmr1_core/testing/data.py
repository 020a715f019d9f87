"""What holds for a source of training examples."""

from __future__ import annotations

from itertools import islice

from rmr1_core.components import Dataset
from rmr1_core.errors import UsageError
from rmr1_core.parsing import parse_verdict
from rmr1_core.values import Example, Verdict

NO_SPLIT = "no-such-split"


def check_dataset(dataset: Dataset, *, most: int = 200) -> None:
    """Assert that every split gives the same examples for the same seed, that ids are unique, that
    traces end with the right verdict, and that a split which is not there is refused.

    At most `most` examples of each split are read.

    Raises:
        AssertionError: a rule is broken.
        BadInput, UsageError: its data cannot be read.
    """
    assert dataset.splits, "a dataset has at least one split"
    for split in dataset.splits:
        first, second = (list(islice(dataset.examples(split, seed=0), most)) for _ in range(2))
        assert first, f"split {split!r} is empty"
        assert first == second, f"split {split!r}: two readings with one seed differ"
        ids = {(example.pair.id, example.chosen_first) for example in map(_checked, first)}
        assert len(ids) == len(first), f"split {split!r}: ids are not unique"
    refusal = _refusal(dataset)
    assert refusal, f"check_split({NO_SPLIT!r}) refuses nothing"
    assert NO_SPLIT in refusal, f"{refusal!r}: say which split is not there"


def _refusal(dataset: Dataset) -> str:
    try:
        dataset.check_split(NO_SPLIT)
    except UsageError as error:
        return str(error)
    return ""


def _checked(example: Example) -> Example:
    assert isinstance(example, Example), f"it yields {example!r}, which is no Example"
    pair = example.pair
    assert pair.prompt, f"{pair.id}: the conversation is empty"
    assert pair.prompt[-1].role == "user", f"{pair.id}: answers follow a user's turn"
    assert pair.chosen != pair.rejected, f"{pair.id}: both answers are the same"
    if example.trace:
        label = Verdict.favouring_chosen(example.chosen_first)
        said = parse_verdict(example.trace)
        assert said is label, f"{pair.id}: the trace says {said}, and the right verdict is {label}"
    return example
