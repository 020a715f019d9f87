import os
import signal
from itertools import islice
from pathlib import Path

import msgspec
import pytest
from living import ends

from rmr1_core import Completion, RequestFailed
from rmr1_core.errors import EngineFailed, UsageError


def texts(answers):
    return [answer.result.text for answer in answers]


def test_answers_come_back_under_the_ids_of_their_requests(fake, make_request):
    with fake.engine().open(fake.backbone) as session:
        (answer,) = session.generate([make_request("hello")])
    assert answer.id == "id of hello"
    assert answer.result == Completion(
        text="echo hello",
        finish_reason="stop",
        prompt_tokens=7,
        completion_tokens=3,
        cached_tokens=5,
    )


def test_the_facts_are_the_workers(fake):
    with fake.engine().open(fake.backbone) as session:
        assert session.facts == {"vllm": "fake"}


def test_requests_reach_the_worker_whole(fake, make_request):
    asked = make_request("x", temperature=0.5, top_p=0.9, seed=3, stop=("</answer>",))
    greedy = make_request("y", seed=3)
    with fake.engine().open(fake.backbone) as session:
        list(session.generate([asked, greedy]))
    first, second = fake.noted("heard")
    assert first == {
        "kind": "ask",
        "number": 1,
        "messages": [["user", "x"]],
        "max_new_tokens": 10,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 3,
        "stop": ["</answer>"],
    }
    assert "seed" not in second


def test_one_refused_request_fails_alone(fake, make_request):
    with fake.engine().open(fake.backbone) as session:
        refused, fine = session.generate([make_request("refuse me"), make_request("fine")])
    assert refused.result == RequestFailed(error="too rude")
    assert fine.result.text == "echo fine"


def test_requests_are_with_the_worker_in_order_within_a_window(fake, make_request):
    fake.tell(hold=True, running=50)
    wanted = [str(number) for number in range(1000)]
    with fake.engine().open(fake.backbone) as session:
        answers = list(session.generate(map(make_request, wanted)))
        window = session.window
    assert sorted(texts(answers)) == sorted(f"echo {text}" for text in wanted)
    heard = [message["messages"][0][1] for message in fake.noted("heard")]
    assert heard == wanted
    most = max(fake.noted("waiting"))
    assert 100 < most <= window < 300


def test_an_evaluation_without_requests_ends(fake):
    with fake.engine().open(fake.backbone) as session:
        assert list(session.generate([])) == []


def test_a_caller_who_leaves_early_can_ask_again(fake, make_request):
    fake.tell(hold=True)
    first = [make_request(f"first {number}") for number in range(100)]
    with fake.engine().open(fake.backbone) as session:
        assert len(list(islice(session.generate(first), 3))) == 3
        answers = list(session.generate([make_request("second")]))
    assert texts(answers) == ["echo second"]
    assert [m["kind"] for m in fake.noted("heard")].count("forget") == 1


def test_what_the_worker_prints_is_kept_in_the_log_and_harms_nothing(fake, make_request):
    fake.tell(garbage='{"kind": "no such"}\n\xff banner')
    with fake.engine().open(fake.backbone) as session:
        answers = list(session.generate([make_request("hello")]))
    assert texts(answers) == ["echo hello"]
    assert "banner" in fake.log.read_text(errors="replace")


def test_a_dying_worker_is_reported_with_its_last_error_and_its_log(fake, make_request):
    fake.tell(die_after=3, death="Traceback:\nRuntimeError: out of luck\nand some more")
    with (
        pytest.raises(EngineFailed, match="RuntimeError: out of luck") as failure,
        fake.engine().open(fake.backbone) as session,
    ):
        list(session.generate(map(make_request, "abcdefgh")))
    assert str(fake.log) in str(failure.value)


def test_a_dead_worker_cannot_be_asked_again(fake, make_request):
    fake.tell(die_after=0, death="kill")
    with fake.engine().open(fake.backbone) as session:
        for _ in range(2):
            with pytest.raises(EngineFailed, match="SIGKILL"):
                list(session.generate([make_request("hello")]))


def test_answers_before_the_death_are_given(fake, make_request):
    fake.tell(die_after=3, death="kill")
    made = []

    def ask(session):
        for answer in session.generate(map(make_request, "abcdefgh")):
            made.append(answer.id)

    with (
        pytest.raises(EngineFailed, match="SIGKILL"),
        fake.engine().open(fake.backbone) as session,
    ):
        ask(session)
    assert made == ["id of a", "id of b", "id of c"]


def test_a_worker_says_its_last_error_itself(fake, make_request):
    fake.tell(die_after=0, death="say")
    with (
        pytest.raises(EngineFailed, match="said by itself"),
        fake.engine().open(fake.backbone) as session,
    ):
        list(session.generate([make_request("hello")]))


def test_a_dead_workers_child_that_holds_its_output_open_does_not_hold_us_up(fake, make_request):
    fake.tell(die_after=1, death="kill", child=True)
    with (
        pytest.raises(EngineFailed, match="SIGKILL"),
        fake.engine().open(fake.backbone) as session,
    ):
        list(session.generate(map(make_request, "abc")))
    worker, child = fake.noted("pids")
    assert ends(worker)
    assert ends(child)


def test_a_refusal_is_a_usage_error_and_leaves_no_log(fake, tmp_path, monkeypatch):
    fake.tell(refuse="no such argument")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    with (
        pytest.raises(UsageError, match="no such argument"),
        fake.engine(log="").open(fake.backbone),
    ):
        pass
    assert list(temporary.iterdir()) == []


def test_the_temporary_log_is_kept_when_vllm_fails(fake, tmp_path, monkeypatch, make_request):
    fake.tell(die_after=0, death="ValueError: see here")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with (
        pytest.raises(EngineFailed, match="ValueError: see here") as failure,
        fake.engine(log="").open(fake.backbone) as session,
    ):
        list(session.generate([make_request("hello")]))
    log = Path(str(failure.value).rpartition(" ")[2])
    assert "see here" in log.read_text()


def test_nothing_runs_any_more_when_the_block_ends(fake, make_request):
    fake.tell(child=True)
    with fake.engine().open(fake.backbone) as session:
        list(session.generate([make_request("hello")]))
        worker, child = fake.noted("pids")
        os.kill(child, 0)
    assert ends(worker)
    assert ends(child)
    assert fake.noted("ended") == [True]


def test_nothing_runs_any_more_when_the_block_is_interrupted(fake):
    fake.tell(child=True)
    with pytest.raises(KeyboardInterrupt), fake.engine().open(fake.backbone):
        os.kill(os.getpid(), signal.SIGINT)
    assert all(map(ends, fake.noted("pids")))


def test_a_missing_file_is_said_before_anything_starts(fake):
    (fake.weights / "tokenizer.json").unlink()
    with pytest.raises(UsageError, match="no tokenizer"), fake.engine().open(fake.backbone):
        pass
    assert fake.noted("pids") == []


def test_the_worker_is_told_what_to_load(fake):
    engine = fake.engine(dtype="float32", max_model_len=512, extra={"block_size": 64})
    with engine.open(fake.backbone):
        pass
    (setup,) = fake.noted("setup")
    assert setup["model"] == str(fake.weights)
    assert setup["revision"] == "main"
    assert setup["arguments"]["block_size"] == 64
    assert setup["arguments"]["max_model_len"] == 512


def test_the_worker_cuts_texts_and_goes_on_with_what_is_begun(fake, make_request):
    with fake.engine().open(fake.backbone) as session:
        assert session.beginnings(["a b c", "d e f"], 2) == [2, 2]
        begun = msgspec.structs.replace(make_request("x"), prefill="a b")
        (answer,) = session.generate([begun])
    assert answer.result.text == "echo x"
    first, second, third = fake.noted("heard")
    assert first == {"kind": "cut", "number": 1, "text": "a b c", "tokens": 2}
    assert (second["number"], second["text"]) == (2, "d e f")
    assert (third["number"], third["prefill"]) == (3, "a b")
