"""From records to rows: what a model reads of each, or why it can't be read. Pure."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from zeroloop.batch.rules import Plan
from zeroloop.batch.streams import MAX_RECORD_BYTES, Record, Unreadable
from zeroloop.inference.package import Package

_KEPT_CHARACTERS = 10_000
csv.field_size_limit(MAX_RECORD_BYTES)


class Row(Struct, frozen=True, gc=False):
    """A row number (from 1, blank lines counted, the header not), its own id, and the value that the model reads."""

    row: int
    record: Record
    value: Any
    id: str | int | None = None


class Reject(Struct, frozen=True):
    """A row that can't be scored; `raw` is what stood there, of a long one the beginning."""

    row: int
    offset: int
    reason: str
    raw: str


class Blank(Struct, frozen=True):
    """A line with nothing on it."""


Parsed = Row | Reject | Blank
_BLANK = Blank()


def rejected(record: Record, row: int, reason: str) -> Reject:
    """Row number `row` and why it can't be scored."""
    raw = record.data[: _KEPT_CHARACTERS * 4].decode(errors="backslashreplace")
    return Reject(row, record.start, reason[:500], raw[:_KEPT_CHARACTERS])


class Fields:
    """Takes what a model reads out of rows; `columns` are those of a table, none of JSON lines.

    A model of text reads the column of that name, or the only one that there is.

    Raises
    ------
    Unreadable
        The columns lack what the model reads.
    """

    def __init__(self, package: Package, field: str, columns: Sequence[str]) -> None:
        declared = package.preprocessing.parameters.get("columns", [])
        self._kinds: dict[str, str] = {column["name"]: column["type"] for column in declared}
        self._field = field
        self._column = columns[0] if len(columns) == 1 else field
        self._columns = list(columns)
        if columns and field not in columns:
            for name in self._kinds or [self._column]:
                if name not in columns:
                    raise Unreadable(f"there is no column {name!r}, which the model reads", field="input")

    @property
    def columns(self) -> list[str]:
        """What is read of a table; more than there is of it."""
        return ["id", self._field, self._column, *self._kinds]

    def of_cells(self, cells: Sequence[str]) -> tuple[Any, str | None]:
        """Value and id of the cells of a CSV row, all of them text."""
        named = dict(zip(self._columns, cells, strict=True))
        own = named.get("id") or None
        if not self._kinds:
            return named[self._column], own
        return {name: _cell(named[name], kind) for name, kind in self._kinds.items()}, own

    def of_object(self, found: Mapping[str, Any]) -> tuple[Any, str | int | None]:
        """Value and id of a row that has types: the model's field itself, or its columns beside each other."""
        own = found.get("id")
        known = own if type(own) in {str, int} else None
        if self._field in found:
            return found[self._field], known
        if self._kinds:
            return {name: found[name] for name in self._kinds if name in found}, known
        return None, known


def _cell(text: str, kind: str) -> Any:
    """A cell as JSON would have it: empty is null; what should be a number and isn't stays text, for the refusal."""
    if not text or kind != "numeric":
        return text or None
    try:
        return float(text)
    except ValueError:
        return text


def parse(records: Sequence[Record], row: int, plan: Plan, fields: Fields) -> Iterator[Parsed]:
    """What each of `records` holds, the first of which is row number `row`."""
    read = _jsonl if plan.format == "jsonl" else _csv
    return read(records, row, plan, fields)


def _jsonl(records: Sequence[Record], row: int, plan: Plan, fields: Fields) -> Iterator[Parsed]:
    decode = msgspec.json.Decoder().decode
    recode = plan.encoding not in {"utf-8", "utf-16"}
    for number, record in enumerate(records, row):
        if record.cut or not record.data or record.data.isspace():
            yield _unfit(record, number)
            continue
        try:
            found = decode(record.data.decode(plan.encoding) if recode else record.data)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            yield rejected(record, number, f"is not JSON: {error}")
            continue
        if type(found) is str:  # as predict takes it
            found = {"text": found}
        if type(found) is not dict:
            yield rejected(record, number, "is not an object")
            continue
        value, own = fields.of_object(found)
        yield Row(number, record, value, own)


def _unfit(record: Record, row: int) -> Reject | Blank:
    return rejected(record, row, f"is longer than {MAX_RECORD_BYTES:,} bytes") if record.cut else _BLANK


def _csv(records: Sequence[Record], row: int, plan: Plan, fields: Fields) -> Iterator[Parsed]:
    width = len(plan.columns)
    encoding = "utf-8" if plan.encoding == "utf-16" else plan.encoding
    for number, record in enumerate(records, row):
        if record.cut or not record.data or record.data.isspace():
            yield _unfit(record, number)
            continue
        try:
            cells = _cells(record.data.decode(encoding), plan.delimiter)
        except UnicodeDecodeError:
            yield rejected(record, number, f"is not {encoding}")
            continue
        except ValueError as error:
            yield rejected(record, number, str(error))
            continue
        if len(cells) != width:
            yield rejected(record, number, f"has {len(cells)} cells, the header {width}")
            continue
        value, own = fields.of_cells(cells)
        yield Row(number, record, value, own)


def _cells(text: str, delimiter: str) -> list[str]:
    """The cells of one record; ValueError says what is wrong with its quotes."""
    if '"' not in text:
        return text.split(delimiter)
    try:
        found = list(csv.reader([text], delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise ValueError(f"has quotes that are not CSV: {error}") from error
    if len(found) != 1:
        raise ValueError("has quotes that are not CSV")
    return found[0]
