"""What holds for a format of other projects' logs."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rmr1_core.components import Importer
from rmr1_core.errors import BadInput
from rmr1_core.skipping import skipping
from rmr1_core.values import LoggedJudgment

_NO_LOGS = (b"", b"\x00\xff\xfe", b"[", b'{"a": [1, {"b": null}]}', b"not json\n" * 100)


def check_importer(importer: Importer, path: Path) -> None:
    """Assert that a format's logs at `path` are found and read: the same way twice, each judgment
    with its place and something that says a verdict; and that a file that is cut off anywhere is
    refused, or with bad records left out read as far as it goes.

    Raises:
        AssertionError: a rule is broken.
        BadInput: the logs cannot be read.
    """
    files = list(importer.files(path))
    assert files, f"it does not know {path}"
    assert all(file == path or path in file.parents for file in files), "a file is not at the path"
    first, second = (list(importer.judgments(path)) for _ in range(2))
    assert first, "it finds no judgment"
    assert first == second, "two readings differ"
    for logged in first:
        _check_logged(logged, files)
    assert isinstance(importer.judge(path), str), "who judged is said in words"
    for file in files:
        if file.suffix != ".gz":
            _check_cut(importer, file)


def check_not_known(importer: Importer) -> None:
    """Assert that looking at what is no log raises nothing, and that an empty folder has none."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        assert not list(importer.files(folder)), "it finds logs in an empty folder"
        for number, content in enumerate(_NO_LOGS):
            file = folder / f"{number}.json"
            file.write_bytes(content)
            importer.files(file)
        importer.files(folder)


def _check_logged(logged: LoggedJudgment, files: Sequence[Path]) -> None:
    where = f"{logged.path}, row {logged.row}"
    assert logged.benchmark, f"{where}: of which benchmark?"
    assert logged.pair.id, f"{where}: of which pair?"
    assert Path(logged.path) in files, f"{where}: not one of its files"
    assert logged.row > 0, f"{where}: rows count from 1"
    assert logged.verdict or logged.text, f"{where}: neither a verdict nor a text"
    texts = [bool(logged.pair.prompt), bool(logged.pair.chosen or logged.pair.rejected)]
    assert len(set(texts)) == 1, f"{where}: a conversation without answers, or the reverse"
    assert all(map(math.isfinite, logged.scores or ())), f"{where}: a score is no number"


def _check_cut(importer: Importer, file: Path) -> None:
    content = file.read_bytes()
    with tempfile.TemporaryDirectory() as name:
        cut = Path(name) / file.name
        for end in (len(content) // 3, len(content) // 2, len(content) - 2):
            cut.write_bytes(content[:end])
            if importer.files(cut):
                with skipping():
                    _read(importer, cut)


def _read(importer: Importer, path: Path) -> None:
    try:
        list(importer.judgments(path))
    except BadInput:  # of the whole file
        return
