"""Replaying our own journals and the published logs of RM-R1."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from rmr1_core import (
    Answer,
    Backbone,
    Completion,
    FailedJudgment,
    Judgment,
    Message,
    Request,
    Sampling,
    Verdict,
)
from rmr1_core.errors import BadInput, UsageError
from rmr1_core.logged import recognized
from rmr1_core.testing import check_component
from rmr1_replay import ReplayEngine, rmr1_engines

NOBODY = Backbone(name="nobody", model="none")
SECOND = "Is_Chosen_Answer_Shuffled_toPositionB"


def replay(path: Path | str, requests: Iterable[Request]) -> list[Any]:
    engine = ReplayEngine(name="replay", path=str(path))
    with engine.open(NOBODY) as session:
        answers: list[Answer] = list(session.generate(requests))
    return [answer.result for answer in answers]


def request(
    pair_id: str, first: str, second: str, *, chosen_first: bool = True, sample: int = 0
) -> Request:
    text = f"Who is better?\n[A]\n{first}\n[B]\n{second}\n[end]"
    return Request(
        id=msgspec.json.encode(("rmb", pair_id, chosen_first, sample)).decode(),
        messages=(Message("system", "judge"), Message("user", text)),
        sampling=Sampling(max_new_tokens=10),
    )


def judgment(pair_id: str, text: str, **changes: Any) -> Judgment:
    made = Judgment(
        benchmark="rmb",
        pair_id=pair_id,
        chosen_first=True,
        sample=0,
        verdict=Verdict.A,
        completion=Completion(
            text=text, finish_reason="length", prompt_tokens=7, completion_tokens=5
        ),
    )
    return msgspec.structs.replace(made, **changes)


def journal(folder: Path, lines: Sequence[Judgment | FailedJudgment], tail: str = "") -> Path:
    path = folder / "judgments.jsonl"
    path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines) + tail.encode())
    return path


def log(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def record(chosen: str, rejected: str, answer: str, *, second: bool, **ids: Any) -> dict[str, Any]:
    question = {"role": "user", "content": "which?"}
    return {
        "text_chosen": [question, {"role": "assistant", "content": chosen}],
        "text_rejected": [question, {"role": "assistant", "content": rejected}],
        "answers": answer,
        "results": 1,
        "subset": "BoN_set/Helpfulness/Chat",
        SECOND: second,
        **ids,
    }


GOOD = "the good answer, which is long enough to be found"
BAD = "the bad answer, which is long enough to be found"


def test_the_engine_keeps_the_contract_of_components() -> None:
    for engine in rmr1_engines():
        check_component(engine)


def test_a_journal_answers_the_judgments_that_it_holds(tmp_path: Path) -> None:
    stored = [
        judgment("1", "first"),
        judgment("1", "second sample", sample=1),
        judgment("1", "other order", chosen_first=False),
        judgment("1", "repeated and ignored"),
    ]
    journal(tmp_path, stored)
    asked = [
        request("1", GOOD, BAD, sample=1),
        request("1", BAD, GOOD, chosen_first=False),
        request("1", GOOD, BAD),
    ]
    results = replay(tmp_path, asked)
    assert [result.text for result in results] == ["second sample", "other order", "first"]
    assert results[0] == stored[1].completion


def test_what_a_journal_does_not_hold_fails_alone(tmp_path: Path) -> None:
    failed = FailedJudgment(
        benchmark="rmb", pair_id="2", chosen_first=True, sample=0, error="no room"
    )
    path = journal(tmp_path, [judgment("1", "x"), failed])
    missing, found = replay(path, [request("2", GOOD, BAD), request("1", GOOD, BAD)])
    assert missing.error == f"{path} holds no answer to this request"
    assert found.text == "x"


def test_a_torn_last_line_of_a_journal_is_left_out(tmp_path: Path) -> None:
    path = journal(tmp_path, [judgment("1", "x")], tail='{"kind":"judgm')
    assert replay(path, [request("1", GOOD, BAD)])[0].text == "x"


def test_a_broken_line_of_a_journal_is_named(tmp_path: Path) -> None:
    path = journal(tmp_path, [judgment("1", "x")], tail='{"kind":"judgment"}\n')
    with pytest.raises(BadInput, match=r"judgments.jsonl, row 2: .*benchmark"):
        replay(path, [])


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    path = tmp_path / "judgments.jsonl.gz"
    path.write_bytes(gzip.compress(msgspec.json.encode(judgment("1", "x")) + b"\n")[:-9])
    with pytest.raises(BadInput, match=r"judgments\.jsonl\.gz: cannot be read"):
        replay(path, [])


def test_journals_that_judge_the_same_are_not_mixed(tmp_path: Path) -> None:
    for name in ("before", "after"):
        (tmp_path / name).mkdir()
        journal(tmp_path / name, [judgment("1", name), judgment("2", name)])
    with pytest.raises(UsageError, match=r"after/judgments\.jsonl and .*before/.*say which"):
        replay(tmp_path, [])
    assert replay(tmp_path / "after", [request("1", GOOD, BAD)])[0].text == "after"


def test_journals_of_different_judgments_are_read_together(tmp_path: Path) -> None:
    for name in ("1", "2"):
        (tmp_path / name).mkdir()
        journal(tmp_path / name, [judgment(name, f"of {name}")])
    asked = [request("2", GOOD, BAD), request("1", GOOD, BAD)]
    assert [result.text for result in replay(tmp_path, asked)] == ["of 2", "of 1"]


def test_a_log_answers_by_text_in_the_order_that_it_was_shown(tmp_path: Path) -> None:
    path = log(tmp_path / "logs.json", [record(GOOD, BAD, "[[B]]", second=True, pair_uid="9")])
    right, wrong = replay(
        path,
        [request("pairwise/9", BAD, GOOD, chosen_first=False), request("pairwise/9", GOOD, BAD)],
    )
    assert right.text == "[[B]]"
    assert wrong.error == f"{path} holds this pair only with the chosen answer second"


def test_ids_decide_between_equal_texts(tmp_path: Path) -> None:
    records = [record(GOOD, BAD, f"of {n}", second=False, bon_uid=str(n)) for n in range(3)]
    path = log(tmp_path / "logs.json", records)
    found = replay(path, [request(f"bon/{n}/some-model", GOOD, BAD) for n in (2, 0, 1)])
    assert [result.text for result in found] == ["of 2", "of 0", "of 1"]


def test_an_answer_that_contains_another_is_not_mistaken_for_it(tmp_path: Path) -> None:
    records = [
        record("yes", "no", "short", second=False),
        record(GOOD + " yes and no", BAD, "long", second=False),
    ]
    path = log(tmp_path / "logs.json", records)
    found = replay(path, [request("x/7", GOOD + " yes and no", BAD), request("x/8", "yes", "no")])
    assert [result.text for result in found] == ["long", "short"]


def test_samples_beyond_what_a_log_holds_fail(tmp_path: Path) -> None:
    path = log(tmp_path / "logs.json", [record(GOOD, BAD, "one", second=False)])
    (result,) = replay(path, [request("x/1", GOOD, BAD, sample=1)])
    assert result.error.endswith("holds 1 answers to this request, and number 2 was asked for")


def test_a_log_of_nine_judgments_per_record_is_read_row_by_row(tmp_path: Path) -> None:
    chosen = [f"{GOOD} {style}" for style in "xyz"]
    rejected = [f"{BAD} {style}" for style in "xyz"]
    content = {
        "id": "chat/100",
        "domain": "chat",
        "prompt": "which?",
        "chosen": chosen,
        "rejected": rejected,
        "output": [f"{i}{j}" for i in range(3) for j in range(3)],
        SECOND: [False] * 9,
    }
    path = log(tmp_path / "chat_logs.json", [content])
    asked = [request("chat/100/1-2", chosen[i], rejected[j]) for i in range(3) for j in range(3)]
    assert [result.text for result in replay(path, asked)] == content["output"]


def test_a_grouped_log_is_read_where_the_plain_one_is_missing(tmp_path: Path) -> None:
    records = [record(GOOD, BAD, "grouped", second=False)]
    log(tmp_path / "a" / "group_by_same_id_logs.json", {"0": records})
    assert replay(tmp_path, [request("x", GOOD, BAD)])[0].text == "grouped"
    log(tmp_path / "a" / "raw_logs.json", [record(GOOD, BAD, "plain", second=False)])
    assert replay(tmp_path, [request("x", GOOD, BAD)])[0].text == "plain"


def test_a_record_without_its_field_is_named(tmp_path: Path) -> None:
    broken = record(GOOD, BAD, "x", second=False)
    del broken[SECOND]
    path = log(tmp_path / "logs.json", [record(GOOD, BAD, "x", second=False), broken])
    with pytest.raises(BadInput, match=f"logs.json, row 2, field '{SECOND}': is missing"):
        replay(path, [])


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", "say what to replay"),
        ("nowhere", "nowhere: no such file or folder"),
        (".", "holds no log of a known format, nor anything else; known are .*rm-r1"),
    ],
)
def test_a_path_with_nothing_to_replay_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=expected):
        replay(path, [])


def test_every_published_judgment_is_found_by_the_pair_it_judged(shared: Path) -> None:
    for model in sorted((shared / "data/published").iterdir()):
        logged = list(recognized(model).judgments(model))
        assert len(logged) == 8
        asked = []
        for made in logged:
            shown = (made.pair.chosen, made.pair.rejected)
            if not made.chosen_first:
                shown = shown[::-1]
            asked.append(request(made.pair.id, *shown, chosen_first=made.chosen_first))
        assert [result.text for result in replay(model, asked)] == [made.text for made in logged]


def test_the_published_log_that_is_not_json_is_named_with_its_place(shared: Path) -> None:
    folder = "RM-R1-Qwen2.5-Instruct-32B/rmb/BoN_set_Helpfulness"
    path = shared / "data/published" / folder / "group_by_same_id_logs.json"
    with pytest.raises(BadInput, match=r"row 3: not JSON: .* at line 62, column 1"):
        replay(path, [])
