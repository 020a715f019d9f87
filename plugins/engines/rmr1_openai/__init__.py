"""Any endpoint that speaks OpenAI's chat completions: hosted models, vLLM's server, and others.

The key comes from an environment variable and goes nowhere but into the request. Nothing heavy is
imported until the engine is opened.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, Literal

from rmr1_core import PATH, Backbone, Check, Engine, EngineSession, Option, hookimpl
from rmr1_core.errors import UsageError
from rmr1_core.keys import key_check
from rmr1_openai.checks import check_extra, check_url, check_variable

OPENAI = "https://api.openai.com/v1"


class OpenAIEngine(Engine, frozen=True, kw_only=True):
    """Chat completions over HTTP, many at a time, with retries, rate limits and a cost account."""

    base_url: Annotated[
        tuple[str, ...],
        Option(
            description="where the API is, up to and with /v1; several that serve the same model "
            "share the load",
            min_length=1,
        ),
    ] = (OPENAI,)
    model: Annotated[
        str, Option(description="the model's name there; when empty, the weights of the backbone")
    ] = ""
    api_key_env: Annotated[
        str,
        Option(
            description="the environment variable that holds the key, never the key itself; "
            "servers without keys need none"
        ),
    ] = "OPENAI_API_KEY"
    max_concurrency: Annotated[
        int, Option(description="requests under way at a time, over all URLs", ge=1)
    ] = 64
    timeout_seconds: Annotated[
        float, Option(description="longest wait for one whole answer", gt=0)
    ] = 600.0
    max_retries: Annotated[
        int,
        Option(
            description="how often a request is sent again after 429, 5xx, a timeout, a dropped "
            "connection or a malformed answer, before it counts as failed",
            ge=0,
        ),
    ] = 6
    retry_seconds: Annotated[
        float,
        Option(
            description="first wait before sending again, unless the server's Retry-After says "
            "another one; it doubles each time, up to a minute",
            ge=0,
        ),
    ] = 1.0
    requests_per_minute: Annotated[
        int, Option(description="send no more than this, over all URLs; 0: no limit", ge=0)
    ] = 0
    tokens_per_minute: Annotated[
        int,
        Option(
            description="ask for no more than this, prompts and answers, over all URLs; "
            "0: no limit",
            ge=0,
        ),
    ] = 0
    prices: Annotated[
        str,
        Option(
            extra=PATH,
            description="a TOML file with US dollars per million tokens: a table per model with "
            "input, cached_input and output",
        ),
    ] = ""
    max_cost: Annotated[
        float,
        Option(
            description="stop before spending more US dollars than this, counting what is under "
            "way at its worst case; needs --prices; 0: no limit",
            ge=0,
        ),
    ] = 0.0
    token_limit: Annotated[
        Literal["auto", "max_tokens", "max_completion_tokens"],
        Option(
            description="the field that limits an answer; 'auto': max_tokens, and "
            "max_completion_tokens where the server asks for it"
        ),
    ] = "auto"
    omit: Annotated[
        tuple[Literal["temperature", "top_p", "seed", "stop"], ...],
        Option(description="leave this out of requests, for models that refuse it"),
    ] = ()
    extra_body: Annotated[
        Mapping[str, Any],
        Option(
            description="JSON object that is added to every request as it is, such as "
            '{"reasoning_effort": "low"}'
        ),
    ] = {}

    def __post_init__(self) -> None:
        """Refuse what must not reach a journal or cannot work.

        Raises:
            UsageError: a URL is none or holds a password, a variable's name is none, or the extra
                fields replace what the engine decides.
        """
        for url in self.base_url:
            check_url("openai", url)
        check_variable("openai", self.api_key_env)
        check_extra("openai", self.extra_body)

    def own_backbone(self) -> Backbone:
        """The model that is served.

        Raises:
            UsageError: its name is not given, or what it may cost is not known.
        """
        if not self.model:
            raise UsageError(
                "engine 'openai': say which of the endpoint's models judges with --model NAME, "
                "or with --backbone NAME one whose prompt and limits are known here"
            )
        self.check_prices(self.model)
        return Backbone(name=self.model, model=self.model)

    def check_prices(self, model: str) -> None:
        """Raise UsageError unless the model has a price, if any is asked for."""
        from rmr1_openai.pricing import price_of

        price_of(self.prices, model, needed=self.max_cost > 0)

    def cost(
        self, backbone: Backbone, prompt_tokens: float, completion_tokens: float
    ) -> float | None:
        """What so many tokens cost, of which a cache holds none; None without --prices."""
        from rmr1_openai.pricing import price_of

        price = price_of(self.prices, self.model or backbone.model, needed=self.max_cost > 0)
        if price is None:
            return None
        return (prompt_tokens * price.input + completion_tokens * price.output) / 1_000_000

    @contextmanager
    def open(self, backbone: Backbone) -> Iterator[EngineSession]:
        """Get ready to ask; nothing is sent yet.

        Raises:
            UsageError: the variable named for the key is not set, or the prices cannot be used.
        """
        from rmr1_openai.session import OpenAISession

        yield OpenAISession(self, self.model or backbone.model)


@hookimpl
def rmr1_engines() -> Iterable[Engine]:
    """Offer `openai`."""
    return [
        OpenAIEngine(
            name="openai", summary="any endpoint that speaks OpenAI's chat completions, over HTTP"
        )
    ]


@hookimpl
def rmr1_checks() -> Iterable[Check]:
    """Is there a key for the default endpoint?"""
    return [key_check("OPENAI_API_KEY", "models that OpenAI hosts")]
