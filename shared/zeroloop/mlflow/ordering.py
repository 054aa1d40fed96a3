"""The order of what a search finds, and the token that says where its next page begins. Pure."""

import json
import math
import shlex
import sys
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from zeroloop.digests import sha256
from zeroloop.errors import InvalidInput
from zeroloop.mlflow.grammar import ordering
from zeroloop.mlflow.kinds import EXPERIMENTS, LOGGED_MODELS, MODELS, RUNS, Kind
from zeroloop.mlflow.search import Value, identify

# Where a thing stands in an order: (0, value), or (1, None) for NaN, or (2, None) for what isn't there. JSON.
Position = tuple[tuple[int, Value], ...]


class Order(Struct, frozen=True):
    """One thing to sort by. A logged model's metric may be that on one dataset."""

    entity: str
    key: str
    ascending: bool = True
    dataset_name: str | None = None
    dataset_digest: str | None = None


def parse_order(order_by: Sequence[str], kind: Kind) -> tuple[Order, ...]:
    """What to sort by, down to what tells any two things apart.

    Raises
    ------
    InvalidInput
        Not `name`, `name ASC` or `name DESC`, not to be sorted by, or named twice.
    """
    asked = [_order(text, kind) for text in order_by]
    if len({(order.entity, order.key) for order in asked}) < len(asked) and kind is not EXPERIMENTS:
        raise _refused("the same thing is named twice")
    return _decided(asked or [Order("attribute", *order) for order in kind.order], kind)


def parse_logged_order(order_by: Sequence[Mapping[str, Any]], kind: Kind = LOGGED_MODELS) -> tuple[Order, ...]:
    """What to sort logged models by: each {field_name, ascending, dataset_name, dataset_digest}, the first a must.

    Raises
    ------
    InvalidInput
        A field is neither an attribute nor a metric.
    """
    asked = []
    for order in order_by:
        name = order.get("field_name") or ""
        if "." in name and not name.startswith("metrics."):
            raise _refused(f"sort by an attribute or a metric, not by {name[:40]!r}")
        if "." not in name and name not in kind.sortable:
            raise _refused(f"there is no attribute {name[:40]!r} here: it is one of {', '.join(kind.sortable)}")
        named = ("metric", name.removeprefix("metrics.")) if "." in name else ("attribute", kind.sortable[name])
        ascending = order.get("ascending", True) is not False
        asked.append(Order(*named, ascending, order.get("dataset_name"), order.get("dataset_digest")))
    return _decided(asked, kind)


def _order(text: str, kind: Kind) -> Order:
    name = ordering(text)
    try:
        words = shlex.split(name.replace("`", '"'))  # as stock does, with what follows for quotes within quotes
    except ValueError:
        raise _refused(f"a quote without its partner in {text[:40]!r}") from None
    if len(words) > 2 or (len(words) == 2 and words[1].lower() not in {"asc", "desc"}):
        raise _refused(f"write a name, or a name and ASC or DESC, instead of {text[:40]!r}")
    if len(words) == 2:
        name = words[0].strip()
    if kind is MODELS:
        if name not in kind.sortable:
            raise _refused(f"registered models are sorted by {', '.join(kind.sortable)}, not by {name[:40]!r}")
        entity, key = "attribute", kind.sortable[name]
    else:
        entity, key = identify(name, kind if kind is RUNS else EXPERIMENTS, kind.sortable, "order_by")
    if entity == "dataset" or (entity != "attribute" and kind is not RUNS):
        raise _refused(f"{kind.name} are not sorted by {entity}s")
    return Order(entity, key, len(words) < 2 or words[1].lower() == "asc")


def _decided(asked: Sequence[Order], kind: Kind) -> tuple[Order, ...]:
    named = {order.key for order in asked if order.entity == "attribute"}
    return (*asked, *(Order("attribute", key, ascending) for key, ascending in kind.ties if key not in named))


def position(orders: Sequence[Order], value_of: Callable[[Order], Value]) -> Position:
    """Where a thing with the values of `value_of` stands; an infinity is the largest float, as in stock's database."""
    return tuple(_placed(value_of(order)) for order in orders)


def _placed(value: Value) -> tuple[int, Value]:
    if value is None:
        return 2, None
    if not isinstance(value, float):
        return 0, value
    return (1, None) if math.isnan(value) else (0, min(max(value, -sys.float_info.max), sys.float_info.max))


class _Down:
    """A value that sorts the other way."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Down) and bool(self.value == other.value)

    def __lt__(self, other: "_Down") -> bool:
        return bool(other.value < self.value)

    __hash__ = None  # type: ignore[assignment] # never in a set


def sort_key(orders: Sequence[Order], position: Position) -> tuple[Any, ...]:
    """`position` as a key for `sorted`, and to compare with that of where a page ended.

    Any two keys of one order can be compared, also one from a token that somebody made up.
    """
    return tuple(
        (rank, isinstance(value, str), value if order.ascending else _down(value))
        for order, (rank, value) in zip(orders, position, strict=True)
    )


def _down(value: Value) -> Any:
    return -value if isinstance(value, int | float) else _Down(value)  # which costs a sort of thousands tenfold


class _Page(Struct, frozen=True, forbid_unknown_fields=True):
    v: Literal[1]
    h: str
    after: Position


def page_token(query: Any, after: Position) -> str:
    """The token of the page behind `after` of `query`: what is searched, filter, order and view, as JSON."""
    return urlsafe_b64encode(msgspec.json.encode(_Page(1, _hash(query), after))).decode()


def page_start(token: str, query: Any, orders: Sequence[Order]) -> Position:
    """Behind what the page of `token` begins.

    Raises
    ------
    InvalidInput
        Not a token, or another query's.
    """
    try:
        page = msgspec.json.decode(urlsafe_b64decode(token), type=_Page)
    except ValueError:  # not base64, not UTF-8, not JSON, not a page
        raise _refused("not a page token: hand it back as it came", "page_token") from None
    if page.h != _hash(query) or len(page.after) != len(orders):
        raise _refused("the page token of another search: filter and order must stay as they were", "page_token")
    if any((value is None) == (rank == 0) for rank, value in page.after):
        raise _refused("not a page token: hand it back as it came", "page_token")
    return page.after


def _hash(query: Any) -> str:
    return sha256(json.dumps(query).encode())[:16]


def _refused(message: str, field: str = "order_by") -> InvalidInput:
    return InvalidInput(message, field=field)
