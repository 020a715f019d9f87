"""The words of a report: numbers as papers print them, and how a run was made."""

from __future__ import annotations

import shlex
import unicodedata
from collections.abc import Iterator, Sequence

import msgspec

from rmr1_core import EvalProtocol, Message, Ref, Report
from rmr1_core.charts import one_line
from rmr1_core.import_words import provenance
from rmr1_core.scoring import missing_words
from rmr1_core.stored import StoredRun
from rmr1_reports.examples import cut

RECIPE_FILE = "recipe.toml"
PROMPT_FILE = "prompt.json"
MOST_WORDS = 20_000
_KEPT = "\n\t"


def percent(share: float | None) -> str:
    """A share in percent with one decimal; "–" for none."""
    return "–" if share is None else f"{100 * share:.1f}"


def signed(share: float) -> str:
    """A difference of shares in percent, with its sign."""
    return f"{100 * share:+.1f}".replace("-", "−")


def visible(text: str) -> str:
    """A text of anybody's, cut, and without what is not shown or turns the direction of others."""
    return "".join(
        "\N{REPLACEMENT CHARACTER}"
        if c not in _KEPT and unicodedata.category(c) in ("Cc", "Cf", "Cs")
        else c
        for c in cut(text, MOST_WORDS)
    )


def missing(report: Report) -> str:
    """What a partial report lacks."""
    return one_line(missing_words(report.missing), 300)


def judge(run: StoredRun) -> str:
    """Who judges, in a few words."""
    record = run.record
    if record.recipe is not None:
        return f"recipe {record.recipe.name}"
    if record.backbone is not None and record.backbone.name:
        return record.backbone.name
    return str(record.engine.options.get("model") or record.engine.name) if record.engine else ""


def resume(run: StoredRun, state: str) -> str:
    """How to go on; "" where nothing is open, or a process is at it."""
    if state in ("done", "running"):
        return ""
    return f"rmr1 {run.record.command} --resume {run.record.id}"


def again(run: StoredRun) -> str:
    """The commands that repeat the run, and that show more of it."""
    record = run.record
    lines = [shlex.join(["rmr1", *record.argv[1:]])]
    if record.recipe is not None:
        lines.append(f"rmr1 run --recipe {shlex.quote(str(run.folder / RECIPE_FILE))}")
    if record.git_revision:
        lines.insert(0, f"# rmr1 at commit {record.git_revision}")
    lines += [f"rmr1 view {record.id}", f"rmr1 export {record.id} --to csv -o judgments.csv"]
    return "\n".join(lines)


def how(run: StoredRun) -> list[tuple[str, str]]:
    """Term and value of all that a reader needs to repeat the run, without what is empty."""
    record = run.record
    recipe_ = record.recipe
    protocol = record.protocol or (recipe_.evaluation if recipe_ else None)
    if record.imported:
        protocol = None  # which another project's log does not tell
    rows = [
        ("recipe", recipe_.description.strip() if recipe_ else ""),
        ("backbone", _ref(record.backbone)),
        ("engine", _ref(record.engine)),
        ("read as" if record.imported else "prompt", _ref(record.prompt)),
        ("benchmarks", "\n".join(map(_ref, record.benchmarks))),
        ("imported", "\n".join(provenance(record.imported))),
        ("protocol", _protocol(protocol)),
        ("sampled", _protocol(recipe_.sampled_evaluation if recipe_ else None)),
        ("data", "\n".join(f"{name}: {path}" for name, path in record.data.items())),
        ("ablations", ", ".join(record.ablations)),
        ("asked", "\n".join(_asked(run))),
        ("versions", ", ".join(f"{name} {version}" for name, version in record.versions.items())),
        ("environments", "\n".join(f"{n}: {label}" for n, label in record.environments.items())),
        ("commit of rmr1", record.git_revision),
    ]
    return [(term, value) for term, value in rows if value]


def _asked(run: StoredRun) -> Iterator[str]:
    """What each evaluation asked, as hashes."""
    evaluations = run.evaluations()
    for evaluation in evaluations:
        where = f"{evaluation.name}, " if len(evaluations) > 1 else ""
        for benchmark, found in evaluation.fingerprints().items():
            yield f"{where}{benchmark}: {found.words}"


def asked(run: StoredRun) -> list[tuple[str, str]]:
    """Role and words of the first prompt of the first evaluation that has one."""
    for evaluation in run.evaluations():
        path = evaluation.folder / PROMPT_FILE
        if path.is_file():
            messages = msgspec.json.decode(path.read_bytes(), type=list[Message])
            return [(message.role, cut(message.content, 6000)) for message in messages]
    return []


def recipe(run: StoredRun) -> str:
    """The recipe as it was resolved; "" where there is none."""
    path = run.folder / RECIPE_FILE
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _ref(ref: Ref | None) -> str:
    if ref is None:
        return ""
    options = [f"{name}={_value(value)}" for name, value in ref.options.items()]
    return " ".join([ref.name, *options])


def _value(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _protocol(protocol: EvalProtocol | None) -> str:
    if protocol is None:
        return ""
    fields: Sequence[tuple[str, object]] = [
        (name.replace("_", " "), getattr(protocol, name)) for name in protocol.__struct_fields__
    ]
    return ", ".join(f"{name} {_value(value)}" for name, value in fields if value not in (None, ()))
