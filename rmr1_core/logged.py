"""Which format another project's logs have: the importers of all plugins are asked."""

from __future__ import annotations

from pathlib import Path

from rmr1_core.components import Importer
from rmr1_core.discovery import plugins
from rmr1_core.errors import BadInput, PluginFailed, Rmr1Error, UsageError
from rmr1_core.lookup import names, resolve

_SHOWN = 4


def recognized(path: Path, name: str = "", say: str = "say which with --from") -> Importer:
    """The importer that knows the file, or files below the folder; or the one of this name. `say`
    is what to do about several.

    Raises:
        BadInput: there is nothing at the path.
        UsageError, UnknownName: no importer, or more than one, knows it; or there is no such name.
        PluginFailed: an importer raised.
    """
    if not path.exists():
        raise BadInput(path, "no such file or folder; say where the logs are")
    asked = [resolve("importer", name)] if name else _all()
    known = {importer.name: importer for importer in asked if files_of(importer, path)}
    if len(known) == 1:
        return known.popitem()[1]
    if known:
        raise UsageError(f"{path} holds logs of several formats: {', '.join(known)}; {say} NAME")
    formats = f"of the format {name}" if name else "of a known format"
    raise UsageError(
        f"{path} holds no log {formats}{_there(path)}; known are {', '.join(names('importer'))}; "
        "see: rmr1 list importers"
    )


def files_of(importer: Importer, path: Path) -> list[Path]:
    """The files that the importer reads.

    Raises:
        PluginFailed: its own code raised.
    """
    try:
        return list(importer.files(path))
    except Rmr1Error:
        raise
    except Exception as error:  # the boundary to foreign code
        problem = f"importer {importer.name!r} raised {error!r} on {path}"
        raise PluginFailed(importer.name, problem) from error


def _all() -> list[Importer]:
    return [offer.component for offer in plugins().offers("importer")]


def _there(path: Path) -> str:
    """What is there instead, in a few words."""
    if path.is_file():
        return ""
    found = [str(p.relative_to(path)) for p in sorted(path.rglob("*")) if p.is_file()]
    if not found:
        return ", nor anything else"
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"; there is {', '.join(found[:_SHOWN])}{more}"
