"""RM-R1's mix, of made-up rows in the layout and in the numbers of its sources."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from rmr1_core import Mixture, mixing, mixtures
from rmr1_core.mix_report import MixReport

SKYWORK = {
    "magpie_pro_llama3.1": 29_682,
    "magpie_ultra": 22_870,
    "offsetbias": 8_504,
    "helpsteer2": 7_221,
    "wildguard": 6_709,
    "magpie_pro": 2_030,
}
CODE, MATH = 9_000, 10_795


def written(path: Path, rows: Iterable[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Settings that name local copies of the three sources, and no benchmark."""
    folder = tmp_path_factory.mktemp("upstream")
    parts = [part for part, count in SKYWORK.items() for _ in range(count)]
    random.Random(0).shuffle(parts)
    paths = {
        "skywork": written(
            folder / "skywork.jsonl",
            (
                {
                    "chosen": [turn("user", f"chat {n}"), turn("assistant", "yes")],
                    "rejected": [turn("user", f"chat {n}"), turn("assistant", "no")],
                    "source": part,
                }
                for n, part in enumerate(parts)
            ),
        ),
        "code": written(
            folder / "code.jsonl",
            (
                {"input": f"code {n}", "accepted": "a = 1", "rejected": "a = 2", "ID": n}
                for n in range(CODE)
            ),
        ),
        "math": written(
            folder / "math.jsonl",
            (
                {
                    "dataset": "made up",
                    "prompt": f"sum {n}",
                    "answer": "1",
                    "initial_reason_steps": "First,\n",
                    "full_chosen": "one.",
                    "full_rejected": "two.",
                }
                for n in range(MATH)
            ),
        ),
    }
    options = [f"sources.{name}.dataset.options.path={path}" for name, path in paths.items()]
    return [*options, "overlap.benchmarks=[]"]


def turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


@pytest.fixture(scope="module")
def mixed(local: list[str], tmp_path_factory: pytest.TempPathFactory) -> tuple[MixReport, Path]:
    output = tmp_path_factory.mktemp("mixed") / "rm-r1"
    chosen = mixtures.choose("rm-r1", local)
    return mixing.mix(chosen, output, data={}, skipped=(), say=lambda note: None), output


def shipped() -> Mixture:
    return mixtures.choose("rm-r1")


def test_the_sources_give_the_published_counts(mixed: tuple[MixReport, Path]) -> None:
    report, _ = mixed
    taken = {source.name: source.taken for source in report.sources}
    assert taken == {"skywork": 54_146, "code": 8_000, "math": 10_000}
    assert not any(source.surprising for source in report.sources)
    assert report.rows == 54_146 + 8_000 + 10_000
    assert sum(SKYWORK.values()) == 77_016
    assert report.sources[0].read == sum(SKYWORK.values()) - SKYWORK["magpie_ultra"]


def test_answers_alternate_and_math_has_its_initial_steps(mixed: tuple[MixReport, Path]) -> None:
    _, output = mixed
    maths = 0
    with (output / "train.jsonl").open() as file:
        for position, line in enumerate(file):
            row = json.loads(line)
            assert row["chosen_first"] is (position % 2 == 0)
            if row["tags"].get("domain") == "math":
                assert (row["chosen"], row["rejected"]) == ("First,\none.", "First,\ntwo.")
                maths += 1
    assert maths == 10_000


def test_the_code_is_the_published_draw(mixed: tuple[MixReport, Path]) -> None:
    import datasets

    _, output = mixed
    numbers = datasets.Dataset.from_dict({"n": list(range(CODE))})
    drawn = set(numbers.shuffle(seed=42).select(range(8_000))["n"])
    with (output / "train.jsonl").open() as file:
        prompts = [json.loads(line)["prompt"][0]["content"] for line in file]
    assert {int(p.removeprefix("code ")) for p in prompts if p.startswith("code ")} == drawn


def test_what_ships_compares_with_the_three_benchmarks_and_expects_those_counts() -> None:
    mixture = shipped()
    assert [ref.name for ref in mixture.overlap.benchmarks] == ["rewardbench", "rm-bench", "rmb"]
    assert [source.expected for source in mixture.sources] == [54_146, 8_000, 10_000]
    assert mixture.order == "alternate"
