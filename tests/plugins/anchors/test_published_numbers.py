"""The data file of published numbers: what typing errors in it would break."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from whole_benchmarks import every_pair, won

from rmr1_anchors.table import anchors
from rmr1_core import Anchor, Benchmark, Outcome, Verdict
from rmr1_core.anchors import published
from rmr1_core.discovery import plugins
from rmr1_core.lookup import resolve
from rmr1_core.testing import check_anchor, check_anchors_on, outcome

PARTS: Mapping[str, tuple[str, list[tuple[str, ...]]]] = {
    "rewardbench": ("Mean of sections", [("Chat", "Chat Hard", "Safety", "Reasoning")]),
    "rm-bench": ("Total", [("Chat", "Math", "Code", "Safety"), ("Easy", "Normal", "Hard")]),
    "rmb": (
        "Overall",
        [
            (
                "Helpfulness BoN",
                "Helpfulness pairwise",
                "Harmlessness BoN",
                "Harmlessness pairwise",
            )
        ],
    ),
}
"""Each benchmark's headline, and which metrics average to it."""
ELSEWHERE = {"judgebench", "rewardbench2"}
"""Benchmarks that are not of this package."""
ODD = {("RM-R1-Qwen-Instruct-14B", "rm-bench"): "76.3"}
"""What its source adds up otherwise, with the sum that the note must give."""


def label(anchor: Anchor) -> str:
    return f"{anchor.model}-{anchor.benchmark}-{anchor.metric}"


@pytest.mark.parametrize("anchor", anchors(), ids=label)
def test_a_published_number_keeps_the_contract(anchor: Anchor) -> None:
    check_anchor(anchor)


def test_the_plugin_offers_the_file() -> None:
    assert published() == anchors()
    assert {a.benchmark for a in published("rmb")} == {"rmb"}


def test_every_benchmark_is_there() -> None:
    known = {offer.component.name for offer in plugins().offers("benchmark")} | ELSEWHERE
    for anchor in anchors():
        assert set(anchor.benchmark.split("+")) <= known, label(anchor)


def tables() -> dict[tuple[str, str, str], dict[str, Anchor]]:
    found: dict[tuple[str, str, str], dict[str, Anchor]] = defaultdict(dict)
    for anchor in anchors():
        row = found[anchor.model, anchor.benchmark, anchor.source.title + anchor.source.table]
        assert anchor.metric not in row, f"twice: {label(anchor)}"
        row[anchor.metric] = anchor
    return found


def sums() -> Iterator[Any]:
    for (model, benchmark, source), row in tables().items():
        headline, groups = PARTS.get(benchmark, ("", []))
        for parts in groups:
            if {headline, *parts} <= set(row):
                yield pytest.param(row, headline, parts, id=f"{model}-{benchmark}-{source}")


@pytest.mark.parametrize(("row", "headline", "parts"), list(sums()))
def test_the_parts_average_to_the_whole_within_rounding(
    row: Mapping[str, Anchor], headline: str, parts: tuple[str, ...]
) -> None:
    whole = row[headline]
    mean = sum(row[part].value for part in parts) / len(parts)
    if (whole.model, whole.benchmark) in ODD:
        said = ODD[whole.model, whole.benchmark]
        assert said in whole.note
        assert mean == pytest.approx(float(said) / 100, abs=whole.resolution)
    else:
        assert mean == pytest.approx(whole.value, abs=1.0001 * whole.resolution)


def test_all_six_models_stand_on_all_three_benchmarks() -> None:
    sizes = ("7b", "14b", "32b")
    names = [f"rm-r1-{family}{size}" for family in ("qwen", "deepseek") for size in sizes]
    for benchmark, (headline, groups) in PARTS.items():
        wanted = {headline, *(part for group in groups for part in group)}
        for name in names:
            have = {a.metric for a in anchors() if (a.benchmark, a.backbone) == (benchmark, name)}
            assert wanted <= have, (name, benchmark)


# the metrics and sizes of our own reports


@pytest.mark.parametrize("name", sorted(PARTS))
def test_our_reports_have_the_published_metrics_of_the_same_size(name: str) -> None:
    benchmark: Benchmark = resolve("benchmark", name)
    check_anchors_on(benchmark, every_pair(benchmark), anchors())


def test_normal_is_what_the_merging_scripts_defect_spares() -> None:
    rng = random.Random(7)
    benchmark = resolve("benchmark", "rm-bench")
    outcomes = [outcome(p, rng.choice((Verdict.A, Verdict.B))) for p in every_pair(benchmark)]
    by_rule = {
        rule: {m.name: m.value for m in benchmark.summarize(outcomes, rule).metrics}
        for rule in benchmark.scorings
    }
    changed = {n for n, value in by_rule["strict"].items() if value != by_rule["as-published"][n]}
    for anchor in published("rm-bench"):
        if anchor.protocol.scoring == "as-published" and anchor.metric != "Total":
            assert (anchor.metric in changed) is bool(anchor.defect), anchor.metric
            assert bool(anchor.defect) is not bool(anchor.otherwise)


# what the published counts of two models give under our scorers


MODELS = {
    "RM-R1-DeepSeek-Distilled-Qwen-32B": "rm-r1-deepseek32b",
    "RM-R1-Qwen2.5-Instruct-32B": "rm-r1-qwen32b",
}


@pytest.mark.parametrize("model", MODELS)
def test_published_counts_score_to_the_numbers_on_rewardbench(model: str, shared: Path) -> None:
    counts = golden(shared, model)["rewardbench"]["per_subset"]
    benchmark = resolve("benchmark", "rewardbench")
    outcomes = won(every_pair(benchmark), {name: n["correct"] for name, n in counts.items()})
    got = scores_of(benchmark, outcomes, "strict")
    stands = [a for a in published("rewardbench") if a.backbone == MODELS[model]]
    assert len(stands) == 6
    for anchor in stands:
        assert got[anchor.metric] == pytest.approx(anchor.value, abs=0.51 * anchor.resolution)


@pytest.mark.parametrize("model", MODELS)
def test_published_counts_are_the_numbers_on_rmb(model: str, shared: Path) -> None:
    sets = golden(shared, model)["rmb"]
    names = {"BoN_set": "BoN", "Pairwise_set": "pairwise"}
    got = {
        f"{goal} {word}": sets[f"{set_}_{goal}"]["sum_correct"] / sets[f"{set_}_{goal}"]["sum_n"]
        for set_, word in names.items()
        for goal in ("Helpfulness", "Harmlessness")
    }
    got["Overall"] = sum(got.values()) / 4
    stands = [a for a in published("rmb") if a.backbone == MODELS[model] and a.resolution < 0.001]
    assert {a.metric for a in stands} == set(got)
    for anchor in stands:
        assert got[anchor.metric] == pytest.approx(anchor.value, abs=0.51 * anchor.resolution)


@pytest.mark.parametrize("model", MODELS)
def test_the_result_files_have_the_numbers_on_rm_bench(model: str, shared: Path) -> None:
    got = golden(shared, model)["rm_bench"]["published"]
    names = {"total_avg_acc": "Total", "hard_acc": "Hard", "easy_acc": "Easy"}
    names["normal_acc"] = "Normal"
    stands = [a for a in published("rm-bench") if a.backbone == MODELS[model]]
    finest = min(a.resolution for a in stands)
    for key, value in got.items():
        metric = names.get(key, key.capitalize())
        (anchor,) = (a for a in stands if (a.metric, a.resolution) == (metric, finest))
        # the paper prints 85.4 for 0.85452
        assert value == pytest.approx(anchor.value, abs=0.53 * finest), metric


def golden(shared: Path, model: str) -> dict[str, Any]:
    file = shared / "golden/published/rmr1_published_counts.json"
    found: dict[str, Any] = json.loads(file.read_text())[model]
    return found


def scores_of(benchmark: Benchmark, outcomes: list[Outcome], rule: str) -> dict[str, float]:
    scores = benchmark.summarize(outcomes, rule)
    return {m.name: m.value for m in (scores.headline, *scores.metrics)}
