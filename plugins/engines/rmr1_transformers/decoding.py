"""Batched decoding of any Hugging Face causal language model, on token ids.

Rows that finish leave at once, and waiting ones take their places; a prompt is read once, however
many samples it gets. Greedy tokens that other rows make likely are tried several at a step. None
of it changes a row: greedy tokens are those of `model.generate`, samples a function of the row's
seed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import torch

from rmr1_transformers.batching import Budget
from rmr1_transformers.context import Context, LibraryContext
from rmr1_transformers.drafts import Drafts
from rmr1_transformers.rows import DecodingOptions, Finished, Live, Row
from rmr1_transformers.sampling import Sampler
from rmr1_transformers.slot_context import SlotContext, sees_everything
from rmr1_transformers.stopping import Ends

__all__ = ["Decoding", "DecodingOptions", "Finished", "Row", "decode"]

# Rows that start so many steps before all others, which then can guess from what these write.
_PILOTS = 8
_PILOT_STEPS = 16
# Guesses per step: of a row, and of all rows by the logits that they make.
_MOST_DRAFTED = 7
_LOGITS = 2**26


def decode(
    model: Any,
    prompts: Sequence[Sequence[int]],
    options: DecodingOptions,
    *,
    copies: int = 1,
    rows: Sequence[Row] | None = None,
) -> Iterator[Finished]:
    """Continue every prompt `copies` times, or as `rows` says, and yield rows as they finish.

    All rows are written at a time. No prompt may be empty or without a row.
    """
    if rows is None:
        rows = [
            Row(i, copy, (options.seed << 24) + i * copies + copy, options.max_new_tokens)
            for i in range(len(prompts))
            for copy in range(copies)
        ]
    if {row.prompt for row in rows} != set(range(len(prompts))):
        raise ValueError("every prompt needs a row, and every row a prompt")
    yield from Decoding(model, prompts, rows, options).run()


class Decoding:
    """Rows to write in this order, as many at a time as the budget allows; None: all.

    Rows of one prompt should be neighbours. `held` says how many tokens the batch may come to, and
    `alone` whether that is no more than one row, so that less cannot be tried.
    """

    def __init__(
        self,
        model: Any,
        prompts: Sequence[Sequence[int]],
        rows: Sequence[Row],
        options: DecodingOptions,
        budget: Budget | None = None,
    ) -> None:
        if not prompts or not all(prompts):
            raise ValueError("every prompt needs at least one token")
        self._model, self._prompts, self._options = model, prompts, options
        self._waiting = deque(sorted(rows, key=lambda row: row.prompt))
        largest = max(len(prompts[row.prompt]) + row.max_new_tokens for row in rows)
        self._budget = budget or Budget(len(rows), len(rows) * largest)
        # samples are foreseen too seldom to pay: a tenth more time where they were tried
        self._guesses = options.temperature == 0 and sees_everything(model)
        many = budget is not None and len(rows) >= 8 * _PILOTS
        self._pilots = _PILOTS if self._guesses and many else 0
        self._rows: list[Live] = []
        self._ends = Ends(options.eos, options.stop)
        self._sampler = Sampler(options.temperature, options.top_p)
        self._drafts = Drafts()
        self._steps = 0
        self.held, self.alone = 0, True

    @property
    def unfinished(self) -> int:
        """How many rows are being written."""
        return len(self._rows)

    def run(self) -> Iterator[Finished]:
        """Write all rows, and yield them as they finish; the model is in evaluation mode meanwhile.

        Raises:
            torch.OutOfMemoryError: with `held` at most so many tokens.
        """
        training = self._model.training
        self._model.eval()
        try:
            with torch.inference_mode():
                self._context = self._new_context()
            while self._waiting or self._rows:
                if self._may_admit():
                    yield from self._admit()
                if self._rows:
                    yield from self._step()
        finally:
            self._model.train(training)

    def _new_context(self) -> Context:
        if not sees_everything(self._model):
            return LibraryContext(self._model, self._options.pad)
        return SlotContext(self._model, self._prompts)

    def _may_admit(self) -> bool:
        """Whether enough places are free that reading prompts for them pays."""
        if not self._rows or not self._waiting:
            return bool(self._waiting)
        if not self._context.flexible or (self._pilots and self._steps < _PILOT_STEPS):
            return False
        places = min(self._budget.rows, self._budget.tokens // self._largest())
        return (places - len(self._rows)) * 4 >= places

    def _next_rows(self) -> list[Row]:
        """Take rows that still fit beside those being written, at least one if there are none."""
        taken: list[Row] = []
        size = self._largest()
        first = self._pilots if self._steps == 0 else 0
        most = first or self._budget.rows
        while self._waiting and len(self._rows) + len(taken) < most:
            row = self._waiting[0]
            larger = max(size, len(self._prompts[row.prompt]) + row.max_new_tokens)
            count = len(self._rows) + len(taken) + 1
            if count > 1 and larger * count > self._budget.tokens:
                break
            size = larger
            taken.append(self._waiting.popleft())
        count = len(self._rows) + len(taken)
        self.held, self.alone = size * count, count == 1
        return taken

    def _largest(self) -> int:
        return max((len(r.prompt) + r.row.max_new_tokens for r in self._rows), default=0)

    @torch.inference_mode()
    def _admit(self) -> list[Finished]:
        """Read the prompts of the next rows and write every row's first token."""
        taken = self._next_rows()
        if not taken:
            return []
        numbers = {n: place for place, n in enumerate(dict.fromkeys(r.prompt for r in taken))}
        order, logits = self._context.admit(
            [self._prompts[prompt] for prompt in numbers],
            [numbers[row.prompt] for row in taken],
            self.held // (len(self._rows) + len(taken)),
        )
        new = [Live(taken[place], self._prompts[taken[place].prompt]) for place in order]
        drawn = self._drawn(logits, new, [[0]] * len(new))
        before = len(self._rows)
        self._rows += new
        return self._write(before, [[token] for token in drawn])

    @torch.inference_mode()
    def _step(self) -> list[Finished]:
        """Write at least one token of every row."""
        self._steps += 1
        fed = self._fed()
        logits = self._context.step(fed)
        drawn = self._drawn(logits, self._rows, fed)
        new, place = [], 0
        for some in fed:
            count = 1
            while count < len(some) and some[count] == drawn[place + count - 1]:
                count += 1
            new.append(drawn[place : place + count])
            place += len(some)
        self._context.keep(list(map(len, new)))
        return self._write(0, new)

    def _drawn(
        self, logits: torch.Tensor, rows: Sequence[Live], fed: Sequence[Sequence[int]]
    ) -> list[int]:
        """The token after each of those fed to these rows."""
        if self._options.temperature == 0:
            return self._sampler.draw(logits, (), ()).tolist()
        counts = list(map(len, fed))
        drawn: list[int] = self._sampler.draw(
            logits,
            [r.row.seed for r, n in zip(rows, counts, strict=True) for _ in range(n)],
            [len(r.tokens) + i for r, n in zip(rows, counts, strict=True) for i in range(n)],
        ).tolist()
        return drawn

    def _fed(self) -> list[list[int]]:
        """What to append to each row: its last token, and as many guesses as memory allows."""
        if not self._guesses:
            return [live.tokens[-1:] for live in self._rows]
        vocabulary = self._model.config.get_text_config().vocab_size
        most = min(_MOST_DRAFTED, _LOGITS // (vocabulary * len(self._rows)) - 1)
        return [live.fed(self._drafts, most) for live in self._rows]

    def _write(self, start: int, new: Sequence[list[int]]) -> list[Finished]:
        """Add tokens to the rows from `start`, and take out those that this finishes."""
        finished, gone = [], []
        for place, tokens in enumerate(new, start):
            live = self._rows[place]
            end = self._ends.first(live.tokens, tokens)
            if end is not None:
                del tokens[end + 1 :]
            if self._guesses:
                self._drafts.learn([*live.prompt[-3:], *live.tokens[-3:]], tokens)
            live.tokens += tokens
            if end is not None or len(live.tokens) >= live.row.max_new_tokens:
                reason: Literal["stop", "length"] = "length" if end is None else "stop"
                finished.append(Finished(live.row.prompt, live.row.copy, live.tokens, reason))
                gone.append(place)
        if gone:
            self._rows = [self._rows[place] for place in self._context.drop(gone)]
        return finished
