"""New plugins: a package of each kind, rendered from the templates in `scaffold/`.

A kind is a row of KINDS and two templates, for the module and for its tests; `more` names further
files. What is rendered installs, passes its tests and shows up at once.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from rmr1_core import __version__
from rmr1_core.discovery import GROUP, OFFERS, plugins
from rmr1_core.errors import UnknownName, UsageError
from rmr1_core.lookup import names

TEMPLATES = Path(__file__).with_name("scaffold")
LICENCES = ("Apache-2.0", "MIT", "none")
MOST_LETTERS = 24
PYTHONS = ("3.11", "3.12", "3.13")
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class Scaffold(NamedTuple):
    """A kind of plugin. `what` it is, in words; `use` is a command that uses it, where NAME is its
    name; `notes` are for its README; `more` are files of the package, by template."""

    what: str
    use: str
    notes: str = ""
    more: Mapping[str, str] = {}


KINDS: Mapping[str, Scaffold] = {
    "backbone": Scaffold(
        "a backbone",
        "rmr1 show backbones/NAME",
        "A backbone is a row: `model` is a hub id or a folder with weights.",
    ),
    "engine": Scaffold("an engine", "rmr1 bench toy --engine NAME --limit 8"),
    "prompt": Scaffold("a prompt strategy", "rmr1 show prompts/NAME"),
    "reward": Scaffold(
        "a reward",
        "rmr1 run --smoke --set reward.name=NAME --dry-run",
        "Leave out `--dry-run` to train the small judge with it.",
    ),
    "trainer": Scaffold(
        "a trainer",
        "rmr1 show trainers/NAME",
        "`plan` says what runs, and `work.py` is what runs.",
        {"work.py": "trainer.work"},
    ),
    "benchmark": Scaffold("a benchmark", "rmr1 bench NAME --backbone qwen7b --dry-run"),
    "dataset": Scaffold("a source of training data", "rmr1 data preview NAME"),
    "launcher": Scaffold("a launcher", "rmr1 run --smoke --set launcher.name=NAME --dry-run"),
    "environment": Scaffold(
        "an environment",
        "rmr1 env create NAME --dry-run",
        "`rmr1 env lock NAME` writes a lock; name its platforms then.",
        {"requirements.txt": "environment.requirements"},
    ),
    "importer": Scaffold("an importer of logs", "rmr1 show importers/NAME"),
    "recipe": Scaffold(
        "a recipe",
        "rmr1 run --recipe NAME --dry-run",
        more={"recipe.toml": "recipe.toml"},
    ),
    "mixture": Scaffold("a mixture of training data", "rmr1 data mix NAME -o ./NAME --dry-run"),
    "anchor": Scaffold(
        "published numbers", "rmr1 anchors", "Each number says its source and its protocol."
    ),
    "command": Scaffold("a command", "rmr1 NAME"),
    "observer": Scaffold(
        "an observer", "rmr1 plugins", "Every run leaves a file with the counts of its verdicts."
    ),
}
"""What can be scaffolded: the kinds of component, and what else a plugin does."""


class NewPlugin(NamedTuple):
    """A package to write: its name, its folder, its files by path in it, and what to type next."""

    package: str
    folder: Path
    files: Mapping[str, str]
    next: tuple[str, ...]


def new_plugin(
    kind: str, name: str, *, parent: Path = Path(), author: str = "", licence: str = LICENCES[0]
) -> NewPlugin:
    """The package of a new plugin of this kind; nothing is written yet.

    Raises:
        UnknownName: there is no such kind.
        UsageError: the name cannot be one, or is taken; the folder is there already.
    """
    kind = kind if kind in KINDS else kind.removesuffix("s")
    if kind not in KINDS:
        raise UnknownName("kind of plugin", kind, KINDS, "rmr1 new plugin --help")
    name = name.removeprefix("rmr1-")
    package = f"rmr1-{name}"
    _check_name(kind, name)
    folder = parent / package
    if folder.exists():
        raise UsageError(f"{folder} is there already; say another place with --dir, or remove it")
    scaffold = KINDS[kind]
    use = scaffold.use.replace("NAME", name)
    facts = {
        "name": name,
        "package": package,
        "module": _module(name),
        "klass": "".join(part.capitalize() for part in name.split("-")),
        "about": f"{name.capitalize()}, {scaffold.what} for rmr1",
        "use": use,
        "notes": scaffold.notes,
        "author": author,
        "licence": licence,
        "year": str(datetime.now(tz=UTC).year),
        "requires": f"rmr1{supported(__version__)}",
        "python": PYTHONS[0],
        "pythons": ", ".join(f'"{version}"' for version in PYTHONS),
    }
    files = {path: _render(template, facts) for path, template in _paths(kind, name, licence)}
    if licence == LICENCES[0]:
        files["LICENSE"] = _own_licence()
    steps = (f"rmr1 install --editable {folder}", f"pytest {folder}", use)
    return NewPlugin(package, folder, dict(sorted(files.items())), steps)


def write(new: NewPlugin) -> None:
    """Write the package's files.

    Raises:
        UsageError: they cannot be written.
    """
    try:
        for path, text in new.files.items():
            place = new.folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"cannot write {error.filename}: {error.strerror}; say another place with --dir"
        ) from None


def supported(version: str) -> str:
    """The versions of rmr1 that what is written for `version` works with, by the promise of
    docs/compatibility.md: before 1.0, what a later minor release warns of stays for two."""
    major, minor = (int(part) for part in version.split(".")[:2])
    below = f"0.{minor + 3}" if major == 0 else str(major + 1)
    return f">={major}.{minor},<{below}"


def _paths(kind: str, name: str, licence: str) -> list[tuple[str, str]]:
    """The package's files with their templates."""
    module = _module(name)
    files = {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        ".gitignore": "gitignore",
        ".github/workflows/tests.yml": "ci.yml",
        f"{module}/__init__.py": f"kinds/{kind}.py",
        f"tests/test_{module.removeprefix('rmr1_')}.py": f"kinds/{kind}.test",
        **{f"{module}/{path}": f"kinds/{of}" for path, of in KINDS[kind].more.items()},
    }
    if licence == "MIT":
        files["LICENSE"] = "licence-mit"
    return list(files.items())


def _render(template: str, facts: Mapping[str, str]) -> str:
    import jinja2

    text = (TEMPLATES / f"{template}.jinja").read_text(encoding="utf-8")
    environment = jinja2.Environment(  # code and prose, no pages
        undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False
    )
    return environment.from_string(text).render(facts)


def _check_name(kind: str, name: str) -> None:
    if not _NAME.fullmatch(name) or len(name) > MOST_LETTERS:
        raise UsageError(
            f"{name!r} cannot be a plugin's name: at most {MOST_LETTERS} of a-z, 0-9 and single "
            "hyphens, a letter first; for example: rmr1 new plugin reward short-answers"
        )
    if taken := _taken(kind, name):
        raise UsageError(f"the name {name!r} is taken: {taken}; choose another one")


def _taken(kind: str, name: str) -> str:
    """What has the name already; "" where nothing has."""
    entries = {entry.name: entry for entry in metadata.entry_points(group=GROUP)}
    if name in entries:
        entry = entries[name]
        return f"package {entry.dist.name if entry.dist else entry.value!r} has a plugin {name!r}"
    if kind in OFFERS and name in names(kind):
        offer = next(o for o in plugins().offers(kind) if o.component.name == name)
        return f"plugin {offer.plugin!r} offers a {kind} {name!r}"
    if importlib.util.find_spec(_module(name)) is not None:
        return f"a module {_module(name)!r} is installed"
    return ""


def _module(name: str) -> str:
    return f"rmr1_{name.replace('-', '_')}"


def _own_licence() -> str:
    """The text of Apache-2.0, which is the licence of rmr1 itself."""
    text = metadata.distribution("rmr1").read_text("licenses/LICENSE")
    return text or "Apache License 2.0: https://www.apache.org/licenses/LICENSE-2.0\n"
