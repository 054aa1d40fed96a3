"""A job at work: rounds of the state machine over its chunks, until every row is out or it is known why not.

The state that goes from round to round is a `Round`; what was done is in BatchTable and on S3 only, so that a round
can be repeated, and a new execution goes on where the last one ended.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from zeroloop import clock
from zeroloop.batch import costs, cuts, planning, rules
from zeroloop.batch.rules import Chunk, Gone, Job, Piece, Plan, Status, Written
from zeroloop.batch.scoring import Worker
from zeroloop.batch.store import BatchStore
from zeroloop.data import DataBucket, ObjectVersion
from zeroloop.errors import Conflict, NotFound, Unavailable, ZeroloopError
from zeroloop.inference.warm import WarmModels

_MOST_MEASURING_ROUNDS = 3
_TRIES = 20


class Lost(ZeroloopError):  # noqa: N818
    """Rows went missing between input and output: a fault of ours, or somebody changed the output meanwhile."""

    code = "rows_lost"


class Round(Struct, frozen=True, kw_only=True):
    """What the state machine does next: one chunk, or those of a list on S3; nothing when it is `over`."""

    job_id: str
    attempt: int | None = None
    """Which try of the job it belongs to; None if an older deployment began it."""
    over: bool = False
    status: str = ""
    step: Literal["measure", "score"] = "score"
    round: int = 0
    pieces: int = 0
    """How many pieces there were before this round."""
    many: bool = False
    bucket: str = ""
    key: str = ""
    chunk: Chunk | None = None
    came_to: Any = None
    """What the state machine was told of the round: `Error` and `Cause` where it failed."""


class Rounds:
    """The steps of the state machine. `now_ms` and `monotonic` are the clock's."""

    def __init__(
        self,
        store: BatchStore,
        bucket: DataBucket,
        models: WarmModels,
        *,
        now_ms: Callable[[], int] = clock.now_ms,
        monotonic: Callable[[], float] = clock.monotonic,
    ) -> None:
        self._store = store
        self._bucket = bucket
        self._models = models
        self._now_ms = now_ms
        self._monotonic = monotonic

    def first(self, job: Job) -> Round:
        """The round that a planned job begins with, or goes on with."""
        chunks, unmeasured = self._chunks(job)
        return self._listed(job, unmeasured, step="measure") if unmeasured else self._next(job, chunks)

    def measure(self, job_id: str, attempt: int | None, stretch: Chunk) -> str:
        """Measure one stretch of a text file; what it came to."""
        job = self._store.get(job_id)
        if job is None or not rules.is_at(job, attempt):
            return "over"
        blocks = self._input(job).blocks(stretch.start, stretch.end)
        found = cuts.measure(blocks, stretch.start, quotes=_planned(job).format == "csv")
        self._store.save_measure(job, stretch.chunk, found)
        return "done"

    def score(self, job_id: str, attempt: int | None, chunk: Chunk, seconds: float) -> str:
        """Score a chunk for at most `seconds`, from behind its last piece; what it came to.

        Raises
        ------
        Unavailable
            What a repetition may mend. What it can't fails the job.
        """
        job = self._store.get(job_id)
        if job is None or not rules.is_at(job, attempt):
            return "over"
        before = self._store.last_piece(job_id, chunk.chunk)
        if before and before.last:
            return "done"
        sink = _Sink(self._store, self._bucket, job, self._monotonic)
        until = self._monotonic() + seconds
        try:
            model = self._models.get(job.model_id or "", job.model_version or 0).model
            worker = Worker(job, _planned(job), model, self._input(job), sink)
            done = worker.score(chunk, before, lambda: sink.unwanted or self._monotonic() >= until)
        except Unavailable:
            raise
        except ZeroloopError as error:
            if isinstance(error, Conflict) and self._store.last_piece(job_id, chunk.chunk) != before:
                raise Unavailable(f"chunk {chunk.chunk} has come further meanwhile: go on behind it") from error
            self.fail(job, error)
            return "failed"
        return "done" if done else "more"

    def advance(self, last: Round) -> Round:
        """What follows a round: another, or the end of the job, which this writes."""
        job = self._store.get(last.job_id)
        if job is None or not rules.is_at(job, last.attempt):
            return Round(job_id=last.job_id, over=True, status=job.status if job else "")
        try:
            return self._measured_on(job, last) if last.step == "measure" else self._scored_on(job, last)
        except Unavailable:
            raise
        except ZeroloopError as error:
            return self._over(self.fail(job, error))

    def give_up(self, last: Round, caught: Mapping[str, Any]) -> Round:
        """The end of a job whose step `advance` failed however often it was tried; `caught` is what it ended with."""
        job = self._store.get(last.job_id)
        if job is None or not rules.is_at(job, last.attempt):
            return Round(job_id=last.job_id, over=True, status=job.status if job else "")
        why = f"the step between two rounds failed: {caught.get('Error', '')} {caught.get('Cause', '')}"
        return self._over(self.fail(job, Conflict(why.strip()[:500], code="given_up")))

    def fail(self, job: Job, error: ZeroloopError) -> Job:
        """Fail the job with the reason, unless it is over or at another try by now."""
        why, at = f"{error.code}: {error.message}", self._now_ms()
        return self._failed(job, lambda now: rules.fail(now, why, at, self._store.pieces(job.job_id)))

    def _failed(self, job: Job, failed: Callable[[Job], Job]) -> Job:
        return self.change(job.job_id, lambda now: failed(now) if now.attempt == job.attempt else now)

    def change(self, job_id: str, change: Callable[[Job], Job], *, over: bool = False) -> Job:
        """The job after `change`; a job that is over stays as it is, unless `over`."""
        for attempt in range(_TRIES):
            job = self._store.get(job_id)
            if job is None:
                raise NotFound(f"there is no job {job_id!r}", code="unknown_job", field="job")
            if rules.is_over(job) and not over:
                return job
            after = change(job)
            if after is job:
                return job
            try:
                return self._store.replace(job, after)
            except Conflict:  # somebody else changed it, or our own first try did and its answer was lost
                clock.sleep(clock.pause_seconds(attempt))
        raise Conflict(f"job {job_id} is being changed by too many at once; try again", code="busy")

    def _measured_on(self, job: Job, last: Round) -> Round:
        chunks, unmeasured = self._chunks(job)
        if unmeasured:
            if last.round + 1 >= _MOST_MEASURING_ROUNDS:
                raise Conflict(f"part {unmeasured[0].chunk} of the file could not be read", code="given_up")
            return self._listed(job, unmeasured, step="measure", round=last.round + 1)
        return self._next(job, chunks)

    def _scored_on(self, job: Job, last: Round) -> Round:
        chunks, unmeasured = self._chunks(job)
        if unmeasured:
            raise Lost(f"what part {unmeasured[0].chunk} of the file measured is not there; redrive measures it again")
        pieces = self._store.pieces(job.job_id)
        if left := rules.unfinished(chunks, pieces):
            if len(pieces) <= last.pieces:
                raise Conflict(f"chunk {left[0].chunk} came no further: {_told(last.came_to)}", code="given_up")
            return self._next(job, left, round=last.round + 1, pieces=len(pieces))
        listed = self._bucket.listed(rules.prefix(job))
        if wrong := rules.gaps(chunks, pieces) + rules.missing(pieces, listed):
            self._store.forget(job, rules.doubtful(chunks, pieces, listed))
            raise Lost("; ".join(wrong[:5]) + "; redrive makes them again")
        return self._over(self._finish(job, pieces))

    def _finish(self, job: Job, pieces: Sequence[Piece]) -> Job:
        """Join the rejects, then the manifest, then `_SUCCESS`, then the job."""
        own, prefix = self._bucket, rules.prefix(job)
        rejected = [piece.rejected.name for piece in pieces if piece.rejected]
        own.join([prefix + name for name in rejected], f"{prefix}rejects.jsonl")
        at = self._now_ms()
        if reason := rules.too_many_rejects(job, pieces):
            return self._failed(job, lambda now: rules.fail(now, reason, at, pieces))
        done = rules.complete(job, pieces, at)
        own.write(f"{prefix}manifest.json", msgspec.json.format(msgspec.json.encode(manifest(done, pieces))))
        own.write(f"{prefix}_SUCCESS", b"")
        # Whoever cancels now is too late: the output is whole and says so.
        return self.change(
            job.job_id,
            lambda now: now if now.status == Status.COMPLETED else rules.complete(now, pieces, at),
            over=True,
        )

    def _next(self, job: Job, chunks: Sequence[Chunk], **state: Any) -> Round:
        if len(chunks) == 1:
            return Round(job_id=job.job_id, attempt=job.attempt, chunk=chunks[0], **state)
        return self._listed(job, chunks, step="score", **state)

    def _listed(self, job: Job, chunks: Sequence[Chunk], *, step: Literal["measure", "score"], **state: Any) -> Round:
        bucket = self._bucket.name
        found = Round(job_id=job.job_id, attempt=job.attempt, many=True, step=step, bucket=bucket, **state)
        key = f"{rules.prefix(job)}_rounds/{step}-{job.attempt}-{found.round}.json"
        self._bucket.write(key, msgspec.json.encode(chunks))
        return replace(found, key=key)

    def _chunks(self, job: Job) -> tuple[list[Chunk], list[Chunk]]:
        """All chunks of the input, or else the stretches that are to be measured first.

        They follow from input, plan and measures each time: of a list that is kept some could be gone.
        """
        plan = _planned(job)
        found = planning.chunks(self._input(job), plan)
        if not plan.measured:
            return found, []
        measures = self._store.measures(job.job_id)
        if unmeasured := [stretch for stretch in found if stretch.chunk not in measures]:
            return [], unmeasured
        return cuts.cut(found, [measures[stretch.chunk] for stretch in found]), []

    def _input(self, job: Job) -> ObjectVersion:
        """The version that was planned; Gone if it isn't there."""
        try:
            found = self._bucket.version(job.input.key, job.input.version_id)
        except NotFound as error:
            raise Gone(f"s3://{job.input.bucket}/{job.input.key} was deleted") from error
        if found.etag != job.input.etag:
            raise Gone(f"s3://{job.input.bucket}/{job.input.key} was replaced, and its bucket keeps no versions")
        return found

    def _over(self, job: Job) -> Round:
        return Round(job_id=job.job_id, over=True, status=job.status)


class _Sink:
    """Where a worker writes; every piece asks whether the job is still wanted."""

    def __init__(self, store: BatchStore, bucket: DataBucket, job: Job, monotonic: Callable[[], float]) -> None:
        self._store = store
        self._bucket = bucket
        self._job = job
        self._monotonic = monotonic
        self._since = monotonic()
        self.unwanted = False

    def write(self, name: str, data: bytes) -> Written:
        """Write an object once. Other bytes that no piece names were left by another deployment: replaced."""
        key = rules.prefix(self._job) + name
        try:
            kept = self._bucket.write_once(key, data)
        except Conflict:
            if any(name in _names(piece) for piece in self._store.pieces(self._job.job_id)):
                raise
            kept = self._bucket.write(key, data)
        return Written(name, kept.sha256, len(data), kept.etag)

    def save(self, piece: Piece) -> None:
        now = self._monotonic()
        self._store.save_piece(self._job, replace(piece, seconds=round(now - self._since, 3)))
        self._since = now
        job = self._store.get(self._job.job_id)
        self.unwanted = job is None or not rules.is_at(job, self._job.attempt)


def manifest(job: Job, pieces: Sequence[Piece]) -> dict[str, Any]:
    """What the job was, and the parts that make its output, in order. All but `timings` and `cost` follow from it."""
    plan = _planned(job)
    return {
        "schema_version": 1,
        "job_id": job.job_id,
        "model": job.model,
        "model_id": job.model_id,
        "model_version": job.model_version,
        "version_digest": job.version_digest,
        "input": job.input,
        "format": plan.format,
        "rows": job.rows,
        "rejects": job.rejects,
        "blank": sum(piece.blank for piece in pieces),
        "parts": [{**_named(piece.part), "rows": piece.rows} for piece in pieces if piece.part],
        "rejected": [{**_named(piece.rejected), "rows": piece.rejects} for piece in pieces if piece.rejected],
        "timings": {
            "created_at": job.created_at,
            "started_at": job.started_at,
            "finished_at": job.finished_at,
            "worker_seconds": round(sum(piece.seconds for piece in pieces), 3),
        },
        "cost": costs.job(plan.chunks if plan.chunks > 1 else 0, job.input.size, pieces, measured=plan.measured),
    }


def _told(came_to: Any) -> str:
    """What the state machine knows of why a round came to nothing; of many chunks, nothing."""
    if not isinstance(came_to, dict) or "Error" not in came_to:
        return "its function failed or found no time; see its log"
    return f"{came_to['Error']}: {came_to.get('Cause', '')!s:.300}"


def _names(piece: Piece) -> list[str]:
    return [written.name for written in (piece.part, piece.rejected) if written]


def _named(written: Written) -> dict[str, Any]:
    return {"name": written.name, "sha256": written.sha256, "bytes": written.size}


def _planned(job: Job) -> Plan:
    if job.plan is None:
        raise Conflict("the job was refused before it began", code="not_planned")
    return job.plan
