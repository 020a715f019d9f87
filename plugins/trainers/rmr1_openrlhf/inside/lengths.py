"""How long the rows are, for those who decide on max_length."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rmr1_openrlhf.inside import rows


def run(model: str, source: str) -> int:
    """Print the length of every row in tokens, as a JSON list."""
    tokenizer = rows.tokenizer_of(model)
    found = [len(rows.encode(tokenizer, example).ids) for example in rows.read(Path(source))]
    json.dump(found, sys.stdout)
    return 0
