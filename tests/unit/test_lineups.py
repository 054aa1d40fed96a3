"""Lineups as predict knows them, on a table and a clock that the test moves."""

import pytest
from msgspec.structs import replace

from zeroloop.errors import NotFound, Unavailable
from zeroloop.inference.lineups import Lineups
from zeroloop.registry.rules import Lineup

ID, OTHER = "m-0123456789abcdef", "m-fedcba9876543210"
FIRST = Lineup(model_id=ID, model="sentiment", champion=1, revision=1)
SECOND = replace(FIRST, champion=2, previous=1, revision=2)


class World:
    """A table, a clock, and what was asked of them: ("name" or "lineup", key, timeout)."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.names = {"sentiment": ID}
        self.table = {ID: FIRST}
        self.down = False
        self.seconds = 0.0
        self.asked: list[tuple[str, str, float]] = []
        self.stale: list[str] = []
        self.lineups = Lineups(self.model_id, self.lineup, monotonic=lambda: self.now, on_stale=self.stale.append)

    def model_id(self, name: str, timeout: float) -> str | None:
        return self.names.get(self.answer("name", name, timeout))

    def lineup(self, model_id: str, timeout: float) -> Lineup | None:
        return self.table.get(self.answer("lineup", model_id, timeout))

    def answer(self, what: str, key: str, timeout: float) -> str:
        self.asked.append((what, key, timeout))
        if self.down or self.seconds > timeout:
            raise Unavailable("busy")
        return key

    def get(self, *, after: float = 0.0) -> Lineup:
        """The lineup `after` seconds, and forget what was asked before."""
        self.now += after
        self.asked.clear()
        return self.lineups.get("sentiment")


@pytest.fixture(name="world")
def _world() -> World:
    return World()


def test_the_first_read_goes_by_name_and_may_take_its_time(world: World) -> None:
    assert world.get() == FIRST
    assert world.asked == [("name", "sentiment", 3.0), ("lineup", ID, 3.0)]


def test_a_lineup_is_fresh_for_five_seconds(world: World) -> None:
    world.get()
    world.table[ID] = SECOND
    assert world.get(after=5.0) == FIRST
    assert world.asked == []


def test_then_one_read_within_the_budget_refreshes_it(world: World) -> None:
    world.get()
    world.table[ID] = SECOND
    assert world.get(after=5.1) == SECOND
    assert world.asked == [("lineup", ID, 0.2)]


def test_a_refreshed_lineup_is_fresh_again(world: World) -> None:
    world.get()
    world.get(after=5.1)
    world.get(after=5.0)
    assert world.asked == []


def test_an_outage_serves_the_old_lineup_in_silence_for_thirty_seconds(world: World) -> None:
    world.get()
    world.down = True
    assert world.get(after=30.0) == FIRST
    assert world.asked == [("lineup", ID, 0.2)]
    assert world.stale == []


def test_a_longer_outage_serves_the_old_lineup_and_says_so(world: World) -> None:
    world.get()
    world.down = True
    assert world.get(after=30.1) == FIRST
    assert world.get(after=3600.0) == FIRST
    assert world.stale == ["sentiment", "sentiment"]


def test_after_a_failed_try_the_next_one_waits_a_second(world: World) -> None:
    world.get()
    world.down = True
    world.get(after=40.0)
    assert world.asked
    assert world.get(after=1.0) == FIRST
    assert world.asked == []
    world.get(after=0.1)
    assert world.asked
    assert world.stale == ["sentiment"] * 3


def test_the_end_of_an_outage_is_seen_at_the_next_try(world: World) -> None:
    world.get()
    world.down = True
    world.get(after=40.0)
    world.down, world.table[ID] = False, SECOND
    assert world.get(after=1.1) == SECOND
    assert world.stale == ["sentiment"]


def test_a_name_that_was_never_read_is_unavailable_in_an_outage(world: World) -> None:
    world.down = True
    with pytest.raises(Unavailable):
        world.get()


def test_an_outage_at_the_first_read_is_forgotten(world: World) -> None:
    world.down = True
    with pytest.raises(Unavailable):
        world.get()
    world.down = False
    assert world.get() == FIRST


def test_an_unknown_model_is_not_found(world: World) -> None:
    with pytest.raises(NotFound) as refused:
        world.lineups.get("sentimental")
    assert (refused.value.code, refused.value.field) == ("unknown_model", "model")


def test_a_name_that_was_given_to_another_model_is_read_anew(world: World) -> None:
    world.get()
    world.table[ID] = replace(FIRST, model="old sentiment")
    world.names = {"old sentiment": ID, "sentiment": OTHER}
    world.table[OTHER] = replace(FIRST, model_id=OTHER, champion=7)
    assert world.get(after=5.1).model_id == OTHER
    assert world.asked == [("lineup", ID, 0.2), ("name", "sentiment", 0.2), ("lineup", OTHER, 0.2)]
    assert world.get(after=5.1).champion == 7
    assert world.asked == [("lineup", OTHER, 0.2)]


def test_a_model_that_was_deleted_and_made_again_is_read_anew(world: World) -> None:
    world.get()
    world.names = {"sentiment": OTHER}
    world.table = {OTHER: replace(FIRST, model_id=OTHER, champion=None, revision=0)}
    assert world.get(after=5.1).model_id == OTHER


def test_a_renamed_model_is_not_found_under_its_old_name(world: World) -> None:
    world.get()
    world.table[ID] = replace(FIRST, model="mood")
    world.names = {"mood": ID}
    with pytest.raises(NotFound):
        world.get(after=5.1)
    assert world.lineups.get("mood").model_id == ID


def test_a_deleted_model_is_not_found_and_forgotten(world: World) -> None:
    world.get()
    world.names, world.table = {}, {}
    for _ in range(2):
        with pytest.raises(NotFound):
            world.get(after=5.1)
    world.down = True
    with pytest.raises(Unavailable):
        world.get()


def test_after_a_restore_every_lineup_is_read_anew_at_once(world: World) -> None:
    world.get()
    world.table[ID] = SECOND
    world.lineups.expire()
    assert world.get() == SECOND
    assert world.asked == [("lineup", ID, 3.0)]


def test_after_a_restore_a_slow_table_is_waited_for(world: World) -> None:
    world.get()
    world.table[ID], world.seconds = SECOND, 2.5
    world.lineups.expire()
    assert world.get() == SECOND
    world.seconds = 0.0
    assert world.get(after=5.1) == SECOND
    assert world.asked == [("lineup", ID, 0.2)]


def test_after_a_restore_into_an_outage_what_the_snapshot_knew_serves_nobody(world: World) -> None:
    world.get()
    world.down = True
    world.lineups.expire()
    for after in (0.0, 0.5, 60.0):
        with pytest.raises(Unavailable):
            world.get(after=after)
    world.down, world.table[ID] = False, SECOND
    assert world.get() == SECOND
    assert world.stale == []


def test_a_lineup_of_another_name_is_not_taken(world: World) -> None:
    world.table[ID] = replace(FIRST, model="mood")  # renamed between the two reads
    with pytest.raises(Unavailable):
        world.get()
    world.table[ID] = FIRST
    assert world.get() == FIRST


def test_models_are_read_one_by_one(world: World) -> None:
    world.names["mood"], world.table[OTHER] = OTHER, replace(FIRST, model_id=OTHER, model="mood")
    assert world.get().model_id == ID
    assert world.lineups.get("mood").model_id == OTHER
    assert world.get(after=1.0).model_id == ID
    assert world.asked == []
