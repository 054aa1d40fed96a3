"""Texts that are nearly the same, by MinHash: all pairs of thousands without comparing each with each."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations
from unicodedata import category, normalize

import numpy as np
from numpy.typing import NDArray

_HASHES, _PER_BAND = 128, 4
"""32 bands of 4: of pairs with similarity 0.8 one in 20 million is missed, 1 - (1 - 0.8^4)^32."""
_SHINGLE = 5
_SEED = 20261128


def normal(text: str) -> str:
    """`text` without case, punctuation, spacing, typographic forms and what can't be seen: the rest is compared."""
    seen = (c for c in normalize("NFKC", text).casefold() if category(c) != "Cf")
    return " ".join("".join(c if c.isalnum() else " " for c in seen).split())


def shingles(text: str) -> NDArray[np.uint64]:
    """The distinct runs of 5 bytes of a normal text, sorted; of a shorter one itself."""
    data = np.frombuffer(text.encode().ljust(_SHINGLE), np.uint8).astype(np.uint64)
    runs = np.lib.stride_tricks.sliding_window_view(data, _SHINGLE)
    return np.unique(runs @ (np.uint64(256) ** np.arange(_SHINGLE, dtype=np.uint64)))


def jaccard(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> float:
    """Shared shingles over all shingles of two texts."""
    shared = len(np.intersect1d(a, b, assume_unique=True))
    return shared / (len(a) + len(b) - shared)


def pairs(texts: Sequence[str], near: float) -> Iterator[tuple[int, int]]:
    """Pairs i < j of distinct normal texts whose Jaccard similarity is at least `near`."""
    sets = [shingles(text) for text in texts]
    candidates: set[tuple[int, int]] = set()
    for band in _bands(sets):
        places: dict[bytes, list[int]] = defaultdict(list)
        for i, key in enumerate(band):
            places[key.tobytes()].append(i)
        for place in places.values():
            candidates.update(combinations(place, 2))
    for i, j in sorted(candidates):
        if jaccard(sets[i], sets[j]) >= near:
            yield i, j


def distinct(texts: Sequence[str], near: float, known: int) -> list[int]:
    """Which normal texts are near none that is kept before them; the first `known` are kept whatever they are.

    A thousand copies cost a thousand comparisons: each is held against the one that is kept.
    """
    sets = [shingles(text) for text in texts]
    bands = [*_bands(sets)]
    places: list[dict[bytes, list[int]]] = [defaultdict(list) for _ in bands]
    kept = []
    for i, one in enumerate(sets):
        keys = [band[i].tobytes() for band in bands]
        others = {j for place, key in zip(places, keys, strict=True) for j in place.get(key, ())}
        if i >= known and any(jaccard(sets[j], one) >= near for j in others):
            continue
        kept.append(i)
        for place, key in zip(places, keys, strict=True):
            place[key].append(i)
    return kept


def _bands(sets: Sequence[NDArray[np.uint64]]) -> Iterator[NDArray[np.uint32]]:
    """(texts, 4) signatures of each band: the least of each hash, multiply-shift (Dietzfelbinger et al. 1997)."""
    if not sets:
        return
    random = np.random.default_rng(_SEED)
    everything = np.concatenate(sets)
    starts = np.cumsum([0, *(len(one) for one in sets[:-1])])
    for _ in range(_HASHES // _PER_BAND):
        band = np.empty((len(sets), _PER_BAND), np.uint32)
        for k in range(_PER_BAND):
            odd = np.uint64(int(random.integers(2**63)) * 2 + 1)
            band[:, k] = np.minimum.reduceat((everything * odd) >> np.uint64(32), starts)
        yield band
