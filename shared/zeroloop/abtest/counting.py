"""What an outcome adds to the sums of its arm, so that these are always those of its units as they stand. Pure."""

from typing import Any

from msgspec import Struct, field

from zeroloop.abtest.rules import AbTest, Metric, measured
from zeroloop.errors import InvalidInput
from zeroloop.stats.samples import Pairs

SCALE = 1_000_000
"""Numbers are summed as integers, in millionths."""

_FARTHEST = 1e9
# A unit's square must leave DynamoDB's 38 digits room for a million units like it.
_MOST_OF_A_UNIT = 10**16


class Outcome(Struct, frozen=True):
    """What was seen of a unit once: by the metric's place its (numerator, denominator), and covariates; integers."""

    values: dict[int, tuple[int, int]]
    covariates: dict[int, int] = field(default_factory=dict)


class Unit(Struct, frozen=True):
    """A unit's arm, its outcomes so far, and their sums by the metric's place: outcomes, numerators, denominators."""

    arm: str
    n: int = 0
    sums: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    covariates: dict[int, int] = field(default_factory=dict)


Sums = dict[str, int]
"""Of an arm: `units`, and by a metric's place p: `p.n`, `p.y`, `p.yy`, `p.x`, `p.xx`, `p.xy`, `p.c`."""


def outcome(
    test: AbTest, metrics: dict[str, Any], covariates: dict[str, float] | None = None, *, known_only: bool = False
) -> Outcome:
    """`metrics` as the test's sums take them; with `known_only` what it doesn't measure is left out.

    Raises
    ------
    InvalidInput
        A metric that isn't measured; a value that is no number, NaN, infinite or beyond 1e9; of a proportion any but 0
        and 1.
    """
    places = {metric.name: (i, metric) for i, metric in enumerate(measured(test))}
    values = {}
    for name, value in metrics.items():
        if name in places:
            place, metric = places[name]
            values[place] = _taken(metric, value, f"metrics.{name}")
        elif not known_only:
            raise InvalidInput(f"{name} is none of the test's metrics: {', '.join(places)}", field=f"metrics.{name}")
    covered = {}
    for name, number in (covariates or {}).items():
        place, metric = places.get(name, (-1, test.metrics[0]))
        if place not in values or metric.kind != "mean":
            raise InvalidInput("a covariate belongs to a mean that is sent with it", field=f"covariates.{name}")
        covered[place] = _scaled(number, f"covariates.{name}")
    return Outcome(values, covered)


def _taken(metric: Metric, value: Any, where: str) -> tuple[int, int]:
    """Numerator and denominator; a mean's denominator isn't used."""
    if metric.kind == "ratio" and isinstance(value, dict):
        if value.keys() != {"numerator", "denominator"}:
            raise InvalidInput('a ratio is {"numerator", "denominator"}, or a number over 1', field=where)
        over = _scaled(value["denominator"], where)
        if over < 0:
            raise InvalidInput("a ratio's denominator is 0 or more", field=where)
        return _scaled(value["numerator"], where), over
    if metric.kind == "proportion":
        if isinstance(value, bool):
            return int(value), 1
        if value not in (0, 1):
            raise InvalidInput("an outcome of a proportion is 0 or 1", field=where)
        return int(value), 1
    return _scaled(value, where), SCALE


def _scaled(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _FARTHEST:  # NaN is neither
        raise InvalidInput("a number within 1e9 of 0 is needed", field=where)
    return round(value * SCALE)


def told(unit: Unit, new: Outcome, old: Outcome | None) -> Unit:
    """`unit` after `new`, which replaces `old`.

    Raises
    ------
    InvalidInput
        `covariate_changed`: a covariate is from before the test, so it has one value; `too_large`.
    """
    sums = dict(unit.sums)
    for sign, one in ((-1, old), (1, new)):
        for place, (y, x) in (one.values if one else {}).items():
            k0, y0, x0 = sums.get(place, (0, 0, 0))
            sums[place] = (k0 + sign, y0 + sign * y, x0 + sign * x)
    for place, value in new.covariates.items():
        if unit.covariates.get(place, value) != value:
            raise InvalidInput(
                "a unit's covariate is from before the test: it has one value",
                code="covariate_changed",
                field="covariates",
            )
    if any(max(abs(y), abs(x)) > _MOST_OF_A_UNIT for _, y, x in sums.values()):
        raise InvalidInput(
            "the outcomes of this unit add up to more than can be summed", code="too_large", field="metrics"
        )
    covariates = {**unit.covariates, **new.covariates}
    return Unit(unit.arm, unit.n + (old is None), {p: s for p, s in sums.items() if s[0]}, covariates)


def added(test: AbTest, before: Unit, after: Unit) -> Sums:
    """What the arm's sums change by when a unit goes from `before` to `after`."""
    changes = {"units": (after.n > 0) - (before.n > 0)}
    for place, metric in enumerate(measured(test)):
        old, new = _terms(metric, before, place), _terms(metric, after, place)
        changes |= {f"{place}.{name}": new[name] - old[name] for name in new}
    return {name: change for name, change in changes.items() if change}


def _terms(metric: Metric, unit: Unit, place: int) -> dict[str, int]:
    k, y, x = unit.sums.get(place, (0, 0, 0))
    n, c = int(k > 0), 0
    if metric.kind == "mean":
        c = int(n and place in unit.covariates)
        x = unit.covariates.get(place, 0) if n else 0
    return {"n": n, "y": y, "yy": y * y, "x": x, "xx": x * x, "xy": x * y, "c": c}


def pairs(sums: Sums, place: int) -> Pairs:
    """An arm's sums of the metric at `place`."""
    return Pairs(*(sums.get(f"{place}.{name}", 0) for name in ("n", "y", "yy", "x", "xx", "xy")))


def merge(parts: list[Sums]) -> Sums:
    """The sums of an arm, of those of its shards."""
    found: Sums = {}
    for part in parts:
        for name, value in part.items():
            found[name] = found.get(name, 0) + value
    return found
