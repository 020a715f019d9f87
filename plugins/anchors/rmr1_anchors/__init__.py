"""Published numbers, with where they stand, how they were made, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable

from rmr1_core import Anchor, hookimpl


@hookimpl
def rmr1_anchors() -> Iterable[Anchor]:
    """Offer the numbers of RM-R1's paper, of the models it compares with, and of later ones."""
    from rmr1_anchors.table import anchors

    return anchors()
