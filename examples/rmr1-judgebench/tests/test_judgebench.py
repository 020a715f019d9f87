"""The contract of a benchmark, and JudgeBench's rule for two orders."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from rmr1_core import OrderVerdict, Outcome, Pair, Verdict
from rmr1_core.errors import BadInput
from rmr1_core.testing import check_component, check_pairs, outcome
from rmr1_judgebench import CATEGORIES, LABELS, JudgeBench, rmr1_benchmarks

BY_GPT, BY_CLAUDE = rmr1_benchmarks()
ROW = {
    "pair_id": "one",
    "source": "mmlu-pro-law",
    "question": "Who?",
    "response_A": "she",
    "response_B": "he",
    "label": "B>A",
}
SAID = {"A>B": Verdict.A, "B>A": Verdict.B, "A=B": Verdict.TIE}


def data(folder: Path, *changes: dict[str, str]) -> Path:
    path = folder / "judgebench,response_model=gpt-4o.jsonl"
    path.write_text("".join(json.dumps({**ROW, **change}) + "\n" for change in changes))
    return path


@pytest.mark.parametrize("benchmark", [BY_GPT, BY_CLAUDE])
def test_it_keeps_the_contract_of_a_component(benchmark: JudgeBench) -> None:
    check_component(benchmark)


def test_its_pairs_can_be_judged_and_scored(tmp_path: Path) -> None:
    check_pairs(BY_GPT, BY_GPT.pairs(data(tmp_path, {}, {"pair_id": "two", "label": "A>B"})))


def test_the_label_says_which_answer_is_the_chosen_one(tmp_path: Path) -> None:
    (pair,) = BY_GPT.pairs(data(tmp_path, {}))
    assert (pair.chosen, pair.rejected, pair.subset) == ("he", "she", "Knowledge")


def test_a_folder_s_file_of_the_right_writer_is_read(tmp_path: Path) -> None:
    data(tmp_path, {})
    (tmp_path / "judgebench,response_model=claude-3-5-sonnet.jsonl").write_text("")
    assert [pair.id for pair in BY_GPT.pairs(tmp_path)] == ["one"]
    assert list(BY_CLAUDE.pairs(tmp_path)) == []


@pytest.mark.parametrize(("field", "value"), [("label", "A=B"), ("source", "gsm8k")])
def test_a_row_that_cannot_be_used_is_named(tmp_path: Path, field: str, value: str) -> None:
    with pytest.raises(BadInput, match=field):
        list(BY_GPT.pairs(data(tmp_path, {field: value})))


@pytest.mark.parametrize(
    ("verdicts", "right"),
    [
        ((Verdict.A, Verdict.B), 1),
        ((Verdict.A, Verdict.TIE), 1),
        ((Verdict.A, Verdict.UNPARSED), 1),
        ((Verdict.A, Verdict.A), 0),
        ((Verdict.TIE, Verdict.TIE), 0),
        ((Verdict.B, Verdict.TIE), 0),
    ],
)
def test_a_pair_is_right_if_more_orders_are_won_than_lost(
    tmp_path: Path, verdicts: tuple[Verdict, Verdict], right: int
) -> None:
    (pair,) = BY_GPT.pairs(data(tmp_path, {}))
    assert BY_GPT.summarize([outcome(pair, *verdicts)], "strict").headline.value == right


DATA = Path(__file__).parents[4] / "shared" / "data" / "judgebench"


@pytest.mark.skipif(not DATA.is_dir(), reason="JudgeBench's data is not here")
@pytest.mark.parametrize("benchmark", [BY_GPT, BY_CLAUDE])
def test_the_authors_files_are_complete(benchmark: JudgeBench) -> None:
    pairs = list(benchmark.pairs(DATA))
    check_pairs(benchmark, pairs)
    assert Counter(pair.subset for pair in pairs) == benchmark.expected


GOLDEN = Path(__file__).parents[4] / "shared" / "golden" / "judgebench"


@pytest.mark.skipif(not GOLDEN.is_dir(), reason="the original scorer's answers are not here")
def test_the_scores_are_those_of_the_original_scorer() -> None:
    expected = json.loads((GOLDEN / "synthetic_seed0.expected.json").read_text())
    lines = (GOLDEN / "synthetic_seed0.input.jsonl").read_text().splitlines()
    scores = BY_GPT.summarize([judged(json.loads(line)) for line in lines], "strict")
    found = {metric.name: 100 * metric.value for metric in (scores.headline, *scores.metrics)}
    both = expected["two_orders"]
    assert found["Overall"] == pytest.approx(both["Overall"], abs=1e-10)
    assert found["Knowledge"] == pytest.approx(both["mmlu-pro"], abs=1e-10)
    assert found["Reasoning"] == pytest.approx(both["livebench-reasoning"], abs=1e-10)
    assert found["Mathematics"] == pytest.approx(both["livebench-math"], abs=1e-10)
    assert found["Coding"] == pytest.approx(both["livecodebench"], abs=1e-10)
    one = expected["first_order_only"]["Overall"]
    assert found["Overall/first order only"] == pytest.approx(one, abs=1e-10)


def judged(row: dict[str, object]) -> Outcome:
    """What the original scorer's input says of one pair, in the order given and the other."""
    as_given = LABELS[str(row["label"])]
    source = str(row["source"])
    pair = Pair(
        id=str(row["pair_id"]),
        subset=next(c for start, c in CATEGORIES.items() if source.startswith(start)),
        group=str(row["pair_id"]),
        prompt=(),
        chosen="",
        rejected="",
        tags={"label": str(row["label"])},
    )
    first, second = row["decisions"]  # type: ignore[misc]
    return Outcome(
        pair=pair,
        verdicts=(
            OrderVerdict(chosen_first=as_given, verdict=SAID.get(first, Verdict.UNPARSED)),
            OrderVerdict(chosen_first=not as_given, verdict=SAID.get(second, Verdict.UNPARSED)),
        ),
    )
