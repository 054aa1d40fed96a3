"""Experiments and runs, and what may happen to them: pure rules on values, each of which answers the next value."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from msgspec import Struct, field
from msgspec.structs import replace

from zeroloop.errors import Conflict, InvalidInput, NotFound
from zeroloop.tracking.points import Point, latest_value, pack_latest

Life = Literal["active", "deleted"]
Status = Literal["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"]

DEFAULT_EXPERIMENT = "0"
DAY_SECONDS = 86_400
RUN_NAME = "mlflow.runName"
MAX_EXPERIMENT_TAGS_BYTES = 300_000


class Experiment(Struct, frozen=True, kw_only=True):
    """A named set of runs. Times in ms since 1970.

    `swept_at` is when it was last deleted or restored, which its runs are with it: what a run's own `life_at` is later
    than. `gone_at` is when it is gone for good, in seconds since 1970; 0: never. `rev` counts its changes.
    """

    experiment_id: str
    name: str
    artifact_location: str
    created_at: int
    updated_at: int
    life: Life = "active"
    swept_at: int = 0
    gone_at: int = 0
    tags: dict[str, str] = field(default_factory=dict)
    rev: int = 0


class DatasetUse(Struct, frozen=True):
    """That a run used a dataset of its experiment, by name and digest, and how (tags)."""

    name: str
    digest: str
    tags: dict[str, str] = field(default_factory=dict)


class Dataset(Struct, frozen=True, kw_only=True):
    """A dataset's description; kept once an experiment."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None = None
    profile: str | None = None


class Run(Struct, frozen=True, kw_only=True):
    """A run: what it is, what it logged, and the latest point of each of its metrics. Times in ms since 1970.

    `gone_at` is when it is gone for good, in seconds; 0: never. `rev` and `metrics_rev` count the changes of the two
    parts that it is stored in.
    """

    run_id: str
    experiment_id: str
    name: str
    user: str
    start: int
    artifact_uri: str
    status: Status = "RUNNING"
    end: int | None = None
    life: Life = "active"
    life_at: int = 0
    gone_at: int = 0
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    datasets: list[DatasetUse] = field(default_factory=list)
    model_inputs: list[str] = field(default_factory=list)
    model_outputs: list[tuple[str, int]] = field(default_factory=list)
    latest: dict[str, bytes] = field(default_factory=dict)  # packed as `pack_latest` does
    rev: int = 0
    metrics_rev: int = 0


def gone_at(life: Life, at: int, days: int) -> int:
    """When what becomes `life` at `at` ms is gone for good, in seconds; 0: never, as where `days` is 0."""
    return at // 1000 + days * DAY_SECONDS if life == "deleted" and days else 0


def is_gone(thing: Experiment | Run, now_ms: int) -> bool:
    """Whether it is gone for good, though DynamoDB may not have removed it yet."""
    return 0 < thing.gone_at * 1000 <= now_ms


def sweep(experiment: Experiment, life: Life, at: int, days: int = 0) -> Experiment:
    """`experiment` deleted or restored, and with it all its runs; gone for good `days` (0: never) after a deletion.

    Raises
    ------
    NotFound
        It is so already.
    """
    if experiment.life == life:
        raise NotFound(
            f"No Experiment with id={experiment.experiment_id} exists that isn't {life}", field="experiment_id"
        )
    at = max(at, experiment.swept_at + 1)  # clocks differ
    # Number 0 would come into being again, with the runs of the one that is gone.
    until = 0 if experiment.experiment_id == DEFAULT_EXPERIMENT else gone_at(life, at, days)
    return replace(experiment, life=life, swept_at=at, updated_at=at, gone_at=until)


def tag_experiment(experiment: Experiment, *pairs: tuple[str, str]) -> Experiment:
    """`experiment` with tags.

    Raises
    ------
    InvalidInput
        Its tags together would be above 300 KB.
    """
    tags = {**experiment.tags, **dict(pairs)}
    if sum(len(text.encode()) for pair in tags.items() for text in pair) > MAX_EXPERIMENT_TAGS_BYTES:
        raise InvalidInput("the tags of an experiment have at most 300,000 bytes together", field="value")
    return replace(experiment, tags=tags)


def untag_experiment(experiment: Experiment, key: str) -> Experiment:
    """`experiment` without a tag.

    Raises
    ------
    NotFound
    """
    if key not in experiment.tags:
        raise NotFound(f"No tag with name: {key} in experiment with id {experiment.experiment_id}", field="key")
    return replace(experiment, tags={name: value for name, value in experiment.tags.items() if name != key})


def require_active(thing: Experiment | Run) -> None:
    """Refuse to change what is deleted.

    Raises
    ------
    InvalidInput
    """
    if thing.life != "active":
        what = f"experiment {thing.experiment_id}" if isinstance(thing, Experiment) else f"run {thing.run_id}"
        raise InvalidInput(f"The {what} must be in the 'active' state. Current state is {thing.life}.")


def swept(run: Run, experiment: Experiment) -> Run:
    """`run` as its experiment's last deletion or restoration left it, unless its own came later, or is for good."""
    if experiment.swept_at and experiment.swept_at >= run.life_at and not run.gone_at:
        return replace(run, life=experiment.life)
    return run


def set_params(run: Run, params: Iterable[tuple[str, str]]) -> Run:
    """`run` with `params`; the same value again changes nothing.

    Raises
    ------
    InvalidInput
        A param has another value already.
    """
    new = dict(params)
    changed = [
        {"key": key, "old_value": run.params[key], "new_value": value}
        for key, value in new.items()
        if run.params.get(key, value) != value
    ]
    if changed:
        raise InvalidInput(
            f"Changing param values is not allowed. Params were already logged='{changed}' for run ID='{run.run_id}'.",
            field="params",
        )
    return replace(run, params={**run.params, **new})


def set_tags(run: Run, tags: Iterable[tuple[str, str]]) -> Run:
    """`run` with `tags`; the tag of its name names it."""
    new = dict(tags)
    return replace(run, tags={**run.tags, **new}, name=new.get(RUN_NAME) or run.name)


def remove_tag(run: Run, key: str) -> Run:
    """`run` without a tag.

    Raises
    ------
    NotFound
    """
    if key not in run.tags:
        raise NotFound(f"No tag with name: {key} in run with id {run.run_id}", field="key")
    return replace(run, tags={name: value for name, value in run.tags.items() if name != key})


def update(run: Run, *, status: Status | None, end: int | None, name: str | None) -> Run:
    """`run` with those of status, end and name that are given."""
    named = set_tags(run, [(RUN_NAME, name)]) if name else run
    return replace(named, status=status or run.status, end=run.end if end is None else end)


def latest(points: Mapping[str, Iterable[Point]]) -> dict[str, bytes]:
    """The latest point a metric, packed: greatest by step, then timestamp, then value."""
    return {key: max(map(pack_latest, some)) for key, some in points.items()}


def add_latest(run: Run, points: Mapping[str, bytes]) -> Run:
    """`run` with the later of its own and the new latest point a metric."""
    return replace(
        run, latest={**run.latest, **{key: max(new, run.latest.get(key, b"")) for key, new in points.items()}}
    )


def evenly_spaced(count: int, most: int) -> list[int]:
    """At most `most` of the indices 0 to `count` - 1, evenly spaced from first to last; the last one, of one."""
    if count <= most:
        return list(range(count))
    if most == 1:
        return [count - 1]
    return [round(number * (count - 1) / (most - 1)) for number in range(most)]


def compare(runs: Sequence[Run]) -> tuple[dict[str, list[str | None]], dict[str, list[float | None]]]:
    """Params and latest metrics of `runs` by key, in the order of keys; None for a run that lacks it."""
    params = {key: [run.params.get(key) for run in runs] for key in sorted({key for run in runs for key in run.params})}
    keys = sorted({key for run in runs for key in run.latest})
    return params, {key: [latest_value(run.latest[key]) if key in run.latest else None for run in runs] for key in keys}


def use_datasets(run: Run, uses: Iterable[DatasetUse]) -> Run:
    """`run` with `uses` of datasets; one that it has used already stays as it was."""
    known = {(use.name, use.digest): use for use in run.datasets}
    for use in uses:
        known.setdefault((use.name, use.digest), use)
    return replace(run, datasets=list(known.values()))


def use_models(run: Run, model_ids: Iterable[str]) -> Run:
    """`run` with logged models as inputs, each once."""
    return replace(run, model_inputs=list(dict.fromkeys([*run.model_inputs, *model_ids])))


def make_models(run: Run, outputs: Iterable[tuple[str, int]]) -> Run:
    """`run` with logged models as outputs, by id and step, each once."""
    return replace(run, model_outputs=list(dict.fromkeys([*run.model_outputs, *outputs])))


class NameTaken(Conflict):
    """Another experiment is called so, perhaps a deleted one."""

    code = "already_exists"
