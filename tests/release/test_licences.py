"""Whoever may use rmr1 may use what it needs."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def licences() -> ModuleType:
    """The module beside the documentation that knows the licences."""
    spec = importlib.util.spec_from_file_location("licences", DOCS / "licences.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_package_that_is_needed_is_found(licences: ModuleType) -> None:
    assert {"click", "torch", "msgspec", "markupsafe"} <= set(licences.needed())


def test_every_licence_is_permissive(licences: ModuleType) -> None:
    told = {name: licences.licence(name) for name in licences.needed()}
    odd = {n: t for n, t in told.items() if set(licences.parts(t)) - licences.PERMISSIVE}
    assert not odd


@pytest.mark.parametrize(
    ("expression", "parts"),
    [
        ("MIT", ["MIT"]),
        ("MIT OR Apache-2.0", ["MIT", "Apache-2.0"]),
        ("(MIT OR GPL-3.0-only) AND Zlib", ["MIT", "GPL-3.0-only", "Zlib"]),
    ],
)
def test_an_expression_falls_into_its_licences(
    licences: ModuleType, expression: str, parts: list[str]
) -> None:
    assert licences.parts(expression) == parts
