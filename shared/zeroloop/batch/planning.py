"""How a file is to be read and cut, from its head or its footer: the planner's look at it."""

from msgspec.structs import replace

from zeroloop.batch import cuts, detect, scoring
from zeroloop.batch.rules import Chunk, Options, Plan, Unreadable
from zeroloop.batch.scoring import Stored, unpack
from zeroloop.batch.streams import Counted, as_utf8

CHUNK_BYTES = 64_000_000
CHUNK_SECONDS = 100.0
PIECE_SECONDS = 20.0
_MOST_CHUNKS = 100_000
_LEAST_CHUNK_BYTES = 1_000_000
_MOST_PIECE_ROWS = 100_000
PIECE_BYTES = 16_000_000
_LEAST_PIECE_ROWS = 10
# What a row is taken to have where nothing was scored yet: short ones make more work of the same bytes.
_ROW_BYTES = 100
_ROW_SECONDS = 0.0002


def plan(stored: Stored, key: str, options: Options, row_seconds: float | None) -> Plan:
    """How the file `stored` under `key` is read; `row_seconds` is what its model takes for a row.

    Raises
    ------
    Unreadable
        It isn't what it says it is, or more than can be read.
    """
    head = stored.read_range(0, min(stored.size, detect.HEAD_BYTES))
    packed = detect.compression(head)
    if packed:
        head = _unpacked_head(stored, packed)
    form = detect.form(key, head, options)
    seconds = row_seconds or _ROW_SECONDS
    chunk_bytes = round(min(CHUNK_BYTES, max(_LEAST_CHUNK_BYTES, CHUNK_SECONDS / seconds * _ROW_BYTES)))
    piece_rows = round(min(_MOST_PIECE_ROWS, max(_LEAST_PIECE_ROWS, PIECE_SECONDS / seconds)))
    work = Plan(
        format=form,
        compression=packed,
        chunk_bytes=chunk_bytes,
        piece_rows=piece_rows,
        piece_bytes=PIECE_BYTES,
        batch_rows=scoring.whole_calls(min(scoring.BATCH_ROWS, piece_rows)),  # between two looks at the clock
    )
    if form == "parquet":
        return _parquet(stored, work)
    named, start = detect.encoding(head, options)
    if named == "utf-16":
        head, start = b"".join(as_utf8([head], named, whole=False)), 0  # what is odd at its end, the worker tells
    columns: list[str] = []
    delimiter = detect.delimiter(key, options) or ","
    if form == "csv" and options.header is False:
        columns = ["1"]
    elif form == "csv":
        spelled = "utf-8" if named == "utf-16" else named
        columns, delimiter, start = detect.header(head, start, spelled, detect.delimiter(key, options))
    declared = options.header is not None
    found = replace(work, delimiter=delimiter, encoding=named, columns=columns, declared=declared, start=start)
    chunks = 1 if found.streamed else len(cuts.stretches(start, stored.size, chunk_bytes))
    return _bounded(found, chunks, measured=chunks > 1)


def _parquet(stored: Stored, work: Plan) -> Plan:
    if work.compression:
        raise Unreadable("Parquet is packed by itself: send it as it is")
    from zeroloop.batch import tables  # noqa: PLC0415 - pyarrow takes 150 ms to import, and few files need it

    file = tables.Parquet(stored)
    if len(set(file.columns)) < len(file.columns):
        raise Unreadable("the file names a column twice")
    found = replace(work, columns=file.columns)
    return _bounded(found, len(file.chunks(work.chunk_bytes)), measured=False)


def _bounded(plan: Plan, chunks: int, *, measured: bool) -> Plan:
    if chunks > _MOST_CHUNKS:
        raise Unreadable(f"{chunks:,} chunks are more than the {_MOST_CHUNKS:,} of a job: send several files")
    if len(plan.columns) > detect.MAX_COLUMNS:
        raise Unreadable(f"the file has {len(plan.columns):,} columns, {detect.MAX_COLUMNS:,} are allowed")
    return replace(plan, chunks=chunks, measured=measured)


def chunks(stored: Stored, plan: Plan) -> list[Chunk]:
    """The chunks of a plan; where it is to be measured, they are stretches that know nothing of records yet."""
    if plan.format == "parquet":
        from zeroloop.batch import tables  # noqa: PLC0415 - see above

        return tables.Parquet(stored).chunks(plan.chunk_bytes)
    if plan.streamed:
        return [Chunk(0, plan.start, stored.size)]
    return cuts.stretches(plan.start, stored.size, plan.chunk_bytes)


def _unpacked_head(stored: Stored, packed: str) -> bytes:
    blocks = Counted(stored.blocks(0, stored.size))
    head = b""
    for block in unpack(blocks, packed):
        head += block
        if len(head) >= detect.HEAD_BYTES:
            break
    return head[: detect.HEAD_BYTES]
