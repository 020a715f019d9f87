"""Runs as a folder that the library `datasets` loads, and that can be uploaded to the hub as it is.

    README.md                    the dataset's card; its head says where the two parts are
    judgments/train.parquet      a row for each judgment
    results/train.parquet        a row for each metric

See "Structure your repository" of the library's documentation for the head of the card.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from rmr1_core import __version__
from rmr1_core.errors import UsageError
from rmr1_core.folders import whole_folder
from rmr1_core.import_words import provenance
from rmr1_core.stored import StoredRun
from rmr1_reports import export_rows as rows
from rmr1_reports.export_leaderboard import escaped, leaderboard
from rmr1_reports.export_tables import write_parquet

CARD_FILE = "README.md"
MARK = "<!-- made by rmr1 export -->"

_WHAT = """\
{count:,} judgments of pairs of answers, and the scores made of them, as `rmr1 export` {version} \
wrote them.

```python
from datasets import load_dataset

judgments = load_dataset("THIS", "judgments", split="train")
results = load_dataset("THIS", "results", split="train")
```"""
_COLUMNS = """\
## Columns

`chosen_first` says whether the chosen answer was shown as A, and `correct` whether the verdict \
names it. Where `chosen_first` is empty, the order is not known, and A is the chosen answer. \
`tags` is a JSON object. `cost` is in US dollars, and 0 where nothing was paid or no \
price is known. `text` is what the judge wrote."""
_OTHERS = "\n\nPrompts and answers are those of the benchmarks, under their licences."


def write_dataset(folder: Path, wanted: rows.Wanted) -> int:
    """Write the folder, all at once; how many judgments it has.

    Raises:
        UsageError: there is something else at this place.
    """
    check_output(folder)
    found = rows.results(wanted)
    with whole_folder(folder) as aside:
        (aside / "judgments").mkdir()
        (aside / "results").mkdir()
        judgments = aside / "judgments" / "train.parquet"
        count = write_parquet(judgments, wanted.columns, rows.judgments(wanted))
        write_parquet(aside / "results" / "train.parquet", rows.METRIC, rows.metrics(found))
        card = _card(wanted, found, count)
        (aside / CARD_FILE).write_text(card, encoding="utf-8")
    return count


def check_output(folder: Path) -> None:
    """Raise UsageError where something lies that an export has not made."""
    card = folder / CARD_FILE
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not (card.is_file() and MARK in card.read_text(encoding="utf-8", errors="replace")):
        raise UsageError(
            f"{folder} is there, and is no earlier export; name another folder with: -o DIR"
        )


def _card(wanted: rows.Wanted, found: Sequence[rows.Result], count: int) -> str:
    names = [run.record.id for run in wanted.runs]
    title = f"Judgments of {names[0]}" + (f" and {len(names) - 1} more" if names[1:] else "")
    head = [
        f"pretty_name: {msgspec.json.encode(title).decode()}",
        "tags: [reward-model, llm-as-a-judge, rmr1]",
        "configs:",
        "- {config_name: judgments, data_files: judgments/*.parquet, default: true}",
        "- {config_name: results, data_files: results/*.parquet}",
    ]
    body = [
        MARK,
        f"# {escaped(title)}",
        _WHAT.format(count=count, version=__version__),
        leaderboard(found) if found else "No evaluation was complete.",
        "## Runs",
        "\n".join(_run(run) for run in wanted.runs),
        _columns(wanted),
    ]
    return "\n".join(["---", *head, "---", ""]) + "\n" + "\n\n".join(body) + "\n"


def _run(run: StoredRun) -> str:
    record = run.record
    protocols = _imported(run) or "; ".join(
        f"{e.name}: order {e.protocol.order}, {e.protocol.samples} samples, "
        f"temperature {e.protocol.temperature:g}, seed {e.protocol.seed}"
        for e in run.evaluations()
    )
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    return f"- {escaped(f'{record.id} ({run.state}, {record.created}). {protocols}. {versions}.')}"


def _imported(run: StoredRun) -> str:
    """What is known of another project's judgments; where they lay on this machine is left out."""
    lines = provenance(run.record.imported)
    return "; ".join(line for line in lines if not line.startswith("from "))


def _columns(wanted: rows.Wanted) -> str:
    """What the columns are, and whose texts they have."""
    return _COLUMNS + (_OTHERS if wanted.pairs else "")
