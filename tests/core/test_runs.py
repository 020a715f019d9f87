from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from rmr1_core import runs
from rmr1_core.errors import (
    BadInput,
    EngineFailed,
    RunIncomplete,
    UnknownName,
    UsageError,
)
from rmr1_core.observers import Observers
from rmr1_core.values import RunRecord


def made(root: Path, name: str) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    runs.write_record(folder, runs.new_record(folder, "bench"))
    return folder


def test_runs_are_kept_where_one_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RMR1_RUNS", raising=False)
    assert runs.runs_folder() == Path("runs")
    monkeypatch.setenv("RMR1_RUNS", "elsewhere")
    assert runs.runs_folder() == Path("elsewhere")
    assert runs.runs_folder(tmp_path) == tmp_path


@pytest.mark.parametrize(
    ("label", "plain"),
    [("org/model", "org-model"), ("a b:c", "a-b-c"), ("../..", "run"), ("", "run"), ("é", "é")],
)
def test_a_folder_is_named_after_what_runs(tmp_path: Path, label: str, plain: str) -> None:
    folder = runs.create(tmp_path / "new" / "place", "bench", label)
    assert folder.is_dir()
    assert folder.name.endswith(f"-bench-{plain}")
    assert folder.parent == tmp_path / "new" / "place"


def test_two_runs_in_one_second_get_two_folders(tmp_path: Path) -> None:
    folders = [runs.create(tmp_path, "bench", "x") for _ in range(5)]
    assert len(set(folders)) == 5


def test_a_place_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="choose another place with --runs-dir"):
        runs.create(tmp_path / "file", "bench", "x")


@pytest.mark.parametrize("name", ["20250102-000000-bench-b", "bench-b", "0102", "last"])
def test_a_run_is_found_by_its_id_or_a_part_of_it(tmp_path: Path, name: str) -> None:
    made(tmp_path, "20250101-000000-bench-a")
    wanted = made(tmp_path, "20250102-000000-bench-b")
    assert runs.find(tmp_path, name) == wanted


def test_a_run_is_found_by_its_path(tmp_path: Path) -> None:
    folder = made(tmp_path / "there", "x")
    assert runs.find(tmp_path / "here", str(folder)) == folder


def test_a_whole_id_goes_before_a_part_of_another(tmp_path: Path) -> None:
    first = made(tmp_path, "20250101-000000-bench-a")
    made(tmp_path, "20250101-000000-bench-a-1")
    assert runs.find(tmp_path, "20250101-000000-bench-a") == first


def test_a_part_of_several_ids_is_refused_with_all_of_them(tmp_path: Path) -> None:
    made(tmp_path, "1-bench-a")
    made(tmp_path, "2-bench-a")
    with pytest.raises(UsageError, match="'bench' can be any of 1-bench-a, 2-bench-a"):
        runs.find(tmp_path, "bench")


def test_an_unknown_run_gets_the_nearest_or_the_list(tmp_path: Path) -> None:
    made(tmp_path, "1-bench-a")
    with pytest.raises(UnknownName, match="no run named '1-bench-b'; did you mean '1-bench-a'"):
        runs.find(tmp_path, "1-bench-b")
    with pytest.raises(UnknownName, match="see: rmr1 runs list"):
        runs.find(tmp_path, "zzz")


def test_without_any_run_one_learns_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="start one with: rmr1 bench or rmr1 run"):
        runs.find(tmp_path / "nothing", "last")


def test_a_folder_without_a_record_is_no_run(tmp_path: Path) -> None:
    made(tmp_path, "1-bench-a")
    (tmp_path / "2-bench-b").mkdir()
    assert [folder.name for folder in runs.folders(tmp_path)] == ["1-bench-a"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"id": 3}'])
def test_a_damaged_record_is_named(tmp_path: Path, content: str) -> None:
    folder = made(tmp_path, "x")
    (folder / "run.json").write_text(content)
    with pytest.raises(BadInput, match=r"run\.json: "):
        runs.read_record(folder)


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    record = runs.new_record(tmp_path, "bench", ablations=("a",))
    runs.write_record(tmp_path, record)
    assert runs.read_record(tmp_path) == record
    assert not list(tmp_path.glob("*.part"))


def test_a_record_knows_what_made_it(tmp_path: Path) -> None:
    record = runs.new_record(tmp_path / "the-run", "bench")
    assert (record.id, record.status) == ("the-run", "planned")
    assert {"python", "rmr1"} <= set(record.versions)
    assert record.created.endswith("+00:00")


def recorded(folder: Path, error: BaseException | None = None) -> RunRecord:
    record = runs.new_record(folder, "bench")
    try:
        with runs.recorded(folder, record) as versions:
            assert runs.read_record(folder).status == "started"
            versions["engine"] = "2"
            if error is not None:
                raise error
    except BaseException as raised:
        if error is None or type(raised) is not type(error):
            raise
    return runs.read_record(folder)


def test_a_block_that_ends_well_is_done(tmp_path: Path) -> None:
    record = recorded(tmp_path)
    assert (record.status, record.error) == ("done", "")
    assert record.versions["engine"] == "2"
    assert record.finished


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (EngineFailed("no memory"), "failed", "no memory"),
        (KeyboardInterrupt(), "interrupted", "KeyboardInterrupt"),
        (ValueError("a bug"), "failed", "a bug"),
        (RunIncomplete("evaluation", 3, "no room"), "incomplete", "with: --resume "),
    ],
)
def test_a_block_that_ends_badly_says_so(
    tmp_path: Path, error: BaseException, status: str, words: str
) -> None:
    record = recorded(tmp_path, error)
    assert record.status == status
    assert words in record.error
    assert record.versions["engine"] == "2"


def test_a_run_that_goes_on_forgets_how_it_failed(tmp_path: Path) -> None:
    recorded(tmp_path, EngineFailed("no memory"))
    assert recorded(tmp_path).error == ""


def test_a_record_that_cannot_be_written_hides_no_error(tmp_path: Path) -> None:
    def fails_on_a_full_disk() -> None:
        with runs.recorded(tmp_path, runs.new_record(tmp_path, "bench")):
            (tmp_path / "run.json.part").mkdir()  # as good as a full disk
            raise EngineFailed("no memory")

    with pytest.raises(EngineFailed, match="no memory"):
        fails_on_a_full_disk()


OBSERVER = """
from rmr1_core import hookimpl

heard = []

@hookimpl
def rmr1_run_started(record):
    heard.append(record.status)

@hookimpl
def rmr1_run_finished(record):
    heard.append(record.status)
"""


@pytest.mark.parametrize(("error", "end"), [(None, "done"), (EngineFailed("x"), "failed")])
def test_observers_hear_of_the_start_and_the_end(
    tmp_path: Path, install_plugin: Callable[..., None], error: BaseException | None, end: str
) -> None:
    install_plugin("tracker", OBSERVER)
    recorded(tmp_path, error)
    import installed_tracker  # type: ignore[import-not-found]

    assert installed_tracker.heard == ["started", end]


STEPPED = """
from rmr1_core import hookimpl

heard = []

@hookimpl
def rmr1_stepped(event, folder):
    heard.append((folder.name, event["step"]))
"""


def test_observers_hear_of_a_training_step_what_they_ask_for(
    tmp_path: Path, install_plugin: Callable[..., None]
) -> None:
    install_plugin("stepper", STEPPED)
    Observers().stepped(tmp_path / "run", "sft", {"event": "step", "step": 3})
    import installed_stepper  # type: ignore[import-not-found]

    assert installed_stepper.heard == [("run", 3)]


def test_versions_name_the_packages_of_the_plugins(install_plugin: Callable[..., None]) -> None:
    install_plugin("good", "", version="2.5")
    install_plugin("broken", "raise OSError", version="3.5")
    versions = runs.versions()
    assert versions["installed_good"] == "2.5"
    assert "installed_broken" not in versions


def test_a_value_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "value.json"
    runs.write_whole(path, {"a": 1})
    runs.write_whole(path, {"a": 2})
    assert msgspec.json.decode(path.read_bytes()) == {"a": 2}
    assert path.read_bytes().endswith(b"}\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device here")
def test_a_full_disk_is_named_with_the_file_and_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "value.json"
    runs.write_whole(path, {"a": 1})
    path.with_name("value.json.part").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device: ") as error:
        runs.write_whole(path, {"a": 2})
    assert error.value.filename == str(path)
    assert msgspec.json.decode(path.read_bytes()) == {"a": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["value.json"]
