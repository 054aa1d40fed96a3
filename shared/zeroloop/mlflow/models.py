"""Registered models and their versions on MLflow's wire: requests, answers, and our values as both."""

from collections.abc import Sequence

from msgspec import UNSET, UnsetType, field

from zeroloop.errors import InvalidInput, NotFound
from zeroloop.mlflow.wire import KeyValue, Message, Pair, pairs
from zeroloop.registry import labels
from zeroloop.registry.labels import About, Tagged
from zeroloop.registry.rules import Facts, State

_STATUS = {
    State.PENDING: "PENDING_REGISTRATION",
    State.READY: "READY",
    State.FAILED: "FAILED_REGISTRATION",
    State.UNPACKAGED: "READY",  # MLflow asks for no package
}


class Alias(Message):
    """What a version is called."""

    alias: str
    version: str


class ModelVersion(Message):
    """A version."""

    name: str
    version: str
    creation_timestamp: int
    last_updated_timestamp: int
    current_stage: str
    source: str
    status: str
    description: str | UnsetType = UNSET
    run_id: str | UnsetType = UNSET
    run_link: str | UnsetType = UNSET
    status_message: str = ""
    tags: list[Pair] = field(default_factory=list)
    aliases: list[str] = field(default_factory=list)


class RegisteredModel(Message):
    """A model, with the newest version of each stage."""

    name: str
    creation_timestamp: int
    last_updated_timestamp: int
    description: str = ""
    latest_versions: list[ModelVersion] = field(default_factory=list)
    tags: list[Pair] = field(default_factory=list)
    aliases: list[Alias] = field(default_factory=list)


class ModelAnswer(Message):
    """Answer of what creates, reads or changes a model."""

    registered_model: RegisteredModel


class VersionAnswer(Message):
    """Answer of what creates, reads or changes a version."""

    model_version: ModelVersion


class Models(Message):
    """A page of models."""

    registered_models: list[RegisteredModel] = field(default_factory=list)
    next_page_token: str = ""


class Versions(Message):
    """A page of versions."""

    model_versions: list[ModelVersion] = field(default_factory=list)
    next_page_token: str = ""


class Address(Message):
    """Where a version's artifacts lie."""

    artifact_uri: str


class Nothing(Message):
    """The empty answer."""


class CreateModel(Message):
    """A new model."""

    name: str = ""
    tags: list[KeyValue] = field(default_factory=list)
    description: str = ""


class NamedModel(Message):
    """Which model."""

    name: str = ""


class RenameModel(Message):
    """The model's new name."""

    name: str = ""
    new_name: str = ""


class UpdateModel(Message):
    """The model's description; without one it has none."""

    name: str = ""
    description: str = ""


class LatestVersions(Message):
    """The stages whose newest versions are wanted; none for all."""

    name: str = ""
    stages: list[str] = field(default_factory=list)


class Tag(Message):
    """A tag of a model, or of the version that is named."""

    name: str = ""
    version: str = ""
    key: str = ""
    value: str = ""


class ModelAlias(Message):
    """An alias of a model, and the version that it is to name."""

    name: str = ""
    alias: str = ""
    version: str = ""


class CreateVersion(Message):
    """A new version and the address of its artifacts."""

    name: str = ""
    source: str = ""
    run_id: str = ""
    tags: list[KeyValue] = field(default_factory=list)
    run_link: str = ""
    description: str = ""
    model_id: str = ""


class NamedVersion(Message):
    """Which version."""

    name: str = ""
    version: str = ""


class UpdateVersion(Message):
    """The version's description; without one it has none."""

    name: str = ""
    version: str = ""
    description: str | UnsetType = UNSET


class Transition(Message):
    """The version's next stage, and whether others leave it."""

    name: str = ""
    version: str = ""
    stage: str = ""
    archive_existing_versions: bool = False


def number(name: str, text: str) -> int:
    """The version that `text` names.

    Raises
    ------
    InvalidInput
        Not a whole number.
    NotFound
        One that no version has.
    """
    try:
        found = int(text)
    except ValueError as error:
        raise InvalidInput(f"Parameter 'version' must be an integer, got '{text[:40]}'.", field="version") from error
    if not 0 < found < 10**8:
        raise NotFound(f"Model Version (name={name}, version={found}) not found", code="unknown_version")
    return found


def tags_of(tags: Sequence[KeyValue]) -> dict[str, str]:
    """Tags as values by key; of one that is given twice the last counts."""
    return {tag.key: tag.value for tag in tags}


def model(about: About, newest: Sequence[ModelVersion]) -> RegisteredModel:
    """A model as MLflow shows it; `newest` are its versions by stage."""
    return RegisteredModel(
        name=about.model.name,
        creation_timestamp=about.model.created_at,
        last_updated_timestamp=about.model.updated_at,
        description=about.model.description,
        latest_versions=list(newest),
        tags=pairs(about.tags),
        aliases=[Alias(alias=alias, version=str(named)) for alias, named in labels.aliases(about).items()],
    )


def version(about: About, tagged: Tagged, location: str, *, with_aliases: bool = True) -> ModelVersion:
    """A version as MLflow shows it; `location` is where its artifacts lie, the source of those without another."""
    found, origin = tagged.version, tagged.version.origin
    told = found.facts or Facts()
    description = found.description if origin else found.description or told.description or None
    return ModelVersion(
        name=about.model.name,
        version=str(found.version),
        creation_timestamp=found.created_at,
        last_updated_timestamp=found.updated_at or found.created_at,
        current_stage=labels.stages(about).get(found.version, labels.NONE),
        source=origin.source if origin else location,
        status=_STATUS[found.state],
        description=UNSET if description is None else description,
        run_id=origin.run_id if origin else told.run_id or UNSET,
        run_link=origin.run_link if origin else UNSET,
        status_message=found.reason or "",
        tags=pairs(tagged.tags),
        aliases=[alias for alias, named in labels.aliases(about).items() if with_aliases and named == found.version],
    )
