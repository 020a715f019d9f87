"""A run is a folder whose record is written first, as "planned", and last, as "done".

    <runs>/<id>/run.json            what it was: versions, names, options, protocol, status
                evaluation/         of `rmr1 bench`
                evaluations/<name>/ of `rmr1 run`: before, and after each stage
                stages/<name>/      of `rmr1 run`: data, job, log, metrics, checkpoint

A lock keeps two processes from writing one run.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from rmr1_core.discovery import plugins
from rmr1_core.errors import BadInput, RunIncomplete, UnknownName, UsageError
from rmr1_core.locks import locked
from rmr1_core.observers import Observers
from rmr1_core.processes import capture
from rmr1_core.values import RunRecord

T = TypeVar("T")

RECORD_FILE = "run.json"
RUNS_VARIABLE = "RMR1_RUNS"


def runs_folder(chosen: Path | None = None) -> Path:
    """Where runs are kept: as chosen, else $RMR1_RUNS, else ./runs."""
    return chosen or Path(os.environ.get(RUNS_VARIABLE) or "runs")


def create(root: Path, command: str, label: str) -> Path:
    """A new run's folder, named by time, command and label.

    Raises:
        UsageError: the folder cannot be made.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    plain = "".join(c if c.isalnum() or c in "-_." else "-" for c in label).strip("-.") or "run"
    for attempt in range(1000):
        folder = root / (f"{stamp}-{command}-{plain}" + (f"-{attempt}" if attempt else ""))
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise UsageError(
                f"cannot make a run folder in {root}: {error.strerror}; choose another place with "
                f"--runs-dir or ${RUNS_VARIABLE}"
            ) from error
        return folder
    raise UsageError(f"cannot find a free name for a run in {root}")


def find(root: Path, name: str) -> Path:
    """The folder of a run: by path, by id, by the end or a part of its id, or "last".

    Raises:
        UsageError, UnknownName: no run, or several, are meant.
    """
    if (Path(name) / RECORD_FILE).is_file():
        return Path(name)
    known = folders(root)
    if not known:
        raise UsageError(f"no runs in {root}; start one with: rmr1 bench or rmr1 run")
    if name == "last":
        return known[-1]
    matches = [f for f in known if f.name == name] or [f for f in known if name in f.name]
    match matches:
        case [folder]:
            return folder
        case []:
            raise UnknownName("run", name, [f.name for f in known], hint="rmr1 runs list")
        case _:
            raise UsageError(f"run {name!r} can be any of {', '.join(f.name for f in matches)}")


@contextmanager
def created(root: Path, command: str, label: str) -> Iterator[Path]:
    """A new run's folder to fill; if that fails, no run is left behind."""
    import shutil

    folder = create(root, command, label)
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def folders(root: Path) -> list[Path]:
    """The folders of all runs, oldest first."""
    return sorted(record.parent for record in root.glob(f"*/{RECORD_FILE}"))


def read_record(folder: Path) -> RunRecord:
    """A run's record. Raises BadInput when it is damaged."""
    return read_whole(folder / RECORD_FILE, RunRecord)


def write_record(folder: Path, record: RunRecord) -> None:
    """Replace a run's record, all at once."""
    write_whole(folder / RECORD_FILE, record)


def write_whole(path: Path, value: Any) -> None:
    """Write a value as indented JSON; the file is at all times the old or the new one, whole.

    Raises:
        OSError: it names the file, as that of a full disk does not by itself.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(path.name + ".part")
    try:
        aside.write_bytes(as_json(value))
        aside.replace(path)
    except OSError as error:
        with suppress(OSError):
            aside.unlink()
        raise OSError(error.errno, error.strerror, str(path)) from None


def read_whole(path: Path, type_: type[T]) -> T:
    """The value that `write_whole` wrote. Raises BadInput when there is none or it is damaged."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=type_)
    except OSError as error:
        raise BadInput(path, error.strerror or "cannot be read") from None
    except msgspec.DecodeError as error:
        raise BadInput(path, str(error)) from None


def as_json(value: Any) -> bytes:
    """A value as the indented JSON that is in a run's files."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def new_record(folder: Path, command: Literal["bench", "run"], **facts: Any) -> RunRecord:
    """The record of a run that starts now."""
    return RunRecord(
        id=folder.name,
        command=command,
        status="planned",
        created=_now(),
        versions=versions(),
        argv=tuple(sys.argv),
        git_revision=git_revision(),
        **facts,
    )


def finished(
    record: RunRecord,
    status: Literal["incomplete", "interrupted", "failed", "done"],
    error: str = "",
) -> RunRecord:
    """The record of a run that ends now, with this status."""
    return msgspec.structs.replace(record, status=status, error=error, finished=_now())


def versions() -> Mapping[str, str]:
    """Versions of Python, of rmr1 and of every distribution that a plugin comes from."""
    found = {"python": ".".join(map(str, sys.version_info[:3]))}
    for plugin in plugins().listing():
        if plugin.distribution and not plugin.error:
            found[plugin.distribution] = plugin.version
        if plugin.file and not plugin.error:
            found[Path(plugin.file).name] = plugin.version
    return found


def git_revision() -> str:
    """The commit of the rmr1 checkout that runs, with "+" when it has changes; "" elsewhere."""
    here = Path(__file__).parent
    if not (here.parent / ".git").exists():
        return ""
    revision = capture(["git", "-C", str(here), "rev-parse", "HEAD"]).strip()
    changes = capture(["git", "-C", str(here), "status", "--porcelain", "-uno"])
    return revision + ("+" if revision and changes.strip() else "")


@contextmanager
def recorded(folder: Path, record: RunRecord) -> Iterator[dict[str, str]]:
    """Hold the run for writing, and record how the block ends. Observers hear of it.

    What the block adds to the yielded versions is recorded too.
    """
    with locked(folder):
        observers = Observers()
        _warn_of_other_versions(record)
        record = msgspec.structs.replace(record, status="started", error="", finished="")
        write_record(folder, record)
        observers.run_started(record, folder)
        versions_seen = dict(record.versions)
        try:
            yield versions_seen
        except BaseException as error:
            status: Literal["incomplete", "interrupted", "failed"]
            status = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            status = "incomplete" if isinstance(error, RunIncomplete) else status
            if isinstance(error, RunIncomplete):
                error = RunIncomplete(folder.name, error.failed, error.first)
            record = msgspec.structs.replace(record, versions=versions_seen)
            record = finished(record, status, str(error) or type(error).__name__)
            with suppress(OSError):  # on a full disk; the first error is the one to tell
                write_record(folder, record)
            observers.run_finished(record, folder)
            raise error
        record = finished(msgspec.structs.replace(record, versions=versions_seen), "done")
        write_record(folder, record)
        observers.run_finished(record, folder)


def _warn_of_other_versions(record: RunRecord) -> None:
    now = versions()
    changed = [
        f"{name} {version}, now {now[name]}"
        for name, version in record.versions.items()
        if now.get(name, version) != version
    ]
    if changed:
        print(f"warning: this run began with {'; '.join(changed)}", file=sys.stderr)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
