"""What a comparison says, in sentences and tables: for a terminal, and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from rmr1_core.comparing import BenchmarkCompared, Compared, Comparisons, Tested
from rmr1_core.joining import Flip, PairSet
from rmr1_core.paired import ALPHA
from rmr1_core.sides import Side

COLUMNS = ("metric", "{first}", "{second}", "difference", "95 % interval", "p", "corrected p")
PAGE = "http://127.0.0.1:8000/"
"""Where `rmr1 view … --port 8000` shows its page."""


def sentence(compared: Compared, made: BenchmarkCompared, tests: int) -> str:
    """Whether the headline's difference is real, in one plain sentence."""
    test, first, second = made.tests[0], compared.first, compared.second
    where = f"{made.benchmark} ({test.name})"
    over = f"after correction over {tests} test{'s' if tests > 1 else ''}"
    if test.real:
        how = "better" if test.difference > 0 else "worse"
        size, ends = abs(test.difference), sorted((abs(test.low), abs(test.high)))
        return (
            f"{where}: {second} is {how} than {first} by {points(size)} points "
            f"({points(ends[0])} to {points(ends[1])}), {p_words(test.corrected_p)} {over}."
        )
    alone = f"{p_words(test.p)} alone, " if test.p < ALPHA else ""
    would = f"one of {points(test.detectable)} points or more would have been seen with 80 % power"
    if test.detectable >= 1:  # no more than what there can be, which would not be seen either
        would = "so few prompts cannot tell any difference"
    return (
        f"{where}: no difference can be told ({second} {signed(test.difference)} points, "
        f"{signed(test.low)} to {signed(test.high)}; {alone}{p_words(test.corrected_p)} {over}); "
        f"{would}."
    )


def p_words(p: float) -> str:
    """A p value: "p = 0.012", "p < 0.001"."""
    return "p < 0.001" if p < 0.001 else f"p = {p_value(p)}"


def p_value(p: float) -> str:
    """A p value as a table has it, with two digits."""
    if p < 0.001:
        return "< 0.001"
    return f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def points(share: float) -> str:
    """A share in points, with one decimal, or two where one would say nothing."""
    return f"{100 * share:.1f}" if share == 0 or abs(share) >= 0.0005 else f"{100 * share:.2f}"


def signed(share: float) -> str:
    """A difference in points, with its sign."""
    text = points(share)
    return f"+{text}" if share > 0 else text


def pair_words(pairs: PairSet) -> str:
    """Which pairs were compared, and why not all."""
    words = f"{_counted(pairs.common, 'pair')} of {_counted(pairs.prompts, 'prompt')}"
    left_out = [
        f"{count:,} {why}"
        for count, why in (
            (pairs.only_first, "only in the first"),
            (pairs.only_second, "only in the second"),
            (pairs.changed, "with other texts"),
        )
        if count
    ]
    if pairs.partial:
        words += f", partial: the benchmark has {pairs.expected:,}"
    return words + (f"; left out: {', '.join(left_out)}" if left_out else "")


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def flip_words(compared: Compared, made: BenchmarkCompared) -> str:
    """How many pairs were gained and lost, and what the exact test says."""
    flips = made.flips
    test = "McNemar's exact test" if flips.mcnemar else "exact test, prompt by prompt"
    return (
        f"pairs: {compared.second} gains {len(flips.gained):,} and loses {len(flips.lost):,}; "
        f"{test}: {p_words(flips.p)}, corrected {p_value(flips.corrected_p)}"
    )


def note_lines(compared: Compared) -> Iterator[str]:
    """Where two sides were not judged alike, or not on the same benchmarks."""
    first, second = compared.first, compared.second
    if compared.notes:
        yield f"{first} and {second} were not judged alike: {'; '.join(compared.notes)}"
    for names, has, lacks in ((compared.missing, first, second), (compared.added, second, first)):
        if names:
            yield f"{has} has {', '.join(names)}, of which {lacks} has no pair: not compared"


def row(test: Tested) -> tuple[str, ...]:
    """A metric's line: in percent, the difference in points."""
    return (
        test.name,
        points(test.first),
        points(test.second),
        signed(test.difference),
        f"{signed(test.low)} to {signed(test.high)}",
        p_value(test.p),
        p_value(test.corrected_p),
    )


def side_lines(sides: Sequence[Side]) -> Iterator[str]:
    """Who stands behind each letter."""
    for side in sides:
        words = "baseline, " if side is sides[0] else ""
        yield f"{side.letter}: {side.name} ({words}{side.judge})"


def view_command(first: Side, second: Side) -> str:
    """What shows the judgments of two sides."""
    runs = dict.fromkeys((second.run.folder, first.run.folder))
    return f"rmr1 view {' '.join(map(str, runs))} --port 8000"


def gate_words(
    sides: Sequence[Side], failed: Sequence[tuple[str, str, float | None]], most: float
) -> str:
    """Why a gate is closed, and what to look at."""
    by_letter = {side.letter: side for side in sides}
    causes = [
        f"{name}: {letter} may be worse than {sides[0].letter} by {worse:.1f} points"
        if worse is not None
        else f"{name}: {letter} was not judged on it"
        for name, letter, worse in failed
    ]
    look = view_command(sides[0], by_letter[failed[0][1]]).removesuffix(" --port 8000")
    return f"{'; '.join(causes)} (allowed: {most:g}); see the pairs with: {look}"


def print_comparisons(sides: Sequence[Side], found: Comparisons, flips: int) -> None:
    """Print everything, with so many pairs that were gained and that were lost."""
    from rmr1_core.show import console, table_of

    out = console()
    for line in side_lines(sides):
        out.print(line, soft_wrap=True)
    by_letter = {side.letter: side for side in sides}
    for compared in found.compared:
        out.print()
        for note in note_lines(compared):
            out.print(f"note: {note}", soft_wrap=True)
        for made in compared.benchmarks:
            title = f"{made.benchmark}, {made.scoring} scoring: {pair_words(made.pairs)}"
            out.print(title, style="bold", soft_wrap=True)
            table = table_of(_columns(compared), map(row, made.tests))
            for column in table.columns[1:]:
                column.justify = "right"
            out.print(table)
            out.print(flip_words(compared, made), soft_wrap=True)
            for words, flip in _shown(made, flips):
                out.print(f"  {words} {flip.pair_id}: {PAGE}{flip.address}", soft_wrap=True)
            out.print()
        if any(_shown(made, flips) for made in compared.benchmarks):
            command = view_command(by_letter[compared.first], by_letter[compared.second])
            out.print(f"the links are of: {command}", soft_wrap=True)
    for compared in found.compared:
        for made in compared.benchmarks:
            out.print(sentence(compared, made, found.tests), soft_wrap=True)


def markdown(sides: Sequence[Side], found: Comparisons, flips: int) -> str:
    """The same as Markdown."""
    lines = [f"- {_plain(line)}" for line in side_lines(sides)]
    for compared in found.compared:
        lines += ["", f"## {compared.second} against {compared.first}", ""]
        lines += [f"- {sentence(compared, made, found.tests)}" for made in compared.benchmarks]
        lines += [f"- Note: {_plain(note)}." for note in note_lines(compared)]
        for made in compared.benchmarks:
            lines += ["", f"### {made.benchmark}", ""]
            lines += [f"{made.scoring} scoring, {pair_words(made.pairs)}.", ""]
            lines += [_line(_columns(compared)), "|---" + "|---:" * (len(COLUMNS) - 1) + "|"]
            lines += [_line(row(test)) for test in made.tests]
            lines += ["", f"P{flip_words(compared, made)[1:]}.", ""]
            lines += [
                f"- {words} [{_plain(flip.pair_id)}]({PAGE}{flip.address})"
                for words, flip in _shown(made, flips)
            ]
    return "\n".join(lines).rstrip() + "\n"


def plain(sides: Sequence[Side], found: Comparisons) -> dict[str, Any]:
    """The comparison as JSON has it: with its sentences, and who is behind each letter."""
    fields: dict[str, Any] = msgspec.to_builtins(found)
    for compared, own in zip(found.compared, fields["compared"], strict=True):
        for made, benchmark in zip(compared.benchmarks, own["benchmarks"], strict=True):
            benchmark["sentence"] = sentence(compared, made, found.tests)
            benchmark["pairs"]["partial"] = made.pairs.partial
    described = [
        {"letter": s.letter, "run": s.run.folder.name, "folder": str(s.run.folder),
         "evaluation": s.evaluation.name, "judge": s.judge, "protocol": s.evaluation.protocol}
        for s in sides
    ]  # fmt: skip
    return {"sides": described, **fields}


def _columns(compared: Compared) -> list[str]:
    return [c.format(first=compared.first, second=compared.second) for c in COLUMNS]


def _shown(made: BenchmarkCompared, most: int) -> list[tuple[str, Flip]]:
    gained, lost = made.flips.gained[:most], made.flips.lost[:most]
    return [*(("gained", flip) for flip in gained), *(("lost", flip) for flip in lost)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_plain, cells))} |"


def _plain(text: str) -> str:
    """Text that Markdown shows as it is."""
    flat = " ".join(text.split())
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#" else c for c in flat)
