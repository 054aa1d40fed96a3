"""What a test's sums say: effects with intervals, looks, guardrails, and one verdict. Pure.

Of three readings each has its place: the plain test counts at the planned horizon; planned looks by O'Brien-Fleming
spending may end the test earlier; confidence sequences may be watched all the time, and break guardrails.
"""

from collections.abc import Mapping
from fractions import Fraction
from math import inf
from typing import Literal

from msgspec import Struct, field
from msgspec.structs import replace

from zeroloop.abtest import counting, rules
from zeroloop.abtest.counting import Sums
from zeroloop.abtest.rules import AbTest, Guardrail, Look, Metric
from zeroloop.inference.assignment import BUCKETS, CONTROL
from zeroloop.stats import spending
from zeroloop.stats.balance import ALPHA as RATIO_ALPHA
from zeroloop.stats.balance import sample_ratio
from zeroloop.stats.bayes import probability_best
from zeroloop.stats.comparison import Effect, Verdict, difference, lift, two_proportions, wary, welch
from zeroloop.stats.intervals import Interval
from zeroloop.stats.multiple import holm
from zeroloop.stats.samples import Moments, Pairs, Sample, cuped, mean, ratio
from zeroloop.stats.sequences import always_valid
from zeroloop.stats.undetermined import Undetermined

LEAST_UNITS = 100
"""Of each arm, before anything is said: the guarantees are asymptotic."""
WATCHED_UNITS = 10_000
"""Where a confidence sequence is narrowest, if no units were planned."""

_NO_LOOK = Undetermined("no planned look was taken now")

Outcome = Literal["wins", "loses", "undetermined"]


class Reading(Struct, frozen=True, kw_only=True):
    """A reading of one comparison: what it needs, whether it is met, and by which method."""

    method: str
    p_value: float
    significant: bool
    p_adjusted: float | None = None
    adjusted_by: str | None = None
    z: float | None = None
    needs_z: float | None = None


class Comparison(Struct, frozen=True, kw_only=True):
    """A metric of one treatment against control. What can't be computed is a reason in place of a number."""

    metric: str
    arm: str
    goal: str
    units: int
    control_units: int
    mean: float | None = None
    control_mean: float | None = None
    estimator: str = ""
    difference: Interval | Undetermined
    lift: Interval | Undetermined
    sequence: Interval | Undetermined
    horizon: Reading | Undetermined
    look: Reading | Undetermined
    watched: Reading | Undetermined
    probability_best: float | Undetermined
    better: bool = False
    worse: bool = False
    method: str = ""

    @property
    def key(self) -> str:
        """As looks name it."""
        return f"{self.metric}/{self.arm}"

    @property
    def improves(self) -> bool:
        """Whether the treatment's mean is on the goal's side of control's."""
        control, treatment = self.control_mean or 0.0, self.mean or 0.0
        return treatment > control if self.goal == "increase" else treatment < control


class Harm(Struct, frozen=True, kw_only=True):
    """A guardrail of one treatment: by how much it is worse than `max_harm` allows, always valid; broken above 0."""

    metric: str
    arm: str
    max_harm: float
    excess: Interval | Undetermined
    broken: bool = False

    @property
    def key(self) -> str:
        """As the test keeps it."""
        return f"{self.metric}/{self.arm}"


class Balance(Struct, frozen=True, kw_only=True):
    """Units seen by arm, the shares that they should have, and the p-value of that."""

    units: dict[str, int]
    shares: dict[str, float]
    p_value: float | Undetermined
    broken: bool
    method: str = "sequential multinomial"


class Analysis(Struct, frozen=True, kw_only=True):
    """All that a test's sums say now."""

    test: str
    units: int
    planned_units: int | None
    share_of_horizon: float | None
    balance: Balance
    comparisons: list[Comparison]
    guardrails: list[Harm]
    outcome: Outcome
    winner: str | None
    reasons: list[str]
    verdict: str
    looks: list[Look] = field(default_factory=list)


def analyse(
    test: AbTest, sums: Mapping[str, Sums], *, looking: bool = False, final: bool = False, at: int = 0
) -> Analysis:
    """What the `sums` of each arm say; `looking` takes a planned look at the time `at`, the last one where `final`.

    Without `looking`, the looks that were taken speak for the test. Holm's method holds over metrics and treatments.
    None is taken while the arms' units are out of balance: the next may find them mended.
    """
    units = {arm.variant: sums.get(arm.variant, {}).get("units", 0) for arm in test.ranges}
    total = sum(units.values())
    informed = information(test, sums)
    share = informed / test.planned_units if test.planned_units else None
    balance = _balance(test, units)
    found = [_compared(test, sums, i, metric, arm) for i, metric in enumerate(test.metrics) for arm in test.treatments]
    over = final or (share or 0.0) >= 1 or any(look.final for look in test.looks)
    found = _adjusted(found, test.alpha)
    looks = test.looks
    if looking and share is not None and not balance.broken:
        found = _looked(found, _earlier(looks, share, last=over), share, test.alpha, last=over)
        seen = [one for one in found if isinstance(one.look, Reading) and one.look.significant]
        looks = [
            *looks,
            Look(
                at=at,
                units=informed,
                share=share,
                final=over,
                better=[one.key for one in seen if one.improves],
                worse=[one.key for one in seen if not one.improves],
            ),
        ]
    found = [_spoken(one, looks, watched=test.planned_units is None) for one in found]
    harms = [
        _harm(test, sums, guardrail, arm, len(test.guardrails) * len(test.treatments))
        for guardrail in test.guardrails
        for arm in test.treatments
    ]
    outcome, winner, reasons = _concluded(test, balance, found, harms, looks)
    return Analysis(
        test=test.name,
        units=total,
        planned_units=test.planned_units,
        share_of_horizon=share,
        balance=balance,
        comparisons=found,
        guardrails=harms,
        outcome=outcome,
        winner=winner,
        reasons=reasons,
        verdict=_sentence(test, outcome, winner, reasons, found),
        looks=looks,
    )


def information(test: AbTest, sums: Mapping[str, Sums]) -> int:
    """Units that every metric has: the least of them says how far a test is. What only a guardrail measures doesn't."""
    return min(sum(arm.get(f"{place}.n", 0) for arm in sums.values()) for place in range(len(test.metrics)))


def _balance(test: AbTest, units: dict[str, int]) -> Balance:
    shares = {arm.variant: (arm.last - arm.first + 1) / BUCKETS for arm in test.ranges}
    if test.mode == "shadow":
        return Balance(units=units, shares=shares, p_value=Undetermined("a shadow answers nobody"), broken=False)
    p_value = sample_ratio([units[arm] for arm in shares], list(shares.values()))
    return Balance(
        units=units, shares=shares, p_value=p_value, broken=isinstance(p_value, float) and p_value < RATIO_ALPHA
    )


class _Arms(Struct, frozen=True):
    """Both arms' samples of a metric, how they were estimated, and the counts where every unit is one trial."""

    control: Sample
    treatment: Sample
    estimator: str
    trials: tuple[tuple[int, int], tuple[int, int]] | None = None


def _arms(metric: Metric, a: Pairs, b: Pairs, covered: tuple[int, int]) -> _Arms | Undetermined:
    """Control `a` and treatment `b`; `covered` units of each carry a covariate."""
    if min(a.n, b.n) < LEAST_UNITS:
        return Undetermined(f"an arm has {min(a.n, b.n)} units, {LEAST_UNITS} are needed")
    if metric.kind == "mean" and covered == (a.n, b.n):
        freed = cuped([a, b], counting.SCALE)
        if isinstance(freed, list):
            return _Arms(freed[0], freed[1], "mean, freed of the covariate (CUPED)")
    single = all(arm.x == arm.xx == arm.n for arm in (a, b))
    control, treatment = _sample(metric, a, single=single), _sample(metric, b, single=single)
    if isinstance(control, Undetermined):
        return control
    if isinstance(treatment, Undetermined):
        return treatment
    if metric.kind == "proportion" and control.variance == treatment.variance == 0 and control.mean != treatment.mean:
        control, treatment = _smoothed(control), _smoothed(treatment)
    if metric.kind == "proportion" and single:
        return _Arms(control, treatment, "proportion", ((a.y, a.n), (b.y, b.n)))
    missing = a.n + b.n - sum(covered) if any(covered) else 0
    some = f": {missing:,} of {a.n + b.n:,} units have no covariate" if missing else ""
    return _Arms(control, treatment, f"mean{some}" if metric.kind == "mean" else "ratio, by the delta method")


def _sample(metric: Metric, arm: Pairs, *, single: bool) -> Sample | Undetermined:
    """An arm's estimate; of a proportion with a `single` outcome of each unit it is a mean of zeros and ones."""
    if metric.kind == "mean":
        return mean(Moments(arm.n, arm.y, arm.yy), counting.SCALE)
    if metric.kind == "proportion" and single:
        return mean(Moments(arm.n, arm.y, arm.yy))
    return ratio(arm)


def _smoothed(arm: Sample) -> Sample:
    """A proportion that doesn't vary, with the variance that half a unit more of either kind would give it.

    All of one arm and none of the other is the greatest difference there is.
    """
    share = (arm.mean * arm.n + Fraction(1, 2)) / (arm.n + 1)
    return replace(arm, variance=share * (1 - share))


def _compared(test: AbTest, sums: Mapping[str, Sums], place: int, metric: Metric, arm: str) -> Comparison:
    own, other = sums.get(CONTROL, {}), sums.get(arm, {})
    a, b = counting.pairs(own, place), counting.pairs(other, place)
    arms = _arms(metric, a, b, (own.get(f"{place}.c", 0), other.get(f"{place}.c", 0)))
    if isinstance(arms, Undetermined):
        return _nothing(metric, arm, a, b, arms)
    effect = difference(arms.control, arms.treatment)
    known = replace(
        _nothing(metric, arm, a, b, effect if isinstance(effect, Undetermined) else _NO_LOOK),
        mean=float(arms.treatment.mean),
        control_mean=float(arms.control.mean),
    )
    if isinstance(effect, Undetermined):
        return known
    held = wary(effect, arms.control, arms.treatment)
    verdict: Verdict | Undetermined = welch(held, test.alpha)
    method = "welch"
    if arms.trials:
        verdict, method = two_proportions(*arms.trials, test.alpha), "two-proportion z"
    relative = lift(arms.control, arms.treatment)
    lifted: Interval | Undetermined = relative if isinstance(relative, Undetermined) else _delta(relative, test.alpha)
    watched = always_valid(held, test.planned_units or WATCHED_UNITS, test.alpha)
    best = _best(test, sums, place, metric)
    return replace(
        known,
        estimator=arms.estimator,
        difference=verdict if isinstance(verdict, Undetermined) else verdict.interval,
        lift=lifted,
        sequence=watched.interval,
        horizon=verdict
        if isinstance(verdict, Undetermined)
        else Reading(method=method, p_value=verdict.p_value, significant=False),
        watched=Reading(method="confidence sequence", p_value=watched.p_value, significant=False, z=held.z),
        probability_best=best if isinstance(best, Undetermined) else best[arm],
    )


def _delta(effect: Effect, alpha: float) -> Interval:
    return replace(welch(effect, alpha).interval, method="delta")


def _best(test: AbTest, sums: Mapping[str, Sums], place: int, metric: Metric) -> dict[str, float] | Undetermined:
    """Each arm's probability to be the best of all."""
    everyone = {arm: counting.pairs(sums.get(arm, {}), place) for arm in (CONTROL, *test.treatments)}
    if (least := min(arm.n for arm in everyone.values())) < LEAST_UNITS:
        return Undetermined(f"an arm has {least} units, {LEAST_UNITS} are needed")
    sign = 1 if metric.goal == "increase" else -1
    samples = []
    for arm in everyone.values():
        sample = _sample(metric, arm, single=False)
        if isinstance(sample, Undetermined):
            return sample
        samples.append(replace(sample, mean=sign * sample.mean))
    best = probability_best(samples)
    return best if isinstance(best, Undetermined) else dict(zip(everyone, best, strict=True))


def _nothing(metric: Metric, arm: str, a: Pairs, b: Pairs, why: Undetermined) -> Comparison:
    return Comparison(
        metric=metric.name,
        arm=arm,
        goal=metric.goal,
        units=b.n,
        control_units=a.n,
        difference=why,
        lift=why,
        sequence=why,
        horizon=why,
        look=why,
        watched=why,
        probability_best=why,
    )


def _adjusted(found: list[Comparison], alpha: float) -> list[Comparison]:
    """With Holm's p-values over all comparisons that have one, of the plain test and of the confidence sequence.

    Only a last look makes the plain test significant: else it would be peeking.
    """
    for name in ("horizon", "watched"):
        known = [(i, tested) for i, one in enumerate(found) if isinstance(tested := getattr(one, name), Reading)]
        for (i, tested), p_value in zip(known, holm([tested.p_value for _, tested in known]), strict=True):
            significant = p_value <= alpha and name == "watched"
            held = replace(tested, p_adjusted=p_value, adjusted_by="holm", significant=significant)
            found[i] = replace(found[i], **{name: held})
    return found


def _earlier(looks: list[Look], share: float, *, last: bool) -> list[float]:
    """Shares of the `looks` before one at `share`.

    A last one without new units is the one before, taken again with all that is left.
    """
    before = [look.share for look in looks]
    return before[:-1] if last and before and share <= before[-1] else before


def _looked(
    found: list[Comparison], before: list[float], share: float, alpha: float, *, last: bool
) -> list[Comparison]:
    """A look by O'Brien-Fleming spending, in Holm's steps: the greatest |z| against alpha / m, the next / (m - 1), ...

    Each hypothesis has its own spending at the level that Holm's step gives it (Ye, Li, Liu & Yao 2013). Where no look
    came before and the horizon is reached, this is the plain test: its p-values are exact and the look's are nominal.
    After the first that holds no difference none is tested.
    """
    known = [(i, one.watched) for i, one in enumerate(found) if isinstance(one.watched, Reading)]
    known.sort(key=lambda item: -abs(item[1].z or 0.0))
    holds = True
    for rank, (i, watched) in enumerate(known):
        z = watched.z or 0.0
        plain = found[i].horizon
        if not before and last and isinstance(plain, Reading):
            significant = plain.p_adjusted is not None and plain.p_adjusted <= alpha
            found[i] = replace(found[i], look=replace(plain, z=z, significant=significant))
            continue
        needed = None
        if holds:
            level = alpha / (len(known) - rank)
            limits = spending.boundaries([*before, share], level, spent=spending.in_total, last=last)
            if isinstance(limits, Undetermined):
                found[i] = replace(found[i], look=limits)
                continue
            needed = limits[-1]
            holds = abs(z) >= needed
        p_value = spending.at_look(Effect(z, 1.0, 1.0, 1), needed or inf).p_value
        tested = Reading(method="obrien-fleming", p_value=p_value, significant=holds, z=z, needs_z=needed)
        found[i] = replace(found[i], look=tested)
    return found


def _spoken(one: Comparison, looks: list[Look], *, watched: bool) -> Comparison:
    """Better or worse by what decides: the looks that were taken, or without a plan the confidence sequence."""
    if watched:
        if isinstance(one.watched, Reading) and one.watched.significant:
            return replace(one, better=one.improves, worse=not one.improves, method="confidence sequence")
        return replace(one, method="confidence sequence")
    if looks and looks[-1].final and not _earlier(looks[:-1], looks[-1].share, last=True):
        seen = one.key in looks[-1].better or one.key in looks[-1].worse
        if isinstance(one.horizon, Reading):
            one = replace(one, horizon=replace(one.horizon, significant=seen))
    better, worse = any(one.key in look.better for look in looks), any(one.key in look.worse for look in looks)
    method = one.look.method if isinstance(one.look, Reading) else "obrien-fleming"
    return replace(one, better=better and not worse, worse=worse and not better, method=method)


def _harm(test: AbTest, sums: Mapping[str, Sums], guardrail: Guardrail, arm: str, family: int) -> Harm:
    """Treatment less control times (1 -+ max_harm), as a confidence sequence: no ratio, so it holds near 0 as well."""
    place, metric = next((i, m) for i, m in enumerate(rules.measured(test)) if m.name == guardrail.metric)
    a, b = (counting.pairs(sums.get(variant, {}), place) for variant in (CONTROL, arm))
    arms = _arms(metric, a, b, (0, 0))  # without covariates: a guardrail is about what units got
    found: Harm = Harm(metric=metric.name, arm=arm, max_harm=guardrail.max_harm, excess=Undetermined(""))
    found = replace(found, broken=found.key in test.harmed)
    if isinstance(arms, Undetermined):
        return replace(found, excess=arms)
    sign = 1 if metric.goal == "decrease" else -1
    share = Fraction(str(guardrail.max_harm))
    factor = 1 + sign * share if arms.control.mean >= 0 else 1 - sign * share
    allowed = replace(arms.control, mean=arms.control.mean * factor, variance=arms.control.variance * factor**2)
    effect = difference(allowed, arms.treatment)
    if isinstance(effect, Undetermined):
        return replace(found, excess=effect)
    effect = wary(effect, arms.control, arms.treatment, factor)
    worse = replace(effect, value=sign * effect.value)
    interval = always_valid(worse, test.planned_units or WATCHED_UNITS, test.alpha / family).interval
    return replace(found, excess=interval, broken=found.broken or interval.lower > 0)


def _concluded(
    test: AbTest, balance: Balance, found: list[Comparison], harms: list[Harm], looks: list[Look]
) -> tuple[Outcome, str | None, list[str]]:
    if test.mode == "shadow":
        return "undetermined", None, ["a shadow answers nobody: it has agreement, and no outcomes to compare"]
    if balance.broken:
        return "undetermined", None, ["the arms did not get the shares that they were to get: counting is broken"]
    broken = {
        harm.arm: f"{harm.metric} of {harm.arm} is worse by more than {harm.max_harm:.4g}"
        for harm in harms
        if harm.broken
    }
    sound = [arm for arm in test.treatments if arm not in broken]
    better = {arm: [one for one in found if one.arm == arm and one.better] for arm in sound}
    worse = {arm: [one for one in found if one.arm == arm and one.worse] for arm in test.treatments}
    winners = [arm for arm in sound if better[arm] and not worse[arm]]
    reasons = list(broken.values())
    reasons += [f"{one.metric} of {one.arm} is worse" for arm in test.treatments for one in worse[arm]]
    if winners:
        first = max(winners, key=lambda arm: _rank(found, arm))
        return "wins", first, [f"{one.metric} of {first} is better" for one in better[first]] + reasons
    if all(arm in broken or (worse[arm] and not better.get(arm)) for arm in test.treatments):
        return "loses", None, reasons
    mixed = [arm for arm in sound if better[arm] and worse[arm]]
    reasons += [f"{arm} is better in one metric and worse in another" for arm in mixed]
    unknown = sorted({one.sequence.reason for one in found if isinstance(one.sequence, Undetermined)})
    reasons += unknown
    if looks and looks[-1].final and not unknown:
        reasons.append("no difference was shown at the horizon")
    elif not reasons:
        reasons.append("no difference is shown yet")
    return "undetermined", None, reasons


def _rank(found: list[Comparison], arm: str) -> float:
    """The lift of the first metric towards its goal."""
    one = next(one for one in found if one.arm == arm)
    if isinstance(one.lift, Undetermined):
        return float("-inf")
    return one.lift.value if one.goal == "increase" else -one.lift.value


def _sentence(test: AbTest, outcome: Outcome, winner: str | None, reasons: list[str], found: list[Comparison]) -> str:
    """For people who don't read statistics."""
    if winner is None:
        head = f"Keep version {test.control}" if outcome == "loses" else "No clear winner"
        return f"{head}: {'; '.join(reasons)}."
    one = next(one for one in found if one.arm == winner and one.better)
    version = f"Version {test.treatments[winner]} ({winner})"
    if not one.improves:
        return (
            f"{version} wins: its {one.metric} was better than that of version {test.control} when that was decided; "
            f"it is not any more, in {one.units + one.control_units:,} units."
        )
    by = ""
    if isinstance(one.lift, Interval):
        by = f" by {abs(one.lift.value):.1%} ({one.lift.lower:+.1%} to {one.lift.upper:+.1%})"
    side = "higher" if (one.mean or 0) > (one.control_mean or 0) else "lower"
    return (
        f"{version} wins: its {one.metric} is {side} than that of version {test.control}{by}, "
        f"in {one.units + one.control_units:,} units."
    )
