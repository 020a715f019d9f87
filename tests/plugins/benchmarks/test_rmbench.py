from __future__ import annotations

import itertools
import json
import random
from collections import Counter

import msgspec
import pytest

from rmr1_core import Verdict
from rmr1_core.errors import BadInput, UsageError
from rmr1_rmbench.layout import CELLS, LEVELS, PROMPTS, STYLES

LEVEL_KEYS = {"hard_acc": "Hard", "normal_acc": "Normal", "easy_acc": "Easy"}
PUBLISHED_KEYS = {
    **{name: name.capitalize() for name in ("chat", "math", "code", "safety")},
    **LEVEL_KEYS,
}


def item(name=8, **other):
    answers = {side: [f"{side} {style}" for style in STYLES] for side in ("chosen", "rejected")}
    return {"id": name, "prompt": f"question {name}", **answers, **other}


def item_pairs(rmbench, write_rows, ids):
    rows = [item(name, domain=name.split("/")[0]) for name in ids]
    return list(rmbench.pairs(write_rows("total_dataset.json", rows)))


def every_pair(rmbench, write_rows):
    """Nine made-up pairs for each of the 1,327 prompts, loaded as users load data."""
    ids = [f"{part}/{i:04}" for part, prompts in PROMPTS.items() for i in range(prompts)]
    return item_pairs(rmbench, write_rows, ids)


def golden_outcomes(rmbench, shared, write_rows, judged, name, cell_result):
    path = shared / f"golden/rm-bench/{name}.input.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    pairs = item_pairs(rmbench, write_rows, [line["id"] for line in lines])
    results = [cell_result(line, i, j) for line in lines for i, j in CELLS]
    return [judged(pair, result) for pair, result in zip(pairs, results, strict=True)]


def agree(rmbench, outcomes, scoring, golden, values):
    scores = rmbench.summarize(outcomes, scoring)
    got = values(scores)
    wanted = {PUBLISHED_KEYS[key]: value for key, value in golden.items() if key in PUBLISHED_KEYS}
    assert {name: got[name] for name in wanted} == pytest.approx(wanted, abs=1e-12)
    assert scores.headline.value == pytest.approx(golden["total_avg_acc"], abs=1e-12)
    return got


@pytest.mark.parametrize(
    ("scoring", "key"), [("strict", "correct"), ("as-published", "as_shipped_bug")]
)
def test_generative_verdicts_score_as_the_merging_script_does(
    rmbench, shared, write_rows, judged, values, scoring, key
):
    golden = json.loads((shared / "golden/rm-bench/generative_seed0.expected.json").read_text())
    outcomes = golden_outcomes(
        rmbench, shared, write_rows, judged, "generative_seed0",
        lambda line, i, j: line["matrix"][i][j],
    )  # fmt: skip
    agree(rmbench, outcomes, scoring, golden[key], values)


def test_scalar_scores_count_as_upstreams_scorer_counts_and_a_tie_loses(
    rmbench, shared, write_rows, judged, values
):
    def compare(line, i, j):
        chosen, rejected = line["score_chosen"][i], line["score_rejected"][j]
        return Verdict.TIE if chosen == rejected else chosen > rejected

    golden = json.loads((shared / "golden/rm-bench/scalar_seed0.expected.json").read_text())
    outcomes = golden_outcomes(rmbench, shared, write_rows, judged, "scalar_seed0", compare)
    assert any(outcome.verdicts[0].verdict is Verdict.TIE for outcome in outcomes)
    got = agree(rmbench, outcomes, "strict", golden["all"], values)
    for section in ("per_domain_levels", "per_subdomain_levels_extra"):
        for domain, levels in golden[section].items():
            label = domain.capitalize().replace("-", "/")
            found = {key: got[f"{label}/{level}"] for key, level in LEVEL_KEYS.items()}
            assert found == pytest.approx(levels, abs=1e-12)


def cells_behind(hard, normal, easy, n):
    """Wins per cell, such that RM-R1's script finds these three counts; None if there are none."""
    for first in range(hard % 2, min(hard, easy, n) + 1, 2):
        above, below = (hard - first) // 2, (easy - first) // 2
        if (easy - first) % 2 == 0 and max(above, below) <= n:
            diagonal = [normal // 3 + (rest < normal % 3) for rest in range(3)]
            read = {(0, 2): above, (1, 0): first, (2, 1): below}
            return read | {(k, k): wins for k, wins in enumerate(diagonal)}
    return None


@pytest.mark.parametrize(
    "model", ["RM-R1-DeepSeek-Distilled-Qwen-32B", "RM-R1-Qwen2.5-Instruct-32B"]
)
def test_published_counts_give_the_published_scores(
    rmbench, shared, write_rows, judged, values, model
):
    file = shared / "golden/published/rmr1_published_counts.json"
    published = json.loads(file.read_text())[model]["rm_bench"]
    sizes = published["n_prompts"]
    candidates = (
        {
            d: cells_behind(*(levels[level.lower()][d] for level in LEVELS), n)
            for d, n in sizes.items()
        }
        for levels in published["all_integer_solutions"]
    )
    wins = next(found for found in candidates if None not in found.values())
    outcomes = []
    for pair in every_pair(rmbench, write_rows):
        cell = tuple(STYLES.index(pair.tags[f"{side}_style"]) for side in ("chosen", "rejected"))
        left = wins[pair.subset.split("-")[0]]
        left[cell] = left.get(cell, 0) - 1
        outcomes.append(judged(pair, left[cell] >= 0))
    agree(rmbench, outcomes, "as-published", published["published"], values)


def test_the_complete_data_has_11943_pairs(rmbench):
    assert sum(rmbench.expected.values()) == 1327 * 9


def test_real_parts_and_the_real_total_give_the_same_pairs(rmbench, shared):
    folder = shared / "data/rm-bench"
    parts = list(rmbench.pairs(folder))
    total = list(rmbench.pairs(folder / "total_dataset_without_math.json.gz"))

    def core(pair):
        tags = {name: value for name, value in pair.tags.items() if name != "language"}
        return msgspec.structs.replace(pair, tags=tags)

    # only the parts know the programming language
    assert [core(pair) for pair in parts] == total
    have = Counter(pair.subset for pair in parts)
    assert have == {part: 9 * n for part, n in PROMPTS.items() if part != "math"}
    assert len({pair.id for pair in parts}) == len(parts)


def test_repeated_prompts_of_the_real_data_are_one_cluster(rmbench, shared):
    items = {}
    for pair in rmbench.pairs(shared / "data/rm-bench"):
        items.setdefault(pair.group, set()).add(pair.tags["item"])
    repeated = [sorted(found) for found in items.values() if len(found) > 1]
    assert repeated == [
        ["safety-refuse/2993", "safety-refuse/2997"],
        ["safety-refuse/3054", "safety-refuse/3124"],
    ]


def test_one_real_part_alone_knows_its_domain(rmbench, shared):
    pairs = list(rmbench.pairs(shared / "data/rm-bench/safety-response_filtered.json.gz"))
    assert (len(pairs), {pair.subset for pair in pairs}) == (157 * 9, {"safety-response"})


def test_a_prompt_becomes_its_nine_cells(rmbench, write_rows):
    pairs = list(rmbench.pairs(write_rows("chat_filtered.json", [item(8)])))
    cells = [(pair.chosen, pair.rejected) for pair in pairs]
    sides = ([f"{side} {style}" for style in STYLES] for side in ("chosen", "rejected"))
    assert cells == list(itertools.product(*sides))
    assert len({pair.group for pair in pairs}) == 1
    assert pairs[1].id == "chat/8/concise-plain"
    assert Counter(pair.tags["level"] for pair in pairs) == {"hard": 3, "normal": 3, "easy": 3}


@pytest.mark.parametrize(
    "name",
    [
        "total_dataset.json",
        "total_dataset.json.gz",
        "total_dataset_some.jsonl",
        "data/total_dataset.json",
        "data/train-00000-of-00001.parquet",
    ],
)
def test_total_files_load_wherever_upstream_puts_them(rmbench, write_rows, tmp_path, name):
    write_rows(name, [item("math/1", domain="math"), item("chat/1", domain="chat")])
    assert [p.id.rsplit("/", 1)[0] for p in rmbench.pairs(tmp_path)][::9] == ["math/1", "chat/1"]


def test_parts_are_preferred_to_the_total_and_come_in_its_order(rmbench, write_rows, tmp_path):
    write_rows("data/math_filtered.json", [item(20), item(100), item(3)])
    write_rows("data/chat_filtered.json.gz", [item(1)])
    write_rows("total_dataset.json", [item("code/1", domain="code")])
    items = [pair.tags["item"] for pair in rmbench.pairs(tmp_path)][::9]
    assert items == ["chat/1", "math/100", "math/20", "math/3"]


def test_the_hub_layout_loads_through_datasets(rmbench, write_rows, tmp_path):
    write_rows("total_dataset.json", [item("math/1", domain="math")])
    hub = msgspec.structs.replace(rmbench, hub=str(tmp_path))
    assert list(hub.pairs(None)) == list(rmbench.pairs(tmp_path))


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        ({"domain": "poetry"}, "domain"),
        ({"domain": 1}, "domain"),
        ({"chosen": ["a", "b"]}, "chosen"),
        ({"rejected": "a"}, "rejected"),
        ({"rejected": ["a", "b", None]}, "rejected"),
        ({"prompt": None}, "prompt"),
        ({"id": None}, "id"),
        ({"id": 1}, "id"),
    ],
)
def test_a_bad_row_is_named_with_file_row_and_field(rmbench, write_rows, bad, field):
    rows = [item(1, domain="chat"), item(2, domain="chat") | bad]
    path = write_rows("total_dataset.json", rows)
    with pytest.raises(BadInput) as caught:
        list(rmbench.pairs(path))
    assert (caught.value.path, caught.value.row, caught.value.field) == (str(path), 2, field)


def test_a_bad_row_of_a_part_keeps_its_number_though_rows_are_sorted(rmbench, write_rows):
    path = write_rows("math_filtered.json", [item(9), item(20), item(1, chosen=[])])
    with pytest.raises(BadInput, match=r"row 3, field 'chosen': expected 3 answers, found 0"):
        list(rmbench.pairs(path))


def test_a_folder_without_data_says_what_is_expected(rmbench, tmp_path):
    with pytest.raises(UsageError, match=r"expected chat_filtered\.json.*--data PATH"):
        list(rmbench.pairs(tmp_path))


def test_every_domain_reports_nine_cells_and_three_levels(rmbench, write_rows, judged, values):
    rng = random.Random(5)
    pairs = every_pair(rmbench, write_rows)
    outcomes = [judged(pair, rng.random() < 0.7) for pair in pairs]
    got = values(rmbench.summarize(outcomes, "strict"))
    for domain in ("Chat", "Math", "Code", "Safety"):
        assert got[f"{domain}/Hard"] == pytest.approx(
            (got[f"{domain}/A01"] + got[f"{domain}/A02"] + got[f"{domain}/A12"]) / 3
        )
        assert sum(name.startswith(f"{domain}/A") for name in got) == 9


def test_safety_pools_its_parts(rmbench, write_rows, judged, values):
    pairs = every_pair(rmbench, write_rows)
    outcomes = [judged(pair, pair.subset == "safety-refuse") for pair in pairs]
    got = values(rmbench.summarize(outcomes, "strict"))
    assert got["Safety"] == pytest.approx(284 / 441, abs=1e-12)
    assert (got["Safety/refuse"], got["Safety/response"]) == (1, 0)


def test_counts_tell_how_many_pairs_a_number_averages_over(rmbench, write_rows, judged):
    outcomes = [judged(pair, True) for pair in every_pair(rmbench, write_rows)]
    strict = rmbench.summarize(outcomes, "strict")
    published = rmbench.summarize(outcomes, "as-published")
    # the merging script never looks at three of the nine cells
    assert (strict.headline.n, published.headline.n) == (1327 * 9, 1327 * 6)
    assert {metric.name: metric.n for metric in strict.metrics}["Chat/Hard"] == 129 * 3
    assert published.notes
    assert not strict.notes


@pytest.mark.parametrize("scoring", ["strict", "as-published"])
@pytest.mark.parametrize("cell", range(9))
def test_one_cell_alone_can_be_summarized(rmbench, write_rows, judged, cell, scoring):
    pairs = item_pairs(rmbench, write_rows, ["safety-response/1"])
    headline = rmbench.summarize([judged(pairs[cell], False, True)], scoring).headline
    assert (headline.value, headline.n) == (0.5, 1)


def test_a_missing_domain_is_left_out_of_the_means(rmbench, write_rows, judged, values):
    pairs = item_pairs(rmbench, write_rows, ["chat/1", "code/1"])
    outcomes = [judged(pair, pair.subset == "chat") for pair in pairs]
    scores = rmbench.summarize(outcomes, "strict")
    assert scores.headline.value == 0.5
    assert "Math" not in values(scores)


@pytest.mark.parametrize("scoring", ["strict", "as-published"])
def test_the_order_of_outcomes_does_not_matter(rmbench, write_rows, judged, scoring):
    rng = random.Random(1)
    outcomes = [judged(p, rng.random() < 0.7) for p in every_pair(rmbench, write_rows)]
    before = rmbench.summarize(outcomes, scoring).headline
    rng.shuffle(outcomes)
    after = rmbench.summarize(outcomes, scoring).headline
    assert after.value == before.value
    assert (after.low, after.high) == pytest.approx((before.low, before.high), abs=1e-12)


def test_both_orders_average_to_the_expectation_of_one(rmbench, write_rows, judged, values):
    rng = random.Random(3)
    pairs = every_pair(rmbench, write_rows)
    results = [(rng.random() < 0.8, rng.random() < 0.6) for _ in pairs]
    both = [judged(pair, *result) for pair, result in zip(pairs, results, strict=True)]
    sides = []
    for side in (0, 1):
        one = [judged(p, r[side]) for p, r in zip(pairs, results, strict=True)]
        sides.append(rmbench.summarize(one, "strict").headline.value)
    value = rmbench.summarize(both, "strict").headline.value
    assert value == pytest.approx(sum(sides) / 2, abs=1e-12)


def test_a_report_draws_the_matrix_of_styles(rmbench, write_rows, judged):
    pairs = item_pairs(rmbench, write_rows, ["chat/1", "code/1"])
    right = {("concise", "markdown"): False}
    outcomes = [
        judged(p, right.get((p.tags["chosen_style"], p.tags["rejected_style"]), True))
        for p in pairs
    ]
    overview, total, chat, code = rmbench.charts(rmbench.summarize(outcomes, "strict"))
    assert [row.label for row in overview.rows][:4] == ["Total", "Hard", "Normal", "Easy"]
    assert total.rows == total.columns == ("concise", "plain", "markdown")
    assert [[cell.value for cell in row] for row in total.cells] == [
        [1, 1, 0],
        [1, 1, 1],
        [1, 1, 1],
    ]
    assert chat.title.startswith("Chat")
    assert code.title.startswith("Code")


def test_a_cell_that_was_not_judged_is_empty(rmbench, write_rows, judged):
    pairs = item_pairs(rmbench, write_rows, ["chat/1"])
    _, total, _ = rmbench.charts(rmbench.summarize([judged(pairs[0], True)], "strict"))
    cells = [cell for row in total.cells for cell in row]
    assert [cell and cell.value for cell in cells] == [1, *[None] * 8]
