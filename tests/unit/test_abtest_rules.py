"""A/B tests as values: what may be asked, who is in, what is added."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from zeroloop.abtest import counting, rules
from zeroloop.abtest.counting import Outcome, Unit
from zeroloop.abtest.rules import AbTest, Decision, Guardrail, Metric, Order, State
from zeroloop.errors import Conflict, InvalidInput
from zeroloop.inference.assignment import BUCKETS, assign
from zeroloop.registry.rules import Lineup

MODEL = "m-0123456789abcdef"
ACCURACY = Metric("accuracy", "proportion")
HOUR = 3_600_000


def order(**changes: Any) -> Order:
    asked: dict[str, Any] = {
        "name": "short",
        "model": "sentiment",
        "control": 1,
        "treatment": 2,
        "traffic": 0.5,
        "metrics": [ACCURACY],
        "unit": "user_id",
    }
    return Order(**{**asked, **changes})


def ab_test(**changes: Any) -> AbTest:
    return rules.draft(order(**changes), MODEL, at=1000, actor="test")


def lineup(test: AbTest | None = None) -> Lineup:
    return Lineup(model_id=MODEL, model="sentiment", champion=1, test=rules.running(test) if test else None)


def widths(test: AbTest) -> dict[str, int]:
    return {arm.variant: arm.last - arm.first + 1 for arm in test.ranges}


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"name": "no/slash"}, "name"),
    ({"name": "plan"}, "name"),
    ({"treatment": {}}, "treatment"),
    *(({"treatment": {arm: 2}, "traffic": {arm: 0.1}}, "treatment") for arm in ("control", "champion", "pinned")),
    ({"treatment": {"challenger": 2}, "traffic": {"challenger": 0.1}}, "treatment"),
    ({"treatment": {"a": 2, "b": 3}, "traffic": {"a": 0.5, "b": 0.0}}, "traffic"),
    ({"treatment": 1}, "treatment"),
    ({"treatment": {"a": 2, "b": 2}, "traffic": {"a": 0.1, "b": 0.1}}, "treatment"),
    ({"treatment": {"a": 2, "b": 3}}, "traffic"),
    ({"treatment": {"a": 2, "b": 3}, "traffic": {"a": 0.1}}, "traffic"),
    ({"treatment": {"a": 2, "b": 3}, "traffic": {"a": 0.6, "b": 0.5}}, "traffic"),
    ({"traffic": 1.0}, "traffic"),
    ({"traffic": 0.99999}, "traffic"),
    ({"traffic": 0.00002}, "traffic"),
    ({"metrics": [ACCURACY, ACCURACY]}, "metrics"),
    ({"guardrails": [Guardrail("errors", 0.1)]}, "guardrails[0].kind"),
    ({"guardrails": [Guardrail("accuracy", 0.1, goal="decrease")]}, "guardrails[0]"),
    ({"guardrails": [Guardrail("accuracy", 0.1), Guardrail("accuracy", 0.2)]}, "guardrails"),
    ({"starts_at": "soon"}, "starts_at"),
    ({"starts_at": -1}, "starts_at"),
    ({"starts_at": "1969-12-31"}, "starts_at"),
    ({"ends_at": 10**30}, "ends_at"),
    ({"ends_at": 999}, "ends_at"),
    ({"starts_at": 3000, "ends_at": 2000}, "ends_at"),
    ({"mode": "shadow", "auto_decide": True}, "mode"),
]


@pytest.mark.parametrize(("changes", "field"), REFUSED)
def test_what_can_not_be_is_told(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        ab_test(**changes)
    assert refused.value.field == field


@pytest.mark.parametrize(
    "given", ["2026-12-01T00:00:00", "2026-12-01T00:00:00Z", "2026-12-01T01:00+01:00", 1_796_083_200_000]
)
def test_a_time_is_iso_8601_of_utc_where_nothing_else_is_said_or_milliseconds(given: int | str) -> None:
    assert ab_test(starts_at=given).starts_at == 1_796_083_200_000


def test_a_small_share_is_half_of_a_small_coverage() -> None:
    test = ab_test(traffic=0.1)
    assert (widths(test), test.coverage) == ({"control": 5000, "treatment": 5000}, 0.2)


def test_a_large_share_leaves_control_the_rest() -> None:
    test = ab_test(traffic=0.8)
    assert (widths(test), test.coverage) == ({"control": 2000, "treatment": 8000}, 1.0)


def test_several_treatments_share_out_the_buckets() -> None:
    test = ab_test(treatment={"a": 2, "b": 3}, traffic={"a": 0.2, "b": 0.1})
    assert (widths(test), test.coverage) == ({"control": 4000, "a": 4000, "b": 2000}, 0.5)


@given(st.floats(0.001, 1), st.floats(0.001, 1))
def test_arms_cover_all_buckets_once(one: float, other: float) -> None:
    one, other = one / 2.1, other / 2.1
    test = ab_test(treatment={"a": 2, "b": 3}, traffic={"a": one, "b": other})
    assert [bucket for arm in test.ranges for bucket in range(arm.first, arm.last + 1)] == list(range(BUCKETS))
    shares = {arm: test.coverage * width / BUCKETS for arm, width in widths(test).items()}
    assert (shares["a"], shares["b"]) == pytest.approx((one, other), abs=1.5e-4)


UNITS = [f"user-{number}" for number in range(5000)]


def answered(test: AbTest) -> dict[str, str]:
    return {unit: found.variant for unit in UNITS if (found := assign(lineup(test), unit, None, unit)).test_id}


def test_raising_10_to_20_percent_moves_nobody_who_is_in() -> None:
    test = ab_test(traffic=0.1)
    before, after = answered(test), answered(rules.ramp(test, 0.2))
    assert before.items() <= after.items()
    assert Counter(before.values())["treatment"] == pytest.approx(500, abs=110)  # five standard errors
    assert Counter(after.values())["treatment"] == pytest.approx(1000, abs=145)
    assert Counter(after.values())["control"] == pytest.approx(1000, abs=145)


@pytest.mark.parametrize("traffic", [0.6, {"other": 0.1}, 0.00002])
def test_a_ramp_that_would_move_units_or_leave_nobody_is_refused(traffic: Any) -> None:
    with pytest.raises(InvalidInput):
        rules.ramp(ab_test(traffic=0.5), traffic)


def test_a_ramp_of_several_treatments_keeps_their_proportion() -> None:
    test = ab_test(treatment={"a": 2, "b": 3}, traffic={"a": 0.1, "b": 0.05})
    assert rules.ramp(test, {"a": 0.2, "b": 0.1}).coverage == pytest.approx(0.5)
    with pytest.raises(InvalidInput) as refused:
        rules.ramp(test, {"a": 0.1, "b": 0.1})
    assert refused.value.code == "traffic_moves_units"


def test_from_no_traffic_a_test_can_be_raised() -> None:
    test = ab_test(traffic=0.0)
    assert answered(test) == {}
    assert rules.ramp(test, 0.5).coverage == 1.0


def test_without_a_unit_control_answers_and_nobody_counts() -> None:
    found = assign(lineup(ab_test()), "request-1", None)
    assert (found.version, found.variant, found.test_id) == (1, "control", None)


def test_a_pinned_request_is_in_no_test() -> None:
    found = assign(lineup(ab_test()), "user-1", 2, "user-1")
    assert (found.variant, found.test_id) == ("pinned", None)


def test_a_shadow_scores_beside_control() -> None:
    found = assign(lineup(ab_test(mode="shadow", traffic=1.0)), "user-1", None, "user-1")
    assert (found.version, found.variant, found.test_id, found.shadow) == (1, "control", "short", 2)


def test_the_vectors_of_the_docs_are_what_predict_does() -> None:
    told = json.loads((Path(__file__).parents[2] / "docs/abtest-vectors.json").read_text())
    for vector in told["vectors"]:
        test = ab_test(name=vector["test"], treatment=vector["treatments"], traffic=vector["traffic"])
        running = rules.running(test)
        assert (running.salt, running.coverage_salt) == (vector["salt"], vector["coverage_salt"])
        for unit, bucket, covered, variant in vector["units"]:
            found = assign(lineup(test), unit, None, unit)
            assert (found.variant, found.test_id is not None) == (variant, covered), unit
            assert rules.arm_of(test, unit) == next(
                arm.variant for arm in test.ranges if arm.first <= bucket <= arm.last
            )


STATES = [
    (ab_test(), False, State.DRAFT),
    (ab_test(), True, State.RUNNING),
    (rules.begin(ab_test(), 5), True, State.RUNNING),
    (rules.begin(ab_test(), 5), False, State.STOPPED),
    (rules.stop(rules.begin(ab_test(), 5), 9, "enough"), True, State.RUNNING),
    (rules.stop(rules.begin(ab_test(), 5), 9, "enough"), False, State.STOPPED),
    (rules.stop(ab_test(), 9, "never mind"), False, State.STOPPED),
]


@pytest.mark.parametrize(("test", "named", "expected"), STATES)
def test_a_test_runs_if_and_only_if_the_lineup_names_it(test: AbTest, named: bool, expected: State) -> None:
    assert rules.state(test, lineup(test if named else None)) == expected
    assert rules.state(test, lineup(ab_test(name="other"))) != State.RUNNING
    assert rules.state(test, None) != State.RUNNING


MIXED = ab_test(metrics=[ACCURACY, Metric("spent", "mean"), Metric("clicks", "ratio")])


def test_an_outcome_is_integers() -> None:
    given = {"accuracy": True, "spent": 1.5, "clicks": {"numerator": 3, "denominator": 4}}
    found = counting.outcome(MIXED, given, {"spent": 2})
    assert found.values == {0: (1, 1), 1: (1_500_000, 1_000_000), 2: (3_000_000, 4_000_000)}
    assert found.covariates == {1: 2_000_000}


BAD: list[tuple[dict[str, Any], dict[str, float], str]] = [
    ({"unknown": 1}, {}, "metrics.unknown"),
    ({"accuracy": 0.5}, {}, "metrics.accuracy"),
    ({"accuracy": float("nan")}, {}, "metrics.accuracy"),
    ({"accuracy": [1]}, {}, "metrics.accuracy"),
    ({"spent": float("nan")}, {}, "metrics.spent"),
    ({"spent": float("inf")}, {}, "metrics.spent"),
    ({"spent": 1.1e9}, {}, "metrics.spent"),
    ({"spent": True}, {}, "metrics.spent"),
    ({"spent": "1"}, {}, "metrics.spent"),
    ({"spent": 10**400}, {}, "metrics.spent"),
    ({"spent": -(10**400)}, {}, "metrics.spent"),
    ({"clicks": {"numerator": 1, "denominator": -1}}, {}, "metrics.clicks"),
    ({"clicks": {"numerator": 1}}, {}, "metrics.clicks"),
    ({"spent": 1}, {"clicks": 1}, "covariates.clicks"),
    ({"clicks": 1}, {"clicks": 1}, "covariates.clicks"),
    ({"spent": 1}, {"spent": float("inf")}, "covariates.spent"),
]


@pytest.mark.parametrize(("metrics", "covariates", "field"), BAD)
def test_an_outcome_that_can_not_be_summed_is_refused(
    metrics: dict[str, Any], covariates: dict[str, float], field: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        counting.outcome(MIXED, metrics, covariates)
    assert refused.value.field == field


def test_of_feedback_only_what_is_measured_counts() -> None:
    assert counting.outcome(MIXED, {"others": 1.0, "accuracy": False}, known_only=True) == Outcome({0: (0, 1)})


OUTCOMES = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.fixed_dictionaries(
            {}, optional={"accuracy": st.booleans(), "spent": st.integers(-9, 9), "clicks": st.integers(0, 5)}
        ),
        st.booleans(),
    ),
    max_size=30,
)


@given(OUTCOMES)
def test_sums_are_those_of_the_units_as_they_stand_at_the_end(sent: list[tuple[int, dict[str, Any], bool]]) -> None:
    """Replaced outcomes leave no trace: the sums of changes are the sums of the last state of each unit."""
    units: dict[int, Unit] = {}
    last: dict[int, Outcome] = {}
    sums: counting.Sums = {}
    for number, metrics, again in sent:
        new = counting.outcome(MIXED, metrics)
        old = last.get(number) if again else None
        before = units.get(number, Unit("control"))
        after = counting.told(before, new, old)
        sums = counting.merge([sums, counting.added(MIXED, before, after)])
        units[number], last[number] = after, new
    whole = counting.merge([counting.added(MIXED, Unit("control"), unit) for unit in units.values()])
    assert {name: sums.get(name, 0) for name in {*sums, *whole}} == {
        name: whole.get(name, 0) for name in {*sums, *whole}
    }
    for place in range(3):
        totals = [unit.sums[place][1] for unit in units.values() if place in unit.sums]
        found = counting.pairs(sums, place)
        assert (found.n, found.y, found.yy) == (len(totals), sum(totals), sum(y * y for y in totals))


def test_a_covariate_has_one_value_a_unit() -> None:
    unit = counting.told(Unit("control"), counting.outcome(MIXED, {"spent": 1}, {"spent": 2}), None)
    with pytest.raises(InvalidInput) as refused:
        counting.told(unit, counting.outcome(MIXED, {"spent": 1}, {"spent": 3}), None)
    assert refused.value.code == "covariate_changed"


@pytest.mark.parametrize(("covariates", "covered"), [({"spent": 2}, 1), ({}, 0)])
def test_units_with_a_covariate_are_counted_as_such(covariates: dict[str, float], covered: int) -> None:
    before = Unit("control")
    after = counting.told(before, counting.outcome(MIXED, {"spent": 1}, covariates), None)
    assert counting.added(MIXED, before, after).get("1.c", 0) == covered


def test_a_unit_of_endless_sums_is_refused() -> None:
    unit = Unit("control", 1, {1: (1, 10**16, 10**6)})
    with pytest.raises(InvalidInput) as refused:
        counting.told(unit, counting.outcome(MIXED, {"spent": 1}), None)
    assert (refused.value.code, refused.value.field) == ("too_large", "metrics")


def test_looks_are_a_day_apart_until_the_horizon() -> None:
    test = rules.begin(ab_test(planned_units=1000), 0)
    assert not rules.look_due(test, 500, 23 * HOUR)
    assert rules.look_due(test, 500, 24 * HOUR)
    assert rules.look_due(test, 1000, HOUR)
    looked = replace(test, looks=[rules.Look(at=24 * HOUR, units=500, share=0.5)])
    assert not rules.look_due(looked, 500, 60 * HOUR), "nothing new to look at"
    assert not rules.look_due(looked, 509, 48 * HOUR), "less than a hundredth more"
    assert rules.look_due(looked, 510, 48 * HOUR)
    over = replace(test, looks=[rules.Look(at=24 * HOUR, units=1000, share=1.0, final=True)])
    assert not rules.look_due(over, 2000, 60 * HOUR)
    assert not rules.look_due(rules.begin(ab_test(), 0), 2000, 60 * HOUR), "nothing was planned"


def test_a_running_test_has_the_traffic_that_the_lineup_gives_it() -> None:
    test = rules.begin(ab_test(traffic=0.1), 0)
    ramped = lineup(rules.ramp(test, 0.3))
    assert rules.as_it_runs(test, ramped) == rules.ramp(test, 0.3)
    assert rules.as_it_runs(test, lineup(test)) == test
    stopped = rules.stop(test, 9, "enough")
    assert rules.as_it_runs(stopped, None) == stopped
    assert rules.stop(stopped, 10, "enough of it") == stopped, "the first reason stands"


def test_of_two_decisions_the_second_is_refused() -> None:
    decision = Decision(id="1", choice="treatment", at=1, actor="me", reason="better")
    claimed = rules.claim(ab_test(), decision)
    with pytest.raises(Conflict) as refused:
        rules.claim(claimed, replace(decision, id="2"))
    assert refused.value.code == "decided"
    with pytest.raises(InvalidInput):
        rules.claim(ab_test(), replace(decision, choice="champion"))
    assert rules.release(claimed, decision).decision is None
    assert rules.state(rules.decided(claimed, decision, 9), None) == State.DECIDED
