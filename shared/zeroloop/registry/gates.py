"""What a version must have shown before it may serve: gates, evaluations, approvals, and the verdict on them. Pure.

The same rule judges before anything is registered (`zeroloop gate`) and when a version is to serve.
"""

from collections.abc import Iterable, Iterator, Mapping
from math import isclose
from operator import ge, le
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field
from msgspec.structs import replace

from zeroloop.digests import canonical, sha256
from zeroloop.errors import Conflict, InvalidInput
from zeroloop.registry.rules import Lineup, NotPromotable, Version

MOST_BYTES = 200_000
"""Of an evaluation: it shares an item of 400 KB with nothing."""

Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Count = Annotated[int, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
Approvals = Literal["none", "any", "other"]
"""Whether a version needs an approval before it serves, and whether by somebody other than who registered it."""


class Bounds(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Of a metric: of its value, and of the ends of its 95% interval, which luck on few rows doesn't pass."""

    at_least: float | None = None
    at_most: float | None = None
    lower_at_least: float | None = None
    upper_at_most: float | None = None


class Against(Struct, frozen=True, forbid_unknown_fields=True):
    """Not worse than the champion on the same rows: refused where the exact McNemar test says so below `alpha`."""

    alpha: Share = 0.05


class Budgets(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a prediction may take, measured by the evaluation, and a package may weigh."""

    p95_ms: float | None = None
    package_megabytes: float | None = None


class Gates(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is asked of every version of a model; `slices` is asked of the accuracy in every slice that is shown.

    `card` names what the card must say.
    """

    metrics: dict[str, Bounds] = field(default_factory=dict)
    champion: Against | None = None
    budgets: Budgets = Budgets()
    slices: Bounds = Bounds()
    card: list[str] = field(default_factory=list)


class Measured(Struct, frozen=True):
    """A metric on held-out rows, with its interval where it has one."""

    value: float
    lower: float | None = None
    upper: float | None = None
    n: Count | None = None


class Comparison(Struct, frozen=True):
    """Candidate and champion on the same `n` rows: which of them alone was right how often, and the chance of it.

    `p_worse` is the one-sided probability of as many rows that only the champion got right, were both alike.
    """

    n: Count
    only_champion: Count
    only_candidate: Count
    p_worse: Share


class Slice(Struct, frozen=True):
    """A part of the rows, as `length` `short`. Fewer than 30 rows are suppressed: no accuracy is told."""

    of: str
    name: str
    n: Count
    accuracy: Measured | None = None


class Data(Struct, frozen=True, kw_only=True):
    """What a version was made of and measured on: digests of the source, of the whole and of each split.

    `assembled` is the digest of what a retraining took from the archive.
    """

    digest: Sha256
    source: Sha256
    splits: dict[str, Sha256]
    assembled: Sha256 | None = None
    rows: dict[str, Count] = field(default_factory=dict)
    profile: dict[str, Any] = field(default_factory=dict)


class Evaluation(Struct, frozen=True, kw_only=True):
    """What was found of the package `digest` before it was registered.

    `comparisons` are by the digest of the champion's package. `made` holds facts of the moment: time, machine.
    """

    schema_version: Literal[1] = 1
    digest: Sha256
    metrics: dict[str, Measured]
    p95_ms: float | None = None
    comparisons: dict[str, Comparison] = field(default_factory=dict)
    slices: list[Slice] = field(default_factory=list)
    fairness: dict[str, Any] = field(default_factory=dict)
    explanations: dict[str, Any] = field(default_factory=dict)
    card: dict[str, str] = field(default_factory=dict)
    data: Data | None = None
    made: dict[str, Any] = field(default_factory=dict)


class Kept(Struct, frozen=True, kw_only=True):
    """Gates or an evaluation as they were given, by whom and when."""

    body: Any
    actor: str
    at: int


class Check(Struct, frozen=True):
    """One thing that was asked; `says` is what was found."""

    name: str
    passed: bool
    says: str


class Verdict(Struct, frozen=True, kw_only=True):
    """All checks of a version, and whether all were passed."""

    passed: bool
    checks: list[Check]


def check(asked: Gates) -> Gates:
    """Gates that ask for what they name.

    Raises
    ------
    InvalidInput
    """
    if asked == Gates():
        raise InvalidInput(
            "gates: they ask for nothing, and every version would pass; null takes gates away", field="gates"
        )
    if asked.champion and not 0 < asked.champion.alpha < 1:
        raise InvalidInput("gates: champion.alpha lies between 0 and 1, neither of them", field="gates.champion.alpha")
    for name, bounds in asked.metrics.items():
        if bounds == Bounds():
            known = ", ".join(Bounds.__struct_fields__)
            raise InvalidInput(f"gates: metrics.{name} asks for nothing: say one of {known}", field="gates.metrics")
    return asked


def read(given: Any) -> Gates:
    """Gates as `gates.toml` has them.

    Raises
    ------
    InvalidInput
        Names what isn't known, or can't be read.
    """
    try:
        return check(msgspec.convert(given, Gates))
    except msgspec.ValidationError as error:
        raise InvalidInput(f"gates: {error}", field="gates") from error


def digest(value: Gates | Evaluation) -> str:
    """SHA-256 of the canonical JSON of what it says: a field that a later contract adds changes none.

    Of an evaluation without what measuring it again, beside others, may change.
    """
    if isinstance(value, Evaluation):
        value = replace(value, comparisons={}, p95_ms=None, made={})
    return sha256(canonical(_said_of(msgspec.to_builtins(value))))


def _said_of(value: Any) -> Any:
    """`value` without fields that say nothing: null, or empty."""
    if isinstance(value, dict):
        said = {name: _said_of(part) for name, part in value.items()}
        return {name: part for name, part in said.items() if part not in (None, {}, [])}
    return [_said_of(part) for part in value] if isinstance(value, list) else value


def hold(gates: Gates, evaluation: Evaluation, package_bytes: int, champion: str | None) -> Verdict:
    """The verdict on a package that was found as `evaluation` says; `champion` is the digest of who serves."""
    checks = [*_metrics(gates, evaluation), *_slices(gates.slices, evaluation.slices)]
    if gates.champion:
        checks.append(_champion(gates.champion, evaluation, champion))
    checks += _budgets(gates.budgets, evaluation, package_bytes)
    checks += [_said(name, evaluation.card) for name in gates.card]
    return Verdict(passed=all(check.passed for check in checks), checks=checks)


def _metrics(gates: Gates, evaluation: Evaluation) -> Iterator[Check]:
    for name, bounds in gates.metrics.items():
        yield from _bounded(name, bounds, evaluation.metrics.get(name))


def _slices(bounds: Bounds, slices: Iterable[Slice]) -> Iterator[Check]:
    shown = [one for one in slices if one.accuracy]
    for one in shown:
        yield from _bounded(f"accuracy where {one.of} is {one.name}", bounds, one.accuracy)
    if not shown:
        yield from _bounded("accuracy in each slice", bounds, None)


def _bounded(name: str, bounds: Bounds, found: Measured | None) -> Iterator[Check]:
    """A check for each bound; what wasn't measured, or has no interval, passes none."""
    asked = (
        ("at_least", bounds.at_least, "value", ge),
        ("at_most", bounds.at_most, "value", le),
        ("lower_at_least", bounds.lower_at_least, "lower", ge),
        ("upper_at_most", bounds.upper_at_most, "upper", le),
    )
    for rule, bound, part, holds in asked:
        if bound is not None:
            value = getattr(found, part, None)
            passed = value is not None and holds(value, bound)
            yield Check(f"{name} {rule} {bound:g}", passed, "not measured" if value is None else f"{value:.4g}")


def _champion(against: Against, evaluation: Evaluation, champion: str | None) -> Check:
    name = "not worse than the champion"
    if champion in {None, evaluation.digest}:
        return Check(name, passed=True, says="no other champion to compare with")
    found = evaluation.comparisons.get(champion or "")
    if found is None:
        return Check(name, passed=False, says=f"not compared with the package {champion} that serves: evaluate again")
    says = (
        f"of {found.n:,} rows {found.only_candidate} only by this one, {found.only_champion} only by the champion, "
        f"p = {found.p_worse:.3g}"
    )
    return Check(name, passed=found.p_worse >= against.alpha, says=says)


def _budgets(budgets: Budgets, evaluation: Evaluation, package_bytes: int) -> Iterator[Check]:
    megabytes = Measured(package_bytes / 1e6)
    yield from _bounded("package megabytes", Bounds(at_most=budgets.package_megabytes), megabytes)
    p95 = None if evaluation.p95_ms is None else Measured(evaluation.p95_ms)
    yield from _bounded("p95 in ms", Bounds(at_most=budgets.p95_ms), p95)


def _said(name: str, card: dict[str, str]) -> Check:
    text = card.get(name, "").strip()
    return Check(f"the card says {name}", bool(text), text[:80] or "nothing")


def check_evaluation(version: Version, evaluation: Evaluation) -> None:
    """Refuse an evaluation of other bytes.

    Raises
    ------
    InvalidInput
    """
    if evaluation.digest != version.digest:
        raise InvalidInput(
            f"it is of the package {evaluation.digest[:12]}, version {version.version} is {version.digest[:12]}",
            code="other_package",
            field="digest",
        )


def joined(version: Version, before: Evaluation | None, found: Evaluation) -> Evaluation:
    """`found`, with what `before` compared on the same rows and it doesn't: champions come back by rollbacks.

    Of a version that has answered callers, what `before` says stays, and comparisons with other champions are added.

    Raises
    ------
    Conflict
        `served`: it says something else of a version that answered by what was said before.
    """
    same = before is not None and _same_rows(before.data, found.data)
    if before and version.answered:
        if digest(before) != digest(found) and not (same and _same_metrics(before.metrics, found.metrics)):
            raise Conflict(
                f"version {version.version} has answered callers, and what was found of it then stays: this says "
                "something else; a rollback to it asks no gates, and a promotion with an override none either",
                code="served",
                field="version",
            )
        return replace(before, comparisons={**found.comparisons, **before.comparisons})
    if before is None or not same:
        return found
    return replace(found, comparisons={**before.comparisons, **found.comparisons})


def _same_rows(before: Data | None, now: Data | None) -> bool:
    return before is not None and now is not None and (before.digest, before.splits) == (now.digest, now.splits)


def _same_metrics(before: Mapping[str, Measured], now: Mapping[str, Measured]) -> bool:
    """Whether what was measured before is measured again, but for the last digits, in which machines differ."""
    return all(name in now and isclose(one.value, now[name].value, rel_tol=1e-6) for name, one in before.items())


def judge(version: Version, lineup: Lineup, gates: Gates, evaluation: Evaluation | None) -> Verdict | None:
    """The verdict on a version of the model of `lineup`; None where it has not been evaluated."""
    if evaluation is None:
        return None
    champion = lineup.digests.get(str(lineup.champion))
    return hold(gates, evaluation, sum(file.size for file in version.files), champion)


def clear(version: Version, verdict: Verdict | None, *, override: bool) -> dict[str, Any]:
    """What the audit keeps of a version that passed its gates, or serves in spite of them.

    Raises
    ------
    NotPromotable
        `gate_missing`, `gate_red`: names what was missed.
    """
    missed = [f"{check.name} ({check.says})" for check in verdict.checks if not check.passed] if verdict else []
    if not override and verdict is None:
        raise NotPromotable(
            f"version {version.version} has not been evaluated, and this model has gates: `zeroloop register` submits "
            "an evaluation; or override with a reason, which the audit keeps",
            code="gate_missing",
        )
    if not override and missed:
        raise NotPromotable(f"version {version.version} missed {'; '.join(missed)}", code="gate_red")
    told = {"verdict": "missing" if verdict is None else "red" if missed else "green"}
    return {**told, **({"missed": missed} if missed else {}), **({"override": True} if override else {})}


def check_approval(version: Version, approvals: Approvals) -> None:
    """Refuse a version that nobody, or nobody else, approved where that is asked for.

    Raises
    ------
    NotPromotable
    """
    if approvals == "none":
        return
    if version.approval is None:
        raise NotPromotable(
            f"version {version.version} waits for its approval: `zeroloop model approve`", code="not_approved"
        )
    check_approver(version, version.approval.actor, approvals)


def check_approver(version: Version, actor: str, approvals: Approvals) -> None:
    """Refuse who registered a version as its approver, where it must be somebody else.

    Raises
    ------
    NotPromotable
    """
    if approvals == "other" and actor == version.created_by:
        raise NotPromotable(
            f"{actor} registered version {version.version}: somebody else must approve it", code="own_approval"
        )
