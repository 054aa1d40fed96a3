"""BatchTable: one partition a job.

    JOB#<job_id>   JOB                 the job; its changes are conditioned on `status`, `attempt` and `revision`
    JOB#<job_id>   PIECE#00000#00000   a piece of a chunk, written once: also the checkpoint
    JOB#<job_id>   MEASURE#00000       what a stretch of a text file measured

`body` is the value as JSON. Pieces and measures expire after 90 days; the manifest has what they said. Rows of older
deployments have no `revision`.
"""

from collections.abc import Iterable, Iterator

import msgspec
from msgspec.structs import replace
from pynamodb.attributes import UnicodeAttribute
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex

from zeroloop import clock, table
from zeroloop.batch.cuts import Measure
from zeroloop.batch.rules import Job, Piece
from zeroloop.errors import Conflict
from zeroloop.table import IntAttribute, Row, translated

_KEPT_SECONDS = 90 * 86_400


class _Listing(GlobalSecondaryIndex["_JobRow"]):  # type: ignore[no-untyped-call]
    class Meta:
        index_name = "listing"
        projection = AllProjection()

    listing = UnicodeAttribute(hash_key=True)
    name = UnicodeAttribute(range_key=True)


class _JobRow(Row):
    body = UnicodeAttribute()
    status = UnicodeAttribute()
    attempt = IntAttribute()
    revision = IntAttribute(null=True)
    listing = UnicodeAttribute(default="jobs")
    name = UnicodeAttribute()
    by_name = _Listing()


class _PartRow(Row):
    body = UnicodeAttribute()
    expires = IntAttribute()


class BatchStore:
    """Jobs and what they have come to, as domain values. All reads by key are strongly consistent."""

    def __init__(self, table_name: str) -> None:
        table.bind(table_name, _JobRow, _PartRow)

    def create(self, job: Job) -> None:
        """Write a job; Conflict if another planner wrote it first."""
        with translated(f"job {job.job_id}"):
            _job_row(job).save(_JobRow.pk.does_not_exist())

    def get(self, job_id: str) -> Job | None:
        """One job."""
        with translated(f"job {job_id}"):
            try:
                row = _JobRow.get(_pk(job_id), "JOB", consistent_read=True)
            except _JobRow.DoesNotExist:
                return None
        return msgspec.json.decode(row.body, type=Job)

    def replace(self, before: Job, after: Job) -> Job:
        """Write `after`; Conflict if the job isn't as `before` any more."""
        condition = (_JobRow.status == before.status) & (_JobRow.attempt == before.attempt)
        condition &= (_JobRow.revision == before.revision) | _JobRow.revision.does_not_exist()
        after = replace(after, revision=before.revision + 1)
        with translated(f"job {after.job_id}"):
            _job_row(after).save(condition)
        return after

    def page(self, before: str | None, limit: int) -> list[tuple[str, Job]]:
        """Jobs, newest first, eventually consistent, each with its name in the list; `before` is one of those."""
        condition = (_JobRow.name < before) if before else None
        with translated("the list of jobs"):
            rows = _JobRow.by_name.query("jobs", condition, limit=limit, scan_index_forward=False)
            return [(row.name, msgspec.json.decode(row.body, type=Job)) for row in rows]

    def save_piece(self, job: Job, piece: Piece) -> None:
        """Note a piece once: of two that differ in their time only, the first counts; Conflict if another is noted."""
        row = _part_row(job, _piece_key(piece), piece)
        with translated(f"job {job.job_id}"):
            try:
                with translated(f"piece {row.sk}"):
                    row.save(_PartRow.pk.does_not_exist())
            except Conflict:
                row.refresh(consistent_read=True)
                noted = msgspec.json.decode(row.body, type=Piece)
                if replace(noted, seconds=piece.seconds) != piece:
                    raise

    def forget(self, job: Job, pieces: Iterable[Piece]) -> None:
        """Delete pieces, the last first, so that no chunk seems to have come further than it has."""
        with translated(f"job {job.job_id}"):
            for piece in sorted(pieces, key=lambda piece: piece.piece, reverse=True):
                _PartRow(_pk(job.job_id), _piece_key(piece)).delete()

    def last_piece(self, job_id: str, chunk: int) -> Piece | None:
        """How far a chunk has come."""
        keys = _PartRow.sk.startswith(f"PIECE#{chunk:05}#")
        with translated(f"job {job_id}"):
            rows = _PartRow.query(_pk(job_id), keys, scan_index_forward=False, limit=1, consistent_read=True)
            return next((msgspec.json.decode(row.body, type=Piece) for row in rows), None)

    def pieces(self, job_id: str) -> list[Piece]:
        """Every piece, by chunk and number."""
        return [msgspec.json.decode(row.body, type=Piece) for row in self._parts(job_id, "PIECE#")]

    def save_measure(self, job: Job, chunk: int, measure: Measure) -> None:
        """Note what a stretch measured."""
        with translated(f"job {job.job_id}"):
            _part_row(job, f"MEASURE#{chunk:05}", measure).save()

    def measures(self, job_id: str) -> dict[int, Measure]:
        """What the stretches measured, by their numbers."""
        rows = self._parts(job_id, "MEASURE#")
        return {int(row.sk.rpartition("#")[2]): msgspec.json.decode(row.body, type=Measure) for row in rows}

    def _parts(self, job_id: str, prefix: str) -> Iterator[_PartRow]:
        with translated(f"job {job_id}"):
            yield from _PartRow.query(_pk(job_id), _PartRow.sk.startswith(prefix), consistent_read=True)


def _pk(job_id: str) -> str:
    return f"JOB#{job_id}"


def _piece_key(piece: Piece) -> str:
    return f"PIECE#{piece.chunk:05}#{piece.piece:05}"


def _part_row(job: Job, sk: str, value: Piece | Measure) -> _PartRow:
    body = msgspec.json.encode(value).decode()
    return _PartRow(_pk(job.job_id), sk, body=body, expires=clock.now_ms() // 1000 + _KEPT_SECONDS)


def _job_row(job: Job) -> _JobRow:
    return _JobRow(
        _pk(job.job_id),
        "JOB",
        body=msgspec.json.encode(job).decode(),
        status=job.status,
        attempt=job.attempt,
        revision=job.revision,
        name=f"{job.created_at:013}#{job.job_id}",
    )
