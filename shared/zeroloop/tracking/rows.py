"""Experiments and runs <-> rows of TrackingTable. Pure.

    EXPERIMENTS              <id>                  an experiment: all in one partition, which is seldom written
    EXPERIMENT_NAME#<name>   NAME                  the guard that makes a name unique -> id
    RUNS#<id>#<shard>        <run_id>[#<part>]     a run without its metrics
    LATEST#<id>#<shard>      <run_id>[#<part>]     the latest point of each of its metrics
    HISTORY#<run_id>         <timestamp>#<digest>  points of one request, packed, all its keys together
    GONE                     <gone_at>#<id>        a run or experiment whose rows may be removed from then on
    DATASETS#<id>            <digest>[#<part>]     a dataset that runs of the experiment used

A run is two rows, so that a metric's point doesn't rewrite its params and tags; both know when it began and if it is
deleted, so that a search by metrics alone reads one of them. What is too large for one row goes on
in parts of 300 KB (an item holds 400 KB). `rev` counts the changes of a row and its parts, which
writes are conditional on. `gone_at`, in seconds, is when DynamoDB may remove a row of what was deleted.
"""

import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from zeroloop.digests import canonical, sha256
from zeroloop.tracking import ids
from zeroloop.tracking.parts import ROOM, merged, split
from zeroloop.tracking.points import Point, pack_history
from zeroloop.tracking.rules import Dataset, DatasetUse, Experiment, Run

Row = dict[str, Any]
Key = tuple[str, str]

EXPERIMENTS, GONE = "EXPERIMENTS", "GONE"

BOTH = ("start", "life", "life_at", "gone_at")
MOST_LATEST = 4  # parts of 300 KB: 25,000 metrics of 20 characters
_PLAIN = ("name", "user", "status", "start", "end", "artifact_uri", "life", "life_at", "gone_at")
_MAPS = ("params", "tags", "datasets", "inputs", "outputs")


def experiment_key(experiment_id: str) -> Key:
    """Where an experiment lies."""
    return EXPERIMENTS, experiment_id


def name_key(name: str) -> Key:
    """Where the guard of an experiment's name lies."""
    return f"EXPERIMENT_NAME#{name}", "NAME"


def run_key(run_id: str, place: ids.Place) -> Key:
    """Where a run lies."""
    return runs_pk(place), run_id


def latest_key(run_id: str, place: ids.Place) -> Key:
    """Where the latest points of a run lie."""
    return latest_pk(place), run_id


def runs_pk(place: ids.Place) -> str:
    """The partition of a shard's runs."""
    return f"RUNS#{place.experiment_id}#{place.shard}"


def latest_pk(place: ids.Place) -> str:
    """The partition of a shard's latest points."""
    return f"LATEST#{place.experiment_id}#{place.shard}"


def history_pk(run_id: str) -> str:
    """The partition of a run's history."""
    return f"HISTORY#{run_id}"


def logged_pk(place: ids.Place) -> str:
    """The partition of a shard's logged models."""
    return f"LOGGED#{place.experiment_id}#{place.shard}"


def datasets_pk(experiment_id: str) -> str:
    """The partition of an experiment's datasets."""
    return f"DATASETS#{experiment_id}"


def dataset_key(experiment_id: str, name: str, digest: str) -> Key:
    """Where a dataset lies."""
    return datasets_pk(experiment_id), sha256(canonical([name, digest]))[:32]


def experiment_row(experiment: Experiment) -> Row:
    """The row of an experiment."""
    row: Row = msgspec.structs.asdict(experiment)
    pk, sk = experiment_key(row.pop("experiment_id"))
    return _expiring([{"pk": pk, "sk": sk, **row}], experiment.gone_at)[0]


def guard_row(experiment: Experiment) -> Row:
    """The guard of an experiment's name."""
    pk, sk = name_key(experiment.name)
    return _expiring([{"pk": pk, "sk": sk, "experiment_id": experiment.experiment_id}], experiment.gone_at)[0]


def gone_key(thing_id: str, gone_at: int) -> Key:
    """Where it stands that a thing's rows may be removed."""
    return GONE, f"{gone_at:012}#{thing_id}"


def _expiring(rows: list[Row], gone_at: int) -> list[Row]:
    kept = [{name: value for name, value in row.items() if name != "gone_at"} for row in rows]
    return [{**row, "gone_at": gone_at} for row in kept] if gone_at else kept


def experiment(row: Row) -> Experiment:
    """The experiment in a row."""
    return msgspec.convert({**row, "experiment_id": row["sk"]}, Experiment)


def run_rows(run: Run, place: ids.Place) -> list[Row]:
    """The row of a run, and its further parts."""
    plain = {name: getattr(run, name) for name in _PLAIN if getattr(run, name) is not None}
    maps = {
        "params": run.params,
        "tags": run.tags,
        "datasets": {canonical([use.name, use.digest]).decode(): canonical(use.tags).decode() for use in run.datasets},
        "inputs": dict.fromkeys(run.model_inputs, ""),
        "outputs": {canonical(list(output)).decode(): "" for output in run.model_outputs},
    }
    return _expiring(split(run_key(run.run_id, place), plain, maps, run.rev), run.gone_at)


def latest_rows(run: Run, place: ids.Place) -> list[Row]:
    """The row of a run's latest points, and its further parts."""
    both = {name: getattr(run, name) for name in BOTH}
    parts = split(latest_key(run.run_id, place), both, {"points": run.latest}, run.metrics_rev, most=MOST_LATEST)
    return _expiring(parts, run.gone_at)


def run(parts: list[Row], latest: list[Row]) -> Run:
    """The run in its rows, parts in order."""
    first, maps = parts[0], merged(parts, _MAPS)
    run_id = first["sk"]
    return Run(
        run_id=run_id,
        experiment_id=first["pk"].split("#")[1],
        params=maps["params"],
        tags=maps["tags"],
        datasets=[dataset_use(use, tags) for use, tags in maps["datasets"].items()],
        model_inputs=list(maps["inputs"]),
        model_outputs=[tuple(msgspec.json.decode(output)) for output in maps["outputs"]],
        latest=merged(latest, ("points",))["points"],
        rev=first["rev"],
        metrics_rev=latest[0]["rev"] if latest else 0,
        **{name: first[name] for name in _PLAIN if name in first},
    )


def dataset_use(use: str, tags: str) -> DatasetUse:
    """A run's use of a dataset, as its row has it."""
    name, digest = msgspec.json.decode(use)
    return DatasetUse(name, digest, msgspec.json.decode(tags))


def history_rows(run_id: str, points: Mapping[str, Iterable[Point]]) -> list[Row]:
    """Points that came together: one row, or more where their keys are long.

    Each lies under its first timestamp and its digest: written twice it is one.
    """
    rows: list[dict[str, bytes]] = [{}]
    left = ROOM
    for key, some in points.items():
        packed = pack_history(some)
        left -= len(key.encode()) + len(packed) + 4
        if left < 0 and rows[-1]:
            rows.append({})
            left = ROOM - len(key.encode()) - len(packed) - 4
        rows[-1][key] = packed
    return [{"pk": history_pk(run_id), "sk": _history_sk(row), "points": row} for row in rows]


def _history_sk(packed: Mapping[str, bytes]) -> str:
    digest = sha256(b"".join(key.encode() + data for key, data in sorted(packed.items())))[:16]
    return f"{min(data[:8] for data in packed.values()).hex()}#{digest}"


def dataset_rows(experiment_id: str, dataset: Dataset) -> list[Row]:
    """A dataset's row and its further parts: compressed JSON."""
    data = zlib.compress(msgspec.json.encode(dataset))
    pieces = {str(at): data[at : at + ROOM - 100] for at in range(0, len(data), ROOM - 100)}
    return split(dataset_key(experiment_id, dataset.name, dataset.digest), {}, {"data": pieces}, 0)


def dataset(parts: list[Row]) -> Dataset:
    """The dataset in its rows."""
    pieces = merged(parts, ["data"])["data"]
    return msgspec.json.decode(zlib.decompress(b"".join(pieces[at] for at in sorted(pieces, key=int))), type=Dataset)
