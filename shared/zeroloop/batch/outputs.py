"""Scored rows and rejects as bytes: JSON lines, or CSV that no spreadsheet takes for formulas. Pure."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
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

_FEW_LABELS = 100
_COLUMNS = {"row", "id", "prediction", "confidence", "model_version"}


@cache
def _line(field: str) -> Callable[..., Struct]:
    """A line of the output of a model that reads `field`."""
    own = ("id", str | int | UnsetType)
    said = [("prediction", Any), ("confidence", float | None), ("scores", Any), ("model_version", int)]
    return msgspec.defstruct("Line", [("row", int), own, (field, Any), *said], frozen=True, gc=False)


@cache
def _scores(labels: tuple[str, ...]) -> Callable[..., Any]:
    """A line's scores by their labels: a dict, or where that can have all the names a Struct, in half the time."""
    fields = [(f"score_{i}", float) for i in range(len(labels))]
    names = {field: label for (field, _), label in zip(fields, labels, strict=True)}
    if len(labels) <= _FEW_LABELS:
        with suppress(ValueError):  # a name that JSON would escape
            return msgspec.defstruct("Scores", fields, rename=names, frozen=True, gc=False)
    return lambda *scores: dict(zip(labels, scores, strict=True))


def json_lines(rows: Rows, answers: Answers, field: str, version: int) -> bytes:
    """A line for each row: its number and id, what the model read, what it says."""
    ids = [UNSET if own is None else own for own in rows.ids]
    scores = map(_scores(tuple(answers.labels)), *answers.scores) if answers.scores else repeat({})
    said = (answers.predictions, answers.confidences, scores, repeat(version))
    return _encoder.encode_lines(list(map(_line(field), rows.numbers, ids, rows.values, *said)))


def reject_lines(rejects: Sequence[Reject]) -> bytes:
    """A line for each reject."""
    return _encoder.encode_lines(rejects)


def flat(rows: Rows, answers: Answers, field: str, columns: Sequence[str], version: int) -> Iterator[dict[str, Any]]:
    """Each row as the columns of a table; `columns` are those of a model of features, which a row may leave out."""
    names, scored = spelled(columns), [f"score_{label}" for label in answers.labels]
    by_row = zip(*answers.scores, strict=True) if answers.scores else repeat((), len(rows.values))
    said = (answers.predictions, answers.confidences, by_row)
    for row, own, value, prediction, confidence, scores in zip(*rows, *said, strict=True):
        yield {
            "row": row,
            "id": own,
            **({own: value.get(name) for own, name in names.items()} or {field: value}),
            "prediction": "|".join(prediction) if isinstance(prediction, list) else prediction,
            "confidence": confidence,
            **dict(zip(scored, scores, strict=True)),
            "model_version": version,
        }


def spelled(columns: Sequence[str]) -> dict[str, str]:
    """Features by the names of their columns: one that the output has a column of its own for is `feature_<name>`."""
    found: dict[str, str] = {}
    for name in columns:
        own = name
        while own in _COLUMNS or own.startswith("score_") or own in found or (own != name and own in columns):
            own = f"feature_{own}"
        found[own] = name
    return found


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
