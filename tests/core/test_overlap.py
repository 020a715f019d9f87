from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mixes import example, ids, mixture, numbered, offer, removed_of, rows_of, run

from rmr1_core import Message, OverlapRule, Pair, Ref
from rmr1_core.discovery import plugins
from rmr1_core.fingerprints import spoken
from rmr1_core.lookup import resolve
from rmr1_core.overlap import Prompts, bands

SENTENCE = (
    "Write a short story about a lighthouse keeper who finds a message in a bottle and decides "
    "to answer it, although nobody can know where the sea will carry the reply."
)


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    plugins.cache_clear()
    yield
    plugins.cache_clear()


def prompts(*texts: str, threshold: float = 0.7, words: int = 3) -> Prompts:
    found = Prompts(threshold=threshold, words=words)
    found.add("known", (example(f"known-{n}", text).pair for n, text in enumerate(texts)))
    return found


def jaccard(one: str, two: str, words: int) -> float:
    """The plain definition."""

    def shingles(text: str) -> set[tuple[str, ...]]:
        w = text.split()
        return {tuple(w[i : i + words]) for i in range(len(w) - words + 1)}

    a, b = shingles(one), shingles(two)
    return len(a & b) / len(a | b) if a | b else 0.0


def asked(known: Prompts, text: str) -> float | None:
    hit = known.find(spoken((Message("user", text),)))
    return None if hit is None else hit.similarity


def test_the_same_prompt_is_found_whatever_its_space_and_case() -> None:
    known = prompts("Hi", SENTENCE)
    assert asked(known, f"  {SENTENCE.upper()}\n") == 1.0
    assert asked(known, "hi") == 1.0
    assert asked(known, "ho") is None


def test_a_prompt_with_a_word_changed_is_found_with_its_similarity() -> None:
    changed = SENTENCE.replace("bottle", "barrel")
    found = asked(prompts("Something else entirely, please.", SENTENCE), changed)
    assert found == pytest.approx(jaccard(SENTENCE.casefold(), changed.casefold(), 3))
    assert found is not None
    assert 0.7 <= found < 1


def test_the_threshold_decides() -> None:
    changed = SENTENCE.replace("bottle", "barrel")
    similarity = jaccard(SENTENCE.casefold(), changed.casefold(), 3)
    assert asked(prompts(SENTENCE, threshold=similarity), changed) == pytest.approx(similarity)
    assert asked(prompts(SENTENCE, threshold=similarity + 0.001), changed) is None


def test_the_most_similar_of_several_prompts_is_named() -> None:
    near, nearer = SENTENCE.replace("short", "long"), SENTENCE.replace("reply", "answer")
    found = prompts(near, nearer).find(spoken((Message("user", nearer + " Thanks!"),)))
    assert found is not None
    assert found.prompt == 1


def test_a_sign_changed_is_found_where_words_have_no_spaces_between_them() -> None:
    text = "请写一个关于灯塔看守人的短篇故事，他在海边捡到一个瓶子，里面有一封没有署名的信。"
    found = asked(prompts(text), text.replace("海边", "岸边"))
    assert found is not None
    assert 0.7 <= found < 1
    assert (
        asked(prompts(text), "今天天气怎么样？请用三句话告诉我，并说明我是否应该带伞出门。") is None
    )


def test_system_messages_do_not_matter() -> None:
    known = Prompts(threshold=0.7, words=3)
    turns = (Message("system", "You are kind."), Message("user", SENTENCE))
    known.add("known", [Pair(id="x", subset="", group="", prompt=turns, chosen="", rejected="")])
    assert asked(known, SENTENCE) == 1.0


def test_no_two_of_many_different_texts_are_taken_for_each_other() -> None:
    rng = random.Random(0)
    vocabulary = SENTENCE.split()
    texts = [" ".join(rng.choices(vocabulary, k=30)) for _ in range(300)]
    known = prompts(*texts[:150])
    for text in texts[150:]:
        nearest = max(jaccard(text.casefold(), other.text, 3) for other in known.known)
        assert (asked(known, text) is not None) == (nearest >= 0.7)


@given(
    st.lists(st.sampled_from("abcd"), min_size=0, max_size=14),
    st.lists(st.sampled_from("abcd"), min_size=0, max_size=14),
    st.sampled_from([0.5, 0.7, 1.0]),
    st.sampled_from([1, 2, 3]),
)
def test_what_is_found_is_alike(one: list[str], two: list[str], threshold: float, n: int) -> None:
    left, right = " ".join(one), " ".join(two)
    found = prompts(left, threshold=threshold, words=n).find(right)
    if left == right:
        assert (found is not None) == bool(right)
    elif found is not None:
        assert found.similarity == pytest.approx(jaccard(left, right, n))
        assert found.similarity >= threshold


@given(
    st.integers(0, 10_000),
    st.integers(25, 60),
    st.integers(0, 20),
    st.sampled_from([0.2, 0.4, 0.7, 0.9]),
)
def test_what_is_clearly_alike_is_found(
    seed: int, length: int, changes: int, threshold: float
) -> None:
    rng = random.Random(seed)
    words = [f"w{rng.randrange(500)}" for _ in range(length)]
    other = list(words)
    for _ in range(changes):
        other[rng.randrange(length)] = f"new{rng.randrange(500)}"
    one, two = " ".join(words), " ".join(other)
    if jaccard(one, two, 3) >= min(1.0, threshold + 0.05):
        assert prompts(one, threshold=threshold).find(two) is not None


@pytest.mark.parametrize(
    ("threshold", "expected"), [(1, 8), (0.9, 16), (0.7, 32), (0.4, 64), (0.1, 128)]
)
def test_a_lower_threshold_looks_at_more(threshold: float, expected: int) -> None:
    assert bands(threshold) == expected


def test_overlapping_rows_are_removed_with_the_benchmarks_pair(tmp_path: Path) -> None:
    changed = SENTENCE.replace("bottle", "barrel")
    rows = [*numbered(5), example("same", SENTENCE.upper()), example("near", changed)]
    offer({"one": rows}, {"first": ["nothing", SENTENCE], "second": [SENTENCE, "else"]})
    rule = OverlapRule(benchmarks=(Ref(name="first"), Ref(name="second")))
    report = run(mixture("one", overlap=rule), tmp_path / "mix")
    assert sorted(ids(rows_of(tmp_path / "mix"))) == sorted(f"row-{n}" for n in range(5))
    removed = removed_of(tmp_path / "mix")
    assert removed["same"] == {
        "id": "same",
        "source": "one",
        "reason": "prompt of a benchmark",
        "other": "first-1",
        "benchmark": "first",
        "similarity": 1.0,
    }
    assert removed["near"]["reason"] == "nearly a prompt of a benchmark"
    assert 0.7 <= removed["near"]["similarity"] < 1
    assert [(c.benchmark, c.pairs, c.prompts) for c in report.benchmarks] == [
        ("first", 2, 2),
        ("second", 2, 1),
    ]


def edited(text: str, rng: random.Random) -> str:
    """The prompt as somebody might have copied it: other case and space, and of every thirty words
    one replaced."""
    words = text.split()
    for _ in range(len(words) // 30 + (len(words) > 18)):
        words[rng.randrange(len(words))] = "something"
    return "  ".join(words).swapcase()


def test_planted_near_duplicates_of_rm_bench_are_found(shared: Path, tmp_path: Path) -> None:
    data = shared / "data"
    benchmark = resolve("benchmark", "rm-bench")
    texts = list(dict.fromkeys(p.prompt[-1].content for p in benchmark.pairs(data / "rm-bench")))
    rng = random.Random(0)
    planted = [example(f"planted-{n}", edited(text, rng), f"g{n}") for n, text in enumerate(texts)]
    clean = numbered(500, "clean")
    offer({"one": [*clean, *planted]})
    names = ("rewardbench", "rm-bench", "rmb")
    rule = OverlapRule(benchmarks=tuple(Ref(name=name) for name in names))
    report = run(mixture("one", overlap=rule), tmp_path / "mix", data={"": str(data)})
    assert len(texts) > 700
    removed = removed_of(tmp_path / "mix")
    overlapping = {
        name for name, row in removed.items() if "prompt of a benchmark" in row["reason"]
    }
    alike = {
        e.pair.id
        for e, text in zip(planted, texts, strict=True)
        if jaccard(spoken(e.pair.prompt), spoken((Message("user", text),)), 3) >= 0.75
        or spoken(e.pair.prompt) == spoken((Message("user", text),))
    }
    assert len(alike) > 0.9 * len(texts)
    assert alike <= overlapping
    assert not any(name.startswith("clean") for name in removed)
    near = [row for row in removed.values() if row["reason"].startswith("nearly")]
    assert len(near) > 300
    assert all(c.pairs > 0 for c in report.benchmarks)
