"""Models, versions and the lineup, and who may serve: pure rules on values.

The lineup is one value per model, so "at most one champion" holds by construction; each rule answers the next one.
"""

from enum import StrEnum
from typing import Any, Literal

from msgspec import Struct, field
from msgspec.structs import replace

from zeroloop.digests import PackageFile
from zeroloop.errors import Conflict, InvalidInput


class State(StrEnum):
    """Admission of a version: it waits, may serve, or never will; UNPACKAGED has nothing to admit."""

    PENDING = "PENDING"
    READY = "READY"
    FAILED = "FAILED"
    UNPACKAGED = "UNPACKAGED"


class Model(Struct, frozen=True, kw_only=True):
    """A registered model: a name that may change and an id that never does. Times in ms since 1970, UTC."""

    model_id: str
    name: str
    created_at: int
    updated_at: int
    description: str = ""
    latest_version: int = 0


MAX_FACTS_BYTES = 32_000
"""Of JSON: an item holds 400 KB, and an answer of 100 versions 6 MB. So the labels of an answer have fewer together."""


class Facts(Struct, frozen=True, kw_only=True):
    """What a version's `package.json` says of its making, copied at admission so that lists need no S3."""

    description: str = ""
    task: str = ""
    labels: list[str] = field(default_factory=list)
    metrics: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    dataset_hash: str | None = None
    run_id: str | None = None
    git_commit: str | None = None
    libraries: dict[str, str] = field(default_factory=dict)
    row_seconds: float | None = None
    """What admission measured for a row of a batch; batch cuts its files by it."""


class Origin(Struct, frozen=True, kw_only=True):
    """Where a version comes from that was registered by an address instead of a manifest.

    `source` is the address as it was given, `location` that of the artifacts behind it, and `package` the folder of the
    artifacts bucket which holds a package, if there is one: a key that ends in `/`.
    """

    source: str
    location: str
    package: str | None = None
    run_id: str = ""
    run_link: str = ""
    logged_model: str = ""


class Approval(Struct, frozen=True, kw_only=True):
    """Who said that a version may serve, when and why."""

    actor: str
    at: int
    reason: str


class Version(Struct, frozen=True, kw_only=True):
    """An immutable numbered package of a model; its admission, its description and whether it ever served come later.

    It `served` as champion; it `answered` callers also as a canary, or in a test.

    One with an `origin` has neither digest nor files before its admission has seen them, and never without a package.
    """

    model_id: str
    version: int
    version_id: str
    digest: str
    files: list[PackageFile]
    created_at: int
    created_by: str
    state: State = State.PENDING
    reason: str | None = None
    served: bool = False
    answered: bool = False
    facts: Facts | None = None
    origin: Origin | None = None
    description: str | None = None
    updated_at: int | None = None
    approval: Approval | None = None


class Arm(Struct, frozen=True, kw_only=True):
    """One variant of a running test: buckets `first` to `last` of 0..9999 get `version`."""

    variant: str
    version: int
    first: int
    last: int


class Test(Struct, frozen=True, kw_only=True):
    """What predict needs of a running A/B test: arms and salts, so that assignment costs no I/O."""

    test_id: str
    salt: str
    coverage_salt: str
    coverage: float
    shadow: bool
    arms: list[Arm]


class Lineup(Struct, frozen=True, kw_only=True):
    """The versions of one model which serve, and the one to go back to.

    `traffic` is the challenger's share in [0, 1]; `revision` counts the changes; `digests` names the package of every
    version in here, so that one read answers everything. Contract: docs/contracts/lineup.schema.json.
    """

    schema_version: Literal[1] = 1
    model_id: str
    model: str
    champion: int | None = None
    challenger: int | None = None
    previous: int | None = None
    traffic: float = 0.0
    revision: int = 0
    digests: dict[str, str] = field(default_factory=dict)
    test: Test | None = None


class NotPromotable(Conflict):
    """The version may not serve, or serves already."""

    code = "not_promotable"


class Serving(Conflict):
    """What is to be deleted serves."""

    code = "serving"


class StaleRevision(Conflict):
    """The lineup has changed since the caller looked."""

    code = "stale_revision"


def check_reason(reason: str) -> str:
    """`reason`, stripped, if it says something.

    Raises
    ------
    InvalidInput
        Empty, or over 2,000 characters.
    """
    if not (stripped := reason.strip()) or len(stripped) > 2000:
        raise InvalidInput("say why, in 1 to 2,000 characters: the audit keeps it", field="reason")
    return stripped


def check_revision(lineup: Lineup, expected: int | None) -> None:
    """Refuse a change that was decided on another revision than the one at hand.

    Raises
    ------
    StaleRevision
    """
    if expected is not None and expected != lineup.revision:
        raise StaleRevision(
            f"the lineup of {lineup.model} is at revision {lineup.revision}, not {expected}: look again and decide",
            field="expected_revision",
        )


def stage(version: Version, lineup: Lineup) -> str | None:
    """`training` (pending), `staging` (ready), `production` (the champion), `archived` (a replaced champion).

    None for a version that failed its admission, or that has no package.
    """
    if version.version == lineup.champion:
        return "production"
    if version.state == State.READY:
        return "archived" if version.served else "staging"
    return "training" if version.state == State.PENDING else None


def promote(lineup: Lineup, version: Version) -> Lineup:
    """The lineup in which `version` is champion and the old champion is `previous`; a running test ends.

    Raises
    ------
    NotPromotable
        `version` is not READY, or is champion already.
    """
    _require_ready(version)
    if version.version == lineup.champion:
        raise NotPromotable(f"version {version.version} is champion already", code="already_champion")
    challenger = None if lineup.challenger == version.version else lineup.challenger
    return _next(
        lineup,
        version,
        champion=version.version,
        challenger=challenger,
        traffic=lineup.traffic if challenger else 0.0,
        previous=lineup.champion,
    )


def rollback_target(lineup: Lineup, to_version: int | None) -> int:
    """The version that a rollback makes champion: `to_version`, else `previous`.

    Raises
    ------
    Conflict
        No version is named, and none served before: also right after a rollback, so that two people who roll back
        at once do not bring the bad version back.
    """
    target = lineup.previous if to_version is None else to_version
    if target is None:
        raise Conflict(
            f"{lineup.model} has no previous version to go back to; name one with to_version",
            code="no_previous",
            field="to_version",
        )
    return target


def roll_back(lineup: Lineup, version: Version) -> Lineup:
    """The lineup in which `version` is champion again; no `previous`, no challenger, no test.

    Raises
    ------
    NotPromotable
        `version` is not READY, never served, or is champion already.
    """
    _require_ready(version)
    if version.version == lineup.champion:
        raise NotPromotable(f"version {version.version} is champion already", code="already_champion")
    if not version.served:
        raise NotPromotable(f"version {version.version} never served: promote it", code="never_served")
    return _next(lineup, version, champion=version.version, challenger=None, traffic=0.0, previous=None)


def challenge(lineup: Lineup, version: Version | None, traffic: float | None) -> Lineup:
    """The lineup in which `version` gets the share `traffic` in [0, 1] of requests; None takes the challenger out.

    Raises
    ------
    NotPromotable
        `version` is not READY, is champion, or there is no champion to challenge, or no challenger to take out.
    InvalidInput
        `traffic` is out of range, missing, or given without a version.
    """
    if version is not None and traffic is None:
        raise InvalidInput("say which share of the traffic the challenger gets, 0 to 1", field="traffic")
    traffic = traffic or 0.0
    if not 0 <= traffic <= 1:
        raise InvalidInput("traffic is the challenger's share, 0 to 1", field="traffic")
    if version is None:
        if traffic:
            raise InvalidInput("traffic without a version goes nowhere", field="version")
        if lineup.challenger is None:
            raise NotPromotable(f"{lineup.model} has no challenger to take out", code="no_challenger")
        return _next(lineup, None, challenger=None, traffic=0.0)
    _require_ready(version)
    if lineup.champion is None:
        raise NotPromotable(f"{lineup.model} has no champion to challenge: promote one", code="no_champion")
    if version.version == lineup.champion:
        raise NotPromotable(f"version {version.version} is the champion", code="already_champion")
    return _next(lineup, version, challenger=version.version, traffic=traffic)


def begin_test(lineup: Lineup, test: Test, control: int, treatments: list[Version]) -> Lineup:
    """The lineup in which `test` runs: its `treatments` get what its arms say, everybody else the champion, `control`.

    Raises
    ------
    NotPromotable
        A treatment is not READY or is the champion; the champion is another than `control` (`control_not_champion`);
        a test or a canary runs already (`test_running`, `canary_running`).
    """
    if lineup.test:
        raise NotPromotable(
            f"the test {lineup.test.test_id} of {lineup.model} runs: stop it first", code="test_running"
        )
    if lineup.champion != control:
        raise NotPromotable(
            f"the control must be who serves, which is version {lineup.champion or 'none'} of {lineup.model}",
            code="control_not_champion",
            field="control",
        )
    if lineup.challenger is not None:
        raise NotPromotable(f"version {lineup.challenger} is a canary: take it out first", code="canary_running")
    for version in treatments:
        _require_ready(version)
        if version.version == control:
            raise NotPromotable(f"version {control} is the control", code="already_champion", field="treatment")
    digests = {str(version.version): version.digest for version in treatments}
    return _next(replace(lineup, digests={**lineup.digests, **digests}), None, test=test)


def answering(lineup: Lineup) -> set[int]:
    """The versions that callers get answers of: champion, canary, and the arms of a test that is no shadow."""
    tested = [arm.version for arm in lineup.test.arms] if lineup.test and not lineup.test.shadow else []
    return {number for number in (lineup.champion, lineup.challenger, *tested) if number is not None}


def ramp_test(lineup: Lineup, test_id: str, coverage: float) -> Lineup:
    """The lineup in which the running test takes the share `coverage` of units; NotPromotable if it isn't `test_id`."""
    test = _running(lineup, test_id)
    return _next(lineup, None, test=replace(test, coverage=coverage))


def end_test(lineup: Lineup, test_id: str) -> Lineup:
    """The lineup in which the champion serves everybody again; NotPromotable if the running test isn't `test_id`."""
    _running(lineup, test_id)
    return _next(lineup, None)


def _running(lineup: Lineup, test_id: str) -> Test:
    if lineup.test is None or lineup.test.test_id != test_id:
        raise NotPromotable(f"the test {test_id} doesn't run", code="not_running")
    return lineup.test


def empty(lineup: Lineup) -> Lineup:
    """The lineup in which nobody serves; the champion becomes `previous`, challenger and test end."""
    return _next(lineup, None, champion=None, challenger=None, traffic=0.0, previous=lineup.champion)


def rename(lineup: Lineup, name: str) -> Lineup:
    """The same lineup under another name: who serves, and a running test, go on."""
    return replace(lineup, model=name, revision=lineup.revision + 1)


def note(lineup: Lineup) -> Lineup:
    """The same lineup one revision on, for a record of what was said of who may serve; a running test goes on."""
    return replace(lineup, revision=lineup.revision + 1)


def forget(lineup: Lineup, number: int) -> Lineup:
    """The lineup without version `number`, which is to be deleted: unchanged, unless it is `previous`.

    Raises
    ------
    Serving
        It is champion, challenger, or in a test.
    """
    if number == lineup.champion:
        raise Serving(
            f"version {number} is the champion of {lineup.model}: promote another one, or delete the alias champion",
            field="version",
        )
    if number == lineup.challenger:
        raise Serving(f"version {number} is the challenger of {lineup.model}: take it out first", field="version")
    if lineup.test and number in {arm.version for arm in lineup.test.arms}:
        raise Serving(f"version {number} is in the test {lineup.test.test_id}: end that first", field="version")
    if number != lineup.previous:
        return lineup
    digests = {known: digest for known, digest in lineup.digests.items() if known != str(number)}
    return replace(lineup, previous=None, digests=digests, revision=lineup.revision + 1)


def close(lineup: Lineup) -> Lineup:
    """The last lineup of a model that is deleted.

    Raises
    ------
    Serving
        The model serves.
    """
    if lineup.champion is not None or lineup.test:
        raise Serving(f"{lineup.model} serves version {lineup.champion}: delete the alias champion first", field="name")
    return replace(empty(lineup), previous=None, digests={})


def _require_ready(version: Version) -> None:
    if version.state == State.UNPACKAGED:
        raise NotPromotable(
            f"version {version.version} can't serve: its artifacts hold no package (package.json and model.tflite, at "
            "their root or in a folder package/, in this stack's own bucket)",
            code="no_package",
        )
    if version.state != State.READY:
        why = f": {version.reason}" if version.reason else ""
        raise NotPromotable(f"version {version.version} is {version.state}, not READY{why}", code="not_ready")


def _next(lineup: Lineup, version: Version | None, **changes: Any) -> Lineup:
    """`lineup` one revision on, naming the digests of exactly the versions in it; no test outlives another's change."""
    known = {**lineup.digests, **({str(version.version): version.digest} if version else {})}
    after = replace(lineup, **{"revision": lineup.revision + 1, "test": None, **changes})
    tested = [arm.version for arm in after.test.arms] if after.test else []
    serving = (after.champion, after.challenger, after.previous, *tested)
    named = {str(number) for number in serving if number is not None}
    return replace(after, digests={number: digest for number, digest in known.items() if number in named})
