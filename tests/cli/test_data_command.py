from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from mixes import example, numbered, rows_of

from rmr1_core import examples_file

Cli = Callable[..., Any]
MIXTURE = """
name = "mine"
description = "Made up."
[overlap]
benchmarks = [{name = "sample-one"}]
[[sources]]
name = "rows"
dataset = {name = "mixed:in"}
"""


@pytest.fixture
def data(cli: Cli) -> Cli:
    """The command, in a folder with rows and a mixture of them."""
    rows = [
        *numbered(6, domain="code"),
        example("long", chosen="x" * 3000, first=False),
        example("twin", "question row-0"),
        example("against", "question row-1", "bad", "good"),
        example("same", chosen="x", rejected="X"),
        example("empty", rejected="  "),
        example("row-5", "another question of this name"),
        example("traced", trace="<answer>[[B]]</answer>"),
        example("asked", "question 0 0", "good 0", "bad 0"),
    ]
    examples_file.write(Path("in/train.jsonl"), rows)
    clean = [row for row in rows if not row.trace]
    examples_file.write(Path("clean/train.jsonl"), clean)
    Path("mine.toml").write_text(MIXTURE.replace("mixed:in", "mixed:clean"))

    def run(*args: str) -> Any:
        return cli("data", *args)

    return run


def test_a_preview_shows_texts_tags_and_order(data: Cli) -> None:
    done = data("preview", "mixed:in", "-n", "7")
    assert done.code == 0
    assert "=== row-0  source=made-up, row_id=row-0, licence=CC0-1.0, domain=code" in done.out
    assert "--- chosen (shown second)\nxxx" in done.out
    assert "[1,800 characters more]" in done.out
    assert len(data("preview", "mixed:in", "--json").json["rows"]) == 3


def test_options_of_a_source_are_set(data: Cli) -> None:
    done = data("stats", "toy", "--split", "test", "--set", "test_items=7", "--json")
    assert done.json["stats"]["rows"] == 7
    wrong = data("stats", "toy", "--set", "test_items")
    assert wrong.code == 2
    assert "write it as OPTION=VALUE" in wrong.err
    assert "no option 'size'" in data("stats", "toy", "--set", "size=3").err


def test_statistics_count_what_there_is(data: Cli) -> None:
    found = data("stats", "mixed:in", "--json").json["stats"]
    assert found["rows"] == 14
    assert found["sources"] == {"made-up": 14}
    assert found["domains"] == {"not stated": 8, "code": 6}
    assert found["licences"] == {"CC0-1.0": 14}
    assert found["first_share"] == pytest.approx(13 / 14)
    assert found["traces"] == 1
    assert found["unit"] == "characters"
    whole = {row["part"]: row for row in found["lengths"]}
    assert whole["chosen"]["longest"] == 3000
    assert whole["chosen"]["p50"] == 4
    shown = data("stats", "mixed:in")
    assert shown.code == 0
    assert "chosen answer first: 92.9 %" in shown.out


def test_a_check_names_everything_that_is_wrong(data: Cli) -> None:
    done = data("check", "mixed:in", "--max-length", "2000", "--json")
    assert done.code == 1
    found = {row["what"]: (row["rows"], row["first"]) for row in done.json["stats"]["findings"]}
    assert found == {
        "contradictory labels": (2, 2),
        "longer than 2,000 characters": (1, 7),
        "duplicate": (1, 8),
        "identical answers": (1, 10),
        "an empty answer": (1, 11),
        "the name of an earlier row": (1, 12),
        "a trace with another verdict than its label": (1, 13),
    }
    shown = data("check", "mixed:in")
    assert shown.code == 1
    assert "contradictory labels" in shown.out


def test_a_check_of_good_rows_ends_well(data: Cli) -> None:
    done = data("check", "toy", "--split", "test")
    assert done.code == 0
    assert "nothing is wrong with them" in done.out


def test_bad_rows_stop_or_are_skipped_and_listed(data: Cli) -> None:
    path = Path("in/train.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    bad = [b"not json\n"] * 6 + [b'{"id": "\xff"}\n'] * 7
    path.write_bytes(b"".join([*lines[:2], *bad, *lines[2:]]))
    stopped = data("stats", "mixed:in")
    assert stopped.code == 2
    assert "train.jsonl, row 3: " in stopped.err
    done = data("stats", "mixed:in", "--skip-bad", "--json")
    assert done.code == 0
    assert done.json["stats"]["rows"] == 14
    assert len(done.json["skipped"]) == 13
    assert "13 rows were left out; the first:" in done.err
    assert done.err.count("train.jsonl, row ") == 10
    assert "by reason:\n  7: " in done.err
    checked = data("check", "mixed:in")
    assert checked.code == 1
    assert "13 rows that cannot be used" in checked.out


def test_tokens_are_counted_with_a_models_tokenizer(data: Cli, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from rmr1_core.lookup import resolve

    tiny = resolve("backbone", "tiny")
    model = tiny.prepare(tmp_path / "model", seed=0, corpus=lambda: ["question good bad"] * 50)
    done = data("check", "mixed:in", "--tokenizer", model.model, "--max-length", "200", "--json")
    assert done.json["stats"]["unit"] == "tokens"
    whats = {row["what"] for row in done.json["stats"]["findings"]}
    assert "longer than 200 tokens" in whats
    wrong = data("stats", "mixed:in", "--tokenizer", "tiny")
    assert (wrong.code, "has no tokenizer yet" in wrong.err) == (2, True)


def test_a_mix_is_made_and_told(data: Cli) -> None:
    done = data("mix", "mine.toml", "-o", "out")
    assert done.code == 0
    assert "nearly" not in done.out
    assert "prompt of a benchmark" in done.out
    assert "train on them with the dataset mixed:out" in done.out
    assert len(rows_of(Path("out"))) == 8
    told = data("mix", "mine.toml", "-o", "out", "--json")
    assert told.json["report"]["rows"] == 8
    assert told.json["folder"] == "out"
    assert data("stats", "mixed:out", "--json").json["stats"]["rows"] == 8


def test_a_mixture_is_changed_on_the_command_line(data: Cli) -> None:
    settings = ("--set", "sources.rows.count=3", "--set", "overlap.benchmarks=[]")
    done = data("mix", "mine.toml", "-o", "out", *settings, "--json")
    assert done.json["report"]["sources"][0]["taken"] == 3
    assert done.json["notes"] == ["no benchmark was compared, so its prompts may be among the rows"]


def test_benchmarks_are_read_from_local_data(data: Cli) -> None:
    Path("here").mkdir()
    Path("here/sample-one.jsonl").write_text('{"number": 0}\n')
    done = data("mix", "mine.toml", "-o", "out", "--data", "here/sample-one.jsonl", "--json")
    assert done.json["report"]["benchmarks"][0]["pairs"] == 1
    assert "sample-one was compared in part: 1 of its 12 pairs are there" in done.json["notes"]
    wrong = data("mix", "mine.toml", "-o", "out", "--data", "other=here")
    assert wrong.code == 2
    assert "no benchmark 'other' is used; there is sample-one" in wrong.err


def test_a_dry_run_writes_nothing(data: Cli) -> None:
    done = data("mix", "mine.toml", "-o", "out", "--dry-run")
    assert done.code == 0
    assert "row-0" in done.out
    told = data("mix", "mine.toml", "-o", "out", "--dry-run", "--json").json
    assert told == [{"source": "rows", "takes": "all rows", "first_row": "row-0"}]
    assert not Path("out").exists()


def test_a_mix_needs_no_second_try_after_a_kill(data: Cli, tmp_path: Path) -> None:
    """What a kill leaves is in the way of nothing, and is no mix."""
    Path("out.part").mkdir()
    Path("out.part/train.jsonl").write_text("half")
    assert data("mix", "mine.toml", "-o", "out").code == 0
    assert not Path("out.part").exists()


def test_an_interrupted_mix_leaves_nothing(data: Cli, install_plugin: Callable[..., None]) -> None:
    install_plugin(
        "interrupting",
        """
        from rmr1_core import Dataset, hookimpl

        class Interrupting(Dataset, frozen=True, kw_only=True):
            def examples(self, split, *, seed):
                raise KeyboardInterrupt
                yield

        @hookimpl
        def rmr1_datasets():
            return [Interrupting(name="interrupting")]
        """,
    )
    before = sorted(Path.cwd().iterdir())
    settings = ("--set", "sources.rows.dataset.name=interrupting")
    done = data("mix", "mine.toml", "-o", "out", *settings)
    assert done.code == 130
    assert "interrupted; nothing half-built is left" in done.err
    assert sorted(Path.cwd().iterdir()) == before


# the hub


class Hub(BaseHTTPRequestHandler):
    """A hub that takes what is uploaded and remembers it."""

    asked: ClassVar[list[tuple[str, str]]] = []
    files: ClassVar[dict[str, bytes]] = {}
    refuse = False

    def do_POST(self) -> None:
        """Answer as the hub does."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.asked.append((self.path, body.decode(errors="replace")))
        if self.refuse:
            self._answer(401, {"error": "who are you?"})
        elif self.path.endswith("/repos/create"):
            self._answer(200, {"url": f"http://{self.headers['Host']}/datasets/me/mix"})
        elif "/preupload/" in self.path:
            names = [file["path"] for file in json.loads(body)["files"]]
            files = [
                {"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names
            ]
            self._answer(200, {"files": files})
        elif "/commit/" in self.path:
            for line in body.splitlines():
                entry = json.loads(line)
                if entry["key"] == "file":
                    value = entry["value"]
                    self.files[value["path"]] = base64.b64decode(value["content"])
            address = f"http://{self.headers['Host']}/datasets/me/mix/commit/abc"
            self._answer(200, {"success": True, "commitOid": "abc", "commitUrl": address})
        else:
            self._answer(200, {"errors": [], "warnings": []})

    def do_GET(self) -> None:
        """Facts of the repository."""
        self.asked.append((self.path, ""))
        self._answer(200, {"id": "me/mix", "sha": "abc", "siblings": [], "private": False})

    def _answer(self, status: int, value: Any) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: Any) -> None:
        """Nothing."""


@pytest.fixture
def hub() -> Iterator[type[Hub]]:
    """A hub on this machine, with an address."""

    class Mine(Hub):
        asked, files, refuse = [], {}, False
        address = ""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Mine)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    Mine.address = f"http://127.0.0.1:{server.server_port}"
    yield Mine
    server.shutdown()
    server.server_close()
    thread.join()


def push(hub: Any, *args: str) -> subprocess.CompletedProcess[str]:
    """Push as a user does, to this hub."""
    return subprocess.run(
        [sys.executable, "-m", "rmr1_core", "data", "push", *args],
        env={
            **os.environ,
            "HF_ENDPOINT": hub.address,
            "HF_TOKEN": "hf_made_up",
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_mix_is_pushed_with_its_card(data: Cli, hub: Any) -> None:
    data("mix", "mine.toml", "-o", "out")
    done = push(hub, "out", "me/mix", "--private")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"pushed: {hub.address}/datasets/me/mix/commit/abc\n"
    assert hub.files == {path.name: path.read_bytes() for path in Path("out").iterdir()}
    created = json.loads(next(body for path, body in hub.asked if path.endswith("/create")))
    assert (created["type"], created["visibility"]) == ("dataset", "private")


def test_a_mix_that_was_changed_is_not_pushed(data: Cli, hub: Any) -> None:
    data("mix", "mine.toml", "-o", "out")
    with Path("out/train.jsonl").open("a") as file:
        file.write("{}\n")
    done = push(hub, "out", "me/mix")
    assert done.returncode == 2
    assert "was changed after it was mixed" in done.stderr
    assert hub.asked == []
    assert "is no mix" in push(hub, "in", "me/mix").stderr


def test_a_hub_that_refuses_is_a_sentence(data: Cli, hub: Any) -> None:
    data("mix", "mine.toml", "-o", "out")
    hub.refuse = True
    done = push(hub, "out", "me/mix")
    assert done.returncode == 1
    assert done.stderr.startswith("error: cannot push to 'me/mix': ")
    assert done.stderr.strip().endswith("log in with: hf auth login")
    assert len(done.stderr.splitlines()) == 1


def test_a_hub_that_is_not_there_is_a_sentence(data: Cli, hub: Any) -> None:
    data("mix", "mine.toml", "-o", "out")
    hub.address = "http://127.0.0.1:9"  # the port of discard, where nobody listens
    done = push(hub, "out", "me/mix")
    assert done.returncode == 1
    assert done.stderr.startswith("error: cannot push to 'me/mix': ")
    assert done.stderr.strip().endswith("try again with: rmr1 data push out me/mix")


def test_a_dry_push_uploads_nothing(data: Cli, hub: Any) -> None:
    data("mix", "mine.toml", "-o", "out")
    done = push(hub, "out", "me/mix", "--dry-run", "--json")
    assert done.returncode == 0
    assert set(json.loads(done.stdout)["files"]) == {p.name for p in Path("out").iterdir()}
    assert hub.asked == []
