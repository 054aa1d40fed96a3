"""What sums say: effects, looks, guardrails and the verdict. Simulations of the error rates are in bench/ab.py."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from msgspec.structs import replace
from scipy import stats

from tests.unit.test_abtest_rules import ab_test
from zeroloop.abtest import counting
from zeroloop.abtest.analysis import WATCHED_UNITS, Analysis, Reading, analyse
from zeroloop.abtest.counting import Sums, Unit
from zeroloop.abtest.rules import AbTest, Guardrail, Look, Metric
from zeroloop.stats.comparison import Effect
from zeroloop.stats.intervals import Interval
from zeroloop.stats.sequences import always_valid
from zeroloop.stats.undetermined import Undetermined

SPENT = Metric("spent", "mean")
RNG = np.random.default_rng(20261122)


def proportions(**shares: tuple[int, int]) -> dict[str, Sums]:
    """Sums of arms with (successes, units), one outcome each."""
    return {
        arm: {"units": n, "0.n": n, "0.y": y, "0.yy": y, "0.x": n, "0.xx": n, "0.xy": y}
        for arm, (y, n) in shares.items()
    }


def counted(test: AbTest, arms: Mapping[str, list[dict[str, Any]]], covariates: bool = False) -> dict[str, Sums]:
    """Sums of arms whose units had one outcome each, by the rules that count them."""
    found = {}
    for arm, outcomes in arms.items():
        parts = []
        for one in outcomes:
            before = Unit(arm)
            covered = {"spent": one["before"]} if covariates else {}
            outcome = counting.outcome(test, {name: value for name, value in one.items() if name != "before"}, covered)
            parts.append(counting.added(test, before, counting.told(before, outcome, None)))
        found[arm] = counting.merge(parts)
    return found


PLANNED = ab_test(planned_units=2000)
WON = proportions(control=(700, 1000), treatment=(780, 1000))
EQUAL = proportions(control=(700, 1000), treatment=(705, 1000))
LOST = proportions(control=(780, 1000), treatment=(700, 1000))


def at_horizon(sums: dict[str, Sums], test: AbTest = PLANNED) -> Analysis:
    return analyse(test, sums, looking=True, at=1)


def test_a_win_at_the_horizon_is_the_plain_test() -> None:
    found = at_horizon(WON)
    [one] = found.comparisons
    assert isinstance(one.horizon, Reading)
    assert isinstance(one.look, Reading)
    pooled = 1480 / 2000
    z = (0.78 - 0.7) / (pooled * (1 - pooled) * 2 / 1000) ** 0.5
    assert one.horizon.p_value == pytest.approx(2 * stats.norm.sf(z), rel=1e-12)
    assert (one.look.method, one.look.significant) == ("two-proportion z", True)
    assert (found.outcome, found.winner, found.looks[-1].final) == ("wins", "treatment", True)
    assert found.verdict.startswith(
        "Version 2 (treatment) wins: its accuracy is higher than that of version 1 by 11.4%"
    )


def test_a_win_whose_difference_turned_after_it_was_decided_is_told_so() -> None:
    found = analyse(replace(PLANNED, looks=at_horizon(WON).looks), LOST)
    assert (found.outcome, found.winner) == ("wins", "treatment")
    assert "was better than that of version 1 when that was decided; it is not any more" in found.verdict


def test_p_values_of_proportions_are_statsmodels_on_a_grid_with_extremes() -> None:
    """statsmodels 0.15.0, proportions_ztest: up to 1e9 units, rates of 1e-6, p-values below 1e-300."""
    grid = json.loads((Path(__file__).with_name("statsmodels_proportions.json")).read_text())
    for y, n, z, m, p_value in grid:
        [one] = analyse(ab_test(), proportions(control=(y, n), treatment=(z, m))).comparisons
        assert isinstance(one.horizon, Reading)
        assert one.horizon.p_value == pytest.approx(p_value, rel=1e-9), (y, n, z, m)
    assert min(row[-1] for row in grid) < 1e-300


def test_a_loss_keeps_control() -> None:
    found = at_horizon(LOST)
    assert (found.outcome, found.winner) == ("loses", None)
    assert found.verdict == "Keep version 1: accuracy of treatment is worse."


def test_no_difference_at_the_horizon_is_said_to_be_none_shown() -> None:
    found = at_horizon(EQUAL)
    assert (found.outcome, found.reasons) == ("undetermined", ["no difference was shown at the horizon"])


def test_without_a_look_nothing_is_decided_yet() -> None:
    found = analyse(PLANNED, WON)
    assert (found.outcome, found.comparisons[0].better) == ("undetermined", False)
    assert found.reasons == ["no difference is shown yet"]


def test_an_early_look_needs_more() -> None:
    test = replace(PLANNED, planned_units=20_000)
    found = analyse(test, WON, looking=True, at=1)
    [one] = found.comparisons
    assert isinstance(one.look, Reading)
    assert (one.look.significant, found.looks[-1].share, found.looks[-1].final) == (False, 0.1, False)
    assert one.look.needs_z
    assert one.look.needs_z > 6


def test_what_a_look_found_stays_found() -> None:
    test = replace(PLANNED, looks=[Look(at=1, units=1500, share=0.75, better=["accuracy/treatment"])])
    assert analyse(test, EQUAL).outcome == "wins"


def test_an_end_before_the_horizon_spends_what_is_left() -> None:
    test = replace(PLANNED, planned_units=20_000)
    found = analyse(test, WON, looking=True, final=True, at=1)
    assert (found.outcome, found.looks[-1].final) == ("wins", True)


def test_without_a_plan_the_confidence_sequence_decides() -> None:
    test = ab_test()
    weak = proportions(control=(700, 1000), treatment=(745, 1000))  # p = .025 to one look
    assert analyse(test, weak).outcome == "undetermined"
    strong = analyse(test, WON)
    assert (strong.outcome, strong.comparisons[0].method) == ("wins", "confidence sequence")


@pytest.mark.parametrize("kind", ["mean", "ratio"])
def test_nor_is_it_one_at_the_horizon(kind: Literal["mean", "ratio"]) -> None:
    """Ten events in 900 units and none in 100: z is 3.2 by the larger arm's variance alone, and 1.1 by both arms'."""
    test = ab_test(metrics=[Metric("m", kind, "decrease")], traffic=0.9, planned_units=1000)
    arms = {"control": [{"m": 0}] * 100, "treatment": [{"m": 1}] * 10 + [{"m": 0}] * 890}
    found = at_horizon(counted(test, arms), test)
    [one] = found.comparisons
    assert isinstance(one.horizon, Reading)
    assert one.horizon.p_value == pytest.approx(0.291, abs=0.01)
    assert (one.horizon.significant, found.outcome) == (False, "undetermined")


def test_a_small_arm_that_saw_no_rare_event_is_no_difference() -> None:
    """By its own variance, 0, the other arm's errors alone would speak: z is 6.7 then, and 2.2 by both arms' pooled."""
    rare = ab_test(metrics=[Metric("m", "proportion", "decrease")], traffic=0.9)
    sums = proportions(control=(0, 500), treatment=(45, 4500))
    assert analyse(rare, sums).outcome == "undetermined"
    [looked] = analyse(replace(rare, planned_units=7000), sums, looking=True, at=1).comparisons
    assert isinstance(looked.look, Reading)
    assert looked.look.z == pytest.approx(2.2, abs=0.1)
    assert not looked.worse


def test_every_number_names_its_method() -> None:
    found = at_horizon(WON)
    [one] = found.comparisons
    methods = [one.difference, one.lift, one.sequence, one.horizon, one.look, one.watched]
    assert [getattr(found, "method", None) for found in methods] == [
        "newcombe", "delta", "confidence sequence", "two-proportion z", "two-proportion z", "confidence sequence",
    ]  # fmt: skip
    assert isinstance(one.horizon, Reading)
    assert (one.horizon.adjusted_by, found.balance.method) == ("holm", "sequential multinomial")


UNDETERMINED = [
    (proportions(control=(70, 99), treatment=(70, 100)), "an arm has 99 units, 100 are needed"),
    (proportions(control=(100, 200)), "an arm has 0 units, 100 are needed"),
    ({}, "an arm has 0 units, 100 are needed"),
    (proportions(control=(200, 200), treatment=(200, 200)), "neither arm varies"),
]


@pytest.mark.parametrize(("sums", "reason"), UNDETERMINED)
def test_what_can_not_be_computed_has_a_reason_and_no_number(sums: dict[str, Sums], reason: str) -> None:
    found = at_horizon(sums)
    [one] = found.comparisons
    assert {one.difference, one.sequence, one.horizon, one.watched} == {Undetermined(reason)}
    assert found.outcome == "undetermined"
    assert reason in found.reasons or found.balance.broken


@pytest.mark.parametrize(("control", "treatment", "outcome"), [(0, 1000, "wins"), (1000, 0, "loses")])
def test_all_of_one_arm_and_none_of_the_other_is_a_difference(control: int, treatment: int, outcome: str) -> None:
    sums = proportions(control=(control, 1000), treatment=(treatment, 1000))
    assert at_horizon(sums).outcome == outcome
    found = analyse(ab_test(), sums)
    assert found.outcome == outcome, "the confidence sequence sees it, too"
    assert isinstance(found.comparisons[0].watched, Reading)
    share = 0.5 / 1001
    expected = (treatment - control) / 1000 / (2 * share * (1 - share) / 1000) ** 0.5
    assert found.comparisons[0].watched.z == pytest.approx(expected)


def test_units_that_all_fail_in_each_of_their_answers_break_a_guardrail() -> None:
    test = ab_test(guardrails=[Guardrail("accuracy", 0.1)])
    sums = proportions(control=(0, 200), treatment=(0, 200))
    for arm, each in (("control", 3), ("treatment", 0)):
        y, n = 200 * each, 200
        sums[arm] |= {"0.y": y, "0.yy": y * each, "0.x": 3 * n, "0.xx": 9 * n, "0.xy": 3 * y}
    assert analyse(test, sums).guardrails[0].broken


def test_a_broken_ratio_of_units_blocks_the_verdict() -> None:
    found = at_horizon(proportions(control=(700, 1000), treatment=(1000, 1200)))
    assert found.balance.broken
    assert (found.outcome, found.looks) == ("undetermined", []), "no look is spent on it"
    assert "counting is broken" in found.verdict


def test_what_no_metric_has_is_no_information() -> None:
    """Units with an outcome of the guardrail alone bring the horizon no nearer."""
    test = ab_test(guardrails=[Guardrail("seconds", 0.1, kind="mean", goal="decrease")], planned_units=2000)
    sums = proportions(control=(140, 200), treatment=(140, 200))
    for arm in sums.values():
        arm |= {"units": 1000, "1.n": 1000, "1.y": 10**9, "1.yy": 2 * 10**15}
    found = at_horizon(sums, test)
    assert (found.units, found.share_of_horizon, found.looks[-1].final) == (2000, 0.2, False)
    two = replace(test, metrics=[*test.metrics, Metric("kept", "proportion")])
    assert analyse(two, proportions(control=(700, 1000), treatment=(705, 1000))).share_of_horizon == 0


def test_the_ratio_is_held_against_the_arms_own_shares() -> None:
    test = ab_test(traffic=0.8, planned_units=2000)
    assert not analyse(test, proportions(control=(280, 400), treatment=(1120, 1600))).balance.broken
    assert analyse(test, proportions(control=(700, 1000), treatment=(700, 1000))).balance.broken


def test_means_are_welchs() -> None:
    test = ab_test(metrics=[SPENT], planned_units=600)
    arms = {"control": RNG.normal(10, 2, 300).round(3), "treatment": RNG.normal(11, 5, 300).round(3)}
    sums = counted(test, {arm: [{"spent": value} for value in values.tolist()] for arm, values in arms.items()})
    [one] = at_horizon(sums, test).comparisons
    expected = stats.ttest_ind(arms["treatment"], arms["control"], equal_var=False)
    assert isinstance(one.horizon, Reading)
    assert isinstance(one.difference, Interval)
    assert one.horizon.p_value == pytest.approx(expected.pvalue, rel=1e-9)
    assert (one.difference.lower, one.difference.upper) == pytest.approx(expected.confidence_interval(), rel=1e-9)


def test_a_covariate_narrows_a_mean() -> None:
    test = ab_test(metrics=[SPENT])
    arms = {}
    for arm, effect in (("control", 0.0), ("treatment", 0.3)):
        before = RNG.normal(10, 2, 400).round(3)
        after = (before + effect + RNG.normal(0, 0.5, 400)).round(3)
        arms[arm] = [{"spent": y, "before": x} for x, y in zip(before.tolist(), after.tolist(), strict=True)]
    plain, freed = (analyse(test, counted(test, arms, covariates)).comparisons[0] for covariates in (False, True))
    assert isinstance(plain.sequence, Interval)
    assert isinstance(freed.sequence, Interval)
    assert freed.estimator == "mean, freed of the covariate (CUPED)"
    assert freed.sequence.upper - freed.sequence.lower < 0.4 * (plain.sequence.upper - plain.sequence.lower)
    some = {arm: {**sums, "0.c": sums["0.c"] - 1} for arm, sums in counted(test, arms, covariates=True).items()}
    assert analyse(test, some).comparisons[0].estimator == "mean: 2 of 800 units have no covariate", "none is used then"
    assert plain.estimator == "mean"


def test_units_with_several_outcomes_are_one_unit_each() -> None:
    """50 users with 20 answers each are 50 units: by answers the same share would be far more certain."""
    test = ab_test()
    sums = {}
    for arm, rights in (("control", (4, 20)), ("treatment", (8, 20))):
        units = []
        for number in range(200):
            unit = Unit(arm)
            for answer in range(20):
                outcome = counting.outcome(test, {"accuracy": answer < rights[number % 2]})
                unit = counting.told(unit, outcome, None)
            units.append(counting.added(test, Unit(arm), unit))
        sums[arm] = counting.merge(units)
    [one] = analyse(test, sums).comparisons
    assert (one.units, one.estimator) == (200, "ratio, by the delta method")
    assert (one.control_mean, one.mean) == (0.6, 0.7)
    assert isinstance(one.difference, Interval)
    deviations = [np.std([0.2, 1.0] * 100, ddof=1), np.std([0.4, 1.0] * 100, ddof=1)]
    expected = 1.966 * (sum(float(d) ** 2 for d in deviations) / 200) ** 0.5
    assert one.difference.upper - one.difference.value == pytest.approx(expected, rel=1e-3)


HARM = [
    ("increase", (900, 1000), (600, 1000), True),
    ("decrease", (0, 500), (45, 4500), False),  # of 1% five were due: a small arm that saw none of them is no proof
    ("decrease", (0, 200), (60, 200), True),  # of 30% none
    ("decrease", (0, 200), (540, 1800), True),
    ("increase", (900, 1000), (880, 1000), False),
    ("increase", (600, 1000), (900, 1000), False),
    ("decrease", (100, 1000), (300, 1000), True),
    ("decrease", (100, 1000), (105, 1000), False),
    ("decrease", (1, 1000), (100, 1000), True),  # a control near 0 has no useful lift, and a guardrail all the same
    ("decrease", (300, 1000), (100, 1000), False),
    ("decrease", (0, 1000), (1000, 1000), True),  # neither arm varies, and nothing is as broken
    ("increase", (1000, 1000), (0, 1000), True),
    ("decrease", (1000, 1000), (0, 1000), False),
    ("increase", (0, 1000), (1000, 1000), False),
]


@pytest.mark.parametrize(("goal", "control", "treatment", "broken"), HARM)
def test_a_guardrail_breaks_where_the_harm_is_surely_more_than_allowed(
    goal: Any, control: tuple[int, int], treatment: tuple[int, int], broken: bool
) -> None:
    test = ab_test(metrics=[Metric("m", "proportion", goal)], guardrails=[Guardrail("m", 0.1)])
    found = analyse(test, proportions(control=control, treatment=treatment))
    [harm] = found.guardrails
    assert harm.broken is broken
    assert (found.outcome == "loses") is broken or found.comparisons[0].worse


def test_what_a_guardrail_measures_is_the_treatment_less_what_control_allows() -> None:
    test = ab_test(metrics=[Metric("m", "proportion", "decrease")], guardrails=[Guardrail("m", 0.1)])
    [harm] = analyse(test, proportions(control=(500, 1000), treatment=(600, 1000))).guardrails
    error = ((1.1**2 * 0.25 + 0.24) / 999) ** 0.5  # 1.1 times control's share has 1.1 squared of its variance
    expected = always_valid(Effect(0.6 - 1.1 * 0.5, error, 1998, 2000), WATCHED_UNITS).interval
    assert isinstance(harm.excess, Interval)
    found = (harm.excess.value, harm.excess.lower, harm.excess.upper)
    assert found == pytest.approx((expected.value, expected.lower, expected.upper))


def test_a_broken_guardrail_outweighs_a_win() -> None:
    slow = Guardrail("seconds", 0.05, kind="mean", goal="decrease")
    test = ab_test(guardrails=[slow], planned_units=2000)
    sums = {arm: dict(one) for arm, one in WON.items()}
    for arm, seconds in (("control", 1_000_000), ("treatment", 2_000_000)):
        y, yy = 1000 * seconds, 1000 * seconds**2 + 10**15
        sums[arm] |= {"1.n": 1000, "1.y": y, "1.yy": yy}
    found = at_horizon(sums, test)
    assert (found.outcome, found.winner) == ("loses", None)
    assert "seconds of treatment is worse by more than 0.05" in found.verdict
    assert [one.metric for one in found.comparisons] == ["accuracy"], "a guardrail's own metric is in no family"


def test_two_metrics_are_held_together_by_holm() -> None:
    test = ab_test(metrics=[Metric("a", "proportion"), Metric("b", "proportion")], planned_units=2000)
    one = proportions(control=(700, 1000), treatment=(741, 1000))  # p = .04 alone
    sums = {
        arm: {**found, **{f"1{name[1:]}": found[name] for name in found if name[0] == "0"}}
        for arm, found in one.items()
    }
    sums["treatment"] |= {"1.y": 700, "1.yy": 700, "1.xy": 700}
    first = at_horizon(sums, test).comparisons[0]
    assert isinstance(first.horizon, Reading)
    assert first.horizon.p_value < 0.05 < (first.horizon.p_adjusted or 0)
    assert not first.better


def two_metrics(**planned: int) -> tuple[AbTest, dict[str, Sums]]:
    """A test of two metrics: at half of its horizon both differ by a z of `first` and `second` hundredths."""
    test = ab_test(metrics=[Metric("a", "mean"), Metric("b", "mean")], planned_units=4000)
    sums: dict[str, Sums] = {}
    for arm, sign in (("control", -1), ("treatment", 1)):
        sums[arm] = {"units": 1000}
        for place, z in enumerate(planned.values()):
            # Of 1,000 units with a variance of 1 and means +-d the z is 2 d / sqrt(2 / 1000).
            y = round(sign * z / 100 * (2 / 1000) ** 0.5 / 2 * 1000 * counting.SCALE)
            yy = 999 * counting.SCALE**2 + y * y // 1000
            sums[arm] |= {f"{place}.n": 1000, f"{place}.y": y, f"{place}.yy": yy}
    return test, sums


EARLY = [
    # At half the horizon alpha .05 needs 2.772, and .025, Holm's first step of two, 3.170.
    ((300, 0), [False, False]),
    ((325, 285), [True, True]),
    ((325, 270), [True, False]),
    ((0, 325), [False, True]),
    ((310, 310), [False, False]),
]


@pytest.mark.parametrize(("z", "better"), EARLY)
def test_an_early_look_at_two_metrics_takes_holms_steps(z: tuple[int, int], better: list[bool]) -> None:
    test, sums = two_metrics(first=z[0], second=z[1])
    found = analyse(test, sums, looking=True, at=1)
    assert found.looks[-1].share == 0.5
    assert [one.better for one in found.comparisons] == better


def test_two_guardrails_share_alpha() -> None:
    """What breaks one that stands alone doesn't break one of two."""
    test = ab_test(metrics=[Metric("m", "proportion", "decrease")], guardrails=[Guardrail("m", 0.0)])
    sums = proportions(control=(300, 1000), treatment=(371, 1000))
    [alone] = analyse(test, sums).guardrails
    other = Guardrail("seconds", 0.1, kind="mean", goal="decrease")
    beside = analyse(replace(test, guardrails=[*test.guardrails, other]), sums).guardrails[0]
    assert (alone.broken, beside.broken) == (True, False)


def significant(found: Analysis) -> bool:
    [one] = found.comparisons
    assert isinstance(one.horizon, Reading)
    return one.horizon.significant


def test_the_plain_test_is_significant_by_a_last_look_that_was_the_only_one() -> None:
    assert not significant(analyse(PLANNED, WON)), "no look was taken"
    assert not significant(analyse(replace(PLANNED, planned_units=4000), WON, looking=True, at=1)), "an early look"
    won = at_horizon(WON)
    assert significant(won)
    assert significant(analyse(replace(PLANNED, looks=won.looks), EQUAL)), "what it found stays found"
    missed = at_horizon(EQUAL)
    assert not significant(missed)
    assert not significant(analyse(replace(PLANNED, looks=missed.looks), WON)), "units that came later are peeked at"
    early = [Look(at=1, units=1000, share=0.5)]
    assert not significant(at_horizon(WON, replace(PLANNED, looks=early))), "the look is what counts"


def test_an_end_without_new_units_takes_its_last_look_again_with_all_that_is_left() -> None:
    test, sums = two_metrics(first=260, second=0)
    first = analyse(test, sums, looking=True, at=1)
    assert not first.comparisons[0].better
    last = analyse(replace(test, looks=first.looks), sums, looking=True, final=True, at=2)
    assert last.comparisons[0].better, "at the end 2.241 is enough for the first of two"
    assert last.looks[-1].final


def test_a_guardrail_that_was_found_broken_is_broken() -> None:
    test = ab_test(guardrails=[Guardrail("accuracy", 0.1)], planned_units=2000)
    found = at_horizon(WON, replace(test, harmed=["accuracy/treatment"]))
    assert (found.outcome, found.guardrails[0].broken) == ("loses", True)


def test_of_two_winners_the_better_is_chosen_and_each_has_its_probability() -> None:
    test = ab_test(treatment={"a": 2, "b": 3}, traffic={"a": 0.3, "b": 0.3}, planned_units=3000)
    found = at_horizon(proportions(control=(600, 1000), a=(700, 1000), b=(800, 1000)), test)
    assert (found.outcome, found.winner) == ("wins", "b")
    assert [one.probability_best for one in found.comparisons] == pytest.approx([0, 1], abs=1e-6)


def test_better_in_one_and_worse_in_the_other_decides_nothing() -> None:
    test = ab_test(metrics=[Metric("a", "proportion"), Metric("b", "proportion")], planned_units=2000)
    sums = {arm: dict(found) for arm, found in WON.items()}
    for arm, y in (("control", 800), ("treatment", 700)):
        sums[arm] |= {"1.n": 1000, "1.y": y, "1.yy": y, "1.x": 1000, "1.xx": 1000, "1.xy": y}
    found = at_horizon(sums, test)
    assert found.outcome == "undetermined"
    assert "treatment is better in one metric and worse in another" in found.reasons


def test_a_shadow_has_no_verdict() -> None:
    test = ab_test(mode="shadow", traffic=1.0)
    found = analyse(test, proportions(control=(700, 1000)))
    assert found.outcome == "undetermined"
    assert not found.balance.broken
    assert "a shadow answers nobody" in found.verdict
