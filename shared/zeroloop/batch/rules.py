"""Jobs, chunks and pieces as values, and what may become of a job. Pure. Contract: docs/contracts/job.schema.json."""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from itertools import groupby
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from zeroloop.digests import canonical, sha256
from zeroloop.errors import Conflict, InvalidInput

INBOX = "inbox/"
OUTBOX = "outbox/"
ROUND_SECONDS = 200
"""A worker of many hands over after this: its Express child ends at 300 s."""
ALONE_SECONDS = 780
"""A worker alone hands over after this: Lambda ends it at 900 s."""

Format = Literal["csv", "jsonl", "parquet"]
Share = Annotated[float, Meta(ge=0, le=100)]
Listed = Mapping[str, tuple[int, str]]
"""Size and ETag of the objects of an output, by their names."""


class Status(StrEnum):
    """A job's life; the last three are its ends."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Input(Struct, frozen=True, kw_only=True):
    """One version of one object."""

    bucket: str
    key: str
    version_id: str | None
    etag: str | None
    size: int = 0


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be declared of an input, by the body of POST /batch or the object's metadata; else it is detected."""

    format: Format | None = None
    delimiter: Annotated[str, Meta(pattern=r'^(?:[^"\r\n\0]|tab)\Z')] | None = None
    """A character, or `tab`: metadata can't hold one."""
    header: bool | None = None
    """Whether a CSV has one; a file without one has one column, the text."""
    encoding: Literal["utf-8", "latin-1", "cp1252", "utf-16"] | None = None
    output: Format = "jsonl"
    max_reject_percent: Share = 5.0


class Plan(Struct, frozen=True, kw_only=True):
    """What the planner found in the file, pinned with the job: every worker reads it in the same way."""

    format: Format
    compression: Literal["gzip", "zstd"] | None = None
    delimiter: str = ","
    encoding: str = "utf-8"
    columns: list[str] = msgspec.field(default_factory=list)
    declared: bool = True
    """Whether it was declared if there is a header, so that whatever the only column is called is right."""
    start: int = 0
    """Offset of the first record behind the byte order mark and the header."""
    chunk_bytes: int = 64_000_000
    piece_rows: int = 100_000
    piece_bytes: int = 16_000_000
    batch_rows: int = 1_000
    """Rows that are parsed and predicted together, between two looks at the clock."""
    chunks: int = 1
    measured: bool = False
    """Whether a round of measuring comes first."""

    @property
    def streamed(self) -> bool:
        """Whether the file can be read from its beginning only."""
        return self.compression is not None or self.encoding == "utf-16"


class Job(Struct, frozen=True, kw_only=True):
    """A file to be scored by one version of one model."""

    schema_version: Literal[1] = 1
    job_id: str
    model: str
    model_id: str | None
    model_version: int | None
    version_digest: str | None = None
    input: Input
    output: str
    options: Options = Options()
    plan: Plan | None = None
    status: Status = Status.PENDING
    error: str | None = None
    attempt: int = 0
    revision: int = 0
    """How often it was changed."""
    rows: int | None = None
    rejects: int | None = None
    created_at: int
    started_at: int | None = None
    finished_at: int | None = None


class Chunk(Struct, frozen=True):
    """Bytes (of Parquet: rows) from `start` to before `end`, the first of which is row number `row`.

    `records` is how many records lie there, where something else than scoring them counted.
    """

    chunk: int
    start: int
    end: int
    row: int = 1
    records: int | None = None


class Written(Struct, frozen=True):
    """An object of the output, by its name below the job's prefix."""

    name: str
    sha256: str
    size: int
    etag: str | None = None
    """What S3 calls these bytes; None in pieces of older deployments."""


class Piece(Struct, frozen=True, kw_only=True):
    """What a chunk has come to: records from `start` to before `end`, the next of which is number `next_row`.

    Offsets are those of the decompressed input, of Parquet row numbers; `read` is how much of the chunk's stored
    input was taken until here, in [0, 1].
    """

    chunk: int
    piece: int
    start: int
    end: int
    next_row: int
    read: float
    rows: int
    rejects: int
    swallowed: int = 0
    """Lines of records that could not be read, beyond one each: what two odd quotes swallow between them."""
    blank: int = 0
    part: Written | None = None
    rejected: Written | None = None
    last: bool = False
    seconds: float = 0.0
    """What it took; nothing else here depends on when and where it was made."""


class Unreadable(InvalidInput):
    """The file can't be read any further: not what it says it is, or too much."""

    code = "unreadable_input"

    @classmethod
    def unclosed(cls, row: int) -> "Unreadable":
        """A quote without its other: a file that is cut short, or one odd quote that would swallow what follows."""
        return cls(f"the quote opened in row {row:,} never closes: double it, or quote its cell")


class Gone(Conflict):
    """The input isn't there any more, or is another than was planned."""

    code = "input_gone"


def job_id(bucket: str, key: str, version_id: str | None, model: str, version: int | None) -> str:
    """The job of an object's version: whoever asks again, however often, means the same job.

    `version` is the model's version where the caller named one.
    """
    return "j-" + sha256(canonical([bucket, key, version_id, model, version]))[:32]


def model_of(key: str) -> str:
    """The model that an object of the inbox is for.

    Raises
    ------
    InvalidInput
        Not `inbox/<model>/<name>`.
    """
    folder, _, rest = key.partition("/")
    model, _, name = rest.partition("/")
    if f"{folder}/" != INBOX or not model or not name or name.endswith("/"):
        raise InvalidInput(f"{key[:200]!r} is not inbox/<model>/<name>", field="input")
    return model


def prefix(job: Job) -> str:
    """Key prefix of the job's output."""
    return f"{OUTBOX}{job.model}/{job.job_id}/"


def parse_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of `s3://bucket/key`.

    Raises
    ------
    InvalidInput
    """
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not bucket or not key or len(key.encode()) > 1024:
        raise InvalidInput("the input is s3://bucket/key", field="input")
    return bucket, key


def options(metadata: Mapping[str, str], asked: Mapping[str, Any]) -> Options:
    """What is declared: `asked` by the caller, else by the object's own `metadata`, where others' names are ignored.

    Raises
    ------
    InvalidInput
        Names what can't be so.
    """
    known: dict[str, Any] = {name: value for name, value in metadata.items() if name in Options.__struct_fields__}
    try:
        found = msgspec.convert({**known, **asked}, Options, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"options: {error}", field="options") from error
    return replace(found, delimiter="tab") if found.delimiter == "\t" else found  # as metadata can hold it


def metadata(asked: Mapping[str, Any]) -> dict[str, str]:
    """`asked` as an object's metadata, of which `options` makes the same.

    Raises
    ------
    InvalidInput
        Names what can't be so, or can't be metadata.
    """
    declared = options({}, asked)
    told = {name: getattr(declared, name) for name in asked if getattr(declared, name) is not None}
    told = {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in told.items()}
    for name, value in told.items():
        if not value.isascii() or not value.isprintable() or value.isspace():
            raise InvalidInput("metadata holds visible ASCII only", field=f"options.{name}")
    return told


def execution(job: Job) -> str:
    """Name of the execution that works on the job: one a try."""
    return f"{job.job_id}-r{job.attempt}" if job.attempt else job.job_id


def start(job: Job, at: int) -> Job:
    """The job at work."""
    return replace(job, status=Status.PROCESSING, started_at=job.started_at or at)


def complete(job: Job, pieces: Sequence[Piece], at: int) -> Job:
    """The job whose every row is out."""
    rows, rejects = sum(piece.rows for piece in pieces), sum(piece.rejects for piece in pieces)
    return replace(job, status=Status.COMPLETED, rows=rows, rejects=rejects, error=None, finished_at=at)


def fail(job: Job, error: str, at: int, pieces: Sequence[Piece] = ()) -> Job:
    """The job that came to nothing, or to `pieces` that are too few, with the reason."""
    rows, rejects = sum(piece.rows for piece in pieces), sum(piece.rejects for piece in pieces)
    return replace(job, status=Status.FAILED, rows=rows, rejects=rejects, error=error[:1000], finished_at=at)


def is_over(job: Job) -> bool:
    """Whether nothing more is to be done."""
    return job.status in {Status.COMPLETED, Status.FAILED, Status.CANCELLED}


def is_at(job: Job, attempt: int | None) -> bool:
    """Whether a step of this try has anything to do: another try is no business of its, nor is a job that is over."""
    return not is_over(job) and attempt in {None, job.attempt}


def cancel(job: Job, at: int) -> Job:
    """The job that nobody wants any more; one that was cancelled as it is.

    Raises
    ------
    Conflict
        It came to its end.
    """
    if job.status == Status.CANCELLED:
        return job
    if is_over(job):
        raise Conflict(f"the job is {job.status}", code="job_over")
    return replace(job, status=Status.CANCELLED, finished_at=at)


def redrive(job: Job, max_reject_percent: float | None) -> Job:
    """The job for another try, which keeps what is done; one that waits for its try gets no other.

    Raises
    ------
    Conflict
        It has completed, or was never planned.
    """
    if job.status == Status.COMPLETED:
        raise Conflict("the job has completed: there is nothing to drive again", code="job_over")
    if job.plan is None:
        raise Conflict("the job was refused before it began: mend the input and upload it again", code="not_planned")
    options = job.options
    if max_reject_percent is not None:
        options = replace(options, max_reject_percent=max_reject_percent)
    if job.status == Status.PENDING:
        return replace(job, options=options)
    return replace(job, status=Status.PENDING, error=None, finished_at=None, attempt=job.attempt + 1, options=options)


def unfinished(chunks: Iterable[Chunk], pieces: Iterable[Piece]) -> list[Chunk]:
    """The chunks whose last piece isn't there yet."""
    done = {piece.chunk for piece in pieces if piece.last}
    return [chunk for chunk in chunks if chunk.chunk not in done]


def gaps(chunks: Sequence[Chunk], pieces: Sequence[Piece]) -> list[str]:
    """What contradicts that every record of every chunk came out once: pieces must follow each other without a gap.

    `records` of a chunk were counted by another pass over the file, or by who wrote it.
    """
    by_chunk = _by_chunk(pieces)
    return [fault for chunk in chunks for fault in _gaps(chunk, by_chunk.get(chunk.chunk, []))]


def _by_chunk(pieces: Iterable[Piece]) -> dict[int, list[Piece]]:
    return {number: list(found) for number, found in groupby(pieces, key=lambda piece: piece.chunk)}


def _gaps(chunk: Chunk, pieces: Sequence[Piece]) -> list[str]:
    at, row, wrong = chunk.start, chunk.row, []
    for number, piece in enumerate(pieces):
        if (piece.piece, piece.start) != (number, at):
            wrong.append(f"chunk {chunk.chunk}: piece {piece.piece} starts at {piece.start}, not {at}")
        at, row = piece.end, row + piece.rows + piece.rejects + piece.blank
        if row != piece.next_row:
            wrong.append(f"chunk {chunk.chunk}: piece {piece.piece} lost rows")
    if chunk.records is not None and row != chunk.row + chunk.records:
        wrong.append(f"chunk {chunk.chunk} holds {chunk.records:,} records, {row - chunk.row:,} came out")
    return wrong


def missing(pieces: Iterable[Piece], listed: Listed) -> list[str]:
    """What the pieces name and the output hasn't, or has with other bytes."""
    named = [written for piece in pieces for written in (piece.part, piece.rejected) if written]
    return [f"{one.name} {fault}" for one in named if (fault := _fault(one, listed.get(one.name)))]


def _fault(one: Written, found: tuple[int, str] | None) -> str | None:
    if found is None:
        return "is not there"
    size, etag = found
    if size != one.size:
        return f"has {size:,} bytes, not {one.size:,}"
    return None if one.etag in {None, etag} else "has other bytes than were noted"


def doubtful(chunks: Sequence[Chunk], pieces: Sequence[Piece], listed: Listed) -> list[Piece]:
    """The pieces to be made again: of a chunk that has `gaps` all, else those from the first `missing` one on."""
    found: list[Piece] = []
    by_chunk = _by_chunk(pieces)
    for chunk in chunks:
        own = by_chunk.get(chunk.chunk, [])
        lost = (place for place, piece in enumerate(own) if missing([piece], listed))
        found += own[0 if _gaps(chunk, own) else next(lost, len(own)) :]
    return found


def too_many_rejects(job: Job, pieces: Iterable[Piece]) -> str | None:
    """Why the job fails for its rejects; None if they are within its tolerance."""
    listed = list(pieces)
    swallowed, rows = sum(piece.swallowed for piece in listed), sum(piece.rows for piece in listed)
    rejects = sum(piece.rejects for piece in listed) + swallowed
    most = job.options.max_reject_percent
    if rejects * 100 <= most * (rows + rejects):
        return None
    what = "lines" if swallowed else "rows"
    return f"{rejects:,} of {rows + rejects:,} {what} were rejected, more than {most:g}%; see rejects.jsonl"


class Progress(Struct, frozen=True, kw_only=True):
    """How far a job is: percent, rows so far, and what that says of its end."""

    progress: float
    rows: int
    rejects: int
    rows_per_second: float | None = None
    estimated_end: int | None = None


def progress(job: Job, pieces: Iterable[Piece], now: int) -> Progress:
    """How far `job` is at `now` (ms since 1970) by its `pieces`."""
    rows = rejects = 0
    read: dict[int, float] = {}
    for piece in pieces:
        rows, rejects = rows + piece.rows, rejects + piece.rejects
        read[piece.chunk] = max(read.get(piece.chunk, 0.0), piece.read)
    if job.status == Status.COMPLETED:
        return Progress(progress=100.0, rows=job.rows or 0, rejects=job.rejects or 0)
    if job.status == Status.FAILED:
        rows, rejects = rows or job.rows or 0, rejects or job.rejects or 0
    done = sum(read.values()) / (job.plan.chunks if job.plan else 1)
    elapsed = now - (job.started_at or now)
    if is_over(job) or not done or elapsed <= 0:
        return Progress(progress=round(min(done, 1) * 100, 2), rows=rows, rejects=rejects)
    return Progress(
        progress=round(min(done * 100, 99.9), 2),
        rows=rows,
        rejects=rejects,
        rows_per_second=round((rows + rejects) * 1000 / elapsed, 1),
        estimated_end=now + round(elapsed / done * (1 - done)),
    )
