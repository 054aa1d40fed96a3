"""What healthy windows teach, and what tests are held against."""

from functools import reduce
from random import Random

import pytest

from zeroloop.monitoring import drifting, reports
from zeroloop.monitoring.aggregate import Aggregate
from zeroloop.monitoring.baseline import Baseline, Spread
from zeroloop.monitoring.counting import Answered, Line, count
from zeroloop.monitoring.drifting import Status, Unheld, Verdict
from zeroloop.monitoring.frame import Frame
from zeroloop.monitoring.reports import MOST_WINDOWS, Learned, learn, spreads, told
from zeroloop.stats.drift import Dispersion, Evidence
from zeroloop.stats.undetermined import Undetermined
from zeroloop_training.baselines import of_answers

MEAN, COUNTS = "a:mean", "b:distribution"
BLOCKS = Baseline(n=0, spread={MEAN: Spread(5.0, 30, 0.5), COUNTS: Spread(6.0, 30, 0.5)})
NO_BINS = Undetermined("nearly all values are in one bin")


def evidence(ratio: float) -> Evidence:
    return Evidence(0.5, ratio, 0.0, large=False)


def healthy(mean: float, counts: float | None = 1.0, status: Status = "healthy") -> Verdict:
    other = NO_BINS if counts is None else evidence(counts)
    return Verdict(status, 0.5, large=False, found={MEAN: evidence(mean), COUNTS: other})


def test_twenty_windows_take_the_place_of_the_baselines_blocks() -> None:
    ratios = [1.0, 3.0] * 10
    before = reduce(learn, map(healthy, ratios[:19]), Learned())
    assert spreads(BLOCKS, before) == drifting.dispersions(BLOCKS)
    after = learn(before, healthy(ratios[19]))
    # mean 2, variance 20 / 19
    learned = spreads(BLOCKS, after)[MEAN]
    assert (learned.phi, learned.windows) == (2.0, 20)
    assert learned.variation == pytest.approx(20 / 19 / 4)
    assert spreads(BLOCKS, after)[COUNTS] == Dispersion(1.0, 20, 0.0)


def test_phi_is_never_less_than_chance() -> None:
    assert spreads(BLOCKS, reduce(learn, [healthy(0.25)] * 20, Learned()))[MEAN].phi == 1


def test_a_hundred_windows_are_enough() -> None:
    full = reduce(learn, [healthy(2.0)] * MOST_WINDOWS, Learned())
    assert full.windows == MOST_WINDOWS
    assert learn(full, healthy(50.0)) == full


@pytest.mark.parametrize(("large", "status"), [(False, "healthy"), (True, "drifted")])
def test_what_is_beyond_chance_and_small_is_healthy(large: bool, status: Status) -> None:
    found = {MEAN: Evidence(1e-9, 40.0, 0.01, large=large)}
    assert drifting.judge(found, 1_000_000).status == status


def test_a_trifle_in_a_million_predictions_is_no_drift() -> None:
    baseline = Baseline(n=1_000_000, labels={"a": 500_000, "b": 500_000})
    verdict = reports.judge(Aggregate(n=1_000_000, labels={"a": 505_000, "b": 495_000}), baseline, Learned())
    assert isinstance(verdict.p_value, float)
    assert verdict.p_value < 1e-9
    assert (verdict.status, verdict.large) == ("healthy", False)


@pytest.mark.parametrize("status", ["drifted", "undetermined"])
def test_only_healthy_windows_teach(status: Status) -> None:
    before = learn(Learned(), healthy(2.0))
    assert learn(before, healthy(9.0, status=status)) == before


def test_a_test_that_is_not_possible_once_is_learned_from_the_other_windows() -> None:
    windows = [healthy(2.0, None if number in {0, 7, 24} else 3.0) for number in range(25)]
    learned = reduce(learn, windows, Learned())
    assert {name: n for name, (n, _, _) in learned.tests.items()} == {MEAN: 25, COUNTS: 22}
    assert spreads(BLOCKS, learned)[COUNTS] == Dispersion(3.0, 22, 0.0)


def test_a_test_that_is_possible_rarely_keeps_the_baselines_blocks() -> None:
    learned = reduce(learn, [healthy(2.0, 3.0 if number < 5 else None) for number in range(25)], Learned())
    assert spreads(BLOCKS, learned) == {MEAN: Dispersion(2.0, 25, 0.0), COUNTS: Dispersion(6.0, 30, 0.5)}


def test_a_test_is_not_judged_before_its_spread_is_known_and_is_learned_meanwhile() -> None:
    baseline = Baseline(n=600, labels={"a": 300, "b": 300}, scores={30: 300, 40: 300})
    window = Aggregate(n=300, labels={"a": 20, "b": 280}, scores={30: 150, 40: 150})
    known = {"score:mean": (20, 20.0, 20.0), "score:distribution": (20, 20.0, 20.0)}
    verdict = reports.judge(window, baseline, Learned(known))
    label = verdict.found["label:distribution"]
    assert isinstance(label, Unheld)
    assert "isn't known yet" in label.reason
    assert verdict.status == "healthy"
    assert learn(Learned(known), verdict).tests["label:distribution"] == (1, label.ratio, label.ratio**2)
    # with nothing known of any test all are held against i.i.d. rows
    assert reports.judge(window, baseline, Learned()).status == "drifted"


@pytest.mark.parametrize(
    ("windows", "baseline", "said"),
    [
        (20, BLOCKS, "20 windows"),
        (19, BLOCKS, "baseline"),
        (19, Baseline(n=0), "i.i.d."),
        (0, None, "i.i.d."),
    ],
)
def test_a_report_says_what_its_tests_were_held_against(windows: int, baseline: Baseline | None, said: str) -> None:
    verdict = healthy(1.0)
    learned = reduce(learn, [verdict] * windows, Learned())
    assert told(verdict, baseline, learned)["spread_from"] == said


def test_rows_in_clusters_with_a_rare_category_raise_no_alarm() -> None:
    """By sessions of 20, one in forty of the rare category: its counts can be compared only where there is one."""
    random = Random(7)
    frame = Frame(labels=frozenset({"a", "b"}), categories={"c": frozenset({"common", "rare"})})

    def sessions(k: int) -> list[Answered]:
        named = ["rare" if random.random() < 1 / 40 else "common" for _ in range(k)]
        return [Answered(random.choice("ab"), random.uniform(0.5, 1), {"c": one}) for one in named for _ in range(20)]

    def window() -> Aggregate:
        return count([Line(status=200, latency_ms=1.0, predictions=sessions(10))], frame)

    held = sessions(150)
    baseline = of_answers(held, ["a"] * len(held), frame)
    learned, alarms = Learned(), 0
    for _ in range(200):
        verdict = reports.judge(window(), baseline, learned)
        alarms += verdict.status == "drifted"
        learned = learn(learned, verdict)
    assert learned.windows == MOST_WINDOWS
    assert 20 <= learned.tests["c:distribution"][0] < MOST_WINDOWS
    assert alarms == 0
