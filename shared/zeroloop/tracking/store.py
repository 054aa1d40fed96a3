"""TrackingTable: experiments and runs as values. How they lie there, `rows` says; reads are strongly consistent."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from zeroloop import clock, dynamo
from zeroloop.dynamo import Action, ConditionFailed, Item, Key, Table, Update
from zeroloop.errors import Conflict
from zeroloop.tracking import ids, parts, rows, rules
from zeroloop.tracking.points import Point
from zeroloop.tracking.rules import Dataset, DatasetUse, Experiment, NameTaken, Run

# Per key: SET, attribute_not_exists, OR, <, AND; an expression holds 300 operators and 4 KB.
MAX_QUICK_KEYS = 40


class Held(NamedTuple):
    """A run, the experiment that it is in, and the rows that it was read from: its own, and its latest points'."""

    run: Run
    experiment: Experiment
    rows: list[Item]
    latest: list[Item]


class TrackingStore:
    """Experiments, runs, history and datasets. What is gone for good isn't read, though it may lie there for days."""

    def __init__(self, table: Table, now_ms: Callable[[], int] = clock.now_ms) -> None:
        self._table = table
        self._now_ms = now_ms

    # -- experiments ---------------------------------------------------------------------------------------------------

    def get_experiment(self, experiment_id: str) -> Experiment | None:
        """The experiment of an id."""
        return next(iter(self.get_experiments([experiment_id])), None)

    def get_experiments(self, experiment_ids: Iterable[str]) -> list[Experiment]:
        """Those of `experiment_ids` that exist: a read for each 100."""
        keys = [rows.experiment_key(experiment_id) for experiment_id in dict.fromkeys(experiment_ids)]
        return self._existing(self._table.get(keys))

    def _existing(self, found: Iterable[Item]) -> list[Experiment]:
        now = self._now_ms()
        return [experiment for experiment in map(rows.experiment, found) if not rules.is_gone(experiment, now)]

    def find_experiment(self, name: str) -> Experiment | None:
        """The experiment of a name, a deleted one too."""
        guard = self._table.get([rows.name_key(name)])
        return self.get_experiment(guard[0]["experiment_id"]) if guard else None

    def list_experiments(self) -> list[Experiment]:
        """All there are."""
        return self._existing(self._table.query(rows.EXPERIMENTS))

    def create_experiment(self, experiment: Experiment) -> None:
        """Write a new experiment and claim its name.

        Raises
        ------
        NameTaken
            Or its id is: both must be new.
        """
        row = rows.experiment_row(experiment)
        try:
            self._table.write("the experiment", dynamo.save(row, "attribute_not_exists(pk)"), self._claim(experiment))
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
            actions += [dynamo.remove(rows.name_key(before.name)), self._claim(after)]
        elif before.gone_at != after.gone_at:
            actions.append(dynamo.save(rows.guard_row(after)))
        actions += _noted(before.experiment_id, before.gone_at, after.gone_at)
        try:
            self._table.write("the experiment", *actions)
        except ConditionFailed:
            if renamed and self._table.get([rows.name_key(after.name)]):
                raise NameTaken(f"Experiment(name={after.name}) already exists.", field="new_name") from None
            raise

    def _claim(self, experiment: Experiment) -> Action:
        """The name that it has is its own, if no other's is, or that one is gone."""
        free = "attribute_not_exists(pk) OR gone_at < :now"
        return dynamo.save(rows.guard_row(experiment), free, now=self._now_ms() // 1000)

    # -- runs ----------------------------------------------------------------------------------------------------------

    def get_runs(self, run_ids: Sequence[str]) -> dict[str, Held]:
        """Those of `run_ids` that exist, in their order: a read for each 100 items, and one for those with parts."""
        places = {run_id: place for run_id in run_ids if (place := ids.place(run_id)) and len(run_id) == 32}
        keys = [key(run_id, place) for run_id, place in places.items() for key in (rows.run_key, rows.latest_key)]
        keys += [rows.experiment_key(name) for name in dict.fromkeys(place.experiment_id for place in places.values())]
        found = parts.read(self._table, keys)
        held, now = {}, self._now_ms()
        for run_id, place in places.items():
            experiment = found.get(rows.experiment_key(place.experiment_id))
            run = found.get(rows.run_key(run_id, place))
            if run and experiment:
                latest = found.get(rows.latest_key(run_id, place), [])
                one = Held(rows.run(run, latest), rows.experiment(experiment[0]), run, latest)
                if not rules.is_gone(one.run, now) and not rules.is_gone(one.experiment, now):
                    held[run_id] = one
        return held

    def create_run(self, run: Run) -> None:
        """Write a new run; its id is random, so that nothing stands there but perhaps itself."""
        place = _place(run.run_id)
        new = [*rows.run_rows(run, place), *rows.latest_rows(run, place)]
        self._table.write("the run", *(dynamo.save(row) for row in new))

    def save_run(self, before: Held, after: Run, points: Mapping[str, Sequence[Point]] | None = None) -> None:
        """Write what changed of a run, and with it new points of its history: all or nothing.

        Raises
        ------
        ConditionFailed
            It isn't as it was `before` any more.
        TooLarge
        """
        place = _place(after.run_id)
        actions = parts.changes(before.rows, rows.run_rows(after, place))
        actions += parts.changes(before.latest, rows.latest_rows(after, place))
        actions += _noted(after.run_id, before.run.gone_at, after.gone_at)
        if points:
            actions += [dynamo.save(row) for row in rows.history_rows(after.run_id, points)]
        if actions:
            self._table.write(f"run {after.run_id}", *actions)

    def raise_latest(self, run_id: str, points: Mapping[str, bytes]) -> None:
        """Note `points`, packed, at most 40, as the latest of their keys, where they are later than what is noted.

        Raises
        ------
        ConditionFailed
            The run is deleted, in parts, or (no `item`) there is none.
        TooLarge
            There is no room for more keys in one part.
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
        for row in rows.history_rows(run_id, points):
            self._table.put(row)

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

    # -- what is gone --------------------------------------------------------------------------------------------------

    def gone(self, until: int) -> Iterator[Key]:
        """Rows left of what is gone since `until` (seconds), in an order that may be broken off and begun again."""
        for row in self._table.query(rows.GONE, fields=[["sk"]]):
            at, _, thing_id = row["sk"].partition("#")
            if int(at) > until:
                return
            yield from self._of_run(thing_id) if len(thing_id) == 32 else self._of_experiment(thing_id)
            yield rows.GONE, row["sk"]

    def _of_experiment(self, experiment_id: str) -> Iterator[Key]:
        for shard in range(ids.SHARDS):
            place = ids.Place(experiment_id, shard)
            for run_id, _ in parts.scan(self._table, rows.runs_pk(place), []):
                yield from self._of_run(run_id)
            yield from self._keys(rows.logged_pk(place))
        yield from self._keys(rows.datasets_pk(experiment_id))
        yield rows.experiment_key(experiment_id)

    def _of_run(self, run_id: str) -> Iterator[Key]:
        """First the row that points are noted in, so that no more come; last the one by which the others are found."""
        place = _place(run_id)
        yield from self._keys(rows.latest_pk(place), run_id)
        yield from self._keys(rows.history_pk(run_id))
        yield from self._keys(rows.runs_pk(place), run_id)

    def _keys(self, pk: str, prefix: str | None = None) -> Iterator[Key]:
        return ((pk, row["sk"]) for row in self._table.query(pk, prefix=prefix, fields=[["sk"]]))

    def remove(self, keys: Sequence[Key]) -> None:
        """Remove rows, 10 at once: a transaction's items have 4 MB."""
        for start in range(0, len(keys), 10):
            self._table.write("what is gone", *map(dynamo.remove, keys[start : start + 10]))

    # -- datasets ------------------------------------------------------------------------------------------------------

    def save_datasets(self, experiment_id: str, datasets: Iterable[Dataset]) -> None:
        """Keep datasets of an experiment; one that is there already stays as it is."""
        for dataset in datasets:
            first, *more = rows.dataset_rows(experiment_id, dataset)
            if not self._table.get([(first["pk"], first["sk"])]):
                with suppress(ConditionFailed):  # someone else was faster
                    new = dynamo.save(first, "attribute_not_exists(pk)")
                    self._table.write("the dataset", new, *(dynamo.save(row) for row in more))

    def get_datasets(self, experiment_id: str, uses: Iterable[DatasetUse]) -> dict[tuple[str, str], Dataset]:
        """The datasets that are used, by name and digest."""
        keys = {rows.dataset_key(experiment_id, use.name, use.digest): (use.name, use.digest) for use in uses}
        return {keys[key]: rows.dataset(found) for key, found in parts.read(self._table, list(keys)).items()}


def _noted(thing_id: str, before: int, after: int) -> list[Action]:
    """That a thing's rows may be removed, from then on that it is gone, is noted with the change that makes it so."""
    if before == after:
        return []
    removed = [dynamo.remove(rows.gone_key(thing_id, before))] if before else []
    pk, sk = rows.gone_key(thing_id, after)
    return [*removed, *([dynamo.save({"pk": pk, "sk": sk})] if after else [])]


def _place(run_id: str) -> ids.Place:
    place = ids.place(run_id)
    if place is None:
        raise Conflict(f"{run_id} is no id of ours")
    return place


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
