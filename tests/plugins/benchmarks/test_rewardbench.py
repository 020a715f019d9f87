from __future__ import annotations

import gzip
import json
import random
from collections import Counter

import msgspec
import pytest

from rmr1_core import Message, Verdict
from rmr1_core.errors import BadInput, UsageError
from rmr1_rewardbench.sections import PRIOR_SETS, SECTIONS


def row(index=None, subset="math-prm", **other):
    fields = {"prompt": f"question {index}", "chosen": "yes", "rejected": "no", "subset": subset}
    return {**fields, **({} if index is None else {"index": index}), **other}


def every_pair(rewardbench, write_rows):
    """One made-up row for each of the 2,985 positions, loaded as users load data."""
    subsets = [s for section in SECTIONS.values() for s, n in section.items() for _ in range(n)]
    path = write_rows("every.jsonl", [row(i, subset) for i, subset in enumerate(subsets)])
    return list(rewardbench.pairs(path))


def golden_pairs(rewardbench, write_rows, lines):
    path = write_rows("golden.jsonl", [row(line["index"], line["subset"]) for line in lines])
    return list(rewardbench.pairs(path))


def read_golden(path):
    text = path.read_bytes()
    text = gzip.decompress(text) if path.suffix == ".gz" else text
    return [json.loads(line) for line in text.splitlines()]


def test_the_23_subsets_have_2985_pairs(rewardbench):
    assert (len(rewardbench.expected), sum(rewardbench.expected.values())) == (23, 2985)


def test_verdicts_score_as_the_authors_scorer_does(rewardbench, shared, write_rows, judged, values):
    folder = shared / "golden/rewardbench"
    lines = read_golden(folder / "verdict_seed0.input.jsonl")
    golden = json.loads((folder / "verdict_seed0.expected.json").read_text())
    pairs = golden_pairs(rewardbench, write_rows, lines)
    # an upstream verdict of 0.5 is an answer that did not parse
    verdicts = {1: True, 0: False, 0.5: Verdict.UNPARSED}
    outcomes = [
        judged(pair, verdicts[line["verdict"]]) for pair, line in zip(pairs, lines, strict=True)
    ]
    scores = rewardbench.summarize(outcomes, "as-published")
    got = values(scores)
    close = pytest.approx(golden["sections"], abs=1e-12)
    assert {name: got[name] for name in golden["sections"]} == close
    subsets = {name.split("/")[1]: value for name, value in got.items() if "/" in name}
    assert subsets == pytest.approx(golden["per_subset"], abs=1e-12)
    derived = golden["derived"]
    assert scores.headline.value == pytest.approx(derived["mean_of_4_sections"], abs=1e-12)
    assert got["Micro average"] == pytest.approx(derived["micro_accuracy"], abs=1e-12)


@pytest.mark.parametrize(
    ("scorer", "parser", "scoring"),
    [("allenai", "allenai", "as-published"), ("rmr1", "rmr1-eval", "strict")],
)
def test_texts_score_as_the_published_scorers_do(
    rewardbench, shared, write_rows, judged, values, scorer, parser, scoring
):
    parsers = pytest.importorskip("rmr1_rubrics.parsers")
    folder = shared / "golden/rewardbench"
    lines = read_golden(folder / "text_seed0.input.jsonl.gz")
    golden = json.loads((folder / "text_seed0.expected.json").read_text())[scorer]
    pairs = golden_pairs(rewardbench, write_rows, lines)
    outcomes = []
    for pair, line in zip(pairs, lines, strict=True):
        verdict = parsers.PARSERS[parser](line["judge_output"])
        if line["chosen_in_position_B"]:
            verdict = {Verdict.A: Verdict.B, Verdict.B: Verdict.A}.get(verdict, verdict)
        outcomes.append(judged(pair, verdict))
    points = 0.5 if scoring == "as-published" else 0.0
    assert [outcome.score(unparsed=points) for outcome in outcomes] == golden["per_row"]
    scores = rewardbench.summarize(outcomes, scoring)
    got = values(scores)
    subsets = {name.split("/")[1]: value for name, value in got.items() if "/" in name}
    assert subsets == pytest.approx(golden["per_subset"], abs=1e-12)
    assert {name: got[name] for name in SECTIONS} == pytest.approx(golden["sections"], abs=1e-12)
    if scorer == "rmr1":
        main = golden["main_score"]
        assert scores.headline.value == pytest.approx(main["avg_Result_each_section"], abs=1e-12)
        assert got["Micro average"] == pytest.approx(main["absoluate_Result"], abs=1e-12)


@pytest.mark.parametrize(
    "model", ["RM-R1-DeepSeek-Distilled-Qwen-32B", "RM-R1-Qwen2.5-Instruct-32B"]
)
def test_published_counts_give_the_published_scores(
    rewardbench, shared, write_rows, judged, values, model
):
    file = shared / "golden/published/rmr1_published_counts.json"
    published = json.loads(file.read_text())[model]["rewardbench"]
    left = {name: subset["correct"] for name, subset in published["per_subset"].items()}
    outcomes = []
    for pair in every_pair(rewardbench, write_rows):
        left[pair.subset] -= 1
        outcomes.append(judged(pair, left[pair.subset] >= 0))
    scores = rewardbench.summarize(outcomes, "strict")
    main = published["published_main"]
    got = values(scores)
    assert {name: got[name] for name in SECTIONS} == pytest.approx(
        {name: main[name] for name in SECTIONS}, abs=1e-12
    )
    assert scores.headline.value == pytest.approx(main["avg_Result_each_section"], abs=1e-12)
    assert got["Micro average"] == pytest.approx(main["absoluate_Result"], abs=1e-12)


def test_the_real_partial_data_loads_whole(rewardbench, shared):
    pairs = list(rewardbench.pairs(shared / "data/rewardbench"))
    have = Counter(pair.subset for pair in pairs)
    complete = {subset for subset, n in rewardbench.expected.items() if have[subset] == n}
    assert len(pairs) == len({pair.id for pair in pairs}) == 2456
    assert complete == {s for s in rewardbench.expected if s.startswith(("llmbar", "hep-"))}


def test_positions_of_the_real_data_agree_with_upstreams(rewardbench, shared):
    lines = read_golden(shared / "data/rewardbench/index_subset_id.jsonl")
    subsets = {str(line["index"]): line["subset"] for line in lines}
    pairs = list(rewardbench.pairs(shared / "data/rewardbench"))
    assert all(subsets[pair.tags["index"]] == pair.subset for pair in pairs)


def test_equal_prompts_are_one_cluster_across_subsets(rewardbench, write_rows):
    rows = [row(0, "alpacaeval-easy", prompt="p"), row(1, "alpacaeval-hard", prompt="p"), row(2)]
    first, second, other = rewardbench.pairs(write_rows("some.jsonl", rows))
    assert first.group == second.group != other.group


@pytest.mark.parametrize(
    "name",
    [
        "filtered.jsonl",
        "filtered.json",
        "filtered.jsonl.gz",
        "filtered.json.gz",
        "data/filtered-00000-of-00001.parquet",
        "only.jsonl",
        "rewardbench/data/filtered.json",
    ],
)
def test_every_upstream_layout_gives_the_same_pairs(rewardbench, write_rows, tmp_path, name):
    rows = [row(None, "math-prm", id=4, chosen_model="m"), row(None, "shp", id=4, chosen_model="n")]
    write_rows("reference/x.jsonl", rows)
    reference = list(rewardbench.pairs(tmp_path / "reference/x.jsonl"))
    write_rows(f"folder/{name}", rows)
    assert list(rewardbench.pairs(tmp_path / "folder")) == reference
    assert [pair.id for pair in reference] == ["math-prm/0", "shp/1"]
    assert reference[0].tags["upstream_id"] == reference[1].tags["upstream_id"] == "4"


def test_shards_are_read_in_order_and_the_raw_split_is_not(rewardbench, write_rows, tmp_path):
    write_rows("data/filtered-00001-of-00002.parquet", [row(None, prompt="second")])
    write_rows("data/filtered-00000-of-00002.parquet", [row(None, prompt="first")])
    write_rows("data/raw-00000-of-00001.parquet", [row(None, prompt="raw")])
    prompts = [pair.prompt[0].content for pair in rewardbench.pairs(tmp_path)]
    assert prompts == ["first", "second"]


def test_a_conversation_of_several_turns_keeps_its_turns(rewardbench, write_rows):
    turns = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
    ]
    (pair,) = rewardbench.pairs(write_rows("x.jsonl", [row(0, prompt=turns)]))
    assert pair.prompt == (Message("user", "a"), Message("assistant", "b"), Message("user", "c"))
    assert pair.tags["turns"] == "3"


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        ({"subset": "no-such"}, "subset"),
        ({"subset": 3}, "subset"),
        ({"chosen": ["a"]}, "chosen"),
        ({"rejected": None}, "rejected"),
        ({"prompt": []}, "prompt"),
        ({"prompt": [{"role": "robot", "content": "x"}]}, "prompt"),
        ({"index": "first"}, "index"),
        ({"index": 0}, "index"),
    ],
)
def test_a_bad_row_is_named_with_file_row_and_field(rewardbench, write_rows, bad, field):
    path = write_rows("rows.jsonl", [row(0), row(1) | bad])
    with pytest.raises(BadInput) as caught:
        list(rewardbench.pairs(path))
    assert (caught.value.path, caught.value.row, caught.value.field) == (str(path), 2, field)


def test_a_missing_column_is_named(rewardbench, write_rows):
    fields = row(0)
    del fields["chosen"]
    with pytest.raises(BadInput, match=r"row 1, field 'chosen': is missing"):
        list(rewardbench.pairs(write_rows("rows.jsonl", [fields])))


def test_a_folder_without_data_says_what_is_expected(rewardbench, tmp_path):
    with pytest.raises(UsageError, match=r"expected filtered.*--data PATH"):
        list(rewardbench.pairs(tmp_path))


def test_a_folder_with_rivals_asks_which(rewardbench, write_rows, tmp_path):
    write_rows("filtered.json", [row(0)])
    write_rows("filtered_old.json", [row(0)])
    with pytest.raises(UsageError, match=r"filtered\.json, filtered_old\.json.*--data PATH"):
        list(rewardbench.pairs(tmp_path))


def test_the_hub_layout_loads_through_datasets(rewardbench, write_rows, tmp_path):
    write_rows("data/filtered-00000-of-00001.parquet", [row(None, id=i) for i in range(3)])
    write_rows("data/raw-00000-of-00001.parquet", [row(None, id=9)])
    config = "configs:\n- config_name: default\n  data_files:\n"
    splits = "".join(f"  - split: {s}\n    path: data/{s}-*\n" for s in ("raw", "filtered"))
    (tmp_path / "README.md").write_text(f"---\n{config}{splits}---\n")
    hub = msgspec.structs.replace(rewardbench, hub=str(tmp_path))
    assert list(hub.pairs(None)) == list(rewardbench.pairs(tmp_path))


def test_both_orders_average_to_the_expectation_of_one(rewardbench, write_rows, judged):
    pairs = every_pair(rewardbench, write_rows)
    rng = random.Random(3)
    results = [(rng.random() < 0.8, rng.random() < 0.6) for _ in pairs]
    both = [judged(pair, *result) for pair, result in zip(pairs, results, strict=True)]
    one_order = [
        rewardbench.summarize(
            [judged(pair, result[side]) for pair, result in zip(pairs, results, strict=True)],
            "strict",
        ).headline.value
        for side in (0, 1)
    ]
    value = rewardbench.summarize(both, "strict").headline.value
    assert value == pytest.approx(sum(one_order) / 2, abs=1e-12)


def test_undecided_answers_lose_strictly_and_half_win_as_published(rewardbench, write_rows, judged):
    pairs = every_pair(rewardbench, write_rows)
    outcomes = [judged(pair, Verdict.UNPARSED) for pair in pairs]
    assert rewardbench.summarize(outcomes, "strict").headline.value == 0
    assert rewardbench.summarize(outcomes, "as-published").headline.value == 0.5


def test_equal_scores_of_a_reward_model_lose_under_both_rules(rewardbench, write_rows, judged):
    outcomes = [judged(pair, Verdict.TIE) for pair in every_pair(rewardbench, write_rows)]
    assert rewardbench.summarize(outcomes, "as-published").headline.value == 0.5
    scored = [
        msgspec.structs.replace(
            outcome,
            verdicts=tuple(
                msgspec.structs.replace(v, chosen_score=1.0, rejected_score=1.0)
                for v in outcome.verdicts
            ),
        )
        for outcome in outcomes
    ]
    for rule in ("strict", "as-published"):
        scores = rewardbench.summarize(scored, rule)
        assert scores.headline.value == 0
        assert all(metric.value == 0 for metric in scores.metrics)


def test_prior_sets_count_half_in_the_leaderboard_only(rewardbench, write_rows, judged, values):
    rows = [row(0, "shp"), row(1, "summarize"), row(2, "summarize"), row(3, "math-prm")]
    pairs = list(rewardbench.pairs(write_rows("prior.jsonl", rows)))
    results = (1, 0, 0, 1)
    scores = rewardbench.summarize(list(map(judged, pairs, results)), "strict")
    got = values(scores)
    # the mean of two prior sets is 1/2, and the leaderboard (1 * 1 + 0.5 * 1/2) / 1.5
    assert (got["Prior Sets"], got["Micro average"], scores.headline.value) == (0.5, 1, 1)
    assert got["Leaderboard"] == pytest.approx(1.25 / 1.5)


def test_without_prior_sets_the_leaderboard_is_the_headline(
    rewardbench, write_rows, judged, values
):
    rng = random.Random(0)
    pairs = every_pair(rewardbench, write_rows)
    scores = rewardbench.summarize([judged(p, rng.random() < 0.7) for p in pairs], "strict")
    assert values(scores)["Leaderboard"] == pytest.approx(scores.headline.value, abs=1e-15)


@pytest.mark.parametrize("subset", ["mt-bench-hard", "math-prm", *PRIOR_SETS])
def test_one_pair_alone_can_be_summarized(rewardbench, write_rows, judged, subset):
    (pair,) = rewardbench.pairs(write_rows("one.jsonl", [row(0, subset)]))
    headline = rewardbench.summarize([judged(pair, True)], "strict").headline
    assert (headline.value, headline.n, headline.high) == (1, 1, 1)
    assert headline.low < 0.5


def test_the_order_of_outcomes_does_not_matter(rewardbench, write_rows, judged):
    rng = random.Random(1)
    outcomes = [judged(p, rng.random() < 0.7) for p in every_pair(rewardbench, write_rows)]
    before = rewardbench.summarize(outcomes, "strict").headline
    rng.shuffle(outcomes)
    after = rewardbench.summarize(outcomes, "strict").headline
    assert after.value == before.value
    assert (after.low, after.high) == pytest.approx((before.low, before.high), abs=1e-12)


def test_a_report_draws_sections_and_subsets(rewardbench, write_rows, judged):
    outcomes = [judged(pair, True) for pair in every_pair(rewardbench, write_rows)]
    overview, subsets = rewardbench.charts(rewardbench.summarize(outcomes, "strict"))
    labels = [row.label for row in overview.rows]
    assert labels[:5] == ["Mean of sections", "Chat", "Chat Hard", "Safety", "Reasoning"]
    assert len(subsets.rows) == 23
