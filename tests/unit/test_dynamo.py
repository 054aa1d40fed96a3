"""The table over a session that answers what it is told to."""

from typing import Any

import msgspec
import pytest

from zeroloop import clock, dynamo
from zeroloop.dynamo import ConditionFailed, Table, TooLarge, Update
from zeroloop.errors import Unavailable
from zeroloop.signed import Refused
from zeroloop.tracking.store import TrackingStore

RAISE = Update("SET a = :a", "a < :a", {}, {":a": 1})


class FakeSession:
    """Gives `answers` in order, the last one for ever; keeps what was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []

    def call(self, _service: str, _target: str, body: dict[str, Any], *, timeout: float) -> bytes:
        assert timeout > 0
        self.asked.append(msgspec.json.decode(msgspec.json.encode(body)))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return msgspec.json.encode(answer)


@pytest.fixture(autouse=True)
def _nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "sleep", lambda _: None)


def refused(code: str, **more: Any) -> Refused:
    return Refused(msgspec.json.encode({"__type": f"com.amazonaws.dynamodb#{code}", **more}))


def cancelled(*codes: str) -> Refused:
    return refused("TransactionCanceledException", CancellationReasons=[{"Code": code} for code in codes])


def table(*answers: Any) -> tuple[Table, FakeSession]:
    session = FakeSession(*answers)
    return Table("t", session), session  # type: ignore[arg-type]


def row(sk: str) -> dict[str, Any]:
    return {"pk": {"S": "p"}, "sk": {"S": sk}}


def test_keys_that_were_left_over_are_asked_for_again() -> None:
    left = {"t": {"Keys": [row("b")]}}
    on, session = table({"Responses": {"t": [row("a")]}, "UnprocessedKeys": left}, {"Responses": {"t": [row("b")]}})

    assert [found["sk"] for found in on.get([("p", "a"), ("p", "b")])] == ["a", "b"]
    assert session.asked[1]["RequestItems"]["t"]["Keys"] == [row("b")]


def test_keys_that_are_left_over_for_ever_are_an_error_and_no_gap() -> None:
    on, session = table({"UnprocessedKeys": {"t": {"Keys": [row("a")]}}})
    with pytest.raises(Unavailable):
        on.get([("p", "a")])
    assert len(session.asked) == 12


@pytest.mark.parametrize(
    "busy",
    [
        cancelled("TransactionConflict", "None"),
        cancelled("None", "ThrottlingError"),
        refused("TransactionInProgressException"),
    ],
)
def test_a_busy_transaction_is_tried_again_under_its_token(busy: Refused) -> None:
    on, session = table(busy, {})
    on.write("it", dynamo.save({"pk": "p", "sk": "s"}))
    assert session.asked[0] == session.asked[1]
    assert session.asked[0]["ClientRequestToken"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (cancelled("ConditionalCheckFailed", "TransactionConflict"), ConditionFailed),
        (cancelled("ValidationError", "None"), TooLarge),
        (refused("ValidationException"), TooLarge),
        (refused("AccessDeniedException"), Unavailable),
        (cancelled("TransactionConflict"), Unavailable),
    ],
)
def test_a_transaction_that_fails_says_how(answer: Refused, error: type[Exception]) -> None:
    with pytest.raises(error):
        table(answer)[0].write("it", dynamo.save({"pk": "p", "sk": "s"}))


def test_a_condition_that_fails_tells_what_stood_there() -> None:
    on, _ = table(refused("ConditionalCheckFailedException", Item={"a": {"N": "5"}, "b": {"B": "AAE="}}))
    with pytest.raises(ConditionFailed) as failed:
        on.update(("p", "s"), RAISE, "it")
    assert failed.value.item == {"a": 5, "b": b"\x00\x01"}


def test_a_latest_point_whose_answer_was_lost_is_not_raised_twice() -> None:
    stands = {"life": {"S": "active"}, "points": {"M": {"m": {"B": "AAE="}}}}
    on, session = table(refused("ConditionalCheckFailedException", Item=stands))
    TrackingStore(on).raise_latest("0" * 32, {"m": b"\x00\x01"})
    assert len(session.asked) == 1


def test_a_latest_point_that_is_later_than_what_stands_there_is_tried_without_the_others() -> None:
    stands = {"life": {"S": "active"}, "points": {"M": {"m": {"B": "AAE="}}}}
    on, session = table(refused("ConditionalCheckFailedException", Item=stands), {})
    TrackingStore(on).raise_latest("0" * 32, {"m": b"\x00\x01", "n": b"\x00"})
    assert session.asked[1]["ExpressionAttributeNames"] == {"#k0": "n"}


def test_an_update_of_an_item_that_is_full_is_too_large() -> None:
    with pytest.raises(TooLarge):
        table(refused("ValidationException"))[0].update(("p", "s"), RAISE, "it")


def test_a_query_goes_on_page_by_page_as_the_caller_does() -> None:
    key = {"pk": {"S": "p"}, "sk": {"S": "a"}}
    on, session = table({"Items": [row("a")], "LastEvaluatedKey": key}, {"Items": [row("b")]})
    found = on.query("p")
    assert next(found)["sk"] == "a"
    assert len(session.asked) == 1
    assert [rest["sk"] for rest in found] == ["b"]
    assert session.asked[1]["ExclusiveStartKey"] == key
