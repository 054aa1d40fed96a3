"""Which held-out rows count as leaked, and how they are told."""

from typing import Any

import pytest

from examples.sentiment import dataset
from examples.tabular import machines
from examples.tabular.schema import ROWS
from zeroloop_training import checks, project
from zeroloop_training.checks import Finding
from zeroloop_training.project import Labelled, Limits

TABLE = project.read(dataset.DATA.parents[1] / "tabular")
MACHINES = machines.labelled(None)


def found(rows: list[Labelled], limits: Limits) -> dict[str, Finding]:
    return {one.name: one for one in checks._repeated(rows, limits)}


def shifted(value: Any, by: float) -> Any:
    return {name: part + by if isinstance(part, float) else part for name, part in value.items()}


def test_the_made_up_machines_are_fit() -> None:
    assert [one.name for one in checks.check(MACHINES, ROWS, TABLE.data, None) if not one.passed] == []


@pytest.mark.parametrize("by", [0.0, 1e-9, -1e-5])
def test_fifty_held_out_machines_that_are_trained_on_are_leaks_also_with_noise(by: float) -> None:
    test = [row for row in MACHINES if row.split == "test"][:50]
    copies = [row._replace(id=f"copy-{row.id}", split="train", value=shifted(row.value, by)) for row in test]
    before = int(found(MACHINES, TABLE.data)["leaks"].says.split()[0])
    leaks = found([*MACHINES, *copies], TABLE.data)["leaks"]
    assert not leaks.passed
    assert int(leaks.says.split()[0]) > before + 40


def test_a_row_that_differs_is_another_row() -> None:
    rows = [
        Labelled(name, split, value, "a", {}, {})
        for name, split, value in (
            ("1", "train", {"x": 300.1, "on": True, "kind": "L"}),
            ("2", "test", {"x": 300.2, "on": True, "kind": "L"}),
            ("3", "test", {"x": 300.1, "on": 1, "kind": "L"}),
            ("4", "test", {"x": 300.1, "on": True, "kind": "M"}),
            ("5", "test", {"x": [300.1, None]}),
            ("6", "test", {"x": 300.1000001, "on": True, "kind": "L"}),
        )
    ]
    assert found(rows, Limits())["leaks"].rows == ["6"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (0.0, 1e-9, True),
        (0.0, -0.0, True),
        (0.0, 1.0, False),
        (1e-5, 1.01e-5, True),  # of a column that reaches to 300
        (1_700_000_001, 1_700_000_002, False),  # whole numbers are ids or times
        (float("nan"), float("nan"), True),
        (10**400, 10**400 + 1, False),
    ],
)
def test_numbers_are_the_same_by_the_scale_of_their_column(one: float, other: float, same: bool) -> None:
    far = 300.5 if isinstance(one, float) else 3
    rows = [
        Labelled(str(i), split, {"x": x}, "a", {}, {})
        for i, (split, x) in enumerate([("train", one), ("test", other), ("train", far)])
    ]
    assert found(rows, Limits(leaks_at_most=0.0))["leaks"].passed is not same


def texts(*rows: tuple[str, str]) -> list[Labelled]:
    return [Labelled(str(i), split, text, "a", {}, {}) for i, (split, text) in enumerate(rows)]


@pytest.mark.parametrize(("near", "passed"), [(0.8, False), (0.99, True)])
def test_how_near_is_near_is_the_limits_to_say(near: float, passed: bool) -> None:
    told = "the parcel for order 100{} came late, and what was in it was torn"
    rows = texts(("train", told.format(0)), ("test", told.format(1)))
    assert found(rows, Limits(near=near))["near leaks"].passed is passed


def test_a_row_that_leaks_to_many_is_told_once() -> None:
    rows = texts(
        ("test", "the parcel for order 1000 came late and quite torn"),
        *[("train", f"the parcel for order 100{i} came late and quite torn") for i in range(1, 5)],
    )
    near = found(rows, Limits())["near leaks"]
    assert (near.says.split()[0], near.rows) == ("1", ["0"])


@pytest.mark.parametrize(("other", "passed"), [("test", True), ("validation", False)])
def test_what_is_near_within_a_split_leaks_to_none(other: str, passed: bool) -> None:
    told = "the parcel for order 100{} came late, and what was in it was torn"
    rows = texts(("test", told.format(0)), (other, told.format(1)), ("train", "something else altogether"))
    assert found(rows, Limits())["near leaks"].passed is passed


@pytest.mark.parametrize("split", ["train", "test"])
def test_data_without_one_of_the_two_splits_is_not_fit(split: str) -> None:
    rows = texts(*[(split, f"text number {i}") for i in range(200)])
    missing = {"train": "test", "test": "train"}[split]
    [fault] = [one for one in checks._sizes(rows, Limits(rows_at_least=0)) if not one.passed]
    assert (fault.name, fault.says) == (f"rows in {missing}", "0, at least 1")
