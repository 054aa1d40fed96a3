"""Automatic rollback: a promotion that makes it worse is taken back, and no other, on moto."""

from typing import Any

import pytest

from tests.integration.test_monitor import MINUTE, START, Monitored, frame, requests
from tests.integration.test_monitor import _world as _world  # noqa: PLC0414 - the fixture
from tests.integration.test_predict import LARGE, SMALL
from zeroloop.errors import NotFound, Unavailable
from zeroloop.monitoring.counting import count
from zeroloop.monitoring.outside import Called
from zeroloop.registry.service import Change


def promote_worse(world: Monitored, hours: int = 24) -> None:
    """Version 1 answers, version 2 is promoted and fails one time in five."""
    world.set(rollback={"enabled": True, "hours": hours})
    world.lines(START - 30, requests(2000), 1)
    at = round(START * MINUTE)
    world.registry.promote("sentiment", 2, Change(actor="ann", at=at, reason="better"))
    world.lines(START + 1, [*requests(800), *requests(200, 503)], 2)


def test_a_promotion_that_makes_it_worse_is_taken_back_once(world: Monitored) -> None:
    promote_worse(world)
    world.tick(START + 6.5, "minutes")
    lineup = world.registry.lineup("sentiment")
    assert (lineup.champion, lineup.previous) == (1, None)
    [record, *_] = world.registry.history("sentiment", None, 10)
    assert (record["action"], record["actor"]) == ("rollback", "zeroloop/monitor")
    assert record["evidence"]["guardrail"] == "errors"
    assert record["evidence"]["now"] == {"bad": 200, "n": 1000}
    assert ("rollback", "DONE") in world.changes()
    for minute in (7.5, 12.5):
        world.tick(START + minute, "minutes")
    assert world.registry.lineup("sentiment").revision == lineup.revision
    assert world.changes().count(("rollback", "DONE")) == 1


def promote_crashing(world: Monitored, before: Called, since: Called) -> None:
    """Version 2 is promoted, and four of ten calls of the function leave no line since."""
    world.set(rollback={"enabled": True})
    world.lines(START - 30, requests(2000), 1)
    world.registry.promote("sentiment", 2, Change(actor="ann", at=START * MINUTE, reason="better"))
    world.lines(START + 1, requests(600), 2)
    world.cloud.of_function, world.cloud.before = since, before


def test_a_promotion_that_crashes_is_taken_back(world: Monitored) -> None:
    promote_crashing(world, Called(2010, 10), Called(1000, 400))
    world.tick(START + 6.5, "minutes")
    assert world.registry.lineup("sentiment").champion == 1
    [record, *_] = world.registry.history("sentiment", None, 10)
    assert (record["evidence"]["before"], record["evidence"]["now"]) == (
        {"bad": 10, "n": 2010},
        {"bad": 400, "n": 1000},
    )


def test_a_promotion_of_which_every_call_crashes_is_taken_back(world: Monitored) -> None:
    promote_crashing(world, Called(2000, 0), Called(400, 400))
    world.counted.cells.pop()
    world.tick(START + 6.5, "minutes")
    assert world.registry.lineup("sentiment").champion == 1


def test_crashes_that_were_there_before_are_no_fault_of_a_promotion(world: Monitored) -> None:
    promote_crashing(world, Called(3333, 1333), Called(1000, 400))
    world.tick(START + 6.5, "minutes")
    assert world.registry.lineup("sentiment").champion == 2


@pytest.mark.parametrize("why", ["most requests are others'", "another model was promoted", "there is a challenger"])
def test_crashes_that_may_be_anothers_take_nothing_back(world: Monitored, why: str) -> None:
    promote_crashing(world, Called(9000 if why.startswith("most") else 2000, 0), Called(1000, 400))
    later = Change(actor="ann", at=(START + 1) * MINUTE, reason="better")
    if why.startswith("another"):
        world.register("another", SMALL)
        world.registry.promote("another", 1, later)
    if why.startswith("there"):
        world.registry.challenge("sentiment", 1, 0.5, later)
    world.tick(START + 6.5, "minutes")
    assert world.registry.lineup("sentiment").champion == 2


@pytest.mark.parametrize("changed", [False, True])
def test_a_rollback_is_told_of_also_by_who_comes_after_a_crash(
    changed: bool, world: Monitored, monkeypatch: pytest.MonkeyPatch
) -> None:
    promote_worse(world)

    def dies(*_: Any) -> None:
        raise Unavailable("out of time")

    with monkeypatch.context() as patched:
        patched.setattr(world.app.rounds._rollback._alerting, "rolled_back", dies)
        with pytest.raises(Unavailable):
            world.tick(START + 6.5, "minutes")
    assert world.registry.lineup("sentiment").champion == 1
    assert ("rollback", "DONE") not in world.changes()
    if changed:
        by = Change(actor="ann", at=round((START + 8) * MINUTE), reason="looking")
        world.registry.challenge("sentiment", 2, 0.1, by)
    for minute in (11.5, 16.5):
        world.tick(START + minute, "minutes")
    assert world.changes().count(("rollback", "DONE")) == 1


def test_a_rollback_of_long_ago_is_not_told_of_again(world: Monitored, monkeypatch: pytest.MonkeyPatch) -> None:
    promote_worse(world, hours=1)
    world.tick(START + 6.5, "minutes")
    told: list[Any] = []
    monkeypatch.setattr(world.app.rounds._rollback._alerting, "rolled_back", lambda *of: told.append(of))
    world.tick(START + 61, "minutes")
    assert len(told) == 1
    world.tick(START + 67, "minutes")
    assert len(told) == 1


def test_a_promotion_is_left_alone_unless_asked_for_and_later_than_said(world: Monitored) -> None:
    promote_worse(world, hours=1)
    world.tick(START + 62, "minutes")
    world.set()
    world.tick(START + 6.5, "minutes")
    assert world.registry.lineup("sentiment").champion == 2


def test_a_first_promotion_has_nobody_to_go_back_to(world: Monitored, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in (SMALL, LARGE):
        world.register("first", package)
    world.ask("set", rawPath="/models/first/monitor", body='{"rollback": {"enabled": true}}')
    world.add(START - 30, count(requests(2000), frame()), version=2, name="first")  # it was pinned
    world.registry.promote("first", 1, Change(actor="ann", at=START * MINUTE, reason="first"))
    world.add(START + 1, count([*requests(800), *requests(200, 503)], frame()), name="first")
    monkeypatch.setattr(world.app.registry, "roll_back", lambda *tried: pytest.fail(f"tried {tried}"))
    world.tick(START + 6.5, "minutes")


def test_who_changed_the_lineup_meanwhile_wins(world: Monitored) -> None:
    promote_worse(world)
    registry = world.app.registry
    roll_back = registry.roll_back

    def too_late(*args: Any) -> Any:
        world.registry.challenge("sentiment", 1, 0.5, Change(actor="ann", at=0, reason="looking"))
        return roll_back(*args)

    registry.roll_back = too_late
    world.tick(START + 6.5, "minutes")
    lineup = world.registry.lineup("sentiment")
    assert (lineup.champion, lineup.challenger) == (2, 1)
    assert ("rollback", "DONE") not in world.changes()


def test_a_promotion_as_good_as_what_was_before_stays(world: Monitored) -> None:
    world.set(rollback={"enabled": True})
    world.lines(START - 30, [*requests(950), *requests(50, 503)], 1)
    world.registry.promote("sentiment", 2, Change(actor="ann", at=START * MINUTE, reason="better"))
    world.lines(START + 1, [*requests(945), *requests(55, 503)], 2)
    world.tick(START + 6.5, "minutes")
    assert world.registry.lineup("sentiment").champion == 2


def test_what_is_gone_within_a_model_is_no_deleted_model(world: Monitored) -> None:
    promote_worse(world)

    def gone(*_: Any) -> None:
        raise NotFound("version 1 is gone")

    world.app.registry.roll_back = gone
    with pytest.raises(NotFound):
        world.tick(START + 6.5, "minutes")
    assert world.changes() == []
    assert "latency" in world.app.watch.watched(world.registry.model("sentiment").model_id).kinds
