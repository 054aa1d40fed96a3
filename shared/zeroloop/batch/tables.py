"""Parquet and Zstandard. The only user of pyarrow, which is imported here and only when a file needs it."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Protocol

import pyarrow as pa
from pyarrow import parquet

from zeroloop.batch.rules import Chunk, Unreadable
from zeroloop.batch.streams import Counted, check_ratio

_BLOCK = 1 << 20
_BUFFER = 8 << 20
_ROWS = 1_000
_READ_BYTES = 16_000_000
Table = list[dict[str, Any]]


class Stored(Protocol):
    """An object as a file: reads any range."""

    size: int

    def read_range(self, start: int, end: int) -> bytes:
        """Bytes `start` to before `end`."""


def _listed(batch: pa.RecordBatch) -> Table:
    """The rows of a batch. Text that isn't UTF-8 is bytes, which no model takes for text; deeper in a value, null."""
    try:
        return list(batch.to_pylist())
    except UnicodeDecodeError:
        return [
            {name: _value(column[i]) for name, column in zip(batch.schema.names, batch.columns, strict=True)}
            for i in range(batch.num_rows)
        ]


def _value(scalar: pa.Scalar) -> Any:
    try:
        return scalar.as_py()
    except UnicodeDecodeError:
        return scalar.as_buffer().to_pybytes() if isinstance(scalar, pa.BinaryScalar) else None


class _File(io.RawIOBase):
    """`Stored` for pyarrow."""

    def __init__(self, stored: Stored) -> None:
        self._stored = stored
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._stored.size}[whence]
        return self._at

    def read(self, size: int = -1) -> bytes:
        end = self._stored.size if size is None or size < 0 else min(self._at + size, self._stored.size)
        data = self._stored.read_range(self._at, end) if end > self._at else b""
        self._at += len(data)
        return data


class Parquet:
    """A Parquet file, of which the footer alone is read at first.

    Raises
    ------
    Unreadable
        It isn't one.
    """

    def __init__(self, stored: Stored) -> None:
        try:
            self._file = parquet.ParquetFile(_File(stored), buffer_size=_BUFFER, pre_buffer=False)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise Unreadable(f"the file is not Parquet: {error!s:.200}") from error
        schema = self._file.schema_arrow
        self.columns = list(schema.names)
        ids = schema.field("id").type if self.columns.count("id") == 1 else None
        self.numbered = ids is not None and pa.types.is_integer(ids) and ids != pa.uint64()
        """Whether ids are whole numbers, and none is larger than int64 has them."""

    def chunks(self, chunk_bytes: int) -> list[Chunk]:
        """Runs of whole row groups of about `chunk_bytes`; start and end are row numbers from 0."""
        metadata = self._file.metadata
        cuts, at, held = [0], 0, 0
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            if held and held + group.total_byte_size > chunk_bytes:
                cuts.append(at)
                held = 0
            at, held = at + group.num_rows, held + group.total_byte_size
        ends = [*cuts[1:], at]
        return [
            Chunk(number, start, end, start + 1, end - start)
            for number, (start, end) in enumerate(zip(cuts, ends, strict=True))
        ]

    def rows(self, start: int, end: int, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Rows `start` to before `end`, with those of `columns` that there are.

        Raises
        ------
        Unreadable
            A page is damaged.
        """
        groups, first = self._groups(start, end)
        named = [column for column in dict.fromkeys(columns) if column in self.columns]
        try:
            batches = self._file.iter_batches(self._at_once(groups), row_groups=groups, columns=named)
            yield from islice((row for batch in batches for row in _listed(batch)), start - first, end - first)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise Unreadable(f"the Parquet file is damaged: {error!s:.200}") from error

    def _at_once(self, groups: Sequence[int]) -> int:
        """How many rows are unpacked together: fewer where they are large."""
        found = [self._file.metadata.row_group(number) for number in groups]
        widest = max((group.total_byte_size / max(1, group.num_rows) for group in found), default=1.0)
        return max(1, min(_ROWS, int(_READ_BYTES / max(1.0, widest))))

    def _groups(self, start: int, end: int) -> tuple[list[int], int]:
        """The row groups that hold rows `start` to before `end`, and the number of their first row."""
        at = first = 0
        found: list[int] = []
        for number in range(self._file.metadata.num_row_groups):
            after = at + self._file.metadata.row_group(number).num_rows
            if after > start and at < end:
                first = at if not found else first
                found.append(number)
            at = after
        return found, first


def unzstandard(blocks: Counted) -> Iterator[bytes]:
    """The contents of a Zstandard file in blocks of at most 1 MB.

    Raises
    ------
    Unreadable
        Damaged, cut short, or a bomb.
    """
    given = 0
    try:
        with pa.CompressedInputStream(pa.PythonFile(_Joined(blocks), mode="r"), "zstd") as stream:
            while block := stream.read(_BLOCK):
                given += len(block)
                check_ratio(given, blocks.taken)
                yield block
    except (pa.ArrowException, OSError) as error:
        raise Unreadable(f"the zstd file is damaged: {error!s:.200}") from error


class _Joined(io.RawIOBase):
    """Blocks as a file, for pyarrow."""

    def __init__(self, blocks: Counted) -> None:
        self._blocks = iter(blocks)
        self._left = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while len(self._left) < max(size, 1):
            block = next(self._blocks, None)
            if block is None:
                break
            self._left += block
        taken, self._left = self._left[:size], self._left[size:]
        return taken


def table_bytes(rows: Table) -> bytes:
    """A Parquet file of `rows`, which all have the same columns; all numbers but ids and counts are float64."""
    out = io.BytesIO()
    columns = {name: _column(name, [row[name] for row in rows]) for name in rows[0]}
    parquet.write_table(pa.table(columns), out)
    return out.getvalue()


def _column(name: str, values: list[Any]) -> pa.Array:
    kinds = set(map(type, values)) - {type(None)}
    if name == "id":
        return pa.array(values, None if kinds else pa.string())
    if kinds and kinds <= {int, float} and name not in {"row", "model_version"}:
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    return pa.array(values)
