"""What the viewer answers: lists, filters, pairs, and to whom."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import pytest
from click.testing import CliRunner
from made_runs import TRACE, append, both, import_without_order, judgment, make, pair, usual

from rmr1_core import Verdict, jsonl
from rmr1_core.cli import build
from rmr1_core.errors import UsageError
from rmr1_viewer.serving import served


class Said(NamedTuple):
    """An answer over HTTP."""

    status: int
    headers: dict[str, str]
    body: bytes


def say(address: str, path: str, **headers: str) -> Said:
    """Ask as a browser does."""
    to = urlsplit(address)
    connection = http.client.HTTPConnection(to.hostname or "", to.port, timeout=10)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    found = {name.lower(): value for name, value in answer.getheaders()}
    said = Said(answer.status, found, answer.read())
    connection.close()
    return said


def ask(address: str, what: str, **facts: object) -> Any:
    return json.loads(say(address, f"/api/{what}?{urlencode(facts)}").body)


def wait(address: str, pairs: int, **facts: object) -> None:
    """Until the filters leave so many pairs."""
    for _ in range(200):
        if (
            ask(address, "list", **facts).get("total") == pairs
            and not ask(address, "runs")["indexing"]
        ):
            return
        time.sleep(0.05)
    raise AssertionError(ask(address, "list", **facts))


ONE = {"run": "one", "evaluation": "evaluation"}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root = tmp_path_factory.mktemp("runs")
    usual(root)
    with served([], root) as address:
        wait(address, 6, **ONE)
        yield address


def ids(address: str, **facts: object) -> list[str]:
    return [row["pair"][-1] for row in ask(address, "list", **ONE, **facts)["rows"]]


@pytest.mark.parametrize(
    ("kind", "pairs"),
    [
        ("", "012345"),
        ("right", "04"),
        ("wrong", "123"),
        ("flipped", "2"),
        ("unparsed", "3"),
        ("truncated", "4"),
        ("failed", "5"),
        ("open", "5"),
        ("nonsense' OR 1=1", ""),
    ],
)
def test_a_filter_leaves_the_pairs_that_it_names(address: str, kind: str, pairs: str) -> None:
    assert "".join(ids(address, kind=kind)) == pairs


def test_subset_and_window_are_those_asked_for(address: str) -> None:
    assert ids(address, subset="odd") == ["1", "3", "5"]
    assert ids(address, offset=4, limit=1) == ["4"]
    assert ids(address, benchmark="other") == []


@pytest.mark.parametrize(
    ("words", "pairs"),
    [
        ("zebr", "3"),
        ("number 4", "4"),
        ("exact never", "0124"),
        ("pair-2", "2"),
        ('"; DROP TABLE pair; --', ""),
        ("*", "012345"),
    ],
)
def test_search_reads_prompts_answers_and_judges(address: str, words: str, pairs: str) -> None:
    assert "".join(ids(address, q=words)) == pairs


@pytest.mark.parametrize(("kind", "pairs"), [("gained", "0"), ("lost", "1")])
def test_pairs_gained_and_lost_against_another_run_are_found(
    address: str, kind: str, pairs: str
) -> None:
    assert "".join(ids(address, kind=kind, against_run="two", against="evaluation")) == pairs


def test_a_pair_comes_with_its_judgments_and_the_places_of_quotations(address: str) -> None:
    shown = ask(address, "pair", **ONE, benchmark="made", pair="pair-0")
    first, second = shown["judgments"]
    assert (first["chosen_first"], second["chosen_first"]) == (True, False)
    assert [part["name"] for part in first["sections"]] == ["type", "rubric", "eval", "answer"]
    found, missing = first["evidence"]
    start, end = found["span"]
    assert shown["pair"]["chosen"][start:end] == "clear words"
    assert missing["span"] is None
    assert missing["looked"]


def test_what_is_not_there_is_not_found(address: str) -> None:
    query = urlencode({**ONE, "benchmark": "made", "pair": "nobody"})
    assert say(address, f"/api/pair?{query}").status == 404
    assert say(address, "/page/..%2fapp.py").status == 404
    assert say(address, "/page/none.js").status == 404


def test_the_policy_lets_the_page_load_nothing_but_its_own_files(address: str) -> None:
    said = say(address, "/")
    assert said.status == 200
    assert "default-src 'none'; script-src 'self'" in said.headers["content-security-policy"]
    assert b"unsafe" not in said.headers["content-security-policy"].encode()
    assert b"<script>" not in said.body


def test_another_hosts_name_is_refused(address: str) -> None:
    assert say(address, "/api/runs", Host="evil.example:80").status == 403
    assert say(address, "/api/runs", Host="localhost:80").status == 200


def test_with_a_token_only_its_owner_reads(tmp_path: Path) -> None:
    with served([], tmp_path, token="secret") as address:
        assert say(address, "/api/runs").status == 401
        assert say(address, "/?token=wrong").status == 401
        moved = say(address, "/?token=secret")
        assert (moved.status, moved.headers["location"]) == (303, "/")
        cookie = moved.headers["set-cookie"].split(";")[0]
        assert say(address, "/api/runs", Cookie=cookie).status == 200


def test_what_a_run_adds_appears_and_torn_lines_wait(tmp_path: Path) -> None:
    folder = make(tmp_path, "one", [pair(0), pair(1)], both(0, "A", "B"), "started")
    with served([], tmp_path) as address:
        wait(address, 1, **ONE, kind="right")
        append(folder, both(1, "A", "B"))
        journal = folder / "evaluation" / "judgments.jsonl"
        with journal.open("ab") as file:
            file.write(b'{"kind":"judg')
        wait(address, 2, **ONE, kind="right")
        make(tmp_path, "two", [pair(0)], [])
        wait(address, 1, run="two", evaluation="evaluation")


def test_all_samples_are_shown_and_the_last_word_counts(tmp_path: Path) -> None:
    lines = [judgment(0, first=True, verdict=Verdict.A, sample=n) for n in range(3)]
    again = judgment(0, first=True, verdict=Verdict.B, sample=1)
    make(tmp_path, "one", [pair(0)], [*lines, again])
    with served([], tmp_path) as address:
        wait(address, 1, **ONE, kind="wrong")
        shown = ask(address, "pair", **ONE, benchmark="made", pair="pair-0")
        assert [one["verdict"] for one in shown["judgments"]] == ["A", "B", "A"]


def test_a_journal_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    folder = make(tmp_path, "one", [pair(0)], both(0, "A", "B", TRACE * 3))
    with served([folder]) as address:
        wait(address, 1, **ONE, kind="right")
        (folder / "evaluation" / "judgments.jsonl").unlink()
        append(folder, both(0, "B", "A"))
        wait(address, 1, **ONE, kind="wrong")


def test_a_run_says_whether_its_orders_are_known(tmp_path: Path) -> None:
    import_without_order(tmp_path)
    usual(tmp_path)
    with served([], tmp_path) as address:
        wait(address, 1, run="theirs", evaluation="evaluation")
        known = {run["id"]: run["order_known"] for run in ask(address, "runs")["runs"]}
    assert known == {"theirs": False, "one": True, "two": True}


def test_a_damaged_run_is_named_and_stops_no_other(tmp_path: Path) -> None:
    make(tmp_path, "one", [pair(0)], both(0, "A", "B"))
    (tmp_path / "zero").mkdir()
    (tmp_path / "zero" / "run.json").write_text("{")
    with served([], tmp_path) as address:
        wait(address, 1, **ONE, kind="right")
        damaged = next(run for run in ask(address, "runs")["runs"] if run["id"] == "zero")
        assert "run.json" in damaged["error"]


def test_nothing_is_written_into_runs(tmp_path: Path) -> None:
    usual(tmp_path)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    with served([], tmp_path) as address:
        wait(address, 6, **ONE)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before


def test_a_port_that_is_taken_is_one_sentence(tmp_path: Path) -> None:
    with served([], tmp_path) as address:
        port = urlsplit(address).port or 0
        with pytest.raises(UsageError, match="rmr1 view"), served([], tmp_path, port=port):
            pass


def test_a_run_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    done = CliRunner().invoke(build(), ["view", "nobody", "--runs-dir", str(tmp_path)])
    assert isinstance(done.exception, UsageError)


def test_the_command_prints_its_address_and_leaves_nothing_when_it_is_ended(tmp_path: Path) -> None:
    usual(tmp_path / "runs")
    aside = tmp_path / "aside"
    aside.mkdir()
    command = ["-m", "rmr1_core", "view", "--no-browser", "--runs-dir", str(tmp_path / "runs")]
    with subprocess.Popen(
        [sys.executable, *command],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(aside)},
    ) as viewer:
        assert viewer.stdout is not None
        address = viewer.stdout.readline().split()[0]
        wait(address, 6, **ONE)
        assert list(aside.iterdir())
        viewer.terminate()
        assert viewer.wait(timeout=20) == 0
    assert list(aside.iterdir()) == []


def test_the_steps_of_training_come_as_curves_of_few_points(tmp_path: Path) -> None:
    steps = [{"step": n, "loss": 1 / n, "kl": None} for n in range(1, 1001)]
    folder = make(tmp_path, "one", [pair(0)], both(0, "A", "B"))
    jsonl.write(folder / "stages" / "sft" / "steps.jsonl", steps)
    with served([], tmp_path) as address:
        wait(address, 1, **ONE)
        (run,) = ask(address, "runs")["runs"]
    (curve,) = run["curves"]
    assert (curve["stage"], curve["name"]) == ("sft", "loss")
    assert curve["points"][0] == [1, 1.0]
    assert curve["points"][-1] == [1000, 0.001]
    assert len(curve["points"]) < 200
