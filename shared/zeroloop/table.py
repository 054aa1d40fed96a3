"""DynamoDB through PynamoDB: what every store shares. Rows and driver errors never pass this edge and the stores."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, NoReturn

from pynamodb.attributes import Attribute, UnicodeAttribute
from pynamodb.connection import Connection
from pynamodb.constants import NUMBER
from pynamodb.exceptions import PynamoDBException, TransactWriteError
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from zeroloop import clock
from zeroloop.errors import Conflict, Unavailable

Action = Callable[[TransactWrite], None]

# Nobody was told no: another transaction touched the same item, or a limit was met. Trying again is right.
_PASSING = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}
_PASSING_ERRORS = {
    "TransactionInProgressException",
    "ThrottlingException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
}
_ATTEMPTS = 10
# A function answers within 29 s, and each try may wait for botocore's own.
_PATIENCE_SECONDS = 8.0


class IntAttribute(Attribute[int]):
    """A whole number; PynamoDB's own NumberAttribute reads as float."""

    attr_type = NUMBER

    def serialize(self, value: int) -> str:
        """DynamoDB carries numbers as text."""
        return str(int(value))

    def deserialize(self, value: str) -> int:
        """The number that `serialize` wrote."""
        return int(value)


class Row(Model):
    """A row of a table keyed by `pk` and `sk`, both text."""

    class Meta:
        """What PynamoDB wants of every class; `bind` gives each its own."""

        table_name = "bound at cold start"

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)


def bind(table: str, *rows: type[Row]) -> None:
    """Point row classes at a deployed table, once at cold start: names are not known at import.

    All share one client: PynamoDB would make one a class, 60 ms each.
    """
    for row in rows:
        setattr(row, "Meta", type("Meta", (Row.Meta,), {"table_name": table}))  # noqa: B010 - one a class, not Row's
        row._get_connection().connection._client = _connection().client  # noqa: SLF001 - it has no public seam


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Driver errors as our kinds: a failed condition is Conflict, all else Unavailable; the cause is kept.

    `what` says in a few words what was asked for, for the message.
    """
    try:
        yield
    except PynamoDBException as error:
        _refuse(what, error)


def commit(what: str, *actions: Action) -> None:
    """Run `actions` as one TransactWriteItems: all of them or none.

    The SDK repeats a lost answer under one client token, so that nothing is done twice; what passes (another
    transaction on the same item, a throttle) is tried again with jitter.

    Raises
    ------
    Conflict
        A condition failed.
    Unavailable
        DynamoDB didn't answer, or was busy for all tries.
    """
    token, deadline = clock.new_id(), clock.monotonic() + _PATIENCE_SECONDS
    for attempt in range(_ATTEMPTS):
        try:
            with TransactWrite(connection=_connection(), client_request_token=token) as transaction:
                for action in actions:
                    action(transaction)
        except TransactWriteError as error:
            late = attempt + 1 == _ATTEMPTS or clock.monotonic() > deadline
            if late or not _passes(error):
                _refuse(what, error)
            clock.sleep(clock.pause_seconds(attempt))
        else:
            return


@cache
def _connection() -> Connection:
    return Connection()  # a new one would build a new client, 50 ms each time


def _passes(error: TransactWriteError) -> bool:
    codes = _reasons(error)
    return _code(error) in _PASSING_ERRORS or (bool(codes) and codes <= _PASSING)


def _code(error: PynamoDBException) -> str:
    """DynamoDB's code of the error; empty where it gave none: the error's own property fails there."""
    response = getattr(error.cause, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def _reasons(error: TransactWriteError) -> set[str]:
    return {reason.code for reason in error.cancellation_reasons if reason and reason.code != "None"}


def _refuse(what: str, error: PynamoDBException) -> NoReturn:
    failed_condition = _code(error) == "ConditionalCheckFailedException" or (
        isinstance(error, TransactWriteError) and "ConditionalCheckFailed" in _reasons(error)
    )
    if failed_condition:
        raise Conflict(f"{what} was changed by someone else meanwhile") from error
    raise Unavailable(f"{what}: the database did not answer; try again") from error


def save(row: Row, condition: Any = None) -> Action:
    """Put `row` under `condition`."""
    return lambda transaction: transaction.save(row, condition=condition)


def update(row: Row, actions: list[Any], condition: Any = None) -> Action:
    """Apply update `actions` to the item that `row` keys."""
    return lambda transaction: transaction.update(row, actions=actions, condition=condition)


def check(row: Row, condition: Any) -> Action:
    """Do nothing to the item that `row` keys, but fail the transaction unless it meets `condition`."""
    return lambda transaction: transaction.condition_check(type(row), row.pk, row.sk, condition)


def delete(row: Row, condition: Any = None) -> Action:
    """Delete the item that `row` keys under `condition`; one that isn't there is deleted already."""
    return lambda transaction: transaction.delete(row, condition=condition)
