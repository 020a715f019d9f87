"""What the measurements of vLLM share: prompts as token ids, and whole processes, timed."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rmr1_core import EvalProtocol, Ref, Request
from rmr1_core.bench import benchmarks_of, judge_of, source
from rmr1_core.environments import locate
from rmr1_core.evaluation import load
from rmr1_core.judging import Judging
from rmr1_core.slots import slots

BARE = Path(__file__).with_name("bare_vllm.py")
ARGUMENTS = {"dtype": "float32", "generation_config": "vllm", "seed": 0}
"""What both sides give vLLM; all else is its own choice."""

IN_PROCESS = {"VLLM_ENABLE_V1_MULTIPROCESSING": "0"}
"""What suits vLLM on a CPU, where a process of its own costs half a minute and gains nothing."""


class Cost(NamedTuple):
    """What a process and its children took, in seconds, and the last line that it printed."""

    wall: float
    cpu: float
    said: str


def whole(argv: Sequence[str], env: Mapping[str, str]) -> Cost:
    """Run a process from its start to its end."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        argv, env={**os.environ, **env}, capture_output=True, text=True, check=False
    )
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{argv[:4]} failed:\n{done.stderr[-3000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall, cpu, (done.stdout.strip().splitlines() or [""])[-1])


def rmr1(*argv: str) -> Cost:
    """Run a whole `rmr1` command, its runs in a folder that goes away."""
    with tempfile.TemporaryDirectory() as runs:
        command = [sys.executable, "-m", "rmr1_core", *argv, "--runs-dir", runs, "--json"]
        return whole(command, {})


def bare(work: Mapping[str, Any]) -> Cost:
    """Run vLLM alone on this work."""
    located = locate("vllm")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "work.json"
        path.write_text(json.dumps(work))
        env = {**located.env, **IN_PROCESS}
        return whole([str(located.python), str(BARE), str(path)], env)


def requests(
    benchmarks: Sequence[str],
    model: str,
    protocol: EvalProtocol,
    data: Path | None = None,
    *,
    prompt: Ref | None = None,
    options: Mapping[str, Any] | None = None,
) -> list[Request]:
    """What `rmr1 bench` asks of a judge, in its order. `options` are of every benchmark."""
    judge, _, _ = judge_of(Ref(name=model), Ref(name="vllm"), prompt)
    where = {"": str(data)} if data else {}
    wanted = []
    for benchmark in benchmarks_of([Ref(name=b, options=options or {}) for b in benchmarks]):
        pairs, _ = load(benchmark, source(where, benchmark.name), protocol)
        wanted += slots(benchmark.name, pairs, protocol)
    return list(
        Judging(judge.strategy, protocol, None).pending(wanted, judge.max_new_tokens(protocol))
    )


def work(model: str, asked: Sequence[Request], **arguments: Any) -> dict[str, Any]:
    """The same requests for vLLM alone: token ids, made beforehand."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    prompts = tokenizer.apply_chat_template(
        [[{"role": m.role, "content": m.content} for m in r.messages] for r in asked],
        tokenize=True,
        add_generation_prompt=True,
        return_dict=False,
    )
    return {
        "model": model,
        "arguments": {**ARGUMENTS, **arguments},
        "prompts": prompts,
        "limits": [request.sampling.max_new_tokens for request in asked],
        "stop": list(asked[0].sampling.stop),
    }
