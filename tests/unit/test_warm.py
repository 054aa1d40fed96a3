import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, cast

import pytest

from zeroloop.errors import NotFound
from zeroloop.inference.model import Model
from zeroloop.inference.warm import Served, WarmModels
from zeroloop.registry.rules import Version

MODEL = "m-0123456789abcdef"


class Shelf:
    """Loads versions of 1,000 bytes, each estimated at 3,000; `sizes` names the others. Counts the loads."""

    def __init__(self, sizes: dict[int, int] | None = None) -> None:
        self.sizes = sizes or {}
        self.loads: list[tuple[str, int]] = []

    def load(self, model_id: str, number: int) -> Served:
        self.loads.append((model_id, number))
        version = Version(
            model_id=model_id, version=number, version_id="", digest="", files=[], created_at=0, created_by="test"
        )
        return Served(version, cast("Model", SimpleNamespace(size=self.sizes.get(number, 1000), held=0)))


def loaded(max_bytes: int, numbers: Iterable[int], **shelf: Any) -> tuple[WarmModels, list[int]]:
    """The warm models, and the versions that were loaded, in order."""
    full = Shelf(**shelf)
    models = WarmModels(full.load, max_bytes)
    for number in numbers:
        assert models.get(MODEL, number).version.version == number
    return models, [number for _, number in full.loads]


def test_a_warm_version_is_not_loaded_again() -> None:
    assert loaded(9000, [1, 1, 2, 1, 2])[1] == [1, 2]


def test_the_version_used_longest_ago_goes_first() -> None:
    assert loaded(6000, [1, 2, 1, 3, 1, 2])[1] == [1, 2, 3, 2]


def test_the_bound_is_kept() -> None:
    models, loads = loaded(8999, [1, 2, 3])
    assert models.cost == 6000
    assert loads == [1, 2, 3]
    assert loaded(9000, [1, 2, 3])[0].cost == 9000


def test_a_large_version_makes_several_go() -> None:
    models, loads = loaded(9000, [1, 2, 3, 4, 3], sizes={4: 2000})
    assert models.cost == 9000
    assert loads == [1, 2, 3, 4]


def test_the_newest_always_fits() -> None:
    models, loads = loaded(1, [1, 1, 2, 2], sizes={1: 10**9})
    assert models.cost == 3000
    assert loads == [1, 2]


def test_a_model_that_grew_in_a_run_makes_others_go_at_the_next_request() -> None:
    models, _ = loaded(9000, [1, 2, 3])
    cast("Any", models.get(MODEL, 3).model).held = 4000
    assert models.get(MODEL, 3).version.version == 3
    assert models.cost == 3000 + 5000
    assert list(models._served) == [(MODEL, 2), (MODEL, 3)]


def test_tensors_smaller_than_twice_the_files_are_in_the_estimate() -> None:
    models, _ = loaded(9000, [1, 2, 3])
    cast("Any", models.get(MODEL, 3).model).held = 2000
    models.get(MODEL, 3)
    assert models.cost == 9000


def test_versions_of_two_models_are_two() -> None:
    shelf = Shelf()
    models = WarmModels(shelf.load, 10**6)
    assert models.get("m-a", 1) is not models.get("m-b", 1)
    assert shelf.loads == [("m-a", 1), ("m-b", 1)]


def test_a_failed_load_is_tried_again() -> None:
    shelf, failures = Shelf(), iter([NotFound("not yet")])

    def load(model_id: str, number: int) -> Served:
        for failure in failures:
            raise failure
        return shelf.load(model_id, number)

    models = WarmModels(load, 10**6)
    with pytest.raises(NotFound):
        models.get(MODEL, 1)
    assert models.cost == 0
    assert models.get(MODEL, 1).version.version == 1


def test_many_threads_load_a_version_once() -> None:
    shelf, together = Shelf(), threading.Barrier(8)

    def load(model_id: str, number: int) -> Served:
        threading.Event().wait(0.01)  # long enough for the others to ask
        return shelf.load(model_id, number)

    models = WarmModels(load, 10**6)

    def ask(_thread: int) -> Served:
        together.wait()
        return models.get(MODEL, 1)

    with ThreadPoolExecutor(8) as pool:
        assert len({id(served) for served in pool.map(ask, range(8))}) == 1
    assert shelf.loads == [(MODEL, 1)]
