from __future__ import annotations

from collections.abc import Callable

import pytest

from rmr1_core.pytest_plugin import Ended

__all__ = ["Ended"]


@pytest.fixture
def cli(sample: None, rmr1_cli: Callable[..., Ended]) -> Callable[..., Ended]:
    """The command line in this process, with the sample plugin, in a folder of its own."""
    return rmr1_cli
