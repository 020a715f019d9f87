from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rmr1_core import EvalProtocol, Judgment, Ref, Report, bench, jsonl, locks, runs
from rmr1_core.bench import BenchRequest
from rmr1_core.errors import (
    EngineFailed,
    IncompleteData,
    PluginFailed,
    RunIncomplete,
    RunLocked,
    UnknownName,
    UsageError,
)
from rmr1_core.evaluation import Evaluation
from rmr1_core.judging import Judging

pytestmark = pytest.mark.usefixtures("sample")


def request(
    *benchmarks: str, engine: Mapping[str, Any] | None = None, **changes: Any
) -> BenchRequest:
    protocol = msgspec.convert(
        {name: changes.pop(name) for name in [*changes] if name in EvalProtocol.__struct_fields__},
        EvalProtocol,
    )
    return BenchRequest(
        benchmarks=tuple(Ref(name=name) for name in benchmarks or ("sample-one",)),
        backbone=Ref(name="nobody"),
        engine=Ref(name="scripted", options=engine or {}),
        protocol=protocol,
        **changes,
    )


def run(folder: Path, *benchmarks: str, **asked: Any) -> tuple[Path, list[Report]]:
    started = bench.start(folder, request(*benchmarks, **asked))
    return started, bench.execute(started)


def journal(folder: Path) -> list[Judgment]:
    return list(Judging.stored(Evaluation(folder / bench.FOLDER).journal))


def everything(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_one_engine_is_opened_for_all_benchmarks(tmp_path: Path) -> None:
    log = tmp_path / "log"
    _, reports = run(tmp_path, "sample-one", "sample-two", engine={"log": str(log)})
    assert [report.benchmark for report in reports] == ["sample-one", "sample-two"]
    assert Counter(log.read_text().split("\n"))["open"] == 1


def test_benchmarks_with_equal_ids_are_told_apart(tmp_path: Path) -> None:
    folder, reports = run(tmp_path, "sample-one", "sample-two")
    assert Counter(line.benchmark for line in journal(folder)) == {
        "sample-one": 24,
        "sample-two": 24,
    }
    assert reports[0].scores == reports[1].scores


def test_a_finished_run_is_done_and_knows_its_engine(tmp_path: Path) -> None:
    folder, reports = run(tmp_path, seed=3)
    record = runs.read_record(folder)
    assert (record.status, record.error, record.id) == ("done", "", folder.name)
    assert record.versions["script"] == "7"
    assert record.prompt == Ref(name="plain")
    assert record.protocol == EvalProtocol(seed=3)
    assert Evaluation(folder / bench.FOLDER).stored_reports() == reports


def test_a_done_run_that_is_resumed_asks_nothing(tmp_path: Path) -> None:
    log = tmp_path / "log"
    folder, reports = run(tmp_path, engine={"log": str(log)})
    asked = log.read_text()
    assert bench.execute(folder) == reports
    assert log.read_text() == asked
    assert runs.read_record(folder).versions["script"] == "7"


@pytest.mark.parametrize(
    ("how", "status"), [("crash_after", "failed"), ("interrupt_after", "interrupted")]
)
def test_a_run_that_is_broken_off_goes_on_where_it_was(
    tmp_path: Path, how: str, status: str
) -> None:
    _, expected = run(tmp_path / "whole", samples=2, temperature=1.0)
    log = tmp_path / "log"
    options = {how: 7, "log": str(log)}
    folder = bench.start(tmp_path, request(engine=options, samples=2, temperature=1.0))
    for attempt in range(1, 7):
        with pytest.raises((EngineFailed, KeyboardInterrupt)):
            bench.execute(folder)
        assert len(journal(folder)) == 7 * attempt
        assert runs.read_record(folder).status == status
    assert bench.execute(folder) == expected
    asked = [line for line in log.read_text().splitlines() if line != "open"]
    assert len(asked) == len(set(asked)) == 48


def test_a_run_with_failed_requests_is_incomplete_and_has_no_score(tmp_path: Path) -> None:
    folder = bench.start(tmp_path, request(engine={"fail": "good 5"}))
    with pytest.raises(RunIncomplete) as error:
        bench.execute(folder)
    assert "2 requests failed (the first: the script says: fail)" in str(error.value)
    assert str(error.value).endswith(f"ask them again with: --resume {folder.name}")
    record = runs.read_record(folder)
    assert (record.status, record.error) == ("incomplete", str(error.value))
    assert not (folder / bench.FOLDER / "report.json").exists()
    assert len(journal(folder)) == 22


def test_failed_requests_are_asked_again_and_nothing_else(tmp_path: Path) -> None:
    _, expected = run(tmp_path / "whole")
    log, trouble = tmp_path / "log", "good 5"
    folder = bench.start(tmp_path, request(engine={"fail": trouble, "log": str(log)}))
    for _ in range(2):
        with pytest.raises(RunIncomplete):
            bench.execute(folder)
    asked = Counter(log.read_text().splitlines())
    assert sorted(asked.values())[-4:] == [1, 2, 2, 2]  # the two failed ones, and "open"
    heal(folder)
    assert bench.execute(folder) == expected


def heal(folder: Path) -> None:
    """As if the endpoint worked again: the stored engine has no trouble any more."""
    record = runs.read_record(folder)
    runs.write_record(folder, msgspec.structs.replace(record, engine=Ref(name="scripted")))


def test_requests_that_the_engine_forgot_are_asked_again(tmp_path: Path) -> None:
    folder = bench.start(tmp_path, request(engine={"skip": "good 5"}))
    with pytest.raises(RunIncomplete, match="the engine gave no answer"):
        bench.execute(folder)
    heal(folder)
    assert bench.execute(folder) == run(tmp_path / "whole")[1]


def test_an_answer_that_nobody_asked_for_fails_the_run(tmp_path: Path) -> None:
    folder = bench.start(tmp_path, request(engine={"stray": "x"}))
    with pytest.raises(PluginFailed, match="it answered 'x'"):
        bench.execute(folder)
    assert runs.read_record(folder).status == "failed"


def test_two_processes_cannot_write_one_run(tmp_path: Path) -> None:
    folder = bench.start(tmp_path, request())
    with locks.locked(folder), pytest.raises(RunLocked, match="written by another process"):
        bench.execute(folder)
    assert runs.read_record(folder).status == "planned"
    bench.execute(folder)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"benchmarks": (Ref(name="sample-ome"),)}, "did you mean 'sample-one'"),
        ({"benchmarks": (Ref(name="sample-one"),) * 2}, "named twice: sample-one, sample-one"),
        ({"benchmarks": (Ref(name="sample-one", options={"size": -1}),)}, "expected int >= 0"),
        ({"benchmarks": (Ref(name="sample-one", options={"size": 0}),)}, "there are no pairs"),
        ({"benchmarks": (Ref(name="sample-one", options={"size": 5}),)}, "easy 3 of 6, hard 2"),
        ({"engine": Ref(name="scripter")}, "did you mean 'scripted'"),
        ({"prompt": Ref(name="plane")}, "did you mean 'plain'"),
        ({"prompt": Ref(name="", options={"colour": "red"})}, "no option 'colour'"),
        ({"backbone": None}, "say who judges with --backbone"),
        ({"backbone": Ref(name="", options={"family": "x"})}, "whose options these are"),
        ({"protocol": EvalProtocol(scoring="lenent")}, "did you mean 'lenient'"),
        ({"data": {"": "/no/such.jsonl"}}, "no such file"),
    ],
)
def test_a_run_that_cannot_start_leaves_no_folder(
    tmp_path: Path, changes: dict[str, Any], error: str
) -> None:
    with pytest.raises(UsageError, match=error):
        bench.start(tmp_path, msgspec.structs.replace(request(), **changes))
    assert not list(tmp_path.glob("*-bench-*"))


def test_a_benchmark_that_gives_a_pair_twice_is_named_with_its_id(tmp_path: Path) -> None:
    twice = Ref(name="sample-one", options={"twice": True})
    with pytest.raises(PluginFailed, match="the id 'pair-0' to 2 pairs"):
        bench.start(tmp_path, msgspec.structs.replace(request(), benchmarks=(twice,)))
    assert not list(tmp_path.glob("*-bench-*"))


def test_options_without_a_name_are_for_the_default(tmp_path: Path) -> None:
    asked = request()
    prompt = Ref(name="", options={"parser": "bare"})
    folder = bench.start(tmp_path, msgspec.structs.replace(asked, prompt=prompt))
    assert runs.read_record(folder).prompt == Ref(name="plain", options={"parser": "bare"})


def test_incomplete_data_is_scored_only_when_allowed(tmp_path: Path) -> None:
    part = Ref(name="sample-one", options={"size": 5})
    asked = msgspec.structs.replace(request(), benchmarks=(part,))
    with pytest.raises(IncompleteData, match="with --allow-partial"):
        bench.start(tmp_path, asked)
    asked = msgspec.structs.replace(asked, protocol=EvalProtocol(allow_partial=True))
    (report,) = bench.execute(bench.start(tmp_path, asked))
    assert report.partial
    assert [(m.subset, m.have, m.expected) for m in report.missing] == [
        ("easy", 3, 6),
        ("hard", 2, 6),
    ]


def test_a_limit_makes_the_report_partial(tmp_path: Path) -> None:
    folder, (report,) = run(tmp_path, limit=5)
    assert report.partial
    assert len({line.pair_id for line in journal(folder)}) == 4  # two whole groups


def test_the_data_is_kept_so_that_its_source_may_change(tmp_path: Path) -> None:
    source = tmp_path / "rows.jsonl"
    source.write_text("".join(f'{{"number": {number}}}\n' for number in range(12)))
    folder = bench.start(tmp_path, request(data={"sample-one": str(source)}))
    source.write_text("gone")
    bench.execute(folder)
    assert {line.pair_id for line in journal(folder)} == {f"pair-{n}" for n in range(12)}
    assert runs.read_record(folder).data == {"sample-one": str(source)}


def test_data_may_be_a_folder_per_benchmark(tmp_path: Path) -> None:
    (tmp_path / "sample-two").mkdir()
    assert bench.source({"": str(tmp_path)}, "sample-two") == tmp_path / "sample-two"
    assert bench.source({"": str(tmp_path)}, "sample-one") == tmp_path
    assert bench.source({"": "x", "sample-one": "y"}, "sample-one") == Path("y")
    assert bench.source({"sample-one": "y"}, "sample-two") is None


def test_a_plan_counts_and_opens_no_engine(tmp_path: Path) -> None:
    log = tmp_path / "log"
    (plan, _) = bench.plan(request("sample-one", "sample-two", engine={"log": str(log)}, samples=3))
    assert (plan.benchmark, plan.pairs, plan.judgments, plan.requests) == ("sample-one", 12, 72, 24)
    assert plan.example[-1].content.startswith("question 0 0\nA: bad 0\nB: good 0")
    assert not log.exists()
    assert not list(tmp_path.glob("*-bench-*"))


def test_rescoring_changes_nothing_that_is_stored(tmp_path: Path) -> None:
    folder, (strict,) = run(tmp_path)
    before = everything(folder)
    (lenient,) = bench.rescore(folder, "lenient", None)
    assert lenient.scoring == "lenient"
    assert lenient.scores == strict.alternatives["lenient"]
    assert lenient.scores.headline.value > strict.scores.headline.value
    assert everything(folder) == before


def test_rescoring_with_another_parser_reads_the_answers_again(tmp_path: Path) -> None:
    folder, (report,) = run(tmp_path)
    before = everything(folder)
    assert report.validity.unparsed > 0
    (reread,) = bench.rescore(folder, None, "bare")
    assert reread.validity.unparsed == 0
    assert everything(folder) == before
    assert bench.rescore(folder, None, "rmr1") == [report]


@pytest.mark.parametrize(
    ("scoring", "parser", "error"),
    [
        ("stict", None, "did you mean 'strict'"),
        ("xyz", None, r"no scoring of sample-one \(there is strict, lenient\) named 'xyz'; see: "),
        (None, "nobodys", "'nobodys'"),
    ],
)
def test_rescoring_by_what_does_not_exist_is_refused(
    tmp_path: Path, scoring: str | None, parser: str | None, error: str
) -> None:
    folder, _ = run(tmp_path)
    with pytest.raises(UsageError, match=error):
        bench.rescore(folder, scoring, parser)


def test_an_incomplete_run_has_no_score_by_rescoring_either(tmp_path: Path) -> None:
    folder = bench.start(tmp_path, request(engine={"crash_after": 7}))
    with pytest.raises(EngineFailed):
        bench.execute(folder)
    with pytest.raises(UsageError, match="17 of 24 judgments are not made yet") as error:
        bench.rescore(folder, None, None)
    assert str(error.value).endswith(f"go on with: rmr1 bench --resume {folder.name}")


def test_a_damaged_journal_is_named_by_its_row(tmp_path: Path) -> None:
    folder, _ = run(tmp_path)
    path = Evaluation(folder / bench.FOLDER).journal
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], b"{}\n", *lines[4:]]))
    with pytest.raises(UsageError, match=r"judgments\.jsonl, row 4: "):
        bench.execute(folder)


def test_a_backbones_folder_is_found_from_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "judge").mkdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    asked = msgspec.structs.replace(request(), backbone=Ref(name="judge"), prompt=Ref(name="plain"))
    folder = bench.start(tmp_path, asked)
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert len(bench.execute(folder)) == 1


def test_a_run_of_the_other_command_is_refused(tmp_path: Path) -> None:
    folder, _ = run(tmp_path)
    record = msgspec.structs.replace(runs.read_record(folder), protocol=None)
    runs.write_record(folder, record)
    with pytest.raises(UsageError, match="not a run of rmr1 bench"):
        bench.execute(folder)


def test_every_order_can_be_judged(tmp_path: Path) -> None:
    counts = {}
    for order in ("both", "balanced", "chosen-first", "random"):
        folder, (report,) = run(tmp_path / order, order=order)
        counts[order] = Counter(line.chosen_first for line in journal(folder))
        assert (report.validity.flip_rate is None) == (order != "both")
    assert counts["both"] == {True: 12, False: 12}
    assert counts["balanced"] == {True: 6, False: 6}
    assert counts["chosen-first"] == {True: 12}
    assert counts["random"].total() == 12


def test_the_pairs_are_stored_as_they_were_judged(tmp_path: Path) -> None:
    folder, _ = run(tmp_path)
    index = json.loads((folder / bench.FOLDER / "index.json").read_text())
    assert index == [{"benchmark": "sample-one", "pairs": 12, "expected": {"easy": 6, "hard": 6}}]
    assert len(Evaluation(folder / bench.FOLDER).pairs("sample-one")) == 12


def test_what_is_judged_must_be_there(tmp_path: Path) -> None:
    folder, _ = run(tmp_path)
    (folder / bench.FOLDER / "pairs" / "sample-one.jsonl.gz").unlink()
    with pytest.raises(UsageError, match=r"sample-one\.jsonl\.gz: cannot be read"):
        bench.execute(folder)


def test_unknown_scoring_of_one_benchmark_among_several_is_its_own_default(tmp_path: Path) -> None:
    with pytest.raises(UnknownName):
        bench.start(tmp_path, request("sample-one", "toy", scoring="no-such-rule"))


def test_the_journal_holds_one_line_per_judgment(tmp_path: Path) -> None:
    folder, _ = run(tmp_path, samples=2)
    path = Evaluation(folder / bench.FOLDER).journal
    lines = list(jsonl.read(path, Judgment))
    assert len(lines) == len(path.read_bytes().splitlines()) == 48
    assert {line.sample for line in lines} == {0, 1}


def test_a_run_does_not_go_on_with_another_prompt(tmp_path: Path) -> None:
    folder, _ = run(tmp_path)
    changed = Ref(name="plain", options={"greeting": "hello "})  # as if its file had changed
    runs.write_record(folder, msgspec.structs.replace(runs.read_record(folder), prompt=changed))
    with pytest.raises(UsageError, match="asks something else than when the run began"):
        bench.execute(folder)


def test_a_run_that_goes_on_with_other_versions_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = run(tmp_path)
    record = runs.read_record(folder)
    old = {**record.versions, "rmr1": "0.0.1", "script": "6"}
    runs.write_record(folder, msgspec.structs.replace(record, versions=old))
    capsys.readouterr()
    bench.execute(folder)
    assert capsys.readouterr().err.startswith("warning: this run began with rmr1 0.0.1, now ")
