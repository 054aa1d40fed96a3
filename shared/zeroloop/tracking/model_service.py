"""Logged models' use cases."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from msgspec import Struct, field

from zeroloop import clock
from zeroloop.errors import InvalidInput, NotFound
from zeroloop.mlflow.kinds import LOGGED_MODELS
from zeroloop.mlflow.ordering import Order, parse_logged_order, position
from zeroloop.mlflow.search import matches, parse
from zeroloop.tracking import ids, limits, models, names, rules
from zeroloop.tracking.model_store import HeldModel, ModelStore
from zeroloop.tracking.models import LoggedModel, Source, Status
from zeroloop.tracking.points import latest_value, unpack_latest
from zeroloop.tracking.searching import Ordered, Page, pairs_bytes
from zeroloop.tracking.service import Tracking, until_saved

MAX_RESULTS = 50  # models a page, where none is asked for; each may hold hundreds of metrics

Pairs = Iterable[tuple[str, str]]


class NewModel(Struct, frozen=True, kw_only=True):
    """What a logged model is created of; it gets a name where none is given."""

    experiment_id: str
    name: str = ""
    model_type: str = ""
    run_id: str = ""
    params: list[tuple[str, str]] = field(default_factory=list)
    tags: list[tuple[str, str]] = field(default_factory=list)


class Wanted(Struct, frozen=True, kw_only=True):
    """What logged models are searched for; `datasets` (name, digest or "") are what the filter's metrics must be of."""

    filter: str = ""
    datasets: list[tuple[str, str]] = field(default_factory=list)
    order_by: list[dict[str, Any]] = field(default_factory=list)
    limit: int = 0
    token: str = ""


class LoggedModels:
    """Logged models, in the experiments of `tracking`."""

    def __init__(self, store: ModelStore, tracking: Tracking) -> None:
        self._store = store
        self._tracking = tracking

    def create(self, new: NewModel) -> LoggedModel:
        """A model that is PENDING until its files are uploaded. A call that is repeated makes another one."""
        if new.name:
            models.check_name(new.name)
        params = limits.check_whole(new.params, "params", limits.MAX_WHOLE)
        tags = limits.check_whole(new.tags, "tags", limits.MAX_WHOLE)
        experiment = self._tracking.experiment(new.experiment_id)
        rules.require_active(experiment)
        random, now = clock.new_id(), clock.now_ms()
        model_id = f"m-{ids.new_id(experiment.experiment_id, random)}"
        model = LoggedModel(
            model_id=model_id,
            experiment_id=experiment.experiment_id,
            name=new.name or names.from_random(random),
            artifact_uri=f"{experiment.artifact_location}/models/{model_id}/artifacts",
            created_at=now,
            updated_at=now,
            model_type=new.model_type,
            source_run_id=new.run_id,
            params=params,
            tags=tags,
        )
        self._store.create(model)
        return model

    def get(self, model_id: str) -> LoggedModel:
        """A model that isn't deleted; NotFound."""
        return self._held(model_id).model

    def _held(self, model_id: str, *, deleted: bool = False) -> HeldModel:
        held = self._store.get([model_id]).get(model_id)
        if held is None or (held.model.life == "deleted" and not deleted):
            raise _no_model(model_id)
        return held

    def finalize(self, model_id: str, status: Status) -> LoggedModel:
        """Say that the upload is over, one way or the other."""
        return self._change(model_id, lambda model: models.finalize(model, status, clock.now_ms()))

    def delete(self, model_id: str) -> None:
        """Delete a model, once or more."""
        self._change(model_id, lambda model: models.delete(model, clock.now_ms()), deleted=True)

    def set_tags(self, model_id: str, tags: Pairs) -> None:
        """Tag a model."""
        checked = limits.check_tags(tags)
        self._change(model_id, lambda model: models.set_tags(model, checked))

    def delete_tag(self, model_id: str, key: str) -> None:
        """Take a tag from a model."""
        self._change(model_id, lambda model: models.remove_tag(model, key))

    def log_params(self, model_id: str, params: Pairs) -> None:
        """Log params, once for all."""
        checked = limits.check_whole(params, "params", limits.MAX_WHOLE)
        self._change(model_id, lambda model: models.set_params(model, checked.items()))

    def require(self, model_ids: Iterable[str]) -> None:
        """Refuse models that don't exist.

        Raises
        ------
        InvalidInput
        """
        wanted = sorted(set(model_ids))
        if wanted and (missing := set(wanted) - self._store.get(wanted).keys()):
            raise InvalidInput(f"Logged model with ID '{min(missing)[:80]}' not found.", field="model_id")

    def add_metrics(self, metrics: Mapping[str, Mapping[Source, bytes]]) -> None:
        """Note points, packed, on the models that they are linked to; the same again changes nothing."""
        for model_id, some in metrics.items():
            self._change(model_id, partial(models.add_metrics, metrics=some), deleted=True)

    def _change(
        self, model_id: str, rule: Callable[[LoggedModel], LoggedModel], *, deleted: bool = False
    ) -> LoggedModel:
        def attempt() -> LoggedModel:
            held = self._held(model_id, deleted=deleted)
            after = rule(held.model)
            self._store.save(held, after)
            return after

        return until_saved(attempt)

    def search(self, experiment_ids: Sequence[str], wanted: Wanted) -> Page[LoggedModel]:
        """Models that aren't deleted, 50 a page where nothing else is asked for."""
        orders = parse_logged_order(wanted.order_by)
        if wanted.limit < 0:
            message = (
                f"Invalid value {wanted.limit} for parameter 'max_results' supplied. It must be a positive integer."
            )
            raise InvalidInput(message, field="max_results")
        query = ["logged", sorted(experiment_ids), wanted.filter, wanted.datasets, wanted.order_by]
        ordered = Ordered(orders, query, wanted.token)
        is_wanted = _filter(wanted)
        found = [
            (position(orders, partial(_sorted_by, model)), model)
            for experiment_id in filter(ids.is_experiment_id, dict.fromkeys(experiment_ids))
            for model in self._store.list(experiment_id)
            if model.life == "active" and is_wanted(model)
        ]
        page = ordered.page(found, wanted.limit or MAX_RESULTS, _bytes)
        return Page([model for _, model in page.found], page.token)


def _bytes(model: LoggedModel) -> int:
    metrics = sum(300 + sum(len(text.encode()) for text in source) for source in model.metrics)
    return 600 + pairs_bytes(model.params, model.tags) + metrics


def _filter(wanted: Wanted) -> Callable[[LoggedModel], bool]:
    clauses, datasets = parse(wanted.filter, LOGGED_MODELS), wanted.datasets
    if any(not name for name, _ in datasets):
        raise InvalidInput("`dataset_name` in the `datasets` clause must be specified.", field="datasets")
    of_metrics = any(clause.entity == "metric" for clause in clauses)

    def is_wanted(model: LoggedModel) -> bool:
        known = of_metrics or not datasets or any(_is_of(source, datasets) for source in model.metrics)
        return known and all(matches(clause, partial(_read, model, datasets)) for clause in clauses)

    return is_wanted


def _attributes(model: LoggedModel) -> dict[str, Any]:
    return {
        "name": model.name,
        "model_id": model.model_id,
        "model_type": model.model_type,
        "status": f"LOGGED_MODEL_{model.status}",
        "source_run_id": model.source_run_id,
        "experiment_id": model.experiment_id,
        "artifact_location": model.artifact_uri,
        "lifecycle_stage": model.life,
        "creation_timestamp": model.created_at,
        "last_updated_timestamp": model.updated_at,
    }


def _read(model: LoggedModel, datasets: Sequence[tuple[str, str]], entity: str, key: str) -> Any:
    match entity:
        case "metric":
            return tuple(
                latest_value(point)
                for source, point in model.metrics.items()
                if source.key == key and (not datasets or _is_of(source, datasets))
            )
        case "param":
            return model.params.get(key)
        case "tag":
            return model.tags.get(key)
        case _:
            return _attributes(model).get(key)


def _is_of(source: Source, datasets: Iterable[tuple[str, str]]) -> bool:
    return any(source.dataset_name == name and digest in {"", source.dataset_digest} for name, digest in datasets)


def _sorted_by(model: LoggedModel, order: Order) -> Any:
    """An attribute, or the metric that was logged last, by time and then step."""
    if order.entity == "attribute":
        return _attributes(model).get(order.key)
    name, digest = order.dataset_name or "", order.dataset_digest or ""
    points = [
        unpack_latest(point)
        for source, point in model.metrics.items()
        if source.key == order.key and name in {"", source.dataset_name} and digest in {"", source.dataset_digest}
    ]
    return max(points).value if points else None


def _no_model(model_id: str) -> NotFound:
    return NotFound(f"Logged model with ID '{model_id[:80]}' not found.", field="model_id")
