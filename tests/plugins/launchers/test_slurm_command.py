"""The launcher `slurm` as a user meets it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

Run = Callable[..., subprocess.CompletedProcess[str]]
SLURM = ("run", "--smoke", "--set", "launcher.name=slurm")


def test_a_dry_run_shows_what_would_be_submitted(rmr1: Run, tmp_path: Path) -> None:
    options = ("--set", 'launcher.options.before=["module load cuda"]')
    done = rmr1(*SLURM, *options, "--dry-run", "--json", PATH="/nowhere")
    assert done.returncode == 0, done.stderr
    files = [tmp_path / "cwd" / file for file in json.loads(done.stdout)["files"]]
    scripts = [file for file in files if file.name == "sbatch.sh"]
    assert [script.parent.name for script in scripts] == ["grpo", "sft"]
    for script in scripts:
        assert "\nmodule load cuda\n" in script.read_text()
        assert script.with_name("run.sh").is_file()


def test_a_look_before_a_run_finds_that_there_is_no_slurm(rmr1: Run) -> None:
    done = rmr1(*SLURM, "--check", PATH="/nowhere")
    assert done.returncode == 1
    assert "no sbatch and no squeue and no scancel on the PATH" in done.stdout
