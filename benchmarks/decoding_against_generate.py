"""The transformers engine against a plain `generate` loop: same judge, same requests, same texts.

    python benchmarks/decoding_against_generate.py [--pairs 600] [--rounds 5] [--folder DIR]
    python benchmarks/decoding_against_generate.py --judge RUN/stages/grpo/checkpoint

The loop is what one writes without an engine: the requests in order, 64 at a time, rendered,
padded on the left, `model.generate`, decoded. The engine has its default options. Both render and
decode; loading is in neither. The judges are the embedded run's after a short distillation, and
after hardly any; `--judge` measures another one instead, such as the judge of a whole `rmr1 run`.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import torch
from common import Run, alternating, machine, ratios, recipe, table, timed, trained_judge
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

from rmr1_core import Backbone, Completion, EngineSession, EvalProtocol, Request
from rmr1_core.judging import Judging
from rmr1_core.lookup import resolve
from rmr1_core.slots import slots

_LIMIT = 72
Texts = dict[str, tuple[str, int]]
"""Each request's answer, and how many tokens were written for it."""


class Case(NamedTuple):
    """What to ask of which judge, at least this many times as fast as the loop (None: no claim)."""

    title: str
    judge: str
    temperature: float = 0.0
    stop: tuple[str, ...] = ()
    at_least: float | None = None


CASES = (
    Case("trained judge, greedy", "trained", at_least=3.0),
    Case("trained judge, greedy, stop at `</answer>`", "trained", stop=("</answer>",)),
    Case("trained judge, temperature 1", "trained", temperature=1.0),
    Case("hardly trained judge, greedy", "raw"),
    Case("hardly trained judge, temperature 1", "raw", temperature=1.0),
)


class Loop:
    """A plain loop around `generate`."""

    def __init__(self, folder: Path, batch: int) -> None:
        self._model = AutoModelForCausalLM.from_pretrained(folder).eval()
        self._tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
        self._batch = batch

    def __call__(self, requests: Sequence[Request]) -> Texts:
        """Answer the requests in order."""
        texts: Texts = {}
        for start in range(0, len(requests), self._batch):
            some = requests[start : start + self._batch]
            for request, tokens in zip(some, self._written(some), strict=True):
                text = self._tokenizer.decode(tokens, skip_special_tokens=True)
                texts[request.id] = text, len(tokens)
        return texts

    @torch.inference_mode()
    def _written(self, requests: Sequence[Request]) -> Iterator[list[int]]:
        conversations = [
            [{"role": m.role, "content": m.content} for m in request.messages]
            for request in requests
        ]
        batch = self._tokenizer.apply_chat_template(
            conversations,
            add_generation_prompt=True,
            padding=True,
            return_tensors="pt",
            return_dict=True,
        )
        sampling = requests[0].sampling
        options: dict[str, Any] = {"do_sample": False}
        if sampling.temperature:
            options = {"do_sample": True, "temperature": sampling.temperature, "top_k": 0}
        if sampling.stop:
            options |= {"stop_strings": list(sampling.stop), "tokenizer": self._tokenizer}
        written = self._model.generate(**batch, **options, max_new_tokens=sampling.max_new_tokens)
        pad = self._tokenizer.pad_token_id
        for row in written[:, batch["input_ids"].shape[1] :].tolist():
            yield row[: row.index(pad)] if pad in row else row


def by_engine(session: EngineSession, requests: Sequence[Request]) -> Texts:
    """The engine's answers."""
    texts: Texts = {}
    for answer in session.generate(requests):
        result = answer.result
        assert isinstance(result, Completion), result
        texts[answer.id] = result.text, result.completion_tokens
    return texts


def toy_requests(pairs: int) -> list[Request]:
    """The toy benchmark's pairs in both orders, as `rmr1 bench` asks them."""
    name = recipe().benchmarks[0]
    rows = list(resolve("benchmark", name).pairs(None))[:pairs]
    protocol = EvalProtocol(order="both")
    judging = Judging(resolve("prompt", recipe().prompt), protocol, None)
    return list(judging.pending(slots(name.name, rows, protocol), _LIMIT))


def asked(requests: Sequence[Request], case: Case) -> list[Request]:
    """The requests with the case's sampling, each with a seed of its own."""
    replace = msgspec.structs.replace
    return [
        replace(
            request,
            sampling=replace(
                request.sampling, temperature=case.temperature, stop=case.stop, seed=seed
            ),
        )
        for seed, request in enumerate(requests)
    ]


@contextmanager
def judges(options: Any) -> Iterator[dict[str, Path]]:
    """The folder of each judge."""
    if options.judge:
        yield {"trained": options.judge}
        return
    with tempfile.TemporaryDirectory() as scratch:
        root = (options.folder or Path(scratch)).absolute()
        yield {
            "trained": trained_judge(root / "trained", steps=options.steps).model,
            "raw": trained_judge(root / "raw", steps=options.raw_steps).model,
        }


def counted(write: Callable[[], Texts]) -> Callable[[], Run]:
    """A contender: how many tokens it writes, and in what time."""
    return lambda: timed(lambda: sum(tokens for _, tokens in write().values()))


def contest(case: Case, folder: Path, requests: list[Request], options: Any) -> bool:
    """Compare the texts, then the speed; whether the case is as it must be."""
    loop = Loop(folder, options.batch)
    print(f"\n{case.title}: {len(requests)} requests")
    engine = resolve("engine", "transformers")
    with engine.open(Backbone(name="judge", model=str(folder))) as session:
        torch.set_num_threads(1)
        mine, others = by_engine(session, requests), loop(requests)
        lengths = sorted(tokens for _, tokens in mine.values())
        spread = f"{lengths[0]} to {lengths[-1]} tokens, median {statistics.median(lengths):.0f}"
        same = sum(others[key][0] == text for key, (text, _) in mine.items())
        print(f"answers of {spread}" + ("" if case.temperature else f"; the same texts: {same}"))
        contenders = {
            "engine": counted(lambda: by_engine(session, requests)),
            "generate": counted(lambda: loop(requests)),
        }
        runs = alternating(contenders, options.rounds)
    times = ratios(runs, "engine", "generate")
    median = statistics.median(times)
    print(table(runs))
    print(f"{median:.2f} times as fast ({min(times):.2f} to {max(times):.2f})", flush=True)
    right = case.temperature > 0 or same == len(requests)
    return right and (not case.at_least or median >= options.at_least)


def main() -> int:
    """Run every case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=600, help="each is asked in both orders")
    parser.add_argument("--batch", type=int, default=64, help="of the loop")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=800, help="of the judge's distillation")
    parser.add_argument("--raw-steps", type=int, default=60, help="of the hardly trained judge's")
    parser.add_argument("--folder", type=Path, help="where the judges are kept between runs")
    parser.add_argument("--judge", type=Path, help="measure this trained judge instead of both")
    parser.add_argument("--at-least", type=float, default=3.0, help="of the case that claims it")
    parser.add_argument("--only", help="cases whose title contains this")
    options = parser.parse_args()
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    print(machine("torch", "transformers"))
    requests = toy_requests(options.pairs)
    with judges(options) as folders:
        good = [
            contest(case, folders[case.judge], asked(requests, case), options)
            for case in CASES
            if case.judge in folders and (options.only or "") in case.title
        ]
    return int(not all(good))


if __name__ == "__main__":
    sys.exit(main())
