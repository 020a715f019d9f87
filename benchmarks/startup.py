"""How long rmr1 takes to start, and what 10 and 50 more plugins add.

    python benchmarks/startup.py [--runs 15] [--limit-ms 150] [--plugins 0 10 50]

The plugins are made on the spot and installed as pip would: a module with a reward, and its
dist-info. Variants run in turns. Times are of CPU, as a busy machine disturbs those of the wall.
Exits with 1 when the median of `rmr1 --help` without more plugins is above the limit, in
milliseconds.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

PLUGIN = """
from typing import Annotated

from rmr1_core import Option, RewardFunction, hookimpl


class Made(RewardFunction, frozen=True, kw_only=True):
    factor: Annotated[float, Option(description="times the reward", ge=0)] = 1.0

    def __call__(self, judgment, label):
        return self.factor * (judgment.verdict is label)


@hookimpl
def rmr1_rewards():
    return [Made(name="made-{number}", summary="made for a measurement")]
"""
COMMANDS = (("--version",), ("--help",), ("list", "rewards"))


def install(folder: Path, count: int) -> None:
    """So many plugins, as pip leaves them."""
    folder.mkdir()
    for number in range(count):
        module = f"made_{number}"
        (folder / f"{module}.py").write_text(PLUGIN.format(number=number))
        info = folder / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[rmr1]\nmade-{number} = {module}\n")


def milliseconds(argv: list[str], site: Path) -> float:
    """The CPU time of one run of a command, with the plugins of a folder."""
    env = {**os.environ, "PYTHONPATH": str(site)}
    env.pop("PYTHONDONTWRITEBYTECODE", None)  # or else all is compiled every time
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(argv, stdout=subprocess.DEVNULL, check=True, env=env)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def measure(folder: Path, counts: list[int], runs: int) -> dict[tuple[str, int], list[float]]:
    """Times by command and number of plugins, in milliseconds; the first run of each, which
    compiles, is not counted."""
    for count in counts:
        install(folder / str(count), count)
    asked = {("python -c pass", counts[0]): [sys.executable, "-c", "pass"]}
    for words in COMMANDS:
        for count in counts:
            argv = [sys.executable, "-m", "rmr1_core", *words]
            asked[" ".join(("rmr1", *words)), count] = argv
    times: dict[tuple[str, int], list[float]] = {key: [] for key in asked}
    for number in range(runs + 1):
        for key, argv in asked.items():
            taken = milliseconds(argv, folder / str(key[1]))
            if number:
                times[key].append(taken)
    return times


def main() -> int:
    """Measure, print, compare with the limit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--limit-ms", type=float, default=150.0)
    parser.add_argument("--plugins", type=int, nargs="+", default=[0, 10, 50])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        times = measure(Path(folder), options.plugins, options.runs)
    print("| | more plugins | median ms | fastest ms | ratio of fastest |")
    print("|---|---|---|---|---|")
    for (name, count), taken in times.items():
        first = times[name, options.plugins[0]]
        ratio = min(taken) / min(first)
        print(
            f"| `{name}` | {count} | {statistics.median(taken):.0f} | {min(taken):.0f} | "
            f"{ratio:.2f} |"
        )
    return int(statistics.median(times["rmr1 --help", options.plugins[0]]) > options.limit_ms)


if __name__ == "__main__":
    sys.exit(main())
