"""Folders and files that are there whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A folder to fill, which gets its name when the block ends, in the place of an older one.

    It can be read by whom the umask lets read new files, whatever the libraries that wrote into it
    decided for theirs: a trained judge is for a whole group of people. A block that fails leaves
    nothing.
    """
    aside = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        yield aside
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    umask = os.umask(0)
    os.umask(umask)
    for path in aside.rglob("*"):
        path.chmod((0o777 if path.is_dir() else 0o666) & ~umask)
    shutil.rmtree(folder, ignore_errors=True)
    aside.rename(folder)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path to write a file at, which gets its name when the block ends, in the place of an older
    one. A block that fails leaves nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.part")
    try:
        yield aside
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
