import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from living import ends


@contextmanager
def serving(*args):
    """`rmr1 up` once it has said where it serves."""
    process = subprocess.Popen(
        [sys.executable, "-m", "rmr1_core", "up", *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def test_a_dry_run_prints_the_command_and_starts_nothing(fake, rmr1):
    done = rmr1(
        *("up", str(fake.weights), "--dry-run", "--port", "0", "--max-model-len", "512"),
        *("-o", "engine.enforce_eager=true", "--served-model-name", "judge"),
    )
    assert done.returncode == 0, done.stderr
    words = shlex.split(done.stdout)
    assert words[words.index("--model") + 1] == str(fake.weights)
    assert words[words.index("--served-model-name") + 1] == "judge"
    assert words[words.index("--max-model-len") + 1] == "512"
    assert words[words.index("--generation-config") + 1] == "vllm"
    assert int(words[words.index("--port") + 1]) > 0
    assert "--enforce-eager" in words
    assert fake.noted("pids") == []


def test_the_engines_options_are_in_its_help(rmr1):
    done = rmr1("up", "--help")
    assert "--tensor-parallel-size INT" in done.stdout
    assert "--served-model-name" in done.stdout


def test_it_serves_until_ctrl_c_and_leaves_nothing(fake):
    with serving(str(fake.weights), "--json", "--log", str(fake.log)) as process:
        told = ""
        while not told.rstrip().endswith("\n}"):
            told += process.stdout.readline()
        said = json.loads(told)
        assert said["model"] == "weights"
        assert said["bench"] == (
            f"rmr1 bench rm-bench --engine openai --base-url {said['url']} --model {said['model']}"
        )
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "Traceback" not in errors
    assert all(map(ends, fake.noted("pids")))


def test_a_dead_server_is_reported_with_its_true_error(fake, rmr1):
    fake.tell(death="ValueError: no room for the weights")
    done = rmr1("up", str(fake.weights), "--log", str(fake.log))
    assert done.returncode == 1
    assert "ValueError: no room for the weights" in done.stderr
    assert str(fake.log) in done.stderr


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "::"])
def test_an_address_that_others_reach_needs_a_key(fake, rmr1, host):
    done = rmr1("up", str(fake.weights), "--host", host, "--dry-run")
    assert done.returncode == 2
    assert "export VLLM_API_KEY" in done.stderr


def test_the_key_is_named_and_never_shown(fake, rmr1):
    done = rmr1(
        *("up", str(fake.weights), "--host", "0.0.0.0", "--dry-run", "--json"),
        VLLM_API_KEY="very-secret",
    )
    assert done.returncode == 0, done.stderr
    assert "very-secret" not in done.stdout + done.stderr
    assert "--api-key-env VLLM_API_KEY" in json.loads(done.stdout)["bench"]
    assert json.loads(done.stdout)["url"].startswith("http://127.0.0.1:")


def test_a_taken_port_is_said_at_once(fake, rmr1):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = rmr1("up", str(fake.weights), "--port", str(port))
    assert done.returncode == 2
    assert f"127.0.0.1:{port}" in done.stderr
    assert fake.noted("pids") == []


def test_an_unknown_option_is_refused(fake, rmr1):
    done = rmr1("up", str(fake.weights), "-o", "engine.dtyp=float32")
    assert done.returncode == 2
    assert "dtyp" in done.stderr
    done = rmr1("up", str(fake.weights), "-o", "prompt.parser=last")
    assert done.returncode == 2


def test_the_server_ends_with_a_killed_command(fake):
    """Run for real, without the stand-in: our own start, and a module in the server's place."""
    from rmr1_vllm.session import START

    parent = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, sys.argv[1]], stdin=subprocess.PIPE, "
        "start_new_session=True)\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", parent, str(START)], stdout=subprocess.PIPE, text=True
    )
    worker = int(process.stdout.readline())
    time.sleep(0.3)
    os.kill(worker, 0)
    process.kill()
    process.communicate()
    assert ends(worker)
