"""What the documentation quotes, names and links is there."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from documentation import PAGES, PLACEHOLDER, ROOT, Block, Line, anchors, blocks, command_lines
from documentation import links as links_of

from rmr1_core import Ref, recipes
from rmr1_core.cli import build
from rmr1_core.cli.options import ComponentName, set_options, singular
from rmr1_core.discovery import plugins
from rmr1_core.lookup import default_engine, find, resolve

LINES = command_lines()
QUOTES = [block for block in blocks() if block.mark in ("file", "from")]


def test_there_is_documentation_to_check() -> None:
    assert {"README.md", "CHANGELOG.md", "CONTRIBUTING.md"} <= {page.name for page in PAGES}
    assert len(LINES) > 50
    assert len(QUOTES) >= 4
    assert {block.mark for block in blocks()} == {"", "file", "from", "test"}


def test_what_is_generated_is_fresh() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("block", QUOTES, ids=str)
def test_quoted_code_is_what_the_file_says(block: Block) -> None:
    text = (ROOT / block.what).read_text(encoding="utf-8")
    if block.mark == "file":
        assert block.code == text
    else:
        assert f"\n{block.code}" in f"\n{text}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links_of(page):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


@pytest.fixture
def example_plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The packages under examples/, as if they were installed."""
    plugins.cache_clear()
    for package in sorted((ROOT / "examples").glob("rmr1-*")):
        monkeypatch.syspath_prepend(str(package))
        module = package.name.replace("-", "_")
        plugins().register(module.removeprefix("rmr1_"), importlib.import_module(module))
    yield
    plugins.cache_clear()


@pytest.mark.usefixtures("example_plugins")
@pytest.mark.parametrize("line", LINES, ids=str)
def test_a_command_line_parses_and_names_what_exists(line: Line) -> None:
    try:
        context = _parsed(line.words)
    except click.MissingParameter:
        assert line.mentioned
        return
    for parameter in context.command.params:
        given = context.params.get(parameter.name or "")
        if isinstance(parameter.type, ComponentName) and given:
            for name in given if isinstance(given, tuple) else [given]:
                _check_name(parameter.type.kind, name)
    match context.info_name:
        case "show" if "what" in context.params:
            kind, _, name = context.params["what"].partition("/")
            _check_name(singular(kind), name)
        case "bench":
            _check_bench(context.params)
        case "run":
            _check_run(context.params)


def _is_cheap(line: Line) -> bool:
    """Whether the command reads nothing but what is installed, and ends at once."""
    words = line.words
    if (ROOT / "examples") in line.page.parents:  # it may name what only the example offers
        return False
    if line.mentioned or any(
        PLACEHOLDER.fullmatch(word) for text in words for word in text.split("/")
    ):
        return False
    match words:
        case [*_, "--help"] | ["list" | "show" | "plugins" | "completion", *_]:
            return True
        case ["prompts", "show", *_]:
            return True
        case ["bench", "toy", *options]:
            return "--dry-run" in options
        case ["run", *options]:
            return "--dry-run" in options and "--recipe" not in options
    return False


CHEAP = {" ".join(line.words): line for line in LINES if _is_cheap(line)}


def test_there_are_commands_that_really_run() -> None:
    assert len(CHEAP) > 12


@pytest.mark.parametrize("line", CHEAP.values(), ids=str)
def test_a_cheap_command_really_runs(
    line: Line, rmr1: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    done = rmr1(*line.words)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def _parsed(words: list[str]) -> click.Context:
    """The context of the command that these words call; nothing is called."""
    command: click.Command = build()
    context: click.Context | None = None
    name = "rmr1"
    while True:
        try:
            context = command.make_context(name, list(words), parent=context)
        except click.exceptions.Exit:  # --help and --version print and end
            return context or click.Context(command)
        rest = [*context._protected_args, *context.args]
        if not isinstance(command, click.Group) or not rest:
            return context
        found, child, words = command.resolve_command(context, rest)
        assert child is not None
        assert found is not None
        command, name = child, found


def _check_name(kind: str, name: str) -> None:
    if PLACEHOLDER.fullmatch(name):
        return
    if kind == "backbone" and "/" in name:
        return  # a folder, or a hub id
    if kind in ("recipe", "mixture"):
        assert name.endswith(".toml") or find(kind, name)
        return
    resolve(kind, name)


def _check_bench(values: dict[str, Any]) -> None:
    """The options set with `-o` and `--parser` exist and take these values."""
    for kind, options in set_options(values["settings"]).items():
        for path, value in options.items():
            name, _, option = path.rpartition(".")
            if kind != "benchmark":
                name = values[kind] or default_engine()
            if not (kind == "backbone" and "/" in name):
                resolve(kind, Ref(name=name, options={option: value}))
    if values["parser"]:
        prompt = (values["prompt"] or "cor-instruct").partition(":")[0]
        resolve("prompt", Ref(name=prompt, options={"parser": values["parser"]}))


def _check_run(values: dict[str, Any]) -> None:
    """The variant, the ablations and the fields set with `--set` exist."""
    name = values["recipe"]
    recipe = recipes.choose(None if name and name.endswith(".toml") else name)
    variant = "smoke" if values["smoke"] else values["variant"]
    if variant and not PLACEHOLDER.fullmatch(variant):
        recipe = recipes.variant(recipe, variant)
    recipes.with_settings(recipe, values["settings"])
    assert recipe.ablations or not values["ablations"]
