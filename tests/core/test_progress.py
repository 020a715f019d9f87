from __future__ import annotations

import io

import pytest

from rmr1_core import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    """Time that passes when it is told."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress.time, "monotonic", clock.monotonic)
    return clock


def test_without_a_terminal_there_is_a_line_now_and_then(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress.progress("judging", 100, "judgments") as bar:
        for done in range(1, 101):
            clock.now += 0.5
            bar.advance(done, f"{done} right")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "judging: 20/100 judgments, 2/s, 0:40 left, 20 right"
    assert lines[-1] == "judging: 100/100 judgments, 2/s, 0:50, 100 right"
    assert len(lines) == 6


def test_what_was_done_before_does_not_count_as_speed(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress.progress("judging", 100, "judgments", done=50) as bar:
        clock.now = 10.0
        bar.advance(60)
    assert "60/100 judgments, 1/s, 0:40 left" in capsys.readouterr().err


def test_what_turns_out_to_be_known_does_not_count_as_speed_nor_does_the_time_before_it(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    """A job that goes on repeats its steps at once, and then steps since its last checkpoint."""
    with progress.progress("sft", 500, "steps") as bar:
        for step in range(1, 321):
            bar.advance(step, known=True)
        clock.now = 60.0
        bar.advance(301)
        clock.now = 80.0
        bar.advance(303)
    assert "303/500 steps, 0.1/s, 32:50 left" in capsys.readouterr().err


def test_a_total_may_become_known_later(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress.progress("sft", 1, "steps") as bar:
        clock.now = 3600.0
        bar.advance(10, total=40)
    assert "10/40 steps, 0.00278/s, 3:00:00 left" in capsys.readouterr().err


def test_progress_writes_nothing_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.progress("x", 1, "y") as bar:
        bar.advance(1)
    assert capsys.readouterr().out == ""


def test_a_high_rate_is_written_out(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress.progress("judging", 9999, "judgments") as bar:
        clock.now = 1.0
        bar.advance(1560)
    assert "1560/9999 judgments, 1,560/s" in capsys.readouterr().err


def test_on_a_narrow_terminal_the_numbers_stay(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    with progress.progress("judging rewardbench, rm-bench", 1200, "judgments") as bar:
        clock.now = 10.0
        bar.advance(120, "72.1 % right")
    assert "judging rewardbench, rm-bench: 120/1200 judgments, 12/s, 1:30" in terminal.getvalue()


def test_something_of_unknown_length_says_how_long_it_has_been_going_on(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress.activity("building") as show:
        for second in range(1, 26):
            clock.now = float(second)
            show(f"line {second}")
    assert capsys.readouterr().err.splitlines() == [
        "building",
        "building, 0:10, line 10",
        "building, 0:20, line 20",
    ]


def test_on_a_terminal_something_of_unknown_length_shows_its_last_line(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")
    with progress.activity("building [it]") as show:
        clock.now = 75.0
        show("[red] is no markup, and a long line is cut")
    assert "building [it], 1:15, [red] is no" in terminal.getvalue()
    assert "is cut" not in terminal.getvalue()
