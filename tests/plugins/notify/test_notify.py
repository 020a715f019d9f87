from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from rmr1_core import EvalProtocol, Ref, bench, distilling, recipes, runs, train
from rmr1_core.bench import BenchRequest
from rmr1_core.distill_report import Distillation, Teacher
from rmr1_core.errors import EngineFailed
from rmr1_notify import rmr1_checks, telling, ways, words

pytestmark = pytest.mark.usefixtures("sample")

Run = Callable[..., Path]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a benchmark in this process, and tell whom is named."""

    def run(whom: str, *, after: str = "0", limit: int | None = None, **options: object) -> Path:
        monkeypatch.setenv("RMR1_NOTIFY", whom)
        monkeypatch.setenv("RMR1_NOTIFY_AFTER", after)
        request = BenchRequest(
            benchmarks=(Ref(name="sample-one"),),
            backbone=Ref(name="nobody"),
            engine=Ref(name="scripted", options=options),
            protocol=EvalProtocol(limit=limit),
        )
        folder = bench.start(tmp_path / "runs", request)
        bench.execute(folder)
        return folder

    return run


class Heard(NamedTuple):
    """What the server was told."""

    path: str
    headers: dict[str, str]
    body: str


class Server(NamedTuple):
    """A server of this machine, and what it was told."""

    url: str
    heard: list[Heard]
    answer: dict[str, Any]


@pytest.fixture
def server() -> Iterator[Server]:
    """One that answers as `answer` says: code, location, and seconds to wait."""
    heard: list[Heard] = []
    answer: dict[str, Any] = {"code": 200}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            heard.append(Heard(self.path, dict(self.headers), body))
            time.sleep(answer.get("seconds", 0))
            self.send_response(answer["code"])
            if "location" in answer:
                self.send_header("Location", answer["location"])
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            heard.append(Heard(self.path, dict(self.headers), ""))

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
        serving.daemon_threads = True
        thread = threading.Thread(target=serving.serve_forever, daemon=True)
        thread.start()
        yield Server(f"http://127.0.0.1:{serving.server_address[1]}", heard, answer)
        serving.shutdown()
        thread.join()


def warnings(capsys: pytest.CaptureFixture[str]) -> list[str]:
    lines = capsys.readouterr().err.splitlines()
    return [line for line in lines if line.startswith("warning: ")]


def test_a_server_is_told_how_a_run_ended(run: Run, server: Server) -> None:
    folder = run(f"{server.url}/hook")
    (heard,) = server.heard
    told = json.loads(heard.body)
    assert heard.path == "/hook"
    assert heard.headers["Content-Type"] == "application/json"
    assert told["title"] == f"rmr1 bench done: {folder.name}"
    assert told["status"] == "done"
    (result,) = told["results"]
    value, low, high = (f"{100 * result[name]:.1f}" for name in ("value", "low", "high"))
    assert told["text"].splitlines() == [
        f"sample-one {value} % [{low}, {high}], n=12",
        "took 0 s",
    ]


def test_what_is_partial_is_told_as_partial(run: Run, server: Server) -> None:
    run(server.url, limit=4)
    assert "sample-one (partial) " in json.loads(server.heard[0].body)["text"]


def test_a_failure_is_told_with_its_sentence(run: Run, server: Server) -> None:
    with pytest.raises(EngineFailed):
        run(f"slack:{server.url}", crash_after=3)
    (text,) = json.loads(server.heard[0].body).values()
    assert text.startswith("rmr1 bench failed: ")
    assert text.splitlines()[1] == "error: the script says: crash"


def test_ntfy_gets_a_text_with_its_title(run: Run, server: Server) -> None:
    folder = run(f"ntfy:{server.url}/topic")
    (heard,) = server.heard
    assert heard.headers["Title"] == f"rmr1 bench done: {folder.name}"
    assert heard.body.startswith("sample-one ")


def test_a_training_run_tells_of_its_last_judge(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RMR1_NOTIFY", server.url)
    monkeypatch.setenv("RMR1_NOTIFY_AFTER", "0")
    train.execute(train.start(tmp_path, recipes.choose("sample")))
    assert json.loads(server.heard[-1].body)["text"].startswith("second: sample-one ")


def test_a_distillation_tells_what_came_of_it(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RMR1_NOTIFY", server.url)
    monkeypatch.setenv("RMR1_NOTIFY_AFTER", "0")
    judge = Teacher(backbone=Ref(name="nobody"), engine=Ref(name="scripted"))
    asked = Distillation(dataset=Ref(name="rows"), judge=judge)
    distilling.start(tmp_path / "traces", asked)
    report = distilling.execute(tmp_path / "traces")
    told = json.loads(server.heard[0].body)
    assert told["title"] == f"rmr1 data distill done: {tmp_path / 'traces'}"
    assert told["text"].splitlines()[0] == f"{report.kept} traces for 4 rows"


def test_a_distillation_that_fails_tells_its_error(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RMR1_NOTIFY", server.url)
    monkeypatch.setenv("RMR1_NOTIFY_AFTER", "0")
    engine = Ref(name="scripted", options={"crash_after": 1})
    judge = Teacher(backbone=Ref(name="nobody"), engine=engine)
    distilling.start(tmp_path / "traces", Distillation(dataset=Ref(name="rows"), judge=judge))
    with pytest.raises(EngineFailed):
        distilling.execute(tmp_path / "traces")
    told = json.loads(server.heard[0].body)
    assert (told["status"], told["error"]) == ("failed", "the script says: crash")


def test_what_was_quick_is_not_told(run: Run, server: Server) -> None:
    run(server.url, after="10m")
    assert server.heard == []


def test_nobody_is_told_unless_it_is_asked_for(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run("")
    assert warnings(capsys) == []


def test_a_command_gets_words_as_variables_and_facts_as_json(run: Run, tmp_path: Path) -> None:
    place = tmp_path / "told"
    command = f'(echo "$RMR1_STATUS"; echo "$RMR1_TITLE"; echo "$RMR1_MESSAGE"; cat) > {place}'
    folder = run(f"command:{command}")
    status, title, score, took, facts = place.read_text().splitlines()
    assert (status, title) == ("done", f"rmr1 bench done: {folder.name}")
    assert score.startswith("sample-one ")
    assert took == "took 0 s"
    assert json.loads(facts)["run"] == folder.name


def test_no_word_of_an_error_becomes_a_command(tmp_path: Path) -> None:
    record = runs.new_record(tmp_path, "bench")
    runs.write_record(tmp_path, record)
    text = "$(touch x); `touch x`\0 <!channel> & <b>"
    what = words.of_run(runs.finished(record, "failed", text), tmp_path, 1)
    ways.by_command(f'cd {tmp_path}; printf %s "$RMR1_MESSAGE" > told', what)
    assert not (tmp_path / "x").exists()
    assert (tmp_path / "told").read_text() == f"error: {text}\ntook 1 s".replace("\0", "")


def test_nobody_is_called_by_markup(server: Server, tmp_path: Path) -> None:
    record = runs.new_record(tmp_path, "bench")
    runs.write_record(tmp_path, record)
    failed = runs.finished(record, "failed", "<!channel>\r\nTitle: x" + "y" * 10000)
    what = words.of_run(failed, tmp_path, 1)
    ways.webhook(f"slack:{server.url}")(what)
    assert "&lt;!channel&gt;" in json.loads(server.heard[0].body)["text"]
    assert len(what.text) < 1000


def test_the_desktop_shows_it_without_markup(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "notify-send"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/shown\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    folder = run("desktop")
    shown = (tmp_path / "shown").read_text().splitlines()
    assert shown[:4] == [
        *("--app-name=rmr1", "--urgency=normal"),
        *("--", f"rmr1 bench done: {folder.name}"),
    ]


@pytest.mark.parametrize(
    ("whom", "sentence"),
    [
        ("command:echo no >&2; exit 3", "the command of RMR1_NOTIFY could not be told: no"),
        ("command:exit 3", "could not be told: it ended with 3"),
        ("http://127.0.0.1:9/secret", "http://127.0.0.1/… could not be told: "),
    ],
)
def test_who_cannot_be_told_is_a_warning(
    run: Run, capsys: pytest.CaptureFixture[str], whom: str, sentence: str
) -> None:
    folder = run(whom)
    (warning,) = warnings(capsys)
    assert sentence in warning
    assert "secret" not in warning
    assert runs.read_record(folder).status == "done"


@pytest.mark.parametrize(
    ("whom", "sentence"),
    [
        ("mailto:me", "names nobody that can be told"),
        ("http://example.org/x", "http is for this machine alone; use https for example.org"),
        ("http://[", "names nobody that can be told"),
        ("desktop", "there is no notify-send here"),
    ],
)
def test_who_can_never_be_told_is_said_when_the_run_begins(
    run: Run,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    whom: str,
    sentence: str,
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    run(whom, after="1h")
    (warning,) = warnings(capsys)
    assert sentence in warning
    (check,) = rmr1_checks()
    assert check.ok is False
    assert sentence in check.detail


def test_a_time_that_is_none_is_said_when_the_run_begins(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run("command:true", after="soon")
    (warning,) = warnings(capsys)
    assert "RMR1_NOTIFY_AFTER=soon: give seconds, or a time such as 10m or 2h" in warning


def test_a_server_that_does_not_answer_is_not_waited_for(
    run: Run,
    server: Server,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(telling, "PATIENCE_SECONDS", 0.2)
    server.answer["seconds"] = 2
    run(server.url)
    (warning,) = warnings(capsys)
    assert "does not answer; nobody may have been told" in warning


def test_a_program_that_does_not_end_is_ended(
    run: Run,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ways, "SECONDS", 0.3)
    run(f"command:echo $$ > {tmp_path}/pid; sleep 60")
    (warning,) = warnings(capsys)
    assert "did not answer within 0.3 s" in warning
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


def test_nothing_is_sent_where_a_server_redirects_to(
    run: Run, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answer.update(code=302, location=f"{server.url}/elsewhere")
    run(f"{server.url}/hook")
    assert [heard.path for heard in server.heard] == ["/hook"]
    assert "it answers 302 Found" in warnings(capsys)[0]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.4, "0 s"), (119, "119 s"), (600, "10 min"), (3900, "1 h 05 min"), (90000, "25 h 00 min")],
)
def test_a_time_is_told_as_one_says_it(seconds: float, said: str) -> None:
    assert words.duration(seconds) == said


@pytest.mark.parametrize(("text", "seconds"), [("", 60), ("90", 90), ("1.5h", 5400), ("10m", 600)])
def test_what_is_long_can_be_said(
    monkeypatch: pytest.MonkeyPatch, text: str, seconds: float
) -> None:
    monkeypatch.setenv("RMR1_NOTIFY_AFTER", text)
    assert telling.after() == seconds
