"""Parquet and Zstandard. The only user of pyarrow, which is imported here and only when a file needs it."""

from __future__ import annotations

import io
from collections import UserString
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

from zeroloop.batch.outputs import spelled
from zeroloop.batch.rows import Fields
from zeroloop.batch.rules import Chunk, Unreadable
from zeroloop.batch.streams import Counted, check_ratio
from zeroloop.inference.package import Package, Tensor

_BLOCK = 1 << 20
_BUFFER = 8 << 20
_ROWS = 1_000
_GROWTH = 32
_WIDE = 64
_READ_BYTES = 16_000_000
_TOGETHER_BYTES = 250_000_000
_REPEATED = 20
# Tables repeat short values without end, in next to no bytes: that is no bomb.
_FREE_ROW_BYTES = 1_000
Table = list[dict[str, Any]]


class Stored(Protocol):
    """An object as a file: reads any range."""

    size: int

    def read_range(self, start: int, end: int) -> bytes:
        """Bytes `start` to before `end`."""


class _Unheld(UserString):
    """What Python can't hold, for the refusal: its type, and the number that is stored if it is one."""


def _listed(batch: pa.RecordBatch) -> Table:
    """The rows of a batch. Text that isn't UTF-8 is bytes then, and what else Python can't hold `_Unheld`.

    No model takes these. An id that is more than text is none then.
    """
    try:
        return list(batch.to_pylist())
    except (pa.ArrowException, OverflowError, ValueError):
        return [
            {name: _value(name, column[i]) for name, column in zip(batch.schema.names, batch.columns, strict=True)}
            for i in range(batch.num_rows)
        ]


def _value(name: str, scalar: pa.Scalar) -> Any:
    try:
        return scalar.as_py()
    except (pa.ArrowException, OverflowError, ValueError):
        if isinstance(scalar, pa.BinaryScalar):
            return scalar.as_buffer().to_pybytes()
        return None if name == "id" else _Unheld(f"{scalar.type} {getattr(scalar, 'value', '')}".rstrip())


def _with_ids(batch: pa.RecordBatch) -> pa.RecordBatch:
    """`batch` with times as text where they are its ids: they go further and finer than Python's."""
    at = batch.schema.get_field_index("id")
    if at < 0 or not pa.types.is_temporal(batch.schema.field(at).type):
        return batch
    kind = batch.column(at).type
    counts = batch.column(at).view(pa.int32() if kind.bit_width < _WIDE else pa.int64()).to_pylist()
    told = pa.array([None if count is None else _time(count, kind) for count in counts], pa.string())
    return batch.set_column(at, "id", told)


def _time(count: int, kind: pa.DataType) -> str:
    """Of a day or an instant ISO 8601, in UTC where there is a time zone; of a span or an hour the number stored."""
    if pa.types.is_timestamp(kind):
        return f"{np.datetime64(count, kind.unit)}{'Z' if kind.tz else ''}"
    return str(np.datetime64(count, "D" if kind == pa.date32() else "ms") if pa.types.is_date(kind) else count)


def _size(batch: pa.RecordBatch) -> int:
    """Bytes of the values of a batch, of a dictionary as often as they come."""
    return sum(map(_column_size, batch.columns))


def _column_size(column: pa.Array) -> int:
    if isinstance(column, pa.StructArray):
        return sum(map(_column_size, column.flatten()))
    if isinstance(column, pa.ListArray | pa.LargeListArray):
        first, end = (column.offsets[i].as_py() for i in (0, -1))
        return _column_size(column.values.slice(first, end - first)) + 8 * len(column)
    if not isinstance(column, pa.DictionaryArray) or not column.dictionary:
        return int(column.nbytes)
    kind = column.type.value_type
    if kind not in {pa.string(), pa.large_string(), pa.binary(), pa.large_binary()}:
        return len(column) * int(column.dictionary.nbytes) // len(column.dictionary)
    # By hand: the layer has no pyarrow.compute.
    places = _held(column.indices, f"i{column.indices.type.bit_width // 8}")
    ends = _held(column.dictionary, "i8" if kind in {pa.large_string(), pa.large_binary()} else "i4", 1)
    return int(np.diff(ends).take(places, mode="clip").sum())


def _held(array: pa.Array, kind: str, more: int = 0) -> NDArray[Any]:
    """What the first buffer of `array` behind that of its nulls holds for its elements, and `more`."""
    return np.frombuffer(array.buffers()[1], kind)[array.offset :][: len(array) + more]


class _File(io.RawIOBase):
    """`Stored` for pyarrow."""

    def __init__(self, stored: Stored) -> None:
        self._stored = stored
        self._at = 0
        self.taken = 0

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
        self.taken += len(data)
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
            self._stored = _File(stored)
            self._file = parquet.ParquetFile(self._stored, buffer_size=_BUFFER, pre_buffer=False)
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
            A page is damaged or a bomb, or Arrow can't read it.
        """
        groups, first = self._groups(start, end)
        named = [column for column in dict.fromkeys(columns) if column in self.columns]
        try:
            for batch in self._batches(groups, named, start - first, end - start):
                step = max(1, batch.num_rows * _READ_BYTES // max(1, _size(batch)))
                for at in range(0, batch.num_rows, step):
                    yield from _listed(batch.slice(at, step))
        except (pa.ArrowException, OSError, OverflowError, ValueError) as error:
            raise Unreadable(f"the Parquet file can not be read: {error!s:.200}") from error

    def _batches(self, groups: list[int], columns: list[str], skipped: int, wanted: int) -> Iterator[pa.RecordBatch]:
        """`wanted` rows of `groups` behind those to be skipped, by few rows at first and wherever they are large.

        How large a row is nothing tells before it is unpacked: a file of 500 bytes may hold a megabyte in each.
        """
        at_once, most, at, given, end = 1, self._most(groups, columns), 0, 0, skipped + wanted
        while at < end:
            done, at = at, 0
            for batch in self._file.iter_batches(at_once, row_groups=groups, columns=columns):
                first, at = at, at + batch.num_rows
                if at <= done:  # before the number of rows was another
                    continue
                size = _size(batch)
                given += max(0, size - _FREE_ROW_BYTES * batch.num_rows)
                check_ratio(given, self._stored.taken)
                low, high = max(skipped, done, first), min(at, end)
                if low < high:
                    yield _with_ids(batch.slice(low - first, high - low))
                fit = max(1, min(most, batch.num_rows * _READ_BYTES // max(1, size)))
                if fit * 4 < at_once:  # and no more from here on: each time, what was read is read again
                    at_once = most = fit
                    break
                if fit > at_once * 4:
                    at_once = min(fit, at_once * _GROWTH)
                    break
                if at >= end:
                    return
            else:
                return

    def _most(self, groups: list[int], columns: list[str]) -> int:
        """Rows that fit into memory together by what the footer says of their columns.

        They are taken to be alike; where far more is unpacked than stored, by a dictionary, each may be all of it.
        """
        most = _ROWS
        for group in map(self._file.metadata.row_group, groups):
            for column in map(group.column, range(group.num_columns)):
                size = max(1, column.total_uncompressed_size)
                if size > _READ_BYTES // _ROWS and column.path_in_schema.partition(".")[0] in columns:
                    repeated = column.has_dictionary_page and size > _REPEATED * column.total_compressed_size
                    most = min(most, (1 if repeated else group.num_rows) * _TOGETHER_BYTES // size)
        return max(1, most)

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


def schema(package: Package, fields: Fields, *, by_row: bool) -> pa.Schema:
    """The columns of an output: they follow from the package and the input's own types, so that all parts fit together.

    `by_row`: the first dimension of the model's tensors is the batch.
    """
    signature = package.signature
    texts, real = pa.string(), pa.float64()
    if fields.kinds:
        read = {own: real if fields.kinds[name] == "numeric" else texts for own, name in spelled(fields.names).items()}
    else:
        read = {fields.field: _struct(signature.inputs, by_row=by_row) if fields.field == "inputs" else texts}
    answers = {"tensors": _struct(signature.outputs, by_row=by_row), "regression": real}
    return pa.schema(
        {
            "row": pa.int64(),
            "id": pa.int64() if fields.numbered else texts,
            **read,
            "prediction": answers.get(package.task, texts),
            "confidence": real,
            **{f"score_{label}": real for label in package.labels},
            "model_version": pa.int64(),
        }
    )


def _struct(tensors: Iterable[Tensor], *, by_row: bool) -> pa.DataType:
    return pa.struct([(tensor.name, _nested(tensor, by_row=by_row)) for tensor in tensors])


def _nested(tensor: Tensor, *, by_row: bool) -> pa.DataType:
    """Lists within lists of float64, of the only integers that hold all others of their sign, of truths or of texts."""
    kinds = {"b": pa.bool_(), "s": pa.string(), "f": pa.float64(), "i": pa.int64(), "u": pa.int64()}
    kind = pa.uint64() if tensor.dtype == "uint64" else kinds[tensor.dtype[0]]
    for _ in tensor.shape[by_row:]:
        kind = pa.list_(kind)
    return kind


def table_bytes(rows: Table, columns: pa.Schema) -> bytes:
    """A Parquet file of `rows`, which all have the same `columns`."""
    out = io.BytesIO()
    arrays = [pa.array(_fitting([row[field.name] for row in rows], field.type), field.type) for field in columns]
    parquet.write_table(pa.Table.from_arrays(arrays, schema=columns), out)
    return out.getvalue()


def _fitting(values: list[Any], kind: pa.DataType) -> list[Any]:
    """`values` for a column of `kind`: Arrow makes no float of an integer that float64 holds by rounding only."""
    if pa.types.is_floating(kind):
        return [None if value is None else float(value) for value in values]
    if pa.types.is_list(kind):
        return [_fitting(value, kind.value_type) for value in values]
    if pa.types.is_struct(kind):
        fields = {field.name: _fitting([value[field.name] for value in values], field.type) for field in kind}
        return [dict(zip(fields, row, strict=True)) for row in zip(*fields.values(), strict=True)]
    return values
