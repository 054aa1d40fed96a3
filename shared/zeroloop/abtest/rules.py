"""A/B tests: what one is, what state it is in, who is in it, and when it is looked at. Pure."""

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta, Struct, field
from msgspec.structs import replace

from zeroloop.errors import Conflict, InvalidInput
from zeroloop.inference.assignment import BUCKETS, CONTROL, Assigned, in_test
from zeroloop.registry.rules import Arm, Lineup
from zeroloop.registry.rules import Test as Running

TREATMENT = "treatment"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_NO_ARMS = {CONTROL, "champion", "challenger", "pinned"}
"""Variants that an answer outside of a test may have, and control."""
_HOUR_MS = 3_600_000
_LEAST_STEP = 0.01
_LATEST_MS = 253_402_300_799_999
"""The end of the year 9999."""

Name = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\Z")]
Number = Annotated[int, Meta(ge=1, le=99_999_999)]
Share = Annotated[float, Meta(ge=0, le=1)]
Kind = Literal["proportion", "mean", "ratio"]
Goal = Literal["increase", "decrease"]


class State(StrEnum):
    """Of a test; it runs if and only if the lineup of its model names it."""

    DRAFT = "draft"
    RUNNING = "running"
    STOPPED = "stopped"
    DECIDED = "decided"


class Metric(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is measured of a unit.

    kind
        proportion: of its outcomes, each 0 or 1, the share of ones. mean: the sum of its values, per unit. ratio: the
        sum of its numerators over that of its denominators; a plain number counts over 1.
    goal
        Where better is.
    minimum_effect
        The relative change that would be worth it, for the planner and the reader.
    """

    name: Name
    kind: Kind
    goal: Goal = "increase"
    minimum_effect: Annotated[float, Meta(gt=0)] | None = None


class Guardrail(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The most that a metric may get worse, relative to control; kind and goal where the test measures it for this."""

    metric: Name
    max_harm: Annotated[float, Meta(ge=0, le=100)]
    kind: Kind | None = None
    goal: Goal | None = None


class Order(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of a new test. Times: ISO 8601, or ms since 1970."""

    name: str
    model: str
    control: Number
    treatment: Number | dict[Name, Number]
    traffic: Share | dict[Name, Share]
    metrics: Annotated[list[Metric], Meta(min_length=1, max_length=10)]
    guardrails: Annotated[list[Guardrail], Meta(max_length=10)] = field(default_factory=list)
    unit: Annotated[str, Meta(min_length=1, max_length=100)]
    mode: Literal["ab", "shadow"] = "ab"
    starts_at: int | str | None = None
    ends_at: int | str | None = None
    planned_units: Annotated[int, Meta(ge=200, le=10**9)] | None = None
    alpha: Annotated[float, Meta(ge=0.0001, le=0.2)] = 0.05
    look_hours: Annotated[float, Meta(ge=0.02, le=720)] = 24.0
    auto_decide: bool = False


class Look(Struct, frozen=True, kw_only=True):
    """A planned look: when, at which share of the planned units, and what was significant: "metric/arm"."""

    at: int
    units: int
    share: float
    final: bool = False
    better: list[str] = field(default_factory=list)
    worse: list[str] = field(default_factory=list)


class Decision(Struct, frozen=True, kw_only=True):
    """Who serves from now on: control, or an arm. It is claimed first, then `applied` to the lineup."""

    id: str
    choice: str
    at: int
    actor: str
    reason: str
    applied: bool = False


class AbTest(Struct, frozen=True, kw_only=True):
    """One test. Times in ms since 1970; `coverage` is the share of units that is in it, `ranges` never change.

    `harmed` has the guardrails that were found broken, as "metric/arm": what was found stays found.
    `undecided_because` is what the registry said against the choice that the test would have made by itself.
    """

    name: str
    model: str
    model_id: str
    control: int
    treatments: dict[str, int]
    traffic: dict[str, float]
    coverage: float
    ranges: list[Arm]
    unit: str
    mode: Literal["ab", "shadow"]
    metrics: list[Metric]
    guardrails: list[Guardrail]
    alpha: float
    look_hours: float
    planned_units: int | None
    starts_at: int | None
    ends_at: int | None
    auto_decide: bool
    created_at: int
    created_by: str
    started_at: int | None = None
    stopped_at: int | None = None
    stopped_because: str | None = None
    looks: list[Look] = field(default_factory=list)
    harmed: list[str] = field(default_factory=list)
    decision: Decision | None = None
    undecided_because: str | None = None
    revision: int = 0


def draft(order: Order, model_id: str, *, at: int, actor: str) -> AbTest:
    """The test that `order` asks for.

    Raises
    ------
    InvalidInput
        Names what can't be.
    """
    if not _NAME.fullmatch(order.name) or order.name == "plan":
        raise InvalidInput("a test's name has letters, digits, dots, dashes and underscores, at most 100", field="name")
    treatments = order.treatment if isinstance(order.treatment, dict) else {TREATMENT: order.treatment}
    if not 1 <= len(treatments) <= 5 or treatments.keys() & _NO_ARMS:
        raise InvalidInput(f"name 1 to 5 treatments, none of them {', '.join(sorted(_NO_ARMS))}", field="treatment")
    if order.control in treatments.values() or len(set(treatments.values())) < len(treatments):
        raise InvalidInput("control and treatments are different versions", field="treatment")
    traffic = _shares(order.traffic, treatments)
    arms, coverage = _ranges(order, treatments, traffic)
    test = AbTest(
        name=order.name,
        model=order.model,
        model_id=model_id,
        control=order.control,
        treatments=treatments,
        traffic=traffic,
        coverage=coverage,
        ranges=arms,
        unit=order.unit,
        mode=order.mode,
        metrics=order.metrics,
        guardrails=order.guardrails,
        alpha=order.alpha,
        look_hours=order.look_hours,
        planned_units=order.planned_units,
        starts_at=_instant(order.starts_at, "starts_at"),
        ends_at=_instant(order.ends_at, "ends_at"),
        auto_decide=order.auto_decide,
        created_at=at,
        created_by=actor,
    )
    if test.ends_at is not None and test.ends_at <= max(at, test.starts_at or at):
        raise InvalidInput("a test ends after it starts", field="ends_at")
    if order.mode == "shadow" and (order.auto_decide or order.guardrails):
        raise InvalidInput("a shadow answers nobody: it has no guardrails, and decides nothing", field="mode")
    measured(test)
    return test


def measured(test: AbTest) -> list[Metric]:
    """The metrics, and after them those that are measured for a guardrail only; their place is their key in the sums.

    Raises
    ------
    InvalidInput
        A name twice, or a guardrail of a metric that isn't known.
    """
    found = {metric.name: metric for metric in test.metrics}
    if len(found) < len(test.metrics):
        raise InvalidInput("each metric has a name of its own", field="metrics")
    if len({guardrail.metric for guardrail in test.guardrails}) < len(test.guardrails):
        raise InvalidInput("one guardrail a metric", field="guardrails")
    for i, guardrail in enumerate(test.guardrails):
        if guardrail.metric in found:
            if guardrail.kind or guardrail.goal:
                raise InvalidInput("kind and goal are those of the metric", field=f"guardrails[{i}]")
        elif guardrail.kind is None:
            raise InvalidInput(
                f"{guardrail.metric} is none of the metrics: say its kind here", field=f"guardrails[{i}].kind"
            )
        else:
            found[guardrail.metric] = Metric(guardrail.metric, guardrail.kind, guardrail.goal or "increase")
    return list(found.values())


def _shares(traffic: float | dict[str, float], treatments: dict[str, int]) -> dict[str, float]:
    if not isinstance(traffic, dict):
        if len(treatments) > 1:
            raise InvalidInput("say each arm's share: {arm: share}", field="traffic")
        traffic = dict.fromkeys(treatments, traffic)
    if traffic.keys() != treatments.keys():
        raise InvalidInput(f"traffic is of the arms {', '.join(treatments)}", field="traffic")
    return traffic


def _ranges(order: Order, treatments: dict[str, int], traffic: dict[str, float]) -> tuple[list[Arm], float]:
    """Buckets of each arm, and the share of all units that is in the test.

    Control gets as much of the test as the largest treatment, or what is left; then raising the traffic raises the
    coverage, moves nobody, and leaves the arms' proportion as it was: time is no difference between them.
    """
    wanted = sum(traffic.values())
    if wanted > 1 + 1e-9 or (wanted >= 1 and order.mode == "ab"):
        raise InvalidInput("something must be left for control", field="traffic")
    if wanted and not all(traffic.values()):
        raise InvalidInput("an arm without traffic beside others with some could never be given any", field="traffic")
    shares = dict(traffic) if wanted else dict.fromkeys(treatments, 1.0)  # from 0 on it can be raised
    if order.mode == "ab":
        largest = max(shares.values())
        shares = {CONTROL: min(largest, 1 - wanted) if wanted else largest, **shares}
    total = sum(shares.values())
    versions = {CONTROL: order.control, **treatments}
    arms, first, reached = [], 0, 0.0
    for variant, share in shares.items():
        reached += share / total
        last = round(reached * BUCKETS) - 1
        if last >= first:
            arms.append(Arm(variant=variant, version=versions[variant], first=first, last=last))
        elif share:
            raise InvalidInput(f"{variant} would get less than a ten-thousandth of the test", field="traffic")
        first = last + 1
    return arms, _coverage(total) if wanted else 0.0


def _coverage(share: float) -> float:
    if share and round(share * BUCKETS) == 0:
        raise InvalidInput("less than a ten-thousandth of the units would be in the test: nobody", field="traffic")
    return min(1.0, share)


def ramp(test: AbTest, traffic: float | dict[str, float]) -> AbTest:
    """The test with another traffic, which nobody changes arms for.

    Raises
    ------
    InvalidInput
        `traffic_moves_units`: other proportions, or more than the arms' fixed buckets hold.
    """
    shares = _shares(traffic, test.treatments)
    width = {arm.variant: (arm.last - arm.first + 1) / BUCKETS for arm in test.ranges}
    coverages = [shares[arm] / width[arm] for arm in shares if arm in width]
    if any(shares[arm] for arm in shares if arm not in width) or max(coverages) - min(coverages) > 0.001:
        raise InvalidInput(
            "the arms keep their proportion: otherwise units would have to change arms, and time would be a "
            "difference between them",
            code="traffic_moves_units",
            field="traffic",
        )
    if max(coverages) > 1.0005:
        most = ", ".join(f"{arm} {width[arm]:.4g}" for arm in shares if arm in width)
        raise InvalidInput(
            f"all units are in the test at {most}: beyond that, units of control would change arms; decide, or begin "
            "another test",
            code="traffic_moves_units",
            field="traffic",
        )
    return replace(test, traffic=shares, coverage=_coverage(max(coverages)))


def running(test: AbTest) -> Running:
    """What the lineup holds of the test while it runs."""
    return Running(
        test_id=test.name,
        salt=f"ab:{test.name}:arm",
        coverage_salt=f"ab:{test.name}:coverage",
        coverage=test.coverage,
        shadow=test.mode == "shadow",
        arms=test.ranges,
    )


def assigned(test: AbTest, unit: str) -> Assigned:
    """The variant of `unit`: what predict says of it while the test runs."""
    return in_test(running(test), test.control, unit)


def arm_of(test: AbTest, unit: str) -> str:
    """The arm of `unit` by its bucket, whether or not it is covered now."""
    whole = in_test(replace(running(test), coverage=1.0), test.control, unit)
    return whole.variant


def as_it_runs(test: AbTest, lineup: Lineup | None) -> AbTest:
    """The test with the traffic that its lineup gives it: a ramp that broke off, or a race, leaves its row behind."""
    if state(test, lineup) != State.RUNNING or not lineup or not lineup.test or lineup.test.coverage == test.coverage:
        return test
    coverage, ranges = lineup.test.coverage, {arm.variant: arm for arm in test.ranges}
    width = {arm: ranges[arm].last - ranges[arm].first + 1 if arm in ranges else 0 for arm in test.treatments}
    return replace(test, coverage=coverage, traffic={arm: round(coverage * n / BUCKETS, 6) for arm, n in width.items()})


def state(test: AbTest, lineup: Lineup | None) -> State:
    """By construction: whatever changes the lineup otherwise has stopped the test in the same transaction."""
    if lineup and lineup.test and lineup.test.test_id == test.name:
        return State.RUNNING  # whatever the row says: users get the treatment
    if test.decision and test.decision.applied:
        return State.DECIDED
    return State.DRAFT if test.started_at is None and test.stopped_at is None else State.STOPPED


def look_due(test: AbTest, units: int, now: int) -> bool:
    """Whether a planned look is to be taken: once in `look_hours`, at the horizon, and none after that.

    Each sees a hundredth of the horizon more: boundaries cost memory and time by looks and by the smallest step.
    """
    if test.planned_units is None or test.started_at is None or (test.looks and test.looks[-1].final):
        return False
    last = test.looks[-1].at if test.looks else test.started_at
    seen = test.looks[-1].units if test.looks else 0
    if units <= seen:
        return False
    if units >= test.planned_units:
        return True
    return units - seen >= _LEAST_STEP * test.planned_units and now - last >= test.look_hours * _HOUR_MS


def begin(test: AbTest, at: int) -> AbTest:
    """The test as it runs."""
    return test if test.started_at is not None else replace(test, started_at=at)


def harmed(test: AbTest, keys: list[str]) -> AbTest:
    """The test with guardrails that were found broken."""
    return replace(test, harmed=sorted({*test.harmed, *keys}))


def stop(test: AbTest, at: int, because: str) -> AbTest:
    """The test as it ended, first."""
    return test if test.stopped_at is not None else replace(test, stopped_at=at, stopped_because=because)


def claim(test: AbTest, decision: Decision) -> AbTest:
    """The test with a decision that is yet to be applied.

    Raises
    ------
    Conflict
        `decided` already.
    InvalidInput
        The choice is no arm.
    """
    if test.decision:
        raise Conflict(f"{test.decision.choice} was decided by {test.decision.actor}", code="decided")
    if decision.choice not in {CONTROL, *test.treatments}:
        raise InvalidInput(f"choose control or {', '.join(test.treatments)}", field="choice")
    return replace(test, decision=decision)


def release(test: AbTest, decision: Decision) -> AbTest:
    """The test without a decision that could not be applied."""
    return replace(test, decision=None) if test.decision == decision else test


def refused(test: AbTest, because: str) -> AbTest:
    """The test that would have decided itself."""
    return replace(test, undecided_because=because)


def decided(test: AbTest, decision: Decision, at: int) -> AbTest:
    """The test with its decision applied."""
    if test.decision != decision:
        return test
    return replace(stop(test, at, "decided"), decision=replace(decision, applied=True), undecided_because=None)


def _instant(given: int | str | None, where: str) -> int | None:
    if given is None:
        return None
    found = _of_iso(given, where) if isinstance(given, str) else given
    if not 0 <= found <= _LATEST_MS:
        raise InvalidInput("a time is between 1970 and 9999", field=where)
    return found


def _of_iso(given: str, where: str) -> int:
    try:
        found = datetime.fromisoformat(given)
    except ValueError as error:
        raise InvalidInput(f"{given[:80]!r} is no ISO 8601 time", field=where) from error
    return round((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1000)
