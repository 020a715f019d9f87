"""Training data, rendered as evaluation renders pairs: the two cannot drift apart."""

from __future__ import annotations

from collections.abc import Iterator

from rmr1_core.components import Dataset, PromptStrategy, Trainer
from rmr1_core.errors import BadInput
from rmr1_core.judging import render
from rmr1_core.lookup import resolve
from rmr1_core.values import Example, Stage, TrainingRow


def training_rows(
    stage: Stage, trainer: Trainer, strategy: PromptStrategy, seed: int
) -> Iterator[TrainingRow]:
    """A stage's examples as a trainer reads them, rendered as evaluation renders pairs.

    Raises:
        UsageError: the split does not exist, or an example to imitate has no trace.
    """
    dataset: Dataset = resolve("dataset", stage.dataset)
    dataset.check_split(stage.split)
    for number, example in enumerate(dataset.examples(stage.split, seed=seed), start=1):
        if trainer.objective == "sft" and not example.trace:
            where = f"dataset {stage.dataset.name!r}, split {stage.split!r}"
            problem = f"{trainer.name} needs a trace to imitate, and this is empty"
            raise BadInput(where, problem, row=number, field="trace")
        yield training_row(example, strategy, dataset.name, swap=trainer.objective == "rl")


def training_row(
    example: Example, strategy: PromptStrategy, dataset: str, *, swap: bool
) -> TrainingRow:
    """An example as a trainer reads it; `swap`: with its answers in the other order, too."""
    pair, first = example.pair, example.chosen_first
    return TrainingRow(
        id=pair.id,
        source=pair.tags.get("source", dataset),
        messages=render(strategy, pair, first),
        label="A" if first else "B",
        completion=example.trace,
        twin=render(strategy, pair, not first) if swap else (),
    )
