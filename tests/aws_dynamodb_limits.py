"""What DynamoDB refuses. Numbers: docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html.

Wording and item arithmetic follow the answers of real tables recorded by github.com/paritysuite/dynamodb-conformance
(2026). Messages differ between regions there; ours are one region's. The wording for the 2 MB of placeholders and the
4 MB of a transaction is not recorded anywhere we know: there, rely on the code only.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from tests.aws_dynamodb_expressions import PLACEHOLDER, Params, check_expressions, names
from tests.aws_dynamodb_items import Item, item_bytes, value_bytes
from tests.aws_hook import Refused, invalid

ITEM_BYTES = 400 * 1024
TRANSACTION_BYTES = 4 * 1024 * 1024
KEY_BYTES = (2048, 1024)  # partition key, sort key
ACTIONS = 100
BATCH_WRITES = 25
BATCH_GETS = 100
UPDATE_TOO_LARGE = "Item size to update has exceeded the maximum allowed size"


class Tables:
    """Key names of tables and indexes, partition key first.

    Given, or learnt from the answers of CreateTable and DescribeTable; from `Key` arguments only the names, not which
    is which. What is not known is not refused.
    """

    def __init__(self, keys: Mapping[str, tuple[str, ...]]) -> None:
        self._keys: dict[tuple[str, str | None], tuple[str, ...]] = {(table, None): key for table, key in keys.items()}
        self._seen: dict[str, tuple[str, ...]] = {}

    def learn(self, description: Params) -> None:
        """Take over the `Table` of an answer."""
        table = description["TableName"]
        indexes = description.get("GlobalSecondaryIndexes", []) + description.get("LocalSecondaryIndexes", [])
        for owner in [description, *indexes]:
            ordered = sorted(owner["KeySchema"], key=lambda element: element["KeyType"])  # HASH before RANGE
            self._keys[table, owner.get("IndexName")] = tuple(element["AttributeName"] for element in ordered)

    def see(self, table: str, key: Item) -> None:
        """Note the attributes of a `Key` argument."""
        self._seen[table] = tuple(sorted(key))

    def key(self, table: str, index: str | None = None) -> tuple[str, ...]:
        """Partition key and sort key; empty where unknown."""
        return self._keys.get((table, index), ())

    def names(self, table: str) -> tuple[str, ...]:
        """The attributes that identify an item, in no particular order."""
        return self.key(table) or self._seen.get(table, ())

    def indexes(self, table: str) -> list[tuple[str, tuple[str, ...]]]:
        """Names and keys of the table's indexes."""
        return [(index, key) for (owner, index), key in self._keys.items() if owner == table and index]


def check(operation: str, params: Params, tables: Tables) -> None:
    """Refuse what the service refuses from the request alone, in the order in which it looks.

    Raises
    ------
    Refused
        With the service's code: ValidationException, or TransactionCanceledException where a transaction fails late.
    """
    check_counts(operation, params)
    for table, kind, part in parts(operation, params):
        check_expressions(part)
        check_filter(part, tables.key(table, part.get("IndexName")))
        if "Item" in part:
            check_item(part["Item"], table, tables)
        for key in part.get("Keys") or [part["Key"]] if "Key" in part or "Keys" in part else []:
            tables.see(table, key)
            check_key(key, tables.key(table))
        if kind == "UpdateItem":
            check_update(part)
    if operation.startswith(("Transact", "Batch")):
        check_duplicates(operation, params, tables)
    if operation.startswith("Transact"):
        check_transaction(operation, params)


def parts(operation: str, params: Params) -> list[tuple[str, str, Params]]:
    """The single requests in a call: (table, kind, arguments)."""
    if operation.startswith("Transact"):
        return [_part(kind, part) for action in params["TransactItems"] for kind, part in action.items()]
    if operation == "BatchGetItem":
        return [(_table(table), operation, part) for table, part in params["RequestItems"].items()]
    if operation == "BatchWriteItem":
        batches = params["RequestItems"].items()
        return [(_table(t), kind, part) for t, writes in batches for write in writes for kind, part in write.items()]
    return [_part(operation, params)] if "TableName" in params else []


def _part(kind: str, part: Params) -> tuple[str, str, Params]:
    return _table(part["TableName"]), kind, part


def check_counts(operation: str, params: Params) -> None:
    """How many actions, writes or keys one call may carry."""
    if operation in {"TransactWriteItems", "TransactGetItems"} and len(params["TransactItems"]) > ACTIONS:
        raise _too_long("TransactItems", ACTIONS)
    if operation == "BatchWriteItem":
        _check_batch(operation, {t: len(w) for t, w in params["RequestItems"].items()}, BATCH_WRITES, "member")
    if operation == "BatchGetItem":
        counts = {table: len(part["Keys"]) for table, part in params["RequestItems"].items()}
        _check_batch(operation, counts, BATCH_GETS, "member.Keys")


def _check_batch(operation: str, counts: Mapping[str, int], most: int, member: str) -> None:
    for table, count in counts.items():
        if count > most:
            raise _too_long(f"RequestItems.{table}.{member}", most)
    if sum(counts.values()) > most:
        raise invalid(f"Too many items requested for the {operation} call")


def check_filter(part: Params, key: tuple[str, ...]) -> None:
    """A query's filter may not name a key of what it queries; a scan's may."""
    if "KeyConditionExpression" not in part or not part.get("FilterExpression"):
        return
    keys = {*key, *names(part["KeyConditionExpression"], part)}
    for name in names(part["FilterExpression"], part):
        if name in keys:
            message = "Filter Expression can only contain non-primary key attributes: Primary key attribute:"
            raise invalid(f"{message} {name}")


def check_item(item: Item, table: str, tables: Tables) -> None:
    """Size of a put, and its key values, those of indexes included."""
    if item_bytes(item) > ITEM_BYTES:
        raise invalid("Item size has exceeded the maximum allowed size")
    key = tables.key(table)
    check_key({name: item[name] for name in key if name in item}, key)
    for index, index_key in tables.indexes(table):
        check_key({name: item[name] for name in index_key if name in item}, index_key, index)


def check_update(part: Params) -> None:
    """The values of an update alone make the item too large; the rest of the item is not known here."""
    if _update_bytes(part) > ITEM_BYTES:
        raise invalid(UPDATE_TOO_LARGE)


def check_key(values: Item, schema: tuple[str, ...], index: str | None = None) -> None:
    """Not empty, and at most 2048 bytes for a partition key, 1024 for a sort key."""
    most = dict(zip(schema, KEY_BYTES, strict=False))
    for name, value in values.items():
        size = value_bytes(value)
        if not size:
            raise _empty_key(name, "binary" if "B" in value else "string", index)
        if size > most.get(name, KEY_BYTES[0]):
            raise _long_key(partition=most.get(name) != KEY_BYTES[1])


def _empty_key(name: str, kind: str, index: str | None) -> Refused:
    empty = f"The AttributeValue for a key attribute cannot contain an empty {kind} value."
    if index is None:
        return invalid(f"One or more parameter values are not valid. {empty} Key: {name}")
    unsupported = "A value specified for a secondary index key is not supported."
    return invalid(
        f"One or more parameter values are not valid. {unsupported} {empty} IndexName: {index}, IndexKey: {name}"
    )


def _long_key(*, partition: bool) -> Refused:
    wrong = "One or more parameter values were invalid:"
    if partition:
        return invalid(f"{wrong} Size of hashkey has exceeded the maximum size limit of2048 bytes")  # sic
    return invalid(f"{wrong} Aggregated size of all range keys has exceeded the size limit of 1024 bytes")


def check_duplicates(operation: str, params: Params, tables: Tables) -> None:
    """A transaction or a batch names an item once."""
    targets = [_target(table, key, tables) for table, _, part in parts(operation, params) for key in _subjects(part)]
    if len(set(targets)) == len(targets):
        return
    if operation.startswith("Transact"):
        raise invalid("Transaction request cannot include multiple operations on one item")
    raise invalid("Provided list of item keys contains duplicates")


def check_transaction(operation: str, params: Params) -> None:
    """4 MB together, what is stored already not counted, and no update that can only fail."""
    actions = [(kind, part) for _, kind, part in parts(operation, params)]
    total = sum(item_bytes(part["Item"]) if "Item" in part else _update_bytes(part) for _, part in actions)
    if total > TRANSACTION_BYTES:
        raise invalid("The aggregate size of the items in the transaction exceeds 4 MB")
    too_large = [kind == "Update" and _update_bytes(part) > ITEM_BYTES for kind, part in actions]
    if any(too_large):
        reason = {"Code": "ValidationError", "Message": UPDATE_TOO_LARGE}
        raise cancelled([reason if large else {"Code": "None"} for large in too_large])


def _subjects(part: Params) -> list[Item]:
    """Keys, or the item of a put."""
    return part.get("Keys") or [part.get("Key") or part["Item"]]


def _target(table: str, values: Item, tables: Tables) -> tuple[str, frozenset[tuple[str, str]]]:
    """Table and key; the whole item where the key's names are unknown."""
    names = tables.names(table) or tuple(values)
    return table, frozenset((name, str(values[name])) for name in names if name in values)


def _update_bytes(part: Params) -> int:
    used = set(PLACEHOLDER.findall(part.get("UpdateExpression") or ""))
    values = part.get("ExpressionAttributeValues") or {}
    return item_bytes(part["Key"]) + sum(value_bytes(value) for name, value in values.items() if name in used)


def cancelled(reasons: list[dict[str, str]]) -> Refused:
    """The cancellation of a transaction, one reason an action."""
    codes = ", ".join(reason["Code"] for reason in reasons)
    message = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
    return Refused("TransactionCanceledException", message, Message=message, CancellationReasons=reasons)


def _table(name: str) -> str:
    return name.rsplit("/", 1)[-1]  # an ARN is accepted where a name is


def _too_long(member: str, most: int) -> Refused:
    constraint = f"failed to satisfy constraint: Member must have length less than or equal to {most}"
    return invalid(f"1 validation error detected: Value at '{member}' {constraint}")


def described(parsed: Mapping[str, Any]) -> Iterable[Params]:
    """The table descriptions in an answer."""
    return [parsed[name] for name in ("Table", "TableDescription") if name in parsed]
