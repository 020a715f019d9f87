"""What answers cost: a table of prices, and an account that never promises more than it has.

A request is let through when what was spent, the worst case of what is under way and its own worst
case fit the limit. The worst case is a token for every byte of the prompt and the longest answer.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from rmr1_core import Completion, Request
from rmr1_core.errors import BadInput, UsageError

_MILLION = 1_000_000
_TEMPLATE_TOKENS = 16
"""What a chat template may add to each message."""

Dollars = Annotated[float, Meta(ge=0)]


class Price(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """US dollars per million tokens. Without a price of their own, cached tokens cost as others."""

    input: Dollars
    output: Dollars
    cached_input: Dollars | None = None

    def at(self, share: float) -> Price:
        """The price at this share of it."""
        cached = None if self.cached_input is None else self.cached_input * share
        return Price(self.input * share, self.output * share, cached)

    def of(self, completion: Completion) -> float:
        """What an answer cost, in US dollars."""
        cached = min(completion.cached_tokens, completion.prompt_tokens)
        cheap = self.input if self.cached_input is None else self.cached_input
        fresh = completion.prompt_tokens - cached
        tokens = fresh * self.input + cached * cheap + completion.completion_tokens * self.output
        return tokens / _MILLION

    def worst(self, request: Request) -> float:
        """The most that asking this once can cost, in US dollars."""
        sizes = (len(message.content.encode("utf-8", "replace")) for message in request.messages)
        prompt = sum(size + _TEMPLATE_TOKENS for size in sizes)
        limit = request.sampling.max_new_tokens
        return (prompt * max(self.input, self.cached_input or 0) + limit * self.output) / _MILLION


def price_of(path: str, model: str, *, needed: bool) -> Price | None:
    """The price of a model, or None where there is none and none is needed.

    Raises:
        UsageError: the price is needed and not there. BadInput: the file cannot be used.
    """
    prices = _read(Path(path).expanduser()) if path else {}
    if model in prices or not needed:
        return prices.get(model)
    where = f"write them into {path}" if path else "write them into a file, and add --prices FILE"
    raise UsageError(
        f"--max-cost needs the prices of model {model!r}; {where}, in US dollars per million "
        f"tokens:\n\n[{msgspec.json.encode(model).decode()}]\n"
        "input = …\ncached_input = …\noutput = …"
    )


def _read(path: Path) -> dict[str, Price]:
    try:
        return msgspec.toml.decode(path.read_bytes(), type=dict[str, Price])
    except OSError as error:
        problem = f"{error.strerror or 'cannot be read'}; give a file of prices with --prices"
        raise BadInput(path, problem.lower()) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        problem = str(error).replace("`", "'")
        raise BadInput(
            path, f"{problem[:1].lower()}{problem[1:]}; write a table per model with input and "
            "output, in US dollars per million tokens"
        ) from None  # fmt: skip


class Account:
    """What was spent and what is promised, in US dollars. Two threads may use it."""

    def __init__(self, price: Price | None, limit: float) -> None:
        self._price, self.limit = price, limit
        self.spent = self.uncertain = 0.0
        self._promised: dict[str, float] = {}
        self._lock = threading.Lock()

    def admits(self, request: Request) -> bool:
        """Promise the request's worst case, if the limit allows it."""
        if not self.limit or self._price is None:
            return True
        worst = self._price.worst(request)
        with self._lock:
            if self._committed() + worst > self.limit:
                return False
            self._promised[request.id] = worst
        return True

    def lost(self, request: Request) -> bool:
        """An attempt ended without an answer; whether another one may be sent.

        The lost one may be charged all the same, so it counts against the limit at its worst case.
        """
        with self._lock:
            self.uncertain += self._promised.get(request.id, 0.0)
            return not self.limit or self._committed() <= self.limit

    def settle(self, request: Request, completion: Completion | None) -> Completion | None:
        """Book what a request really cost, and give its answer with its cost.

        An answer whose server does not count tokens counts against the limit at its worst case.
        """
        if self._price is None:
            return completion
        cost = self._price.of(completion) if completion else 0.0
        with self._lock:
            worst = self._promised.pop(request.id, 0.0)
            self.spent += cost
            if completion and completion.text and not completion.completion_tokens:
                self.uncertain += worst
        return msgspec.structs.replace(completion, cost=cost) if completion else None

    def abandon(self) -> None:
        """What is still promised was cancelled, and may be charged all the same."""
        with self._lock:
            self.uncertain += sum(self._promised.values())
            self._promised.clear()

    def _committed(self) -> float:
        return self.spent + self.uncertain + sum(self._promised.values())

    def exhausted(self, request: Request) -> str:
        """Why this request is not sent, and what to type."""
        worst = self._price.worst(request) if self._price else 0.0
        if not self.spent and not self.uncertain:
            return (
                f"one request may cost ${worst:.2f}, more than --max-cost {self.limit:g}; allow "
                "more, or shorter answers with --max-new-tokens"
            )
        perhaps = f" and perhaps ${self.uncertain:.2f} for what was lost" if self.uncertain else ""
        return (
            f"${self.spent:.2f} are spent{perhaps}, and the next request may cost ${worst:.2f}, "
            f"more than is left of --max-cost {self.limit:g}; what was answered is kept, and "
            "rmr1 bench --resume last may spend as much again"
        )
