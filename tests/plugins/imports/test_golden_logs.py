"""Whole logs give the numbers of the original scorers, as the benchmarks' authors count."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from made_logs import SECOND, logged, style_record, talk, three_files, verdict, write, write_lines

from rmr1_core import Ref, Report
from rmr1_core.importing import ImportRequest, find, start
from rmr1_core.lookup import resolve
from rmr1_rmb.categories import BON, CATEGORIES, PAIRWISE

EXAMPLE = Path(__file__).parents[3] / "examples/rmr1-judgebench/rmr1_judgebench/__init__.py"


def imported(path: Path, **asked: Any) -> Report:
    request = ImportRequest(path=str(path), **asked)
    _, (report,) = start(path.parent / "runs", request, find(request))
    return report


def numbers(report: Report, rule: str) -> dict[str, float]:
    scores = report.scores if report.scoring == rule else report.alternatives[rule]
    return {metric.name: metric.value for metric in (scores.headline, *scores.metrics)}


def golden(shared: Path, name: str) -> Any:
    return json.loads((shared / "golden" / name).read_text())


def lines(shared: Path, name: str) -> Iterator[dict[str, Any]]:
    path = shared / "golden" / name
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        yield from map(json.loads, file)


def agree(found: Mapping[str, float], expected: Mapping[str, float]) -> None:
    assert {name: found[name] for name in expected} == pytest.approx(dict(expected), abs=1e-12)


def test_rm_bench_s_three_files_give_the_published_and_the_right_numbers(
    shared: Path, tmp_path: Path
) -> None:
    rows = [(r["id"], r["domain"], r["matrix"]) for r in lines(shared, f"{RM_BENCH}.input.jsonl")]
    report = imported(three_files(tmp_path / "logs", rows), scoring="as-published")
    expected = golden(shared, f"{RM_BENCH}.expected.json")
    agree(numbers(report, "as-published"), _named(expected["as_shipped_bug"]))
    agree(numbers(report, "strict"), _named(expected["correct"]))
    assert not report.partial


RM_BENCH = "rm-bench/generative_seed0"


def _named(result: Mapping[str, float]) -> dict[str, float]:
    names = {"total_avg_acc": "Total", "hard_acc": "Hard", "normal_acc": "Normal"}
    names["easy_acc"] = "Easy"
    return {names.get(name, name.capitalize()): value for name, value in result.items()}


def test_rm_bench_s_scores_give_the_numbers_of_its_scorer(shared: Path, tmp_path: Path) -> None:
    rows = [
        style_record(
            row["id"],
            row["domain"],
            score_chosen=row["score_chosen"],
            score_rejected=row["score_rejected"],
        )
        for row in lines(shared, "rm-bench/scalar_seed0.input.jsonl")
    ]
    report = imported(write(tmp_path / "logs/total_dataset_model.json", rows))
    expected = golden(shared, "rm-bench/scalar_seed0.expected.json")
    agree(numbers(report, "strict"), _named(expected["all"]))


def test_rewardbench_s_answers_give_the_numbers_of_its_scorer(shared: Path, tmp_path: Path) -> None:
    records = [
        logged(
            row["judge_output"],
            second=row["chosen_in_position_B"],
            result=0,
            question=str(row["index"]),
            subset=row["subset"],
            id=row["id"],
        )
        for row in lines(shared, "rewardbench/text_seed0.input.jsonl.gz")
    ]
    report = imported(
        write(tmp_path / "logs/logs.json", records),
        scoring="as-published",
        prompt=Ref(name="", options={"parser": "allenai"}),
    )
    expected = golden(shared, "rewardbench/text_seed0.expected.json")
    allenai = expected.get("allenai", expected)
    agree(numbers(report, "as-published"), allenai["sections"])
    assert "strict" in report.alternatives
    assert not report.partial


def test_rewardbench_s_results_give_the_numbers_of_its_scorer(shared: Path, tmp_path: Path) -> None:
    rows = list(lines(shared, "rewardbench/verdict_seed0.input.jsonl"))
    columns = {
        "text_chosen": [talk(str(row["index"]), "right") for row in rows],
        "text_rejected": [talk(str(row["index"]), "wrong") for row in rows],
        "results": [row["verdict"] for row in rows],
        "subset": [row["subset"] for row in rows],
        "model": "org/model",
    }
    report = imported(write(tmp_path / "logs/model.json", columns), scoring="as-published")
    expected = golden(shared, "rewardbench/verdict_seed0.expected.json")
    found = numbers(report, "as-published")
    agree(found, expected["sections"])
    derived = expected["derived"]
    assert found["Mean of sections"] == pytest.approx(derived["mean_of_4_sections"], abs=1e-12)
    assert found["Micro average"] == pytest.approx(derived["micro_accuracy"], abs=1e-12)


def test_judgebench_s_decisions_give_the_numbers_of_its_scorer(
    shared: Path, tmp_path: Path, install_plugin: Any
) -> None:
    install_plugin("judgebench", EXAMPLE.read_text())
    rows = [
        {
            **row,
            "question": row["pair_id"],
            "response_A": "a",
            "response_B": "b",
            "judge_name": "arena_hard",
            "judgments": [
                {"judgment": {"response": "so"}, "decision": decision}
                for decision in row["decisions"]
            ],
        }
        for row in lines(shared, "judgebench/synthetic_seed0.input.jsonl")
    ]
    (tmp_path / "logs").mkdir()
    log = write_lines(tmp_path / "logs/outputs.jsonl", rows)
    found = numbers(imported(log), "strict")
    expected = golden(shared, "judgebench/synthetic_seed0.expected.json")["two_orders"]
    assert 100 * found["Overall"] == pytest.approx(expected["Overall"], abs=1e-10)
    assert 100 * found["Knowledge"] == pytest.approx(expected["mmlu-pro"], abs=1e-10)


@pytest.mark.slow
def test_rmb_s_four_logs_give_the_numbers_of_rm_r1_s_scripts(shared: Path, tmp_path: Path) -> None:
    parts: dict[str, list[dict[str, Any]]] = {}
    for row in lines(shared, "rmb/pairwise_seed0.input.jsonl.gz"):
        parts.setdefault(_folder(row), []).append(_record(row, row["verdict"], len(parts)))
    for row in lines(shared, "rmb/bon_seed0.input.jsonl.gz"):
        records = parts.setdefault(_folder(row), [])
        records += [_record(row, won, n) for n, won in enumerate(row["verdicts"])]
    for name, records in parts.items():
        file = "raw_logs.json" if name.startswith("BoN") else "logs.json"
        write(tmp_path / "logs" / name / file, records)
    found = numbers(imported(tmp_path / "logs"), "strict")
    expected = golden(shared, "rmb/seed0.expected.json")
    names = {"Pairwise_set": "pairwise", "BoN_set": "BoN"}
    for name in parts:
        set_, _, goal = name.rpartition("_")
        top = expected[name][0]
        value = top.get("Overall_accuracy", top.get("BoN Final Accuracy"))
        assert found[f"{goal} {names[set_]}"] == pytest.approx(value, abs=1e-12)
        for path, share in expected[name][1].items():
            category = path.split("/", 2)[2]
            metric = found[f"{goal} {names[set_]}/{category}"]
            assert metric == pytest.approx(share, abs=1e-12)


def _folder(row: Mapping[str, str]) -> str:
    set_, goal, _ = row["category_path"].split("/", 2)
    return f"{set_}_{goal}"


def _record(row: Mapping[str, Any], won: int, n: int) -> dict[str, Any]:
    uid = "bon_uid" if "bon_uid" in row else "pair_uid"
    ids = {uid: row[uid], "category_path": row["category_path"]}
    second = n % 2 == 1
    made = logged(verdict(bool(won), second), second=second, result=won, question=row[uid], **ids)
    made["text_rejected"][-1]["content"] += f" {n}"
    assert made[SECOND] is second
    return made


# whole logs with as many right answers as RM-R1's result files say


MODELS = ("RM-R1-Qwen2.5-Instruct-32B", "RM-R1-DeepSeek-Distilled-Qwen-32B")


def published(shared: Path, model: str, name: str) -> Any:
    return json.loads((shared / "data/published" / model / name).read_text())


def answered(count: int, share: float, **fields: Any) -> Iterator[dict[str, Any]]:
    """So many records, of which this share is right."""
    for n in range(count):
        right, second = n < round(share * count), n % 2 == 1
        yield logged(
            verdict(right, second), second=second, result=right, question=f"{n} {fields}", **fields
        )


@pytest.mark.parametrize("model", MODELS)
def test_a_log_like_the_published_one_gives_main_score_of_rewardbench(
    shared: Path, tmp_path: Path, model: str
) -> None:
    shares = published(shared, model, "rewardbench/each_small_section_score.json")
    sizes = resolve("benchmark", "rewardbench").expected
    records = [r for s, n in sizes.items() for r in answered(n, shares[s], subset=s, id=7)]
    report = imported(write(tmp_path / "logs/logs.json", records), scoring="as-published")
    expected = published(shared, model, "rewardbench/main_score.json")
    for rule in ("as-published", "strict"):
        found = numbers(report, rule)
        agree(found, {name: expected[name] for name in ("Chat", "Chat Hard", "Safety")})
        assert found["Mean of sections"] == pytest.approx(expected["avg_Result_each_section"])
        assert found["Micro average"] == pytest.approx(expected["absoluate_Result"])


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_logs_like_the_published_ones_give_meta_result_of_rmb(
    shared: Path, tmp_path: Path, model: str
) -> None:
    sizes = {category.path(PAIRWISE): category.pairs for category in CATEGORIES}
    sizes |= {category.path(BON): category.items for category in CATEGORIES}
    shares: dict[str, float] = {}
    for name in ("Pairwise_set", "BoN_set"):
        for goal in ("Helpfulness", "Harmlessness"):
            folder, records = f"{name}_{goal}", []
            _, by_category = published(shared, model, f"rmb/{folder}/Final_score.json")
            shares |= by_category
            for path, share in by_category.items():
                made = answered(sizes[path], share, category_path=path)
                uid = "pair_uid" if name == "Pairwise_set" else "bon_uid"
                records += [{**r, uid: f"{path}-{n}"} for n, r in enumerate(made)]
            write(tmp_path / "logs" / folder / "logs.json", records)
    found = numbers(imported(tmp_path / "logs"), "strict")
    expected = published(shared, model, "rmb/META_RESULT.json")
    for goal in ("Helpfulness", "Harmlessness"):
        assert found[f"{goal} pairwise"] == pytest.approx(expected[f"Pairwise {goal}"], abs=1e-12)
        assert found[f"{goal} BoN"] == pytest.approx(expected[f"BoN {goal}"], abs=1e-12)
    overall = expected["Accuracy Averaged from Four Sections"]
    assert found["Overall"] == pytest.approx(overall, abs=1e-12)
    for path, share in shares.items():
        name, goal, category = path.split("/", 2)
        label = "pairwise" if name == "Pairwise_set" else "BoN"
        assert found[f"{goal} {label}/{category}"] == pytest.approx(share, abs=1e-12)
