"""How many units a test needs. Pure."""

from math import ceil
from typing import Annotated, Literal

from msgspec import Meta, Struct

from zeroloop.errors import InvalidInput
from zeroloop.stats.planning import units_for_means, units_for_proportions

_MOST = 10**9
_LEAST_EFFECT = 1e-12


class Plan(Struct, forbid_unknown_fields=True):
    """Body of a plan: control's mean, and the relative change that should be found.

    A mean or ratio needs the `deviation` of one unit's values; `share` is the treatment's share of the test.
    """

    kind: Literal["proportion", "mean", "ratio"]
    baseline: Annotated[float, Meta(ge=-1e9, le=1e9)]
    minimum_effect: Annotated[float, Meta(ge=-10, le=10)]
    deviation: Annotated[float, Meta(ge=1e-9, le=1e9)] | None = None
    share: Annotated[float, Meta(ge=0.0001, le=0.9999)] = 0.5
    alpha: Annotated[float, Meta(ge=0.0001, le=0.2)] = 0.05
    power: Annotated[float, Meta(ge=0.5, le=0.999)] = 0.8
    units_a_day: Annotated[float, Meta(ge=0.001, le=1e12)] | None = None


class Planned(Struct, frozen=True):
    """Units of both arms together, of each, and the days that takes."""

    planned_units: int
    control_units: int
    treatment_units: int
    days: int | None
    method: str


def planned(plan: Plan) -> Planned:
    """The units that find the effect with the power asked for, at one look at the horizon.

    Raises
    ------
    InvalidInput
    """
    effect = plan.baseline * plan.minimum_effect
    if abs(effect) < _LEAST_EFFECT:
        raise InvalidInput("an effect of 0 is never found", field="minimum_effect")
    kept = {"share": plan.share, "alpha": plan.alpha, "power": plan.power}
    if plan.kind == "proportion":
        if not (0 < plan.baseline < 1 and 0 < plan.baseline + effect < 1):
            raise InvalidInput("both proportions lie between 0 and 1", field="baseline")
        units, method = units_for_proportions(plan.baseline, plan.baseline + effect, **kept), "two-proportion z"
    elif plan.deviation is None:
        raise InvalidInput("a mean needs the standard deviation of one unit's values", field="deviation")
    else:
        units, method = units_for_means(effect, plan.deviation, **kept), "welch"
    units = max(units, 2)
    if units > _MOST:
        raise InvalidInput(f"that takes over {_MOST:,} units: look for a larger effect", field="minimum_effect")
    treated = ceil(units * plan.share)
    days = ceil(units / plan.units_a_day) if plan.units_a_day else None
    return Planned(units, units - treated, treated, days, method)
