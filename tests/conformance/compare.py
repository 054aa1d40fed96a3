"""Two recordings field by field, and the one table of what may differ between them."""

import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple


class Answer(NamedTuple):
    """An answer as compared: JSON where it is some, text otherwise."""

    status: int
    body: Any


class Difference(NamedTuple):
    """Where two answers to one case differ; `where` is `status` or a path such as `body/runs/0/info/end_time`."""

    case: str
    where: str
    stock: Any
    ours: Any

    def __str__(self) -> str:
        return f"{self.case}: {self.where}: stock {_short(self.stock)}, ours {_short(self.ours)}"


class Missing:
    """What stands for a field that isn't there."""

    def __repr__(self) -> str:
        return "nothing"


MISSING = Missing()


class Ignored(NamedTuple):
    """What may differ: the patterns of cases and places (a `*` takes slashes too), and why it may."""

    case: str
    where: str
    reason: str
    anything: bool = False
    """False: only the value may differ, of something that both have and of one type."""

    def covers(self, difference: Difference) -> bool:
        """Whether it excuses this difference."""
        return (
            fnmatchcase(difference.case, self.case)
            and fnmatchcase(difference.where, self.where)
            and (self.anything or type(difference.stock) is type(difference.ours))
        )


TIME = "a time of the server's own"
STORE = "where artifacts lie is each server's own"
WORDING = "an error's wording is ours; status and code are compared"
PARSED = "stock takes a default where a value doesn't parse, and writes it; we refuse the request"
FAULT = "stock fails (500) on what the client got wrong; ours is a refusal"
PAGE = "stock has no HTML-free answer for what isn't there; ours is in MLflow's error shape"

IGNORED = [
    Ignored("*", "body/*/creation_time", TIME),
    Ignored("*", "body/*/last_update_time", TIME),
    Ignored("*", "body/*/creation_timestamp", TIME),
    Ignored("*", "body/*/last_updated_timestamp", TIME),
    Ignored("*", "body/*/creation_timestamp_ms", TIME),
    Ignored("*", "body/*/last_updated_timestamp_ms", TIME),
    Ignored("client*", "body/*/start_time", TIME),
    Ignored("client*", "body/*/end_time", TIME),
    Ignored("client*", "body/*/timestamp", TIME),
    Ignored("*", "body/*/artifact_uri", STORE),
    Ignored("*", "body/artifact_uri", STORE),
    Ignored("*", "body/*/artifact_location", STORE),
    Ignored("*", "body/root_uri", STORE),
    Ignored("client*", "body/*/source", STORE),
    Ignored("*", "body/*/workspace", "there are no workspaces here", anything=True),
    Ignored("*", "body/next_page_token", "a token is opaque"),
    Ignored("*", "body/message", WORDING),
    Ignored("*", "body/sqlstate", "3.17's Databricks codes, which its own client doesn't read", anything=True),
    Ignored("*", "body/error_class", "3.17's Databricks codes, which its own client doesn't read", anything=True),
    Ignored("* runs/create - start with a fraction", "*", PARSED, anything=True),
    Ignored("* runs/create - an experiment only", "body/run/*", "a name is made up where none is given"),
    Ignored("* runs/create - empty name", "body/run/*", "a name is made up where none is given"),
    Ignored("* logged-models - no name", "body/model/info/name", "a name is made up where none is given"),
]


class Verdict(NamedTuple):
    """What a comparison came to, as lines to read."""

    unexcused: list[str]
    """Differences that no row of the table covers."""
    unused: list[str]
    """Rows that covered none: they go."""


def compare(stock: Mapping[str, Answer], ours: Mapping[str, Answer], ignored: Iterable[Ignored]) -> Verdict:
    """Every difference held against the table."""
    unexcused: list[str] = []
    covers = dict.fromkeys(ignored, 0)
    for difference in differences(stock, ours):
        rows = [row for row in covers if row.covers(difference)]
        covers |= {row: covers[row] + 1 for row in rows}
        if not rows:
            unexcused.append(str(difference))
    return Verdict(unexcused, [str(row) for row, count in covers.items() if not count])


def differences(stock: Mapping[str, Answer], ours: Mapping[str, Answer]) -> Iterator[Difference]:
    """All of them, ids renamed by their first appearance on each side."""
    here, there = _Names(), _Names()
    for case in [*stock, *(case for case in ours if case not in stock)]:
        one, other = stock.get(case), ours.get(case)
        if one is None or other is None:
            yield Difference(case, "", one or MISSING, other or MISSING)
            continue
        pair = (
            {"status": one.status, "body": here.rename(one.body)},
            {"status": other.status, "body": there.rename(other.body)},
        )
        for where, left, right in _walk("", *pair):
            yield Difference(case, where, left, right)


def _walk(where: str, one: Any, other: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one | other:
            place = f"{where}/{key}" if where else str(key)
            yield from _walk(place, one.get(key, MISSING), other.get(key, MISSING))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (left, right) in enumerate(zip(_ordered(where, one), _ordered(where, other), strict=True)):
            yield from _walk(f"{where}/{number}", left, right)
    elif type(one) is not type(other) or one != other:
        yield where, one, other


def _ordered(where: str, items: list[Any]) -> list[Any]:
    """By key where the items are a map's; everywhere else the order is part of the answer."""
    if where.endswith(("/tags", "/params", "/data/metrics", "/aliases")) and all(isinstance(item, dict) for item in items):
        return sorted(items, key=lambda item: str(item.get("key", item.get("alias"))))
    return items


class _Names:
    """Ids by the order in which they appear, for they are each server's own."""

    _ID = re.compile(r"[0-9a-f]{32}")
    _OF_EXPERIMENT = ("experiment_id", "experiment_ids")

    def __init__(self) -> None:
        self._known: dict[str, str] = {"0" * 32: "0" * 32, "experiment 0": "0"}

    def rename(self, value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: self.rename(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [self.rename(item, key) for item in value]
        if isinstance(value, str):
            if key in self._OF_EXPERIMENT:
                return self._name(f"experiment {value}")
            return self._ID.sub(lambda match: self._name(match[0]), value)
        return value

    def _name(self, id_: str) -> str:
        return self._known.setdefault(id_, f"<{len(self._known)}>")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 200 else text[:200] + "..."
