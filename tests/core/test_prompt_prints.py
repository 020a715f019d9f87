"""What a run asks, as hashes: the same for the same command, and kept by a run that goes on."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmr1_core import EvalProtocol, Message, Ref, Request, bench, runs
from rmr1_core.bench import BenchRequest
from rmr1_core.errors import EngineFailed, UsageError
from rmr1_core.prompt_prints import FILE, Fingerprint, fingerprints, stored, unlike
from rmr1_core.slots import Slot
from rmr1_core.testing import example_pair
from rmr1_core.values import Sampling


def start(folder: Path, **changes: Any) -> Path:
    engine = changes.pop("engine", {})
    prompt = Ref(name="plain", options=changes.pop("prompt", {}))
    return bench.start(
        folder,
        BenchRequest(
            benchmarks=(Ref(name="sample-one"), Ref(name="sample-two")),
            backbone=Ref(name="nobody"),
            engine=Ref(name="scripted", options=engine),
            prompt=prompt,
            protocol=EvalProtocol(**changes),
        ),
    )


def asked(folder: Path) -> dict[str, Fingerprint]:
    return stored(folder / bench.FOLDER)


def prints(folder: Path, **changes: Any) -> dict[str, Fingerprint]:
    folder = start(folder, **changes)
    bench.execute(folder)
    return asked(folder)


@pytest.mark.usefixtures("sample")
def test_the_same_run_asks_the_same(tmp_path: Path) -> None:
    once = prints(tmp_path, samples=2, temperature=1.0)
    assert prints(tmp_path, samples=2, temperature=1.0) == once
    assert {name: found.count for name, found in once.items()} == {
        "sample-one": 48,
        "sample-two": 48,
    }


@pytest.mark.usefixtures("sample")
def test_what_changes_a_prompt_changes_both_hashes(tmp_path: Path) -> None:
    plain, greeted = (prints(tmp_path, prompt={"greeting": g})["sample-one"] for g in ("", "Hi. "))
    assert plain.prompts != greeted.prompts
    assert plain.requests != greeted.requests


@pytest.mark.usefixtures("sample")
@pytest.mark.parametrize(
    "changes", [{"max_new_tokens": 7}, {"temperature": 0.5}, {"samples": 2, "temperature": 1.0}]
)
def test_what_changes_the_sampling_alone_leaves_the_prompts(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    plain, other = prints(tmp_path)["sample-one"], prints(tmp_path, **changes)["sample-one"]
    assert plain.prompts == other.prompts
    assert plain.requests != other.requests


@pytest.mark.usefixtures("sample")
def test_a_run_that_goes_on_keeps_its_hashes(tmp_path: Path) -> None:
    whole = prints(tmp_path)
    folder = start(tmp_path, engine={"crash_after": 13})
    with pytest.raises(EngineFailed):
        bench.execute(folder)
    assert asked(folder) == whole
    bench.execute(folder)
    assert asked(folder) == whole


@pytest.mark.usefixtures("sample")
def test_a_run_that_would_ask_something_else_does_not_go_on(tmp_path: Path) -> None:
    folder = start(tmp_path, engine={"crash_after": 3})
    with pytest.raises(EngineFailed):
        bench.execute(folder)
    record = runs.read_record(folder)
    protocol = EvalProtocol(max_new_tokens=5)  # as if the backbone's own limit had changed
    runs.write_record(folder, msgspec.structs.replace(record, protocol=protocol))
    with pytest.raises(UsageError, match=r"requests for sample-one, sample-two are not those with"):
        bench.execute(folder)


@pytest.mark.usefixtures("sample")
def test_a_damaged_file_of_hashes_is_named(tmp_path: Path) -> None:
    folder = start(tmp_path)
    (folder / bench.FOLDER / FILE).write_text("[]")
    with pytest.raises(UsageError, match=FILE):
        bench.execute(folder)


def test_two_processes_ask_the_same_byte_for_byte(
    sample: None, rmr1: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    found = set()
    for seed in ("1", "2"):
        place = tmp_path / seed
        command = ("bench", "sample-one", "--backbone", "nobody", "--engine", "scripted")
        rmr1(*command, "-n", "2", "--runs-dir", str(place), PYTHONHASHSEED=seed)
        (path,) = place.glob(f"*/{bench.FOLDER}/{FILE}")
        found.add(path.read_bytes())
    assert len(found) == 1


SLOT = Slot("b", example_pair(1), True, 0)
TURNS = st.lists(
    st.tuples(
        st.sampled_from(["user", "assistant"]), st.text(st.characters(exclude_categories=["Cs"]))
    ),
    max_size=3,
)


def print_of(*conversations: Any, ids: str = "") -> Fingerprint:
    requests = [
        Request(
            id=f"{ids}{place}",
            messages=tuple(Message(role, content) for role, content in turns),
            sampling=Sampling(max_new_tokens=1),
        )
        for place, turns in enumerate(conversations)
    ]
    found = fingerprints((SLOT, request) for request in requests)
    return found["b"]


@given(st.lists(TURNS, min_size=1, max_size=4), st.lists(TURNS, min_size=1, max_size=4))
def test_hashes_agree_exactly_where_the_messages_do(one: Any, other: Any) -> None:
    assert (print_of(*one).prompts == print_of(*other).prompts) == (one == other)
    assert (print_of(*one).requests == print_of(*other).requests) == (one == other)


def test_ids_are_not_in_the_hashes() -> None:
    assert print_of([("user", "x")], ids="a") == print_of([("user", "x")], ids="b")


def test_two_runs_are_told_apart_in_words() -> None:
    one = Fingerprint(prompts="a", requests="b", count=2)
    other = Fingerprint(prompts="x", requests="y", count=2)
    limited = Fingerprint(prompts="a", requests="y", count=2)
    assert unlike({"b": one}, {"b": one}, "b") == ""
    assert unlike({"b": one}, {}, "b") == ""
    assert unlike({"b": one}, {"b": other}, "b") == "other prompts on b"
    assert unlike({"b": one}, {"b": limited}, "b") == (
        "the same prompts on b with other limits, seeds or stop strings"
    )
