"""What a log subscription delivers, read line by line."""

import gzip
import json
import random
from base64 import b64encode

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from zeroloop.monitoring.frame import Frame
from zeroloop.monitoring.lines import Aside, Batch, LogEvent, Record, Told, counted, read, records

IDS = st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=5), min_size=1, max_size=5, unique=True)


def batch(*ids: str) -> Batch:
    return Batch("g", "s", [LogEvent(one, 0, "{}") for one in ids])


def line(**fields: object) -> str:
    known = {"schema": "zl.prediction.v1", "time": 1, "request_id": "r", "model": "m", "status": 200, "latency_ms": 1.0}
    return json.dumps({**known, **fields})


def test_a_delivery_is_read_as_cloudwatch_packs_it() -> None:
    told = {
        "messageType": "DATA_MESSAGE",
        "owner": "1",
        "logGroup": "g",
        "logStream": "s",
        "subscriptionFilters": ["f"],
        "logEvents": [{"id": "7", "timestamp": 1, "message": "{}"}],
    }
    data = b64encode(gzip.compress(json.dumps(told).encode())).decode()
    assert read({"awslogs": {"data": data}}) == Batch("g", "s", [LogEvent("7", 1, "{}")])


@given(IDS, st.randoms())
def test_a_deliverys_name_is_that_of_its_lines_in_any_order(ids: list[str], dice: random.Random) -> None:
    shuffled = ids[:]
    dice.shuffle(shuffled)
    assert batch(*ids).digest == batch(*shuffled).digest


@given(IDS)
def test_other_lines_are_another_delivery(ids: list[str]) -> None:
    assert batch(*ids).digest != batch(*ids, "another").digest


def test_lines_of_predictions_and_of_feedback_are_told_apart() -> None:
    told = Told(time=2, prediction_id="zr1.a", model_id="m-1", version=1, variant="champion", predicted_at=1)
    messages = [line(), msgspec.json.encode(told).decode(), line(schema="zl.other.v1"), "no JSON", "[" * 100_000]
    aside: list[Aside] = []
    made = [record for _, record in records([LogEvent("1", 0, message) for message in messages], aside)]
    assert [type(one) for one in made] == [Record, Told]
    assert made[1] == told
    assert [one.event.message for one in aside] == messages[2:]


def test_of_many_lines_only_the_bad_ones_are_set_aside() -> None:
    good, bad = (
        line(predictions=[{"prediction_id": "zr1.a", "label": "yes", "features": ids}]) for ids in ([1], ["a"])
    )
    aside: list[Aside] = []
    messages = [bad if number in {3, 11, 12} else good for number in range(20)]
    some = [
        (event, record) for event, record in records([LogEvent(str(n), 0, m) for n, m in enumerate(messages)], aside)
    ]
    made = counted(some, Frame(), aside)  # type: ignore[arg-type] # all are records
    assert [one.event.id for one in aside] == ["3", "11", "12"]
    assert (made.n, made.requests, sum(made.tokens)) == (17, {"200": 17_000}, 170_000)
