"""MLflow's model registry as use cases: names, versions by address, tags, aliases and stages, over the same lineup.

Calling a READY version `champion`, or moving it to Production, is promoting it: one transaction, one audit chain.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple

from msgspec.structs import replace

from zeroloop import clock
from zeroloop.errors import Conflict, InvalidInput, NotFound, Unavailable
from zeroloop.objects import Bucket
from zeroloop.registry import labels, manifest, rules, sources
from zeroloop.registry.audit import Turn
from zeroloop.registry.labels import CHAMPION, PRODUCTION, About, Tagged
from zeroloop.registry.rules import Origin, State, Version
from zeroloop.registry.service import Admissions, AlreadyExists, Change, Registry, until_it_holds
from zeroloop.registry.store import RegistryStore
from zeroloop.tracking.limits import check_key


class Made(NamedTuple):
    """Where the artifacts of a run or a logged model lie, and the run that made them."""

    location: str
    run_id: str = ""


class Caller(NamedTuple):
    """Who asks, and when: milliseconds since 1970."""

    actor: str
    at: int

    def because(self, reason: str) -> Change:
        """The change of a lineup that this caller's request makes."""
        return Change(actor=self.actor, at=self.at, reason=f"{reason}, through MLflow")


class Catalogue:
    """Registered models and their versions as MLflow's clients know them.

    `locate(id)` tells where the artifacts of a run, or of a logged model (`m-...`), lie; None where it isn't known.
    `admit` starts the admission of (model_id, version) somewhere else.
    """

    def __init__(
        self,
        registry: Registry,
        store: RegistryStore,
        bucket: Bucket,
        *,
        admit: Callable[[str, int], None],
        locate: Callable[[str], Made | None],
    ) -> None:
        self._registry = registry
        self._store = store
        self._bucket = bucket
        self._admit = admit
        self._locate = locate

    def about(self, name: str) -> About:
        """A model and all that is said of it: two reads; NotFound."""
        about = self._store.get_about(manifest.check_name(name))
        if about is None:
            raise NotFound(f"Registered Model with name={name} not found", code="unknown_model", field="name")
        return about

    def version(self, about: About, number: int) -> Tagged:
        """One version: one read; NotFound."""
        tagged = self._store.get_tagged(about.model.model_id, number)
        if tagged is None:
            raise _no_version(about.model.name, number)
        return tagged

    def newest(self, about: About, stages: Iterable[str]) -> list[Tagged]:
        """The newest version in each of `stages`, by number: a read for each stage that has one."""
        model_id, wanted, staged = about.model.model_id, set(stages), labels.stages(about)
        numbers = [number for stage, number in labels.newest(about).items() if stage in wanted]
        found = [self._store.get_tagged(model_id, number) for number in numbers]
        if labels.NONE in wanted and about.model.latest_version > 0:
            fresh = self._store.list_versions(model_id, page=10)
            found.append(next((tagged for tagged in fresh if tagged.version.version not in staged), None))
        return sorted((tagged for tagged in found if tagged), key=lambda tagged: tagged.version.version)

    def models(self, may_be_called: Callable[[str], bool]) -> Iterator[About]:
        """The models whose names will do, by name; each is read when it is asked for."""
        return self._store.list_models(None, None, may_be_called)

    def versions(self, about: About) -> Iterator[Tagged]:
        """All versions of a model, newest first."""
        return self._store.list_versions(about.model.model_id)

    def by_alias(self, about: About, alias: str) -> Tagged:
        """The version that is called so; of `champion` the lineup knows.

        Raises
        ------
        InvalidInput
            None is called so; as MLflow has it.
        """
        if alias.lower() == "latest":
            newest = next(self.versions(about), None)
            if newest is None:
                raise NotFound(f"Latest version not found for model {about.model.name}.", code="unknown_version")
            return newest
        number = labels.aliases(about).get(alias)
        tagged = self._store.get_tagged(about.model.model_id, number) if number else None
        if tagged is None:
            raise InvalidInput(f"Registered model alias {alias[:80]} not found.", field="alias")
        return tagged

    def create(self, name: str, description: str, tags: Mapping[str, str], caller: Caller) -> About:
        """A new model without versions; AlreadyExists."""
        labels.check_tags(tags)
        labels.check_description(description)
        self._registry.create_model(name, at=caller.at, description=description, tags=tags)
        return self.about(name)

    def describe(self, name: str, description: str, caller: Caller) -> About:
        """The model under another description."""
        labels.check_description(description)
        about = self.about(name)
        model = replace(about.model, description=description, updated_at=caller.at)
        self._store.describe_model(model)
        return replace(about, model=model)

    def rename(self, name: str, new_name: str, caller: Caller) -> About:
        """The model under another name, with its versions, aliases and lineup; AlreadyExists."""
        manifest.check_name(new_name)

        def decide() -> About:
            about = self.about(name)
            if new_name == name:
                return self.describe(name, about.model.description, caller)
            taken = self._store.get_model(new_name)
            if taken and taken.model_id != about.model.model_id:  # or somebody renamed this one a moment ago
                raise AlreadyExists(f"Registered Model (name={new_name}) already exists.", field="new_name")
            after = rules.rename(about.lineup, new_name)
            turn = self._registry.turn(about.lineup, after, "rename", caller.because(f"renamed from {name}"))
            model = replace(about.model, name=new_name, updated_at=caller.at)
            self._store.rename_model(turn, model)
            return replace(about, model=model, lineup=after)

        return until_it_holds(name, decide)

    def delete(self, name: str, caller: Caller) -> None:
        """Forget a model that doesn't serve; only its audit chain and its packages stay."""

        def decide() -> None:
            lineup = self.about(name).lineup
            change = caller.because(f"the model {name} was deleted")
            self._store.delete_model(self._registry.turn(lineup, rules.close(lineup), "delete", change))

        until_it_holds(name, decide)

    def add(self, name: str, origin: Origin, description: str, tags: Mapping[str, str], caller: Caller) -> Tagged:
        """The next version, which lies where `origin.source` says; a package found there goes through admission.

        Asked twice, it makes two versions, as MLflow does. Where its admission can't be started the version is FAILED,
        and says so: left to wait, it would for ever, and a refusal would have the client ask for another one.
        """
        labels.check_tags(tags)
        labels.check_description(description)
        origin = self._packaged(self._located(origin))

        def decide() -> Version:
            model = self._registry.model(name)
            version = Version(
                model_id=model.model_id,
                version=model.latest_version + 1,
                version_id=f"{clock.label(caller.at)}-{clock.new_id()[:8]}",
                digest="",
                files=[],
                created_at=caller.at,
                created_by=caller.actor,
                state=State.PENDING if origin.package else State.UNPACKAGED,
                origin=origin,
                description=description,
            )
            self._store.add_version(version, tags)
            return version

        version = until_it_holds(name, decide)
        if origin.package:
            try:
                self._admit(version.model_id, version.version)
            except Unavailable as error:
                why = f"its admission could not be started: {error.message}; `complete` tries again"
                version = Admissions(self._store).refuse(version, why)
        return Tagged(version, dict(sorted(tags.items())))

    def describe_version(self, name: str, number: int, description: str | None, caller: Caller) -> tuple[About, Tagged]:
        """The version under another description, or under none."""
        labels.check_description(description)
        about = self.about(name)
        tagged = self.version(about, number)
        version = replace(tagged.version, description=description, updated_at=caller.at)
        self._store.describe_version(version, at=caller.at)
        return about, replace(tagged, version=version)

    def delete_version(self, name: str, number: int, caller: Caller) -> None:
        """Forget a version that doesn't serve; its number isn't given again, its package stays."""

        def decide() -> None:
            about = self.about(name)
            version, after = self.version(about, number).version, rules.forget(about.lineup, number)
            turn = Turn(about.lineup, after)
            if after is not about.lineup:
                turn = self._registry.turn(
                    about.lineup, after, "delete", caller.because(f"version {number} was deleted")
                )
            aliases = [alias for alias, called in about.aliases.items() if called == number]
            self._store.delete_version(turn, version, aliases, at=caller.at)

        until_it_holds(name, decide)

    def set_tag(self, name: str, number: int | None, key: str, value: str) -> None:
        """Write a tag of a model, or of one of its versions."""
        labels.check_tags({key: value})
        model = self._registry.model(name)
        try:
            self._store.set_tag(model.model_id, number, key, value)
        except Conflict as gone:
            raise _no_version(name, number) from gone

    def delete_tag(self, name: str, number: int | None, key: str) -> None:
        """Delete a tag, if it is there."""
        check_key(key, "key")
        model = self._registry.model(name)
        if number is not None and self._store.get_version(model.model_id, number) is None:
            raise _no_version(name, number)
        self._store.delete_tag(model.model_id, number, key)

    def set_alias(self, name: str, alias: str, number: int, caller: Caller) -> None:
        """Call a version `alias`; a READY one that is called champion is promoted, unless it serves already.

        Raises
        ------
        NotPromotable
            To be called champion it would have to serve, and may not.
        """
        labels.check_alias(alias)

        def decide() -> None:
            about = self.about(name)
            version = self.version(about, number).version
            turn = Turn(about.lineup, about.lineup)
            if alias == CHAMPION:
                turn = self._promoted(about, version, caller.because(f"alias {CHAMPION} set"))
            if alias == CHAMPION and turn.after.champion == number:
                if turn.record:
                    self._store.save_lineup(turn)
                return
            self._store.set_alias(turn, alias, number)

        until_it_holds(name, decide)

    def delete_alias(self, name: str, alias: str, caller: Caller) -> None:
        """Delete an alias, if it is there; without the alias champion nobody serves."""

        def decide() -> None:
            about = self.about(name)
            if alias == CHAMPION and about.lineup.champion is not None:
                change = caller.because(f"alias {CHAMPION} deleted")
                after = rules.empty(about.lineup)
                self._store.save_lineup(self._registry.turn(about.lineup, after, "clear", change))
            elif alias in about.aliases:
                self._store.delete_alias(about.model.model_id, alias)

        until_it_holds(name, decide)

    def transition(self, name: str, number: int, stage: str, caller: Caller, *, archive: bool) -> tuple[About, Tagged]:
        """The version in another stage: a READY one in Production is promoted, a champion that leaves it steps down.

        The newest READY one that is left in Production takes over then, if one may.

        `archive` sends the others of the stage to Archived.

        Raises
        ------
        NotPromotable
            In Production it would have to serve, and may not.
        """
        stage = labels.canonical(stage)

        def decide() -> tuple[About, Tagged]:
            about = self.about(name)
            tagged = self.version(about, number)
            others = labels.archived(about, stage, number) if archive else []
            turn, change = Turn(about.lineup, about.lineup), caller.because(f"moved to stage {stage}")
            if stage == PRODUCTION:
                turn = self._promoted(about, tagged.version, change)
            elif number == about.lineup.champion:
                turn = self._handed_over(about, change)
            moved = {**dict.fromkeys(others, labels.ARCHIVED), number: stage}
            self._store.save_lineup(turn, moved, at=caller.at)
            after = replace(about, lineup=turn.after, stages={**about.stages, **moved})
            return after, replace(tagged, version=replace(tagged.version, updated_at=caller.at))

        return until_it_holds(name, decide)

    def location(self, version: Version) -> str:
        """Where the artifacts of a version lie."""
        if version.origin:
            return version.origin.location
        return self._bucket.address(f"models/{version.model_id}/{version.digest}")

    def _handed_over(self, about: About, change: Change) -> Turn:
        """The lineup of which the champion leaves Production: it goes to the newest that is left there, or is empty."""
        staged = labels.stages(about)
        left = sorted((number for number, stage in staged.items() if stage == PRODUCTION), reverse=True)
        for number in left:
            version = self.version(about, number).version
            if version.state == State.READY and number != about.lineup.champion:
                with suppress(Conflict):  # by its gates, say
                    return self._promoted(about, version, change)
        return self._registry.turn(about.lineup, rules.empty(about.lineup), "clear", change)

    def _promoted(self, about: About, version: Version, change: Change) -> Turn:
        """The lineup with `version` as champion; as it is, where it is so already or the version has no package."""
        labels.check_beside(about.lineup, version)
        if version.state == State.UNPACKAGED or version.version == about.lineup.champion:
            return Turn(about.lineup, about.lineup)
        after = rules.promote(about.lineup, version)
        return self._registry.turn(
            about.lineup, after, "promote", self._registry.cleared(about.lineup, version, change)
        )

    def _located(self, origin: Origin) -> Origin:
        """`origin` with the place that its source leads to, and with the run behind it."""
        named = sources.read(origin.source, run_id=origin.run_id, logged_model=origin.logged_model)
        if named.kind == "version":
            return self._copied(origin, named.name, named.rest)
        made = self._locate(origin.logged_model or origin.run_id) if origin.logged_model or origin.run_id else None
        location = origin.source
        if named.kind == "logged model":
            if made is None:
                raise NotFound(f"there is no logged model {named.name[:80]}", field="model_id")
            location = made.location
        elif named.kind == "run" and made:
            location = f"{made.location.rstrip('/')}/{named.rest}".rstrip("/")
        elif origin.source.startswith("mlflow-artifacts:") and made and not sources.within(location, made.location):
            raise InvalidInput(
                f"Invalid model version source: '{origin.source[:200]}': it is not of the run or logged model that the "
                "request names",
                field="source",
            )
        run_id = origin.run_id or (made.run_id if made else "")
        return replace(origin, location=location, run_id=run_id)

    def _copied(self, origin: Origin, name: str, which: str) -> Origin:
        """The origin of another version: its place, and its run."""
        about = self.about(name)
        if which.startswith("@"):
            tagged = self.by_alias(about, which[1:])
        elif which.lower() == "latest":
            tagged = self.by_alias(about, which)
        elif which.isascii() and which.isdigit():
            tagged = self.version(about, int(which[:9]))
        else:
            tagged = next(iter(self.newest(about, [labels.canonical(which)])), None) or self.version(about, 0)
        version = tagged.version
        return replace(
            origin,
            source=f"models:/{name}/{version.version}",
            location=self.location(version),
            run_id=origin.run_id or run_of(version),
        )

    def _packaged(self, origin: Origin) -> Origin:
        """`origin` with the folder of the package that lies there, if one does: one or two listings."""
        folder = sources.folder(origin.location, self._bucket.name)
        for inner in sources.package_folders(folder) if folder else []:
            if sources.is_package(self._bucket.list(inner)):
                return replace(origin, package=inner)
        return origin


def run_of(version: Version) -> str:
    """The run that made a version; empty where none is known."""
    return (version.origin.run_id if version.origin else "") or (version.facts.run_id or "" if version.facts else "")


def _no_version(name: str, number: int | None) -> NotFound:
    return NotFound(f"Model Version (name={name}, version={number}) not found", code="unknown_version", field="version")
