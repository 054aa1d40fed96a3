"""What aggregates tell, and when a version is worse than the one before it."""

from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from zeroloop.monitoring import figures
from zeroloop.monitoring.aggregate import EMPTY, Aggregate
from zeroloop.monitoring.alerts import Settings
from zeroloop.monitoring.baseline import Baseline
from zeroloop.monitoring.frame import Frame, Scale
from zeroloop.stats.quantiles import bucket

HELD = Baseline(n=9, confusion={"a\ta": 8, "a\tb": 2})


def served(ok: int, failed: int = 0, latency: float = 10.0, right: int = 0, wrong: int = 0) -> Aggregate:
    confusion = {cell: n for cell, n in {"a\ta": right, "a\tb": wrong}.items() if n}
    return Aggregate(
        n=ok,
        requests={"200": ok * 1000, "503": failed * 1000},
        latency={bucket(latency): ok} if ok else {},
        confusion=confusion,
    )


def sampled(ok: int, failed: int = 0) -> Aggregate:
    """One answered line in ten, of `ok` requests; what failed is told of always."""
    return Aggregate(n=ok // 10, requests={"200": ok * 1000, "503": failed * 1000}, latency={bucket(10.0): ok // 10})


def test_outcomes_are_those_worked_out_by_hand() -> None:
    found = figures.outcomes(Aggregate(n=0, confusion={"a\ta": 6, "a\tb": 2, "b\ta": 1, "b\tb": 3, "b\t": 1}))
    assert (found["labelled"], found["accuracy"]) == (13, pytest.approx(9 / 13, rel=1e-5))
    a = found["labels"]["a"]
    assert (a["precision"]["value"], a["answered"], a["actual"]) == (0.75, 8, 7)
    assert a["recall"]["value"] == pytest.approx(6 / 7, rel=1e-5)
    assert a["f1"] == pytest.approx(12 / 15)
    # Wilson's of 6 of 8, from Newcombe (1998)'s formula: (0.4093, 0.9285)
    assert (a["precision"]["lower"], a["precision"]["upper"]) == pytest.approx((0.4093, 0.9285), abs=1e-4)
    assert found["labels"][""]["precision"]["value"] is None
    assert found["f1_macro"] == pytest.approx((12 / 15 + 6 / 10) / 2, rel=1e-5)


def test_accuracy_of_numbers_is_not_estimated() -> None:
    baseline = Baseline(n=9, frame=Frame(answer=Scale()))
    assert figures.metrics(served(500), baseline, 5)["estimated_accuracy"] == {
        "value": None, "why": "the model answers numbers"
    }  # fmt: skip


def test_a_label_with_a_typo_is_one_wrong_answer_and_no_class() -> None:
    found = figures.outcomes(Aggregate(n=0, confusion={"a\ta": 500, "b\tb": 499, "a\t": 1, "\t?": 1}))
    assert found["f1_macro"] > 0.998


def test_a_class_may_be_called_as_what_has_no_name_is() -> None:
    found = figures.outcomes(Aggregate(n=0, confusion={"?\t?": 300, "a\ta": 500, "?\ta": 200}))
    assert found["f1_macro"] == pytest.approx((600 / 800 + 1000 / 1200) / 2, rel=1e-5)


@pytest.mark.parametrize(
    ("of", "coverage"),
    [(served(80, right=20), 0.25), (sampled(200), 0.0), (replace(sampled(200), confusion={"a\ta": 200}), 1.0),
     (replace(sampled(200, 50), confusion={"a\ta": 60}), 0.3), (served(1, right=2), 1.0), (EMPTY, None)],
)  # fmt: skip
def test_labels_cover_the_answers_that_lines_stand_for(of: Aggregate, coverage: float | None) -> None:
    assert figures.metrics(of, figures.NO_BASELINE, 5)["label_coverage"] == coverage


@pytest.mark.parametrize(
    ("found", "breach"),
    [
        (figures.latency(served(200, latency=900), Settings()), True),
        (figures.latency(served(200), Settings()), False),
        (figures.latency(served(99, latency=900), Settings()), None),
        (figures.errors(served(190, 10), 0.0, Settings()), False),
        (figures.errors(served(190, 11), 0.0, Settings()), True),
        (figures.errors(sampled(900, 200), 0.0, Settings()), True),
        (figures.errors(sampled(900, 9), 0.0, Settings()), None),
        (figures.errors(served(190), 11.0, Settings()), True),
        (figures.errors(served(50, 40), 0.0, Settings()), None),
        (figures.worse_accuracy(served(0, right=70, wrong=50), HELD, Settings()), True),
        (figures.worse_accuracy(served(0, right=90, wrong=30), HELD, Settings()), False),
        (figures.worse_accuracy(served(0, right=40, wrong=50), HELD, Settings()), None),
        (figures.worse_accuracy(served(0, right=70, wrong=50), None, Settings()), None),
        (figures.silence(EMPTY, served(100), 5 / 60, silent=False), True),
        (figures.silence(EMPTY, served(100), 5 / 60, silent=False, told=1), False),
        (figures.silence(EMPTY, served(60), 5 / 60, silent=False), False),
        (figures.silence(EMPTY, EMPTY, 5 / 60, silent=True), True),
        (figures.silence(served(1), EMPTY, 5 / 60, silent=True), False),
        (figures.behind(served(89), 100), True),
        (figures.behind(served(90), 100), False),
        (figures.behind(EMPTY, 19), None),
        (figures.behind(EMPTY, 20), True),
        (figures.behind(served(94), 105), True),
        (figures.behind(served(50, 45), 105), False),
        (figures.behind(sampled(1000), 1000, 0.1), False),
        (figures.behind(EMPTY, 1000, 0.1), True),
        (figures.behind(sampled(500, 5), 1000, 0.1), True),
        (figures.behind(EMPTY, 70, 0.1), None),
        (figures.behind(EMPTY, 1_000_000, 0.0), None),
        (figures.behind(EMPTY, 1_000_000, 0.00004), None),  # as predict rounds it: none is logged
    ],
)  # fmt: skip
def test_windows_breach_beyond_their_limits(found: Any, breach: bool | None) -> None:
    assert found.breach is breach
    assert (found.why != "") is (breach is None)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
@pytest.mark.parametrize("told", [100, 1000, 10_000])
def test_a_share_of_the_lines_is_hardly_ever_taken_for_ingest_that_falls_behind(share: float, told: int) -> None:
    """Nothing is lost; of these windows a third used to breach."""
    rng = np.random.default_rng(5)
    weight = round(1000 / share)
    lines = rng.binomial(told, share, 2000)
    found = [figures.behind(Aggregate(n=int(n), requests={"200": int(n) * weight}), told, share).breach for n in lines]
    assert found.count(True) / 2000 <= 0.001 + 3 * (0.001 / 2000) ** 0.5


@pytest.mark.parametrize(("share", "told"), [(0.5, 400), (0.1, 3000), (0.01, 40_000)])
def test_two_of_five_that_are_lost_are_seen_in_a_share_of_the_lines(share: float, told: int) -> None:
    lines = np.random.default_rng(5).binomial(round(0.6 * told), share, 500)
    weight = round(1000 / share)
    found = [figures.behind(Aggregate(n=int(n), requests={"200": int(n) * weight}), told, share).breach for n in lines]
    assert found.count(True) / 500 > 0.9


@pytest.mark.parametrize(
    ("before", "now", "guardrail"),
    [
        (served(1000), served(800, 200), "errors"),
        (served(1000, 10), served(1000, 12), None),
        (served(1000), served(1000, latency=30), "latency"),
        (served(1000), served(1000, latency=9), None),
        (served(1000, right=400, wrong=100), served(1000, right=300, wrong=200), "accuracy"),
        (served(1000, right=400, wrong=100), served(1000, right=395, wrong=105), None),
        (served(1000), served(50, 40), None),
        (EMPTY, served(800, 200), None),
        (sampled(1000), sampled(900, 8), None),
        (sampled(10_000), sampled(8000, 200), "errors"),
        (sampled(10_000), sampled(90, 20), None),
        (served(1_000_000), served(1_000_000, 5000), None),
    ],
)
def test_a_version_is_worse_beyond_chance_and_by_more_than_a_trifle(
    before: Aggregate, now: Aggregate, guardrail: str | None
) -> None:
    found = figures.significantly_worse(now, before)
    assert (found["guardrail"] if found else None) == guardrail


@pytest.mark.parametrize(("n_before", "share", "looks"), [(2000, 0.04, 3000), (120, 0.03, 20_000), (100, 0.04, 20_000)])
def test_a_version_that_is_no_worse_is_hardly_ever_called_so_however_often_one_looks(
    n_before: int, share: float, looks: int
) -> None:
    """Also after a predecessor of so few requests that it may have seen no error."""
    rng = np.random.default_rng(17)
    blamed = 0
    for _ in range(300):
        bad = int(rng.binomial(n_before, share))
        before = served(n_before - bad, bad)
        failed = np.cumsum(rng.random(looks) < share)
        seen = ((int(n), int(failed[n - 1])) for n in np.unique(np.geomspace(100, looks, 30).astype(int)))
        blamed += any(figures.significantly_worse(served(n - worse, worse), before) for n, worse in seen)
    assert blamed / 300 <= 0.01


@pytest.mark.parametrize(
    ("n_before", "share", "worse", "looks", "power"),
    [(100, 0.01, 0.1, 20_000, 0.6), (200, 0.01, 0.05, 20_000, 0.25), (2000, 0.04, 0.08, 3000, 0.95)],
)
def test_a_version_that_is_worse_is_found_after_few_requests_of_the_one_before_it(
    n_before: int, share: float, worse: float, looks: int, power: float
) -> None:
    rng = np.random.default_rng(17)
    found = 0
    for _ in range(100):
        bad = int(rng.binomial(n_before, share))
        failed = np.cumsum(rng.random(looks) < worse)
        seen = ((int(failed[n - 1]), int(n)) for n in np.unique(np.geomspace(100, looks, 30).astype(int)))
        found += any(figures.significantly_worse(served(n - k, k), served(n_before - bad, bad)) for k, n in seen)
    assert found / 100 >= power
