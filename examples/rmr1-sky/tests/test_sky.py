"""The contract of a launcher, the task file, and a stand-in for the programs that rent machines."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest

from rmr1_core import Job, Step
from rmr1_core.errors import JobFailed, UsageError
from rmr1_core.testing import check_component, check_launcher
from rmr1_sky import SkyLauncher, rmr1_launchers

(SKY,) = rmr1_launchers()
RENTING = SkyLauncher(name="sky", summary="rents", launch=True, infra="k8s")

FAKE_SKY = f"""#!{sys.executable}
import pathlib, subprocess, sys, textwrap
with open(pathlib.Path(__file__).with_name("calls"), "a") as calls:
    print(*sys.argv[1:3], file=calls)
if sys.argv[1] == "launch":
    run = pathlib.Path(sys.argv[-1]).read_text().split("run: |\\n")[1]
    run = textwrap.dedent(run).replace("\\npython ", "\\n{sys.executable} ")
    sys.exit(subprocess.run(["sh", "-c", run]).returncode)
"""
"""Runs the task's commands here, as if this were the rented machine."""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in {"sky": FAKE_SKY, "rsync": "#!/bin/sh\nexit 0\n"}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


def a_job(folder: Path, **changes: object) -> Job:
    stage = folder / "20250505-run" / "stages" / "rl"
    job = Job(
        name="rl",
        steps=(Step(argv=(sys.executable, "-c", "print('it works')")),),
        files={},
        env={"WORDS": "two words"},
        environment="",
        events=str(stage / "events.jsonl"),
        log=str(stage / "log.txt"),
        checkpoint=str(stage / "checkpoint"),
        gpus_per_node=4,
    )
    return msgspec.structs.replace(job, **changes)


def test_it_keeps_the_contract_of_a_component() -> None:
    check_component(SKY)


def test_it_keeps_the_contract_of_a_launcher(programs: Path, tmp_path: Path) -> None:
    check_launcher(RENTING, tmp_path / "a" / "b")
    calls = (programs / "calls").read_text().splitlines()
    assert calls == ["launch --yes", "down --yes"] * 3


def test_the_task_says_what_is_rented_copied_and_run(tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml")
    job = a_job(tmp_path)
    ((path, text),) = RENTING.files(job, None).items()
    task = yaml.safe_load(text)
    assert Path(path) == Path(job.log).with_name("sky.yaml")
    assert task["resources"] == {
        "accelerators": "H100:4",
        "infra": "k8s",
        "use_spot": False,
        "disk_size": 256,
    }
    folder = str(tmp_path / "20250505-run")
    assert task["file_mounts"] == {folder: folder}
    assert task["setup"].strip() == "pip install 'rmr1[local]'"
    assert task["run"].splitlines() == [
        "set -e",
        "export WORDS='two words'",
        """python -c 'print('"'"'it works'"'"')'""",
    ]
    assert text.startswith("# sky launch --yes --cluster rmr1-20250505-run-rl --down ")


def test_nothing_is_rented_unless_it_is_told_to(programs: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nothing was rented: .* sky launch .*launch=true"):
        list(SKY.run(a_job(tmp_path)))
    assert not (programs / "calls").exists()


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize(
    ("changes", "words"), [({"nodes": 2}, "2 machines"), ({"environment": "verl"}, "'verl'")]
)
def test_what_it_cannot_do_is_said_before(
    tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    job = a_job(tmp_path, **changes)
    first, second = RENTING.checks(job)
    assert (first.ok, second.ok) == (False, True)
    with pytest.raises(UsageError, match=words):
        list(RENTING.run(job))


def test_results_that_cannot_be_fetched_are_told_of(programs: Path, tmp_path: Path) -> None:
    (programs / "rsync").write_text("#!/bin/sh\necho 'connection lost' >&2; exit 12\n")
    job = a_job(tmp_path)
    for path, text in RENTING.files(job, None).items():
        Path(path).parent.mkdir(parents=True)
        Path(path).write_text(text)
    with pytest.raises(JobFailed, match="could not be fetched: connection lost"):
        list(RENTING.run(job))
