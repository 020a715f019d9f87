"""`rmr1 bench`: one engine for all benchmarks, one journal, resumable at any point.

Everything that a run needs is in its record, so resuming is the same code as starting.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rmr1_core import budgets, environments, imported, run_plugins, runs
from rmr1_core.assessing import JudgeParts, judge_all
from rmr1_core.components import Backbone, Benchmark, Engine
from rmr1_core.errors import BadInput, UnknownName, UsageError
from rmr1_core.evaluation import Evaluation, load, read_again
from rmr1_core.judging import Judging, LazyRequests
from rmr1_core.lookup import default_engine, default_prompt, pinned, resolve
from rmr1_core.slots import slots
from rmr1_core.values import EvalProtocol, Message, Pair, Ref, Report, RunRecord, Value

FOLDER = "evaluation"


class BenchRequest(Value, frozen=True):
    """What a user asks of `rmr1 bench`. `data` maps a benchmark, or "" for all, to a path;
    `reproduces` is the model whose published numbers it is to reproduce; `repeat` is how often
    everything is asked."""

    benchmarks: tuple[Ref, ...]
    backbone: Ref | None = None
    engine: Ref | None = None
    prompt: Ref | None = None
    protocol: EvalProtocol = EvalProtocol()
    data: Mapping[str, str] = {}
    reproduces: str = ""
    repeat: int = 1


class BenchPlan(Value, frozen=True):
    """What a run would ask, without asking it, in all passes together. `example` is the first
    rendered prompt, empty where the engine reads none. `at_budgets` is how many answers are cut and
    finished at most, at all budgets together."""

    benchmark: str
    passes: int
    pairs: int
    judgments: int
    requests: int
    example: tuple[Message, ...]
    at_budgets: int = 0


def judge_of(
    backbone: Ref | None, engine: Ref | None, prompt: Ref | None
) -> tuple[JudgeParts, Ref, Ref]:
    """What the names mean, with defaults filled in: the judge, and its engine and prompt by name.

    Raises:
        UsageError: a name is unknown, or nobody said who judges.
    """
    if engine is None or not engine.name:
        engine = Ref(name=default_engine(), options=engine.options if engine else {})
    opened: Engine = resolve("engine", engine)
    if backbone is not None and not backbone.name:
        raise UsageError("say whose options these are with --backbone; see: rmr1 list backbones")
    if backbone is not None:
        weights: Backbone = resolve("backbone", backbone)
        if not weights.model and opened.own_backbone() is None:
            raise UsageError(
                f"backbone {weights.name!r} starts from nothing; train it with rmr1 run, and name "
                "the checkpoint folder instead"
            )
    else:
        own = opened.own_backbone()
        if own is None:
            raise UsageError("say who judges with --backbone; see: rmr1 list backbones")
        weights = own
    prompt = _merged(prompt, weights)
    judge = JudgeParts(engine=opened, backbone=weights, strategy=resolve("prompt", prompt))
    return judge, engine, prompt


def ref_of(named: str | Ref | None, options: Mapping[str, Any] | None) -> Ref | None:
    """A reference with these options added; None where nothing was named."""
    if isinstance(named, Ref):
        return Ref(name=named.name, options={**named.options, **(options or {})})
    if named is None and not options:
        return None
    return Ref(name=named or "", options=dict(options or {}))


def start(root: Path, request: BenchRequest) -> Path:
    """Create a run: resolve every name, load and store every pair, ask nothing yet.

    Raises:
        UsageError: something that was typed or given cannot work. No run is left behind.
        MissingEnvironment: the engine's environment has to be built first.
    """
    judge, engine, prompt = judge_of(request.backbone, request.engine, request.prompt)
    needed = environments.labels([judge.engine.environment])
    benchmarks = benchmarks_of(request.benchmarks)
    check_scoring(request.protocol.scoring, benchmarks)
    budgets.check(judge.engine, request.protocol)
    with runs.created(root, "bench", judge.backbone.name) as folder:
        sources = [(b, source(request.data, b.name)) for b in benchmarks]
        evaluation = Evaluation(folder / FOLDER)
        evaluation.set_up(sources, request.protocol)
        if judge.engine.asks:
            evaluation.check_prompt(judge.strategy)
        record = runs.new_record(
            folder,
            "bench",
            backbone=request.backbone and pinned("backbone", request.backbone),
            engine=pinned("engine", engine),
            prompt=pinned("prompt", prompt),
            benchmarks=request.benchmarks,
            protocol=request.protocol,
            data={b.name: str(path.resolve()) for b, path in sources if path},
            environments=needed,
            reproduces=request.reproduces,
            repeat=request.repeat,
            plugins=run_plugins.keep(folder),
        )
        runs.write_record(folder, record)
    return folder


def execute(folder: Path) -> list[Report]:
    """Run, or go on with, a created run and report.

    Raises:
        RunIncomplete: some requests failed for good. RunLocked: it runs already.
        MissingEnvironment: the engine's environment has to be built first.
    """
    record = imported.to_go_on(folder)
    run_plugins.use(folder, record.plugins)
    protocol = _protocol(folder, record)
    judge, _, _ = judge_of(record.backbone, record.engine, record.prompt)
    record = environments.recorded([judge.engine.environment], record)
    with runs.recorded(folder, record) as versions:
        benchmarks = benchmarks_of(record.benchmarks)
        evaluation = Evaluation(folder / FOLDER)
        return judge_all(evaluation, judge, protocol, benchmarks, versions, repeat=record.repeat)


def rescore(folder: Path, scoring: str | None, parser: str | None) -> list[Report]:
    """The reports of a run's stored judgments, under another rule or read by another parser.

    Nothing is asked and nothing stored changes.

    Raises:
        UsageError: not all judgments are made yet.
    """
    record = runs.read_record(folder)
    run_plugins.use(folder, record.plugins)
    protocol = _protocol(folder, record)
    evaluation = Evaluation(folder / FOLDER)
    benchmarks = benchmarks_of(record.benchmarks)
    rule = scoring or protocol.scoring
    check_scoring(rule, benchmarks)
    lacking, wanted = evaluation.open_judgments(protocol)
    if lacking:
        raise UsageError(
            f"{folder.name}: {lacking} of {wanted} judgments are not made yet, so there is "
            f"no score; go on with: rmr1 bench --resume {folder.name}"
        )
    judgments = evaluation.judgments()
    if parser is not None:
        prompt = imported.prompt_that_reads(record)
        options = {**prompt.options, "parser": parser}
        judgments = read_again(judgments, resolve("prompt", Ref(name=prompt.name, options=options)))
    return evaluation.reports(benchmarks, rule, judgments)


class Asked(NamedTuple):
    """What one pass of a run would ask for one benchmark."""

    benchmark: Benchmark
    pairs: list[Pair]
    judgments: int
    requests: LazyRequests


def asked(judge: JudgeParts, request: BenchRequest) -> Iterator[Asked]:
    """What `start` and `execute` would ask, benchmark by benchmark. Loads the data, no engine."""
    budgets.check(judge.engine, request.protocol)
    for benchmark in benchmarks_of(request.benchmarks):
        pairs, _ = load(benchmark, source(request.data, benchmark.name), request.protocol)
        wanted = list(slots(benchmark.name, pairs, request.protocol))
        judging = Judging(judge.strategy, request.protocol, journal=None)
        requests = judging.pending(wanted, judge.max_new_tokens(request.protocol))
        yield Asked(benchmark, pairs, len(wanted), requests)


def plan(request: BenchRequest) -> list[BenchPlan]:
    """What `start` and `execute` would ask, counted."""
    judge, _, _ = judge_of(request.backbone, request.engine, request.prompt)
    return [
        BenchPlan(
            benchmark=found.benchmark.name,
            passes=request.repeat,
            pairs=len(found.pairs),
            judgments=request.repeat * found.judgments,
            requests=request.repeat * len(found.requests),
            example=next(iter(found.requests)).messages if judge.engine.asks else (),
            at_budgets=found.judgments * len(request.protocol.budgets),
        )
        for found in asked(judge, request)
    ]


def source(data: Mapping[str, str], benchmark: str) -> Path | None:
    """Where a benchmark's data is: its own path, or its folder in the common one, or that."""
    if benchmark in data:
        return Path(data[benchmark])
    common = Path(data[""]) if "" in data else None
    return common / benchmark if common and (common / benchmark).exists() else common


def _protocol(folder: Path, record: RunRecord) -> EvalProtocol:
    if record.protocol is None:
        raise BadInput(folder / runs.RECORD_FILE, "not a run of rmr1 bench", field="protocol")
    return record.protocol


def benchmarks_of(refs: Sequence[Ref]) -> list[Benchmark]:
    """The benchmarks that are meant. Raises UsageError when one is named twice."""
    benchmarks: list[Benchmark] = [resolve("benchmark", ref) for ref in refs]
    names = [benchmark.name for benchmark in benchmarks]
    if len(set(names)) < len(names):
        raise UsageError(f"a benchmark is named twice: {', '.join(names)}")
    return benchmarks


def check_scoring(scoring: str, benchmarks: Sequence[Benchmark]) -> None:
    """Raise UnknownName for a rule that none of the benchmarks has; the others use their first."""
    known = {rule for benchmark in benchmarks for rule in benchmark.scorings}
    if benchmarks and scoring not in known:
        rules = ", ".join(dict.fromkeys(rule for b in benchmarks for rule in b.scorings))
        kind = f"scoring of {', '.join(b.name for b in benchmarks)} (there is {rules})"
        raise UnknownName(kind, scoring, known, hint="rmr1 bench --help")


def _merged(prompt: Ref | None, backbone: Backbone) -> Ref:
    """The prompt to use; one without a name adds options to the backbone's own."""
    if prompt is not None and prompt.name:
        return prompt
    own = default_prompt(backbone)
    return Ref(name=own.name, options={**own.options, **(prompt.options if prompt else {})})
