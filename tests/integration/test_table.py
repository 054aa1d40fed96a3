"""DynamoDB's edge: what passes is tried again, what doesn't is told by kind."""

import time
from collections.abc import Iterator

import pytest
from pynamodb.attributes import UnicodeAttribute

from tests.aws_chaos import Chaos
from tests.integration.conftest import client
from zeroloop import clock, table
from zeroloop.errors import Conflict, Unavailable
from zeroloop.table import Row


class Note(Row):
    class Meta:
        table_name = "bound by the test"

    text = UnicodeAttribute()


@pytest.fixture(name="bound")
def _bound(aws: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(clock, "sleep", lambda _seconds: None)
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)  # botocore's own pauses between its tries
    table._connection.cache_clear()  # clients keep the hooks that they were made with
    yield
    table._connection.cache_clear()


def write(text: str, condition: object = None) -> None:
    table.commit("the note", table.save(Note("a", "b", text=text), condition))


def read() -> str:
    item = client("dynamodb").get_item(TableName="registry", Key={"pk": {"S": "a"}, "sk": {"S": "b"}})["Item"]
    return str(item["text"]["S"])


def test_a_failed_condition_is_a_conflict(bound: None) -> None:
    table.bind("registry", Note)
    write("first")
    with pytest.raises(Conflict, match="the note was changed by someone else"):
        write("second", Note.pk.does_not_exist())
    assert read() == "first"


def test_conflicts_and_throttles_pass(bound: None) -> None:
    with Chaos(3, throttle=0.3, conflict=0.3, server_error=0.0, lost_answer=0.0) as chaos:
        table.bind("registry", Note)
        for i in range(20):
            write(str(i))
            assert read() == str(i)
    assert sum(chaos.injected.values()) > 5


@pytest.mark.parametrize(("fault", "share"), [("conflict", 1.0), ("throttle", 1.0), ("server_error", 1.0)])
def test_what_does_not_pass_is_unavailable(bound: None, fault: str, share: float) -> None:
    shares = {"throttle": 0.0, "conflict": 0.0, "server_error": 0.0, "lost_answer": 0.0, fault: share}
    with Chaos(1, **shares):  # type: ignore[arg-type]
        table.bind("registry", Note)
        with pytest.raises(Unavailable, match="the note"):
            write("never")


def test_an_answer_that_is_lost_every_time_is_unavailable(bound: None) -> None:
    with Chaos(1, throttle=0.0, conflict=0.0, server_error=0.0, lost_answer=1.0):
        table.bind("registry", Note)
        with pytest.raises(Unavailable, match="the note"):
            write("perhaps")


def test_reads_fail_by_kind_too(bound: None) -> None:
    with Chaos(1, throttle=1.0, conflict=0.0, server_error=0.0, lost_answer=0.0):
        table.bind("registry", Note)
        with pytest.raises(Unavailable), table.translated("the note"):
            Note.get("a", "b")
