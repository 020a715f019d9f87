"""What `check` finds, as one line of JSON, for a check before the job is there."""

from __future__ import annotations

import json
from collections.abc import Sequence

from rmr1_verl.inside import check, machine
from rmr1_verl.inside.settings import Settings


def main(_: Settings, overrides: Sequence[str]) -> int:
    """Print a list of problems, empty where there are none, as the last line."""
    print(json.dumps(list(check.problems(machine.complete(overrides)))))
    return 0
