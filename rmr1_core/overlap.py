"""Whether a training prompt is one of a benchmark's, the same or nearly so.

The same means: but for white space and case. Nearly means that the sets of n successive words are
alike (Jaccard). MinHash finds which of the benchmarks' prompts may be alike, and their sets decide,
so that no estimate removes a row.

The index is of the benchmarks alone, which are small. Most training prompts never get to MinHash: a
prompt that is alike shares most of its successive words with some benchmark, which a look at the
beginning of it refutes.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from rmr1_core.fingerprints import spoken
from rmr1_core.values import Pair

PERMUTATIONS = 128
MISSED = 1e-3
"""With so small a chance two sets that are just alike enough may be missed."""
_SEED = 1
_SIGN = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
"""Thai, Lao, Burmese, Khmer, Japanese and Chinese."""

Shingle = tuple[str, ...]


class Hit(NamedTuple):
    """The benchmark's prompt that a row has, by its number, and how alike the two are."""

    prompt: int
    similarity: float


class Known(NamedTuple):
    """A benchmark's prompt: the first pair with it, and its normalised text."""

    benchmark: str
    pair_id: str
    text: str


class Prompts:
    """The prompts of benchmarks, to be asked about."""

    def __init__(self, *, threshold: float, words: int) -> None:
        from rensa import RMinHashLSH

        self.known: list[Known] = []
        self._threshold, self._words = threshold, words
        self._texts: dict[str, int] = {}
        self._shingles: set[Shingle] = set()
        self._index = RMinHashLSH(threshold, PERMUTATIONS, bands(threshold))

    def add(self, benchmark: str, pairs: Iterable[Pair]) -> int:
        """Add the prompts of a benchmark that are not there yet; how many pairs it has."""
        count = 0
        for pair in pairs:
            count += 1
            text = spoken(pair.prompt)
            if text and text not in self._texts:
                self._texts[text] = len(self.known)
                self.known.append(Known(benchmark, pair.id, text))
                self._insert(text)
        return count

    def find(self, text: str) -> Hit | None:
        """The benchmark's prompt that this `spoken` text is, or is most alike."""
        same = self._texts.get(text)
        if same is not None:
            return Hit(same, 1.0)
        words = _words(text)
        if self._may_be_alike(words):
            return self._most_alike(set(_successive(words, self._words)))
        return None

    def _insert(self, text: str) -> None:
        words = [sys.intern(word) for word in _words(text)]
        shingles = set(_successive(words, self._words))
        if shingles:
            self._shingles |= shingles
            self._index.insert(len(self.known) - 1, _minhash(shingles))

    def _may_be_alike(self, words: list[str]) -> bool:
        """Whether enough of the text may be in some benchmark. Of a text with N successive words,
        no more than (1 - threshold) N are elsewhere than in a prompt that is alike."""
        count = len(words) - self._words + 1
        if count < 1:
            return False
        allowed = (1 - self._threshold) * count
        begin = set(islice(_successive(words, self._words), int(allowed * 1.3) + 1))
        return len(begin - self._shingles) <= allowed

    def _most_alike(self, shingles: set[Shingle]) -> Hit | None:
        best: Hit | None = None
        for number in sorted(self._index.query(_minhash(shingles))):
            known = set(_successive(_words(self.known[number].text), self._words))
            shared = len(shingles & known)
            similarity = shared / (len(shingles) + len(known) - shared)
            if similarity >= self._threshold and (best is None or similarity > best.similarity):
                best = Hit(number, similarity)
        return best


def bands(threshold: float) -> int:
    """Into how many bands the sketches are cut: few, so that little is looked at in vain, and yet
    so many that hardly anything is missed. Two sets meet if one band of theirs is the same."""
    for size in (16, 8, 4, 2):
        missed = (1 - threshold**size) ** (PERMUTATIONS // size)
        if missed <= MISSED:
            return PERMUTATIONS // size
    return PERMUTATIONS


def _words(text: str) -> list[str]:
    """The words of a text. Where a script has no spaces between them, each sign is one."""
    return text.split() if text.isascii() else _SIGN.sub(r" \g<0> ", text).split()


def _successive(words: list[str], count: int) -> Iterator[Shingle]:
    return zip(*(words[start:] for start in range(count)), strict=False)


def _minhash(shingles: set[Shingle]) -> object:
    from rensa import RMinHash

    sketch = RMinHash(PERMUTATIONS, _SEED)
    sketch.update([" ".join(shingle) for shingle in shingles])
    return sketch
