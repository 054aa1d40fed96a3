"""TrackingTable: experiments and runs as values. How they lie there, `rows` says; reads are strongly consistent."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from zeroloop import dynamo
from zeroloop.dynamo import ConditionFailed, Item, Table, Update
from zeroloop.errors import Conflict
from zeroloop.tracking import ids, parts, rows
from zeroloop.tracking.points import Point
from zeroloop.tracking.rules import Dataset, DatasetUse, Experiment, NameTaken, Run

# Per key: SET, attribute_not_exists, OR, <, AND; an expression holds 300 operators and 4 KB.
MAX_QUICK_KEYS = 40


class Held(NamedTuple):
    """A run as it is stored, and the experiment that it is in."""

    run: Run
    experiment: Experiment


class TrackingStore:
    """Experiments, runs, history and datasets."""

    def __init__(self, table: Table) -> None:
        self._table = table

    # -- experiments ---------------------------------------------------------------------------------------------------

    def get_experiment(self, experiment_id: str) -> Experiment | None:
        """The experiment of an id."""
        found = self._table.get([rows.experiment_key(experiment_id)])
        return rows.experiment(found[0]) if found else None

    def find_experiment(self, name: str) -> Experiment | None:
        """The experiment of a name, a deleted one too."""
        guard = self._table.get([rows.name_key(name)])
        return self.get_experiment(guard[0]["experiment_id"]) if guard else None

    def list_experiments(self) -> list[Experiment]:
        """All there are."""
        return [rows.experiment(row) for row in self._table.query(rows.EXPERIMENTS)]

    def create_experiment(self, experiment: Experiment) -> None:
        """Write a new experiment and claim its name.

        Raises
        ------
        NameTaken
            Or its id is: both must be new.
        """
        guard = _guard(experiment)
        new = "attribute_not_exists(pk)"
        try:
            row = rows.experiment_row(experiment)
            self._table.write("the experiment", dynamo.save(row, new), dynamo.save(guard, new))
        except ConditionFailed as failed:
            raise NameTaken(f"Experiment(name={experiment.name}) already exists.", field="name") from failed

    def save_experiment(self, before: Experiment, after: Experiment) -> None:
        """Write a changed experiment, with its name's guard where that changed.

        Raises
        ------
        ConditionFailed
            It isn't as it was `before` any more.
        NameTaken
        """
        actions = [dynamo.save(rows.experiment_row(after), "rev = :rev", rev=before.rev)]
        if renamed := before.name != after.name:
            actions += [
                dynamo.remove(rows.name_key(before.name)),
                dynamo.save(_guard(after), "attribute_not_exists(pk)"),
            ]
        try:
            self._table.write("the experiment", *actions)
        except ConditionFailed:
            if renamed and self._table.get([rows.name_key(after.name)]):
                raise NameTaken(f"Experiment(name={after.name}) already exists.", field="new_name") from None
            raise

    # -- runs ----------------------------------------------------------------------------------------------------------

    def get_runs(self, run_ids: Sequence[str]) -> dict[str, Held]:
        """Those of `run_ids` that exist, in their order: a read for each 100 items, and one for those with parts."""
        places = {run_id: place for run_id in run_ids if (place := ids.place(run_id)) and len(run_id) == 32}
        keys = [key(run_id, place) for run_id, place in places.items() for key in (rows.run_key, rows.latest_key)]
        keys += [rows.experiment_key(name) for name in dict.fromkeys(place.experiment_id for place in places.values())]
        found = parts.read(self._table, keys)
        held = {}
        for run_id, place in places.items():
            experiment = found.get(rows.experiment_key(place.experiment_id))
            run = found.get(rows.run_key(run_id, place))
            if run and experiment:
                latest = found.get(rows.latest_key(run_id, place), [])
                held[run_id] = Held(rows.run(run, latest), rows.experiment(experiment[0]))
        return held

    def create_run(self, run: Run) -> None:
        """Write a new run; its id is random, so that nothing stands there but perhaps itself."""
        self._table.write("the run", *(dynamo.save(row) for row in _rows(run)))

    def save_run(self, before: Run, after: Run, points: Mapping[str, Sequence[Point]] | None = None) -> None:
        """Write what changed of a run, and with it new points of its history: all or nothing.

        Raises
        ------
        ConditionFailed
            It isn't as it was `before` any more.
        """
        place = _place(before.run_id)
        actions = parts.changes(rows.run_rows(before, place), rows.run_rows(after, place))
        actions += parts.changes(rows.latest_rows(before, place), rows.latest_rows(after, place))
        if points:
            actions.append(dynamo.save(rows.history_row(before.run_id, points)))
        if actions:
            self._table.write(f"run {before.run_id}", *actions)

    def raise_latest(self, run_id: str, points: Mapping[str, bytes]) -> None:
        """Note `points`, packed, at most 40, as the latest of their keys, where they are later than what is noted.

        Raises
        ------
        ConditionFailed
            The run is deleted, in parts, or (no `item`) there is none.
        """
        key = rows.latest_key(run_id, _place(run_id))
        left = dict(points)
        while left:
            try:
                self._table.update(key, _raise(left), f"run {run_id}")
            except ConditionFailed as failed:
                item = failed.item
                if item is None or item["life"] != "active" or "parts" in item:
                    raise
                newer = {name: data for name, data in left.items() if item["points"].get(name, b"") < data}
                if newer == left:
                    raise
                left = newer
            else:
                return

    def add_history(self, run_id: str, points: Mapping[str, Sequence[Point]]) -> None:
        """Append points to a run's history; the same again changes nothing."""
        self._table.put(rows.history_row(run_id, points))

    def history(self, run_id: str, key: str, first: str | None = None) -> Iterator[tuple[str, bytes]]:
        """Chunks of a metric's history, by first timestamp from sort key `first` on: (sort key, packed points)."""
        for row in self._table.query(rows.history_pk(run_id), first=first, fields=[["sk"], ["points", key]]):
            yield row["sk"], row.get("points", {}).get(key, b"")

    def scan(self, place: ids.Place, fields: parts.Fields, metrics: Sequence[str]) -> Iterator[tuple[str, Item]]:
        """Every run of a shard: its id and of its rows only `fields`, and `points` of `metrics` (packed)."""
        points = [("points", key) for key in metrics]
        if all(path[0] in rows.BOTH for path in fields) and metrics:
            yield from parts.scan(self._table, rows.latest_pk(place), [*fields, *points])
        elif not metrics:
            yield from parts.scan(self._table, rows.runs_pk(place), fields)
        else:
            latest = dict(parts.scan(self._table, rows.latest_pk(place), points))
            for run_id, row in parts.scan(self._table, rows.runs_pk(place), fields):
                yield run_id, {**row, **latest.get(run_id, {})}

    # -- datasets ------------------------------------------------------------------------------------------------------

    def save_datasets(self, experiment_id: str, datasets: Iterable[Dataset]) -> None:
        """Keep datasets of an experiment; one that is there already stays as it is."""
        for dataset in datasets:
            first, *more = rows.dataset_rows(experiment_id, dataset)
            if not self._table.get([(first["pk"], first["sk"])]):
                for row in (*more, first):  # the first last: it says that all are there
                    self._table.put(row)

    def get_datasets(self, experiment_id: str, uses: Iterable[DatasetUse]) -> dict[tuple[str, str], Dataset]:
        """The datasets that are used, by name and digest."""
        keys = {rows.dataset_key(experiment_id, use.name, use.digest): (use.name, use.digest) for use in uses}
        return {keys[key]: rows.dataset(found) for key, found in parts.read(self._table, list(keys)).items()}


def _guard(experiment: Experiment) -> Item:
    pk, sk = rows.name_key(experiment.name)
    return {"pk": pk, "sk": sk, "experiment_id": experiment.experiment_id}


def _place(run_id: str) -> ids.Place:
    place = ids.place(run_id)
    if place is None:
        raise Conflict(f"{run_id} is no id of ours")
    return place


def _rows(run: Run) -> list[Item]:
    place = _place(run.run_id)
    return [*rows.run_rows(run, place), *rows.latest_rows(run, place)]


def _raise(points: Mapping[str, bytes]) -> Update:
    names = {f"#k{number}": key for number, key in enumerate(points)}
    values = {f":p{number}": data for number, data in enumerate(points.values())}
    pairs = list(zip(names, values, strict=True))
    newer = [f"(attribute_not_exists(points.{name}) OR points.{name} < {value})" for name, value in pairs]
    return Update(
        "SET " + ", ".join([*(f"points.{name} = {value}" for name, value in pairs), "rev = rev + :one"]),
        " AND ".join(["life = :active", "attribute_not_exists(parts)", *newer]),
        names,
        {**values, ":active": "active", ":one": 1},
    )
