"""What Slurm says of a job, in values.

squeue knows what waits, what runs and, for some minutes, what has ended; after that sacct does,
where the cluster keeps accounts.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from rmr1_core import Check
from rmr1_core.errors import UsageError
from rmr1_core.processes import ask

if TYPE_CHECKING:
    from rmr1_slurm import SlurmLauncher

ENDED = {
    *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY"),
    *("PREEMPTED", "REVOKED", "TIMEOUT"),
}
"""States that a job does not leave by itself."""
GONE = "GONE"
"""Not a state of Slurm's: it knows nothing of the job any more."""
UNREACHABLE = "UNREACHABLE"
"""Not a state of Slurm's: its controller does not answer."""
_ABSENT = ("invalid job id", "invalid job/step")
_SECONDS = 60.0


class Look(msgspec.Struct, frozen=True):
    """What is known of a job at one moment. `code` is its exit code, negative for a signal, None
    where nobody knows."""

    state: str
    reason: str = ""
    nodes: str = ""
    starts: str = ""
    code: int | None = None


def look(job: str) -> Look:
    """How the job is; GONE and UNREACHABLE are answers, too."""
    asked = ["squeue", "--noheader", "--states=all", f"--jobs={job}", "--format=%T|%r|%N|%S"]
    returncode, output, errors = ask(asked, timeout=_SECONDS)
    lines = output.strip().splitlines()
    if returncode == 0 and lines:
        state, reason, nodes, starts = [*lines[0].split("|", 3), "", "", ""][:4]
        return Look(
            state=state,
            reason="" if reason == "None" else reason,
            nodes=nodes,
            starts="" if starts.startswith(("N/A", "Unknown")) else starts,
        )
    if returncode == 0 or any(words in errors.lower() for words in _ABSENT):
        return Look(state=GONE)
    last = errors.strip().splitlines()[-1:] or [f"squeue ended with exit code {returncode}"]
    return Look(state=UNREACHABLE, reason=last[0])


def number_of(name: str) -> str:
    """The number of the job that has this name; "" where there is none.

    Raises:
        UsageError: Slurm does not answer.
    """
    asked = ["squeue", "--noheader", "--states=all", f"--name={name}", "--format=%i"]
    returncode, output, errors = ask(asked, timeout=_SECONDS)
    if returncode != 0:
        last = errors.strip().splitlines()[-1:] or [f"exit code {returncode}"]
        raise UsageError(
            f"Slurm does not say whether it has job {name} already ({last[0]}); when squeue "
            "answers again, go on with: rmr1 run --resume"
        )
    found = re.match(r"\d+", output.strip())
    return found[0] if found else ""


def end(job: str, state: str) -> Look:
    """How the job ended, from who still knows: scontrol for some minutes, sacct for good."""
    returncode, output, _ = ask(["scontrol", "show", "job", "--oneliner", job], timeout=_SECONDS)
    found = re.search(r"\bJobState=(\w+).*\bExitCode=(\d+):(\d+)", output)
    if returncode != 0 or found is None:
        found = _accounted(job)
    if found is None or found[1] not in ENDED:
        return Look(state=state)
    code, signal = int(found[2]), int(found[3])
    return Look(state=found[1], code=-signal if signal else code)


def checks(launcher: SlurmLauncher) -> Iterator[Check]:
    """Is there a Slurm, does it answer, and does it have the partition?"""
    missing = [name for name in ("sbatch", "squeue", "scancel") if shutil.which(name) is None]
    if missing:
        words = f"no {' and no '.join(missing)} on the PATH; start rmr1 on a login node"
        yield Check(name="slurm", ok=False, detail=words)
        return
    returncode, output, errors = ask(["sinfo", "--noheader", "--format=%R"], timeout=_SECONDS)
    if returncode != 0:
        yield Check(name="slurm", ok=False, detail=errors.strip() or "sinfo does not answer")
        return
    names = sorted(set(output.split()))
    wanted = set(filter(None, launcher.partition.split(",")))
    if wanted <= set(names):
        yield Check(name="slurm", ok=True, detail=f"partitions {', '.join(names)}")
    else:
        words = f"no partition {launcher.partition!r}; there are {', '.join(names)}"
        yield Check(name="slurm", ok=False, detail=words)


def _accounted(job: str) -> re.Match[str] | None:
    """sacct's line of the job as a whole, where there are accounts."""
    if shutil.which("sacct") is None:
        return None
    asked = ["sacct", "--noheader", "--parsable2", "--allocations", f"--jobs={job}"]
    returncode, output, _ = ask([*asked, "--format=State,ExitCode"], timeout=_SECONDS)
    if returncode != 0:
        return None
    return re.match(r"(\w+)[^|]*\|(\d+):(\d+)", output.strip())
