"""What is known of traffic: what was counted, what CloudWatch counted beside it, what it was like at training time."""

from collections.abc import Callable, Mapping
from functools import reduce

from msgspec import Struct

from zeroloop.monitoring import figures
from zeroloop.monitoring.aggregate import EMPTY, Aggregate, merge
from zeroloop.monitoring.baseline import NAME, Baseline, read
from zeroloop.monitoring.outside import Called, Counts
from zeroloop.monitoring.store import MonitoringStore
from zeroloop.registry.rules import Version

_WARM_BASELINES = 64

Cells = Mapping[tuple[int, str], Aggregate]
"""By version and variant."""


class Baselines:
    """The baselines in packages, which never change: the last ones that were asked for are kept."""

    def __init__(self, find: Callable[[str, int], Version | None], read: Callable[[Version], bytes]) -> None:
        self._find = find
        self._read = read
        self._kept: dict[tuple[str, int], Baseline | None] = {}

    def __call__(self, model_id: str, version: int) -> Baseline | None:
        """The version's baseline; None if its package has none."""
        key = (model_id, version)
        if key not in self._kept:
            if len(self._kept) >= _WARM_BASELINES:
                self._kept.clear()
            found = self._find(*key)
            held = found is not None and any(file.path == NAME for file in found.files)
            self._kept[key] = read(self._read(found)) if found and held else None
        return self._kept[key]


class Traffic(Struct):
    """All three, as they are read."""

    counts: MonitoringStore
    cloud: Counts
    baselines: Baselines

    def crashes(self, of: Aggregate, start: int, end: int) -> float:
        """Crashes and timeouts leave no line that names a model: of the function's, this model's share of requests."""
        own = figures.requests(of).total
        called = self.cloud.called(start, end) if own else Called(0, 0)
        return called.errors * own / max(own, called.invocations - called.errors) if called.errors else 0.0


def total(cells: Cells) -> Aggregate:
    """Of all of them."""
    return reduce(merge, cells.values(), EMPTY)
