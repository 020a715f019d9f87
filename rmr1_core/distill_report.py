"""What a distillation is, and what came of it: the values, and the card beside the traces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Literal

import msgspec

from rmr1_core.trace_filters import Limits
from rmr1_core.values import EvalProtocol, Ref, Value, Verdict

ROWS_FILE = "train.jsonl"
REJECTED_FILE = "rejected.jsonl"
CARD_FILE = "README.md"
REPORT_FILE = "distill.json"

PassName = Literal["judging", "correcting"]


class Teacher(Value, frozen=True):
    """Who writes traces: weights and engine by name, "" for the defaults."""

    backbone: Ref | None = None
    engine: Ref | None = None


class Distillation(Value, frozen=True):
    """What a user asks of `rmr1 data distill`. The protocol's samples are those of the judge, who
    is asked again only where no trace was kept; the corrector is asked once for each row."""

    dataset: Ref
    judge: Teacher
    corrector: Teacher | None = None
    prompt: Ref | None = None
    split: str = "train"
    protocol: EvalProtocol = EvalProtocol()
    corrector_temperature: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    corrector_max_new_tokens: Annotated[int, msgspec.Meta(ge=1)] | None = None
    limits: Limits = Limits()
    skip_bad: bool = False


class RejectedTrace(Value, frozen=True, omit_defaults=True):
    """A trace that is not imitated, by which pass, and why."""

    id: str
    by: PassName
    sample: int
    reason: str
    verdict: Verdict
    text: str
    detail: str = ""


class PassReport(Value, frozen=True):
    """What a pass gave. `asked` rows got `traces`; of these `kept` and `rejected` by reason. Counts
    are in tokens, `cost` is in US dollars, 0 where no price is known."""

    name: PassName
    teacher: str
    engine: str
    asked: int
    traces: int
    kept: int
    rejected: Mapping[str, int]
    prompt_tokens: int
    completion_tokens: int
    cost: float = 0.0


class DistillReport(Value, frozen=True):
    """What is in a folder of distilled traces, and what is not. `skipped` are the rows that could
    not be used, a sentence for each; `sha256` and `bytes` are of the rows' file."""

    request: Distillation
    version: str
    rows: int
    kept: int
    passes: tuple[PassReport, ...]
    licences: Mapping[str, int] = {}
    domains: Mapping[str, int] = {}
    skipped: tuple[str, ...] = ()
    sha256: str = ""
    bytes: int = 0


class PassPlan(Value, frozen=True):
    """What a pass would ask at most. Tokens of prompts are estimated; `cost` is with answers of a
    usual length, `most_cost` with the longest, in US dollars, and None without prices."""

    name: PassName
    teacher: str
    engine: str
    requests: int
    prompt_tokens: int
    completion_tokens: int
    most_completion_tokens: int
    cost: float | None
    most_cost: float | None


def pass_lines(passes: Iterable[PassReport]) -> Iterator[tuple[str, str, str]]:
    """For each pass its traces, how many were kept and why the others were not, with shares."""
    for one in passes:
        yield one.name, "traces", f"{one.traces:,} for {one.asked:,} rows"
        yield one.name, "kept", _share(one.kept, one.traces)
        for reason, count in one.rejected.items():
            yield one.name, reason, _share(count, one.traces)


def counted(names: Iterable[str]) -> dict[str, int]:
    """How often each name occurs, the most frequent first."""
    counts = Counter(name or "not stated" for name in names)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def card(report: DistillReport) -> str:
    """The card, in Markdown, with the header that the hub reads."""
    return "\n".join([*_header(report), *_about(report), *_how(report)]) + "\n"


def _header(report: DistillReport) -> Iterator[str]:
    name = _cell(report.request.dataset.name).replace("\\", "\\\\").replace('"', '\\"')
    yield from ("---", f'pretty_name: "Reasoning traces for {name}"', "license: other", "tags:")
    yield from ("- reward-model", "- reasoning", "configs:", "- config_name: default")
    yield from ("  data_files:", "  - split: train", f"    path: {ROWS_FILE}", "---", "")


def _about(report: DistillReport) -> Iterator[str]:
    yield f"# Reasoning traces for {_cell(report.request.dataset.name)}"
    yield from ("", f"{report.kept:,} traces for {report.rows:,} rows, by rmr1 {report.version}.")
    yield "The verdict of each is right; the traces were written by these models:"
    yield ""
    yield from _table(
        ("pass", "model", "engine", "prompt tokens", "answer tokens", "US dollars"),
        (
            (p.name, p.teacher, p.engine, p.prompt_tokens, p.completion_tokens, f"{p.cost:.2f}")
            for p in report.passes
        ),
    )
    yield from ("", f"`{ROWS_FILE}`: {report.bytes:,} bytes, SHA-256 `{report.sha256}`")
    if report.skipped:
        yield f"{len(report.skipped):,} rows of the source could not be used and were left out."
    yield from ("", "## What was kept, and what was not", "")
    yield from _table(("pass", "what", "traces"), pass_lines(report.passes))
    yield from ("", f"Each rejected trace, with its reason, is in `{REJECTED_FILE}`.", "")
    yield from _table(("licence", "rows"), report.licences.items())
    yield ""
    yield from _table(("domain", "rows"), report.domains.items())


def _how(report: DistillReport) -> Iterator[str]:
    prompt = report.request.prompt
    yield from ("", "## How to use it", "")
    yield f"Train with the prompt that the models were asked with: `{prompt and prompt.name}`."
    yield f"All figures, and what was asked, are in `{REPORT_FILE}`."


def _table(columns: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    for row in rows:
        yield f"| {' | '.join(map(_cell, row))} |"


def _cell(value: object) -> str:
    text = f"{value:,}" if isinstance(value, int) else " ".join(str(value).split())
    return text.replace("|", "\\|")


def _share(count: int, whole: int) -> str:
    return f"{count:,} ({100 * count / whole:.1f} %)" if whole else f"{count:,}"
