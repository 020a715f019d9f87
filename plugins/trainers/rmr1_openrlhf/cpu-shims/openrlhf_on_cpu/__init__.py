"""OpenRLHF on a CPU, where DS_ACCELERATOR=cpu says so; elsewhere none of this does anything.

Python imports this at its start, so it only waits: when `openrlhf` is first imported, torch and
transformers are patched, and OpenRLHF itself is left as it is.
"""

import os
import sys


class _BeforeOpenRLHF:
    """A finder that finds nothing, and is asked first."""

    def find_spec(self, name, path=None, target=None):
        """Patch before `openrlhf` is looked for, once."""
        if name == "openrlhf":
            sys.meta_path.remove(self)
            from openrlhf_on_cpu.patches import apply

            apply()


if os.environ.get("DS_ACCELERATOR") == "cpu":
    sys.meta_path.insert(0, _BeforeOpenRLHF())
