"""Logged models on MLflow's wire."""

from typing import get_args

from msgspec import UNSET, UnsetType, field

from zeroloop.mlflow.wire import Int64, KeyValue, Message, Pair, number, pairs
from zeroloop.tracking import models
from zeroloop.tracking.points import unpack_latest

_PREFIX = "LOGGED_MODEL_"
_STATUSES = {f"{_PREFIX}{status}": status for status in get_args(models.Status)}
_STATUSES |= {str(number): status for number, status in enumerate(get_args(models.Status), 1)}


class CreateModel(Message):
    """Request."""

    experiment_id: str = ""
    name: str = ""
    model_type: str = ""
    source_run_id: str = ""
    params: list[KeyValue] = field(default_factory=list)
    tags: list[KeyValue] = field(default_factory=list)


class OneModel(Message):
    """Request of what a model is, or that it be deleted."""

    model_id: str = ""


class FinalizeModel(OneModel):
    """Request."""

    status: str | int = ""


class ModelTags(OneModel):
    """Request."""

    tags: list[KeyValue] = field(default_factory=list)


class ModelTag(OneModel):
    """Request to delete a tag."""

    tag_key: str = ""


class ModelParams(OneModel):
    """Request."""

    params: list[KeyValue] = field(default_factory=list)


class OfDataset(Message):
    """A dataset that metrics must be of: of any digest where none is said."""

    dataset_name: str = ""
    dataset_digest: str = ""


class OrderBy(Message):
    """What to sort by."""

    field_name: str = ""
    ascending: bool = True
    dataset_name: str | None = None
    dataset_digest: str | None = None


class SearchModels(Message):
    """Request."""

    experiment_ids: list[str] | UnsetType = UNSET
    filter: str = ""
    datasets: list[OfDataset] = field(default_factory=list)
    max_results: Int64 = 0
    order_by: list[OrderBy] = field(default_factory=list)
    page_token: str = ""


class Info(Message):
    """What a model is, as it is shown."""

    model_id: str
    experiment_id: str
    name: str
    creation_timestamp_ms: int
    last_updated_timestamp_ms: int
    artifact_uri: str
    status: str
    model_type: str
    source_run_id: str
    tags: list[Pair] = field(default_factory=list)


class ShownMetric(Message):
    """A point of a model's metric as it is shown."""

    key: str
    value: float | str
    timestamp: int
    step: int
    model_id: str
    run_id: str
    dataset_name: str = ""
    dataset_digest: str = ""


class Data(Message):
    """What is known of a model."""

    params: list[Pair] = field(default_factory=list)
    metrics: list[ShownMetric] = field(default_factory=list)


class Model(Message):
    """A model as it is shown."""

    info: Info
    data: Data


class Found(Message):
    """The answer to a request for one model."""

    model: Model


class FoundMany(Message):
    """The answer to a search."""

    models: list[Model] = field(default_factory=list)
    next_page_token: str = ""


def status(text: str | int) -> models.Status | None:
    """The status that is meant, by name or number; None where none is."""
    return _STATUSES.get(str(text))


def shown(model: models.LoggedModel) -> Model:
    """`model` as it is shown."""
    info = Info(
        model_id=model.model_id,
        experiment_id=model.experiment_id,
        name=model.name,
        creation_timestamp_ms=model.created_at,
        last_updated_timestamp_ms=model.updated_at,
        artifact_uri=model.artifact_uri,
        status=f"{_PREFIX}{model.status}",
        model_type=model.model_type,
        source_run_id=model.source_run_id,
        tags=pairs(model.tags),
    )
    metrics = [_metric(model.model_id, source, model.metrics[source]) for source in sorted(model.metrics)]
    return Model(info=info, data=Data(params=pairs(model.params), metrics=metrics))


def _metric(model_id: str, source: models.Source, packed: bytes) -> ShownMetric:
    point = unpack_latest(packed)
    return ShownMetric(
        key=source.key,
        value=number(point.value),
        timestamp=point.timestamp,
        step=point.step,
        model_id=model_id,
        run_id=source.run_id,
        dataset_name=source.dataset_name,
        dataset_digest=source.dataset_digest,
    )
