"""MLflow's calls on registered models and versions: each takes a message, asks the catalogue, and answers one."""

from collections.abc import Callable
from functools import partial

from zeroloop.errors import NotFound
from zeroloop.mlflow import kinds, models, wire
from zeroloop.mlflow.models import (
    Address,
    CreateModel,
    CreateVersion,
    LatestVersions,
    ModelAlias,
    ModelAnswer,
    Models,
    ModelVersion,
    NamedModel,
    NamedVersion,
    RegisteredModel,
    RenameModel,
    Tag,
    Transition,
    UpdateModel,
    UpdateVersion,
    VersionAnswer,
    Versions,
)
from zeroloop.mlflow.pages import Query, Search
from zeroloop.mlflow.search import PROMPT, Value
from zeroloop.registry import labels
from zeroloop.registry.catalogue import Caller, Catalogue, run_of
from zeroloop.registry.labels import About, Tagged
from zeroloop.registry.rules import Origin
from zeroloop.rpc import Rpc


class Calls:
    """The calls, on one catalogue; `caller` tells who asks and when."""

    def __init__(self, catalogue: Catalogue, caller: Callable[[], Caller]) -> None:
        self._catalogue = catalogue
        self._caller = caller

    def table(self) -> list[Rpc]:
        """Every call with its path and what it requires."""
        model, version = "/2.0/mlflow/registered-models", "/2.0/mlflow/model-versions"
        numbered, tagged = ("name", "version"), ("name", "key")
        return [
            Rpc("POST", f"{model}/create", CreateModel, self.create_model, ("name",)),
            Rpc("GET", f"{model}/get", NamedModel, self.get_model, ("name",)),
            Rpc("PATCH", f"{model}/update", UpdateModel, self.update_model, ("name",)),
            Rpc("POST", f"{model}/rename", RenameModel, self.rename_model, ("name", "new_name")),
            Rpc("DELETE", f"{model}/delete", NamedModel, self.delete_model, ("name",)),
            Rpc("GET", f"{model}/search", Search, self.search_models),
            Rpc("GET", f"{model}/get-latest-versions", LatestVersions, self.latest_versions, ("name",)),
            Rpc("POST", f"{model}/get-latest-versions", LatestVersions, self.latest_versions, ("name",)),
            Rpc("POST", f"{model}/set-tag", Tag, self.set_model_tag, tagged),
            Rpc("DELETE", f"{model}/delete-tag", Tag, self.delete_model_tag, tagged),
            Rpc("POST", f"{model}/alias", ModelAlias, self.set_alias, ("name", "alias", "version")),
            Rpc("DELETE", f"{model}/alias", ModelAlias, self.delete_alias, ("name", "alias")),
            Rpc("GET", f"{model}/alias", ModelAlias, self.get_by_alias, ("name", "alias")),
            Rpc("POST", f"{version}/create", CreateVersion, self.create_version, ("name", "source")),
            Rpc("GET", f"{version}/get", NamedVersion, self.get_version, numbered),
            Rpc("PATCH", f"{version}/update", UpdateVersion, self.update_version, numbered),
            Rpc("POST", f"{version}/transition-stage", Transition, self.transition, (*numbered, "stage")),
            Rpc("DELETE", f"{version}/delete", NamedVersion, self.delete_version, numbered),
            Rpc("GET", f"{version}/search", Search, self.search_versions),
            Rpc("GET", f"{version}/get-download-uri", NamedVersion, self.get_address, numbered),
            Rpc("POST", f"{version}/set-tag", Tag, self.set_version_tag, (*numbered, "key")),
            Rpc("DELETE", f"{version}/delete-tag", Tag, self.delete_version_tag, (*numbered, "key")),
        ]

    def create_model(self, asked: CreateModel) -> ModelAnswer:
        """A new model; RESOURCE_ALREADY_EXISTS when asked again. One that MLflow means as a prompt is not supported."""
        tags = models.tags_of(asked.tags)
        if tags.get(PROMPT) == "true":
            raise NotFound("prompts are not supported by Zeroloop, whose registry holds models", code="not_supported")
        return ModelAnswer(self._model(self._catalogue.create(asked.name, asked.description, tags, self._caller())))

    def get_model(self, asked: NamedModel) -> ModelAnswer:
        """A model with the newest version of each stage."""
        return ModelAnswer(self._model(self._catalogue.about(asked.name)))

    def update_model(self, asked: UpdateModel) -> ModelAnswer:
        """The model under another description."""
        return ModelAnswer(self._model(self._catalogue.describe(asked.name, asked.description, self._caller())))

    def rename_model(self, asked: RenameModel) -> ModelAnswer:
        """The model under another name."""
        return ModelAnswer(self._model(self._catalogue.rename(asked.name, asked.new_name, self._caller())))

    def delete_model(self, asked: NamedModel) -> None:
        """Forget a model that doesn't serve."""
        self._catalogue.delete(asked.name, self._caller())

    def latest_versions(self, asked: LatestVersions) -> Versions:
        """The newest version in each stage, or in those that are named."""
        stages = [labels.canonical(stage) for stage in asked.stages] or labels.STAGES
        about = self._catalogue.about(asked.name)
        return Versions([self._version(about, tagged) for tagged in self._catalogue.newest(about, stages)])

    def set_model_tag(self, asked: Tag) -> None:
        """Write a tag of a model."""
        self._catalogue.set_tag(asked.name, None, asked.key, asked.value)

    def delete_model_tag(self, asked: Tag) -> None:
        """Delete a tag of a model."""
        self._catalogue.delete_tag(asked.name, None, asked.key)

    def set_alias(self, asked: ModelAlias) -> None:
        """Call a version so; called champion it is promoted."""
        number = models.number(asked.name, asked.version)
        self._catalogue.set_alias(asked.name, asked.alias, number, self._caller())

    def delete_alias(self, asked: ModelAlias) -> None:
        """Take a name from a version; without the alias champion nobody serves."""
        self._catalogue.delete_alias(asked.name, asked.alias, self._caller())

    def get_by_alias(self, asked: ModelAlias) -> VersionAnswer:
        """The version that is called so."""
        about = self._catalogue.about(asked.name)
        return VersionAnswer(self._version(about, self._catalogue.by_alias(about, asked.alias)))

    def create_version(self, asked: CreateVersion) -> VersionAnswer:
        """The next version of a model; when asked again one more, as MLflow has it."""
        origin = Origin(
            source=asked.source,
            location=asked.source,
            run_id=asked.run_id,
            run_link=asked.run_link,
            logged_model=asked.model_id,
        )
        tags = models.tags_of(asked.tags)
        tagged = self._catalogue.add(asked.name, origin, asked.description, tags, self._caller())
        return VersionAnswer(self._version(self._catalogue.about(asked.name), tagged))

    def get_version(self, asked: NamedVersion) -> VersionAnswer:
        """One version."""
        return VersionAnswer(self._version(*self._named(asked)))

    def update_version(self, asked: UpdateVersion) -> VersionAnswer:
        """The version under another description."""
        number, text = models.number(asked.name, asked.version), wire.given(asked.description)
        return VersionAnswer(self._version(*self._catalogue.describe_version(asked.name, number, text, self._caller())))

    def transition(self, asked: Transition) -> VersionAnswer:
        """The version in another stage; in Production it is promoted."""
        number, archive = models.number(asked.name, asked.version), asked.archive_existing_versions
        moved = self._catalogue.transition(asked.name, number, asked.stage, self._caller(), archive=archive)
        return VersionAnswer(self._version(*moved))

    def delete_version(self, asked: NamedVersion) -> None:
        """Forget a version that doesn't serve."""
        self._catalogue.delete_version(asked.name, models.number(asked.name, asked.version), self._caller())

    def get_address(self, asked: NamedVersion) -> Address:
        """Where the version's artifacts lie."""
        _, tagged = self._named(asked)
        return Address(self._catalogue.location(tagged.version))

    def set_version_tag(self, asked: Tag) -> None:
        """Write a tag of a version."""
        self._catalogue.set_tag(asked.name, models.number(asked.name, asked.version), asked.key, asked.value)

    def delete_version_tag(self, asked: Tag) -> None:
        """Delete a tag of a version."""
        self._catalogue.delete_tag(asked.name, models.number(asked.name, asked.version), asked.key)

    def search_models(self, asked: Search) -> Models:
        """Models that meet a filter, each with its newest versions; 100 a page, at most 1,000."""
        query = Query(kinds.MODELS, asked, default=100, most=1_000)
        found = ((about, partial(_of_model, about)) for about in self._catalogue.models(query.may_be_called))
        return Models(*query.page(found, self._model))

    def search_versions(self, asked: Search) -> Versions:
        """Versions that meet a filter; 10,000 a page. Reads the models that a filter by name leaves, each in full."""
        query = Query(kinds.VERSIONS, asked, default=10_000, most=200_000)
        found = (
            ((about, tagged), partial(_of_version, about, tagged, self._catalogue.location(tagged.version)))
            for about in self._catalogue.models(query.may_be_called)
            for tagged in self._catalogue.versions(about)
        )
        return Versions(*query.page(found, lambda named: self._version(*named, with_aliases=False)))

    def _named(self, asked: NamedVersion) -> tuple[About, Tagged]:
        number = models.number(asked.name, asked.version)
        about = self._catalogue.about(asked.name)
        return about, self._catalogue.version(about, number)

    def _model(self, about: About) -> RegisteredModel:
        newest = self._catalogue.newest(about, labels.STAGES)
        return models.model(about, [self._version(about, tagged, with_aliases=False) for tagged in newest])

    def _version(self, about: About, tagged: Tagged, *, with_aliases: bool = True) -> ModelVersion:
        location = self._catalogue.location(tagged.version)
        return models.version(about, tagged, location, with_aliases=with_aliases)


def _of_model(about: About, entity: str, key: str) -> Value:
    if entity == "tag":
        return about.tags.get(key)
    values: dict[str, Value] = {
        "name": about.model.name,
        "creation_timestamp": about.model.created_at,
        "last_updated_timestamp": about.model.updated_at,
    }
    return values[key]


def _of_version(about: About, tagged: Tagged, location: str, entity: str, key: str) -> Value:
    if entity == "tag":
        return tagged.tags.get(key)
    version = tagged.version
    values: dict[str, Value] = {
        "name": about.model.name,
        "version_number": version.version,
        "run_id": run_of(version),
        "source_path": version.origin.source if version.origin else location,
        "creation_timestamp": version.created_at,
        "last_updated_timestamp": version.updated_at or version.created_at,
    }
    return values[key]
