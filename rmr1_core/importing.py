"""`rmr1 import`: another project's judgments become a run, without asking anybody.

The answers are read again by our parser where the format's notation is one that it knows, and
scored by the benchmark's rules. What the log does not say is not known afterwards, either: tokens,
sampling, and often the prompt.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from rmr1_core import bench, runs
from rmr1_core.components import Importer, PromptStrategy
from rmr1_core.errors import BadInput, PluginFailed, Rmr1Error, UsageError
from rmr1_core.evaluation import Evaluation
from rmr1_core.import_parts import Part, Verdicts, benchmark_of, part_of
from rmr1_core.logged import files_of, recognized
from rmr1_core.lookup import pinned, resolve
from rmr1_core.skipping import skipping
from rmr1_core.values import (
    EvalProtocol,
    Imported,
    LoggedJudgment,
    Order,
    Ref,
    Report,
    Value,
)

MOST_LEFT_OUT = 1000
"""So many records that were left out are kept by name in the record of a run."""


class ImportRequest(Value, frozen=True):
    """What a user asks of `rmr1 import`. Names that are empty are found out; `benchmark` picks one
    of several that the logs are of, or says of what they are. `data` is as for `rmr1 bench`."""

    path: str
    format: str = ""
    benchmark: str = ""
    backbone: str = ""
    prompt: Ref | None = None
    data: Mapping[str, str] = {}
    scoring: str = "strict"
    as_logged: bool = False
    skip_bad: bool = False


class Found(NamedTuple):
    """What an import would make a run of."""

    parts: list[Part]
    imported: Imported
    prompt: Ref | None
    judge: str
    left_out: list[BadInput]


def find(request: ImportRequest) -> Found:
    """Read the logs; write nothing.

    Raises:
        UsageError: no importer knows them, or the benchmark is not installed or its data missing.
        BadInput: a record cannot be used, and bad ones are not to be left out.
    """
    try:
        return _find(request, Path(request.path))
    except BadInput as error:
        if error.row is not None:  # a record's, and not a whole file's
            error.args = (f"{error}; keep the rest with --skip-bad",)
        raise


def _find(request: ImportRequest, path: Path) -> Found:
    importer = recognized(path, request.format)
    prompt, strategy = _reader(importer, request)
    with ExitStack() as stack:
        left_out = stack.enter_context(skipping()) if request.skip_bad else []
        logged = list(_kept(_read(importer, path), request.benchmark))
        if not logged:
            raise UsageError(_nothing(path, left_out))
        verdicts = Verdicts(strategy, request.as_logged)
        parts = [
            part_of(benchmark_of(name), own, bench.source(request.data, name), verdicts)
            for name, own in _by_benchmark(logged).items()
        ]
    parts = [part for part in parts if part.judgments]
    if not parts:
        raise UsageError(_nothing(path, left_out))
    bench.check_scoring(request.scoring, [part.benchmark for part in parts])
    files = files_of(importer, path)
    return Found(
        parts=parts,
        imported=Imported(
            source=str(path.resolve()),
            format=importer.name,
            files={_below(file, path): _sha256(file) for file in files},
            judgments=sum(len(part.judgments) for part in parts),
            left_out=tuple(map(str, left_out[:MOST_LEFT_OUT])),
            as_logged=verdicts.logged,
            compared=verdicts.compared,
            differ=verdicts.differ,
            unknown=importer.unknown,
        ),
        prompt=prompt,
        judge=request.backbone or importer.judge(path) or _called(path.resolve()),
        left_out=left_out,
    )


def start(root: Path, request: ImportRequest, found: Found) -> tuple[Path, list[Report]]:
    """Make the run, whole, and its reports. Nothing of it is left if that fails."""
    benchmarks = [part.benchmark for part in found.parts]
    with runs.created(root, "import", found.judge) as folder:
        record = runs.new_record(
            folder,
            "bench",
            backbone=Ref(name=found.judge),
            prompt=found.prompt,
            benchmarks=tuple(Ref(name=benchmark.name) for benchmark in benchmarks),
            protocol=_protocol(found, request.scoring),
            data={p.benchmark.name: str(p.data.resolve()) for p in found.parts if p.data},
            imported=found.imported,
        )
        runs.write_record(folder, record)
        evaluation = Evaluation(folder / bench.FOLDER)
        with runs.recorded(folder, record):
            evaluation.set_up_given((p.benchmark, p.pairs, p.judgments) for p in found.parts)
            judgments = evaluation.judgments()
            reports = evaluation.reports(benchmarks, request.scoring, judgments)
            evaluation.write_reports(reports)
    return folder, reports


def _read(importer: Importer, path: Path) -> list[LoggedJudgment]:
    """All that the logs hold.

    Raises:
        BadInput: a record cannot be used, and that is not allowed; it says how to go on.
        PluginFailed: the importer's own code raised.
    """
    try:
        return list(importer.judgments(path))
    except Rmr1Error:
        raise
    except Exception as error:  # the boundary to foreign code
        problem = f"importer {importer.name!r} raised {error!r} on {path}"
        raise PluginFailed(importer.name, problem) from error


def _reader(importer: Importer, request: ImportRequest) -> tuple[Ref | None, PromptStrategy | None]:
    """Whose parser reads the answers, if one can."""
    asked = request.prompt or Ref(name="")
    name = asked.name or importer.prompt
    if not name:
        if asked.options:
            raise UsageError(
                f"the answers of {importer.name} are in a notation of their own, or scores; name "
                "the prompt strategy that reads them with --prompt, or leave out --parser"
            )
        return None, None
    ref = pinned("prompt", Ref(name=name, options=asked.options))
    return ref, resolve("prompt", ref)


def _kept(logged: Iterable[LoggedJudgment], benchmark: str) -> Iterator[LoggedJudgment]:
    """All of them, or those of one benchmark where the logs are of several."""
    found = list(logged)
    names = {judgment.benchmark for judgment in found}
    plain = benchmark.rpartition("/")[2]
    if not benchmark or names == {plain}:
        return iter(found)
    if plain in names:
        return (judgment for judgment in found if judgment.benchmark == plain)
    if len(names) > 1:
        raise UsageError(
            f"these are logs of {', '.join(sorted(names))}; name one of them with --benchmark"
        )
    from msgspec.structs import replace

    return (replace(judgment, benchmark=plain) for judgment in found)


def _nothing(path: Path, left_out: list[BadInput]) -> str:
    bad = f"; the first of {len(left_out)} that cannot be used: {left_out[0]}" if left_out else ""
    return f"{path} holds no judgment that can be imported{bad}; see: rmr1 import --help"


def _by_benchmark(logged: Iterable[LoggedJudgment]) -> dict[str, list[LoggedJudgment]]:
    found: dict[str, list[LoggedJudgment]] = {}
    for judgment in logged:
        found.setdefault(judgment.benchmark, []).append(judgment)
    return found


def _protocol(found: Found, rule: str) -> EvalProtocol:
    """What the logs say of how it was judged."""
    asked = [j for part in found.parts for j in part.judgments]
    orders: dict[tuple[str, str], set[bool]] = {}
    for judgment in asked:
        orders.setdefault((judgment.benchmark, judgment.pair_id), set()).add(judgment.chosen_first)
    kinds = set(map(frozenset, orders.values()))
    order: Order = "random"
    if kinds == {frozenset({True, False})}:
        order = "both"
    elif kinds == {frozenset({True})}:
        order = "chosen-first"
    samples = max(judgment.sample for judgment in asked) + 1
    return EvalProtocol(order=order, samples=samples, scoring=rule, allow_partial=True)


def _called(path: Path) -> str:
    return path.name if path.is_dir() else path.name.partition(".json")[0]


def _below(file: Path, path: Path) -> str:
    return str(file.relative_to(path)) if file != path else file.name


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
