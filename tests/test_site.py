"""The documentation site has everything, and needs nothing from elsewhere."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest
from documentation import PAGES, ROOT, blocks, links

from rmr1_core import hookspecs
from rmr1_core.cli import build as command_line
from rmr1_core.discovery import OFFERS, plugins

HOOKS = [name for name in vars(hookspecs) if name.startswith("rmr1_")]


def _builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_site", ROOT / "docs" / "build_site.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


BUILDER = _builder()


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Sphinx reads."""
    folder = tmp_path_factory.mktemp("staged")
    BUILDER.stage(folder)
    return folder


def test_every_page_is_in_the_tree_of_contents_once(staged: Path) -> None:
    trees = re.findall(r"```\{toctree\}\n(.*?)```", (staged / "index.md").read_text(), re.DOTALL)
    entries = [line for tree in trees for line in tree.splitlines() if line and line[0] != ":"]
    named = [re.sub(r".* <(.*)>$", r"\1", entry) for entry in entries]
    assert sorted(named) == sorted(name.removesuffix(".md") for name in BUILDER.pages().values()
                                   if name != "index.md")  # fmt: skip


def test_every_public_module_has_a_page(staged: Path) -> None:
    modules = BUILDER.public_modules()
    assert "rmr1_core.statistics" in modules
    tree = (staged / "python-api.md").read_text()
    for module in modules:
        assert (staged / "api" / f"{module}.rst").exists()
        assert f"{module} <api/{module}>" in tree
        assert importlib.import_module(module).__doc__


@pytest.mark.parametrize("module", BUILDER.public_modules())
def test_what_a_public_function_raises_is_in_its_reference(module: str) -> None:
    tree = ast.parse(Path(importlib.import_module(module).__file__ or "").read_text())
    for function in _public_functions(tree):
        if any(isinstance(node, ast.Raise) and node.exc for node in ast.walk(function)):
            assert "Raises:" in (ast.get_docstring(function) or ""), f"{module}: {function.name}"


def _public_functions(node: ast.Module | ast.ClassDef) -> Iterator[ast.FunctionDef]:
    for child in node.body:
        if isinstance(child, ast.ClassDef) and not child.name.startswith("_"):
            yield from _public_functions(child)
        if isinstance(child, ast.FunctionDef) and not child.name.startswith("_"):
            yield child


def test_every_command_is_on_the_page_of_commands(staged: Path) -> None:
    text = (staged / "commands.md").read_text()
    for path in _commands(command_line(), "rmr1"):
        assert f"\n## {path}\n" in text


def test_every_hook_is_on_the_page_of_hooks(staged: Path) -> None:
    text = (staged / "hooks.md").read_text()
    for hook in HOOKS:
        assert f"\n## {hook}\n" in text
        assert f"\ndef {hook}(" in text


def test_every_kind_and_every_shipped_name_is_on_the_page_of_components(staged: Path) -> None:
    text = (staged / "components.md").read_text()
    own = {p.name for p in plugins().listing() if p.distribution == "rmr1"}
    for kind in OFFERS:
        assert f"\n## {kind.capitalize()}s\n" in text
        for offer in plugins().offers(kind):
            if offer.plugin in own:
                assert f"\n| `{offer.component.name}` |" in text


def test_links_of_staged_pages_lead_to_staged_pages(staged: Path) -> None:
    for page in staged.rglob("*.md"):
        for link in links(page):
            path = link.partition("#")[0]
            if path and not link.startswith("https://"):
                assert (page.parent / path).is_file(), f"{page.name}: {link}"


def test_links_to_other_sites_are_well_formed() -> None:
    for page in PAGES:
        for link in links(page):
            if ":" in link:
                assert re.fullmatch(r"https://[\w.-]+\.[a-z]+(/[^\s)]*)?", link), link


PYTHON = [block for block in blocks() if block.language == "python"]


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_python_that_is_shown_is_python(block) -> None:  # type: ignore[no-untyped-def]
    if f"\n{block.code}".startswith("\ndef rmr1_") and block.page.name == "hooks.md":
        compile(block.code.rstrip() + ": ...", block.page.name, "exec")
    else:
        compile(block.code, block.page.name, "exec")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole site, as `make site` builds it."""
    pytest.importorskip("furo")  # of the group `docs`
    out = tmp_path_factory.mktemp("site")
    build = [sys.executable, str(ROOT / "docs" / "build_site.py"), str(out / "site")]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out / "site"


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_loads_nothing_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text()
        loaded = re.findall(r"<(?:script|img|iframe|source)[^>]* src=\"([^\"]*)\"", text)
        loaded += re.findall(r"<link[^>]* href=\"([^\"]*)\"", text)
        assert not [url for url in loaded if "//" in url], page.name
        assert str(ROOT) not in text, page.name
    for style in site.rglob("*.css"):
        assert not re.findall(r"url\(\s*[\"']?(?:https?:)?//|@import", style.read_text()), style


@pytest.mark.slow
def test_every_link_and_anchor_within_the_site_is_there(site: Path) -> None:
    pages = {page: page.read_text() for page in site.rglob("*.html")}
    ids = {page: set(re.findall(r" id=\"([^\"]+)\"", text)) for page, text in pages.items()}
    for page, text in pages.items():
        for link in re.findall(r"<a [^>]*href=\"([^\"]+)\"", text):
            path, _, anchor = link.partition("#")
            if "//" not in link and not link.startswith("mailto:"):
                target = (page.parent / path).resolve() if path else page
                assert target.exists(), f"{page.name}: {link}"
                if anchor and target in ids:
                    assert anchor in ids[target], f"{page.name}: {link}"


@pytest.mark.slow
def test_the_reference_has_every_name_of_the_contract(site: Path) -> None:
    import rmr1_core

    text = (site / "api" / "rmr1_core.html").read_text()
    described = {
        found.rpartition(".")[2] for found in re.findall(r'id="(rmr1_core\.[\w.]+)"', text)
    }
    assert set(rmr1_core.__all__) - described == {"Judge", "Chart", "__version__"}
    for module, name in {"judge": "Judge", "charts": "Chart"}.items():
        page = (site / "api" / f"rmr1_core.{module}.html").read_text()
        assert f'id="rmr1_core.{module}.{name}"' in page


def _commands(command: click.Command, path: str) -> list[str]:
    found = [path]
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            child = command.get_command(click.Context(command), name)
            if child is not None and not child.hidden:
                found += _commands(child, f"{path} {name}")
    return found
