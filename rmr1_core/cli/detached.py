"""The process behind `--detach`: `python -m rmr1_core.cli.detached FOLDER ARGUMENTS…`.

It runs `rmr1 ARGUMENTS…`, hears neither of a closed terminal nor of one that never was, and writes
down how it ended.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from rmr1_core.cli import run_command
from rmr1_core.detaching import note_end
from rmr1_core.locks import this_process


def main(argv: Sequence[str]) -> int:
    """Run a command in the folder that is named first; its exit code."""
    folder, arguments = Path(argv[0]), list(argv[1:])
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a script had it ignored
        signal.signal(number, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):  # one file, in the order in which it was said
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sys.argv = ["rmr1", *arguments]
    code = 1
    try:
        code = run_command(arguments)
    except KeyboardInterrupt:
        code = 130
    finally:
        sys.stdout.flush()
        note_end(folder, this_process(), code)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
