"""Models kept loaded between requests, under a bound of memory."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from zeroloop.inference.model import Model
from zeroloop.registry.rules import Version

# The interpreter holds the bytes of the model and about as much again in tensors and packed weights.
_COST = 3


class Served(NamedTuple):
    """A version and its loaded model."""

    version: Version
    model: Model


class WarmModels:
    """The versions used last, as many as fit into `max_bytes`; the newest always fits.

    The cost of one is an estimate: thrice its files, or these and the tensors of its largest run where that is more. A
    run that grew counts from the next `get` on. `load(model_id, version)` makes one, once, however many threads ask for
    it. A version never changes.
    """

    def __init__(self, load: Callable[[str, int], Served], max_bytes: int) -> None:
        self._load = load
        self._max_bytes = max_bytes
        self._served: OrderedDict[tuple[str, int], Served] = OrderedDict()
        self._last: tuple[tuple[str, int], Served, int] | None = None
        self._lock = threading.Lock()

    def get(self, model_id: str, number: int) -> Served:
        """The version, loaded if it isn't warm."""
        key = (model_id, number)
        last = self._last
        # most requests; a tuple is read at once, so this needs no lock
        if last and last[0] == key and last[1].model.held == last[2]:
            return last[1]
        with self._lock:
            served = self._served.get(key)
            if served is None:
                served = self._served[key] = self._load(model_id, number)
            self._served.move_to_end(key)
            self._last = (key, served, served.model.held)
            self._evict()
            return served

    @property
    def cost(self) -> int:
        """Estimated bytes of all warm models."""
        return sum(_cost(served.model) for served in self._served.values())

    def _evict(self) -> None:
        while len(self._served) > 1 and self.cost > self._max_bytes:
            self._served.popitem(last=False)


def _cost(model: Model) -> int:
    return max(model.size * _COST, model.size + model.held)
