"""Batch: uploads become jobs, jobs are scored in chunks. Wiring only; the rules live in `zeroloop.batch`.

Called in three ways: by S3's event of an upload (EventBridge), by the state machine with a step, and over HTTP.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from msgspec import Meta, Struct

from zeroloop import clock, config, http
from zeroloop.batch import rules
from zeroloop.batch.rounds import Round, Rounds
from zeroloop.batch.rules import ALONE_SECONDS, ROUND_SECONDS, Chunk, Job
from zeroloop.batch.service import Jobs, Wanted, presented
from zeroloop.batch.store import BatchStore
from zeroloop.data import DataBucket
from zeroloop.digests import PackageFile
from zeroloop.errors import InvalidInput
from zeroloop.executions import StateMachine
from zeroloop.inference.source import Source
from zeroloop.inference.warm import WarmModels
from zeroloop.signed import Session
from zeroloop.telemetry import log_failure, logger, metrics

PAGE = 50
MARGIN_MS = 60_000

Number = Annotated[int, Meta(ge=1, le=99_999_999)]


@dataclass(frozen=True)
class Settings:
    """Environment of this function."""

    batch_table: str
    registry_table: str
    artifacts_bucket: str
    data_bucket: str
    batch_state_machine: str
    max_warm_megabytes: int


class Order(Struct, forbid_unknown_fields=True):
    """Body of a job."""

    model: str
    input: str
    version: Number | None = None
    options: dict[str, Any] = msgspec.field(default_factory=dict)


class Upload(Struct, forbid_unknown_fields=True):
    """Body of an upload: a file of at most 5 GB, which is what one PUT takes."""

    model: str
    name: Annotated[str, Meta(min_length=1, max_length=500)]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    size: Annotated[int, Meta(ge=0, le=5_000_000_000)]
    options: dict[str, Any] = msgspec.field(default_factory=dict)


class Redrive(Struct, forbid_unknown_fields=True):
    """Body of a redrive."""

    max_reject_percent: Annotated[float, Meta(ge=0, le=100)] | None = None


settings = config.read(Settings)
store = BatchStore(settings.batch_table)
bucket = DataBucket(settings.data_bucket)
source = Source(
    Session(config.read(config.Aws)), table=settings.registry_table, bucket=settings.artifacts_bucket, secret=""
)
rounds = Rounds(store, bucket, WarmModels(source.load, settings.max_warm_megabytes * 1_000_000))
jobs = Jobs(store, bucket, source, StateMachine(settings.batch_state_machine), rounds)
app = http.api(log_failure)


@app.get("/batch")
def list_jobs() -> dict[str, Any]:
    """Jobs, newest first, 50 a page; `before` is the `next` of the page before."""
    page = jobs.page(app.current_event.get_query_string_value("before"), PAGE)
    return {"jobs": [present(job, listed=True) for _, job in page], "next": page[-1][0] if len(page) == PAGE else None}


@app.post("/batch")
def submit() -> Response[str]:
    """Score an object of this stack's bucket: 202 with the job, the same one for the same object and version."""
    order = http.parse(http.body(app.current_event.raw_event), Order)
    own, key = rules.parse_uri(order.input)
    wanted = Wanted(bucket=own, key=key, model=order.model, version=order.version, options=order.options)
    return answer(202, present(jobs.submit(wanted, clock.now_ms())))


@app.post("/batch/uploads")
def upload() -> Response[str]:
    """Where to put a file of at most 5 GB; its upload begins the job."""
    order = http.parse(http.body(app.current_event.raw_event), Upload)
    file = PackageFile(order.name, order.sha256, order.size)
    key, put = jobs.upload(order.model, order.name, file, clock.new_id()[:12], order.options)
    return answer(201, {"bucket": bucket.name, "key": key, "upload": put})


@app.get("/batch/<job>")
def get_job(job: str) -> dict[str, Any]:
    """One job and how far it is."""
    return present(jobs.get(http.name(job)))


@app.get("/batch/<job>/files")
def files(job: str) -> dict[str, Any]:
    """The output of a completed job, each file with a URL good for an hour."""
    return {"files": jobs.files(http.name(job))}


@app.post("/batch/<job>/cancel")
def cancel(job: str) -> dict[str, Any]:
    """End a job; 409 if it came to its end by itself."""
    return present(jobs.cancel(http.name(job), clock.now_ms()))


@app.post("/batch/<job>/redrive")
def redrive(job: str) -> Response[str]:
    """Try a job again that failed, was cancelled or stands still; what is done stays done."""
    order = http.parse(http.body(app.current_event.raw_event) or b"{}", Redrive)
    return answer(202, present(jobs.redrive(http.name(job), order.max_reject_percent, clock.now_ms())))


def present(job: Job, *, listed: bool = False) -> dict[str, Any]:
    """A job as the API shows it, now."""
    return presented(job, jobs.progress(job, clock.now_ms(), listed=listed))


def answer(status: int, body: dict[str, Any]) -> Response[str]:
    """`body` as JSON under `status`."""
    return Response(status, "application/json", msgspec.json.encode(body).decode())


def uploaded(event: dict[str, Any]) -> dict[str, Any]:
    """The job that an upload begins; what isn't `inbox/<model>/<name>` begins none."""
    detail = event["detail"]
    given = detail["object"]
    try:
        model = rules.model_of(given["key"])
    except InvalidInput as error:
        logger.warning("ignored", extra={"key": given["key"], "reason": error.message})
        return {"job_id": None}
    # Gap of MiniStack: its event has no version-id; the version is then the one that is current.
    wanted = Wanted(bucket=detail["bucket"]["name"], key=given["key"], model=model, version_id=given.get("version-id"))
    job = jobs.uploaded(wanted, clock.now_ms())
    metrics.add_metric("Uploads", MetricUnit.Count, 1)
    logger.info("planned", extra={"job_id": job.job_id, "error": job.error})
    return {"job_id": job.job_id}


def step(event: dict[str, Any], remaining_ms: int) -> dict[str, Any]:
    """One step of the state machine: measure, score, advance or give up."""
    if event["step"] == "advance":
        return dict(msgspec.to_builtins(rounds.advance(msgspec.convert(event["state"], Round))))
    if event["step"] == "give_up":
        return dict(msgspec.to_builtins(rounds.give_up(msgspec.convert(event["state"], Round), event["caught"])))
    chunk, attempt = msgspec.convert(event["chunk"], Chunk), event.get("attempt")
    if event["step"] == "measure":
        return {"came_to": rounds.measure(event["job_id"], attempt, chunk)}
    most = ROUND_SECONDS if event["many"] else ALONE_SECONDS
    seconds = min(most, (remaining_ms - MARGIN_MS) / 1000)
    return {"came_to": rounds.score(event["job_id"], attempt, chunk, seconds)}


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Lambda entry point."""
    metrics.add_metric("Requests", MetricUnit.Count, 1)
    if "requestContext" in event:
        return app.resolve(event, context)
    if event.get("source") == "aws.s3":
        return uploaded(event)
    return step(event, context.get_remaining_time_in_millis())
