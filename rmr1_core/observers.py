"""Observers see what happens and change nothing: one that raises is named once, and ignored."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rmr1_core.discovery import Plugins, plugins
from rmr1_core.shielding import call
from rmr1_core.values import Judgment, RunRecord


class Observers:
    """The observing hooks of all plugins, shielded from one another and from the run."""

    def __init__(self, known: Plugins | None = None) -> None:
        self._hook = (known or plugins()).hook
        self._complained: set[str] = set()
        self._judged = self._hook.rmr1_judged.get_hookimpls()

    def run_started(self, record: RunRecord, folder: Path) -> None:
        """Tell that a run begins."""
        self._tell(self._hook.rmr1_run_started.get_hookimpls(), record=record, folder=folder)

    def judged(self, judgment: Judgment) -> None:
        """Tell of one judgment."""
        if self._judged:
            self._tell(self._judged, judgment=judgment)

    def stepped(self, folder: Path, stage: str, event: Mapping[str, Any]) -> None:
        """Tell of one step of a training stage."""
        implementations = self._hook.rmr1_stepped.get_hookimpls()
        self._tell(implementations, folder=folder, stage=stage, event=event)

    def run_finished(self, record: RunRecord, folder: Path) -> None:
        """Tell how a run ended."""
        self._tell(self._hook.rmr1_run_finished.get_hookimpls(), record=record, folder=folder)

    def distilled(self, folder: Path, status: str, seconds: float, words: str) -> None:
        """Tell how a distillation ended."""
        implementations = self._hook.rmr1_distilled.get_hookimpls()
        told = {"folder": folder, "status": status, "seconds": seconds, "words": words}
        self._tell(implementations, **told)

    def _tell(self, implementations: list[Any], **told: object) -> None:
        for implementation in implementations:
            try:
                call(implementation, quick=True, **told)
            except (Exception, SystemExit) as error:  # the boundary to foreign code
                if implementation.plugin_name not in self._complained:
                    self._complained.add(implementation.plugin_name)
                    text = f"observer of plugin {implementation.plugin_name!r} raised {error!r}"
                    print(f"warning: {text}; it is ignored", file=sys.stderr)
