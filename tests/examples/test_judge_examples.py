"""The script and the notebook that ask a judge from Python, run as their readers would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
ENGINE = """
    import re
    from rmr1_core import Backbone, RequestFailed, hookimpl
    from rmr1_core.testing import ScriptedEngine

    def write(request):
        first, second = re.findall(r"number (\\d+)", request.messages[-1].content)
        if "0" in (first, second):
            return RequestFailed(error="refused")
        return f"<answer>[[{'A' if int(first) > int(second) else 'B'}]]</answer>"

    class Judge(ScriptedEngine, frozen=True, kw_only=True):
        def own_backbone(self):
            return Backbone(name=self.name, model="", prompt="direct")

    @hookimpl
    def rmr1_engines():
        return [Judge(name="larger", summary="likes the larger number", write=write)]
"""


def _best_of_n(folder: Path, rows: list[list[int]], *args: str) -> subprocess.CompletedProcess[str]:
    path = folder / "answers.jsonl"
    asked = [{"prompt": "which?", "answers": [f"number {n}" for n in row]} for row in rows]
    path.write_text("\n".join(map(json.dumps, asked)))
    return subprocess.run(
        [sys.executable, str(EXAMPLES / "best_of_n.py"), str(path), *args],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_script_chooses_the_best_answer_of_every_row(
    install_plugin: Callable[..., None], tmp_path: Path
) -> None:
    install_plugin("judges", ENGINE)
    done = _best_of_n(tmp_path, [[1, 7, 3], [9, 2, 4, 6]], "--engine", "larger")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["best"] for row in rows] == ["number 7", "number 9"]
    assert len(rows[1]["scores"]) == 4


def test_the_script_keeps_a_row_that_got_no_answer(
    install_plugin: Callable[..., None], tmp_path: Path
) -> None:
    install_plugin("judges", ENGINE)
    done = _best_of_n(tmp_path, [[0, 7], [9, 2]], "--engine", "larger")
    first, second = map(json.loads, done.stdout.splitlines())
    assert done.returncode == 1
    assert (first["error"], second["best"]) == ("refused", "number 9")


def test_the_script_says_in_a_sentence_what_is_wrong(tmp_path: Path) -> None:
    done = _best_of_n(tmp_path, [[1, 2]], "--engine", "nobody")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def test_the_notebook_is_kept_without_outputs() -> None:
    cells = json.loads((EXAMPLES / "judge_in_python.ipynb").read_text())["cells"]
    assert len(cells) > 10
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)


@pytest.mark.slow
def test_the_notebook_runs_from_start_to_end() -> None:
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(EXAMPLES / "judge_in_python.ipynb", as_version=4)
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    shown = "".join(output.get("text", "") or output["data"]["text/plain"] for output in outputs)
    assert "A first -> A\nB first -> A" in shown
    assert "<Verdict.TIE: 'tie'>, True" in shown
    assert "['rubric', 'eval', 'answer']" in shown
    assert "'it is 4' stands at (0, 7)\n'two' stands at None" in shown
    assert "['It is 4.', " in shown
