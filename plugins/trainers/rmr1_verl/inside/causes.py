"""The true last error of a training, from what it printed.

The driver's traceback often ends with what happened to somebody else: an actor died, the engine is
dead, answers are missing. Then the cause is what a worker printed before it, each line marked
with the worker's name: `(WorkerDict pid=123) ValueError: …`.
"""

from __future__ import annotations

import re
from collections import deque

_WORKER = re.compile(r"^(?:(?:\x1b\[\d+m)*\([\w.:]+ pid=\d+(?:, ip=[\d.]+)?\)(?:\x1b\[0m)* ?)+")
"""Ray's mark of a line, after which vLLM's own processes have one, too."""
_EXCEPTION = re.compile(
    r"^(?:ERROR [\d: -]+\[[\w.:]+\] )?\s*"
    r"(?P<line>[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit|Failed)\b(?:\(\w+\))?: .*)"
)
_WAITING = re.compile(
    r"No available node types can fulfill|cannot be scheduled|are not enough resources"
    r"|insufficient resources|Total available GPUs"
)
_CONSEQUENCES = re.compile(
    r"ActorDiedError|ActorUnavailableError|RayActorError|EngineDeadError|WorkerCrashedError"
    r"|RayTaskError|materializable|OwnerDiedError|CancelledError|DistBackendError"
    r"|Engine core initialization failed|Worker failed with error|NodeDiedError"
)
_DIED = re.compile(r"^(?:class_name: (?:.*\.)?(?P<actor>\w+)|pid: (?P<pid>\d+))$")
_HOW = re.compile(r"Worker exit detail: (?P<how>.+?)\.?(?: Some common causes.*)?$")
"""What Ray tells below an ActorDiedError, and no worker could: its process was killed."""
KEPT = 400


class Causes:
    """Looks at the lines of a log as they come."""

    def __init__(self) -> None:
        self._driver: deque[str] = deque(maxlen=KEPT)
        self._workers: deque[str] = deque(maxlen=KEPT)
        self._died: dict[str, str] = {}
        self.waiting = ""

    def look(self, line: str) -> None:
        """Take notice of a line."""
        worker = _WORKER.match(line)
        text = line[worker.end() :].strip() if worker else line.rstrip()
        if _WAITING.search(text):
            self.waiting = text
        for told in filter(None, (_DIED.match(text.strip()), _HOW.search(text))):
            self._died.update({k: v for k, v in told.groupdict().items() if v})
        if found := _EXCEPTION.match(text):
            (self._workers if worker else self._driver).append(found["line"])

    def true_one(self) -> str:
        """The last exception that is no consequence of another; "" where there is none."""
        last = self._driver[-1] if self._driver else ""
        if last and not _CONSEQUENCES.search(last):
            return last
        own = [line for line in self._workers if not _CONSEQUENCES.search(line)]
        return own[-1] if own else self._death() or last

    def _death(self) -> str:
        """That of an actor whose process ended without a word."""
        if "how" not in self._died:
            return ""
        who = f"{self._died.get('actor', 'a worker')} (pid {self._died.get('pid', 'unknown')})"
        return f"RuntimeError: {who} was killed (out of memory?): {self._died['how']}"
