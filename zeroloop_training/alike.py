"""Texts that are nearly the same: their candidates by MinHash, then the exact Jaccard similarity of all at once."""

from collections.abc import Sequence
from itertools import pairwise
from unicodedata import category, normalize

import numpy as np
from numpy.typing import NDArray

_HASHES, _PER_BAND = 128, 4
"""32 bands of 4: of pairs with similarity 0.8 one in 20 million is missed, 1 - (1 - 0.8^4)^32."""
_SHINGLE = 5
_SEED = 20261128
_UNSEEN = frozenset(
    chr(code)
    for first, last in (
        (0x34F, 0x34F),
        (0x115F, 0x1160),
        (0x17B4, 0x17B5),
        (0x180B, 0x180F),
        (0x3164, 0x3164),
        (0xFE00, 0xFE0F),
        (0xFFA0, 0xFFA0),
        (0xE0100, 0xE01EF),
    )
    for code in range(first, last + 1)
)
"""Letters and marks that are not shown, beside the format characters (Unicode, Default_Ignorable_Code_Point)."""


def normal(text: str) -> str:
    """`text` without case, punctuation, spacing, typographic forms and what can't be seen: the rest is compared."""
    seen = (c for c in normalize("NFKC", text).casefold() if category(c) != "Cf" and c not in _UNSEEN)
    return " ".join("".join(c if c.isalnum() else " " for c in seen).split())


def shingles(text: str) -> NDArray[np.uint64]:
    """The distinct runs of 5 bytes of a normal text, sorted; of a shorter one itself."""
    data = np.frombuffer(text.encode().ljust(_SHINGLE), np.uint8).astype(np.uint64)
    runs = np.lib.stride_tricks.sliding_window_view(data, _SHINGLE)
    return np.unique(runs @ (np.uint64(256) ** np.arange(_SHINGLE, dtype=np.uint64)))


class Alike:
    """Distinct normal texts, of which each is held against those that share a band with it.

    Texts of one boilerplate share bands although they are not near: the exact similarity with all of them is one pass
    over their shingles.
    """

    def __init__(self, texts: Sequence[str], near: float) -> None:
        sets = [shingles(text) for text in texts]
        everything = np.concatenate(sets) if sets else np.empty(0, np.uint64)
        self.near, self.n = near, len(sets)
        self._sizes = np.array([len(one) for one in sets], np.int64)
        self._ends = np.cumsum(self._sizes)
        known, self._ids = np.unique(everything, return_inverse=True)
        self._there = np.zeros(len(known), bool)
        self._places = [_buckets(band) for band in _bands(everything, self._ends - self._sizes)] if sets else []

    def to(self, i: int, among: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Which texts of `among`, (n,), have at least the similarity `near` with text `i`; not itself."""
        beside = np.zeros(self.n, bool)
        for bucket_of, buckets in self._places:
            beside[buckets[bucket_of[i]]] = True
        beside &= among
        beside[i] = False
        others = np.flatnonzero(beside)
        if not len(others):
            return others
        sizes = self._sizes[others]
        starts = np.cumsum(sizes) - sizes
        of_others = np.repeat(self._ends[others] - sizes - starts, sizes) + np.arange(sizes.sum())
        own = self._ids[self._ends[i] - self._sizes[i] : self._ends[i]]
        self._there[own] = True
        shared = np.add.reduceat(self._there[self._ids[of_others]], starts, dtype=np.int64)
        self._there[own] = False
        return others[shared / (sizes + len(own) - shared) >= self.near]


def distinct(texts: Sequence[str], near: float, known: int) -> list[int]:
    """Which normal texts are near none that is kept before them; the first `known` are kept whatever they are."""
    alike = Alike(texts, near)
    kept = np.zeros(len(texts), bool)
    for i in range(len(texts)):
        kept[i] = i < known or not len(alike.to(i, kept))
    return [int(i) for i in np.flatnonzero(kept)]


def _buckets(band: NDArray[np.uint32]) -> tuple[NDArray[np.intp], list[NDArray[np.intp]]]:
    """The bucket of each text, and the texts of each bucket: those with the same signature."""
    _, bucket_of, sizes = np.unique(band, axis=0, return_inverse=True, return_counts=True)
    order = np.argsort(bucket_of, kind="stable")
    return bucket_of, [order[begin:end] for begin, end in pairwise([0, *np.cumsum(sizes)])]


def _bands(everything: NDArray[np.uint64], starts: NDArray[np.int64]) -> list[NDArray[np.uint32]]:
    """(texts, 4) signatures of each band: the least of each hash, multiply-shift (Dietzfelbinger et al. 1997)."""
    random = np.random.default_rng(_SEED)
    odd = (np.uint64(int(random.integers(2**63)) * 2 + 1) for _ in range(_HASHES))
    least = np.stack(
        [np.minimum.reduceat((everything * one) >> np.uint64(32), starts).astype(np.uint32) for one in odd], axis=1
    )
    return [least[:, k : k + _PER_BAND] for k in range(0, _HASHES, _PER_BAND)]
