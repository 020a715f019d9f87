"""The licences of what rmr1 needs at run time, read from the installed packages' own metadata."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

DISTRIBUTION, EXTRAS = "rmr1", frozenset({"local", "trackers"})
WITH_CUDA = ("cuda-", "nvidia-", "triton")
"""What comes with a CUDA build of torch alone, under NVIDIA's terms (triton under MIT)."""
PERMISSIVE = frozenset(
    {"0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause"}
    | {"BSL-1.0", "CC0-1.0", "CNRI-Python", "ISC", "MIT", "MIT-CMU", "PSF-2.0", "Zlib"}
    | {"MPL-2.0"}  # of its own files only, which we do not change
)
"""Licences under which anybody may use rmr1 with its dependencies, as SPDX has them."""
_SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "ISC License": "ISC",
    "MIT License": "MIT",
    "Python Software Foundation License": "PSF-2.0",
}
"""What packages write that know nothing of SPDX."""


def needed() -> list[str]:
    """The distributions that rmr1 needs with its extras, by name, what these need included."""
    seen: dict[str, set[str]] = {}
    open_ = [(DISTRIBUTION, set(EXTRAS))]
    while open_:
        name, extras = open_.pop()
        name = canonicalize_name(name)
        if name.startswith(WITH_CUDA) or (name in seen and extras <= seen[name]):
            continue
        seen.setdefault(name, set()).update(extras)
        for line in metadata.distribution(name).requires or []:
            requirement = Requirement(line)
            asked = [{"extra": extra} for extra in ("", *seen[name])]
            if requirement.marker is None or any(map(requirement.marker.evaluate, asked)):
                open_.append((requirement.name, set(requirement.extras)))
    return sorted(set(seen) - {DISTRIBUTION})


def licence(distribution: str) -> str:
    """What a distribution says of its licence, as an SPDX expression where that is known."""
    told = metadata.metadata(distribution)
    if told.get("License-Expression"):
        return told["License-Expression"]
    short = (told.get("License") or "").strip()
    kinds = [c for c in told.get_all("Classifier") or [] if c.startswith("License :: ")]
    words = [kind.rpartition(" :: ")[2].split(" (")[0] for kind in kinds]
    if short and "\n" not in short and len(short) < 40:
        words = [short]
    return " OR ".join(_SPDX.get(word, word) for word in words) or "not stated"


def parts(expression: str) -> list[str]:
    """The licences that an SPDX expression joins."""
    bare = expression.replace("(", "").replace(")", "").replace(" OR ", " AND ")
    return [part.strip() for part in bare.split(" AND ")]


def page() -> Iterator[str]:
    """The page of all licences."""
    yield "# Licences"
    yield ""
    yield (
        "`rmr1` is under the Apache License 2.0. What it needs at run time, with the extras "
        "`local` and `trackers`, in the versions that CI uses, and the licence that each package "
        "states. A CUDA build of torch adds NVIDIA's libraries, under NVIDIA's own terms."
    )
    yield ""
    yield "| package | version | licence |"
    yield "|---|---|---|"
    for name in needed():
        version = metadata.version(name).partition("+")[0]
        yield f"| {metadata.metadata(name)['Name']} | {version} | {licence(name)} |"
