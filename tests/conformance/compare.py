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
    ours: str = "*"
    """The pattern of what ours has there, as text."""

    def covers(self, difference: Difference) -> bool:
        """Whether it excuses this difference."""
        return (
            fnmatchcase(difference.case, self.case)
            and fnmatchcase(difference.where, self.where)
            and fnmatchcase(str(difference.ours), self.ours)
            and (self.anything or type(difference.stock) is type(difference.ours))
        )


TIME = "a time of the server's own"
STORE = "where artifacts lie is each server's own"
CODES = "3.17's codes for Databricks, which its client doesn't read"
NAME = "a name is made up where none is given"
PARSED = "stock takes a default where a value doesn't parse, and may write it; we refuse the request"
FAULT = "stock fails (500) on what the client got wrong; we refuse it"
SQL = "the code that stock gives a constraint of its database; ours says what is wrong"
PAGE = "stock answers with a page of HTML; we in MLflow's error shape"
ORDER = "ids are each server's own, and so is their order"
MALFORMED = "stock takes what is no JSON for an empty request; we say what is wrong with it"
REFUSED, ELSEWHERE = "Answer(status=400, *", "Answer(status=302, *"
STRICT = "our names go into paths, events and keys: letters, digits, spaces and ._+- alone, at most 128"
S3 = "an artifact's bytes come from S3: we answer with where, whatever their size"
VERSIONS = "the client notes a model's versions in a tag, and stock's server does so once more"
JSON = "JSON is JSON, whatever the request calls it"
INFINITY = "stock's database holds no infinity and answers the greatest double; we keep it"

IGNORED = [
    *(
        Ignored("*", f"body/*/{name}", TIME)
        for name in (
            *("creation_time", "last_update_time", "creation_timestamp", "last_updated_timestamp"),
            *("creation_timestamp_ms", "last_updated_timestamp_ms"),
        )
    ),
    *(Ignored("client*", f"body/*/{name}", TIME) for name in ("start_time", "end_time", "timestamp")),
    *(Ignored("*", f"body/*{name}", STORE) for name in ("artifact_uri", "artifact_location", "root_uri")),
    Ignored("*", "body/*/workspace", "there are no workspaces here", anything=True),
    Ignored("*", "body/next_page_token", "a token is opaque"),
    Ignored("*", "body/message", "an error's wording is ours; status and code are compared"),
    Ignored("*", "body/sqlstate", CODES, anything=True),
    Ignored("*", "body/error_class", CODES, anything=True),
    Ignored("* runs/create - an experiment only", "body/run/*", NAME),
    Ignored("* runs/create - empty name", "body/run/*", NAME),
    Ignored("* logged-models - no name", "body/model/info/name", NAME),
    Ignored("* experiments/search - by id", "body/experiments/*", ORDER, anything=True),
    *(
        Ignored(f"* {case}", "status", PARSED, ours=REFUSED)
        for case in (
            "experiments/search - a view that is none",
            "runs/create - start with a fraction",
            "runs/create - tags are a string",
            "runs/create - a tag without a key",
            "runs/update - a status that is none",
            "runs/search - a view that is none",
            "runs/log-metric - NaN as Python writes it",
            "runs/log-metric - Infinity as Python writes it",
            "runs/log-metric - more than a double",
            "runs/log-metric - value is a bool",
            "runs/log-metric - time with a fraction",
            "runs/log-metric - step with a fraction",
            "runs/log-metric - a step too great",
            "runs/log-batch - a metric that is no number",
            "runs/log-inputs - no dataset",
            "metrics/get-history - page size is no number",
            "logged-models/{lm} - a status that is none",
        )
    ),
    *(
        Ignored(f"* {case}", "status", FAULT, ours=REFUSED)
        for case in (
            "experiments/update - a deleted one",
            "experiments/create - a list",
            "experiments/create - a number",
            "experiments/create - a string",
            "runs/log-batch - a metric is a string",
            "runs/log-batch - a metric is null",
            "runs/log-model - JSON, but a list",
            "logged-models/search - a token that is none",
            "logged-models/search - a bad filter",
            "model-versions/transition-stage - archiving to none",
        )
    ),
    *(
        Ignored(f"* experiments/create - {case} type of content", "*", JSON, anything=True)
        for case in ("another", "no")
    ),
    Ignored(
        "* runs/get - with its model's tag", "body/run/data/tags/0/value", "a tag's JSON, with other blanks and order"
    ),
    *(
        Ignored(f"* {case}", "body/error_code", SQL)
        for case in (
            "experiments/update - a name that is taken",
            "runs/create - no experiment",
            "runs/log-metric - of an unknown model",
        )
    ),
    *(
        Ignored(f"* {case}", "*", PAGE, anything=True)
        for case in (
            "* - a method that isn't there",
            "* - a path that isn't there",
            "* - a version that isn't there",
            "* - a slash at the end",
        )
    ),
    *(
        Ignored(f"wire: POST experiments/create - {case}", "body/error_code", MALFORMED)
        for case in ("no JSON", "half of JSON", "not UTF-8", "a lone surrogate", "a form")
    ),
    Ignored("* logged-models/{lm}/params - the same again", "status", "a write may be repeated, as a run's params may"),
    *(
        Ignored(f"registry: POST registered-models/create - {name}", "status", STRICT, ours=REFUSED)
        for name in ("a name with a percent and a space", "a unicode name", "257 characters")
    ),
    *(
        Ignored(f"registry: GET registered-models/search - {search}", "body/registered_models*", STRICT, anything=True)
        for search in ("by pattern", "all by name, descending", "two")
    ),
    *(
        Ignored(f"artifacts: GET *{file}", "status", S3, ours=ELSEWHERE)
        for file in (" - a text", " - bytes", "nothing in it", "percent")
    ),
    Ignored("artifacts: GET /get-artifact - as the UI downloads", "status", S3, ours=ELSEWHERE),
    Ignored("artifacts: GET * - a folder", "status", "in S3 there is no folder to read"),
    Ignored("artifacts: PUT * - climbing", "body", PAGE, anything=True),
    *(
        Ignored(f"artifacts: {call}", "status", "stock's disk can't, S3 can")
        for call in ("POST *mpu/create* - two parts", "GET *presigned* - a file")
    ),
    *(
        Ignored(case, where, VERSIONS, anything=True)
        for case, where in (
            ("client: a logged model", "body/shown/tags/mlflow.modelVersions"),
            ("client GET *logged-models/*", "body/model/info/tags*"),
            ("client POST *logged-models/search *", "body/models/*/info/tags/*"),
        )
    ),
    Ignored(
        "client GET *registered-models/search *",
        "body/registered_models/*/latest_versions/*",
        "stock's database decides their order; ours go by number",
        anything=True,
    ),
    Ignored("wire: GET *server-info", "body/*", "what a server can do is its own", anything=True),
    Ignored("*", "body/*/value", INFINITY, anything=True, ours="*Infinity"),
]


class Verdict(NamedTuple):
    """What a comparison came to."""

    unexcused: list[str]
    """Differences that no row of the table covers, as lines to read."""
    unused: list[Ignored]
    """Rows about one of the cases that covered no difference: they go."""


def compare(stock: Mapping[str, Answer], ours: Mapping[str, Answer], ignored: Iterable[Ignored]) -> Verdict:
    """Every difference held against the table."""
    unexcused: list[str] = []
    unused = [row for row in ignored if any(fnmatchcase(case, row.case) for case in stock)]
    rows = tuple(unused)
    for difference in differences(stock, ours):
        covering = [row for row in rows if row.covers(difference)]
        unused = [row for row in unused if row not in covering]
        if not covering:
            unexcused.append(str(difference))
    return Verdict(unexcused, unused)


def differences(stock: Mapping[str, Answer], ours: Mapping[str, Answer]) -> Iterator[Difference]:
    """All of them. Where the status differs, that is the difference; what else is in the answers goes with it."""
    pairs = _Pairs()
    for case in [*stock, *(case for case in ours if case not in stock)]:
        one, other = stock.get(case, MISSING), ours.get(case, MISSING)
        if isinstance(one, Missing) or isinstance(other, Missing):
            yield Difference(case, "", one, other)
        elif one.status != other.status:
            yield Difference(case, "status", one, other)
        else:
            for where, left, right in _walk("body", one.body, other.body, pairs):
                yield Difference(case, where, left, right)


def _walk(where: str, one: Any, other: Any, pairs: "_Pairs") -> Iterator[tuple[str, Any, Any]]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one | other:
            yield from _walk(f"{where}/{key}", one.get(key, MISSING), other.get(key, MISSING), pairs)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (left, right) in enumerate(zip(_ordered(where, one), _ordered(where, other), strict=True)):
            yield from _walk(f"{where}/{number}", left, right, pairs)
    elif type(one) is not type(other) or not pairs.same(where, one, other):
        yield where, one, other


class _Pairs:
    """Ids are each server's own: one here stands for one there, always the same."""

    _ID = re.compile(r"[0-9a-f]{32}")
    _OF_EXPERIMENT = re.compile(r".*/experiment_ids?(/\d+)?")

    def __init__(self) -> None:
        self._there: dict[str, str] = {}
        self._here: dict[str, str] = {}

    def same(self, where: str, one: Any, other: Any) -> bool:
        """Whether two values of one type are equal but for ids that stand for each other."""
        if one == other or not isinstance(one, str):
            return bool(one == other)
        if self._OF_EXPERIMENT.fullmatch(where):
            return self._paired(f"experiment {one}", f"experiment {other}")
        if self._ID.sub("", one) != self._ID.sub("", other):
            return False
        return all(map(self._paired, self._ID.findall(one), self._ID.findall(other)))

    def _paired(self, one: str, other: str) -> bool:
        return self._there.setdefault(one, other) == other and self._here.setdefault(other, one) == one


def _ordered(where: str, items: list[Any]) -> list[Any]:
    """By key where the items are a map's; everywhere else the order is part of the answer."""
    if where.endswith(("/tags", "/params", "/data/metrics", "/aliases")) and all(
        isinstance(item, dict) for item in items
    ):
        return sorted(items, key=lambda item: str(item.get("key", item.get("alias"))))
    return items


def _short(value: Any) -> str:
    if isinstance(value, Answer):
        body = value.body.get("error_code") or list(value.body) if isinstance(value.body, dict) else value.body
        return f"{value.status} {_short(body)}"
    text = repr(value)
    return text if len(text) < 120 else f"{text[:60]}...{text[-20:]} ({len(text)} characters)"
