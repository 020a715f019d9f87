from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from environments import ADOPT, NAME, Place, place, wheel
from living import is_gone

from rmr1_core import building, env_store, environments, uv
from rmr1_core.discovery import plugins
from rmr1_core.errors import JobFailed, MissingEnvironment, UsageError

__all__ = ["place"]


@pytest.fixture
def offered(place: Place, install_plugin: Callable[..., None]) -> Iterator[Place]:
    """The small environment, offered by an installed plugin."""
    install_plugin("sample", Path(__file__).parent.with_name("sample_plugin.py").read_text())
    install_plugin("small", place.plugin())
    yield place
    plugins.cache_clear()


def asked(python: Path, code: str) -> str:
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def waits_for(condition: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def listed() -> list[environments.Listed]:
    return [line for line in environments.listing() if line.name == NAME]


# building


def test_an_environment_is_built_from_its_lock(place: Place) -> None:
    folder, new = building.create(place.environment(), "cpu")
    assert new
    assert asked(env_store.python_of(folder), "import smallish; print(smallish.VALUE)") == "1"
    record = env_store.record_of(folder)
    assert record is not None
    assert (record.name, record.variant, record.module) == (NAME, "cpu", "smallish 1.0")
    assert record.packages == 1
    assert record.size > 0
    assert folder.name == f"{NAME}-cpu-{record.digest}"
    assert record.label == f"cpu {record.digest} smallish 1.0"


def test_its_scripts_run_where_it_was_moved_to(place: Place) -> None:
    folder, _ = building.create(place.environment(), "cpu")
    assert asked(folder / "bin" / "python", "import sys; print(sys.prefix)") == str(folder)
    assert ".parts" not in (folder / "bin" / "activate").read_text()


def test_what_is_there_is_not_built_again(place: Place) -> None:
    folder, _ = building.create(place.environment(), "cpu")
    before = (folder / env_store.RECORD_FILE).stat().st_ino
    assert building.create(place.environment(), "cpu") == (folder, False)
    assert (folder / env_store.RECORD_FILE).stat().st_ino == before


def test_it_is_built_again_when_asked(place: Place) -> None:
    folder, _ = building.create(place.environment(), "cpu")
    (folder / "touched").touch()
    assert building.create(place.environment(), "cpu", rebuild=True) == (folder, True)
    assert not (folder / "touched").exists()
    assert list((place.root / ".parts").iterdir()) == []


def test_another_lock_is_another_folder(place: Place) -> None:
    first, _ = building.create(place.environment(), "cpu")
    place.offer("VALUE = 2\n", version="2.0")
    second, new = building.create(place.environment(), "cpu")
    assert new
    assert first != second
    assert asked(env_store.python_of(first), "import smallish; print(smallish.VALUE)") == "1"
    assert asked(env_store.python_of(second), "import smallish; print(smallish.VALUE)") == "2"


def own_package(folder: Path, value: int) -> Path:
    """A package in a folder, that builds itself without anything else being installed."""
    (folder / "ours").mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "ours"\nversion = "1"\n'
    )
    (folder / "backend.py").write_text(
        dedent(
            f"""
            import sys
            sys.path.insert(0, {str(Path(__file__).parent.parent)!r})

            def build_wheel(folder, settings=None, metadata=None):
                import pathlib, zipfile
                name = "ours-1-py3-none-any.whl"
                info = "ours-1.dist-info"
                files = {{
                    "ours.py": pathlib.Path("ours/value.txt").read_text(),
                    info + "/METADATA": "Metadata-Version: 2.1\\nName: ours\\nVersion: 1\\n",
                    info + "/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\n"
                    "Tag: py3-none-any\\n",
                }}
                files[info + "/RECORD"] = "".join(f"{{n}},,\\n" for n in files)
                with zipfile.ZipFile(pathlib.Path(folder) / name, "w") as archive:
                    for path, text in files.items():
                        archive.writestr(path, text)
                return name
            """
        )
    )
    (folder / "ours" / "value.txt").write_text(f"VALUE = {value}\n")
    return folder


def test_a_changed_package_of_our_own_is_another_environment(place: Place, tmp_path: Path) -> None:
    values = []
    for value in (7, 8):
        package = own_package(tmp_path / "ours", value)
        folder, new = building.create(place.environment(packages=(package,)), "cpu")
        assert new
        values.append(asked(env_store.python_of(folder), "import ours; print(ours.VALUE)"))
    assert values == ["7", "8"]


def test_compiled_files_beside_a_package_do_not_matter(place: Place, tmp_path: Path) -> None:
    package = own_package(tmp_path / "ours", 1)
    environment = place.environment(packages=(package,))
    before = env_store.digest(environment.variants["cpu"])
    (package / "__pycache__").mkdir()
    (package / "__pycache__" / "x.pyc").write_bytes(b"x")
    assert env_store.digest(environment.variants["cpu"]) == before


@pytest.mark.parametrize(
    "change",
    [{"python": "3.99"}, {"excluded": ("a",)}, {"unisolated": ("a",)}, {"build_env": {"A": "1"}}],
    ids=str,
)
def test_what_it_is_built_with_is_in_its_name(place: Place, change: dict[str, object]) -> None:
    plain = place.environment().variants["cpu"]
    assert env_store.digest(place.environment(**change).variants["cpu"]) != env_store.digest(plain)


def test_the_variables_of_its_processes_are_not_in_its_name(place: Place) -> None:
    plain = place.environment().variants["cpu"]
    other = place.environment(env={"A": "1"}).variants["cpu"]
    assert env_store.digest(other) == env_store.digest(plain)


def test_a_module_that_cannot_be_imported_is_told_with_its_error(place: Place) -> None:
    place.offer("import nothing_of_this_name\n")
    with pytest.raises(JobFailed) as caught:
        building.create(place.environment(), "cpu")
    log = env_store.log_of(env_store.folder_of(place.environment(), "cpu"))
    assert str(caught.value) == (
        "environment small-one (cpu): importing smallish failed: ModuleNotFoundError: "
        f"No module named 'nothing_of_this_name'; its whole log is {log}"
    )
    assert "Traceback" in log.read_text()
    assert [path.name for path in place.root.iterdir() if not path.name.startswith(".")] == []


def test_a_package_with_another_hash_is_refused(place: Place) -> None:
    lock = place.lock.read_text()
    place.lock.write_text(lock.replace(lock[-10:-2], "00000000"))
    with pytest.raises(JobFailed, match=r"installing 1 packages failed: .*[Hh]ash mismatch"):
        building.create(place.environment(), "cpu")


def test_a_package_that_is_nowhere_is_named(place: Place) -> None:
    place.lock.write_text(place.lock.read_text().replace("smallish", "absentish"))
    with pytest.raises(JobFailed, match="absentish"):
        building.create(place.environment(), "cpu")


def test_without_a_lock_for_the_platform_the_requirements_are_resolved(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = building.create(place.environment(platforms=("abacus",)), "cpu")
    record = env_store.record_of(folder)
    assert record is not None
    assert record.lock == ""
    assert record.label.endswith("smallish 1.0 unlocked")
    assert "has no lock for this platform" in capsys.readouterr().err


def test_what_is_excluded_stays_out_of_an_unlocked_one(place: Place) -> None:
    wheel(place.wheels, "unwanted", "")
    place.requirements.write_text("smallish==1.0\nunwanted==1.0\n")
    environment = place.environment(platforms=(), excluded=("unwanted",))
    folder, _ = building.create(environment, "cpu")
    assert asked(env_store.python_of(folder), LISTED) == "['smallish']"


LISTED = """
import importlib.metadata
print(sorted(d.name for d in importlib.metadata.distributions()))
"""


def test_what_is_built_with_the_rest_is_installed_after_it(place: Place) -> None:
    place.lock.write_text(place.lock.read_text() + wheel(place.wheels, "late_one", "X = 1"))
    text = place.lock.read_text().replace("late_one", "late-one")
    place.lock.write_text(text)
    environment = place.environment(unisolated=("late-one",), build_env={"HOW": "so"})
    folder, _ = building.create(environment, "cpu")
    assert asked(env_store.python_of(folder), LISTED) == "['late_one', 'smallish']"
    steps = building.plan(environment, "cpu", folder).steps
    assert [step.words for step in steps[1:3]] == ["installing 1 packages", "building late-one"]
    assert "--no-build-isolation" in steps[2].argv
    assert steps[2].env["HOW"] == "so"
    assert "HOW" not in steps[1].env


def test_a_lock_is_split_by_whole_entries() -> None:
    lock = "a==1 \\\n    --hash=x\nab==2 \\\n    --hash=y \\\n    --hash=z\nb==3\n"
    rest, chosen = building.split_lock(lock, ("ab",))
    assert rest == "a==1 \\\n    --hash=x\nb==3\n"
    assert chosen == "ab==2 \\\n    --hash=y \\\n    --hash=z\n"


def test_a_lock_is_made_from_the_requirements(place: Place) -> None:
    made = place.lock.read_text()
    place.lock.unlink()
    building.lock(place.environment(), "cpu")
    assert place.lock.read_text() == made


def test_requirements_without_a_solution_leave_the_old_lock(place: Place) -> None:
    before = place.lock.read_text()
    place.requirements.write_text("absentish==1\n")
    with pytest.raises(JobFailed, match=r"lock of small-one \(cpu\).*absentish"):
        building.lock(place.environment(), "cpu")
    assert place.lock.read_text() == before


def test_a_lock_is_made_on_the_platform_that_it_is_for(place: Place) -> None:
    before = place.lock.read_text()
    with pytest.raises(UsageError, match=r"is for abacus, and this is .*rmr1 env lock small-one"):
        building.lock(place.environment(platforms=("abacus",)), "cpu")
    assert place.lock.read_text() == before


# two at once, and kills

HELD = """
    import os, pathlib, time
    gate = pathlib.Path({gate!r})
    (gate.parent / "pid").write_text(str(os.getpid()))
    while gate.exists():
        time.sleep(0.01)
"""


@pytest.fixture
def gate(offered: Place, tmp_path: Path) -> Iterator[Path]:
    """A file that holds up the build at its last step as long as it exists."""
    path = tmp_path / "gate"
    path.touch()
    offered.offer(HELD.format(gate=str(path)))
    yield path
    path.unlink(missing_ok=True)


def create() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "rmr1_core", "env", "create", NAME],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def whole(root: Path) -> list[str]:
    return [path.parent.name for path in root.glob(f"*/{env_store.RECORD_FILE}")]


def test_a_second_builder_waits_for_the_first(offered: Place, gate: Path) -> None:
    first = create()
    waits_for((gate.parent / "pid").exists)
    second = create()
    assert second.stderr is not None
    assert "another process is building small-one" in second.stderr.readline()
    gate.unlink()
    told = [process.communicate(timeout=60)[0] for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0)
    assert told[0].startswith("built small-one (cpu ")
    assert told[1].startswith("small-one (cpu) is there already")


def test_a_killed_build_leaves_nothing_that_runs_or_looks_whole(offered: Place, gate: Path) -> None:
    killed = create()
    waits_for((gate.parent / "pid").exists)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=60)
    step = int((gate.parent / "pid").read_text())
    waits_for(lambda: is_gone(step))
    assert whole(offered.root) == []
    assert [line.state for line in listed()] == ["missing"]
    assert len(list((offered.root / ".parts").iterdir())) == 1
    gate.unlink()
    building.create(offered.environment(), "cpu")
    assert len(whole(offered.root)) == 1
    assert list((offered.root / ".parts").iterdir()) == []


def test_what_a_killed_build_left_is_removed_with_the_environment(place: Place) -> None:
    folder, _ = building.create(place.environment(), "cpu")
    (env_store.new_part(folder) / "half").touch()
    env_store.remove(folder)
    assert not folder.exists()
    assert list((place.root / ".parts").iterdir()) == []


def test_what_another_builder_works_on_is_not_swept_away(offered: Place, gate: Path) -> None:
    builder = create()
    waits_for((gate.parent / "pid").exists)
    offered.offer("VALUE = 2\n", version="2.0")
    building.create(offered.environment(), "cpu")
    assert len(list((offered.root / ".parts").iterdir())) == 1
    gate.unlink()
    assert builder.wait(60) == 0
    assert len(whole(offered.root)) == 2


def test_a_place_where_none_can_be_built_is_refused_with_the_variable_that_names_another(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RMR1_ENVIRONMENTS", str(place.lock / "environments"))
    with pytest.raises(UsageError) as caught:
        building.create(place.environment(), "cpu")
    assert str(caught.value) == (
        f"cannot keep environments in {place.lock / 'environments'}: Not a directory; choose "
        "another place with $RMR1_ENVIRONMENTS"
    )


# finding


def test_a_missing_environment_is_one_sentence_with_the_command(offered: Place) -> None:
    with pytest.raises(MissingEnvironment) as caught:
        environments.locate(NAME)
    assert str(caught.value) == (
        "environment 'small-one' (cpu) is not built; make it with: rmr1 env create small-one"
    )


def test_one_of_an_older_lock_is_said_to_be_that(offered: Place) -> None:
    building.create(offered.environment(), "cpu")
    offered.offer("VALUE = 2\n", version="2.0")
    with pytest.raises(MissingEnvironment, match=r"was built from an older lock; make it with: "):
        environments.locate(NAME)
    states = {line.state: line.label for line in listed()}
    assert set(states) == {"missing", "outdated"}
    assert states["outdated"].endswith("smallish 1.0")


def test_a_built_one_gives_its_python_and_variables(
    offered: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = building.create(offered.environment(), "cpu")
    located = environments.locate(NAME)
    assert located.python == folder / "bin" / "python"
    assert located.env == {"SMALL": "yes"}
    assert located.label.startswith("cpu ")
    monkeypatch.setenv("SMALL", "the user's")
    assert environments.locate(NAME).env == {}


def test_one_without_its_python_or_with_a_damaged_record_is_missing(offered: Place) -> None:
    folder, _ = building.create(offered.environment(), "cpu")
    record = folder / env_store.RECORD_FILE
    text = record.read_text()
    record.write_text(text[:20])
    assert env_store.record_of(folder) is None
    record.write_text(text)
    assert env_store.record_of(folder) is not None
    (folder / "bin" / "python").unlink()
    assert env_store.record_of(folder) is None
    assert building.create(offered.environment(), "cpu") == (folder, True)


def test_a_python_of_the_users_is_adopted(offered: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, _ = building.create(offered.environment(), "cpu")
    other = folder.rename(folder.with_name("mine")) / "bin" / "python"
    monkeypatch.setenv(ADOPT, str(other))
    located = environments.locate(NAME)
    assert located.python == other
    assert located.label == f"adopted {other} smallish 1.0"
    assert located.env == {"SMALL": "yes"}
    assert "adopted" in {line.state for line in listed()}


def test_an_adopted_python_must_be_one_and_have_the_module(
    offered: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(ADOPT, str(tmp_path / "none"))
    with pytest.raises(UsageError, match=rf"\${ADOPT}: there is no .*none; name a Python"):
        environments.locate(NAME)
    monkeypatch.setenv(ADOPT, str(tmp_path))
    with pytest.raises(UsageError, match=r"is a folder; name the Python in it, \S+/bin/python"):
        environments.locate(NAME)
    monkeypatch.setenv(ADOPT, sys.executable)
    with pytest.raises(UsageError, match="has no module 'smallish'; install it there"):
        environments.locate(NAME)
    monkeypatch.setenv(ADOPT, str(offered.lock))
    with pytest.raises(UsageError, match="is no Python"):
        environments.locate(NAME)


def test_an_adopted_python_that_cannot_be_used_stops_no_list(
    offered: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ADOPT, "/no/python")
    (line,) = listed()
    assert line.state == "unusable"
    assert "there is no /no/python" in line.label


def test_an_adopted_module_is_looked_for_and_not_imported(
    offered: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = building.create(offered.environment(), "cpu")
    (module,) = folder.glob("lib/*/site-packages/smallish.py")
    module.unlink()
    module.write_text("raise SystemExit(1)\n")
    monkeypatch.setenv(ADOPT, str(env_store.python_of(folder)))
    assert environments.locate(NAME).label.startswith("adopted")


def test_the_driver_chooses_the_variant(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if Path("/proc/driver/nvidia/version").exists():
        pytest.skip("this machine has an NVIDIA driver")
    monkeypatch.delenv("RMR1_ENV_VARIANT", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environments.machine_variant() == "cpu"
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'GPU 0: NVIDIA H100 (UUID: GPU-0)'\n")
    tool.chmod(0o755)
    assert environments.machine_variant() == "cuda"
    tool.write_text("#!/bin/sh\necho 'no driver' >&2\nexit 9\n")
    assert environments.machine_variant() == "cpu"
    monkeypatch.setenv("RMR1_ENV_VARIANT", "cuda")
    assert environments.machine_variant() == "cuda"


def test_a_variant_that_is_not_offered_is_refused(place: Place) -> None:
    with pytest.raises(UsageError, match="has no variant 'tpu'; it has cpu; choose one with"):
        environments.variant_of(place.environment(), "tpu")


def test_environments_live_in_the_users_data_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("RMR1_ENVIRONMENTS", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    found = env_store.root()
    assert found.is_relative_to(tmp_path)
    assert found.parts[-2:] == ("rmr1", "environments")


# uv


SETTINGS = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_INDEX", "UV_FIND_LINKS", "SSL_CERT_FILE")
SETTINGS_OF_PIP = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_CERT")


@pytest.fixture
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in (*SETTINGS, *SETTINGS_OF_PIP, "REQUESTS_CA_BUNDLE", "UV_NO_INDEX", "PIP_NO_INDEX"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_what_pip_was_told_is_told_to_uv(nothing_set: pytest.MonkeyPatch) -> None:
    assert uv.settings() == {}
    nothing_set.setenv("PIP_INDEX_URL", "https://mirror.example/simple")
    nothing_set.setenv("PIP_FIND_LINKS", "/a /b")
    nothing_set.setenv("PIP_CERT", "/certs.pem")
    assert uv.settings() == {
        "UV_DEFAULT_INDEX": "https://mirror.example/simple",
        "UV_FIND_LINKS": "/a,/b",
        "SSL_CERT_FILE": "/certs.pem",
    }


def test_what_uv_was_told_itself_holds(nothing_set: pytest.MonkeyPatch) -> None:
    nothing_set.setenv("PIP_INDEX_URL", "https://mirror.example/simple")
    nothing_set.setenv("PIP_FIND_LINKS", "/a")
    nothing_set.setenv("UV_INDEX_URL", "https://other.example/simple")
    nothing_set.setenv("UV_FIND_LINKS", "/b")
    assert uv.settings() == {}


def test_the_cpu_build_of_torch_is_looked_for_where_it_is(
    place: Place, nothing_set: pytest.MonkeyPatch
) -> None:
    place.lock.write_text("torch==2.13.0+cpu \\\n    --hash=sha256:00\n")
    environment = place.environment()
    steps = building.plan(environment, "cpu", place.folder / "x").steps
    assert steps[1].argv[5:7] == ("--torch-backend", "cpu")
    nothing_set.setenv("PIP_FIND_LINKS", "/wheels")
    steps = building.plan(environment, "cpu", place.folder / "x").steps
    assert "--torch-backend" not in steps[1].argv


BUILD_FAILED = """\
Resolved 1 package in 114ms
   Building flash-attn==2.8.3
error: Failed to build `flash-attn==2.8.3`
  cause: The build backend returned an error
  cause: Call to `setuptools.build_meta` failed (exit status: 1)

         [stderr]
         Traceback (most recent call last):
           File "<string>", line 14, in <module>
         ModuleNotFoundError: No module named 'torch'

hint: This error likely indicates that something else is needed.
"""
NO_SOLUTION = """\
error: No solution found when resolving dependencies
  cause: Because x was not found in the package registry, it is unsatisfiable.
"""


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            BUILD_FAILED,
            "Failed to build `flash-attn==2.8.3`: ModuleNotFoundError: No module named 'torch'",
        ),
        (
            NO_SOLUTION,
            (
                "No solution found when resolving dependencies: Because x was not found in the "
                "package registry, it is unsatisfiable"
            ),
        ),
        ("error: disk quota exceeded\n", "disk quota exceeded"),
        ("something\nelse\n", "else"),
        ("", "exit code 7"),
        (
            (
                "error: No solution found when resolving\n       dependencies\n"
                "  cause: Because only\n         a>=1 is there, it fails.\n\nhint: look elsewhere\n"
            ),
            "No solution found when resolving dependencies: Because only a>=1 is there, it fails",
        ),
    ],
)
def test_the_true_error_of_uv_is_told(tmp_path: Path, text: str, error: str) -> None:
    log = tmp_path / "log.txt"
    log.write_text(text)
    assert uv.uv_error(log, 7) == error
