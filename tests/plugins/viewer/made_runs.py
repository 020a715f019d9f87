"""Runs made on the spot: what a judge wrote is what a test wants to see."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from rmr1_core import (
    Completion,
    EvalProtocol,
    FailedJudgment,
    Judgment,
    Message,
    Pair,
    Ref,
    Verdict,
    bench,
    jsonl,
    runs,
)
from rmr1_core.evaluation import INDEX_FILE, JOURNAL_FILE, Judged
from rmr1_core.import_words import FIRST_ANSWER
from rmr1_core.values import Imported

TRACE = (
    "<type>Chat</type><rubric>be exact</rubric><eval>it says <quote_A>clear  Words</quote_A> and "
    "<quote_B>never written</quote_B></eval><answer>[[A]]</answer>"
)
HOSTILE = (
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    "\u202eright to left\u202c \0 "
)


def pair(number: int, **texts: str) -> Pair:
    """A pair; every other one is in the subset "odd"."""
    return Pair(
        id=f"pair-{number}",
        subset="odd" if number % 2 else "even",
        group=str(number),
        prompt=(Message(role="user", content=texts.get("prompt", f"question number {number}")),),
        chosen=texts.get("chosen", f"chosen {number} with clear words"),
        rejected=texts.get("rejected", f"rejected {number}"),
    )


def judgment(
    number: int,
    *,
    first: bool,
    verdict: Verdict,
    text: str = TRACE,
    sample: int = 0,
    cut: bool = False,
) -> Judgment:
    """One judgment on the pair of this number."""
    return Judgment(
        benchmark="made",
        pair_id=f"pair-{number}",
        chosen_first=first,
        sample=sample,
        verdict=verdict,
        completion=Completion(
            text=text,
            finish_reason="length" if cut else "stop",
            prompt_tokens=10,
            completion_tokens=20,
        ),
    )


def both(number: int, first: str, second: str, text: str = TRACE) -> list[Judgment]:
    """The judgments of both orders; the first has the chosen answer as A."""
    return [
        judgment(number, first=True, verdict=Verdict(first), text=text),
        judgment(number, first=False, verdict=Verdict(second), text=text),
    ]


def make(
    root: Path,
    name: str,
    pairs: Sequence[Pair],
    judgments: Iterable[Judgment | FailedJudgment],
    status: str = "done",
) -> Path:
    """A run of `rmr1 bench` with these pairs and judgments; its folder."""
    folder = root / name
    place = folder / bench.FOLDER
    place.mkdir(parents=True)
    record = runs.new_record(folder, "bench", backbone=Ref(name="nobody"), protocol=EvalProtocol())
    runs.write_record(folder, msgspec.structs.replace(record, status=status))
    jsonl.write(place / "pairs" / "made.jsonl.gz", pairs)
    index = [Judged(benchmark="made", pairs=len(pairs), expected={})]
    runs.write_whole(place / INDEX_FILE, index)
    append(folder, judgments)
    return folder


def append(folder: Path, judgments: Iterable[Judgment | FailedJudgment]) -> None:
    """What goes on in a run."""
    with jsonl.Appender(folder / bench.FOLDER / JOURNAL_FILE) as journal:
        journal.append(*judgments)


def usual(root: Path) -> tuple[Path, Path]:
    """Two runs on six pairs: right, wrong, flipped, unparsed, truncated, failed; and another one
    that has the second right and the first wrong."""
    pairs = [pair(number) for number in range(6)]
    one = [
        *both(0, "A", "B"),
        *both(1, "B", "A"),
        *both(2, "A", "A"),
        *both(3, "unparsed", "B", "I cannot say; perhaps zebras"),
        judgment(4, first=True, verdict=Verdict.A, cut=True),
        FailedJudgment(
            benchmark="made", pair_id="pair-5", chosen_first=True, sample=0, error="lost"
        ),
    ]
    two = [*both(0, "B", "A"), *both(1, "A", "B"), *both(2, "A", "A")]
    return make(root, "one", pairs, one), make(root, "two", pairs, two)


def import_without_order(root: Path) -> Path:
    """A run of another project's log that does not say which answer came first."""
    folder = make(root, "theirs", [pair(0)], [judgment(0, first=True, verdict=Verdict.B)])
    imported = Imported(source="x", format="x", files={}, judgments=1, unknown=(FIRST_ANSWER,))
    record = msgspec.structs.replace(runs.read_record(folder), imported=imported)
    runs.write_record(folder, record)
    return folder
