"""From records to rows: what a model reads of each, or why it can't be read. Pure."""

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
import numpy as np
from msgspec import Struct

from zeroloop.batch.rules import Plan, Unreadable
from zeroloop.batch.streams import MAX_RECORD_BYTES, Record, Run
from zeroloop.inference.package import Package

_KEPT_CHARACTERS = 10_000
_OWN = {str, int, type(None)}
_EXACT = 2.0**53
csv.field_size_limit(MAX_RECORD_BYTES)


class Rows(NamedTuple):
    """Rows by column: numbers (from 1, blank lines counted, the header not), ids of their own, what the model reads."""

    numbers: Sequence[int]
    ids: Sequence[str | int | None]
    values: Sequence[Any]

    @classmethod
    def of(cls, rows: Iterable[tuple[int, str | int | None, Any]]) -> "Rows":
        """From rows one by one."""
        columns = list(zip(*rows, strict=True))
        return cls(*columns) if columns else cls((), (), ())


class Reject(Struct, frozen=True):
    """A row that can't be scored; `raw` is what stood there, of a long one the beginning."""

    row: int
    offset: int
    reason: str
    raw: str


def rejected(record: Record, row: int, reason: str, plan: Plan) -> Reject:
    """Row number `row` and why it can't be scored."""
    encoding = "utf-8" if plan.encoding in _UTF8 else plan.encoding
    raw = record.data[: _KEPT_CHARACTERS * 4].decode(encoding, errors="backslashreplace")
    return Reject(row, record.start, reason[:500], raw[:_KEPT_CHARACTERS])


class Fields:
    """Takes what a model reads out of rows; `columns` are those of a table, none of JSON lines.

    `field` is what the model reads of an instance; `kinds` are its columns where it reads columns, each numeric or
    categorical, and `names` their names; `numbered` is whether all ids are whole numbers. A model of text reads the
    column of that name, or the only one that there is.

    Raises
    ------
    Unreadable
        The columns lack what the model reads.
    """

    def __init__(self, package: Package, field: str, plan: Plan) -> None:
        declared = package.preprocessing.parameters.get("columns", [])
        self.kinds: dict[str, str] = {column["name"]: column["type"] for column in declared}
        self.field = field
        self.names = list(self.kinds)
        self.numbered = False
        self._column = plan.columns[0] if len(plan.columns) == 1 else field
        if plan.format == "csv" or field not in plan.columns:  # the cells of CSV hold no objects
            for name in self.kinds or [self._column]:
                if plan.columns and name not in plan.columns:
                    raise Unreadable(f"there is no column {name!r}, which the model reads", field="input")
        if plan.format == "csv" and not (plan.declared or self.kinds or self._column == field):
            raise Unreadable(
                f"the only column is called {self._column[:80]!r}: declare header=true if that is its name, "
                f"header=false if it is the first row, or call it {field!r}; then upload it again",
                field="input",
            )
        self._at = {name: i for i, name in enumerate(plan.columns)}
        # Most rows of texts and tensors are read by a decoder that skips all but these two.
        one = msgspec.defstruct(
            "One", [("value", Any), ("id", str | int | None, None)], rename={"value": field}, gc=False
        )
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(one)

    @property
    def columns(self) -> list[str]:
        """What is read of a table; more than there is of it."""
        return ["id", self.field, self._column, *self.kinds]

    def of_cells(self, cells: Sequence[str]) -> tuple[Any, str | None]:
        """Value and id of the cells of a CSV row, all of them text."""
        own = cells[self._at["id"]] if "id" in self._at else None
        if not self.kinds:
            return cells[self._at[self._column]], own or None
        return {name: _cell(cells[self._at[name]], kind) for name, kind in self.kinds.items()}, own or None

    def of_object(self, found: Mapping[str, Any]) -> tuple[Any, str | int | None]:
        """Value and id of a row that has types: the model's field itself, or its columns beside each other."""
        own = found.get("id")
        known = own if type(own) in _OWN else _id(own)
        if self.field in found:
            return found[self.field], known
        if self.kinds:
            cells = {name: found[name] for name in self.kinds if name in found}
            return {name: float(cell) if type(cell) is Decimal else cell for name, cell in cells.items()}, known
        return None, known

    def of_lines(self, run: Run, row: int) -> Rows | None:
        """The rows of lines of JSON if each line is an object with the model's field, else None; `row` is the first's.

        To the decoder line ends are space, which may stand between objects or inside one. But where a line ends with }
        and the next begins with {, no object is open; so each line holds whole objects, and if there are as many as
        lines, one.
        """
        data, starts = np.frombuffer(run.text, np.uint8), run.ends[:-1]
        if self.kinds or run.text[:1] != b"{" or (data[starts] != 0x7B).any() or (data[starts - 2] != 0x7D).any():
            return None
        try:
            found = self._decoder.decode_lines(run.text)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return None
        if len(found) != len(run.ends):
            return None
        return Rows(range(row, row + len(found)), [one.id for one in found], [one.value for one in found])

    def of_line(self, line: bytes | str) -> tuple[Any, str | int | None]:
        """Value and id of a line of JSON.

        Raises
        ------
        ValueError
            Why it has none.
        """
        if not self.kinds:
            with suppress(msgspec.DecodeError, UnicodeError, RecursionError):
                one = self._decoder.decode(line)
                return one.value, one.id
        try:
            found = _decode(line)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise ValueError(f"is not JSON: {error}") from error
        if type(found) is str:  # as predict takes it
            found = {"text": found}
        if type(found) is not dict:
            raise ValueError("is not an object")
        return self.of_object(found)


_decode = msgspec.json.Decoder().decode


def _id(own: Any) -> str | int | None:
    """An id that is neither text nor a whole number: a float may be whole all the same, or NaN; all else is text."""
    if isinstance(own, float) and (math.isnan(own) or (own.is_integer() and abs(own) < _EXACT)):
        return None if math.isnan(own) else int(own)
    if isinstance(own, bytes):
        return own.decode(errors="backslashreplace")
    return msgspec.json.encode(own, enc_hook=str).decode() if isinstance(own, bool | list | dict) else str(own)


def _cell(text: str, kind: str) -> Any:
    """A cell as JSON would have it: empty is null; what should be a number and isn't stays text, for the refusal."""
    if not text or kind != "numeric" or "_" in text:  # Python's own 1_000
        return text or None
    try:
        return float(text)
    except ValueError:
        return text


def parse(run: Run, row: int, plan: Plan, fields: Fields) -> tuple[Rows, list[Reject], int]:
    """The rows that `run` holds, its first record being row number `row`, those that hold none, and their lines."""
    is_json = plan.format == "jsonl"
    if is_json and plan.encoding in _UTF8 and not run.cut and (rows := fields.of_lines(run, row)):
        return rows, [], 0
    read = _line if is_json else _row
    space = plan.delimiter.encode() if not is_json and plan.delimiter.isspace() else None
    kept: list[tuple[int, str | int | None, Any]] = []
    rejects, lines = [], 0
    for number, record in enumerate(run.records(), row):
        if record.cut:
            rejects.append(rejected(record, number, f"is longer than {MAX_RECORD_BYTES:,} bytes", plan))
            lines += run.lines
        elif record.data and (not record.data.isspace() or (space and space in record.data)):
            try:
                value, own = read(record.data, plan, fields)
                kept.append((number, own, value))
            except ValueError as error:
                rejects.append(rejected(record, number, str(error), plan))
                lines += 1 + record.data.count(b"\n")
    return Rows.of(kept), rejects, lines


_UTF8 = {"utf-8", "utf-16"}  # what was UTF-16 is UTF-8 by now


def _line(data: bytes, plan: Plan, fields: Fields) -> tuple[Any, str | int | None]:
    try:
        return fields.of_line(data if plan.encoding in _UTF8 else data.decode(plan.encoding))
    except UnicodeDecodeError as error:
        raise ValueError(f"is not JSON: {error}") from error


def _row(data: bytes, plan: Plan, fields: Fields) -> tuple[Any, str | None]:
    encoding = "utf-8" if plan.encoding in _UTF8 else plan.encoding
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(f"is not {encoding}") from error
    cells = _cells(text, plan.delimiter)
    if len(cells) > len(plan.columns) == 1:
        raise ValueError(f"has {len(cells)} cells, one is expected: quote it, or declare a delimiter that no text has")
    if len(cells) != len(plan.columns):
        raise ValueError(f"has {len(cells)} cells, the header {len(plan.columns)}")
    return fields.of_cells(cells)


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
