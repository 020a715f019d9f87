"""Results of RewardBench, JudgeBench, RM-Bench and RMB become runs."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from made_logs import style_record, talk, write, write_lines

from rmr1_core import Message, Verdict
from rmr1_core.errors import BadInput, UsageError
from rmr1_core.importing import Found, ImportRequest, find
from rmr1_core.logged import recognized
from rmr1_core.testing import check_importer

QUESTION = {"role": "user", "content": "which?"}
CHAT = "Pairwise_set/Helpfulness/Chat/Discussion"


def found(path: Path, **asked: Any) -> Found:
    return find(ImportRequest(path=str(path), **asked))


def columns(**changes: Any) -> dict[str, Any]:
    """A file of `eval-set-scores/`, as `run_generative.py` and `run_rm.py` write it."""
    whole = {
        "text_chosen": [talk(f"q{n}", f"good {n}") for n in range(3)],
        "text_rejected": [talk(f"q{n}", f"bad {n}") for n in range(3)],
        "results": [1, 0, 0.5],
        "subset": ["hep-go", "hep-go", "donotanswer"],
        "id": [5, 6, 7],
        "model": "org/judge",
        "model_type": "Generative RM",
        **changes,
    }
    return {name: value for name, value in whole.items() if value is not None}


def test_results_by_prompt_of_a_generative_judge_are_verdicts(tmp_path: Path) -> None:
    read = found(write(tmp_path / "judge.json", columns()))
    (part,) = read.parts
    assert read.judge == "org/judge"
    assert [j.verdict for j in part.judgments] == [Verdict.A, Verdict.B, Verdict.UNPARSED]
    assert [pair.id for pair in part.pairs] == ["hep-go/0", "hep-go/1", "donotanswer/2"]
    assert part.pairs[0].prompt == (Message("user", "q0"),)


def test_scores_of_answers_are_kept_and_equal_ones_are_a_tie(tmp_path: Path) -> None:
    scores = {"scores_chosen": [1.5, [-2], 3], "scores_rejected": [1, [0.25], 3]}
    log = write(tmp_path / "model.json", columns(results=[1, 0, 0], **scores))
    (part,) = found(log).parts
    assert [j.verdict for j in part.judgments] == [Verdict.A, Verdict.B, Verdict.TIE]
    assert part.judgments[1].completion.scores == (-2.0, 0.25)
    assert part.judgments[1].completion.text == "chosen -2, rejected 0.25"


def data_of(log: dict[str, Any], path: Path) -> Path:
    rows = [
        {
            "prompt": [right[0]],
            "chosen": right[1]["content"],
            "rejected": wrong[1]["content"],
            "subset": subset,
        }
        for right, wrong, subset in zip(
            log["text_chosen"], log["text_rejected"], log["subset"], strict=True
        )
    ]
    return write(path, rows)


def test_texts_that_a_template_spoiled_are_taken_from_the_data_by_position(tmp_path: Path) -> None:
    data = data_of(columns(), tmp_path / "data.json")
    spoiled = {"text_chosen": ["<s>x"] * 3, "text_rejected": ["<s>y"] * 3}
    log = write(tmp_path / "log.json", columns(**spoiled))
    (part,) = found(log, data={"": str(data)}).parts
    assert [pair.chosen for pair in part.pairs] == ["good 0", "good 1", "good 2"]
    with pytest.raises(UsageError, match="hub"):
        found(log)


def test_two_scores_a_line_are_those_of_the_data_s_pairs_in_order(tmp_path: Path) -> None:
    data = data_of(columns(), tmp_path / "data.json")
    lines = [{"chosen": 1.0, "rejected": 0.5}, {"chosen": 0, "rejected": 2}]
    log = write_lines(tmp_path / "model_all.jsonl", lines)
    read = found(log, data={"rewardbench": str(data)})
    assert read.judge == "model"
    assert [(j.pair_id, j.correct) for j in read.parts[0].judgments] == [
        ("hep-go/0", True),
        ("hep-go/1", False),
    ]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"results": [1, 0, None]}, "row 3, field 'results': expected 1, 0 or 0.5, and not None"),
        ({"subset": ["hep-go"]}, "field 'subset': has 1 members, and 'results' has 3"),
        ({"subset": ["hep-go", "hep-go", "sport"]}, "row 3: 'sport' is no subset of rewardbench"),
        (
            {"scores_chosen": [1, 1, math.nan], "scores_rejected": [0, 0, 0]},
            "row 3, field 'scores_chosen': expected a finite number",
        ),
    ],
)
def test_what_cannot_be_used_is_named(
    tmp_path: Path, changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(BadInput, match=problem):
        found(write(tmp_path / "log.json", columns(**changes)))


def test_three_scores_of_right_and_of_wrong_answers_are_nine_comparisons(tmp_path: Path) -> None:
    record = style_record("chat/1", "chat", score_chosen=[1, 2, 3], score_rejected=[2, 2, 0.5])
    (part,) = found(write(tmp_path / "total_dataset_m.json", [record])).parts
    assert [j.verdict for j in part.judgments[:3]] == [Verdict.B, Verdict.B, Verdict.A]
    assert part.judgments[4].verdict is Verdict.TIE
    assert part.judgments[8].completion.scores == (3.0, 0.5)


def test_rewards_of_rmb_s_own_script_need_the_data_for_their_texts(tmp_path: Path) -> None:
    row = {
        "pair_uid": "9",
        "category_path": CHAT,
        "conversation_input": [QUESTION],
        "chosen": {"llm_name": "a", "answer": "good"},
        "reject": {"llm_name": "b", "answer": "bad"},
    }
    data = write(tmp_path / "data/data.json", [row])
    scores = {"chosen_reward": [0.5], "reject_reward": [1.5], "is_correct": 0}
    log = write(tmp_path / "out.json", [{"pair_uid": "9", "category_path": CHAT, **scores}])
    (part,) = found(log, data={"rmb": str(data)}).parts
    assert part.pairs[0].chosen == "good"
    assert part.judgments[0].completion.text == "chosen 0.5, rejected 1.5"


def test_an_item_s_scores_are_given_to_its_losers_in_their_order(tmp_path: Path) -> None:
    path = "BoN_set/Helpfulness/Chat/Discussion"
    item = {
        "bon_uid": 4,
        "category_path": path,
        "conversation_input": [QUESTION],
        "bon_best": {"llm_name": "best", "answer": "good"},
        "loser_list": [{"llm_name": n, "answer": f"bad {n}"} for n in ("x", "y")],
    }
    data = write(tmp_path / "data/data.json", [item])
    records = [
        {
            "bon_uid": "4",
            "category_path": path,
            "text_chosen": "<s>",
            "text_rejected": "<s>",
            "score_chosen": 1.0,
            "score_rejected": score,
            "results": 1,
        }
        for score in (0.5, 2.5)
    ]
    log = write(tmp_path / "raw_logs.json", records)
    (part,) = found(log, data={"rmb": str(data)}).parts
    assert [(j.pair_id, j.correct) for j in part.judgments] == [
        ("bon/4/x", True),
        ("bon/4/y", False),
    ]


@pytest.mark.parametrize(
    ("format_", "content"),
    [
        ("rewardbench", columns()),
        (
            "rm-bench-scores",
            [style_record("1", "chat", score_chosen=[1, 2, 3], score_rejected=[1] * 3)],
        ),
        (
            "rmb-scores",
            [{"pair_uid": 1, "category_path": CHAT, "chosen_reward": 1, "reject_reward": 2}],
        ),
        ("judgebench", None),
    ],
)
def test_every_format_keeps_the_contract_on_its_logs(
    tmp_path: Path, format_: str, content: Any
) -> None:
    if content is None:
        log = write_lines(tmp_path / NAME, [output()])
    else:
        log = write(tmp_path / "log.json", content)
    importer = recognized(log)
    assert importer.name == format_
    check_importer(importer, log)
    check_importer(importer, tmp_path)


def output(**changes: Any) -> dict[str, Any]:
    said = {"judge_model": "m", "prompt": "long", "response": "so [[A>B]]"}
    return {
        "pair_id": "one",
        "source": "mmlu-pro-law",
        "question": "Who?",
        "response_model": "gpt-4o",
        "response_A": "she",
        "response_B": "he",
        "label": "B>A",
        "judge_name": "arena_hard",
        "judgments": [{"judgment": said, "decision": "A>B"}, None],
        **changes,
    }


NAME = "dataset=judgebench,response_model=x,judge_name=arena_hard,judge_model=o1-mini.jsonl"
EXAMPLE = Path(__file__).parents[3] / "examples/rmr1-judgebench/rmr1_judgebench/__init__.py"


@pytest.fixture
def judgebench(install_plugin: Any) -> None:
    install_plugin("judgebench", EXAMPLE.read_text())


@pytest.mark.usefixtures("judgebench")
def test_judgebench_s_two_games_are_a_judgment_in_each_order(tmp_path: Path) -> None:
    read = found(write_lines(tmp_path / NAME, [output()]))
    (part,) = read.parts
    assert read.judge == "o1-mini (arena_hard)"
    assert [(j.chosen_first, j.verdict) for j in part.judgments] == [
        (False, Verdict.A),
        (True, Verdict.UNPARSED),
    ]
    assert part.judgments[0].completion.text == "so [[A>B]]"
    assert (part.pairs[0].chosen, part.pairs[0].rejected) == ("he", "she")


@pytest.mark.usefixtures("judgebench")
def test_scores_in_judgebench_s_outputs_are_those_of_the_answers_as_shown(tmp_path: Path) -> None:
    said = {"judge_model": "m", "prompt": "", "response": "", "scores": [5.5, 14.0]}
    swapped = {**said, "scores": [14.0, 5.5]}
    games = [{"judgment": said, "decision": "B>A"}, {"judgment": swapped, "decision": "A>B"}]
    log = write_lines(tmp_path / NAME, [output(judgments=games)])
    first, second = found(log).parts[0].judgments
    assert (first.completion.scores, second.completion.scores) == ((5.5, 14.0), (14.0, 5.5))
    assert first.completion.text == second.completion.text == "chosen 14, rejected 5.5"
    assert first.correct
    assert second.correct


@pytest.mark.usefixtures("judgebench")
def test_a_decision_that_is_no_word_is_named(tmp_path: Path) -> None:
    games = [{"judgment": "so", "decision": ["A>B"]}, None]
    log = write_lines(tmp_path / NAME, [output(judgments=games)])
    with pytest.raises(BadInput, match="row 1, field 'judgments': expected a decision in words"):
        found(log)


def test_a_log_of_a_benchmark_that_is_not_installed_says_so(tmp_path: Path) -> None:
    log = write_lines(tmp_path / NAME, [output()])
    with pytest.raises(UsageError, match="logs are of judgebench, and no installed plugin offers"):
        found(log)


def test_an_importer_that_raises_is_named(tmp_path: Path, install_plugin: Any) -> None:
    install_plugin(
        "broken",
        """
        from rmr1_core import Importer, hookimpl

        class Broken(Importer, frozen=True, kw_only=True):
            def files(self, path):
                return [path]

            def judgments(self, path):
                raise KeyError("x")

        @hookimpl
        def rmr1_importers():
            return [Broken(name="broken", summary="raises")]
        """,
    )
    log = write(tmp_path / "judge.json", columns())
    with pytest.raises(UsageError, match="several formats: broken, rewardbench; say which with"):
        recognized(log)
    from rmr1_core.errors import PluginFailed

    with pytest.raises(PluginFailed, match="importer 'broken' raised KeyError"):
        found(log, format="broken")
    assert json.loads(log.read_text())["model"] == "org/judge"
