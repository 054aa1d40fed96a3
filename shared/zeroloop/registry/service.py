"""The registry's use cases: read, decide by the rules, write once."""

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from zeroloop import clock
from zeroloop.digests import PackageFile, package_digest
from zeroloop.errors import Conflict, NotFound
from zeroloop.objects import Bucket, Upload
from zeroloop.registry import audit, gates, manifest, rules
from zeroloop.registry.audit import Turn
from zeroloop.registry.gates import Approvals, Evaluation, Gates, Kept, Verdict
from zeroloop.registry.rules import Approval, Facts, Lineup, Model, State, Test, Version
from zeroloop.registry.store import RegistryStore

T = TypeVar("T")

# Writers of one model meet at one item, and each round lets one through: enough for bursts of dozens.
_TRIES = 60
# A function answers within 29 s, and the last try needs some of them.
_PATIENCE_SECONDS = 15.0


class Registered(Struct, frozen=True):
    """A version, whether this call made it, and the uploads that it still waits for."""

    version: Version
    created: bool
    uploads: list[Upload]


class AlreadyExists(Conflict):
    """The name is taken."""

    code = "already_exists"


class Change(Struct, frozen=True, kw_only=True):
    """Who changes a lineup, when, why, which revision the decision was made on, and whether in spite of the gates.

    `judged`: as a `Turn` has it.
    """

    actor: str
    at: int
    reason: str
    expected_revision: int | None = None
    evidence: dict[str, Any] | None = None
    override: bool = False
    judged: Mapping[int, int | None] = {}


def until_it_holds(name: str, decide: Callable[[], T]) -> T:
    """What `decide`, which reads and then writes under a condition, answers once nobody else was faster.

    Raises
    ------
    Conflict
        `busy` after many tries or 15 s; or what `decide` itself refuses.
    """
    deadline = clock.monotonic() + _PATIENCE_SECONDS
    for attempt in range(_TRIES):
        try:
            return decide()
        except Conflict as lost:
            if lost.code != Conflict.code:
                raise
        if clock.monotonic() > deadline:
            break
        clock.sleep(clock.pause_seconds(attempt))
    raise Conflict(f"{name} is being changed by too many at once; try again", code="busy")


def object_key(version: Version, path: str) -> str:
    """Where a file of a version's package lies in the artifacts bucket; write-once."""
    return f"models/{version.model_id}/{version.digest}/{path}"


class Registry:
    """Models, versions and lineups.

    `admit` starts the admission of (model_id, version) somewhere else: a broken model can kill its process.
    """

    def __init__(
        self,
        store: RegistryStore,
        bucket: Bucket,
        admit: Callable[[str, int], None],
        *,
        max_package_bytes: int,
        approvals: Approvals = "none",
    ) -> None:
        self._store = store
        self._bucket = bucket
        self._admit = admit
        self._max_package_bytes = max_package_bytes
        self._approvals = approvals

    def model(self, name: str) -> Model:
        """The model called `name`; NotFound."""
        model = self._store.get_model(manifest.check_name(name))
        if model is None:
            raise NotFound(f"there is no model {name!r}", code="unknown_model", field="model")
        return model

    def models(self, after: str | None, limit: int) -> list[tuple[Model, Lineup]]:
        """A page of models by name, each with its lineup."""
        return [(about.model, about.lineup) for about in self._store.list_models(after, limit)]

    def lineup(self, name: str) -> Lineup:
        """Who serves `name`."""
        return self._store.get_lineup(self.model(name).model_id)

    def find_lineup(self, model_id: str) -> Lineup | None:
        """Who serves of the model with this id, whatever it is called now; None if it was deleted."""
        return self._store.find_lineup(model_id)

    def lineup_of(self, version: Version) -> Lineup:
        """The lineup of the model that `version` belongs to: one read."""
        return self._store.get_lineup(version.model_id)

    def version(self, name: str, number: int) -> Version:
        """One version; NotFound."""
        return self._version(self.model(name), number)

    def versions(self, name: str, before: int | None, limit: int) -> list[Version]:
        """A page of versions, newest first."""
        found = self._store.list_versions(self.model(name).model_id, before, page=limit)
        return [tagged.version for tagged in islice(found, limit)]

    def history(self, name: str, before: int | None, limit: int) -> list[dict[str, Any]]:
        """A page of audit records, newest first."""
        return self._store.list_records(self.model(name).model_id, before, limit)

    def register(self, name: str, files: Sequence[PackageFile], *, actor: str, at: int) -> Registered:
        """The version that these bytes are: a new one, or the one that they already were.

        The model comes into being with its first version.
        """
        manifest.check_files(files, max_bytes=self._max_package_bytes)
        digest = package_digest(files)

        def add() -> Registered:
            model = self._model_or_new(name, at)
            known = self._store.find_version(model.model_id, digest)
            if known:
                return Registered(known, created=False, uploads=self._uploads(known))
            version = Version(
                model_id=model.model_id,
                version=model.latest_version + 1,
                version_id=f"{clock.label(at)}-{digest[:8]}",
                digest=digest,
                files=sorted(files),
                created_at=at,
                created_by=actor,
            )
            self._store.add_version(version)
            return Registered(version, created=True, uploads=self._uploads(version))

        return until_it_holds(name, add)

    def complete(self, name: str, number: int) -> Version:
        """Start the admission of a version whose files are all there; one that is READY or UNPACKAGED stays as it is.

        A FAILED one is tried again: its bytes are the same, but the stack may have changed (a layer, a limit).

        Raises
        ------
        Conflict
            Files are missing (`files_missing`): the message names them.
        """
        version = self.version(name, number)
        if version.state in {State.READY, State.UNPACKAGED}:
            return version
        if version.state == State.FAILED:
            self._store.reopen(version)
            version = self.version(name, number)
        missing = [upload["path"] for upload in self._uploads(version)]
        if missing:
            raise Conflict(f"not uploaded yet: {', '.join(missing)}", code="files_missing", field="files")
        self._admit(version.model_id, version.version)
        return version

    def downloads(self, name: str, number: int) -> list[dict[str, Any]]:
        """The files of a version, each with a URL good for an hour; Conflict if none were admitted."""
        version = self.version(name, number)
        if not version.digest:
            raise Conflict(f"version {number} is {version.state}: it has no package to download", code="no_package")
        return [
            {**file._asdict(), "url": self._bucket.download(object_key(version, file.path))} for file in version.files
        ]

    def promote(self, name: str, number: int, change: Change) -> Lineup:
        """Make a READY version champion; Conflict if it isn't, or if the lineup changed meanwhile."""
        model, before = self._begin(name, change)
        version = self._version(model, number)
        after = rules.promote(before, version)
        return self._save(before, after, "promote", self.cleared(before, version, change))

    def roll_back(self, name: str, to_version: int | None, change: Change) -> Lineup:
        """Make the previous champion, or the one named, champion again."""
        model, before = self._begin(name, change)
        target = self._version(model, rules.rollback_target(before, to_version), field="to_version")
        return self._save(before, rules.roll_back(before, target), "rollback", change)

    def challenge(self, name: str, number: int | None, traffic: float | None, change: Change) -> Lineup:
        """Give a READY version a share of the traffic; take the challenger out with None for both."""
        model, before = self._begin(name, change)
        version = None if number is None else self._version(model, number)
        after = rules.challenge(before, version, traffic)
        return self._save(before, after, "challenger", self.cleared(before, version, change) if version else change)

    def cleared(self, lineup: Lineup, version: Version, change: Change) -> Change:
        """`change`, with what its record tells of the gates, if `version` may serve by them and by its approval.

        A rollback asks neither: what goes back to has served.
        """
        gates.check_approval(version, self._approvals)
        kept = self._store.get_gates(lineup.model_id)
        if kept is None:
            return change
        found = self._store.get_evaluation(lineup.model_id, version.version)
        verdict = gates.judge(version, lineup, kept.body, found.body if found else None)
        told = gates.clear(version, verdict, override=change.override)
        by = {"evaluated_by": found.actor, "evaluation": gates.digest(found.body)} if found else {}
        told |= {"gates": gates.digest(kept.body), **by}
        judged = {**change.judged, version.version: found.at if found else None}
        return msgspec.structs.replace(change, evidence={**(change.evidence or {}), "gate": told}, judged=judged)

    def gates(self, name: str) -> Kept:
        """What is asked of the versions of a model; NotFound where nothing is."""
        kept = self._store.get_gates(self.model(name).model_id)
        if kept is None:
            raise NotFound(f"{name} has no gates", code="no_gates", field="model")
        return kept

    def set_gates(self, name: str, asked: Gates | None, change: Change) -> Lineup:
        """Ask this of all versions that are to serve from now on, or nothing; what is asked already changes nothing.

        The model comes into being with its gates, so that no version of it can be faster.
        """
        rules.check_reason(change.reason)
        if asked:
            gates.check(asked)

        def decide() -> Lineup:
            model = self._model_or_new(name, change.at)
            before, kept = self._store.get_lineup(model.model_id), self._store.get_gates(model.model_id)
            if (kept.body if kept else None) == asked:
                return before
            evidence = {"gates": gates.digest(asked) if asked else None}
            turn = self.turn(before, rules.note(before), "gates", msgspec.structs.replace(change, evidence=evidence))
            new = Kept(body=asked, actor=change.actor, at=change.at) if asked else None
            self._store.set_gates(turn, new)
            return turn.after

        return until_it_holds(name, decide)

    def evaluation(self, name: str, number: int) -> Kept:
        """What was found of a version; NotFound."""
        kept = self._store.get_evaluation(self.model(name).model_id, number)
        if kept is None:
            raise NotFound(f"version {number} of {name} has no evaluation", code="no_evaluation", field="version")
        return kept

    def evaluations(self, name: str, before: int | None, limit: int) -> list[tuple[int, Kept]]:
        """A page of evaluations with the numbers of their versions, newest version first."""
        return self._store.list_evaluations(self.model(name).model_id, before, limit)

    def evaluate(
        self, name: str, number: int, found: Evaluation, *, actor: str, at: int
    ) -> tuple[Kept, Verdict | None]:
        """Keep what was found of a version, and judge it: None where nothing is asked.

        Raises
        ------
        Conflict
            `served`: another evaluation of a version that has answered callers.
        """

        def decide() -> tuple[Kept, Verdict | None]:
            version = self.version(name, number)
            gates.check_evaluation(version, found)
            before = self._store.get_evaluation(version.model_id, number)
            kept = Kept(body=gates.joined(version, before.body if before else None, found), actor=actor, at=at)
            if before and before.body == kept.body:
                return before, self.verdict(version, before.body)
            if before:
                kept = msgspec.structs.replace(kept, at=max(at, before.at + 1))  # by which it is known from that one
            self._store.set_evaluation(version, kept, before)
            return kept, self.verdict(version, kept.body)

        return until_it_holds(name, decide)

    def verdict(self, version: Version, found: Evaluation) -> Verdict | None:
        """The verdict on a version, by what is asked and by who serves now; None where nothing is asked."""
        kept = self._store.get_gates(version.model_id)
        return gates.judge(version, self.lineup_of(version), kept.body, found) if kept else None

    def approve(self, name: str, number: int, change: Change) -> Version:
        """Say that a version may serve; the last word counts."""
        reason = rules.check_reason(change.reason)

        def decide() -> Version:
            model = self.model(name)
            version, before = self._version(model, number), self._store.get_lineup(model.model_id)
            gates.check_approver(version, change.actor, self._approvals)
            approval = Approval(actor=change.actor, at=change.at, reason=reason)
            evidence = {"version": number, "digest": version.digest}
            noted = msgspec.structs.replace(change, evidence=evidence)
            approved = msgspec.structs.replace(version, approval=approval)
            self._store.approve(self.turn(before, rules.note(before), "approve", noted), approved)
            return approved

        return until_it_holds(name, decide)

    def begin_test(self, name: str, test: Test, control: int, change: Change) -> Lineup:
        """Begin an A/B test against the champion; one that runs already runs."""
        model, before = self._begin(name, change)
        if before.test == test:
            return before
        numbers = dict.fromkeys(arm.version for arm in test.arms if arm.version != control)
        treatments = [self._version(model, number, field="treatment") for number in numbers]
        after = rules.begin_test(before, test, control, treatments)
        for version in [] if test.shadow else treatments:
            change = self.cleared(before, version, change)
        return self._save(before, after, "test", change)

    def ramp_test(self, name: str, test_id: str, coverage: float, change: Change) -> Lineup:
        """Let the running test have another share of the units."""
        _, before = self._begin(name, change)
        return self._save(before, rules.ramp_test(before, test_id, coverage), "test", change)

    def end_test(self, name: str, test_id: str, change: Change) -> Lineup:
        """End the running test: the champion serves everybody."""
        _, before = self._begin(name, change)
        return self._save(before, rules.end_test(before, test_id), "test", change)

    def _begin(self, name: str, change: Change) -> tuple[Model, Lineup]:
        rules.check_reason(change.reason)
        model = self.model(name)
        lineup = self._store.get_lineup(model.model_id)
        rules.check_revision(lineup, change.expected_revision)
        return model, lineup

    def turn(self, before: Lineup, after: Lineup, action: audit.Action, change: Change) -> Turn:
        """The step from `before` to `after` with its audit record: one read."""
        last = self._store.get_record(before.model_id, before.revision)
        record = audit.Record(
            model_id=after.model_id,
            model=after.model,
            revision=after.revision,
            at=change.at,
            actor=change.actor,
            action=action,
            reason=change.reason.strip(),
            before=audit.serving(before),
            after=audit.serving(after),
            evidence=change.evidence,
            previous_hash=last.hash if last else audit.FIRST,
        )
        return Turn(before, after, audit.seal(record), change.judged)

    def _save(self, before: Lineup, after: Lineup, action: audit.Action, change: Change) -> Lineup:
        self._store.save_lineup(self.turn(before, after, action, change))
        return after

    def _model_or_new(self, name: str, at: int) -> Model:
        model = self._store.get_model(manifest.check_name(name))
        if model:
            return model
        try:
            return self.create_model(name, at=at)
        except AlreadyExists:
            return self.model(name)

    def create_model(
        self, name: str, *, at: int, description: str = "", tags: Mapping[str, str] | None = None
    ) -> Model:
        """A new model without versions.

        Raises
        ------
        AlreadyExists
        """
        model = Model(
            model_id=f"m-{clock.new_id()[:16]}",
            name=manifest.check_name(name),
            created_at=at,
            updated_at=at,
            description=description,
        )
        try:
            self._store.create_model(model, Lineup(model_id=model.model_id, model=name), tags)
        except Conflict as taken:
            raise AlreadyExists(f"there is a model {name!r} already", field="name") from taken
        return model

    def _version(self, model: Model, number: int, field: str = "version") -> Version:
        version = self._store.get_version(model.model_id, number)
        if version is None:
            raise NotFound(f"{model.name} has no version {number}", code="unknown_version", field=field)
        return version

    def _uploads(self, version: Version) -> list[Upload]:
        """A presigned PUT for each file that a PENDING version waits for; those with an origin wait for none."""
        if version.state != State.PENDING or version.origin:
            return []
        keys = {file: object_key(version, file.path) for file in version.files}
        return [self._bucket.upload(key, file) for file, key in keys.items() if self._bucket.size(key) != file.size]


class Admissions:
    """What admission may do to a version: read it, and settle it once."""

    def __init__(self, store: RegistryStore) -> None:
        self._store = store

    def pending(self, model_id: str, number: int) -> Version | None:
        """The version, if it still waits: a repeated event finds nothing to do."""
        version = self._store.get_version(model_id, number)
        return version if version and version.state == State.PENDING else None

    def admit(self, version: Version, facts: Facts) -> Version:
        """READY: it may serve."""
        return self._settle(version, state=State.READY, facts=facts)

    def refuse(self, version: Version, reason: str, facts: Facts | None = None) -> Version:
        """FAILED, with the reason: it never will."""
        return self._settle(version, state=State.FAILED, reason=reason[:2000], facts=facts)

    def _settle(self, version: Version, **found: Any) -> Version:
        settled = msgspec.structs.replace(version, **found)
        try:
            self._store.settle(settled)
        except Conflict:
            return self._store.get_version(version.model_id, version.version) or version
        return settled
