"""Which number is the reward, where a model gives several."""

from __future__ import annotations

import torch

from rmr1_core.errors import EngineFailed, UsageError


class Chosen:
    """Which of a model's numbers is the reward: a place, weights of all, or an output by name."""

    def __init__(self, wanted: str) -> None:
        self.output, self._weights, self._place = "logits", None, None
        words = [word.strip() for word in wanted.split(",")] if wanted.strip() else []
        try:
            if len(words) > 1:
                self._weights = torch.tensor([float(word) for word in words])
            elif words and words[0].isidentifier():
                self.output = words[0]
            elif words:
                self._place = int(words[0])
        except ValueError:
            raise UsageError(
                f"score {wanted!r} is no place, no list of weights and no name of an output; give "
                "one such as --score 1, --score 0.5,0.5 or --score rewards"
            ) from None

    def of(self, numbers: torch.Tensor) -> list[float]:
        """The reward in each row of (rows, numbers) or (rows,)."""
        table = numbers.detach().float().cpu()
        table = table[:, None] if table.dim() == 1 else table
        self.check(table.shape[-1])
        if self._weights is not None:
            table = table @ self._weights[:, None]
        elif self._place is not None:
            table = table[:, self._place, None]
        return [float(value) for value in table[:, 0]]

    def check(self, count: int, error: type[Exception] = EngineFailed) -> None:
        """Raise unless the reward can be told from so many numbers."""
        if self._weights is not None:
            if len(self._weights) != count:
                raise error(
                    f"the model gives {count} numbers and --score has {len(self._weights)} weights"
                )
        elif self._place is not None:
            if not -count <= self._place < count:
                raise error(
                    f"the model gives {count} numbers, and none at {self._place}; the places of "
                    f"--score are 0 to {count - 1}"
                )
        elif count != 1:
            raise error(
                f"the model gives {count} numbers for an answer; say which is the reward, such as "
                f"--score 0 for the first, or weights: --score {','.join(['1'] * min(count, 4))}"
            )
