"""Batch jobs as callers know them: an upload or a request begins one, and then it can be looked at, ended, repeated."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from zeroloop.batch import planning, rules
from zeroloop.batch.rounds import Rounds
from zeroloop.batch.rules import Gone, Input, Job, Progress, Status, Unreadable
from zeroloop.batch.store import BatchStore
from zeroloop.data import DataBucket, ObjectVersion
from zeroloop.digests import PackageFile
from zeroloop.errors import Conflict, InvalidInput, NotFound, ZeroloopError
from zeroloop.executions import StateMachine
from zeroloop.inference.source import Source
from zeroloop.objects import Upload
from zeroloop.registry.manifest import check_name
from zeroloop.registry.rules import Version

_SECONDS = 3.0
_PRESIGNED = 1_000
_LONGEST_ID = 100
_LONGEST_NAME = 1_024
"""Bytes of a sort key in DynamoDB."""


class Wanted(Struct, frozen=True, kw_only=True):
    """What is to be scored: an object, by a model's champion or by the version that is named."""

    bucket: str
    key: str
    model: str
    version_id: str | None = None
    version: int | None = None
    options: dict[str, Any] = msgspec.field(default_factory=dict)


class Jobs:
    """The use cases. `bucket` is the one that holds inbox and outbox."""

    def __init__(
        self, store: BatchStore, bucket: DataBucket, registry: Source, machine: StateMachine, rounds: Rounds
    ) -> None:
        self._store = store
        self._bucket = bucket
        self._registry = registry
        self._machine = machine
        self._rounds = rounds

    def uploaded(self, wanted: Wanted, at: int) -> Job:
        """The job of an upload, begun. Events come in any order: each version is a job, whichever is newer.

        What the file or the registry refuses makes a failed job: nobody waits for an answer here.
        """
        return self._job(wanted, at, lambda job, error: rules.fail(job, f"{error.code}: {error.message}", at))

    def submit(self, wanted: Wanted, at: int) -> Job:
        """The job that a caller asks for, begun.

        Raises
        ------
        InvalidInput
            The file can't be read, or lies elsewhere than in this stack's bucket.
        NotFound
            There is no such object, model or version.
        Conflict
            The model has no champion, or the object's job has other options.
        """
        if wanted.bucket != self._bucket.name:
            raise InvalidInput(f"the input must lie in s3://{self._bucket.name}/", field="input")
        return self._job(wanted, at, _raised)

    def get(self, job_id: str) -> Job:
        """One job."""
        if len(job_id) > _LONGEST_ID or (job := self._store.get(job_id)) is None:
            raise NotFound(f"there is no job {job_id[:80]!r}", code="unknown_job", field="job")
        return job

    def progress(self, job: Job, now: int, *, listed: bool = False) -> Progress:
        """How far it is; of a job in a list only if it is at work: a large one has tens of thousands of pieces."""
        looks = job.status == Status.PROCESSING or (job.status != Status.COMPLETED and not listed)
        return rules.progress(job, self._store.pieces(job.job_id) if looks else [], now)

    def page(self, before: str | None, limit: int) -> list[tuple[str, Job]]:
        """A page of jobs, newest first, each with its name in the list."""
        if before and len(before.encode()) > _LONGEST_NAME:
            raise InvalidInput("no page of the list has such a name", field="before")
        return self._store.page(before, limit)

    def cancel(self, job_id: str, at: int) -> Job:
        """End a job that hasn't come to its end; what is written stays."""
        self.get(job_id)
        job = self._rounds.change(job_id, lambda job: rules.cancel(job, at), over=True)
        self._machine.stop(rules.execution(job))
        return job

    def redrive(self, job_id: str, max_reject_percent: float | None, at: int) -> Job:
        """Another try of a job that failed, was cancelled or stands still; what is done stays done.

        One that was refused before it began is planned again, and refused aloud.
        """
        job = self.get(job_id)
        if job.plan is None and job.status == Status.FAILED:
            given = job.input
            allowed = {} if max_reject_percent is None else {"max_reject_percent": max_reject_percent}
            again = Wanted(
                bucket=given.bucket, key=given.key, model=job.model, version_id=given.version_id, options=allowed
            )
            return self._job(again, at, _raised)
        if job.status == Status.PROCESSING:
            self._machine.stop(rules.execution(job))
        job = self._rounds.change(job_id, lambda job: rules.redrive(job, max_reject_percent), over=True)
        return self._begun(job, at)

    def upload(
        self, model: str, name: str, file: PackageFile, folder: str, options: dict[str, Any]
    ) -> tuple[str, Upload]:
        """Where to put a file so that it becomes a job with `options`: its key and the presigned PUT.

        Raises
        ------
        InvalidInput
            The name can't be one, or the options can't be so.
        NotFound
            There is no such model.
        Conflict
            The model has no champion.
        """
        if "/" in name or len(name.encode()) > 500:
            raise InvalidInput("a name has no slash and at most 500 bytes", field="name")
        key = f"{rules.INBOX}{check_name(model)}/{folder}/{name}"
        self._version(Wanted(bucket=self._bucket.name, key=key, model=model))
        return key, self._bucket.upload(key, file, rules.metadata(options))

    def files(self, job_id: str) -> list[dict[str, str]]:
        """The files of a job's output, each with a URL good for an hour; of more than 1,000, Conflict."""
        job = self.get(job_id)
        if job.status != Status.COMPLETED:
            raise Conflict(f"the job is {job.status}", code="not_completed")
        listed = [*self._parts(job), "rejects.jsonl", "manifest.json"]
        if len(listed) > _PRESIGNED:
            raise Conflict(f"the job has {len(listed):,} files: aws s3 sync {job.output} .", code="too_many_files")
        return [{"name": name, "url": self._bucket.download(rules.prefix(job) + name)} for name in listed]

    def _parts(self, job: Job) -> list[str]:
        """Names of the parts, by the manifest: what the table has of them expires."""
        written = msgspec.json.decode(self._bucket.read(f"{rules.prefix(job)}manifest.json"))
        return [part["name"] for part in written["parts"]]

    def _job(self, wanted: Wanted, at: int, refused: Callable[[Job, ZeroloopError], Job]) -> Job:
        found = self._found(wanted)
        job = _new(wanted, found, at)
        known = self._store.get(job.job_id)
        if known and (known.plan or known.status == Status.CANCELLED):
            _same(known, wanted)
            return self._begun(known, at)
        try:
            job = self._planned(job, wanted, found)
        except (InvalidInput, NotFound, Conflict) as error:
            job = refused(job, error)
        try:
            if known:  # refused when it was asked for first: what was missing may be there by now
                self._store.replace(known, msgspec.structs.replace(job, created_at=known.created_at))
            else:
                self._store.create(job)
        except Conflict:  # another planner was first: its versions count
            job = self.get(job.job_id)
            _same(job, wanted)
        return self._begun(job, at)

    def _found(self, wanted: Wanted) -> ObjectVersion | None:
        try:
            return self._bucket.version(wanted.key, wanted.version_id)
        except NotFound:
            return None

    def _planned(self, job: Job, wanted: Wanted, found: ObjectVersion | None) -> Job:
        if found is None:
            raise Gone(f"there is no s3://{wanted.bucket}/{wanted.key}", field="input")
        model_id, version = self._version(wanted)
        declared = rules.options(found.metadata, wanted.options)
        seconds = version.facts.row_seconds if version.facts else None
        return msgspec.structs.replace(
            job,
            model_id=model_id,
            model_version=version.version,
            version_digest=version.digest,
            options=declared,
            plan=planning.plan(found, wanted.key, declared, seconds),
        )

    def _version(self, wanted: Wanted) -> tuple[str, Version]:
        model_id = self._registry.model_id(check_name(wanted.model), _SECONDS)
        lineup = self._registry.lineup(model_id, _SECONDS) if model_id else None
        if model_id is None or lineup is None:
            raise NotFound(f"there is no model {wanted.model!r}", code="unknown_model", field="model")
        number = wanted.version or lineup.champion
        if number is None:
            raise Conflict(f"{wanted.model} has no champion: promote one, or name a version", code="no_champion")
        return model_id, self._registry.ready(model_id, number)

    def _begun(self, job: Job, at: int) -> Job:
        """The job, with an execution that works on it; whoever asks second finds it."""
        if job.status != Status.PENDING:
            return job
        try:
            state = self._rounds.first(job)
        except (Gone, Unreadable) as error:
            return self._rounds.fail(job, error)
        self._machine.start(rules.execution(job), msgspec.json.encode(state))
        return self._rounds.change(
            job.job_id, lambda now: rules.start(now, at) if now.status == Status.PENDING else now
        )


def _new(wanted: Wanted, found: ObjectVersion | None, at: int) -> Job:
    given = Input(
        bucket=wanted.bucket,
        key=wanted.key,
        version_id=found.version_id if found else wanted.version_id,
        etag=found.etag if found else None,
        size=found.size if found else 0,
    )
    job = Job(
        job_id=rules.job_id(given.bucket, given.key, given.version_id, wanted.model, wanted.version),
        model=wanted.model,
        model_id=None,
        model_version=None,
        input=given,
        output="",
        created_at=at,
    )
    return msgspec.structs.replace(job, output=f"s3://{wanted.bucket}/{rules.prefix(job)}")


def _same(known: Job, wanted: Wanted) -> None:
    """Conflict names what is asked for otherwise than the job has it: null asks nothing, a redrive sets a tolerance."""
    asked = rules.options({}, wanted.options)
    for name in wanted.options:
        own, has = getattr(asked, name), getattr(known.options, name)
        is_free = own is None or (name == "max_reject_percent" and known.attempt)
        if own != has and not is_free:
            raise Conflict(
                f"the job {known.job_id} of this object has {name} {has!r}: upload the object again for another",
                code="other_options",
                field=f"options.{name}",
            )


def _raised(_job: Job, error: ZeroloopError) -> Job:
    raise error


def presented(job: Job, progress: Progress) -> dict[str, Any]:
    """A job as the API shows it."""
    shown = msgspec.to_builtins(job)
    own = {
        name: value for name, value in shown.items() if name not in {"plan", "attempt", "revision", "rows", "rejects"}
    }
    return {**own, **msgspec.to_builtins(progress)}
