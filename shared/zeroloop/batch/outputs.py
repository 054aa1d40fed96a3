"""Scored rows and rejects as bytes: JSON lines, or CSV that no spreadsheet takes for formulas. Pure."""

import csv
import io
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from zeroloop.batch.rows import Reject, Row
from zeroloop.inference.answers import Answer

_encoder = msgspec.json.Encoder()
# A cell that begins so is a formula to spreadsheets (OWASP, CSV Injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


@cache
def _line(field: str) -> Callable[..., Struct]:
    """A line of the output of a model that reads `field`."""
    own = ("id", str | int | UnsetType)
    said = [("prediction", Any), ("confidence", float | None), ("scores", dict[str, float]), ("model_version", int)]
    return msgspec.defstruct("Line", [("row", int), own, (field, Any), *said], frozen=True, gc=False)


def json_lines(rows: Sequence[Row], answers: Sequence[Answer], field: str, version: int) -> bytes:
    """A line for each row: its number and id, what the model read, what it says."""
    line = _line(field)
    return _encoder.encode_lines(
        [
            line(
                row.row,
                UNSET if row.id is None else row.id,
                row.value,
                said.prediction,
                said.confidence,
                said.scores,
                version,
            )
            for row, said in zip(rows, answers, strict=True)
        ]
    )


def reject_lines(rejects: Sequence[Reject]) -> bytes:
    """A line for each reject."""
    return _encoder.encode_lines(rejects)


def flat(row: Row, said: Answer, field: str, version: int) -> dict[str, Any]:
    """A row as the columns of a table."""
    read = row.value if field == "features" and isinstance(row.value, dict) else {field: row.value}
    prediction = "|".join(said.prediction) if isinstance(said.prediction, list) else said.prediction
    scores = {f"score_{label}": score for label, score in said.scores.items()}
    own = {"row": row.row, "id": row.id}
    return {
        **own, **read, "prediction": prediction, "confidence": said.confidence, **scores, "model_version": version
    }  # fmt: skip


def csv_lines(rows: Sequence[Row], answers: Sequence[Answer], field: str, version: int, *, head: bool) -> bytes:
    """A CSV record for each row, under a header where `head`; text that looks like a formula gets an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    for number, (row, said) in enumerate(zip(rows, answers, strict=True)):
        cells = flat(row, said, field, version)
        if head and number == 0:
            writer.writerow(map(_harmless, cells))
        writer.writerow([_harmless(cell) for cell in cells.values()])
    return out.getvalue().encode()


def _harmless(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
