"""DynamoDB for the tracker and for monitoring: items as plain values, one signed request a call.

Stands in for PynamoDB there (`table`): that costs a cold start 222 ms and an update 1.4 ms of CPU. Every write here may
run twice, because an answer may be lost: callers make them so that the second one changes nothing.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct, field

from zeroloop import clock
from zeroloop.errors import Conflict, InvalidInput, Unavailable
from zeroloop.signed import Refused, Session

Key = tuple[str, str]
Item = dict[str, Any]
"""Attributes by name: text, whole numbers, bytes, booleans, lists and maps of these."""

# A function answers within 29 s, and one request of ours makes several of these.
_PATIENCE_SECONDS = 8.0
_ATTEMPTS = 12
_KEYS_A_BATCH = 100
_BUSY = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}


class _Value(Struct, gc=False):  # never in a cycle, and there are thousands
    """An attribute as DynamoDB writes it."""

    S: str | None = None
    N: str | None = None
    B: bytes | None = None
    BOOL: bool | None = None
    M: "dict[str, _Value] | None" = None
    L: "list[_Value] | None" = None


_Row = dict[str, _Value]


class _Got(Struct):
    Item: _Row | None = None


class _Found(Struct):
    Items: list[_Row] = field(default_factory=list)
    LastEvaluatedKey: dict[str, Any] | None = None


class _Batch(Struct):
    Responses: dict[str, list[_Row]] = field(default_factory=dict)
    UnprocessedKeys: dict[str, Any] = field(default_factory=dict)


class _Reason(Struct):
    Code: str = ""


class _Cancelled(Struct):
    CancellationReasons: list[_Reason] = field(default_factory=list)


class ConditionFailed(Conflict):
    """The condition of a write didn't hold; `item` is what stood there, None if nothing did."""

    def __init__(self, what: str, item: Item | None = None) -> None:
        super().__init__(f"{what} was changed by someone else meanwhile")
        self.item = item


class TooLarge(InvalidInput):
    """An item would be above 400 KB, or what is written together above 4 MB."""

    code = "too_large"


class Table:
    """A table keyed by `pk` and `sk`, both text. Not for use by several threads at once: one each."""

    def __init__(self, name: str, session: Session) -> None:
        self._name = name
        self._session = session

    def get(self, keys: Sequence[Key]) -> list[Item]:
        """The items of `keys` that exist, strongly consistent, in any order: one call for each 100, plus retries."""
        found: list[Item] = []
        for start in range(0, len(keys), _KEYS_A_BATCH):
            found += self._get_batch([_key(key) for key in keys[start : start + _KEYS_A_BATCH]])
        return found

    def _get_batch(self, keys: list[dict[str, Any]]) -> list[Item]:
        found: list[Item] = []
        for attempt in range(_ATTEMPTS):
            asked = {self._name: {"Keys": keys, "ConsistentRead": True}}
            batch = msgspec.json.decode(self._call("BatchGetItem", {"RequestItems": asked}), type=_Batch)
            found += [_plain(row) for row in batch.Responses.get(self._name, [])]
            if self._name not in batch.UnprocessedKeys:
                return found
            keys = batch.UnprocessedKeys[self._name]["Keys"]
            clock.sleep(clock.pause_seconds(attempt))
        raise Unavailable("the database is busy; try again")

    def query(  # noqa: PLR0913 - what a read may say
        self,
        pk: str,
        *,
        first: str | None = None,
        last: str | None = None,
        prefix: str | None = None,
        fields: Sequence[Sequence[str]] = (),
        limit: int | None = None,
        backwards: bool = False,
    ) -> Iterator[Item]:
        """Items of a partition in key order, or `backwards`, strongly consistent.

        From sort key `first` on, and only to `last` with it, or those that begin with `prefix`; of each only `fields`
        (paths: `("m", "loss")`), if any are named. Reads a page of 1 MB, or of `limit` items, at a time, as the caller
        goes on.
        """
        asked = self._query(pk, first, prefix, fields)
        if last is not None:
            asked["KeyConditionExpression"] = "pk = :pk AND sk BETWEEN :sk AND :last"
            asked["ExpressionAttributeValues"][":last"] = _encode(last)
        if limit:
            asked["Limit"] = limit
        if backwards:
            asked["ScanIndexForward"] = False
        while True:
            page = msgspec.json.decode(self._call("Query", asked), type=_Found)
            yield from map(_plain, page.Items)
            if not page.LastEvaluatedKey:
                return
            asked["ExclusiveStartKey"] = page.LastEvaluatedKey

    def _query(self, pk: str, first: str | None, prefix: str | None, fields: Sequence[Sequence[str]]) -> dict[str, Any]:
        condition, values = "pk = :pk", {":pk": pk}
        if first is not None:
            condition, values = f"{condition} AND sk >= :sk", {**values, ":sk": first}
        elif prefix is not None:
            condition, values = f"{condition} AND begins_with(sk, :sk)", {**values, ":sk": prefix}
        asked = {
            "TableName": self._name,
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": _encode_all(values),
            "ConsistentRead": True,
        }
        if fields:
            names = {
                name: f"#f{number}" for number, name in enumerate(dict.fromkeys(n for path in fields for n in path))
            }
            asked["ProjectionExpression"] = ", ".join(".".join(names[name] for name in path) for path in fields)
            asked["ExpressionAttributeNames"] = {short: name for name, short in names.items()}
        return asked

    def put(self, item: Item) -> None:
        """Write `item`, whatever stood there; TooLarge."""
        try:
            self._call("PutItem", {"TableName": self._name, "Item": _encode_all(item)})
        except Refused as refused:
            raise _refused("the item", refused) from refused

    def update(self, key: Key, change: "Update", what: str) -> None:
        """Change one item.

        Raises
        ------
        ConditionFailed
        TooLarge
        """
        asked = {**change.asked(self._name, key), "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        try:
            self._call("UpdateItem", asked)
        except Refused as refused:
            if refused.code != "ConditionalCheckFailedException":
                raise _refused(what, refused) from refused
            row = msgspec.json.decode(refused.answer, type=_Got).Item
            raise ConditionFailed(what, _plain(row) if row else None) from refused

    def write(self, what: str, *actions: "Action") -> None:
        """Do all of `actions`, or none, under one client token: a lost answer does nothing twice.

        Raises
        ------
        ConditionFailed
            A condition of one of them; it doesn't say what stood there.
        TooLarge
        Unavailable
            Busy for all tries.
        """
        asked = {"TransactItems": [action(self._name) for action in actions], "ClientRequestToken": clock.new_id()}
        for attempt in range(_ATTEMPTS):
            try:
                self._call("TransactWriteItems", asked)
            except Refused as refused:
                codes = _reasons(refused)
                if "ConditionalCheckFailed" in codes:
                    raise ConditionFailed(what) from refused
                if refused.code != "TransactionInProgressException" and not (codes and codes <= _BUSY):
                    raise _refused(what, refused) from refused
                clock.sleep(clock.pause_seconds(attempt))
            else:
                return
        raise Unavailable(f"{what}: the database is busy; try again")

    def _call(self, operation: str, asked: dict[str, Any]) -> bytes:
        return self._session.call("dynamodb", f"DynamoDB_20120810.{operation}", asked, timeout=_PATIENCE_SECONDS)


class Update(Struct, frozen=True):
    """An update expression, its condition if it has one, and the names (`#n`) and values (`:v`) in them."""

    expression: str
    condition: str = ""
    names: dict[str, str] = field(default_factory=dict)
    values: Item = field(default_factory=dict)

    def asked(self, table: str, key: Key) -> dict[str, Any]:
        """The request's fields, alike for one update and for one in a transaction."""
        asked = {
            "TableName": table,
            "Key": _key(key),
            "UpdateExpression": self.expression,
        }
        if self.condition:
            asked["ConditionExpression"] = self.condition
        if self.names:
            asked["ExpressionAttributeNames"] = self.names
        if self.values:
            asked["ExpressionAttributeValues"] = _encode_all(self.values)
        return asked


class Action:
    """One of several writes that are done together."""

    def __init__(self, kind: str, asked: dict[str, Any]) -> None:
        self._kind = kind
        self._asked = asked

    def __call__(self, table: str) -> dict[str, Any]:
        """The action as TransactWriteItems takes it."""
        return {self._kind: {**self._asked, "TableName": table}}


def save(item: Item, condition: str | None = None, **values: Any) -> Action:
    """Put `item` under `condition`, in which `values` are `:name`."""
    asked: dict[str, Any] = {"Item": _encode_all(item)}
    if condition:
        asked["ConditionExpression"] = condition
    if values:
        asked["ExpressionAttributeValues"] = _encode_all({f":{name}": value for name, value in values.items()})
    return Action("Put", asked)


def change(key: Key, update: Update) -> Action:
    """Do `update` to the item."""
    return Action("Update", update.asked("", key))


def remove(key: Key) -> Action:
    """Delete the item, if there is one."""
    return Action("Delete", {"Key": _key(key)})


def _refused(what: str, refused: Refused) -> TooLarge | Unavailable:
    """Why a write failed. Its expressions are ours: what can be invalid is the size of what was sent."""
    if refused.code == "ValidationException" or "ValidationError" in _reasons(refused):
        return TooLarge(f"{what} would hold more than fits: send less, or shorter texts")
    return Unavailable(f"{what}: the database did not answer; try again")


def _reasons(refused: Refused) -> set[str]:
    if refused.code != "TransactionCanceledException":
        return set()
    reasons = msgspec.json.decode(refused.answer, type=_Cancelled).CancellationReasons
    return {reason.Code for reason in reasons} - {"None", ""}


def _key(key: Key) -> dict[str, Any]:
    return {"pk": {"S": key[0]}, "sk": {"S": key[1]}}


def _encode_all(item: Item) -> dict[str, Any]:
    return {name: _encode(value) for name, value in item.items()}


def _encode(value: Any) -> dict[str, Any]:
    match value:
        case str():
            return {"S": value}
        case bool():
            return {"BOOL": value}
        case int():
            return {"N": str(value)}
        case bytes():
            return {"B": value}  # which JSON carries as base64
        case dict():
            return {"M": _encode_all(value)}
        case _:
            return {"L": [_encode(inner) for inner in value]}


def _plain(row: _Row) -> Item:
    return {name: _decode(value) for name, value in row.items()}


def _decode(value: _Value) -> Any:
    if value.S is not None:
        return value.S
    if value.B is not None:
        return value.B
    if value.N is not None:
        return int(value.N)
    if value.M is not None:
        return _plain(value.M)
    if value.L is not None:
        return [_decode(inner) for inner in value.L]
    return value.BOOL
