"""veRL on a CPU, where VERL_PLATFORM=cpu says so; elsewhere none of this does anything.

veRL finds `platform` and vLLM finds `rollout` by their entry points, in every process that they
start.
"""

import os


def wanted() -> bool:
    """Whether this process is to run on a CPU."""
    return os.environ.get("VERL_PLATFORM", "").strip().lower() == "cpu"
