"""The project's own rules: who may import what, what start-up loads, what is described."""

from __future__ import annotations

import ast
import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import click
import pluggy
import pytest

import rmr1_core
from rmr1_core import components, hookspecs, values
from rmr1_core.discovery import OFFERS, plugins
from rmr1_core.testing import ContractCheck, contract

ROOT = Path(__file__).parent.parent
CORE = ROOT / "rmr1_core"
PLUGINS = sorted(ROOT.glob("plugins/*/rmr1_*"))
HOOKS = [name for name in vars(hookspecs) if name.startswith("rmr1_")]
PUBLIC = {
    "rmr1_core",
    "rmr1_core.charts",
    "rmr1_core.cli.engine_flags",
    "rmr1_core.cli.options",
    "rmr1_core.curves",
    "rmr1_core.datafiles",
    "rmr1_core.environments",
    "rmr1_core.errors",
    "rmr1_core.examples_file",
    "rmr1_core.anchors",
    "rmr1_core.figures",
    "rmr1_core.folders",
    "rmr1_core.hub",
    "rmr1_core.import_words",
    "rmr1_core.jobs",
    "rmr1_core.jsonl",
    "rmr1_core.keys",
    "rmr1_core.leftovers",
    "rmr1_core.logged",
    "rmr1_core.lookup",
    "rmr1_core.processes",
    "rmr1_core.ranking",
    "rmr1_core.repeating",
    "rmr1_core.rewarding",
    "rmr1_core.decisions",
    "rmr1_core.deprecation",
    "rmr1_core.judge",
    "rmr1_core.cli.judge_options",
    "rmr1_core.conversations",
    "rmr1_core.salvage",
    "rmr1_core.scoring",
    "rmr1_core.statistics",
    "rmr1_core.stored",
    "rmr1_core.testing",
    "rmr1_core.traces",
    "rmr1_core.weights",
    "rmr1_core.workers",
}
"""What plugins may import of the core."""
LAYERS: tuple[set[str], ...] = (
    {"errors", "processes", "leftovers", "workers", "folders", "hub", "jsonl", "words"}
    | {"deprecation", "token_probe", "skipping", "locks", "shielding", "plugin_files", "raw"},
    {"values", "weights", "keys"},
    {"charts", "axes"},
    {"traces", "ranking", "figures"}
    | {"parsing", "statistics", "paired", "rows", "datafiles", "components", "jobs", "plain"}
    | {"salvage"},
    {"examples_file", "conversations"},
    {"hookspecs"},
    {"hook_checks"},
    {"discovery"},
    {"run_plugins", "lacking", "lookup", "observers", "recipes", "progress", "defaults"},
    {"mixtures", "slots", "token_counts", "anchors", "dispatching", "detaching"}
    | {"logged", "pairing"},
    {"journals", "voting"},
    {"judging", "scoring", "runs", "rendering", "uv", "env_store", "environments", "building"}
    | {"places"},
    {"evaluation", "installing", "prompt_prints", "rewarding", "contrasts", "import_parts"}
    | {"imported"},
    {"tradeoffs", "repeating"},
    {"budgets"},
    {"assessing"},
    {"bench", "fingerprints", "mix_report"},
    {"importing"},
    {"decisions"},
    {"tournaments"},
    {"judge"},
    {"trace_filters", "correcting"},
    {"distill_report"},
    {"distill_passes"},
    {"distill_work"},
    {"distill_results"},
    {"distilling"},
    {"overlap", "drawing", "sources", "cards", "data_stats", "pushing"},
    {"candidates"},
    {"mix_folder"},
    {"mixing"},
    {"launching", "tokens"},
    {"pipeline", "curves", "show"},
    {"train"},
    {"stored"},
    {"sides", "earlier"},
    {"joining"},
    {"comparing"},
    {"compare_words", "forecast"},
    {"forecast_words", "anchor_words", "reproducing", "tradeoff_words", "repeat_words"}
    | {"import_words", "scaffolding"}
    | {"testing", "preflight", "health", "plan_words", "data_words", "distill_words"}
    | {"token_views", "parity", "parity_words"},
    {"cli"},
    {"__main__", "pytest_plugin"},
)
"""A module imports from its own row and from those above."""
HEAVY = {
    *("torch", "transformers", "datasets", "numpy", "pandas", "pyarrow", "jinja2", "rich"),
    *(
        "matplotlib",
        "openai",
        "httpx",
        "httpx2",
        "aiohttp",
        "asyncio",
        "tokenizers",
        "safetensors",
        "huggingface_hub",
    ),
    *(
        "scipy",
        "fastapi",
        "starlette",
        "uvicorn",
        "prometheus_client",
        "pydantic",
        "sqlite3",
        "jsonlines",
        "tomli_w",
        "platformdirs",
        "multiprocessing",
        "concurrent",
        "hypothesis",
    ),
}
SHARED_WORKERS = {
    "rmr1_local": {"rmr1_transformers"},
    "rmr1_batches": {"rmr1_openai"},
    "rmr1_reward_models": {"rmr1_transformers"},
}
"""The declared exceptions: the embedded trainers decode with the engine's decoder, batches of
chat completions are made, read and paid as single ones are, and reward models are loaded as models
that write are."""
MOST_LINES = 260
LONG = {"rmr1_core/values.py", "rmr1_core/components.py"}
"""All values and all kinds of the contract, which read best together."""


def modules(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py"))


def imports(path: Path, *, at_start: bool = False) -> Iterator[str]:
    """The full names that a module imports; `at_start` leaves out those inside of functions and
    those for type checkers alone."""
    tree = ast.parse(path.read_text())
    nodes = list(_at_start(tree)) if at_start else list(ast.walk(tree))
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if _is_module(whole) else node.module


def _at_start(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from _at_start(child)


def _is_module(name: str) -> bool:
    path = name.replace(".", "/")
    if not path.startswith("rmr1_"):
        return False
    places = [ROOT, *(plugin.parent for plugin in PLUGINS)]
    return any((p / f"{path}.py").exists() or (p / path / "__init__.py").exists() for p in places)


def layer(module: str) -> int:
    part = module.removeprefix("rmr1_core").removeprefix(".").partition(".")[0]
    for number, names in enumerate(LAYERS):
        if part in names:
            return number
    raise AssertionError(f"{module} is in no layer")


def short(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", modules(CORE), ids=short)
def test_the_core_imports_downwards_only(path: Path) -> None:
    if path == CORE / "__init__.py":
        return
    name = "rmr1_core." + ".".join(path.relative_to(CORE).with_suffix("").parts)
    own = layer(name)
    for imported in imports(path):
        if imported.startswith("rmr1_core.") and imported != "rmr1_core.__version__":
            assert layer(imported) <= own, f"{name} imports {imported}"


def test_the_core_gives_plugins_their_names_without_the_flows() -> None:
    for imported in imports(CORE / "__init__.py", at_start=True):
        assert imported == "typing" or layer(imported) <= layer("rmr1_core.hookspecs"), imported


@pytest.mark.parametrize("path", modules(CORE), ids=short)
def test_the_core_neither_imports_nor_names_a_plugin(path: Path) -> None:
    text = path.read_text()
    for plugin in PLUGINS:
        if plugin.name not in HOOKS:  # a plugin may be called as the hook that it implements
            assert plugin.name not in text
    assert not any(
        name.startswith("rmr1_") and not name.startswith("rmr1_core") for name in imports(path)
    )


def test_the_core_names_no_component_in_its_code() -> None:
    """Words of help and of documentation may give examples; code may not."""
    names = {
        offer.component.name
        for kind in OFFERS
        for offer in plugins().offers(kind)
        if offer.component.name not in {"file", "format", "direct", "transformers", "replay", "ray"}
    }
    for path in modules(CORE):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert node.value not in names, f"{short(path)}: {node.value!r}"


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
def test_a_plugin_imports_the_public_core_and_itself(plugin: Path) -> None:
    allowed = {plugin.name, *SHARED_WORKERS.get(plugin.name, set())}
    for path in modules(plugin):
        for imported in imports(path):
            package = imported.partition(".")[0]
            if package == "rmr1_core":
                assert imported in PUBLIC, f"{short(path)} imports {imported}"
            elif package.startswith("rmr1_"):
                assert package in allowed, f"{short(path)} imports {imported}"


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
def test_the_package_of_a_plugin_imports_nothing_heavy(plugin: Path) -> None:
    seen = {plugin / "__init__.py"}
    waiting = list(seen)
    while waiting:
        path = waiting.pop()
        for imported in imports(path, at_start=True):
            assert imported.partition(".")[0] not in HEAVY, f"{short(path)} imports {imported}"
            inner = plugin.parent / f"{imported.replace('.', '/')}.py"
            if inner.exists() and inner not in seen:
                seen.add(inner)
                waiting.append(inner)


def test_the_public_core_is_documented() -> None:
    section = (ROOT / "docs/concepts.md").read_text().partition("## What imports what")[2]
    listed = re.findall(r"^\| `(rmr1_core[.\w]*)` \|", section, re.MULTILINE)
    assert sorted(listed) == sorted(PUBLIC)


def types_of_the_contract() -> set[type]:
    """All types of the core that somebody meets who implements a hook."""
    names = {**vars(values), **vars(components), "click": click}
    functions = [getattr(hookspecs, name) for name in HOOKS]
    waiting = [t for f in functions for t in _of_the_core(get_type_hints(f, localns=names))]
    found: set[type] = set()
    while waiting:
        type_ = waiting.pop()
        if type_ not in found:
            found.add(type_)
            public = [m for name, m in inspect.getmembers(type_) if not name.startswith("_")]
            methods = [m for m in public if inspect.isfunction(m)]
            methods += [m.fget for m in public if isinstance(m, property) and m.fget]
            for described in (type_, *methods):
                waiting += _of_the_core(get_type_hints(described, localns=names))
    return found


def _of_the_core(hints: dict[str, Any]) -> list[type]:
    flat, waiting = [], list(hints.values())
    while waiting:
        hint = waiting.pop()
        waiting += hint if isinstance(hint, list) else get_args(hint)
        if isinstance(hint, type) and hint.__module__.startswith("rmr1_core."):
            flat.append(hint)
    return flat


def test_every_type_of_the_contract_is_importable_from_the_core_itself() -> None:
    met = {type_.__name__ for type_ in types_of_the_contract()}
    assert {"Pair", "RunRecord", "Recipe", "TrainingTask"} <= met
    assert met <= set(rmr1_core.__all__)


def test_every_plugin_has_an_entry_point() -> None:
    found = {plugin.module for plugin in plugins().listing() if plugin.distribution == "rmr1"}
    assert found == {plugin.name for plugin in PLUGINS}


LOADED = """
import json, sys
from rmr1_core.cli import run_command
code = run_command(sys.argv[1:])
print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("args", "limit"), [(("--help",), 300), (("bench", "--help"), 300), (("run", "--help"), 300)]
)
def test_help_loads_nothing_heavy(args: tuple[str, ...], limit: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *args],
        capture_output=True,
        text=True,
        check=True,
        env={name: value for name, value in os.environ.items() if "COV" not in name},
    )
    code, loaded = json.loads(done.stderr)
    assert code == 0
    heavy = sorted({name.partition(".")[0] for name in loaded} & HEAVY)
    assert heavy == []
    assert len(loaded) < limit
    flows = {"rmr1_core.bench", "rmr1_core.train", "rmr1_core.evaluation", "rmr1_core.show"}
    assert not flows & set(loaded)


def test_a_completion_loads_nothing_heavy() -> None:
    script = "import atexit, sys\natexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
    done = subprocess.run(
        [sys.executable, "-c", script + "from rmr1_core.cli import main; main([])"],
        env={
            **os.environ,
            "_RMR1_COMPLETE": "bash_complete",
            "COMP_WORDS": "rmr1 bench ",
            "COMP_CWORD": "2",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert "plain,rm-bench" in done.stdout
    assert not {name.partition(".")[0] for name in done.stderr.split()} & HEAVY


# what is described


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_documented_with_its_exact_signature(hook: str) -> None:
    function = getattr(hookspecs, hook)
    assert inspect.getdoc(function)
    parameters = inspect.signature(function).parameters
    for page in (ROOT / "docs").glob("**/*.md"):
        for signature in re.findall(rf"def {hook}\(([^)]*)\)", page.read_text()):
            names = [
                part.partition(":")[0].strip()
                for part in re.sub(r"\[.*?\]", "", signature).split(",")
                if part.strip()
            ]
            assert set(names) <= set(parameters), f"{short(page)}: {hook}({signature})"
    text = "\n".join(page.read_text() for page in (ROOT / "docs").glob("**/*.md"))
    assert hook in text, f"no page in docs/ tells of {hook}"


WORDINGS = sorted(ROOT.glob("plugins/prompts/*/wordings/*"))
ARGUMENTS = {"prompts/file": str(WORDINGS[0])}
"""What a component needs to be of use."""


def test_every_kind_has_its_hook() -> None:
    assert {f"rmr1_{kind}s" for kind in OFFERS} <= set(HOOKS)


def shipped_contract() -> list[ContractCheck]:
    """All checks but those that import a plugin in a process of its own; what the packages import
    is looked at above."""
    checks = contract("rmr1", arguments=ARGUMENTS)
    return [check for check in checks if not str(check).endswith("loads quickly")]


@pytest.mark.parametrize("check", shipped_contract(), ids=str)
def test_everything_that_ships_keeps_its_contract(check: ContractCheck) -> None:
    check()


def test_no_shipped_name_is_offered_twice() -> None:
    names = [(k, offer.component.name) for k in OFFERS for offer in plugins().offers(k)]
    assert len(set(names)) == len(names)


def test_hooks_are_marked_as_pluggy_wants() -> None:
    manager = pluggy.PluginManager("rmr1")
    manager.add_hookspecs(hookspecs)
    for hook in HOOKS:
        assert getattr(manager.hook, hook).has_spec()


# size


@pytest.mark.parametrize(
    "path", [p for folder in (CORE, *PLUGINS) for p in modules(folder)], ids=short
)
def test_modules_are_short_enough_to_read(path: Path) -> None:
    if short(path) not in LONG:
        assert len(path.read_text().splitlines()) <= MOST_LINES


@pytest.mark.parametrize(
    "path", [p for folder in (CORE, *PLUGINS) for p in modules(folder)], ids=short
)
def test_functions_are_short_enough_to_read(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            assert lines <= 60, f"{node.name}: {lines} lines"
