"""Published numbers on the command line: listed, beside results, and reproduced."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from whole_benchmarks import every_pair

from rmr1_core import Completion, Judgment, Verdict
from rmr1_core.lookup import resolve
from rmr1_core.slots import assign_orders

Cli = Callable[..., Any]

JUDGE = ("--backbone", "nobody", "--engine", "scripted")
PLUGIN = """
from rmr1_core import Anchor, PublishedProtocol, Source, hookimpl

def anchor(model, value, metric="accuracy", n=12, backbone="", **how):
    return Anchor(
        model=model, benchmark="sample-one", metric=metric, value=value, n=n, backbone=backbone,
        source=Source(title="A Paper", table="table 3", url="https://example.org/paper"),
        protocol=PublishedProtocol(scoring="strict", **how), note=f"note of {model}",
    )

@hookimpl
def rmr1_anchors():
    return [
        anchor("Nobody-7B", {value}, backbone="nobody", order="random", temperature=0.0),
        anchor("Other-70B", 0.99),
        anchor("Sized-1B", 0.5, backbone="sized", order="chosen-first", parser="bare", samples=1),
    ]
"""


@pytest.fixture
def papers(install_plugin: Callable[..., None]) -> Callable[[float], None]:
    """A plugin that knows what judges got on `sample-one`; the judge of that name got this."""

    def install(value: float) -> None:
        install_plugin("papers", PLUGIN.replace("{value}", str(value)))

    return install


def test_published_numbers_are_listed_with_all_that_is_known_of_them(cli: Cli) -> None:
    done = cli("anchors", "rm-bench", "--model", "rm-r1-qwen32b")
    assert done.code == 0
    for word in (
        "RM-R1 (arXiv 2505.02387)",
        "https://arxiv.org/abs/2505.02387",
        "RM-R1-Qwen-Instruct-32B (rm-r1-qwen32b)",
        "79.1",
        "7962",
        "±1.3",
        "as-published scoring; order random (unseeded), parser rmr1-eval, unparsed: a loss",
        "reads its third file twice",
    ):
        assert word in done.out, word
    assert "rewardbench" not in done.out
    assert "Instruct-7B" not in done.out


def test_published_numbers_are_listed_as_json(cli: Cli) -> None:
    (found,) = cli("anchors", "rewardbench", "--model", "gpt-4o", "--json").json
    assert (found["model"], found["metric"]) == ("GPT-4o-0806", "Mean of sections")
    assert found["value"] == 0.867
    assert 0.01 < found["tolerance"] < 0.03
    every = cli("anchors", "--json").json
    assert len(every) > 200


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (("rm-bnch",), "did you mean 'rm-bench'?"),
        (("rm-bench", "--model", "rm-r1-qwen33b"), "did you mean 'rm-r1-qwen32b'?"),
        (("rm-bench", "--model", "zzz"), "no published model named 'zzz'; see: rmr1 anchors"),
    ],
)
def test_what_was_not_published_is_said(cli: Cli, args: tuple[str, ...], error: str) -> None:
    done = cli("anchors", *args)
    assert (done.code, done.out) == (2, "")
    assert error in done.err


def test_the_numbers_of_the_same_weights_stand_beside_a_result(cli: Cli, papers: Any) -> None:
    papers(0.75)
    done = cli("bench", "sample-one", *JUDGE)
    assert done.code == 0
    for text in (done.out, cli("runs", "show", "last").out):
        assert "sample-one, published of Nobody-7B (nobody): A Paper, table 3" in text
        assert "done otherwise here: order both, not random" in text
        assert "note: Nobody-7B: note of Nobody-7B" in text
        assert "75.0" in text
        assert "Other-70B" not in text
    assert "Other-70B" in cli("runs", "show", "last", "--published").out
    assert "Other-70B" in cli("bench", "--resume", "last", "--published").out


def test_json_carries_the_published_numbers(cli: Cli, papers: Any) -> None:
    papers(0.75)
    ran = cli("bench", "sample-one", "sample-two", *JUDGE, "--json").json
    for one, two in (ran["reports"], cli("runs", "show", "last", "--json").json["reports"]):
        assert [n["model"] for n in one["published"]] == ["Nobody-7B", "Sized-1B"]  # one model
        found = one["published"][0]
        assert two["published"] == []
        ours = one["scores"]["headline"]["value"]
        assert found["difference"] == pytest.approx(ours - 0.75)
        assert found["within"] is (abs(found["difference"]) <= found["tolerance"])
        assert found["source"]["url"] == "https://example.org/paper"


def test_other_weights_have_nothing_beside_them(cli: Cli) -> None:
    assert "published" not in cli("bench", "sample-one", *JUDGE).out


def test_of_a_partial_result_nothing_is_concluded(cli: Cli, papers: Any) -> None:
    papers(0.75)
    done = cli("bench", "sample-one", *JUDGE, "--limit", "4")
    assert "- (4 of 12 were judged)" in done.out


# reproducing


def test_a_reproduction_sets_what_was_published_and_passes(cli: Cli, papers: Any) -> None:
    papers(0.5)
    done = cli("bench", "--reproduce", "Nobody-7B", "--engine", "scripted")
    assert done.code == 0
    assert "reproduces 1 published number of Nobody-7B on sample-one" in done.err
    for word in ("backbone: nobody", "order: random", "temperature: 0.0", "scoring: strict"):
        assert word in done.err, word
    assert done.out.endswith("pass: Nobody-7B: 1 of 1 published numbers are reproduced\n")
    record = cli("runs", "show", "last", "--json").json["record"]
    assert record["protocol"]["order"] == "random"
    assert record["reproduces"] == "Nobody-7B"


def test_a_reproduction_that_fails_ends_with_1_and_says_where(cli: Cli, papers: Any) -> None:
    papers(0.99)
    done = cli("bench", "--reproduce", "nobody", "--engine", "scripted")
    assert done.code == 1
    assert "FAIL: nobody: 0 of 1 published numbers are reproduced" in done.out
    assert "outside of the tolerance: sample-one accuracy (-" in done.out
    assert cli("bench", "--resume", "last").code == 1
    shown = cli("bench", "--resume", "last", "--json")
    assert shown.code == 1
    assert shown.json["reproduction"]["passed"] is False


def test_what_is_typed_wins_and_is_said(cli: Cli, papers: Any) -> None:
    papers(0.5)
    done = cli("bench", "--reproduce", "nobody", "--engine", "scripted", "--order", "both")
    assert "as you typed: order both, not random" in done.err
    assert "done otherwise here: order both, not random" in done.out
    record = cli("runs", "show", "last", "--json").json["record"]
    assert record["protocol"]["order"] == "both"


def test_a_part_of_the_data_reproduces_nothing(cli: Cli, papers: Any) -> None:
    papers(0.5)
    done = cli("bench", "--reproduce", "nobody", "--engine", "scripted", "--limit", "4")
    assert done.code == 1
    assert "not to be compared: sample-one accuracy" in done.out


def test_a_dry_run_shows_the_numbers_and_judges_nothing(cli: Cli, papers: Any) -> None:
    papers(0.5)
    asked = ("bench", "--reproduce", "sized", "--engine", "scripted", "--dry-run")
    done = cli(*asked)
    assert done.code == 0
    for word in ("order chosen-first", "Sized-1B (sized)", "50.0", "The first prompt"):
        assert word in done.out, word
    assert "parser: bare" in done.err
    assert not list(Path().glob("runs/*"))
    plain = cli(*asked, "--json").json
    assert plain["settings"]["order"] == "chosen-first"
    assert plain["plan"][0]["judgments"] == 12
    assert plain["published"][0]["value"] == 0.5


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (("nobodi",), "no published model named 'nobodi'; did you mean 'nobody'?"),
        (("nobody", "sample-two"), "nothing is published of Nobody-7B on sample-two; there is"),
        (("nobody", "sample-three"), "no benchmark named 'sample-three'"),
        (("Other-70B",), "say who judges with --backbone"),
    ],
)
def test_what_cannot_be_reproduced_is_refused(
    cli: Cli, papers: Any, args: tuple[str, ...], error: str
) -> None:
    papers(0.5)
    name, *benchmarks = args
    done = cli("bench", *benchmarks, "--engine", "scripted", "--reproduce", name)
    assert (done.code, done.out) == (2, "")
    assert error in done.err


# RM-R1's own numbers, from planted judgments


def planted(folder: Path, data: Path, wins: dict[str, int]) -> Path:
    """A journal of RewardBench in which so many pairs of each subset are won, in the order that a
    reproduction draws."""
    benchmark = resolve("benchmark", "rewardbench")
    pairs = list(benchmark.pairs(data))
    random.Random(5).shuffle(pairs)
    orders = dict(zip([p.id for p in pairs], assign_orders(pairs, "random", 0), strict=True))
    path = folder / "judgments.jsonl"
    with path.open("wb") as file:
        for pair in pairs:
            wins[pair.subset] -= 1
            (first,) = orders[pair.id]
            verdict = Verdict.favouring_chosen(first if wins[pair.subset] >= 0 else not first)
            line = Judgment(
                benchmark="rewardbench",
                pair_id=pair.id,
                chosen_first=first,
                sample=0,
                verdict=verdict,
                completion=Completion(
                    text=f"<answer>[[{verdict}]]</answer>",
                    finish_reason="stop",
                    prompt_tokens=1,
                    completion_tokens=1,
                ),
            )
            file.write(msgspec.json.encode(line) + b"\n")
    return path


def rows() -> Iterator[dict[str, Any]]:
    for index, pair in enumerate(every_pair(resolve("benchmark", "rewardbench"))):
        question = pair.prompt[0].content
        row = {"prompt": question, "chosen": "yes", "rejected": "no", "subset": pair.subset}
        yield {**row, "index": index}


@pytest.mark.parametrize(("fewer", "code"), [(0, 0), (100, 1)])
def test_rm_r1s_published_counts_reproduce_its_numbers(
    cli: Cli, shared: Path, tmp_path: Path, fewer: int, code: int
) -> None:
    counts = json.loads((shared / "golden/published/rmr1_published_counts.json").read_text())
    subsets = counts["RM-R1-Qwen2.5-Instruct-32B"]["rewardbench"]["per_subset"]
    wins = {name: found["correct"] for name, found in subsets.items()}
    wins["math-prm"] -= fewer
    data = tmp_path / "filtered.jsonl"
    data.write_text("\n".join(map(json.dumps, rows())))
    journal = planted(tmp_path, data, wins)
    asked = ("rewardbench", "--reproduce", "rm-r1-qwen32b", "--data", str(data))
    done = cli("bench", *asked, "--engine", f"replay:{journal}")
    assert done.code == code, done.err
    if code:
        assert "FAIL: rm-r1-qwen32b: 3 of 6" in done.out
        assert "rewardbench Reasoning (-" in done.out
    else:
        assert "pass: rm-r1-qwen32b: 6 of 6 published numbers are reproduced" in done.out
        assert "done otherwise here" not in done.out
