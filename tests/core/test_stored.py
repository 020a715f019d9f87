from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from rmr1_core import EvalProtocol, Ref, Stage, Variant, bench, locks, recipes, runs, train
from rmr1_core.bench import BenchRequest
from rmr1_core.errors import BadInput
from rmr1_core.evaluation import JOURNAL_FILE
from rmr1_core.stored import StoredRun

pytestmark = pytest.mark.usefixtures("sample")


def bench_run(root: Path, **protocol: object) -> Path:
    request = BenchRequest(
        benchmarks=(Ref(name="sample-one"), Ref(name="sample-two")),
        backbone=Ref(name="nobody"),
        engine=Ref(name="scripted"),
        protocol=msgspec.convert(protocol, EvalProtocol),
    )
    return bench.start(root, request)


def test_a_bench_run_has_one_evaluation_with_its_pairs_and_judgments(tmp_path: Path) -> None:
    folder = bench_run(tmp_path)
    reports = bench.execute(folder)
    run = StoredRun(folder)
    (evaluation,) = run.evaluations()
    assert evaluation.name == "evaluation"
    assert evaluation.benchmarks() == ["sample-one", "sample-two"]
    assert len(evaluation.pairs("sample-one")) == 12
    assert len(list(evaluation.judgments())) == 48
    assert evaluation.reports() == reports
    assert run.steps() == {}
    assert run.results() == []


def test_an_evaluation_that_goes_on_has_its_pairs_and_what_was_judged_so_far(
    tmp_path: Path,
) -> None:
    folder = bench_run(tmp_path, limit=3)
    (planned,) = StoredRun(folder).evaluations()
    assert (planned.progress(), planned.reports()) == ((0, 8), [])
    bench.execute(folder)
    journal = folder / bench.FOLDER / JOURNAL_FILE
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:5]) + lines[5][:20])  # as while the sixth is written
    (evaluation,) = StoredRun(folder).evaluations()
    assert evaluation.progress() == (5, 8)
    assert len(list(evaluation.judgments())) == 5


def test_a_training_run_has_an_evaluation_before_and_after_every_stage(tmp_path: Path) -> None:
    folder = train.start(tmp_path, recipes.choose("sample"))
    assert StoredRun(folder).evaluations() == []
    results = train.execute(folder)
    run = StoredRun(folder)
    assert [e.name for e in run.evaluations()] == ["before", "first", "second"]
    assert [e.reports() for e in run.evaluations()] == [list(r.reports) for r in results]
    assert set(run.steps()) == {"first", "second"}
    assert run.results() == results


def test_an_ablation_s_evaluations_and_steps_stand_under_its_name(tmp_path: Path) -> None:
    only = Stage(name="only", trainer=Ref(name="echo"), dataset=Ref(name="rows"))
    varied = {"other": Variant(description="another way", stages=(only,))}
    recipe = msgspec.structs.replace(recipes.choose("sample"), variants=varied)
    folder = train.start(tmp_path, recipe, ["other"])
    train.execute(folder)
    run = StoredRun(folder)
    assert [e.name for e in run.evaluations() if "/" in e.name] == ["other/only"]
    assert [name for name in run.steps() if "/" in name] == ["other/only"]


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    (tmp_path / runs.RECORD_FILE).write_text("{")
    with pytest.raises(BadInput, match=r"run\.json"):
        StoredRun(tmp_path)


def test_a_run_says_what_it_does_now(tmp_path: Path) -> None:
    folder = bench_run(tmp_path)
    assert StoredRun(folder).state == "planned"
    with locks.locked(folder):
        assert StoredRun(folder).state == "running"
    bench.execute(folder)
    record = runs.read_record(folder)
    assert StoredRun(folder).state == "done"
    runs.write_record(folder, msgspec.structs.replace(record, status="started"))
    assert StoredRun(folder).state == "died"


def test_a_run_says_in_a_few_words_how_far_it_is(tmp_path: Path) -> None:
    folder = bench_run(tmp_path, limit=3)
    assert StoredRun(folder).how_far() == "0 of 8 judgments"
    bench.execute(folder)
    assert StoredRun(folder).how_far() == "8 of 8 judgments"


def test_a_training_run_is_as_far_as_what_was_written_last(tmp_path: Path) -> None:
    folder = train.start(tmp_path, recipes.choose("sample"))
    assert StoredRun(folder).how_far() == ""
    train.execute(folder)
    assert StoredRun(folder).how_far() == "second: 24 of 24 judgments"
    steps = folder / "stages" / "second" / "steps.jsonl"
    later = (folder / "evaluations" / "second" / JOURNAL_FILE).stat().st_mtime + 1
    os.utime(steps, (later, later))
    assert StoredRun(folder).how_far() == "second: step 3 of 3"


def test_a_run_is_found_by_its_name(tmp_path: Path) -> None:
    folder = bench_run(tmp_path)
    assert StoredRun.find("last", tmp_path).folder == folder
    assert StoredRun.find(str(folder)).record.id == folder.name
