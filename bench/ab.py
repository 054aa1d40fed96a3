"""A/B tests by simulation at a fixed seed, each number beside its bound: `python -m bench.ab`, about four minutes.

With the local stack up (`make up`), `python -m bench.ab storm` also counts 50,000 outcomes at once, doubled, changed
and through faults, on the emulated DynamoDB: some ten minutes. Exits 1 if a bound is missed.
"""

import sys
from collections import Counter
from itertools import combinations
from math import sqrt
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import chdtrc, stdtrit

from cli.api import DEFAULT_HOME
from tests import storms
from tests.aws_chaos import Chaos
from tests.chaos_proxy import proxy
from zeroloop import clock
from zeroloop.abtest import rules
from zeroloop.abtest.analysis import LEAST_UNITS, analyse
from zeroloop.abtest.counting import Sums
from zeroloop.abtest.rules import AbTest, Guardrail, Metric, Order
from zeroloop.inference.assignment import BUCKETS, bucket
from zeroloop.stats import spending
from zeroloop.stats.comparison import Effect
from zeroloop.stats.planning import units_for_means, units_for_proportions
from zeroloop.stats.sequences import always_valid

RUNS, CHUNK, HORIZON = 4000, 100, 7000
UNITS, SALTS = 1_000_000, 24
RARE = 200
FAMILIES = 1000
OUTCOMES = 50_000
RNG = np.random.default_rng(20261122)

Floats = NDArray[np.float64]


class Draw(NamedTuple):
    """A metric: values of one unit, with the share or the log mean `at`, and a unit's standard deviation."""

    name: str
    kind: str
    at: float
    deviation: float

    def findable(self) -> float:
        """The effect, in standard deviations of control, that the planner gives both arms' HORIZON units for."""
        if self.kind == "mean":
            return float(brentq(lambda d: units_for_means(d, 1.0) - 2 * HORIZON, 0.01, 0.5))
        found = brentq(lambda d: units_for_proportions(self.at, self.at + d) - 2 * HORIZON, self.at / 50, self.at)
        return float(found) / self.deviation

    def values(self, shape: tuple[int, ...], effect: float = 0.0) -> Floats:
        """Of `shape` units whose mean is higher by `effect` standard deviations."""
        if self.kind == "proportion":
            return (RNG.random(shape) < self.at + effect * self.deviation).astype(np.float64)
        made = RNG.lognormal(0.0, self.at, shape) if self.name == "lognormal" else RNG.normal(self.at, 1.0, shape)
        return np.asarray(made + effect * self.deviation)


DRAWS = [
    *(Draw(f"proportion {p:.0%}", "proportion", p, sqrt(p * (1 - p))) for p in (0.01, 0.05, 0.5)),
    Draw("normal", "mean", 10.0, 1.0),
    Draw("lognormal", "mean", 1.0, sqrt((np.e - 1) * np.e)),
]


class Bounds:
    """Prints numbers beside their bounds, and remembers whether all hold."""

    def __init__(self) -> None:
        self.missed = 0

    def tell(self, what: str, value: float, least: float = -np.inf, most: float = np.inf) -> None:
        """One number."""
        holds = least <= value <= most
        self.missed += not holds
        bound = " ".join([f">= {least:g}" if least > -np.inf else "", f"<= {most:g}" if most < np.inf else ""]).strip()
        print(f"  {what:<66}{value:>12.4g}  {bound:<16}{'' if holds else 'MISSED'}", flush=True)


def main() -> None:
    """Print the tables."""
    bounds = Bounds()
    print(f"A/A and power, {RUNS:,} tests each, {HORIZON:,} units an arm at the horizon, alpha .05")
    for draw in DRAWS:
        quiet(bounds, draw)
    for draw in DRAWS:
        power(bounds, draw)
    print(f"\nthe whole analysis, look by look, as these tables do it: {CHUNK} tests")
    same_as_analysis(bounds)
    print(f"\n3 metrics of 2 treatments by the whole analysis: {FAMILIES:,} tests")
    family(bounds)
    print(f"\nrare events and unequal arms by the whole analysis, no effect: {RARE} tests, {2 * HORIZON:,} units")
    for p in (0.01, 0.003):
        for share in (0.5, 0.9, 0.95):
            rare(bounds, p, {"treatment": share}, looks=50)
        rare(bounds, p, {"a": 0.45, "b": 0.05}, looks=50)
        rare(bounds, p, {"treatment": 0.9}, looks=28, planned=True)
    print(f"\nassignment of {UNITS:,} units by {SALTS} tests")
    assignment(bounds)
    if "storm" in sys.argv:
        print(f"\n{OUTCOMES:,} outcomes, a fifth of them twice, a twentieth changed, one call in seven at fault")
        storm(bounds)
    raise SystemExit(bounds.missed > 0)


def limits(looks: int) -> Floats:
    """|z| that each of `looks` needs by the spending that the analysis uses."""
    found = spending.boundaries([(k + 1) / looks for k in range(looks)], spent=spending.in_total)
    return np.array(found)


def watching(units: Floats) -> Floats:
    """|z| that the confidence sequence needs at numbers of units of both arms; none before the least of each arm."""
    ends = [always_valid(Effect(0.0, 1.0, n, n), 2 * HORIZON).interval.upper for n in units.astype(int).tolist()]
    return np.where(units / 2 < LEAST_UNITS, np.inf, np.array(ends))


def paths(draw: Draw, looks: int, effect: float) -> Floats:
    """Z of Welch's statistic at each of `looks`, of CHUNK tests."""
    each = HORIZON // looks
    arms = []
    for shift in (0.0, effect):
        values = draw.values((CHUNK, looks, each), shift)
        n = each * np.arange(1, looks + 1)
        mean = values.sum(axis=2).cumsum(axis=1) / n
        square = (values**2).sum(axis=2).cumsum(axis=1) / n
        arms.append((mean, np.maximum(square - mean**2, 0) / (n - 1)))
    (a, var_a), (b, var_b) = arms
    error = np.sqrt(var_a + var_b)
    z: Floats = np.divide(b - a, error, out=np.zeros_like(a), where=error > 0)
    return z


def many(draw: Draw, looks: int, effect: float = 0.0) -> Floats:
    """|z| of RUNS tests."""
    z: Floats = np.abs(np.concatenate([paths(draw, looks, effect) for _ in range(RUNS // CHUNK)]))
    return z


def quiet(bounds: Bounds, draw: Draw) -> None:
    """How often a test without an effect finds one."""
    for looks in (28, 100):
        z = many(draw, looks)
        ever = (z >= limits(looks)).any(axis=1).mean()
        bounds.tell(f"{draw.name}: false alarms, O'Brien-Fleming, {looks} looks", float(ever), most=0.055)
        if looks == 28:
            one = (z[:, -1] >= -stdtrit(2 * HORIZON - 2, 0.025)).mean()
            bounds.tell(f"{draw.name}: false alarms, one look at the horizon", float(one), 0.04, 0.06)
            peeked = (z >= 1.959964).any(axis=1).mean()
            bounds.tell(f"{draw.name}: false alarms, peeking with Welch, 28 looks", float(peeked))
    z = many(draw, 1000)
    units = np.arange(1, 1001, dtype=np.float64) * 2 * (HORIZON // 1000)
    watched = (z >= watching(units)).any(axis=1).mean()
    bounds.tell(f"{draw.name}: false alarms, confidence sequence, 1,000 looks", float(watched), most=0.05)
    late = z[:, units / 2 >= LEAST_UNITS]
    bounds.tell(
        f"{draw.name}: false alarms, peeking with Welch, 1,000 looks", float((late >= 1.959964).any(axis=1).mean())
    )


def power(bounds: Bounds, draw: Draw) -> None:
    """How often, and how soon, an effect is found that one look finds with .8."""
    z = many(draw, 28, draw.findable())
    crossed = z >= limits(28)
    found = crossed.any(axis=1)
    used = np.where(found, crossed.argmax(axis=1) + 1, 28).mean() / 28
    bounds.tell(f"{draw.name}: power of one look", float((z[:, -1] >= 1.959964).mean()), 0.77, 0.83)
    bounds.tell(f"{draw.name}: power, O'Brien-Fleming, 28 looks", float(found.mean()), least=0.75)
    bounds.tell(f"{draw.name}: share of the horizon used", float(used), most=0.75)
    units = np.arange(1, 29, dtype=np.float64) * 2 * (HORIZON // 28)
    watched = (z >= watching(units)).any(axis=1).mean()
    bounds.tell(f"{draw.name}: power, confidence sequence, 28 looks", float(watched))


def same_as_analysis(bounds: Bounds) -> None:
    """Whether `analyse`, look by look from integer sums, ends the same tests at the same looks."""
    looks, each, differ = 5, 1000, 0
    needed = limits(looks)
    for _ in range(CHUNK):
        right = RNG.binomial(each, [[0.5], [0.53]], (2, looks)).cumsum(axis=1)
        test, ends = ab_test(2 * looks * each), None
        for k in range(looks):
            n = (k + 1) * each
            sums = {arm: proportion(int(right[i, k]), n) for i, arm in enumerate(("control", "treatment"))}
            found = analyse(test, sums, looking=True, at=k)
            test = replace(test, looks=found.looks)
            if ends is None and found.outcome != "undetermined":
                ends = k
        units = each * np.arange(1, looks + 1)
        shares = right / units
        z = np.abs(shares[1] - shares[0]) / np.sqrt((shares * (1 - shares)).sum(axis=0) / (units - 1))
        expected = int((z >= needed).argmax()) if (z >= needed).any() else None
        differ += ends != expected
    bounds.tell("tests that end otherwise", differ, most=0)


def family(bounds: Bounds) -> None:
    """How often a test without an effect finds any, of all its metrics and treatments together."""
    looks, each, found = 5, 1000, 0
    arms = ("control", "a", "b")
    for _ in range(FAMILIES):
        test = ab_test(len(arms) * looks * each, metrics=3, treatments={"a": 2, "b": 3})
        right = RNG.binomial(each, 0.5, (len(arms), 3, looks)).cumsum(axis=2)
        for k in range(looks):
            n = (k + 1) * each
            sums: dict[str, Sums] = {}
            for arm, rights in zip(arms, right[:, :, k].tolist(), strict=True):
                sums[arm] = {
                    name: value for place in range(3) for name, value in proportion(rights[place], n, place).items()
                }
            test = replace(test, looks=analyse(test, sums, looking=True, at=k).looks)
        found += any(look.better or look.worse for look in test.looks)
    bounds.tell(f"false alarms in any of them, O'Brien-Fleming, {looks} looks", found / FAMILIES, most=0.066)


def rare(bounds: Bounds, p: float, shares: dict[str, float], *, looks: int, planned: bool = False) -> None:
    """How often an error that is as rare in each arm breaks a guardrail that allows none, or is found to differ."""
    order = Order(
        name="bench",
        model="m",
        control=1,
        treatment={arm: number for number, arm in enumerate(shares, 2)},
        traffic=shares,
        metrics=[Metric("errors", "proportion", "decrease")],
        guardrails=[] if planned else [Guardrail("errors", 0.0)],
        unit="user",
        planned_units=2 * HORIZON if planned else None,
    )
    begun = rules.draft(order, storms.MODEL, at=1, actor="bench")
    each = {arm.variant: 2 * HORIZON * (arm.last - arm.first + 1) // BUCKETS // looks for arm in begun.ranges}
    found = 0
    for _ in range(RARE):
        test = begun
        wrong = {arm: RNG.binomial(n, p, looks).cumsum().tolist() for arm, n in each.items()}
        for k in range(looks):
            sums = {arm: proportion(wrong[arm][k], n * (k + 1)) for arm, n in each.items()}
            seen = analyse(test, sums, looking=planned, at=k)
            test = replace(test, looks=seen.looks)
            if any(one.better or one.worse for one in seen.comparisons) or any(one.broken for one in seen.guardrails):
                found += 1
                break
    arms, how = ", ".join(f"{share:g}" for share in shares.values()), "O'Brien-Fleming" if planned else "sequence"
    bounds.tell(f"{p:.1%}, traffic {arms}: false alarms, {how}, {looks} looks", found / RARE, most=0.05)


def ab_test(planned: int, metrics: int = 1, treatments: dict[str, int] | None = None) -> AbTest:
    """A test of proportions."""
    arms = treatments or {"treatment": 2}
    order = Order(
        name="bench",
        model="m",
        control=1,
        treatment=arms,
        traffic=dict.fromkeys(arms, 1 / (len(arms) + 1)),
        metrics=[Metric(f"m{number}", "proportion") for number in range(metrics)],
        unit="user",
        planned_units=planned,
    )
    return rules.draft(order, storms.MODEL, at=1, actor="bench")


def proportion(y: int, n: int, place: int = 0) -> Sums:
    """Sums of `n` units with one outcome each of the metric at `place`."""
    sums = {"n": n, "y": y, "yy": y, "x": n, "xx": n, "xy": y}
    return {"units": n, **{f"{place}.{name}": value for name, value in sums.items()}}


def assignment(bounds: Bounds) -> None:
    """Whether buckets are uniform, and two tests' arms independent."""
    arms, p_values = [], []
    for salt in [f"ab:exp-{number}:arm" for number in range(SALTS)]:
        buckets = np.fromiter((bucket(salt, f"user_{i}") for i in range(UNITS)), np.int32, UNITS)
        counts = np.bincount(buckets // 10, minlength=1000)
        expected = UNITS / 1000
        p_values.append(float(chdtrc(999, float(((counts - expected) ** 2 / expected).sum()))))
        arms.append(buckets < 5000)
    bounds.tell("least p-value of uniformity", min(p_values), least=0.001)
    bounds.tell("p-values of uniformity below .1, as a share", float(np.mean(np.array(p_values) < 0.1)), most=0.35)
    pairs = [abs(float(np.corrcoef(a, b)[0, 1])) for a, b in combinations(arms, 2)]
    bounds.tell("greatest correlation of two tests' arms", max(pairs), most=0.03)


def storm(bounds: Bounds) -> None:
    """Whether the sums are exact, and what the analysis reads."""
    record = DEFAULT_HOME.read()
    if record is None:
        raise SystemExit("no stack is up: make up")
    chaos = Chaos(5, throttle=0.05, conflict=0.05, server_error=0.02, lost_answer=0.02)
    with proxy(record.endpoint_url, chaos) as url:
        opened = storms.opener(url, record.region, record.tables["abtest"])
        came = storms.rage(opened, f"storm-{clock.new_id()[:8]}", OUTCOMES, threads=16, seed=7)
    wrong = sum(came.sums[arm] != came.expected[arm] for arm in came.expected)
    faults = Counter(fault for _, fault in chaos.injected.elements())
    print(
        f"  faults: {dict(faults)}; {came.sent:,} sent in {came.seconds:,.0f} s, {came.again:,} by their senders again"
    )
    bounds.tell("arms whose sums are not exact", wrong, most=0)


if __name__ == "__main__":
    main()
