"""What is said of imported judgments: where they are from, and what is not known of them."""

from __future__ import annotations

from collections.abc import Iterator

from rmr1_core.values import Imported

_UNKNOWN = ("tokens", "truncation", "temperature", "what was asked")
"""What no log says."""
FIRST_ANSWER = "which answer came first"
"""What an importer names as unknown whose logs do not say the order of the answers."""


def order_known(imported: Imported | None) -> bool:
    """Whether a judgment's `chosen_first` says what was shown, and not only how it is stored."""
    return imported is None or FIRST_ANSWER not in imported.unknown


def provenance(imported: Imported | None) -> Iterator[str]:
    """Lines for a run's page and for people; none for a run that was made here."""
    if imported is None:
        return
    files = f"{len(imported.files)} file{'' if len(imported.files) == 1 else 's'}"
    yield f"{imported.judgments:,} judgments in {files} of the format {imported.format}"
    yield f"from {imported.source}"
    if imported.left_out:
        yield f"left out: {len(imported.left_out):,}, the first: {imported.left_out[0]}"
    yield reading(imported)
    yield f"not known: {', '.join((*imported.unknown, *_UNKNOWN))}"


def reading(imported: Imported) -> str:
    """Whose reading of the answers the verdicts are, and how often another one differs."""
    if not imported.compared:
        return "verdicts: those of the log" if imported.as_logged else "verdicts: read again"
    differ = f"{imported.differ:,} of {imported.compared:,} read otherwise by"
    if imported.as_logged:
        return f"verdicts: those of the log; {differ} the parser here"
    return f"verdicts: read again; {differ} the log's own scorer"
