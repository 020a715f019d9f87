from __future__ import annotations

import gzip
import json
import random
from collections import Counter

import msgspec
import pytest

from rmr1_core import Message, Verdict
from rmr1_core.errors import BadInput, UsageError
from rmr1_rmb.categories import BON, CATEGORIES, EXPECTED, PAIRWISE

DOCUMENTATION = "Helpfulness/Code/Documentation"


def turns(*texts):
    roles = ("user", "assistant")
    return [{"role": roles[i % 2], "content": text} for i, text in enumerate(texts)]


def response(name, text="an answer"):
    return {"llm_name": name, "answer": text}


def pair_row(uid, category=DOCUMENTATION, **other):
    return {
        "pair_uid": str(uid),
        "conversation_input": turns(f"question {uid}"),
        "chosen": response("good"),
        "reject": response("bad"),
        "category_path": f"{PAIRWISE}/{category}",
        **other,
    }


def item_row(uid, category=DOCUMENTATION, losers=2, **other):
    return {
        "bon_uid": str(uid),
        "conversation_input": turns(f"question {uid}"),
        "bon_best": response("good"),
        "loser_list": [response(f"bad-{k}") for k in range(losers)],
        "category_path": f"{BON}/{category}",
        **other,
    }


def read_golden(path):
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def category_values(scores, goal, label):
    prefix = f"{goal} {label}/"
    return {
        m.name.removeprefix(prefix): m.value
        for m in scores.metrics
        if m.name.startswith(prefix) and m.name != f"{prefix}pairs"
    }


def agree(scores, golden, values):
    """Scores equal a set of RM-R1's result files."""
    got = values(scores)
    for goal in ("Helpfulness", "Harmlessness"):
        for label, set_name in (("pairwise", PAIRWISE), ("BoN", BON)):
            _, per_category = golden[f"{set_name}_{goal}"]
            wanted = {path.split("/", 2)[2]: value for path, value in per_category.items()}
            found = category_values(scores, goal, label)
            assert found == pytest.approx(wanted, abs=1e-12)
        micro = golden[f"{BON}_{goal}"][0]["Absolute Accuracy (all correct / all)"]
        assert got[f"{goal} BoN/pairs"] == pytest.approx(micro, abs=1e-12)
        meta = golden["META_RESULT"]
        assert got[f"{goal} pairwise"] == pytest.approx(meta[f"Pairwise {goal}"], abs=1e-12)
        assert got[f"{goal} BoN"] == pytest.approx(meta[f"BoN {goal}"], abs=1e-12)
    overall = meta["Accuracy Averaged from Four Sections"]
    assert scores.headline.value == pytest.approx(overall, abs=1e-12)


def test_verdicts_score_as_rm_r1s_scripts_do(rmb, shared, write_rows, judged, values):
    folder = shared / "golden/rmb"
    single = read_golden(folder / "pairwise_seed0.input.jsonl.gz")
    items = read_golden(folder / "bon_seed0.input.jsonl.gz")
    rows = [
        *(pair_row(r["pair_uid"], category_path=r["category_path"]) for r in single),
        *(
            item_row(r["bon_uid"], losers=len(r["verdicts"]), category_path=r["category_path"])
            for r in items
        ),
    ]
    results = [r["verdict"] for r in single] + [v for r in items for v in r["verdicts"]]
    pairs = list(rmb.pairs(write_rows("golden.jsonl", rows)))
    assert len(pairs) == len(results) == sum(EXPECTED.values())
    outcomes = [judged(pair, result) for pair, result in zip(pairs, results, strict=True)]
    golden = json.loads((folder / "seed0.expected.json").read_text())
    agree(rmb.summarize(outcomes, "strict"), golden, values)


def golden_published(published):
    """Published counts in the shape of RM-R1's result files."""
    files = {}
    for name in [f"{s}_{g}" for s in (PAIRWISE, BON) for g in ("Helpfulness", "Harmlessness")]:
        per_category = published[name]["per_category"]
        files[name] = [
            published[name]["published_top"],
            {path: counts["published"] for path, counts in per_category.items()},
        ]
    return files | {"META_RESULT": published["published_META_RESULT"]}


@pytest.mark.parametrize(
    "model", ["RM-R1-DeepSeek-Distilled-Qwen-32B", "RM-R1-Qwen2.5-Instruct-32B"]
)
def test_published_counts_give_the_published_scores(rmb, shared, write_rows, judged, values, model):
    file = shared / "golden/published/rmr1_published_counts.json"
    published = json.loads(file.read_text())[model]["rmb"]
    left = {
        path: counts["correct"]
        for part in published.values()
        for path, counts in part.get("per_category", {}).items()
    }
    rows = [
        pair_row(f"{c.goal}-{c.name}-{k}", f"{c.goal}/{c.name}")
        for c in CATEGORIES
        for k in range(c.pairs)
    ]
    rows += [
        item_row(f"{c.goal}-{c.name}-{k}", f"{c.goal}/{c.name}", losers=1)
        for c in CATEGORIES
        for k in range(c.items)
    ]
    outcomes = []
    for pair in rmb.pairs(write_rows("counts.jsonl", rows)):
        left[pair.subset] -= 1
        outcomes.append(judged(pair, left[pair.subset] >= 0))
    golden = golden_published(published)
    for goal in ("Helpfulness", "Harmlessness"):
        # one loser an item here, so that accuracy over pairs is that over items
        top = golden[f"{BON}_{goal}"][0]
        top["Absolute Accuracy (all correct / all)"] = top["BoN Final Accuracy"]
    agree(rmb.summarize(outcomes, "strict"), golden, values)


def test_the_real_data_loads_whole(rmb, shared):
    pairs = list(rmb.pairs(shared / "data/rmb"))
    have = Counter(pair.subset for pair in pairs)
    missing = {path for path, n in EXPECTED.items() if have[path] != n}
    assert missing == {
        f"{PAIRWISE}/Harmlessness/S11",
        f"{PAIRWISE}/Helpfulness/Brainstorming/Idea Development",
        f"{PAIRWISE}/Helpfulness/Generation/Creative Writing",
    }
    tasks = Counter(pair.tags["task"] for pair in pairs)
    assert tasks == {"pairwise": 14543, "bon": 8714}
    assert len({pair.tags["item"] for pair in pairs if "item" in pair.tags}) == 3786
    assert len({pair.id for pair in pairs}) == len(pairs)


def test_quirks_of_the_real_data_survive(real_rmb):
    pairs = real_rmb
    conversations = {(p.tags["task"], p.id.split("/")[1]): p for p in pairs}.values()
    assert {len(pair.prompt) for pair in pairs} == {1, 3, 5}
    assert {pair.prompt[-1].role for pair in pairs} == {"user"}
    assert any("language" not in pair.tags for pair in conversations)
    pairwise = [pair for pair in pairs if pair.tags["task"] == "pairwise"]
    assert sum(pair.chosen == pair.rejected for pair in pairwise) == 11
    empty = [p for p in pairwise if not p.chosen.strip() or not p.rejected.strip()]
    assert len(empty) == 2
    equal = {p.tags["item"] for p in pairs if "item" in p.tags and p.chosen == p.rejected}
    assert len(equal) == 6


def test_pairs_and_items_of_one_conversation_are_one_cluster(real_rmb):
    tasks = {}
    for pair in real_rmb:
        tasks.setdefault(pair.group, set()).add(pair.tags["task"])
    assert Counter(map(len, tasks.values())) == {1: 1095, 2: 1908}


def test_the_real_data_comes_in_upstreams_order(real_rmb):
    for task in ("pairwise", "bon"):
        uids = [int(p.id.split("/")[1]) for p in real_rmb if p.tags["task"] == task]
        assert uids == sorted(uids)


@pytest.mark.parametrize(
    ("below", "expected"),
    [
        ("rmb", {"pairwise": 14543, "bon": 8714}),
        ("rmb/RMB_dataset", {"pairwise": 14543, "bon": 8714}),
        ("rmb/RMB_dataset/BoN_set", {"bon": 8714}),
        ("rmb/RMB_dataset/BoN_set/Harmlessness/multi.json.gz", {"bon": 294}),
    ],
)
def test_any_level_of_upstreams_folders_loads(rmb, shared, below, expected):
    pairs = rmb.pairs(shared / "data" / below)
    assert Counter(pair.tags["task"] for pair in pairs) == expected


@pytest.mark.parametrize(
    ("parts", "total"), [("all", 17131 + 8714), ("pairwise", 17131), ("bon", 8714)]
)
def test_parts_choose_what_is_judged(rmb, write_rows, parts, total):
    one = msgspec.structs.replace(rmb, parts=parts)
    path = write_rows("both.jsonl", [pair_row(0), item_row(0)])
    tasks = {pair.tags["task"] for pair in one.pairs(path)}
    assert tasks == ({"pairwise", "bon"} if parts == "all" else {parts})
    assert sum(one.expected.values()) == total


def test_the_goals_have_37_and_12_categories(rmb):
    assert Counter(c.goal for c in CATEGORIES) == {"Helpfulness": 37, "Harmlessness": 12}
    assert sum(c.items for c in CATEGORIES) == 3786


def hub_row(uid, category, names, best=0):
    return {
        "uid": str(uid),
        "conversation": [{**turn, "language": "English"} for turn in turns(f"question {uid}")],
        "responses": [response(name) for name in names],
        "preferred_index": best,
        "category_path": category,
        "split_type": "x",
    }


def hub_rows():
    pairwise = [hub_row(0, f"{PAIRWISE}/{DOCUMENTATION}", ["bad", "good"], best=1)]
    bon = [hub_row(0, f"{BON}/{DOCUMENTATION}", ["good", "bad-0", "bad-1"])]
    return pairwise, bon


def upstream_rows():
    conversation = [{**turn, "language": "English"} for turn in turns("question 0")]
    return [row(0, conversation_input=conversation) for row in (pair_row, item_row)]


def test_the_hubs_copy_gives_upstreams_pairs(rmb, write_rows, tmp_path):
    pairwise, bon = hub_rows()
    write_rows("hub/data/pairwise-00000-of-00001.parquet", pairwise)
    write_rows("hub/data/bon-00000-of-00001.parquet", bon)
    upstream = list(rmb.pairs(write_rows("upstream.jsonl", upstream_rows())))
    assert list(rmb.pairs(tmp_path / "hub")) == upstream
    assert [pair.id for pair in upstream] == ["pairwise/0", "bon/0/bad-0", "bon/0/bad-1"]


def test_the_hub_layout_loads_through_datasets(rmb, write_rows, tmp_path):
    pairwise, bon = hub_rows()
    write_rows("data/pairwise-00000-of-00001.parquet", pairwise)
    write_rows("data/bon-00000-of-00001.parquet", bon)
    config = "configs:\n- config_name: default\n  data_files:\n"
    splits = "".join(f"  - split: {s}\n    path: data/{s}-*\n" for s in ("pairwise", "bon"))
    (tmp_path / "README.md").write_text(f"---\n{config}{splits}---\n")
    hub = msgspec.structs.replace(rmb, hub=str(tmp_path))
    assert list(hub.pairs(None)) == list(rmb.pairs(tmp_path))


def test_a_hub_without_the_data_names_the_authors_repository(rmb, tmp_path):
    hub = msgspec.structs.replace(rmb, hub=str(tmp_path / "nothing"))
    with pytest.raises(UsageError, match=r"--data PATH.*github\.com/Zhou-Zoey"):
        list(hub.pairs(None))


def test_a_conversation_of_several_turns_keeps_its_turns(rmb, write_rows):
    row = pair_row(0, conversation_input=turns("a", "b", "c"))
    (pair,) = rmb.pairs(write_rows("x.json", [row]))
    assert pair.prompt == (Message("user", "a"), Message("assistant", "b"), Message("user", "c"))


@pytest.mark.parametrize(
    ("good", "bad", "field"),
    [
        (pair_row, {"category_path": "Pairwise_set/Harmlessness/S99"}, "category_path"),
        (pair_row, {"category_path": None}, "category_path"),
        (pair_row, {"conversation_input": []}, "conversation_input"),
        (pair_row, {"conversation_input": [{"content": "x"}]}, "conversation_input"),
        (pair_row, {"chosen": "text"}, "chosen"),
        (pair_row, {"reject": {"llm_name": "x"}}, "reject"),
        (pair_row, {"pair_uid": []}, "pair_uid"),
        (pair_row, {"pair_uid": "0"}, "pair_uid"),
        (item_row, {"bon_best": None}, "bon_best"),
        (item_row, {"loser_list": []}, "loser_list"),
        (item_row, {"bon_uid": "0"}, "bon_uid"),
        (item_row, {"responses": [], "preferred_index": 0}, "preferred_index"),
        (item_row, {"responses": [response("x")] * 2, "preferred_index": 2}, "preferred_index"),
    ],
)
def test_a_bad_row_is_named_with_file_row_and_field(rmb, write_rows, good, bad, field):
    path = write_rows("rows.json", [good(0), good(1) | bad])
    with pytest.raises(BadInput) as caught:
        list(rmb.pairs(path))
    assert (caught.value.path, caught.value.row, caught.value.field) == (str(path), 2, field)


def test_a_folder_without_data_says_what_is_expected(rmb, tmp_path):
    with pytest.raises(UsageError, match=r"expected RMB_dataset.*--data PATH"):
        list(rmb.pairs(tmp_path))


def test_an_item_is_won_only_against_every_loser(rmb, write_rows, judged, values):
    pairs = list(rmb.pairs(write_rows("x.json", [item_row(0), item_row(1), item_row(2)])))
    results = (True, True, True, False, True, Verdict.TIE)
    scores = rmb.summarize(list(map(judged, pairs, results)), "strict")
    assert scores.headline.value == pytest.approx(1 / 3)
    assert scores.headline.n == 3
    assert values(scores)["Helpfulness BoN/pairs"] == pytest.approx(4 / 6)


def test_an_items_value_in_both_orders_is_its_expectation(rmb, write_rows, judged):
    pairs = list(rmb.pairs(write_rows("x.json", [item_row(0)])))
    outcomes = [judged(pairs[0], True, False), judged(pairs[1], False, True)]
    # each pair is won in one of two orders, so the item is won in one of four
    assert rmb.summarize(outcomes, "strict").headline.value == 0.25


def test_items_judged_against_some_losers_are_left_out_and_noted(rmb, write_rows, judged):
    pairs = list(rmb.pairs(write_rows("x.json", [item_row(0), item_row(1)])))
    outcomes = list(map(judged, pairs[:3], (True, False, True)))
    scores = rmb.summarize(outcomes, "strict")
    assert (scores.headline.value, scores.headline.n) == (0, 1)
    assert "1 best-of-N items left out" in scores.notes[0]


def test_items_are_counted_and_noted_where_none_is_complete(rmb, write_rows, judged):
    first, *_ = rmb.pairs(write_rows("x.json", [item_row(0)]))
    scores = rmb.summarize([judged(first, True)], "strict")
    assert scores.headline.value == 1
    assert "1 best-of-N items counted all the same" in scores.notes[0]


@pytest.mark.parametrize("row", [pair_row, item_row])
def test_one_pair_alone_can_be_summarized(rmb, write_rows, judged, row):
    pair, *_ = rmb.pairs(write_rows("x.json", [row(0)]))
    headline = rmb.summarize([judged(pair, True)], "strict").headline
    assert (headline.value, headline.n, headline.high) == (1, 1, 1)
    assert headline.low < 0.5


def test_missing_parts_are_left_out_of_the_overall(rmb, write_rows, judged, values):
    rows = [pair_row(0), pair_row(1, "Harmlessness/S1")]
    pairs = list(rmb.pairs(write_rows("x.json", rows)))
    scores = rmb.summarize(list(map(judged, pairs, (True, False))), "strict")
    assert scores.headline.value == 0.5
    assert "Helpfulness BoN" not in values(scores)


def test_the_order_of_outcomes_does_not_matter(rmb, real_rmb, judged):
    rng = random.Random(1)
    outcomes = [judged(p, rng.random() < 0.7) for p in real_rmb]
    before = rmb.summarize(outcomes, "strict").headline
    rng.shuffle(outcomes)
    after = rmb.summarize(outcomes, "strict").headline
    assert after.value == before.value
    assert (after.low, after.high) == pytest.approx((before.low, before.high), abs=1e-12)


def test_a_report_draws_the_categories_of_each_goal(rmb, real_rmb, judged):
    scores = rmb.summarize([judged(pair, True) for pair in real_rmb], "strict")
    overview, helpful, harmless = rmb.charts(scores)
    assert overview.rows[0].label == "Overall"
    assert (helpful.title, harmless.title) == (
        "Helpfulness by category",
        "Harmlessness by category",
    )
    assert helpful.series == ("pairwise", "BoN")
    assert len(harmless.rows) > 5
    drawn = [m.value for chart in (helpful, harmless) for r in chart.rows for m in r.metrics if m]
    assert set(drawn) == {1.0}
