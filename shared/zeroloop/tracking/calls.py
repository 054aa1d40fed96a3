"""MLflow's tracking calls: each message turned into values, the use case, and its answer as a message."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from zeroloop.errors import InvalidInput
from zeroloop.mlflow import experiments, runs
from zeroloop.mlflow.wire import KeyValue, Message, View, given, is_absent, view
from zeroloop.rpc import Rpc
from zeroloop.tracking import limits, rules, searching
from zeroloop.tracking.model_service import LoggedModels
from zeroloop.tracking.models import Source
from zeroloop.tracking.points import Point, pack_latest
from zeroloop.tracking.searching import Search
from zeroloop.tracking.service import HISTORY_BYTES, MAX_HISTORY, NewRun, Tracking
from zeroloop.tracking.store import TrackingStore

MAX_HISTORIES, MAX_THINNED = 100, 2_500
MAX_COMPARED = 100
MAX_DATASET_EXPERIMENTS, MAX_SUMMARIES = 20, 1_000
LOGGED_MODELS_TAG = "mlflow.log-model.history"

_MODEL_FIELDS = {"artifact_path", "flavors", "utc_time_created", "run_id"}


class Calls:
    """What the routes of experiments and runs do."""

    def __init__(self, tracking: Tracking, store: TrackingStore, models: LoggedModels) -> None:
        self._tracking = tracking
        self._store = store
        self._models = models

    def table(self) -> list[Rpc]:
        """Every call with its route."""
        e, r, m = "/2.0/mlflow/experiments", "/2.0/mlflow/runs", "/2.0/mlflow/metrics"
        one, tag = ("experiment_id",), ("experiment_id", "key")
        return [
            Rpc("POST", f"{e}/create", experiments.CreateExperiment, self.create_experiment, ("name",)),
            Rpc("GET", f"{e}/get", experiments.OneExperiment, self.get_experiment, one),
            Rpc("GET", f"{e}/get-by-name", experiments.ByName, self.get_experiment_by_name, ("experiment_name",)),
            Rpc("GET", f"{e}/search", experiments.SearchExperiments, self.search_experiments),
            Rpc("POST", f"{e}/search", experiments.SearchExperiments, self.search_experiments),
            Rpc("POST", f"{e}/update", experiments.UpdateExperiment, self.update_experiment, (*one, "new_name")),
            Rpc("POST", f"{e}/delete", experiments.OneExperiment, self.delete_experiment, one),
            Rpc("POST", f"{e}/restore", experiments.OneExperiment, self.restore_experiment, one),
            Rpc("POST", f"{e}/set-experiment-tag", experiments.ExperimentTag, self.set_experiment_tag, tag),
            Rpc("POST", f"{e}/delete-experiment-tag", experiments.ExperimentTag, self.delete_experiment_tag, tag),
            Rpc("POST", f"{e}/search-datasets", runs.SearchDatasets, self.search_datasets),
            Rpc("POST", f"{r}/create", runs.CreateRun, self.create_run, one),
            Rpc("GET", f"{r}/get", runs.OneRun, self.get_run),
            Rpc("POST", f"{r}/update", runs.UpdateRun, self.update_run),
            Rpc("POST", f"{r}/delete", runs.ThisRun, self.delete_run, ("run_id",)),
            Rpc("POST", f"{r}/restore", runs.ThisRun, self.restore_run, ("run_id",)),
            Rpc("POST", f"{r}/search", runs.SearchRuns, self.search_runs),
            Rpc("POST", f"{r}/log-metric", runs.LogMetric, self.log_metric, ("key", "value", "timestamp")),
            Rpc("POST", f"{r}/log-parameter", runs.RunKeyValue, self.log_param, ("key",)),
            Rpc("POST", f"{r}/set-tag", runs.RunKeyValue, self.set_tag, ("key",)),
            Rpc("POST", f"{r}/delete-tag", runs.RunKeyValue, self.delete_tag, ("key",)),
            Rpc("POST", f"{r}/log-batch", runs.LogBatch, self.log_batch, ("run_id",)),
            Rpc("POST", f"{r}/log-inputs", runs.LogInputs, self.log_inputs, ("run_id",)),
            Rpc("POST", f"{r}/outputs", runs.LogOutputs, self.log_outputs, ("run_id", "models")),
            Rpc("POST", f"{r}/log-model", runs.LogModel, self.log_model, ("run_id", "model_json")),
            Rpc("GET", f"{m}/get-history", runs.GetHistory, self.get_history, ("metric_key",)),
            Rpc("GET", f"{m}/get-history-bulk", runs.GetWholeHistories, self.get_whole_histories, ("metric_key",)),
            Rpc("GET", f"{m}/get-history-bulk-interval", runs.GetHistories, self.get_histories, ("metric_key",)),
        ]

    # -- experiments ---------------------------------------------------------------------------------------------------

    def create_experiment(self, asked: experiments.CreateExperiment) -> Message:
        """RESOURCE_ALREADY_EXISTS where the name is taken, be it by a deleted experiment."""
        created = self._tracking.create_experiment(asked.name, asked.artifact_location, _pairs(asked.tags))
        return experiments.Created(experiment_id=created.experiment_id)

    def get_experiment(self, asked: experiments.OneExperiment) -> Message:
        """A deleted one too."""
        return experiments.Found(experiment=experiments.shown(self._tracking.experiment(asked.experiment_id)))

    def get_experiment_by_name(self, asked: experiments.ByName) -> Message:
        """A deleted one too."""
        found = self._tracking.experiment_by_name(asked.experiment_name)
        return experiments.Found(experiment=experiments.shown(found))

    def search_experiments(self, asked: experiments.SearchExperiments) -> Message:
        """`max_results` must be said."""
        search = _search(asked, view(asked.view_type))
        page = searching.experiments(self._tracking, search)
        shown = [experiments.shown(experiment) for experiment in page.found]
        return experiments.FoundMany(experiments=shown, next_page_token=page.token or "")

    def update_experiment(self, asked: experiments.UpdateExperiment) -> None:
        """A new name."""
        self._tracking.rename_experiment(asked.experiment_id, asked.new_name)

    def delete_experiment(self, asked: experiments.OneExperiment) -> None:
        """With all its runs."""
        self._tracking.sweep_experiment(asked.experiment_id, "deleted")

    def restore_experiment(self, asked: experiments.OneExperiment) -> None:
        """With all its runs."""
        self._tracking.sweep_experiment(asked.experiment_id, "active")

    def set_experiment_tag(self, asked: experiments.ExperimentTag) -> None:
        """Whatever it was before."""
        self._tracking.set_experiment_tag(asked.experiment_id, asked.key, asked.value)

    def delete_experiment_tag(self, asked: experiments.ExperimentTag) -> None:
        """404 where there is none."""
        self._tracking.delete_experiment_tag(asked.experiment_id, asked.key)

    def search_datasets(self, asked: runs.SearchDatasets) -> Message:
        """The datasets that runs of up to 20 experiments used, each context once, at most 1,000."""
        wanted = asked.experiment_ids
        if not wanted:
            message = "SearchDatasets request must specify at least one experiment_id."
            raise InvalidInput(message, field="experiment_ids")
        if len(wanted) > MAX_DATASET_EXPERIMENTS:
            raise InvalidInput(
                f"SearchDatasets request cannot specify more than {MAX_DATASET_EXPERIMENTS} experiment_ids. "
                f"Received {len(wanted)} experiment_ids.",
                field="experiment_ids",
            )
        found = dict.fromkeys(searching.dataset_uses(self._store, wanted))
        summaries = [
            runs.DatasetSummary(experiment_id=experiment_id, name=name, digest=digest, context=context or UNSET)
            for experiment_id, name, digest, context in list(found)[:MAX_SUMMARIES]
        ]
        return runs.DatasetSummaries(dataset_summaries=summaries)

    # -- runs ----------------------------------------------------------------------------------------------------------

    def create_run(self, asked: runs.CreateRun) -> Message:
        """RUNNING, with a name of its own or a made up one."""
        new = NewRun(
            experiment_id=asked.experiment_id,
            name=asked.run_name,
            user=asked.user_id,
            start=asked.start_time,
            tags=_pairs(asked.tags),
        )
        return runs.Found(run=runs.shown(self._tracking.create_run(new), {}, new=True))

    def get_run(self, asked: runs.OneRun) -> Message:
        """A deleted one too."""
        run = self._tracking.run(_run_id(asked))
        datasets, room = self._tracking.datasets(run), searching.PAGE_BYTES - searching.run_bytes(run, {})
        for names, dataset in datasets.items():
            room -= searching.dataset_bytes(dataset)
            if room < 0:  # an answer with less in it, rather than none
                datasets[names] = replace(dataset, schema=None, profile=None)
        return runs.Found(run=runs.shown(run, datasets))

    def update_run(self, asked: runs.UpdateRun) -> Message:
        """Status, end and name, where said."""
        status, end = runs.status(asked.status), given(asked.end_time)
        run = self._tracking.update_run(_run_id(asked), status=status, end=end, name=asked.run_name or None)
        return runs.Updated(run_info=runs.info(run))

    def delete_run(self, asked: runs.ThisRun) -> None:
        """Once or more."""
        self._tracking.set_life(asked.run_id, "deleted")

    def restore_run(self, asked: runs.ThisRun) -> None:
        """Once or more."""
        self._tracking.set_life(asked.run_id, "active")

    def search_runs(self, asked: runs.SearchRuns) -> Message:
        """The page may be shorter than `max_results`: an answer has at most 5 MB."""
        search = _search(asked, view(asked.run_view_type))
        page = searching.runs(self._store, self._tracking, asked.experiment_ids, search)
        shown = [runs.shown(run, datasets) for run, datasets in page.found]
        return runs.FoundMany(runs=shown, next_page_token=page.token or "")

    def log_metric(self, asked: runs.LogMetric) -> None:
        """One point."""
        self._log(_run_id(asked), [asked], [], [])

    def log_param(self, asked: runs.RunKeyValue) -> None:
        """Once for all: another value is refused."""
        self._tracking.log_param(_run_id(asked), asked.key, asked.value)

    def set_tag(self, asked: runs.RunKeyValue) -> None:
        """Whatever it was before."""
        self._tracking.set_tag(_run_id(asked), asked.key, asked.value)

    def delete_tag(self, asked: runs.RunKeyValue) -> None:
        """404 where there is none."""
        self._tracking.delete_tag(_run_id(asked), asked.key)

    def log_batch(self, asked: runs.LogBatch) -> None:
        """All or nothing."""
        for i, metric in enumerate(asked.metrics):
            for name in ("key", "value", "timestamp"):
                if is_absent(getattr(metric, name)):
                    path = f"metrics[{i}].{name}"
                    raise InvalidInput(f"Missing value for required parameter '{path}'.", field=path)
        self._log(asked.run_id, asked.metrics, asked.params, asked.tags)

    def _log(
        self, run_id: str, metrics: Sequence[runs.Metric], params: Iterable[KeyValue], tags: Iterable[KeyValue]
    ) -> None:
        """What a run logs, then what of it is linked to models, which must exist."""
        linked: dict[str, dict[Source, bytes]] = {}
        for metric in metrics:
            if metric.model_id:
                limits.check_length(metric.dataset_name, limits.MAX_DATASET["name"], "dataset_name")
                limits.check_length(metric.dataset_digest, limits.MAX_DATASET["digest"], "dataset_digest")
                source = Source(metric.key, run_id, metric.dataset_name, metric.dataset_digest)
                some, point = linked.setdefault(metric.model_id, {}), pack_latest(_point(metric)[1])
                some[source] = max(point, some.get(source, b""))
        if linked:
            self._models.require(linked)
        self._tracking.log_batch(run_id, [_point(metric) for metric in metrics], _pairs(params), _pairs(tags))
        self._models.add_metrics(linked)

    def log_inputs(self, asked: runs.LogInputs) -> None:
        """Datasets and models that the run used."""
        used = []
        for i, entry in enumerate(asked.datasets):
            if entry.dataset is UNSET:
                raise InvalidInput("a dataset input has a dataset", field=f"datasets[{i}].dataset")
            used.append((runs.dataset(entry.dataset), dict(_pairs(entry.tags))))
        self._tracking.log_inputs(asked.run_id, used, [model.model_id for model in asked.models])

    def log_outputs(self, asked: runs.LogOutputs) -> None:
        """Models that the run made."""
        self._tracking.log_outputs(
            asked.run_id, [(model.model_id, given(model.step) or 0) for model in given(asked.models) or []]
        )

    def log_model(self, asked: runs.LogModel) -> None:
        """The tag in which clients before MLflow 3 keep what they logged."""
        try:
            model = msgspec.json.decode(asked.model_json)
        except (msgspec.DecodeError, RecursionError) as broken:
            message = f"Malformed model info. \n {asked.model_json[:300]} \n is not a valid JSON."
            raise InvalidInput(message, field="model_json") from broken
        if not isinstance(model, dict) or (missing := _MODEL_FIELDS - model.keys()):
            what = missing if isinstance(model, dict) else "it is not an object"
            raise InvalidInput(f"Model json is missing mandatory fields: {what}", field="model_json")

        def add(history: str | None) -> str:
            try:
                earlier = msgspec.json.decode(history or "[]", type=list[dict[str, Any]])
            except (msgspec.DecodeError, RecursionError) as broken:
                message = f"the tag {LOGGED_MODELS_TAG} holds something else already"
                raise InvalidInput(message, field="model_json") from broken
            return msgspec.json.encode([*earlier, model]).decode()

        self._tracking.append_tag(asked.run_id, LOGGED_MODELS_TAG, add)

    # -- our own -------------------------------------------------------------------------------------------------------

    def own_table(self) -> list[Rpc]:
        """The calls that MLflow has none for."""
        return [
            Rpc("GET", "/runs/compare", runs.CompareRuns, self.compare),
            Rpc("POST", "/runs/purge", Message, self.purge),
        ]

    def compare(self, asked: runs.CompareRuns) -> runs.Compared:
        """Params and latest metrics of 2 to 100 runs, aligned by key: null where a run lacks it; or `too_large`."""
        run_ids = [run_id for some in asked.run_ids for run_id in some.split(",") if run_id]
        if not 2 <= len(run_ids) <= MAX_COMPARED:
            raise InvalidInput(f"name 2 to {MAX_COMPARED} runs, not {len(run_ids)}", field="run_ids")
        params, metrics = rules.compare(self._tracking.runs(run_ids))
        return runs.compared(run_ids, params, metrics)

    def purge(self, _: Message) -> runs.Purged:
        """Remove what is gone for good, a part a call."""
        removed, more = self._tracking.purge()
        return runs.Purged(removed=removed, more=more)

    # -- history -------------------------------------------------------------------------------------------------------

    def get_history(self, asked: runs.GetHistory) -> Message:
        """25,000 points a page at the most, whatever was asked: an answer has at most 6 MB."""
        limit = given(asked.max_results)
        if limit is not None and limit <= 0:
            message = f"Invalid value {limit} for parameter 'max_results' supplied. It must be a positive integer."
            raise InvalidInput(message, field="max_results")
        page = self._tracking.history(
            _run_id(asked),
            asked.metric_key,
            limit=limit or MAX_HISTORY,
            after=asked.page_token or None,
        )
        shown = [runs.point(asked.metric_key, point) for point in page.points]
        return runs.HistoryPage(metrics=shown, next_page_token=page.next or "")

    def get_histories(self, asked: runs.GetHistories) -> Message:
        """Up to 2,500 points a run, evenly spaced by their order of (step, timestamp, value), the last one kept.

        Of many runs fewer points each: an answer has at most 6 MB.
        """
        steps = (given(asked.start_step), given(asked.end_step))
        if (steps[0] is None) != (steps[1] is None):
            raise InvalidInput("If either start step or end step are specified, both must be specified.")
        if steps[0] is not None and steps[1] is not None and steps[0] > steps[1]:
            raise InvalidInput(
                f"end_step must be greater than start_step. Found start_step={steps[0]} and end_step={steps[1]}."
            )
        _check_runs(asked.run_ids, "run_ids")
        if not 1 <= asked.max_results <= MAX_THINNED:
            raise InvalidInput(f"max_results must be between 1 and {MAX_THINNED}.", field="max_results")
        room = HISTORY_BYTES // (len(asked.metric_key.encode()) + 150) // len(asked.run_ids)
        most = max(1, min(asked.max_results, room))
        found = [
            runs.point(asked.metric_key, point, run_id)
            for run_id in asked.run_ids
            for point in self._tracking.thinned(run_id, asked.metric_key, steps, most)
        ]
        return runs.HistoryPage(metrics=found)

    def get_whole_histories(self, asked: runs.GetWholeHistories) -> Message:
        """Up to 25,000 points in all, of long keys fewer, run by run."""
        _check_runs(asked.run_id, "run_id")
        most = min(MAX_HISTORY, HISTORY_BYTES // (len(asked.metric_key.encode()) + 150))
        left = max(0, min(asked.max_results, most))
        found: list[runs.ShownMetric] = []
        for run_id in asked.run_id:
            if left > len(found):
                page = self._tracking.history(run_id, asked.metric_key, limit=left - len(found))
                found += [runs.point(asked.metric_key, point, run_id) for point in page.points]
        return runs.HistoryPage(metrics=found)


def _check_runs(run_ids: Sequence[str], field: str) -> None:
    if not run_ids:
        raise InvalidInput(f"Missing value for required parameter '{field}'.", field=field)
    if len(run_ids) > MAX_HISTORIES:
        message = f"The request must specify at most {MAX_HISTORIES} {field}s. Received {len(run_ids)}."
        raise InvalidInput(message, field=field)


def _pairs(sent: Iterable[KeyValue]) -> list[tuple[str, str]]:
    return [(pair.key, pair.value) for pair in sent]


def _point(metric: runs.Metric) -> tuple[str, Point]:
    return metric.key, Point(given(metric.timestamp), metric.step, given(metric.value))


def _run_id(asked: Any) -> str:
    run_id: str = asked.run_id or asked.run_uuid
    if not run_id:
        raise InvalidInput("Missing value for required parameter 'run_id'.", field="run_id")
    return run_id


def _search(asked: Any, seen: View) -> Search:
    return Search(
        filter=asked.filter, order_by=asked.order_by, view=seen, limit=asked.max_results, token=asked.page_token
    )
