"""A/B tests: which there are, who is in them, what came of it, what is decided. Wiring only; see `zeroloop.abtest`.

Called in two ways: over HTTP, and every minute by the schedule that watches the tests.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from msgspec import Meta, Struct, field

from zeroloop import clock, config, http
from zeroloop.abtest import rules
from zeroloop.abtest.planning import Plan, planned
from zeroloop.abtest.rules import AbTest, Order, State
from zeroloop.abtest.service import AbTests, Known
from zeroloop.abtest.store import AbTestStore
from zeroloop.dynamo import Table
from zeroloop.errors import Conflict, InvalidInput, ZeroloopError
from zeroloop.inference.keys import SigningKey
from zeroloop.inference.receipts import unit_hash
from zeroloop.inference.registered import Registered
from zeroloop.inference.requests import Unit
from zeroloop.monitoring.store import MonitoringStore
from zeroloop.objects import Bucket
from zeroloop.registry.gates import Approvals
from zeroloop.registry.service import Registry
from zeroloop.registry.store import RegistryStore
from zeroloop.signed import Session
from zeroloop.telemetry import log_failure, logger, metrics

PAGE = 50
MOST_AT_ONCE = 100
_MINUTE_MS = 60_000

Share = Annotated[float, Meta(ge=0, le=1)]


@dataclass(frozen=True)
class Settings:
    """Environment of this function."""

    abtest_table: str
    monitoring_table: str
    registry_table: str
    receipt_secret: str
    approvals: str


class Traffic(Struct, forbid_unknown_fields=True):
    """Body of a ramp."""

    traffic: Share | dict[str, Share]


class Stop(Struct, forbid_unknown_fields=True):
    """Body of a stop."""

    reason: str


class Choice(Struct, forbid_unknown_fields=True):
    """Body of a decision: control, an arm, or null for what the analysis says; chosen by hand it needs a reason."""

    choice: str | None = None
    reason: str = ""


class Result(Struct, forbid_unknown_fields=True):
    """What happened to a unit once."""

    unit: Unit
    metrics: Annotated[dict[str, Any], Meta(min_length=1, max_length=20)]
    idempotency_key: Annotated[str, Meta(min_length=1, max_length=200)]
    covariates: dict[str, float] = field(default_factory=dict)


class Results(Struct, forbid_unknown_fields=True):
    """Several of them."""

    results: Annotated[list[Result], Meta(min_length=1, max_length=MOST_AT_ONCE)]


settings = config.read(Settings)
session = Session(config.read(config.Aws))
table, counts = Table(settings.abtest_table, session), Table(settings.monitoring_table, session)
registered = Registered(session, table=settings.registry_table, secret=settings.receipt_secret)
signing_key = SigningKey(registered.signing_key, monotonic=clock.monotonic)


def admit(_model_id: str, _version: int) -> None:
    """Tests register nothing."""
    raise NotImplementedError


def failed(name: str, error: Exception) -> None:
    """Log a test that could not be watched; the next minute tries again."""
    metrics.add_metric("WatchFailed", MetricUnit.Count, 1)
    code = error.code if isinstance(error, ZeroloopError) else ZeroloopError.code
    trace = None if isinstance(error, ZeroloopError) else error
    logger.warning("not watched", extra={"test": name, "code": code, "reason": str(error)}, exc_info=trace)


registry = Registry(
    RegistryStore(settings.registry_table),
    Bucket(""),
    admit,
    max_package_bytes=0,
    approvals=msgspec.convert(settings.approvals, Approvals),
)
tests = AbTests(AbTestStore(table), registry, failed)
monitoring = MonitoringStore(counts)
app = http.api(log_failure)


@app.get("/ab-tests")
def list_tests() -> dict[str, Any]:
    """Tests by name, 50 a page; `after` is the last name of the page before."""
    page = tests.page(app.current_event.get_query_string_value("after"), PAGE)
    return {"tests": [present(known) for known in page], "next": page[-1].test.name if len(page) == PAGE else None}


@app.post("/ab-tests")
def create() -> Response[str]:
    """A new test: 201; it runs at once unless it starts later. 404 unknown model or version, 409 taken or can't run."""
    order = http.parse(http.body(app.current_event.raw_event), Order)
    return answer(201, present(tests.create(order, actor=actor(), at=clock.now_ms())))


@app.post("/ab-tests/plan")
def plan() -> dict[str, Any]:
    """How many units a test needs to find an effect."""
    return dict(msgspec.to_builtins(planned(http.parse(http.body(app.current_event.raw_event), Plan))))


@app.get("/ab-tests/<name>")
def get_test(name: str) -> dict[str, Any]:
    """One test."""
    return present(tests.get(http.name(name)))


@app.get("/ab-tests/<name>/assignment")
def assignment(name: str) -> dict[str, Any]:
    """What the test does, or would do, with a unit."""
    given = http.query(app.current_event.raw_event).get("unit", [])
    if len(given) != 1 or not 1 <= len(given[0]) <= 256:
        raise InvalidInput("name one unit, of 1 to 256 characters", field="unit")
    known = tests.get(http.name(name))
    found = rules.assigned(known.test, given[0])
    return {
        "test": known.test.name,
        "state": known.state,
        "unit": given[0],
        "variant": found.variant,
        "version": found.version,
        "in_test": found.test_id is not None,
        "shadow": found.shadow,
    }


@app.post("/ab-tests/<name>/results")
def results(name: str) -> dict[str, Any]:
    """Count what happened to one unit, or to a list of them, each once by its idempotency key."""
    body = http.body(app.current_event.raw_event)
    known = tests.get(http.name(name))
    if known.state != State.RUNNING:
        raise Conflict(f"{known.test.name} is {known.state}", code="not_running")
    if "results" in http.parse(body, dict[str, msgspec.Raw]):
        given = http.parse(body, Results).results
        return {"results": [one_of_several(known.test, one, number) for number, one in enumerate(given)]}
    return count(known.test, http.parse(body, Result))


def one_of_several(test: AbTest, result: Result, number: int) -> dict[str, Any]:
    """What became of it: its refusal stands among the results, and the others count."""
    try:
        return count(test, result)
    except (InvalidInput, Conflict) as error:
        where = f"results[{number}]"
        return {**http.refusal(error), "field": f"{where}.{error.field}" if error.field else where}


def count(test: AbTest, result: Result) -> dict[str, Any]:
    """What became of one."""
    hashed = unit_hash(result.unit, signing_key.get())
    told = tests.outcomes.of_unit(test, result.unit, hashed, result.idempotency_key, result.metrics, result.covariates)
    metrics.add_metric("Outcomes", MetricUnit.Count, told.counted and not told.duplicate)
    return dict(msgspec.to_builtins(told))


@app.get("/ab-tests/<name>/analysis")
def analysis(name: str) -> dict[str, Any]:
    """What the sums say now. Reading it takes no look."""
    known, found = tests.analysis(http.name(name))
    told = {"model": known.test.model, "state": known.state, **msgspec.to_builtins(found)}
    return {**told, "agreement": agreement(known.test)} if known.test.mode == "shadow" else told


def agreement(test: AbTest) -> dict[str, dict[str, Any]]:
    """Of each shadow, how often its label was the control's; by minutes, as monitoring counts them."""
    start = test.started_at or clock.now_ms()
    end = (test.stopped_at or clock.now_ms()) // _MINUTE_MS + 1
    window = monitoring.window(test.model_id, start // _MINUTE_MS, end, test.control, "control")
    found: dict[str, int] = window[test.control, "control"].shadow if window else {}
    told = {}
    for arm, version in test.treatments.items():
        counted = {word: found.get(f"{version}\t{word}", 0) for word in ("agree", "differ", "failed", "unlabelled")}
        compared = counted["agree"] + counted["differ"]
        told[arm] = {**counted, "share": counted["agree"] / compared if compared else None}
    return told


@app.post("/ab-tests/<name>/traffic")
def ramp(name: str) -> dict[str, Any]:
    """Give the treatments another share; nobody who is in the test changes arms."""
    order = http.parse(http.body(app.current_event.raw_event), Traffic)
    return present(tests.ramp(http.name(name), order.traffic, actor=actor(), at=clock.now_ms()))


@app.post("/ab-tests/<name>/stop")
def stop(name: str) -> dict[str, Any]:
    """Return all traffic to control; 409 if the test is over."""
    order = http.parse(http.body(app.current_event.raw_event), Stop)
    return present(tests.stop(http.name(name), actor=actor(), at=clock.now_ms(), reason=order.reason))


@app.post("/ab-tests/<name>/decision")
def decide(name: str) -> dict[str, Any]:
    """Decide by hand, or what the analysis says; 409 decided, undetermined, or what the registry refuses."""
    order = http.parse(http.body(app.current_event.raw_event) or b"{}", Choice)
    known, found = tests.decide(http.name(name), order.choice, actor=actor(), at=clock.now_ms(), reason=order.reason)
    metrics.add_metric("Decided", MetricUnit.Count, 1)
    return {**present(known), "verdict": found.verdict}


def actor() -> str:
    """The caller, by the gateway's word."""
    return http.actor(app.current_event.raw_event)


def present(known: Known) -> dict[str, Any]:
    """A test as the API shows it, with the state that follows from the lineup, and what assignment is made of."""
    shown = msgspec.to_builtins(known.test)
    del shown["revision"]
    running = rules.running(known.test)
    return {"state": known.state, **shown, "salt": running.salt, "coverage_salt": running.coverage_salt}


def answer(status: int, body: dict[str, Any]) -> Response[str]:
    """`body` as JSON under `status`."""
    return Response(status, "application/json", msgspec.json.encode(body).decode())


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Lambda entry point."""
    if "requestContext" in event:
        metrics.add_metric("Requests", MetricUnit.Count, 1)
        return app.resolve(event, context)
    watched = tests.tick(clock.now_ms())
    metrics.add_metric("Watched", MetricUnit.Count, watched)
    return {"watched": watched}
