"""The plugins that a run needs: packages that its recipe names, and plugins in one file.

    <runs>/<id>/plugins/<name>.py    a copy of each file, which the run and its jobs use

A run goes on with its copies, also where the files have changed meanwhile.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

import msgspec

from rmr1_core import plugin_files
from rmr1_core.discovery import Plugin, plugins
from rmr1_core.errors import BadInput, MissingPackage, UsageError
from rmr1_core.plugin_files import LoadedFile, tell_children
from rmr1_core.values import PluginFile, Recipe, Ref

FOLDER = "plugins"


def load_for(recipe: Recipe) -> None:
    """Check the packages that a recipe requires, and load the files that it names.

    Raises:
        MissingPackage: one is not installed. UsageError: in another version; or a file is no plugin
            that works.
    """
    for line in recipe.requires:
        _check_installed(recipe.name, line)
    for path in recipe.plugins:
        plugins().load_file(Path(path))
    tell_children(plugins().files)


def keep(folder: Path) -> tuple[PluginFile, ...]:
    """Copy the plugins in files that are in use into a run's folder; what this process starts from
    now on uses the copies."""
    return tuple(_kept(file, folder.absolute() / FOLDER) for file in plugins().files)


def use(folder: Path, kept: Iterable[PluginFile]) -> None:
    """Load a run's copies, and say where the file itself has changed.

    Raises:
        BadInput: a copy is gone, or is not as it was.
    """
    for known in kept:
        copy = folder.absolute() / FOLDER / f"{known.name}.py"
        loaded = next((file for file in plugins().files if file.name == known.name), None)
        if loaded is not None and loaded.path == copy:
            continue
        file = plugin_files.read(copy)
        if file.sha256 != known.sha256:
            problem = "this is not the plugin that the run began with; put it back, or start anew"
            raise BadInput(copy, problem)
        _tell_of_change(known, loaded, copy)
        if loaded is not None and loaded.sha256 == known.sha256:
            plugins().move_file(loaded, copy)
        else:
            plugins().load_file(copy, instead=True)
    tell_children(plugins().files)


def portable(recipe: Recipe) -> Recipe:
    """The recipe as it is written into a run's folder: with its copies of files, and the packages
    that offer what it names."""
    packages = dict.fromkeys(_packages(recipe))
    named = {line.partition(">")[0] for line in recipe.requires}
    added = [line for line in packages if line.partition(">")[0] not in named]
    return msgspec.structs.replace(
        recipe,
        plugins=tuple(f"{FOLDER}/{file.name}.py" for file in plugins().files),
        requires=(*recipe.requires, *added),
    )


def _kept(file: LoadedFile, folder: Path) -> PluginFile:
    copy = folder / f"{file.name}.py"
    if file.path != copy:
        folder.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.source)
        plugins().move_file(file, copy)
        tell_children(plugins().files)
    return PluginFile(name=file.name, path=file.origin or str(file.path), sha256=file.sha256)


def _tell_of_change(known: PluginFile, loaded: LoadedFile | None, copy: Path) -> None:
    try:
        now = plugin_files.read(Path(known.path)).sha256
    except BadInput:  # it is gone, or is none any more; the copy is what counts
        now = known.sha256
    if now != known.sha256 or (loaded is not None and loaded.sha256 != known.sha256):
        print(
            f"warning: plugin {known.name!r} has changed since the run began; it goes on with its "
            f"copy, {copy}; use the new one in a new run",
            file=sys.stderr,
        )


def _check_installed(recipe: str, line: str) -> None:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        needed = Requirement(line)
    except InvalidRequirement:
        problem = f"{line!r} names no package; write it as in requires = ['rmr1-units>=1.0']"
        raise UsageError(f"recipe {recipe!r}, field 'requires': {problem}") from None
    install = f"rmr1 install {shlex.quote(line)}"
    try:
        version = metadata.version(needed.name)
    except metadata.PackageNotFoundError:
        raise MissingPackage(line, f"recipe {recipe!r}", install) from None
    if not needed.specifier.contains(version, prereleases=True):
        raise UsageError(
            f"recipe {recipe!r} needs {line}, and {version} is installed; change that with: "
            f"{install}"
        )


def _packages(recipe: Recipe) -> Iterator[str]:
    """The packages, other than rmr1, of the components that a recipe names."""
    by_name: dict[str, Plugin] = {plugin.name: plugin for plugin in plugins().listing()}
    for kind, ref in _refs(recipe):
        name = ref.name.partition(":")[0]
        for offer in plugins().offers(kind):
            if name in (offer.component.name, f"{offer.plugin}/{offer.component.name}"):
                plugin = by_name[offer.plugin]
                if plugin.distribution not in ("", "rmr1"):
                    yield f"{plugin.distribution}>={plugin.version}"


def _refs(recipe: Recipe) -> Iterator[tuple[str, Ref]]:
    for kind in ("backbone", "prompt", "reward", "engine", "launcher"):
        yield kind, getattr(recipe, kind)
    for stage in recipe.stages:
        yield "trainer", stage.trainer
        yield "dataset", stage.dataset
    yield from (("benchmark", benchmark) for benchmark in recipe.benchmarks)
