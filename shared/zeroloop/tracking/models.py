"""Logged models, MLflow 3's word for the outcome of a run before it is registered: pure rules on values."""

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from zeroloop.errors import InvalidInput, NotFound
from zeroloop.tracking.rules import Life

Status = Literal["PENDING", "READY", "UPLOAD_FAILED"]

_FORBIDDEN = "/:.%\"'"


class Source(NamedTuple):
    """Of what a logged model's metric is a value: its key, the run that logged it, and the dataset (or "")."""

    key: str
    run_id: str
    dataset_name: str = ""
    dataset_digest: str = ""


class LoggedModel(Struct, frozen=True, kw_only=True):
    """A model that a run logged. Times in ms since 1970; `metrics` are latest points, packed, by what they are of."""

    model_id: str
    experiment_id: str
    name: str
    artifact_uri: str
    created_at: int
    updated_at: int
    status: Status = "PENDING"
    model_type: str = ""
    source_run_id: str = ""
    life: Life = "active"
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[Source, bytes] = field(default_factory=dict)
    rev: int = 0


def check_name(name: str) -> None:
    """Refuse what a logged model can't be called.

    Raises
    ------
    InvalidInput
    """
    if not name or any(character in _FORBIDDEN for character in name):
        raise InvalidInput(
            f"Invalid model name ({name[:300]!r}) provided. Model name must be a non-empty string and cannot contain "
            f"the following characters: {tuple(_FORBIDDEN)}",
            field="name",
        )


def finalize(model: LoggedModel, status: Status, at: int) -> LoggedModel:
    """`model` with its upload over, one way or the other."""
    return replace(model, status=status, updated_at=at)


def delete(model: LoggedModel, at: int) -> LoggedModel:
    """`model` deleted; once more changes nothing."""
    return model if model.life == "deleted" else replace(model, life="deleted", updated_at=at)


def set_tags(model: LoggedModel, tags: Iterable[tuple[str, str]]) -> LoggedModel:
    """`model` with `tags`."""
    return replace(model, tags={**model.tags, **dict(tags)})


def remove_tag(model: LoggedModel, key: str) -> LoggedModel:
    """`model` without a tag.

    Raises
    ------
    NotFound
    """
    if key not in model.tags:
        raise NotFound(f"No tag with key {key!r} found for model with ID {model.model_id!r}.", field="tag_key")
    return replace(model, tags={name: value for name, value in model.tags.items() if name != key})


def set_params(model: LoggedModel, params: Iterable[tuple[str, str]]) -> LoggedModel:
    """`model` with `params`; the same value again changes nothing.

    Raises
    ------
    InvalidInput
        A param has another value already.
    """
    new = dict(params)
    if changed := sorted(key for key, value in new.items() if model.params.get(key, value) != value):
        raise InvalidInput(f"Changing param values is not allowed: {changed} of {model.model_id}", field="params")
    return replace(model, params={**model.params, **new})


def add_metrics(model: LoggedModel, metrics: Mapping[Source, bytes]) -> LoggedModel:
    """`model` with the later of its own and the new point of each source."""
    later = {source: max(point, model.metrics.get(source, b"")) for source, point in metrics.items()}
    return replace(model, metrics={**model.metrics, **later})
