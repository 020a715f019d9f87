"""The packages under examples/, built and installed together, as their readers would install them:
all that need nothing but rmr1's own dependencies, in one fresh environment."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from textwrap import dedent

import pytest
import wheels
from packages import ROOT, TOGETHER, OwnTests
from wheels import Command

JUDGES = """
    from rmr1_core import Backbone, hookimpl
    from rmr1_core.datafiles import read_rows
    from rmr1_core.testing import ScriptedEngine
    from rmr1_units import ROWS

    RIGHT = [row.get("right", str) for row in read_rows(ROWS)]
    WRONG = [row.get("wrong", str) for row in read_rows(ROWS)]

    class Judge(ScriptedEngine, frozen=True, kw_only=True):
        def own_backbone(self):
            return Backbone(name=self.name, model="")

    def expert(request):
        text = request.messages[-1].content
        right = next(text.index(answer) for answer in RIGHT if answer in text)
        wrong = next(text.index(answer) for answer in WRONG if answer in text)
        return "<answer>[[A]]</answer>" if right < wrong else "<answer>[[B]]</answer>"

    @hookimpl
    def rmr1_engines():
        return [
            Judge(name="expert", summary="knows the answers", write=expert),
            Judge(name="first", summary="says A", write=lambda _: "<answer>[[A]]</answer>"),
        ]
"""


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """Run something in a fresh environment with the project and the examples as wheels."""
    folder = tmp_path_factory.mktemp("examples")
    site, run = wheels.fresh_environment(folder, ROOT, *TOGETHER)
    _install_judges(site)
    return run


@pytest.fixture(scope="session")
def own_tests(installed: Command) -> OwnTests:
    """Run the tests that an example comes with, in the environment where it is installed."""

    def run(name: str) -> subprocess.CompletedProcess[str]:
        folder = ROOT / "examples" / name
        options = ["-p", "no:cacheprovider", "--rootdir", str(folder), "-c", os.devnull]
        return installed("python", "-m", "pytest", "-q", *options, str(folder / "tests"))

    return run


def _install_judges(site: Path) -> None:
    (site / "judges.py").write_text(dedent(JUDGES))
    info = site / "judges-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: judges\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[rmr1]\njudges = judges\n")
