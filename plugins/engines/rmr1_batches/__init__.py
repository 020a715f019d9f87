"""Batches of hosted models: answers within a day, at half the price.

OpenAI's Batch API (and endpoints that speak it) and Anthropic's Message Batches API. What was sent
is remembered until its answers are old, so that nothing is paid twice; see `memory`. The key comes
from an environment variable and goes nowhere but into the requests. Nothing heavy is imported until
the engine is opened.
"""

from __future__ import annotations

import abc
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal

from rmr1_core import PATH, Backbone, Check, Engine, EngineSession, Option, hookimpl
from rmr1_core.errors import UsageError
from rmr1_core.keys import key_check
from rmr1_openai.checks import check_extra, check_url, check_variable

if TYPE_CHECKING:
    from rmr1_batches.provider import Provider
    from rmr1_openai.pricing import Price


class BatchEngine(Engine, frozen=True, kw_only=True):
    """Requests by the thousand, answered when the provider has time, with a cost account."""

    base_url: Annotated[str, Option(description="where the API is, up to and with /v1")]
    model: Annotated[
        str, Option(description="the model's name there; when empty, the weights of the backbone")
    ] = ""
    api_key_env: Annotated[
        str, Option(description="the environment variable that holds the key, never the key itself")
    ]
    prices: Annotated[
        str,
        Option(
            extra=PATH,
            description="a TOML file with US dollars per million tokens, before the discount: a "
            "table per model with input, cached_input and output",
        ),
    ] = ""
    discount: Annotated[
        float, Option(description="what a batch costs less, as a share of the price", ge=0, le=1)
    ] = 0.5
    max_cost: Annotated[
        float,
        Option(
            description="send nothing that may make the cost exceed so many US dollars, counting "
            "what is under way at its worst case; needs --prices; 0: no limit",
            ge=0,
        ),
    ] = 0.0
    poll_seconds: Annotated[
        float, Option(description="how long to wait before asking how far a batch is", gt=0)
    ] = 30.0
    max_requests_per_batch: Annotated[
        int, Option(description="the most requests of one batch", ge=1)
    ]
    max_megabytes_per_batch: Annotated[
        float, Option(description="the largest batch, in millions of bytes", gt=0)
    ]
    timeout_seconds: Annotated[
        float, Option(description="longest silence of the API while something is sent", gt=0)
    ] = 300.0
    max_retries: Annotated[
        int,
        Option(
            description="how often the API is asked again after 429, 5xx or a dropped connection, "
            "before the command stops; the batch goes on",
            ge=0,
        ),
    ] = 10
    retry_seconds: Annotated[
        float,
        Option(
            description="first wait before asking again, unless Retry-After says another one; it "
            "doubles each time, up to a minute",
            ge=0,
        ),
    ] = 1.0
    omit: Annotated[
        tuple[Literal["temperature", "top_p", "seed", "stop"], ...],
        Option(description="leave this out of requests, for models that refuse it"),
    ] = ()
    extra_body: Annotated[
        Mapping[str, Any],
        Option(description="JSON object that is added to every request as it is"),
    ] = {}

    def __post_init__(self) -> None:
        """Refuse what must not reach a journal or cannot work.

        Raises:
            UsageError: the URL is none or holds a password, the variable's name is none, or the
                extra fields replace what the engine decides.
        """
        check_url(self.name, self.base_url)
        check_variable(self.name, self.api_key_env)
        check_extra(self.name, self.extra_body)

    def own_backbone(self) -> Backbone:
        """The model that is asked.

        Raises:
            UsageError: its name is not given, or what it may cost is not known.
        """
        if not self.model:
            raise UsageError(
                f"engine {self.name!r}: say which of the provider's models judges with --model "
                "NAME, or with --backbone NAME one whose prompt and limits are known here"
            )
        self.price(self.model)
        return Backbone(name=self.model, model=self.model)

    def price(self, model: str) -> Price | None:
        """What the model's tokens cost in a batch; None where nobody says.

        Raises:
            UsageError: --max-cost needs the price, and it is not there.
        """
        from rmr1_openai.pricing import price_of

        price = price_of(self.prices, model, needed=self.max_cost > 0)
        return price.at(1 - self.discount) if price else None

    def cost(
        self, backbone: Backbone, prompt_tokens: float, completion_tokens: float
    ) -> float | None:
        """What so many tokens cost, of which a cache holds none; None without --prices."""
        price = self.price(self.model or backbone.model)
        if price is None:
            return None
        return (prompt_tokens * price.input + completion_tokens * price.output) / 1_000_000

    @contextmanager
    def open(self, backbone: Backbone) -> Iterator[EngineSession]:
        """Get ready to ask; nothing is sent yet.

        Raises:
            UsageError: the variable named for the key is not set, or the prices cannot be used.
        """
        from rmr1_batches.calls import Calls
        from rmr1_batches.session import BatchSession
        from rmr1_openai.secret import Secret, key_in

        model = self.model or backbone.model
        if not model:
            raise UsageError(f"engine {self.name!r}: say which model is asked: --model NAME")
        secret = Secret(key_in(self.api_key_env))
        with Calls(self, secret, self.headers(secret.reveal())) as calls:
            yield BatchSession(self, model, self.provider(model, calls))

    @abc.abstractmethod
    def headers(self, key: str) -> dict[str, str]:
        """What every request is sent with, to this provider."""

    @abc.abstractmethod
    def provider(self, model: str, calls: Any) -> Provider:
        """The provider's API."""


class OpenAIBatch(BatchEngine, frozen=True, kw_only=True):
    """OpenAI's Batch API: files of chat completions."""

    base_url: Annotated[str, Option(description="where the API is, up to and with /v1")] = (
        "https://api.openai.com/v1"
    )
    api_key_env: Annotated[
        str, Option(description="the environment variable that holds the key, never the key itself")
    ] = "OPENAI_API_KEY"
    max_requests_per_batch: Annotated[
        int, Option(description="the most requests of one batch", ge=1)
    ] = 50_000
    max_megabytes_per_batch: Annotated[
        float, Option(description="the largest batch, in millions of bytes", gt=0)
    ] = 190.0
    token_limit: Annotated[
        Literal["max_completion_tokens", "max_tokens"],
        Option(description="the field that limits an answer"),
    ] = "max_completion_tokens"

    def headers(self, key: str) -> dict[str, str]:
        """The key as a bearer's; servers without keys need none."""
        return {"Authorization": f"Bearer {key}"} if key else {}

    def provider(self, model: str, calls: Any) -> Provider:
        """Files and batches."""
        from rmr1_batches.openai_batches import OpenAIBatches

        return OpenAIBatches(self, model, calls)


class AnthropicBatch(BatchEngine, frozen=True, kw_only=True):
    """Anthropic's Message Batches API."""

    base_url: Annotated[str, Option(description="where the API is, up to and with /v1")] = (
        "https://api.anthropic.com/v1"
    )
    api_key_env: Annotated[
        str, Option(description="the environment variable that holds the key, never the key itself")
    ] = "ANTHROPIC_API_KEY"
    max_requests_per_batch: Annotated[
        int, Option(description="the most requests of one batch", ge=1)
    ] = 100_000
    max_megabytes_per_batch: Annotated[
        float, Option(description="the largest batch, in millions of bytes", gt=0)
    ] = 240.0

    def headers(self, key: str) -> dict[str, str]:
        """The key, and the version of the API that is spoken here."""
        return {"x-api-key": key, "anthropic-version": "2023-06-01"}

    def provider(self, model: str, calls: Any) -> Provider:
        """Batches of messages."""
        from rmr1_batches.anthropic_batches import AnthropicBatches

        return AnthropicBatches(self, model, calls)


@hookimpl
def rmr1_engines() -> Iterable[Engine]:
    """Offer `openai-batch` and `anthropic-batch`."""
    return [
        OpenAIBatch(name="openai-batch", summary="OpenAI's Batch API: within a day, at half price"),
        AnthropicBatch(
            name="anthropic-batch",
            summary="Anthropic's Message Batches API: within a day, at half price",
        ),
    ]


@hookimpl
def rmr1_checks() -> Iterable[Check]:
    """Is there a key for Anthropic's batches? That for OpenAI's is the engine `openai`'s, too."""
    return [key_check("ANTHROPIC_API_KEY", "models that Anthropic hosts")]
