"""What was decided on something that changed meanwhile is decided anew, for a while."""

from collections.abc import Iterator

import pytest

from zeroloop import clock
from zeroloop.errors import Conflict
from zeroloop.mlflow import wire
from zeroloop.registry import service
from zeroloop.registry.rules import NotPromotable


@pytest.fixture(name="now", autouse=True)
def _now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were waited; nobody waits."""
    waited = [0.0]
    monkeypatch.setattr(clock, "sleep", lambda _seconds: waited.append(waited[-1] + 1.0))
    monkeypatch.setattr(clock, "monotonic", lambda: waited[-1])
    return waited


def decider(outcomes: Iterator[Exception | None]) -> str:
    if (outcome := next(outcomes)) is not None:
        raise outcome
    return "done"


def test_a_lost_race_is_run_again() -> None:
    outcomes = iter([Conflict("lost"), Conflict("lost"), None])
    assert service.until_it_holds("film", lambda: decider(outcomes)) == "done"


def test_a_refusal_is_final() -> None:
    outcomes = iter([NotPromotable("no"), None])
    with pytest.raises(NotPromotable):
        service.until_it_holds("film", lambda: decider(outcomes))
    assert next(outcomes) is None


def test_who_always_loses_is_told_before_the_gateway_gives_up(now: list[float]) -> None:
    with pytest.raises(Conflict) as refused:
        service.until_it_holds("film", lambda: decider(iter([Conflict("lost")])))
    assert refused.value.code == "busy"
    assert 10 < now[-1] < 20
    assert wire.error(refused.value)[0] == 429, "which MLflow's client repeats"
