"""A search over things that were read: those that meet its filter, in its order, a page of them. Pure."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeVar

import msgspec
from msgspec import UNSET, UnsetType, field

from zeroloop.errors import InvalidInput
from zeroloop.mlflow.kinds import Kind
from zeroloop.mlflow.ordering import Order, Position, page_start, page_token, parse_order, position, sort_key
from zeroloop.mlflow.search import Lookup, Value, matches, parse
from zeroloop.mlflow.wire import Message, answer_bytes

# Of what Lambda answers; a page that would be more ends early, and clients follow its token.
MAX_PAGE_BYTES = 5_500_000

T = TypeVar("T")
S = TypeVar("S")


class Search(Message):
    """What is searched for."""

    filter: str = ""
    max_results: int | UnsetType = UNSET
    order_by: list[str] = field(default_factory=list)
    page_token: str = ""


class Query:
    """What is asked of a kind of things, `default` of them a page and `most` at the most.

    Raises
    ------
    InvalidInput
        Names what can't be asked: `filter`, `order_by`, `page_token` or `max_results`.
    """

    def __init__(self, kind: Kind, asked: Search, *, default: int, most: int) -> None:
        self._size = default if asked.max_results is UNSET else asked.max_results
        if not 0 < self._size <= most:
            raise InvalidInput(f"max_results is 1 to {most:,}, not {self._size}", field="max_results")
        self._clauses = parse(asked.filter, kind)
        self._orders = parse_order(asked.order_by, kind)
        self._query = [kind.name, asked.filter, asked.order_by]
        self._after = page_start(asked.page_token, self._query, self._orders) if asked.page_token else None

    def may_be_called(self, name: str) -> bool:
        """Whether the filter lets a thing of that name through: all that needs to be known before it is read."""
        named = [clause for clause in self._clauses if (clause.entity, clause.key) == ("attribute", "name")]
        return all(matches(clause, lambda _entity, _key: name) for clause in named)

    def page(self, found: Iterable[tuple[T, Lookup]], show: Callable[[T], S]) -> tuple[list[S], str]:
        """The page, each thing as `show` shows it, and the token of the next one; empty after the last."""
        places = sorted(
            ((sort_key(self._orders, place), place, thing) for thing, place in self._placed(found)),
            key=lambda placed: placed[0],
        )
        if self._after is not None:
            start = sort_key(self._orders, self._after)
            places = [placed for placed in places if start < placed[0]]
        shown: list[S] = []
        room = MAX_PAGE_BYTES
        for _, _, thing in places[: self._size]:
            seen = show(thing)
            room -= answer_bytes(msgspec.json.encode(seen))
            if shown and room < 0:
                break
            shown.append(seen)
        more = len(shown) < len(places)
        return shown, page_token(self._query, places[len(shown) - 1][1]) if more else ""

    def _placed(self, found: Iterable[tuple[T, Lookup]]) -> Iterable[tuple[T, Position]]:
        for thing, lookup in found:
            if all(matches(clause, lookup) for clause in self._clauses):
                yield thing, position(self._orders, partial(_valued, lookup))


def _valued(lookup: Lookup, order: Order) -> Value:
    found = lookup(order.entity, order.key)
    return None if isinstance(found, tuple) else found
