"""Registry API, ours and MLflow's: which versions exist and who serves. Wiring only; see `zeroloop.registry`."""

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from msgspec import Meta, Struct

from zeroloop import clock, config, http, rpc
from zeroloop.digests import PackageFile
from zeroloop.dynamo import Table
from zeroloop.errors import InvalidInput
from zeroloop.objects import Bucket, invoker
from zeroloop.registry import manifest, rules
from zeroloop.registry.catalogue import Caller, Catalogue, Made, run_of
from zeroloop.registry.gates import MOST_BYTES, Approvals, Evaluation, Gates, Kept, Verdict
from zeroloop.registry.mlflow import Calls
from zeroloop.registry.rules import Lineup, Version
from zeroloop.registry.service import Change, Registry
from zeroloop.registry.store import RegistryStore
from zeroloop.signed import Session
from zeroloop.telemetry import log_failure, logger, metrics
from zeroloop.tracking.model_store import ModelStore
from zeroloop.tracking.store import TrackingStore

PAGE = 100

Number = Annotated[int, Meta(ge=1, le=99_999_999)]
Share = Annotated[float, Meta(ge=0, le=1)]


@dataclass(frozen=True)
class Settings:
    """Environment of this function."""

    registry_table: str
    tracking_table: str
    artifacts_bucket: str
    admission_function: str
    max_package_megabytes: int
    approvals: str


class File(Struct, forbid_unknown_fields=True):
    """One file of a manifest."""

    path: str
    sha256: str
    size: int


class Manifest(Struct, forbid_unknown_fields=True):
    """Body of a registration."""

    files: Annotated[list[File], Meta(max_length=1000)]


class Promotion(Struct, forbid_unknown_fields=True):
    """Body of a promotion; `override` promotes in spite of the gates."""

    version: Number
    reason: str
    expected_revision: int | None = None
    override: bool = False


class Rollback(Struct, forbid_unknown_fields=True):
    """Body of a rollback."""

    reason: str
    to_version: Number | None = None
    expected_revision: int | None = None


class Challenge(Struct, forbid_unknown_fields=True):
    """Body of a canary; version null takes the challenger out."""

    version: Number | None
    reason: str
    traffic: Share | None = None
    expected_revision: int | None = None
    override: bool = False


class Asked(Struct, forbid_unknown_fields=True):
    """Body of a setting of gates; null asks for nothing any more."""

    gates: Gates | None
    reason: str


class Approving(Struct, forbid_unknown_fields=True):
    """Body of an approval."""

    reason: str


settings = config.read(Settings)
store, bucket = RegistryStore(settings.registry_table), Bucket(settings.artifacts_bucket)
tracking = Table(settings.tracking_table, Session(config.read(config.Aws)))
runs, logged_models = TrackingStore(tracking), ModelStore(tracking)
admission = invoker(settings.admission_function)


def admit(model_id: str, version: int) -> None:
    """Start the admission of a version."""
    admission(msgspec.json.encode({"model_id": model_id, "version": version}))


def locate(made: str) -> Made | None:
    """Where the artifacts of a run or a logged model lie."""
    if made.startswith("m-"):
        found = logged_models.get([made]).get(made)
        if found is None or found.model.life == "deleted":
            return None
        return Made(found.model.artifact_uri, found.model.source_run_id)
    held = runs.get_runs([made]).get(made)
    return Made(held.run.artifact_uri, made) if held else None


registry = Registry(
    store,
    bucket,
    admit,
    max_package_bytes=settings.max_package_megabytes * 1_000_000,
    approvals=msgspec.convert(settings.approvals, Approvals),
)
catalogue = Catalogue(registry, store, bucket, admit=admit, locate=locate)
app = http.api(log_failure, rpc.tell)
rpc.serve(app, Calls(catalogue, lambda: Caller(actor(), clock.now_ms())).table())


@app.get("/models")
def list_models() -> dict[str, Any]:
    """Models by name, 100 a page; `after` is the last name of the page before."""
    after = app.current_event.get_query_string_value("after")
    page = registry.models(manifest.check_name(after) if after else None, PAGE)
    models = [
        {
            "model": model.name,
            "model_id": model.model_id,
            "created_at": model.created_at,
            "latest_version": model.latest_version,
            "champion": lineup.champion,
        }
        for model, lineup in page
    ]
    return {"models": models, "next": page[-1][0].name if len(page) == PAGE else None}


@app.get("/models/<model>/versions")
def list_versions(model: str) -> dict[str, Any]:
    """Versions, newest first, 100 a page; `before` is the last number of the page before."""
    lineup = registry.lineup(http.name(model))
    page = registry.versions(http.name(model), before(), PAGE)
    return {
        "versions": [present_version(version, lineup) for version in page],
        "next": page[-1].version if len(page) == PAGE else None,
    }


@app.post("/models/<model>/versions")
def register(model: str) -> Response[str]:
    """Register a package by its manifest: 201 a new version, 200 the same bytes again; with the uploads it awaits."""
    order = http.parse(http.body(app.current_event.raw_event), Manifest)
    files = [PackageFile(file.path, file.sha256, file.size) for file in order.files]
    done = registry.register(http.name(model), files, actor=actor(), at=clock.now_ms())
    body = {**present_version(done.version, registry.lineup_of(done.version)), "uploads": done.uploads}
    return answer(201 if done.created else 200, body)


@app.get("/models/<model>/versions/<version>")
def get_version(model: str, version: str) -> dict[str, Any]:
    """One version."""
    found = registry.version(http.name(model), http.number(version, "version"))
    return present_version(found, registry.lineup_of(found))


@app.post("/models/<model>/versions/<version>/complete")
def complete(model: str, version: str) -> Response[str]:
    """Start the admission of a version whose files are uploaded; 202, then read the version for its state."""
    found = registry.complete(http.name(model), http.number(version, "version"))
    return answer(202, present_version(found, registry.lineup_of(found)))


@app.get("/models/<model>/versions/<version>/download")
def download(model: str, version: str) -> dict[str, Any]:
    """The files of a version, each with its digest and a URL good for an hour."""
    return {"files": registry.downloads(http.name(model), http.number(version, "version"))}


@app.get("/models/<model>/lineup")
def get_lineup(model: str) -> dict[str, Any]:
    """Who serves."""
    return present_lineup(registry.lineup(http.name(model)))


@app.get("/models/<model>/history")
def history(model: str) -> dict[str, Any]:
    """Every change of the lineup, newest first, 100 a page; `before` is the last revision of the page before."""
    page = registry.history(http.name(model), before(), PAGE)
    return {"history": page, "next": page[-1]["revision"] if len(page) == PAGE else None}


@app.post("/models/<model>/promote")
def promote(model: str) -> dict[str, Any]:
    """Make a version champion; 404 unknown, 409 not READY, champion already, or a stale revision."""
    order = http.parse(http.body(app.current_event.raw_event), Promotion)
    lineup = registry.promote(http.name(model), order.version, change(order))
    metrics.add_metric("Promoted", MetricUnit.Count, 1)
    return present_lineup(lineup)


@app.post("/models/<model>/rollback")
def roll_back(model: str) -> dict[str, Any]:
    """Make the previous champion, or `to_version`, champion again; 409 if there is none or the revision is stale."""
    order = http.parse(http.body(app.current_event.raw_event), Rollback)
    lineup = registry.roll_back(http.name(model), order.to_version, change(order))
    metrics.add_metric("RolledBack", MetricUnit.Count, 1)
    return present_lineup(lineup)


@app.post("/models/<model>/challenger")
def challenge(model: str) -> dict[str, Any]:
    """Give a version a share of the traffic (a canary), or take the challenger out with version null."""
    order = http.parse(http.body(app.current_event.raw_event), Challenge)
    lineup = registry.challenge(http.name(model), order.version, order.traffic, change(order))
    metrics.add_metric("Challenged", MetricUnit.Count, 1)
    return present_lineup(lineup)


@app.get("/models/<model>/gates")
def get_gates(model: str) -> dict[str, Any]:
    """What is asked of a version before it serves; 404 where nothing is."""
    kept = registry.gates(http.name(model))
    return {"gates": msgspec.to_builtins(kept.body), "set_by": kept.actor, "set_at": kept.at}


@app.post("/models/<model>/gates")
def set_gates(model: str) -> dict[str, Any]:
    """Ask for gates from now on, or with null for none; an audit record tells of it."""
    order = http.parse(http.body(app.current_event.raw_event), Asked)
    asked = Change(actor=actor(), at=clock.now_ms(), reason=order.reason)
    return present_lineup(registry.set_gates(http.name(model), order.gates, asked))


@app.get("/models/<model>/evaluations")
def list_evaluations(model: str) -> dict[str, Any]:
    """The data that versions were made of, newest first, 100 a page; `before` is the last number of the page before."""
    page = registry.evaluations(http.name(model), before(), PAGE)
    found = [{"version": number, "digest": kept.body.digest, "data": traced(kept.body)} for number, kept in page]
    return {"evaluations": found, "next": page[-1][0] if len(page) == PAGE else None}


@app.get("/models/<model>/versions/<version>/evaluation")
def get_evaluation(model: str, version: str) -> dict[str, Any]:
    """What was found of a version, and the verdict by today's gates and champion; 404 if it was not evaluated."""
    name, number = http.name(model), http.number(version, "version")
    kept = registry.evaluation(name, number)
    return present_evaluation(kept, registry.verdict(registry.version(name, number), kept.body))


@app.post("/models/<model>/versions/<version>/evaluation")
def evaluate(model: str, version: str) -> dict[str, Any]:
    """Keep what was found of a version; 422 if it was found of other bytes."""
    body = http.body(app.current_event.raw_event)
    if len(body) > MOST_BYTES:
        raise InvalidInput(f"an evaluation has at most {MOST_BYTES:,} bytes, this one {len(body):,}")
    found, at = http.parse(body, Evaluation), clock.now_ms()
    kept, verdict = registry.evaluate(http.name(model), http.number(version, "version"), found, actor=actor(), at=at)
    return present_evaluation(kept, verdict)


@app.post("/models/<model>/versions/<version>/approval")
def approve(model: str, version: str) -> dict[str, Any]:
    """Say that a version may serve; 409 where who registered it may not say so."""
    order = http.parse(http.body(app.current_event.raw_event), Approving)
    said = Change(actor=actor(), at=clock.now_ms(), reason=order.reason)
    approved = registry.approve(http.name(model), http.number(version, "version"), said)
    return present_version(approved, registry.lineup_of(approved))


def change(order: Promotion | Rollback | Challenge) -> Change:
    """Who asks for what is asked, now."""
    return Change(
        actor=actor(),
        at=clock.now_ms(),
        reason=order.reason,
        expected_revision=order.expected_revision,
        override=not isinstance(order, Rollback) and order.override,
    )


def traced(found: Evaluation) -> dict[str, Any] | None:
    """The digests of the data behind an evaluation."""
    if found.data is None:
        return None
    return {name: getattr(found.data, name) for name in ("digest", "source", "splits", "assembled")}


def present_evaluation(kept: Kept, verdict: Verdict | None) -> dict[str, Any]:
    """An evaluation as the API shows it."""
    shown = {"evaluation": kept.body, "submitted_by": kept.actor, "submitted_at": kept.at, "verdict": verdict}
    return dict(msgspec.to_builtins(shown))


def actor() -> str:
    """The caller, by the gateway's word."""
    return http.actor(app.current_event.raw_event)


def before() -> int | None:
    """The page to read, from the query."""
    text = app.current_event.get_query_string_value("before")
    return http.number(text, "before") if text else None


def present_lineup(lineup: Lineup) -> dict[str, Any]:
    """A lineup as the API shows it: without what only predict needs."""
    shown = msgspec.to_builtins(lineup)
    return {name: value for name, value in shown.items() if name not in {"schema_version", "digests"}}


def present_version(version: Version, lineup: Lineup) -> dict[str, Any]:
    """A version as the API shows it: flat, with its derived stage."""
    facts = msgspec.to_builtins(version.facts or rules.Facts())
    shown = msgspec.to_builtins(version)
    own = {name: value for name, value in shown.items() if name not in {"facts", "served", "answered", "files"}}
    told = {"description": version.description or facts["description"], "run_id": run_of(version) or None}
    files = [file._asdict() for file in version.files]
    return {"model": lineup.model, **own, "stage": rules.stage(version, lineup), **facts, **told, "files": files}


def answer(status: int, body: dict[str, Any]) -> Response[str]:
    """`body` as JSON under `status`."""
    return Response(status, "application/json", msgspec.json.encode(body).decode())


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Lambda entry point."""
    metrics.add_metric("Requests", MetricUnit.Count, 1)
    return app.resolve(event, context)
