"""Scoring one chunk, piece by piece: read, parse, predict, write. Memory holds one piece, whatever the file.

Where a piece ends follows from the job and the input alone, never from the time: so a chunk that was killed, handed
over or run twice makes the same parts, byte for byte. What is begun and not written is done again.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any, NamedTuple, Protocol

import msgspec
from msgspec import Struct

from zeroloop.batch import outputs, streams
from zeroloop.batch.rows import Fields, Reject, Rows, parse, rejected
from zeroloop.batch.rules import Chunk, Job, Piece, Plan, Unreadable, Written
from zeroloop.batch.streams import Counted, Record, Run
from zeroloop.errors import InvalidInput, ModelFailed, ZeroloopError
from zeroloop.inference.answers import Answers, NotANumber
from zeroloop.inference.model import Model
from zeroloop.inference.runtime import SUB_BATCH

BATCH_ROWS = 1_000
"""Rows that are parsed and predicted together; the interpreter is called with a tenth of them (`runtime.SUB_BATCH`)."""
_BATCH_NUMBERS = 1_000_000
"""Of the answers to them: as numbers of Python they take 32 MB."""
_FEW_REFUSALS = 8
_PLACES = [str(i) for i in range(BATCH_ROWS)]
_PLACE = re.compile(r"^\d+")


class Stored(Protocol):
    """The input: one version of one object."""

    size: int

    def read_range(self, start: int, end: int) -> bytes:
        """Bytes `start` to before `end`."""

    def blocks(self, start: int, end: int) -> Iterator[bytes]:
        """The same, as a stream."""


class Sink(Protocol):
    """Where the output goes: every object is written once."""

    def write(self, name: str, data: bytes) -> Written:
        """Write an object below the job's prefix, or find the same one there."""

    def save(self, piece: Piece) -> None:
        """Note that the piece is written, or find it noted."""


class Batch(Struct, frozen=True):
    """Records that are parsed together, their number, where they end, and the share of the chunk that is read by then.

    `record` gives the record of a row number; `swallowed` are the lines of the rejects beyond one each.
    """

    rows: Rows
    rejects: list[Reject]
    swallowed: int
    record: Callable[[int], Record]
    records: int
    end: int
    next_row: int
    read: float


class Worker:
    """Scores chunks of one job with one loaded version.

    Raises
    ------
    Unreadable
        The columns of the file lack what the model reads.
    """

    def __init__(self, job: Job, plan: Plan, model: Model, stored: Stored, sink: Sink) -> None:
        self._job = job
        self._plan = plan
        self._model = model
        self._stored = stored
        self._sink = sink
        self._fields = Fields(model.package, model.field, plan)
        self._batch_rows = whole_calls(max(1, min(plan.batch_rows, _BATCH_NUMBERS // model.width)))

    def score(self, chunk: Chunk, before: Piece | None, late: Callable[[], bool]) -> bool:
        """Score `chunk` from behind the piece that was written last; whether it got to its end before it was `late`.

        Raises
        ------
        Unreadable
            The file is damaged, or a quote never closes.
        Unavailable
            Storage or table don't answer.
        """
        if before and before.last:
            return True
        begin = _Begin(before.piece + 1, before.end, before.next_row) if before else _Begin(0, chunk.start, chunk.row)
        growing = _Growing(self._job, chunk, self._model, self._fields, begin)
        for batch in self._batches(chunk, begin.at, begin.row):
            growing.add(batch, *self._predicted(batch))
            if growing.is_full(self._plan):
                growing = growing.write(self._sink, last=False)
            if late():
                return False
        growing.write(self._sink, last=True)
        return True

    def _predicted(self, batch: Batch) -> tuple[Rows, Answers, list[Reject]]:
        """The rows that were answered, their answers, and the rejects, each in order."""
        said, refused = predict(self._model, batch.rows.values)
        if not refused:
            return batch.rows, said, batch.rejects
        told = {batch.rows.numbers[i]: why for i, why in refused.items()}
        rejects = batch.rejects + [rejected(batch.record(row), row, why, self._plan) for row, why in told.items()]
        answered = Rows.of(row for row in zip(*batch.rows, strict=True) if row[0] not in told)
        return answered, said, sorted(rejects, key=lambda reject: reject.row)

    def _batches(self, chunk: Chunk, at: int, row: int) -> Iterator[Batch]:
        if self._plan.format == "parquet":
            yield from self._tables(chunk, at)
            return
        share = _share(chunk, self._stored.size, streamed=self._plan.streamed)
        blocks, taken = _opened(self._stored, self._plan, chunk, at)
        for run in streams.runs(blocks, at, self._batch_rows, quotes=self._plan.format == "csv"):
            if run.open:
                raise Unreadable.unclosed(row + len(run.ends) - 1)
            rows, rejects, lines = parse(run, row, self._plan, self._fields)
            record = partial(_of_run, run, row)
            row += len(run.ends)
            read = share(taken.taken if self._plan.streamed else run.end)
            yield Batch(rows, rejects, lines - len(rejects), record, len(run.ends), run.end, row, read)

    def _tables(self, chunk: Chunk, at: int) -> Iterator[Batch]:
        from zeroloop.batch import tables  # noqa: PLC0415 - pyarrow takes 150 ms to import, and few files need it

        file = tables.Parquet(self._stored)
        self._fields.numbered = file.numbered
        found = file.rows(at, chunk.end, self._fields.columns)
        while some := list(_some(found, self._batch_rows)):
            values, ids = zip(*map(self._fields.of_object, some), strict=True)
            record = partial(_of_table, some, at + 1)
            rows = Rows(range(at + 1, at + 1 + len(some)), ids, values)
            at += len(some)
            read = (at - chunk.start) / max(1, chunk.end - chunk.start)
            yield Batch(rows, [], 0, record, len(some), at, at + 1, read)


def whole_calls(n_rows: int) -> int:
    """So many rows at most, in whole calls of the interpreter."""
    return n_rows // SUB_BATCH * SUB_BATCH or n_rows


def _some(found: Iterator[dict[str, Any]], most: int) -> Iterator[dict[str, Any]]:
    """The next rows, at most `most` and of about 1 MB, as runs of text are."""
    n_bytes = 0
    for row in islice(found, most):
        yield row
        n_bytes += _bytes(row)
        if n_bytes >= streams.RUN_BYTES:
            return


def _bytes(value: Any) -> int:
    """About what a value of a table takes."""
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, dict):
        return sum(map(_bytes, value.values()))
    return sum(map(_bytes, value)) if isinstance(value, list) else 8


def _of_run(run: Run, first: int, row: int) -> Record:
    return run.record(row - first)


def _of_table(found: list[dict[str, Any]], first: int, row: int) -> Record:
    return Record(row - 1, row, msgspec.json.encode(found[row - first], enc_hook=str))


class _Begin(NamedTuple):
    """Where a piece begins: its number in the chunk, the offset and the number of its first row."""

    piece: int
    at: int
    row: int


class _Growing:
    """A piece that isn't written yet."""

    def __init__(self, job: Job, chunk: Chunk, model: Model, fields: Fields, begin: _Begin) -> None:
        self._job = job
        self._chunk = chunk
        self._model = model
        self._fields = fields
        self._begin = begin
        self._end, self._next_row = begin.at, begin.row
        self._read = 0.0
        self._rows = self._rejects = self._records = self._swallowed = 0
        self._lines: list[bytes] = []
        self._rejected: list[bytes] = []
        self._table: list[dict[str, Any]] = []
        self._bytes = 0

    def add(self, batch: Batch, rows: Rows, answers: Answers, rejects: list[Reject]) -> None:
        """Take what a batch came to."""
        n_rows = len(rows.values)
        if n_rows:
            self._format(rows, answers)
        if rejects:
            self._rejected.append(outputs.reject_lines(rejects))
            self._bytes += len(self._rejected[-1])
        self._rows, self._rejects = self._rows + n_rows, self._rejects + len(rejects)
        self._records, self._swallowed = self._records + batch.records, self._swallowed + batch.swallowed
        self._end, self._next_row, self._read = batch.end, batch.next_row, batch.read

    def _format(self, rows: Rows, answers: Answers) -> None:
        version, output, fields = self._job.model_version or 0, self._job.options.output, self._fields
        if output == "parquet":
            ids = rows.ids if fields.numbered else [None if own is None else str(own) for own in rows.ids]
            added = list(outputs.flat(rows._replace(ids=ids), answers, fields.field, fields.names, version))
            self._table += added
            self._bytes += sum(map(_bytes, added))
            return
        if output == "csv":
            table = outputs.flat(rows, answers, fields.field, fields.names, version)
            lines = outputs.csv_lines(table, head=not self._lines)
        else:
            lines = outputs.json_lines(rows, answers, fields.field, version)
        self._lines.append(lines)
        self._bytes += len(lines)

    def is_full(self, plan: Plan) -> bool:
        """Whether the piece is to be written."""
        return self._bytes >= plan.piece_bytes or self._records >= plan.piece_rows

    def write(self, sink: Sink, *, last: bool) -> "_Growing":
        """Write part, rejects and then the piece itself; what grows next."""
        name = f"{self._chunk.chunk:05}-{self._begin.piece:05}"
        part = rejected = None
        if self._rows:
            part = sink.write(f"part-{name}.{self._job.options.output}", self._part())
        if self._rejects:
            rejected = sink.write(f"rejects/{name}.jsonl", b"".join(self._rejected))
        sink.save(
            Piece(
                chunk=self._chunk.chunk,
                piece=self._begin.piece,
                start=self._begin.at,
                end=self._end,
                next_row=self._next_row,
                read=1.0 if last else round(self._read, 6),
                rows=self._rows,
                rejects=self._rejects,
                swallowed=self._swallowed,
                blank=self._records - self._rows - self._rejects,
                part=part,
                rejected=rejected,
                last=last,
            )
        )
        following = _Begin(self._begin.piece + 1, self._end, self._next_row)
        return _Growing(self._job, self._chunk, self._model, self._fields, following)

    def _part(self) -> bytes:
        if self._job.options.output == "parquet":
            from zeroloop.batch import tables  # noqa: PLC0415 - see above

            columns = tables.schema(self._model.package, self._fields, by_row=self._model.rows)
            return tables.table_bytes(self._table, columns)
        return b"".join(self._lines)


def predict(model: Model, values: Sequence[Any]) -> tuple[Answers, dict[int, str]]:
    """The answers to `values`, and of those that have none the place and the reason.

    A value that the model can't read is named by the refusal, taken out, and the rest tried again. If alone it is
    answered, the others are at fault: tensors of a request have one shape. Then, if there are many refusals or the
    model breaks on one, each is tried alone.
    """
    refused: dict[int, str] = {}
    left = list(range(len(values)))
    for _ in range(_FEW_REFUSALS if model.rows else 0):
        if not left:
            break
        try:
            return model.columns([values[i] for i in left] if refused else values, _PLACES[: len(left)]), refused
        except InvalidInput as error:
            place = _PLACE.match(error.field or "")
            why = _alone(model, values[left[int(place[0])]]) if place else None
            if place is None or not isinstance(why, str):
                break
            refused[left.pop(int(place[0]))] = why
        except (ModelFailed, NotANumber):
            break
    said = {i: _alone(model, values[i]) for i in left}
    refused |= {i: why for i, why in said.items() if isinstance(why, str)}
    return Answers.joined([one for one in said.values() if not isinstance(one, str)]), refused


def _alone(model: Model, value: Any) -> Answers | str:
    """The answer to one value, or why it has none."""
    try:
        return model.columns([value], _PLACES[:1])
    except (InvalidInput, ModelFailed, NotANumber) as error:
        return _told(error, model.field)


def _told(error: ZeroloopError, field: str) -> str:
    return f"{_PLACE.sub(field, error.field)}: {error.message}" if error.field else error.message


def _opened(stored: Stored, plan: Plan, chunk: Chunk, at: int) -> tuple[Iterable[bytes], Counted]:
    """The text of `chunk` from offset `at` on, and what counts the stored bytes that were taken for it."""
    if not plan.streamed:
        counted = Counted(stored.blocks(at, chunk.end))
        return counted, counted
    counted = Counted(stored.blocks(0, stored.size))
    unpacked = streams.as_utf8(unpack(counted, plan.compression), plan.encoding)
    return streams.skipped(unpacked, at), counted


def unpack(blocks: Counted, compression: str | None) -> Iterator[bytes]:
    """`blocks` without their compression."""
    if compression == "gzip":
        return streams.gunzipped(blocks)
    if compression == "zstd":
        from zeroloop.batch import tables  # noqa: PLC0415 - see above

        return tables.unzstandard(blocks)
    return iter(blocks)


def _share(chunk: Chunk, size: int, *, streamed: bool) -> Callable[[int], float]:
    start, end = (0, size) if streamed else (chunk.start, chunk.end)
    return lambda at: (at - start) / max(1, end - start)
