"""The engine `inspect`: any model that Inspect AI can ask, as a judge of rmr1.

The other direction is in `inspect_tasks` and `lm_tasks`: rmr1's benchmarks as tasks of Inspect AI
and of lm-evaluation-harness.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from rmr1_core import Backbone, Engine, Option, hookimpl

if TYPE_CHECKING:
    from rmr1_interop.inspect_session import InspectSession


class InspectEngine(Engine, frozen=True, kw_only=True):
    """A model by its name in Inspect AI, such as `openai/gpt-4o` or `vllm/Qwen/Qwen2.5-7B`.

    Keys, retries and the packages of a provider are Inspect's business.
    """

    argument: ClassVar[str] = "model"
    model: Annotated[
        str, Option(description="Inspect's name of the model; without it, that of the backbone")
    ] = ""
    connections: Annotated[int, Option(description="requests at the same time", ge=1)] = 16
    retries: Annotated[int, Option(description="further attempts at a request", ge=0)] = 5
    base_url: Annotated[str, Option(description="another address of the provider")] = ""
    model_args: Annotated[
        Mapping[str, Any], Option(description="arguments of Inspect's provider, verbatim")
    ] = {}

    def own_backbone(self) -> Backbone | None:
        """Whoever the argument names."""
        return Backbone(name=self.model, model=self.model) if self.model else None

    @contextmanager
    def open(self, backbone: Backbone) -> Iterator[InspectSession]:
        """A session in which Inspect asks.

        Raises:
            UsageError: Inspect is not installed, or cannot ask this model.
        """
        from rmr1_interop.inspect_session import opened

        with opened(self, self.model or backbone.model) as session:
            yield session


@hookimpl
def rmr1_engines() -> list[Engine]:
    """Offer Inspect's models."""
    return [InspectEngine(name="inspect", summary="any model of Inspect AI: inspect:NAME")]
