"""What a version must have shown: the verdict, and who may say that it serves."""

import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from zeroloop.digests import PackageFile
from zeroloop.errors import InvalidInput
from zeroloop.registry import gates, rules
from zeroloop.registry.gates import Comparison, Evaluation, Gates, Measured, Slice
from zeroloop.registry.rules import Approval, Lineup, NotPromotable, State, Version

CHAMPION = "c" * 64
SEED = tomllib.loads("[metrics.accuracy]\nat_least = 0.9\n")
ACCURACY = Measured(0.78, 0.75, 0.80, 1289)


def version(number: int = 2, digest: str = "d" * 64, **changes: Any) -> Version:
    files = [PackageFile("model.tflite", "a" * 64, 3_000_000), PackageFile("package.json", "b" * 64, 1_000)]
    made = Version(
        model_id="m-0123456789abcdef",
        version=number,
        version_id="20261128000000-dddddddd",
        digest=digest,
        files=files,
        created_at=0,
        created_by="ci",
        state=State.READY,
    )
    return msgspec.structs.replace(made, **changes)


def found(**changes: Any) -> Evaluation:
    return Evaluation(digest="d" * 64, metrics={"accuracy": ACCURACY}, **changes)


def serving() -> Lineup:
    return rules.promote(Lineup(model_id="m-0123456789abcdef", model="x"), version(1, CHAMPION))


def missed(asked: dict[str, Any], evaluation: Evaluation, champion: str | None = None) -> list[str]:
    verdict = gates.hold(gates.read(asked), evaluation, 3_001_000, champion)
    names = [check.name for check in verdict.checks if not check.passed]
    assert verdict.passed is (not names)
    return names


def test_a_floor_of_slices_is_not_passed_where_no_slice_is_shown() -> None:
    asked = {"slices": {"at_least": 0.6}}
    assert missed(asked, found()) == ["accuracy in each slice at_least 0.6"]
    assert missed(asked, found(slices=[Slice("length", "long", 12)])) == ["accuracy in each slice at_least 0.6"]


def test_the_seeds_gate_is_an_accuracy_of_at_least_0_9() -> None:
    assert missed(SEED, found()) == ["accuracy at_least 0.9"]
    assert missed(SEED, Evaluation(digest="d" * 64, metrics={"accuracy": Measured(0.9)})) == []


@pytest.mark.parametrize(
    ("asked", "missing"),
    [
        ({"metrics": {"accuracy": {"at_least": 0.76, "lower_at_least": 0.735}}}, []),
        ({"metrics": {"accuracy": {"lower_at_least": 0.76}}}, ["accuracy lower_at_least 0.76"]),
        ({"metrics": {"accuracy": {"upper_at_most": 0.79}}}, ["accuracy upper_at_most 0.79"]),
        ({"metrics": {"accuracy": {"at_most": 0.7}}}, ["accuracy at_most 0.7"]),
        ({"metrics": {"log_loss": {"at_most": 0.5}}}, ["log_loss at_most 0.5"]),  # what wasn't measured isn't passed
        ({"budgets": {"package_megabytes": 3.0}}, ["package megabytes at_most 3"]),
        ({"budgets": {"package_megabytes": 3.1, "p95_ms": 2.0}}, []),
        ({"budgets": {"p95_ms": 1.0}}, ["p95 in ms at_most 1"]),
        ({"slices": {"at_least": 0.7}}, ["accuracy where length is short at_least 0.7"]),
        ({"card": ["intended_use", "license"]}, ["the card says license"]),
    ],
)
def test_what_is_asked_is_held_against_what_was_found(asked: dict[str, Any], missing: list[str]) -> None:
    slices = [Slice("length", "short", 40, Measured(0.6, 0.44, 0.74, 40)), Slice("length", "long", 12)]
    card = {"intended_use": "film reviews", "license": " "}
    assert missed(asked, found(p95_ms=1.5, slices=slices, card=card)) == missing


@pytest.mark.parametrize(
    ("champion", "p_worse", "passed"),
    [
        (None, None, True),
        ("d" * 64, None, True),
        (CHAMPION, None, False),
        (CHAMPION, 0.04, False),
        (CHAMPION, 0.06, True),
    ],
)
def test_a_version_is_compared_with_who_serves(champion: str | None, p_worse: float | None, *, passed: bool) -> None:
    comparisons = {} if p_worse is None else {CHAMPION: Comparison(1289, 30, 18, p_worse)}
    assert (missed({"champion": {}}, found(comparisons=comparisons), champion) == []) is passed


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"metric": {}}, "metric"),
        ({"metrics": {"accuracy": {"atleast": 1}}}, "atleast"),
        ([], "object"),
        ({"metrics": {"accuracy": {}}}, "accuracy asks for nothing"),
        ({"champion": {"alpha": 0}}, "alpha lies between 0 and 1"),
        ({"champion": {"alpha": 1.0}}, "alpha lies between 0 and 1"),
    ],
)
def test_gates_that_are_not_understood_are_refused(given: Any, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        gates.read(given)


@pytest.mark.parametrize(("alpha", "passed"), [(0.05, True), (0.1, True), (0.11, False)])
def test_how_sure_it_must_be_that_the_champion_is_better_is_the_gates_to_say(alpha: float, passed: bool) -> None:
    compared = found(comparisons={CHAMPION: Comparison(1289, 30, 20, 0.1)})
    assert (missed({"champion": {"alpha": alpha}}, compared, CHAMPION) == []) is passed


def test_red_and_missing_are_refused_and_overridden_with_a_trace() -> None:
    asked = gates.read(SEED)
    red = gates.judge(version(), serving(), asked, found())
    for verdict, code, word in ((red, "gate_red", "red"), (None, "gate_missing", "missing")):
        with pytest.raises(NotPromotable) as refused:
            gates.clear(version(), verdict, override=False)
        assert refused.value.code == code
        told = gates.clear(version(), verdict, override=True)
        assert (told["verdict"], told["override"]) == (word, True)
    green = gates.judge(version(), serving(), Gates(), found())
    assert gates.clear(version(), green, override=False) == {"verdict": "green"}


def test_comparisons_on_the_same_data_are_kept() -> None:
    data = gates.Data(digest="1" * 64, source="2" * 64, splits={"test": "3" * 64})
    other = gates.Data(digest="4" * 64, source="2" * 64, splits={"test": "5" * 64})
    first = found(data=data, comparisons={"a" * 64: Comparison(9, 1, 2, 0.8)})
    second = found(data=data, comparisons={"b" * 64: Comparison(9, 2, 2, 0.7)})
    assert list(gates.joined(version(), first, second).comparisons) == ["a" * 64, "b" * 64]
    assert gates.joined(version(), None, second) is second
    for data_now in (None, other):
        assert list(gates.joined(version(), first, found(data=data_now)).comparisons) == []


def test_an_evaluation_of_other_bytes_is_refused() -> None:
    with pytest.raises(InvalidInput) as refused:
        gates.check_evaluation(version(digest="e" * 64), found())
    assert refused.value.code == "other_package"


@pytest.mark.parametrize(
    ("approvals", "approver", "code"),
    [
        ("none", None, None),
        ("any", None, "not_approved"),
        ("any", "ci", None),
        ("other", None, "not_approved"),
        ("other", "ci", "own_approval"),
        ("other", "ada", None),
    ],
)
def test_who_must_have_approved(approvals: gates.Approvals, approver: str | None, code: str | None) -> None:
    approval = Approval(actor=approver, at=1, reason="read it") if approver else None
    if code is None:
        gates.check_approval(version(approval=approval), approvals)
        return
    with pytest.raises(NotPromotable) as refused:
        gates.check_approval(version(approval=approval), approvals)
    assert refused.value.code == code


def test_the_gates_of_the_examples_are_understood() -> None:
    files = sorted((Path(__file__).parents[2] / "examples").glob("*/gates.toml"))
    assert [file.parent.name for file in files] == ["sentiment", "tabular"]
    for file in files:
        assert gates.read(tomllib.loads(file.read_text())).metrics
