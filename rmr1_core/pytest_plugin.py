"""Fixtures for the tests of plugins. pytest finds them where rmr1 is installed; `-p no:rmr1` does
without.

    def test_my_reward_is_listed(rmr1_plugins, rmr1_cli):
        rmr1_plugins.add(MyReward(name="mine", summary="..."))
        assert "mine" in rmr1_cli("list", "rewards").out

This module is imported at the start of every pytest, so it imports nothing: the fixtures do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from rmr1_core.judge import Judge
    from rmr1_core.testing import ScriptedEngine
    from rmr1_core.testing.registered import Registered
    from rmr1_core.testing.scripted import Script

pytest.register_assert_rewrite("rmr1_core.testing")


class Ended(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What was printed, read as JSON."""
        import json

        return json.loads(self.out)


@pytest.fixture
def rmr1_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where runs go: `runs` in an empty folder, which becomes the working directory. Runs leave no
    page, which takes longer than they do, unless RMR1_REPORT is set."""
    import os

    folder = tmp_path / "cwd"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("RMR1_RUNS", raising=False)
    monkeypatch.setenv("RMR1_REPORT", os.environ.get("RMR1_REPORT", "no"))
    return folder / "runs"


@pytest.fixture
def rmr1_plugins() -> Iterator[Registered]:
    """Plugins for one test: `add(component, ...)` offers components, `module(module)` registers a
    module with hooks. What is installed stays, and comes first."""
    from rmr1_core.discovery import plugins
    from rmr1_core.testing.registered import Registered

    plugins.cache_clear()
    yield Registered()
    plugins.cache_clear()


@pytest.fixture
def rmr1_engine(rmr1_plugins: Registered) -> Callable[..., ScriptedEngine]:
    """An engine by name that is a script: `rmr1_engine(write)` answers each request with what
    `write(request)` returns, as `--engine script` of the command line, too."""
    from rmr1_core.testing import ScriptedEngine

    def offer(write: Script, *, name: str = "script") -> ScriptedEngine:
        engine = ScriptedEngine(name=name, summary="a script", write=write)
        rmr1_plugins.add(engine)
        return engine

    return offer


@pytest.fixture
def rmr1_judge() -> Iterator[Callable[..., Judge]]:
    """A judge who is a script, as `rmr1_core.testing.scripted_judge` makes one; closed at the end
    of the test."""
    from rmr1_core.testing import scripted_judge

    with ExitStack() as judges:

        def judge(write: Script, **settings: Any) -> Judge:
            return judges.enter_context(scripted_judge(write, **settings))

        yield judge


@pytest.fixture
def rmr1_cli(
    rmr1_runs: Path,  # noqa: ARG001  (for its empty folder)
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Callable[..., Ended]]:
    """The command line in this process, in an empty folder: `rmr1_cli("list", "rewards")` has the
    exit code and what was printed. Commands that a plugin adds are gone after the test."""
    from rmr1_core.cli import cli, run_command

    def run(*args: str) -> Ended:
        capsys.readouterr()
        code = run_command(args)
        printed = capsys.readouterr()
        return Ended(code, printed.out, printed.err)

    before = dict(cli.commands)
    yield run
    cli.commands.clear()
    cli.commands.update(before)
