"""Scored rows and rejects as bytes: JSON lines, or CSV that no spreadsheet takes for formulas. Pure."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import repeat
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from zeroloop.batch.rows import Reject, Rows
from zeroloop.inference.answers import Answers

_encoder = msgspec.json.Encoder()
# A cell that begins so is a formula to spreadsheets (OWASP, CSV Injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")

_COLUMNS = {"row", "id", "prediction", "confidence", "model_version"}


@cache
def _line(field: str) -> Callable[..., Struct]:
    """A line of the output of a model that reads `field`."""
    own = ("id", str | int | UnsetType)
    said = [("prediction", Any), ("confidence", float | None), ("scores", dict[str, float]), ("model_version", int)]
    return msgspec.defstruct("Line", [("row", int), own, (field, Any), *said], frozen=True, gc=False)


def json_lines(rows: Rows, answers: Answers, field: str, version: int) -> bytes:
    """A line for each row: its number and id, what the model read, what it says."""
    line = _line(field)
    ids = [UNSET if own is None else own for own in rows.ids]
    return _encoder.encode_lines(list(map(line, rows.numbers, ids, rows.values, *answers, repeat(version))))


def reject_lines(rejects: Sequence[Reject]) -> bytes:
    """A line for each reject."""
    return _encoder.encode_lines(rejects)


def flat(rows: Rows, answers: Answers, field: str, columns: Sequence[str], version: int) -> Iterator[dict[str, Any]]:
    """Each row as the columns of a table; `columns` are those of a model of features, which a row may leave out."""
    spelled = _spelled(tuple(columns))
    for row, own, value, prediction, confidence, scores in zip(*rows, *answers, strict=True):
        yield {
            "row": row,
            "id": own,
            **({own: value.get(name) for own, name in spelled.items()} or {field: value}),
            "prediction": "|".join(prediction) if isinstance(prediction, list) else prediction,
            "confidence": confidence,
            **{f"score_{label}": score for label, score in scores.items()},
            "model_version": version,
        }


@cache
def _spelled(columns: tuple[str, ...]) -> dict[str, str]:
    """Features by the names of their columns: one that the output has a column of its own for is `feature_<name>`."""
    spelled: dict[str, str] = {}
    for name in columns:
        own = name
        while own in _COLUMNS or own.startswith("score_") or own in spelled or (own != name and own in columns):
            own = f"feature_{own}"
        spelled[own] = name
    return spelled


def csv_lines(table: Iterable[dict[str, Any]], *, head: bool) -> bytes:
    """A CSV record for each row, under a header where `head`; text that looks like a formula gets an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    for cells in table:
        if head:
            writer.writerow(map(_harmless, cells))
            head = False
        writer.writerow([_harmless(cell) for cell in cells.values()])
    return out.getvalue().encode()


def _harmless(cell: Any) -> Any:
    if isinstance(cell, dict | list):
        return _encoder.encode(cell).decode()
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
