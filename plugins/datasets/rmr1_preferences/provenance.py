"""What a pair keeps of the row that it is made of.

Its tags say where it is from: `source`, `row_id` (upstream's own id, or file and row), `licence`,
and `domain` and `part` where they are known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from rmr1_core import Pair
from rmr1_core.datafiles import Row, prompt_key
from rmr1_preferences.forms import TEXT, Compared


class Provenance(NamedTuple):
    """Where all rows of a split are from, and which of their fields say more."""

    source: str
    split: str
    licence: str
    id_field: str
    domain: str
    domain_field: str
    domains: Mapping[str, str]

    def pair(self, row: Row, compared: Compared, *, part: str = "") -> Pair:
        """The pair of a row; `part` tells it from others of the same row.

        Raises:
            BadInput: a field that is to say more does not.
        """
        place = row.place
        tags = {
            "source": self.source,
            "row_id": (_text(row, self.id_field) if self.id_field else place) + part,
            "licence": self.licence,
        }
        return Pair(
            id=f"{self.source}-{self.split}-{place}{part}",
            subset=self.source,
            group=prompt_key(compared.prompt),
            prompt=compared.prompt,
            chosen=compared.chosen,
            rejected=compared.rejected,
            tags=tags | self._domain(row),
        )

    def _domain(self, row: Row) -> dict[str, str]:
        if not self.domain_field:
            return {"domain": self.domain} if self.domain else {}
        value = _text(row, self.domain_field)
        if not self.domains:
            return {"domain": value}
        domain = self.domains.get(value, self.domain)
        return {"domain": domain, "part": value} if domain else {"part": value}


def _text(row: Row, field: str) -> str:
    """A text or a number, as text."""
    return str(row.get(field, TEXT))
