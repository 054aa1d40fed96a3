"""Logged models in TrackingTable: `LOGGED#<experiment>#<shard>`, `<model_id>[#<part>]`, found by their ids alone."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from zeroloop import dynamo
from zeroloop.digests import canonical
from zeroloop.dynamo import Item, Key, Table
from zeroloop.tracking import ids, parts, rows
from zeroloop.tracking.models import LoggedModel, Source

_PLAIN = ("name", "artifact_uri", "created_at", "updated_at", "status", "model_type", "source_run_id", "life")
_MAPS = ("params", "tags", "metrics")


class HeldModel(NamedTuple):
    """A logged model, and the rows that it was read from."""

    model: LoggedModel
    rows: list[Item]


class ModelStore:
    """Logged models as values. All reads are strongly consistent."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, model_ids: list[str]) -> dict[str, HeldModel]:
        """Those of `model_ids` that exist, deleted ones too."""
        keys = {key: model_id for model_id in model_ids if (key := _key(model_id))}
        found = parts.read(self._table, list(keys))
        return {model_id: HeldModel(_model(found[key]), found[key]) for key, model_id in keys.items() if key in found}

    def create(self, model: LoggedModel) -> None:
        """Write a new model; its id is random, so that nothing stands there but perhaps itself."""
        self._table.write("the model", *(dynamo.save(row) for row in _rows(model)))

    def save(self, before: HeldModel, after: LoggedModel) -> None:
        """Write a changed model.

        Raises
        ------
        ConditionFailed
            It isn't as it was `before` any more.
        """
        if actions := parts.changes(before.rows, _rows(after)):
            self._table.write(f"model {after.model_id}", *actions)

    def list(self, experiment_id: str) -> Iterator[LoggedModel]:
        """Every model of an experiment, deleted ones too."""
        fields = [[name] for name in (*_PLAIN, *_MAPS)]
        for shard in range(ids.SHARDS):
            for model_id, row in parts.scan(self._table, rows.logged_pk(ids.Place(experiment_id, shard)), fields):
                yield _read(model_id, experiment_id, row)


def _key(model_id: str) -> Key | None:
    place = ids.place(model_id)
    return (rows.logged_pk(place), model_id) if place and model_id.startswith("m-") else None


def _rows(model: LoggedModel) -> list[Item]:
    key = _key(model.model_id)
    assert key, model.model_id  # noqa: S101 - every model here came from this store or got its id from `ids`
    plain = {name: getattr(model, name) for name in _PLAIN}
    metrics = {canonical(list(source)).decode(): point for source, point in model.metrics.items()}
    return parts.split(key, plain, {"params": model.params, "tags": model.tags, "metrics": metrics}, model.rev)


def _model(found: list[Item]) -> LoggedModel:
    first = found[0]
    return _read(first["sk"], first["pk"].split("#")[1], {**first, **parts.merged(found, _MAPS)})


def _read(model_id: str, experiment_id: str, row: dict[str, Any]) -> LoggedModel:
    return LoggedModel(
        model_id=model_id,
        experiment_id=experiment_id,
        params=row.get("params", {}),
        tags=row.get("tags", {}),
        metrics={Source(*msgspec.json.decode(source)): point for source, point in row.get("metrics", {}).items()},
        rev=row.get("rev", 0),
        **{name: row[name] for name in _PLAIN},
    )
