"""Faults by seed: the same again, seen by botocore's retries, carried out only where the answer got lost."""

import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import botocore.endpoint
import botocore.session
import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError
from moto import mock_aws
from pynamodb.connection import Connection
from pynamodb.exceptions import TransactWriteError
from pynamodb.transactions import TransactWrite

from tests.aws_chaos import Chaos
from tests.aws_limits import KB, Limits
from tests.unit.wire import (
    KEYS,
    ONE_ATTEMPT,
    RETRIES,
    T,
    Thing,
    Wire,
    create,
    key,
    new_session,
    put,
    puts,
    refusal,
    sized,
    update,
)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)


@pytest.fixture
def moto() -> Iterator[Any]:
    with mock_aws():
        yield new_session().create_client("dynamodb", "eu-west-1", config=RETRIES)


def fates(seed: int, calls: int = 60, **rates: float) -> tuple[list[str], Chaos]:
    """What one client saw: a code, an exception's name or `ok`."""
    wire = Wire()
    chaos = Chaos(seed, **rates).install(wire.session)  # type: ignore[arg-type]
    client = wire.session.create_client("dynamodb", "eu-west-1", config=ONE_ATTEMPT)
    with chaos:
        return [fate(client) for _ in range(calls)], chaos


def fate(client: Any) -> str:
    try:
        client.put_item(**put(key()))
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    except (ReadTimeoutError, ConnectionClosedError) as error:
        return type(error).__name__
    return "ok"


def test_a_seed_is_a_fate() -> None:
    seen, chaos = fates(7, throttle=0.2, conflict=0.2, server_error=0.1, lost_answer=0.1)
    again, _ = fates(7, throttle=0.2, conflict=0.2, server_error=0.1, lost_answer=0.1)
    other, _ = fates(8, throttle=0.2, conflict=0.2, server_error=0.1, lost_answer=0.1)
    assert seen == again != other
    assert set(seen) == {
        "ok",
        "ThrottlingException",
        "ProvisionedThroughputExceededException",
        "TransactionConflictException",
        "InternalServerError",
        "ReadTimeoutError",
        "ConnectionClosedError",
    }
    assert sum(chaos.injected.values()) == len(seen) - seen.count("ok")
    assert chaos.injected["dynamodb.PutItem", "conflict"] == seen.count("TransactionConflictException")


def test_threads_share_the_fates_of_a_seed() -> None:
    chaos = Chaos(7, throttle=0.5)
    drawn: list[str | None] = []

    def draw() -> None:
        drawn.extend([chaos.draw("s3.PutObject")[0] for _ in range(50)])

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alone = Chaos(7, throttle=0.5)
    assert Counter(drawn) == Counter(alone.draw("s3.PutObject")[0] for _ in range(200))
    assert chaos.injected == alone.injected


def only(fault: str, **more: Any) -> dict[str, Any]:
    return {"throttle": 0.0, "conflict": 0.0, "server_error": 0.0, "lost_answer": 0.0, fault: 1.0, **more}


@pytest.mark.parametrize(
    ("call_name", "params", "fault", "codes", "status"),
    [
        ("s3.GetObject", {"Bucket": "b", "Key": "k"}, "throttle", {"SlowDown"}, 503),
        ("s3.GetObject", {"Bucket": "b", "Key": "k"}, "server_error", {"InternalError"}, 500),
        ("lambda.Invoke", {"FunctionName": "f"}, "throttle", {"TooManyRequestsException"}, 429),
        ("lambda.Invoke", {"FunctionName": "f"}, "server_error", {"ServiceException"}, 500),
        ("dynamodb.GetItem", {"TableName": T, "Key": key()}, "server_error", {"InternalServerError"}, 500),
        (
            "dynamodb.GetItem",
            {"TableName": T, "Key": key()},
            "throttle",
            {"ThrottlingException", "ProvisionedThroughputExceededException"},
            400,
        ),
    ],
)
def test_botocore_retries_what_is_injected(
    call_name: str, params: dict[str, Any], fault: str, codes: set[str], status: int
) -> None:
    wire = Wire()
    with Chaos(1, **only(fault)).install(wire.session) as chaos:
        service, _, operation = call_name.partition(".")
        error = refusal(wire, service, operation, params)
    assert error.response["Error"]["Code"] in codes
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == status
    assert error.response["ResponseMetadata"]["RetryAttempts"] == 2
    assert chaos.injected == {(call_name, fault): 3}


def test_a_lost_answer_was_carried_out_once(moto: Any) -> None:
    create(moto)
    single = new_session().create_client("dynamodb", "eu-west-1", config=ONE_ATTEMPT)
    with (
        Chaos(1, **only("lost_answer", only=("dynamodb.UpdateItem",))).install(single) as chaos,
        pytest.raises((ReadTimeoutError, ConnectionClosedError)),
    ):
        single.update_item(**update("ADD n :n", {":n": {"N": "1"}}))
    assert moto.get_item(TableName=T, Key=key())["Item"]["n"] == {"N": "1"}
    assert chaos.injected == {("dynamodb.UpdateItem", "lost_answer"): 1}


def test_a_retry_after_a_lost_answer_does_it_again(moto: Any) -> None:
    create(moto)
    with (
        Chaos(1, **only("lost_answer", only=("dynamodb.UpdateItem",))).install(moto),
        pytest.raises(Exception, match="lost"),
    ):
        moto.update_item(**update("ADD n :n", {":n": {"N": "1"}}))
    assert moto.get_item(TableName=T, Key=key())["Item"]["n"] == {"N": "3"}


def test_moto_does_not_carry_out_what_was_throttled(moto: Any) -> None:
    create(moto)
    with Chaos(1, **only("throttle", only=("dynamodb.PutItem",))).install(moto), pytest.raises(ClientError):
        moto.put_item(**put(key()))
    assert "Item" not in moto.get_item(TableName=T, Key=key())


def test_a_conflict_cancels_the_transaction_and_names_one_action(moto: Any) -> None:
    create(moto)
    with Chaos(3, **only("conflict")).install(moto) as chaos:
        with pytest.raises(moto.exceptions.TransactionCanceledException) as caught:
            moto.transact_write_items(**puts(key(1), key(2), key(3)))
        codes = [reason["Code"] for reason in caught.value.response["CancellationReasons"]]
        assert sorted(codes) == ["None", "None", "TransactionConflict"]
        assert f"[{', '.join(codes)}]" in caught.value.response["Error"]["Message"]
        assert chaos.injected == {("dynamodb.TransactWriteItems", "conflict"): 1}  # botocore does not retry it
    assert moto.scan(TableName=T)["Count"] == 0


def test_pynamodb_sees_the_conflict(moto: Any) -> None:
    create(moto)
    with (
        Chaos(3, **only("conflict")).install(),
        pytest.raises(TransactWriteError) as caught,
        TransactWrite(connection=Connection(region="eu-west-1")) as transaction,
    ):
        transaction.save(Thing("p", "s"))
    assert [reason.code for reason in caught.value.cancellation_reasons if reason] == ["TransactionConflict"]


def test_chaos_leaves_and_the_limits_stay() -> None:
    with Limits(KEYS).install():
        Chaos(1).install().uninstall()
        refusal(Wire(), "dynamodb", "PutItem", put(sized(400 * KB + 1)))


def test_without_chaos_the_exchange_is_botocores_own() -> None:
    before = botocore.endpoint.Endpoint._do_get_response  # type: ignore[attr-defined]
    first, second = Chaos(1).install(botocore.session.Session()), Chaos(2).install(botocore.session.Session())
    first.uninstall()
    assert botocore.endpoint.Endpoint._do_get_response is not before  # type: ignore[attr-defined]
    second.uninstall()
    assert botocore.endpoint.Endpoint._do_get_response is before  # type: ignore[attr-defined]
