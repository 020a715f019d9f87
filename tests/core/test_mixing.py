from __future__ import annotations

import hashlib
import json
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from mixes import example, ids, mixture, numbered, offer, removed_of, rows_of, run

from rmr1_core import Message, MixSource, OverlapRule, Ref, RowFilters, mixing, mixtures, recipes
from rmr1_core.discovery import plugins
from rmr1_core.errors import BadInput, Rmr1Error, UnknownName, UsageError
from rmr1_core.lookup import resolve
from rmr1_core.mix_report import MixReport
from rmr1_core.skipping import skipping

FILES = ("README.md", "mix.json", "removed.jsonl", "train.jsonl")


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    plugins.cache_clear()
    yield
    plugins.cache_clear()


def test_two_runs_write_the_same_bytes(tmp_path: Path) -> None:
    offer({"one": numbered(50), "two": numbered(50, "other")}, {"known": ["question row-7"]})
    mixed = mixture("one", "two", overlap=OverlapRule(benchmarks=(Ref(name="known"),)))
    run(mixed, tmp_path / "a")
    run(mixed, tmp_path / "b")
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == sorted(FILES)
    for name in FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_another_process_with_another_hash_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        'name = "mine"\ndescription = "Toy."\norder = "as-given"\n'
        '[overlap]\nbenchmarks = [{name = "toy"}]\nthreshold = 0.5\nwords = 2\n'
        '[[sources]]\nname = "toy"\ndataset = {name = "toy"}\ncount = 300\nshuffle_seed = 3\n'
    )
    for seed in ("1", "2"):
        subprocess.run(
            [sys.executable, "-m", "rmr1_core", "data", "mix", "mine.toml", "-o", seed],
            cwd=tmp_path,
            env={"PYTHONHASHSEED": seed, "PATH": "", "HF_HUB_OFFLINE": "1"},
            check=True,
            capture_output=True,
        )
    for name in FILES:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_the_chosen_answer_is_first_in_every_other_row(tmp_path: Path) -> None:
    offer({"one": [example(f"{n}", first=n % 3 == 0) for n in range(101)]})
    run(mixture("one"), tmp_path / "mix")
    orders = [row["chosen_first"] for row in rows_of(tmp_path / "mix")]
    assert orders == [position % 2 == 0 for position in range(101)]


def test_a_text_that_looks_like_a_lines_order_is_left_alone(tmp_path: Path) -> None:
    nasty = ',"chosen_first":true and ,"chosen_first":false'
    rows = [example(f"{n}", nasty + str(n), nasty, nasty + "!", first=n % 2 > 0) for n in range(9)]
    offer({"one": rows})
    run(mixture("one"), tmp_path / "mix")
    mixed = rows_of(tmp_path / "mix")
    assert [row["chosen_first"] for row in mixed] == [n % 2 == 0 for n in range(9)]
    assert {(row["chosen"], row["rejected"]) for row in mixed} == {(nasty, nasty + "!")}


def test_rows_keep_their_own_order_of_answers_where_that_is_asked_for(tmp_path: Path) -> None:
    rows = [
        example(f"{n}", first=n < 4, trace=f"<answer>[[{'BA'[n < 4]}]]</answer>") for n in range(9)
    ]
    offer({"one": rows})
    with pytest.raises(UsageError, match=r"row '0' has a trace.*--set order=as-given"):
        run(mixture("one"), tmp_path / "mix")
    assert not (tmp_path / "mix").exists()
    run(mixture("one", order="as-given"), tmp_path / "mix")
    mixed = {row["id"]: row for row in rows_of(tmp_path / "mix")}
    for row in rows:
        assert mixed[row.pair.id]["chosen_first"] is row.chosen_first
        assert mixed[row.pair.id]["trace"] == row.trace


def test_a_mix_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    offer({"one": [example("a", "é ü\n", "x\ty", 'q"z', domain="chat"), *numbered(3)]})
    run(mixture("one"), tmp_path / "mix")
    read = list(resolve("dataset", f"mixed:{tmp_path / 'mix'}").examples("train", seed=0))
    assert [e.pair.id for e in read] == ids(rows_of(tmp_path / "mix"))
    (back,) = (e.pair for e in read if e.pair.id == "a")
    assert back.prompt[0].content == "é ü\n"
    assert (back.chosen, back.rejected) == ("x\ty", 'q"z')
    assert back.tags["domain"] == "chat"


def test_the_seed_decides_the_order_and_nothing_else(tmp_path: Path) -> None:
    offer({"one": numbered(40)})
    for seed in (0, 1):
        run(mixture("one", seed=seed), tmp_path / str(seed))
    first, second = (ids(rows_of(tmp_path / str(seed))) for seed in (0, 1))
    assert first != second
    assert sorted(first) == sorted(second)
    assert first != sorted(first)


def test_a_row_more_does_not_change_the_order_of_the_others(tmp_path: Path) -> None:
    offer({"one": numbered(40), "more": numbered(41)})
    for name in ("one", "more"):
        run(mixture(name), tmp_path / name)
    more = ids(rows_of(tmp_path / "more"))
    assert [name for name in more if name != "row-40"] == ids(rows_of(tmp_path / "one"))


# repeats


def test_rows_that_differ_in_space_and_case_are_duplicates(tmp_path: Path) -> None:
    offer(
        {
            "one": [
                example("a", "Which way?", "Left,  I think", "Right"),
                example("b", " which\tWAY? ", "left, i think\n", "RIGHT "),
                example("c", "which way?", "left, i think", "right!"),
            ]
        }
    )
    report = run(mixture("one"), tmp_path / "mix")
    assert sorted(ids(rows_of(tmp_path / "mix"))) == ["a", "c"]
    (removed,) = removed_of(tmp_path / "mix").values()
    assert removed == {"id": "b", "source": "one", "reason": "duplicate", "other": "a"}
    assert report.sources[0].removed == {"duplicate": 1}


def test_a_duplicate_in_another_source_is_removed_from_the_later_one(tmp_path: Path) -> None:
    offer({"one": numbered(3), "two": [*numbered(3, "x"), example("again", "question row-1")]})
    run(mixture("two", "one"), tmp_path / "mix")
    assert removed_of(tmp_path / "mix")["row-1"]["other"] == "again"


def test_the_same_pair_with_its_answers_swapped_is_a_duplicate(tmp_path: Path) -> None:
    offer({"one": [example("a", "q", first=True), example("b", "q", first=False)]})
    run(mixture("one"), tmp_path / "mix")
    assert removed_of(tmp_path / "mix")["b"]["reason"] == "duplicate with its answers swapped"


def test_contradictory_labels_remove_all_rows_that_have_them(tmp_path: Path) -> None:
    offer(
        {
            "one": [
                example("a", "q", "x", "y"),
                example("b", "q", "y", "X"),
                example("c", "q", "x", "y"),
                example("d", "q", "x", "z"),
            ]
        }
    )
    run(mixture("one"), tmp_path / "mix")
    assert ids(rows_of(tmp_path / "mix")) == ["d"]
    removed = removed_of(tmp_path / "mix")
    assert {name: row["reason"] for name, row in removed.items()} == dict.fromkeys(
        "abc", "contradictory labels"
    )
    assert [removed[name]["other"] for name in "abc"] == ["b", "a", "b"]


def test_identical_answers_are_removed(tmp_path: Path) -> None:
    offer({"one": [example("a", "q", "Same.", " same. "), *numbered(1)]})
    run(mixture("one"), tmp_path / "mix")
    assert removed_of(tmp_path / "mix")["a"]["reason"] == "identical answers"
    assert ids(rows_of(tmp_path / "mix")) == ["row-0"]


def test_roles_and_system_messages_tell_rows_apart(tmp_path: Path) -> None:
    one = example("a", "q")
    prompt = (Message("system", "be brief"), *one.pair.prompt)
    pair = msgspec.structs.replace(one.pair, id="b", prompt=prompt)
    offer({"one": [one, msgspec.structs.replace(one, pair=pair)]})
    assert run(mixture("one"), tmp_path / "mix").rows == 2


# filters and counts


def test_filters_drop_and_keep_by_tag_and_length(tmp_path: Path) -> None:
    rows = [
        *numbered(3, "ultra", part="magpie_ultra"),
        *numbered(2, "chat", domain="chat"),
        *numbered(4, "code", domain="code"),
        example("long", chosen="x" * 500, domain="code"),
    ]
    offer({"one": rows})
    filters = RowFilters(
        drop={"part": ("magpie_ultra",)}, keep={"domain": ("code",)}, max_chars=300
    )
    source = MixSource(name="one", dataset=Ref(name="one"), filters=filters)
    (found,) = run(mixture(source), tmp_path / "mix").sources
    assert found.filtered == {
        "part is magpie_ultra": 3,
        "domain is none of code": 2,
        "longer than 300 characters": 1,
    }
    assert (found.read, found.taken, found.kept) == (10, 4, 4)


def test_a_filter_on_a_tag_that_no_row_has_is_an_error(tmp_path: Path) -> None:
    offer({"one": numbered(3)})
    filters = RowFilters(drop={"sorce": ("x",)})
    source = MixSource(name="one", dataset=Ref(name="one"), filters=filters)
    with pytest.raises(UsageError, match=r"no row has the tag 'sorce'.*rmr1 data preview one"):
        run(mixture(source), tmp_path / "mix")
    assert list(tmp_path.iterdir()) == []


def test_a_draw_is_the_one_of_the_library_datasets(tmp_path: Path) -> None:
    import datasets

    names = [f"row-{n}" for n in range(60)]
    library = datasets.Dataset.from_dict({"id": names}).shuffle(seed=42).select(range(20))["id"]
    offer({"one": numbered(60)})
    source = MixSource(name="one", dataset=Ref(name="one"), count=20, shuffle_seed=42)
    report = run(mixture(source), tmp_path / "mix")
    assert sorted(ids(rows_of(tmp_path / "mix"))) == sorted(library)
    assert (report.sources[0].read, report.sources[0].not_drawn) == (60, 40)


def test_a_count_without_a_seed_takes_the_first_rows_and_reads_no_more(tmp_path: Path) -> None:
    offer({"one": [*numbered(5), BadInput("file", "never read", row=6)]})
    source = MixSource(name="one", dataset=Ref(name="one"), count=5)
    assert run(mixture(source), tmp_path / "mix").sources[0].read == 5


def test_too_few_rows_for_a_count_say_how_many_there_are(tmp_path: Path) -> None:
    offer({"one": numbered(5)})
    source = MixSource(name="one", dataset=Ref(name="one"), count=6)
    with pytest.raises(UsageError, match=r"has 5 rows .* asks for 6; .*--set sources.one.count=5"):
        run(mixture(source), tmp_path / "mix")


def test_weights_share_what_the_scarcest_source_allows(tmp_path: Path) -> None:
    offer({"one": numbered(90), "two": numbered(20, "x"), "all": numbered(7, "y")})
    sources = [
        MixSource(name="one", dataset=Ref(name="one"), weight=3, shuffle_seed=0),
        MixSource(name="two", dataset=Ref(name="two"), weight=1),
    ]
    report = run(mixture(*sources, "all"), tmp_path / "mix")
    assert [source.kept for source in report.sources] == [60, 20, 7]
    report = run(mixture(*sources, "all", total=40), tmp_path / "mix")
    assert [source.kept for source in report.sources] == [30, 10, 7]


def test_rows_are_taken_before_repeats_are_removed(tmp_path: Path) -> None:
    offer({"one": [example("a", "q"), example("b", "q"), example("c", "r")]})
    source = MixSource(name="one", dataset=Ref(name="one"), count=2)
    (found,) = run(mixture(source), tmp_path / "mix").sources
    assert (found.taken, found.kept) == (2, 1)


def test_two_sources_of_one_dataset_have_different_names_for_their_rows(tmp_path: Path) -> None:
    offer({"one": numbered(6)})
    sources = [
        MixSource(name=name, dataset=Ref(name="one"), count=count, shuffle_seed=seed)
        for name, count, seed in (("first", 2, 0), ("second", 2, 5))
    ]
    run(mixture(*sources), tmp_path / "mix")
    found = ids(rows_of(tmp_path / "mix"))
    assert {name.partition(":")[0] for name in found} == {"first", "second"}
    assert len(set(found)) == len(found)


def test_rows_are_filtered_by_the_tokens_of_a_model(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    backbone = resolve("backbone", "tiny").prepare(
        tmp_path / "model", seed=0, corpus=lambda: ["question row good bad"] * 50
    )
    offer({"one": [*numbered(3), example("long", chosen="good " * 200)]})
    filters = RowFilters(max_tokens=100, tokenizer=str(backbone.model))
    source = MixSource(name="one", dataset=Ref(name="one"), filters=filters)
    (found,) = run(mixture(source), tmp_path / "mix").sources
    assert found.filtered == {"longer than 100 tokens": 1}


# report, card, failures


def test_the_report_and_the_card_say_what_is_there_and_what_is_not(tmp_path: Path) -> None:
    offer(
        {
            "one": [*numbered(4, domain="code"), example("twin", "question row-0")],
            "two": [*numbered(2, "x", licence="MIT"), BadInput("f.jsonl", "no answer", row=9)],
        },
        {"known": ["question row-1"]},
    )
    expecting = MixSource(name="two", dataset=Ref(name="two"), expected=3)
    mixed = mixture("one", expecting, overlap=OverlapRule(benchmarks=(Ref(name="known"),)))
    with skipping() as skipped:
        report = run(mixed, tmp_path / "mix", skipped=skipped)
    stored = json.loads((tmp_path / "mix" / "mix.json").read_text())
    assert msgspec.convert(stored, MixReport) == report
    content = (tmp_path / "mix" / "train.jsonl").read_bytes()
    assert stored["sha256"] == hashlib.sha256(content).hexdigest()
    assert (stored["bytes"], stored["rows"]) == (len(content), 5)
    assert stored["sources"][0]["removed"] == {"prompt of a benchmark": 1, "duplicate": 1}
    assert stored["sources"][0]["licences"] == {"CC0-1.0": 3}
    assert stored["sources"][0]["domains"] == {"code": 3}
    assert stored["skipped"] == ["f.jsonl, row 9: no answer"]
    written = (tmp_path / "mix" / "README.md").read_text()
    assert "| one | `one` | 5 | 0 | 0 | 5 | 2 | 3 | `" in written
    assert "| two | MIT | 2 |" in written
    assert "| one | duplicate | 1 |" in written
    assert "| known | 1 | 1 | 1 |" in written
    assert stored["sha256"] in written
    assert "source 'two' gives 2 rows, and 3 are expected" in written
    assert recipes.encode(mixed) in written
    assert "path: train.jsonl" in written.split("---")[1]


def test_the_hash_of_a_source_changes_with_its_rows_and_with_nothing_else(tmp_path: Path) -> None:
    offer({"one": numbered(4), "two": [*numbered(3), example("row-3", rejected="worse")]})
    found = {
        name: run(mixture(*sources, seed=seed), tmp_path / name).sources[-1].content
        for name, sources, seed in (
            ("alone", ["one"], 0),
            ("behind", ["two", "one"], 5),
            ("other", ["two"], 0),
        )
    }
    assert found["alone"] == found["behind"] != found["other"]


def test_a_bad_row_stops_the_mix_and_leaves_nothing(tmp_path: Path) -> None:
    offer({"one": [*numbered(3), BadInput("f.jsonl", "no answer", row=4)]})
    with pytest.raises(BadInput, match=r"f.jsonl, row 4: no answer"):
        run(mixture("one"), tmp_path / "mix")
    assert list(tmp_path.iterdir()) == []


def test_a_mix_replaces_an_older_one_and_nothing_else(tmp_path: Path) -> None:
    offer({"one": numbered(3)})
    run(mixture("one"), tmp_path / "mix")
    run(mixture("one", seed=1), tmp_path / "mix")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="is there and is no mix; name another folder"):
        run(mixture("one"), tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_an_older_mix_stays_when_the_new_one_fails(tmp_path: Path) -> None:
    offer({"one": numbered(3), "bad": [BadInput("f", "broken", row=1)]})
    run(mixture("one"), tmp_path / "mix")
    before = (tmp_path / "mix" / "train.jsonl").read_bytes()
    with pytest.raises(BadInput):
        run(mixture("bad"), tmp_path / "mix")
    assert (tmp_path / "mix" / "train.jsonl").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["mix"]


def test_a_mix_of_no_rows_is_an_error(tmp_path: Path) -> None:
    offer({"one": [example("a", chosen="x", rejected="x")]})
    with pytest.raises(UsageError, match="no row is left"):
        run(mixture("one"), tmp_path / "mix")
    assert not (tmp_path / "mix").exists()


def test_a_plan_names_the_first_rows_and_writes_nothing(tmp_path: Path) -> None:
    offer({"one": numbered(3)}, {"known": ["x"]})
    sources = [
        MixSource(name="some", dataset=Ref(name="one"), count=2, shuffle_seed=42),
        MixSource(name="all", dataset=Ref(name="one")),
    ]
    mixed = mixture(*sources, overlap=OverlapRule(benchmarks=(Ref(name="known"),)))
    assert mixing.plan(mixed, tmp_path / "mix", {}) == [
        ("some", "2 rows, drawn with seed 42", "some:row-0"),
        ("all", "all rows", "all:row-0"),
    ]
    assert list(tmp_path.iterdir()) == []


# mixtures as files


def test_a_mixture_round_trips_through_toml() -> None:
    mixed = mixture(
        MixSource(
            name="a",
            dataset=Ref(name="x", options={"path": "p"}),
            count=3,
            shuffle_seed=42,
            filters=RowFilters(drop={"source": ("magpie_ultra",)}, max_chars=9),
        ),
        MixSource(name="b", dataset=Ref(name="y"), weight=0.5),
        seed=4,
        overlap=OverlapRule(benchmarks=(Ref(name="rm-bench"),), threshold=0.9),
    )
    assert mixtures.decode(recipes.encode(mixed), "x") == mixed


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        (["sources.a.weight=2", "sources.a.count=2"], "count and weight exclude each other"),
        (["sources.a.shuffle_seed=1"], "add one of them"),
        (["sources.a.filters.max_tokens=1"], "need each other"),
        (["total=5"], "total is of the sources with a weight"),
        (["sources.b.name=a"], "two sources are named 'a'"),
        (["sources.c.count=1"], "there is no 'c'; there is a, b"),
        (["sources.a.count=0"], "expected 'int' >= 1"),
        (["sourcs=1"], "unknown field 'sourcs'"),
        (["order=random"], "invalid enum value 'random'"),
    ],
)
def test_fields_that_contradict_each_other_are_refused(
    tmp_path: Path, settings: list[str], problem: str
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(recipes.encode(mixture("a", "b")))
    with pytest.raises(UsageError, match=problem):
        mixtures.choose(str(path), settings)


def test_a_file_that_is_no_mixture_is_named_with_its_field(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "x"\ndescription = ""\n[[sources]]\nname = "a"\n')
    with pytest.raises(BadInput, match=r"mine.toml, field 'sources\[0\]': .*'dataset'"):
        mixtures.choose(str(path))
    with pytest.raises(BadInput, match=r"none.toml: no such file .*rmr1 list mixtures"):
        mixtures.choose(str(tmp_path / "none.toml"))
    with pytest.raises(UnknownName, match="no mixture named 'nope'"):
        mixtures.choose("nope")


def test_a_full_disk_is_a_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    offer({"one": [example(str(n), chosen="x" * 1000) for n in range(40)]})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(Rmr1Error, match="cannot keep the rows that were read"):
            run(mixture("one"), tmp_path / "mix")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []


def test_the_order_of_rows_is_the_same_on_every_machine(tmp_path: Path) -> None:
    """Written out, so that a change of a library, or of ours, is seen."""
    offer({"one": numbered(8)})
    run(mixture("one", seed=3), tmp_path / "mix")
    expected = [f"row-{number}" for number in (3, 4, 0, 5, 6, 2, 7, 1)]
    assert ids(rows_of(tmp_path / "mix")) == expected
