"""Runs on MLflow's wire: what they are, log, use and make."""

from collections.abc import Mapping
from typing import get_args

from msgspec import UNSET, Struct, UnsetType, field

from zeroloop.errors import InvalidInput
from zeroloop.mlflow.wire import Int64, KeyValue, Message, Pair, number, pairs
from zeroloop.tracking import rules
from zeroloop.tracking.points import Point, unpack_latest

# Statuses by their numbers, which MLflow takes too.
_STATUSES = {status: status for status in get_args(rules.Status)}
_STATUSES |= {str(number): status for number, status in enumerate(get_args(rules.Status), 1)}


class OneRun(Message):
    """Request of what a run is. `run_uuid` is what the first clients called `run_id`."""

    run_id: str = ""
    run_uuid: str = ""


class ThisRun(Message):
    """Request to delete or restore a run."""

    run_id: str = ""


class CreateRun(Message):
    """Request."""

    experiment_id: str = ""
    user_id: str = ""
    run_name: str = ""
    start_time: Int64 = 0
    tags: list[KeyValue] = field(default_factory=list)


class UpdateRun(OneRun):
    """Request."""

    status: str | int = ""
    end_time: Int64 | UnsetType = UNSET
    run_name: str = ""


class Metric(Message):
    """A point of a metric, as it is sent."""

    key: str = ""
    value: float | UnsetType = UNSET
    timestamp: Int64 | UnsetType = UNSET
    step: Int64 = 0
    model_id: str = ""
    dataset_name: str = ""
    dataset_digest: str = ""


class LogMetric(Metric):
    """Request."""

    run_id: str = ""
    run_uuid: str = ""


class RunKeyValue(OneRun):
    """Request to log a param, to set a tag, or, without a value, to delete it."""

    key: str = ""
    value: str = ""


class LogBatch(Message):
    """Request."""

    run_id: str = ""
    metrics: list[Metric] = field(default_factory=list)
    params: list[KeyValue] = field(default_factory=list)
    tags: list[KeyValue] = field(default_factory=list)


class Dataset(Message):
    """A dataset's description."""

    name: str = ""
    digest: str = ""
    source_type: str = ""
    source: str = ""
    schema: str | UnsetType = UNSET
    profile: str | UnsetType = UNSET


class DatasetInput(Message):
    """That a run used a dataset, and how."""

    tags: list[KeyValue] = field(default_factory=list)
    dataset: Dataset | UnsetType = UNSET


class ModelInput(Message):
    """That a run used a logged model."""

    model_id: str = ""


class ModelOutput(Message):
    """That a run made a logged model, at a step."""

    model_id: str = ""
    step: Int64 | UnsetType = UNSET


class LogInputs(Message):
    """Request."""

    run_id: str = ""
    datasets: list[DatasetInput] = field(default_factory=list)
    models: list[ModelInput] = field(default_factory=list)


class LogOutputs(Message):
    """Request."""

    run_id: str = ""
    models: list[ModelOutput] | UnsetType = UNSET


class LogModel(Message):
    """Request of clients before MLflow 3."""

    run_id: str = ""
    model_json: str = ""


class SearchRuns(Message):
    """Request."""

    experiment_ids: list[str] = field(default_factory=list)
    filter: str = ""
    run_view_type: str | int = "ACTIVE_ONLY"
    max_results: Int64 = 1000
    order_by: list[str] = field(default_factory=list)
    page_token: str = ""


class GetHistory(OneRun):
    """Request."""

    metric_key: str = ""
    page_token: str = ""
    max_results: Int64 | UnsetType = UNSET


class GetHistories(Message):
    """Request of the history of several runs, thinned out."""

    run_ids: list[str] = field(default_factory=list)
    metric_key: str = ""
    start_step: Int64 | UnsetType = UNSET
    end_step: Int64 | UnsetType = UNSET
    max_results: Int64 = 2500


class GetWholeHistories(Message):
    """Request of MLflow's web pages: the history of several runs, the first 25,000 points."""

    run_id: list[str] = field(default_factory=list)
    metric_key: str = ""
    max_results: Int64 = 25_000


class SearchDatasets(Message):
    """Request."""

    experiment_ids: list[str] = field(default_factory=list)


class CompareRuns(Message):
    """Request, of our own: ids, each of which may be several between commas."""

    run_ids: list[str] = field(default_factory=list)


class Compared(Struct):
    """The answer to CompareRuns: a value a run, in their order, None where it has none."""

    run_ids: list[str]
    params: dict[str, list[str | None]]
    metrics: dict[str, list[float | str | None]]


class Purged(Struct):
    """The answer to a purge: rows that were removed, and whether to ask again."""

    removed: int
    more: bool


class RunInfo(Message):
    """What a run is, as it is shown."""

    run_uuid: str
    experiment_id: str
    run_name: str
    user_id: str
    status: str
    start_time: int
    artifact_uri: str
    lifecycle_stage: str
    run_id: str
    end_time: int | UnsetType = UNSET


class ShownMetric(Message):
    """A point as it is shown: floats that aren't finite as texts."""

    key: str
    value: float | str
    timestamp: int
    step: int
    run_id: str = ""


class RunData(Message):
    """What a run logged."""

    metrics: list[ShownMetric] = field(default_factory=list)
    params: list[Pair] = field(default_factory=list)
    tags: list[Pair] = field(default_factory=list)


class ShownDataset(Message):
    """A dataset's description as it is shown."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | UnsetType = UNSET
    profile: str | UnsetType = UNSET


class ShownDatasetInput(Message):
    """A dataset that a run used, as it is shown."""

    dataset: ShownDataset
    tags: list[Pair] = field(default_factory=list)


class RunInputs(Message):
    """What a run used."""

    dataset_inputs: list[ShownDatasetInput] = field(default_factory=list)
    model_inputs: list[ModelInput] = field(default_factory=list)


class RunOutputs(Message):
    """What a run made."""

    model_outputs: list[ModelOutput] = field(default_factory=list)


class Run(Message):
    """A run as it is shown."""

    info: RunInfo
    data: RunData
    inputs: RunInputs
    outputs: RunOutputs | UnsetType = UNSET


class Found(Message):
    """The answer to a request for one run."""

    run: Run


class Updated(Message):
    """The answer to UpdateRun."""

    run_info: RunInfo


class FoundMany(Message):
    """The answer to a search."""

    runs: list[Run] = field(default_factory=list)
    next_page_token: str = ""


class HistoryPage(Message):
    """The answer to GetHistory, and, with run ids, to GetHistories."""

    metrics: list[ShownMetric] = field(default_factory=list)
    next_page_token: str = ""


class DatasetSummary(Message):
    """A dataset that runs of an experiment used, and in what context."""

    experiment_id: str
    name: str
    digest: str
    context: str | UnsetType = UNSET


class DatasetSummaries(Message):
    """The answer to SearchDatasets."""

    dataset_summaries: list[DatasetSummary] = field(default_factory=list)


Datasets = Mapping[tuple[str, str], rules.Dataset]


def status(name: str | int) -> rules.Status | None:
    """The status that is meant, by name or number; None where none is said.

    Raises
    ------
    InvalidInput
    """
    if name and str(name) not in _STATUSES:
        raise InvalidInput(f"Invalid value {name!r} for parameter 'status' supplied.", field="status")
    return _STATUSES.get(str(name))


def info(run: rules.Run) -> RunInfo:
    """What `run` is, as it is shown."""
    return RunInfo(
        run_uuid=run.run_id,
        experiment_id=run.experiment_id,
        run_name=run.name,
        user_id=run.user,
        status=run.status,
        start_time=run.start,
        artifact_uri=run.artifact_uri,
        lifecycle_stage=run.life,
        run_id=run.run_id,
        end_time=run.end or UNSET,
    )


def shown(run: rules.Run, datasets: Datasets, *, new: bool = False) -> Run:
    """`run` as it is shown, with those of `datasets` that it used; a new one has no outputs yet."""
    outputs = [ModelOutput(model_id=model_id, step=step) for model_id, step in run.model_outputs]
    return Run(
        info=info(run),
        data=RunData(
            metrics=[point(key, unpack_latest(run.latest[key])) for key in sorted(run.latest)],
            params=pairs(run.params),
            tags=pairs(run.tags),
        ),
        inputs=RunInputs(
            dataset_inputs=[
                ShownDatasetInput(tags=pairs(use.tags), dataset=_dataset(datasets[use.name, use.digest]))
                for use in run.datasets
                if (use.name, use.digest) in datasets
            ],
            model_inputs=[ModelInput(model_id=model_id) for model_id in run.model_inputs],
        ),
        outputs=UNSET if new else RunOutputs(model_outputs=outputs),
    )


def compared(
    run_ids: list[str], params: dict[str, list[str | None]], metrics: dict[str, list[float | None]]
) -> Compared:
    """Runs side by side as they are shown."""
    shown = {key: [None if value is None else number(value) for value in some] for key, some in metrics.items()}
    return Compared(run_ids, params, shown)


def _dataset(dataset: rules.Dataset) -> ShownDataset:
    return ShownDataset(
        name=dataset.name,
        digest=dataset.digest,
        source_type=dataset.source_type,
        source=dataset.source,
        schema=dataset.schema if dataset.schema is not None else UNSET,
        profile=dataset.profile if dataset.profile is not None else UNSET,
    )


def dataset(sent: Dataset) -> rules.Dataset:
    """The dataset that was sent."""
    return rules.Dataset(
        name=sent.name,
        digest=sent.digest,
        source_type=sent.source_type,
        source=sent.source,
        schema=None if sent.schema is UNSET else sent.schema,
        profile=None if sent.profile is UNSET else sent.profile,
    )


def point(key: str, at: Point, run_id: str = "") -> ShownMetric:
    """A point of metric `key` as it is shown."""
    return ShownMetric(key=key, value=number(at.value), timestamp=at.timestamp, step=at.step, run_id=run_id)
