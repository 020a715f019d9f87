"""Slurm's programs as small shell scripts: they say what a test wrote down, and note what they are
asked."""

from __future__ import annotations

from pathlib import Path

SBATCH = """#!/bin/sh
echo "sbatch $*" >>{folder}/calls
[ -f {folder}/interrupts ] && kill -INT $PPID && /bin/sleep 0.3
if [ -f {folder}/refusal ]; then /bin/cat {folder}/refusal >&2; exit 1; fi
[ -f {folder}/output ] && /bin/cat {folder}/output >>"$(/bin/cat {folder}/log)"
read -r number <{folder}/number
echo $((number + 1)) >{folder}/number
echo "$number;cluster"
"""
SQUEUE = """#!/bin/sh
echo "squeue $*" >>{folder}/calls
case "$*" in *--name=*)
  [ -f {folder}/named ] && /bin/cat {folder}/named
  exit 0 ;;
esac
read -r count <{folder}/count
[ -f {folder}/state.$((count + 1)) ] && count=$((count + 1))
echo $count >{folder}/count
read -r line <{folder}/state.$count
case "$line" in
  !*) echo "slurm_load_jobs error: ${{line#!}}" >&2; exit 1 ;;
  *) echo "$line" ;;
esac
"""
SAYS = """#!/bin/sh
echo "{name} $*" >>{folder}/calls
[ -f {folder}/{name}.says ] || {{ echo "Slurm accounting storage is disabled" >&2; exit 1; }}
/bin/cat {folder}/{name}.says
"""


class FakeSlurm:
    """A folder with the programs, and what they say."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        for name, script in {"sbatch": SBATCH, "squeue": SQUEUE}.items():
            self._program(name, script)
        for name in ("scontrol", "scancel", "sinfo"):
            self._program(name, SAYS)
        self.says("scancel", "")
        (folder / "number").write_text("41\n")
        (folder / "calls").write_text("")
        self.states("COMPLETED|None|n1|N/A")

    def states(self, *lines: str) -> None:
        """What squeue says, one line at a time; the last one again and again. A line after "!" is
        an error."""
        for number, line in enumerate(lines, start=1):
            (self.folder / f"state.{number}").write_text(line + "\n")
        (self.folder / "count").write_text("0\n")

    def says(self, program: str, text: str) -> None:
        (self.folder / f"{program}.says").write_text(text)

    def ended(self, state: str, code: str = "0:0") -> None:
        """What scontrol says of the job."""
        self.says("scontrol", f"JobId=41 JobState={state} Reason=None ExitCode={code} RunTime=9\n")

    def accounts(self, line: str) -> None:
        """A cluster with accounts."""
        self._program("sacct", SAYS)
        self.says("sacct", line + "\n")

    def prints(self, log: str, text: str) -> None:
        """What a submitted job writes to its log."""
        (self.folder / "log").write_text(log)
        (self.folder / "output").write_text(text)

    def refuses(self, words: str) -> None:
        (self.folder / "refusal").write_text(f"sbatch: error: {words}\n")

    def knows_by_name(self, number: str) -> None:
        """A job that nobody was told the number of."""
        (self.folder / "named").write_text(number + "\n")

    def interrupts(self) -> None:
        """Somebody types Ctrl-C while a job is being submitted."""
        (self.folder / "interrupts").touch()

    def calls(self, program: str) -> list[str]:
        """What a program was asked, each time."""
        lines = (self.folder / "calls").read_text().splitlines()
        return [line.partition(" ")[2] for line in lines if line.partition(" ")[0] == program]

    def _program(self, name: str, script: str) -> None:
        path = self.folder / name
        path.write_text(script.format(folder=self.folder, name=name))
        path.chmod(0o755)
