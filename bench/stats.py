"""False alarms and power of the statistics, by simulation at a fixed seed: `python -m bench.stats`, about two minutes.

Each row says how often a rule rejects; without an effect that is its false-alarm rate at alpha .05.
"""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from zeroloop.stats import drift, spending
from zeroloop.stats.comparison import Effect, difference, two_proportions, welch
from zeroloop.stats.drift import Dispersion, Evidence
from zeroloop.stats.samples import Moments, Sample, mean
from zeroloop.stats.sequences import always_valid
from zeroloop.stats.undetermined import Undetermined

RUNS, HORIZON, ROWS, PLACES = 4000, 7000, 3000, 256
RNG = np.random.default_rng(20261122)


def main() -> None:
    """Print the tables."""
    print("A/B test, no effect, one look at the horizon")
    for rate in (0.01, 0.05, 0.5):
        a, b = RNG.binomial(HORIZON, rate, (2, RUNS)).tolist()
        found = [two_proportions((x, HORIZON), (y, HORIZON)) for x, y in zip(a, b, strict=True)]
        print(
            f"  proportions of {rate:<8}{share([not isinstance(f, Undetermined) and f.p_value < 0.05 for f in found])}"
        )
    for name, draw in (("normal", RNG.normal), ("lognormal", RNG.lognormal)):
        print(f"  means, {name:<14}{share([one_look(draw(0, 1.5, (2, 1000))) for _ in range(RUNS)])}")
    print("\nA/B test, looks: false alarms, power at what one look finds with .8, and the horizon used there")
    for looks in (28, 100, 1000):
        print(f"  {looks} looks")
        quiet, moved = paths(looks, 0.0), paths(looks, 2.801585)
        for name, limits in rules(looks).items():
            power, horizon = rejects(moved, limits)
            print(f"    {name:<22}{rejects(quiet, limits)[0]:.3f}  {power:.3f}  {horizon:.3f}")
    print("\ndrift, alpha .05, .01 and .001; the last is the rule for one window: .001, and large")
    for name, cluster in (("i.i.d. rows", 1), ("clusters of 12", 12)):
        for n in (200, 1000):
            drifting(name, cluster, n)


def one_look(arms: NDArray[np.float64]) -> bool:
    """Whether Welch's test tells the two arms apart."""
    one, other = (mean(moments(arm)) for arm in arms)
    assert isinstance(one, Sample)  # noqa: S101
    assert isinstance(other, Sample)  # noqa: S101
    found = difference(one, other)
    return isinstance(found, Effect) and welch(found).p_value < 0.05


def rules(looks: int) -> dict[str, NDArray[np.float64]]:
    """|z| that each of `looks` needs; boundaries cost too much for 1,000."""
    times = [(k + 1) / looks for k in range(looks)]
    units = [round(2 * HORIZON * t) for t in times]
    watched = [always_valid(Effect(0.0, 1.0, n, n), 2 * HORIZON).interval.upper for n in units]
    found = {"peeking with z": np.full(looks, 1.959964), "confidence sequence": np.array(watched)}
    if looks <= 100:
        found["o'brien-fleming"] = np.array(spending.boundaries(times))
        found["o'brien-fleming total"] = np.array(spending.boundaries(times, spent=spending.in_total))
    return found


def paths(looks: int, effect: float) -> NDArray[np.float64]:
    """|z| at each of `looks`, of RUNS tests."""
    steps = RNG.standard_normal((RUNS, looks)) + effect / np.sqrt(looks)
    z: NDArray[np.float64] = np.abs(steps.cumsum(axis=1)) / np.sqrt(np.arange(1, looks + 1))
    return z


def rejects(z: NDArray[np.float64], limits: NDArray[np.float64]) -> tuple[float, float]:
    """Share of tests that end early or at the last look with a rejection, and of the horizon that they use."""
    crossed = z >= limits
    any_ = crossed.any(axis=1)
    used = np.where(any_, crossed.argmax(axis=1) + 1, len(limits))
    return float(any_.mean()), float(used.mean()) / len(limits)


def drifting(name: str, cluster: int, n: int) -> None:
    """Print how often a window of `n` rows is called drifted: without drift, and with 10 and 20% of something else."""
    baseline = Baseline(rows(ROWS, cluster, 0.0))
    healthy = [baseline.compare(rows(n, cluster, 0.0), {}) for _ in range(40)]
    learned = {test: drift.dispersion([one[test].ratio for one in healthy]) for test in healthy[0]}
    spread = {test: one for test, one in learned.items() if isinstance(one, Dispersion)}
    for label, known in (("plain", {}), ("phi of 40 windows", spread)):
        for mixed in (0.0, 0.1, 0.2):
            evidence = [baseline.compare(rows(n, cluster, mixed), known) for _ in range(300)]
            p_values = np.array([together(one) for one in evidence])
            large = np.array([any(test.large for test in one.values()) for one in evidence])
            rates = "  ".join(f"{(p_values < alpha).mean():.3f}" for alpha in (0.05, 0.01, 0.001))
            alarm = ((p_values < drift.ALPHA) & large).mean()
            print(f"  {name:<16}n={n:<6}{label:<20}{mixed:.0%} other  {rates}  {alarm:.3f}")


def rows(n: int, cluster: int, mixed: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Token vectors of 20 words of 5,000, and a number; rows of a cluster share a topic and half of the number."""
    topics = RNG.integers(0, 40, -(-n // cluster)).repeat(cluster)[:n]
    other = RNG.random(-(-n // cluster)).repeat(cluster)[:n] < mixed
    words = (RNG.pareto(1.0, (n, 20)) * 10).astype(np.int64) % 5000
    topical = RNG.random((n, 20)) < (0.0 if cluster == 1 else 0.2)
    words = np.where(topical, topics[:, None] * 31 + words % 5, words)
    words = np.where(other[:, None] & (RNG.random((n, 20)) < 0.3), words + 7, words)
    vectors = np.zeros((n, PLACES), np.int64)
    np.add.at(vectors, (np.arange(n)[:, None], words * 2654435761 % 4294967296 % PLACES), 2236)
    shared = RNG.normal(0, 700, -(-n // cluster)).repeat(cluster)[:n]
    return vectors, (shared + RNG.normal(0, 700, n) + 500 * other).astype(np.int64)


class Baseline:
    """What windows are compared with."""

    def __init__(self, made: tuple[NDArray[np.int64], NDArray[np.int64]]) -> None:
        self.tokens = drift.token_baseline(made[0])
        self.moments, self.bins = moments(made[1]), bins(made[1])

    def compare(
        self, made: tuple[NDArray[np.int64], NDArray[np.int64]], spread: dict[str, Dispersion]
    ) -> dict[str, Evidence]:
        """The evidence of each test."""
        vectors, values = made
        found = {
            "tokens": drift.tokens(
                vectors.sum(axis=0).tolist(), len(vectors), self.tokens, spread.get("tokens", drift.IID)
            ),
            "shift": drift.shift(moments(values), self.moments, spread.get("shift", drift.IID)),
            "bins": drift.distribution(bins(values), self.bins, spread.get("bins", drift.IID), ordered=True),
        }
        return {test: one for test, one in found.items() if isinstance(one, Evidence)}


def together(evidence: dict[str, Evidence]) -> float:
    """The window's p-value."""
    found = drift.family(*([one.p_value] for one in evidence.values()))
    assert isinstance(found, float)  # noqa: S101
    return found


def moments(values: NDArray[np.float64] | NDArray[np.int64]) -> Moments:
    """Sums of `values` in thousandths."""
    scaled = [round(value * 1000) for value in values.tolist()]
    return Moments(len(scaled), sum(scaled), sum(value * value for value in scaled))


def bins(values: NDArray[np.int64]) -> dict[str, int]:
    """Counts by quarter of a standard deviation."""
    return Counter(str(place) for place in (values // 250).tolist())


def share(rejected: list[bool]) -> str:
    """How many of `rejected` are true."""
    return f"{sum(rejected) / len(rejected):.3f}"


if __name__ == "__main__":
    main()
