"""Preferences to train on: anybody's, in the usual forms, and what `rmr1 data` has mixed."""

from __future__ import annotations

from rmr1_core import Dataset, hookimpl


@hookimpl
def rmr1_datasets() -> list[Dataset]:
    """Offer the sources of this plugin."""
    from rmr1_preferences.mixed import Mixed
    from rmr1_preferences.named import named
    from rmr1_preferences.preferences import Preferences
    from rmr1_preferences.ratings import Ratings

    return [
        *named(),
        Preferences(
            name="preferences",
            summary="preferences in a file, a folder or on the hub: preferences:PATH",
        ),
        Ratings(name="ratings", summary="rated answers as pairs: ratings:PATH"),
        Mixed(name="mixed", summary="what rmr1 data mix or distill wrote: mixed:FOLDER"),
    ]
