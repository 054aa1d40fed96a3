"""Experiments on MLflow's wire."""

from msgspec import field

from zeroloop.mlflow.wire import Int64, KeyValue, Message, Pair, pairs
from zeroloop.tracking import rules


class CreateExperiment(Message):
    """Request."""

    name: str = ""
    artifact_location: str = ""
    tags: list[KeyValue] = field(default_factory=list)


class Created(Message):
    """The answer to CreateExperiment."""

    experiment_id: str


class OneExperiment(Message):
    """Request of what an experiment is, or that it be deleted or restored."""

    experiment_id: str = ""


class ByName(Message):
    """Request."""

    experiment_name: str = ""


class UpdateExperiment(Message):
    """Request."""

    experiment_id: str = ""
    new_name: str = ""


class ExperimentTag(Message):
    """Request to set a tag, or, without a value, to delete it."""

    experiment_id: str = ""
    key: str = ""
    value: str = ""


class SearchExperiments(Message):
    """Request."""

    max_results: Int64 = 0
    page_token: str = ""
    filter: str = ""
    order_by: list[str] = field(default_factory=list)
    view_type: str | int = "ACTIVE_ONLY"


class Experiment(Message):
    """An experiment as it is shown."""

    experiment_id: str
    name: str
    artifact_location: str
    lifecycle_stage: str
    last_update_time: int
    creation_time: int
    tags: list[Pair] = field(default_factory=list)


class Found(Message):
    """The answer to a request for one experiment."""

    experiment: Experiment


class FoundMany(Message):
    """The answer to a search."""

    experiments: list[Experiment] = field(default_factory=list)
    next_page_token: str = ""


def shown(experiment: rules.Experiment) -> Experiment:
    """`experiment` as it is shown."""
    return Experiment(
        experiment_id=experiment.experiment_id,
        name=experiment.name,
        artifact_location=experiment.artifact_location,
        lifecycle_stage=experiment.life,
        last_update_time=experiment.updated_at,
        creation_time=experiment.created_at,
        tags=pairs(experiment.tags),
    )
