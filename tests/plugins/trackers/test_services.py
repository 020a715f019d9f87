"""Weights & Biases and trackio: with stand-ins installed on the path, and with the real packages.

The stand-ins write down what they are called with; they have the names that the real ones have,
which the slow test installs.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

Run = Callable[..., Path]
ROOT = Path(__file__).parents[3]
RECORDING = """
import json, os

def note(*what):
    with open(os.environ["NOTES"], "a") as file:
        print(json.dumps(what), file=file)
"""
WANDB = (
    RECORDING
    + """
class Run:
    def define_metric(self, name, step_metric=None):
        note("metric", name, step_metric)

    def log(self, numbers):
        note("log", numbers)

    def finish(self, exit_code):
        note("finish", exit_code)

def init(**options):
    note("init", sorted(options), options["id"], options["resume"])
    return Run()
"""
)
TRACKIO = (
    RECORDING
    + """
def init(**options):
    note("init", sorted(options), options["name"])

def log(numbers):
    note("log", numbers)

def finish():
    note("finish")
"""
)
BROKEN = "def init(**options):\n    raise ConnectionError('no way there')\n"


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[Any]]:
    """What the stand-ins were called with."""
    path = tmp_path / "notes"
    monkeypatch.setenv("NOTES", str(path))
    return lambda: [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str, str], None]]:
    """Put a module on the path, as pip would."""
    site = tmp_path / "stand-ins"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def install(name: str, source: str) -> None:
        (site / f"{name}.py").write_text(source)
        monkeypatch.delitem(sys.modules, name, raising=False)
        monkeypatch.setenv("RMR1_TRACKERS", name)

    yield install
    for name in ("wandb", "trackio"):
        sys.modules.pop(name, None)


def test_wandb_gets_every_step_on_the_stages_own_axis(
    run: Run, installed: Callable[[str, str], None], notes: Callable[[], list[Any]]
) -> None:
    installed("wandb", WANDB)
    folder = run()
    called = notes()
    options = ["config", "dir", "id", "name", "project", "resume"]
    assert called[0] == ["init", options, folder.name, "allow"]
    assert ["metric", "first/*", "first/step"] in called
    assert ["log", {"first/loss": 0.5, "first/step": 2}] in called
    assert sum("evaluation/sample-one" in what[1] for what in called if what[0] == "log") == 3
    assert called[-1] == ["finish", 0]


def test_a_failed_run_is_a_failed_one_there(
    run: Run, installed: Callable[[str, str], None], notes: Callable[[], list[Any]]
) -> None:
    from rmr1_core import Ref
    from rmr1_core.errors import EngineFailed

    installed("wandb", WANDB)
    with pytest.raises(EngineFailed):
        run(engine=Ref(name="scripted", options={"crash_after": 1}))
    assert notes()[-1] == ["finish", 1]


def test_trackio_gets_every_step(
    run: Run, installed: Callable[[str, str], None], notes: Callable[[], list[Any]]
) -> None:
    installed("trackio", TRACKIO)
    folder = run()
    called = notes()
    assert called[0] == ["init", ["config", "name", "project", "resume"], folder.name]
    assert ["log", {"second/loss": 1.0, "second/step": 1}] in called
    assert called[-1] == ["finish"]


def test_a_tracker_that_fails_is_named_once_and_stops_nothing(
    run: Run, installed: Callable[[str, str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    installed("wandb", BROKEN)
    run()
    said = capsys.readouterr().err
    assert said.count("warning: tracker 'wandb' failed and is left out: ConnectionError") == 1


@pytest.mark.parametrize(
    ("asked", "warning"),
    [
        ("wandb", "RMR1_TRACKERS asks for wandb, which is not installed: pip install wandb"),
        ("weights", "no tracker named 'weights' (RMR1_TRACKERS); there are tensorboard, wandb"),
    ],
)
def test_a_tracker_that_cannot_be_used_is_named(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    asked: str,
    warning: str,
) -> None:
    monkeypatch.setenv("RMR1_TRACKERS", asked)
    run()
    assert f"warning: {warning}" in capsys.readouterr().err


def test_nothing_is_logged_to_a_service_that_is_only_installed(
    run: Run,
    installed: Callable[[str, str], None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("NOTES", str(tmp_path / "notes"))
    installed("wandb", WANDB)
    monkeypatch.delenv("RMR1_TRACKERS")
    run()
    assert not (tmp_path / "notes").exists()


READ_WANDB = """
import json, struct, sys
from wandb.proto import wandb_internal_pb2

# a log of LevelDB's: blocks of 32 KB, in them records of checksum, length and kind
data, at, parts = open(sys.argv[1], "rb").read(), 7, b""
while at + 7 <= len(data):
    if 32768 - at % 32768 < 7:
        at += 32768 - at % 32768
        continue
    length, kind = struct.unpack_from("<HB", data, at + 4)
    parts += data[at + 7 : at + 7 + length]
    at += 7 + length
    if kind in (1, 4):
        record = wandb_internal_pb2.Record.FromString(parts)
        parts = b""
        if record.WhichOneof("record_type") == "history":
            items = record.history.item
            names = ("/".join(item.nested_key) or item.key for item in items)
            print(json.dumps(dict(zip(names, (json.loads(i.value_json) for i in items)))))
"""


@pytest.mark.slow
def test_the_real_packages_keep_what_they_are_told(
    tmp_path: Path, rmr1: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    site, plugin = tmp_path / "site", tmp_path / "plugin"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(site)]
    subprocess.run([*pip, "wandb", "trackio"], check=True)
    info = plugin / "sample_plugin-1.dist-info"
    info.mkdir(parents=True)
    (plugin / "sample_plugin.py").write_bytes((ROOT / "tests/sample_plugin.py").read_bytes())
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sample_plugin\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[rmr1]\nsample = sample_plugin\n")
    place = {"PYTHONPATH": os.pathsep.join(map(str, (plugin, site))), "WANDB_MODE": "offline"}
    place |= {"RMR1_TRACKERS": "wandb,trackio", "TRACKIO_DIR": str(tmp_path / "trackio")}
    done = rmr1("run", "--recipe", "sample", "--runs-dir", str(tmp_path / "runs"), **place)
    assert done.returncode == 0, done.stderr
    assert "left out" not in done.stderr
    (log,) = tmp_path.glob("runs/*/wandb/offline-run-*/*.wandb")
    read = subprocess.run(
        [sys.executable, "-c", dedent(READ_WANDB), str(log)],
        env={**os.environ, **place},
        capture_output=True,
        text=True,
        check=True,
    )
    rows = [json.loads(line) for line in read.stdout.splitlines()]
    assert [r["first/loss"] for r in rows if "first/loss" in r] == [1.0, 0.5, 1 / 3]
    (database,) = (tmp_path / "trackio").glob("*.db")
    metrics = [
        json.loads(text)
        for (text,) in sqlite3.connect(database).execute("select metrics from metrics order by id")
    ]
    assert [m["first/loss"] for m in metrics if "first/loss" in m] == [1.0, 0.5, 1 / 3]
