"""Tracking's use cases: read, decide by the rules, write once; on a conflict, again from the start."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import NamedTuple, TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from zeroloop import clock
from zeroloop.dynamo import ConditionFailed, TooLarge
from zeroloop.errors import InvalidInput, NotFound, Unavailable
from zeroloop.tracking import ids, limits, names, rules
from zeroloop.tracking.points import Point, pack_latest, split_history, unpack_history, unpack_latest
from zeroloop.tracking.rules import DEFAULT_EXPERIMENT, Dataset, DatasetUse, Experiment, Life, Run, Status
from zeroloop.tracking.store import MAX_QUICK_KEYS, Held, TrackingStore

MAX_HISTORY = 25_000  # points a page, and of long keys fewer: Lambda answers with 6 MB at the most
HISTORY_BYTES = 4_000_000
MAX_PURGED = 1_000  # rows a request

_ATTEMPTS = 20
_TOKEN = re.compile(r"([0-9a-f]{16}#[0-9a-f]{16})\|([0-9a-f]{48})")

Pairs = Iterable[tuple[str, str]]
T = TypeVar("T")


class NewRun(Struct, frozen=True, kw_only=True):
    """What a run is created of; the name may be given as the tag `mlflow.runName` too."""

    experiment_id: str
    name: str = ""
    user: str = ""
    start: int = 0
    tags: list[tuple[str, str]] = field(default_factory=list)


class History(NamedTuple):
    """A page of a metric's history, and where the next one begins (None: there is none)."""

    points: list[Point]
    next: str | None


class Tracking:
    """Experiments and runs. `root(experiment_id)` is where the artifacts of a new experiment go, unless it says.

    What is deleted is gone for good after `deleted_days`; 0: never.
    """

    def __init__(self, store: TrackingStore, root: Callable[[str], str], deleted_days: int = 0) -> None:
        self._store = store
        self._root = root
        self._deleted_days = deleted_days

    # -- experiments ---------------------------------------------------------------------------------------------------

    def experiment(self, experiment_id: str) -> Experiment:
        """The experiment of an id, a deleted one too; number 0 comes into being when first asked for."""
        check_experiment_id(experiment_id)
        found = self._store.get_experiment(experiment_id) if ids.is_experiment_id(experiment_id) else None
        if found is None and experiment_id == DEFAULT_EXPERIMENT:
            return self._default()
        if found is None:
            raise NotFound(f"No Experiment with id={experiment_id[:80]} exists", field="experiment_id")
        return found

    def _default(self) -> Experiment:
        try:
            return self._create(DEFAULT_EXPERIMENT, "Default", "", {})
        except rules.NameTaken:
            found = self._store.get_experiment(DEFAULT_EXPERIMENT)
            if found is None:  # someone named another one so before number 0 was asked for
                return self._create(DEFAULT_EXPERIMENT, f"Default {clock.new_id()[:8]}", "", {})
            return found

    def experiment_by_name(self, name: str) -> Experiment:
        """The experiment of a name, a deleted one too."""
        found = self._store.find_experiment(name)
        if found is None and name == "Default":
            return self.experiment(DEFAULT_EXPERIMENT)
        if found is None:
            raise NotFound(f"Could not find experiment with name '{name[:500]}'", field="experiment_name")
        return found

    def experiments(self) -> list[Experiment]:
        """All there are."""
        found = self._store.list_experiments()
        if not any(experiment.experiment_id == DEFAULT_EXPERIMENT for experiment in found):
            found.append(self._default())
        return found

    def create_experiment(self, name: str, location: str, tags: Pairs) -> Experiment:
        """A new experiment; NameTaken."""
        limits.check_length(name, limits.MAX_EXPERIMENT_NAME, "name")
        checked = limits.check_whole(tags, "tags", limits.MAX_EXPERIMENT_TAG)
        location = limits.check_location(location) if location else ""
        if name == "Default":
            self.experiment(DEFAULT_EXPERIMENT)  # which is called so, whether or not anyone has asked for it yet
        return self._create(ids.new_experiment_id(clock.new_id()), name, location, checked)

    def _create(self, experiment_id: str, name: str, location: str, tags: dict[str, str]) -> Experiment:
        now = clock.now_ms()
        experiment = Experiment(
            experiment_id=experiment_id,
            name=name,
            artifact_location=location or self._root(experiment_id),
            created_at=now,
            updated_at=now,
        )
        experiment = rules.tag_experiment(experiment, *tags.items())
        self._store.create_experiment(experiment)
        return experiment

    def sweep_experiment(self, experiment_id: str, life: Life) -> None:
        """Delete or restore an experiment and all its runs."""
        days = self._deleted_days
        self._change_experiment(experiment_id, lambda found: rules.sweep(found, life, clock.now_ms(), days))

    def rename_experiment(self, experiment_id: str, name: str) -> None:
        """Call an active experiment otherwise; NameTaken."""
        limits.check_length(name, limits.MAX_EXPERIMENT_NAME, "name")
        self._change_active(experiment_id, lambda found: replace(found, name=name, updated_at=clock.now_ms()))

    def set_experiment_tag(self, experiment_id: str, key: str, value: str) -> None:
        """Tag an active experiment."""
        limits.check_whole([(key, value)], "tags", limits.MAX_EXPERIMENT_TAG)
        self._change_active(experiment_id, lambda found: rules.tag_experiment(found, (key, value)))

    def delete_experiment_tag(self, experiment_id: str, key: str) -> None:
        """Take a tag from an active experiment."""
        self._change_active(experiment_id, lambda found: rules.untag_experiment(found, key))

    def _change_active(self, experiment_id: str, rule: Callable[[Experiment], Experiment]) -> None:
        def change(found: Experiment) -> Experiment:
            rules.require_active(found)
            return rule(found)

        self._change_experiment(experiment_id, change)

    def _change_experiment(self, experiment_id: str, rule: Callable[[Experiment], Experiment]) -> None:
        def attempt() -> None:
            before = self.experiment(experiment_id)
            after = rule(before)
            if after != before:
                self._store.save_experiment(before, replace(after, rev=before.rev + 1))

        until_saved(attempt)

    # -- runs ----------------------------------------------------------------------------------------------------------

    def create_run(self, new: NewRun) -> Run:
        """A run that is RUNNING. A call that is repeated makes another one, as with MLflow's own server."""
        experiment = self.experiment(new.experiment_id)
        rules.require_active(experiment)
        tags = limits.check_whole(new.tags, "tags", limits.MAX_WHOLE)
        tagged = tags.get(rules.RUN_NAME, "")
        if new.name and tagged and new.name != tagged:
            raise InvalidInput(
                f"Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values "
                f"(run_name='{new.name}', mlflow.runName='{tagged}').",
                field="run_name",
            )
        random = clock.new_id()
        run_id = ids.new_id(experiment.experiment_id, random)
        name = new.name or tagged or names.from_random(random)
        run = Run(
            run_id=run_id,
            experiment_id=experiment.experiment_id,
            name=name,
            user=new.user,
            start=new.start,
            artifact_uri=f"{experiment.artifact_location}/{run_id}/artifacts",
            life_at=max(clock.now_ms(), experiment.swept_at + 1),
            tags={**tags, rules.RUN_NAME: name},
        )
        self._store.create_run(run)
        return run

    def run(self, run_id: str) -> Run:
        """One run, a deleted one too."""
        return self._swept(self._held(run_id))

    def runs(self, run_ids: Sequence[str]) -> list[Run]:
        """Runs in the order asked for, deleted ones too; NotFound if one of them doesn't exist."""
        found = self.existing(run_ids)
        for run_id in run_ids:
            if run_id not in found:
                raise _no_run(run_id)
        return [found[run_id] for run_id in run_ids]

    def existing(self, run_ids: Sequence[str]) -> dict[str, Run]:
        """Those of `run_ids` that exist, deleted ones too."""
        return {run_id: self._swept(held) for run_id, held in self._store.get_runs(run_ids).items()}

    def _held(self, run_id: str) -> Held:
        held = self._store.get_runs([run_id])
        if run_id not in held:
            raise _no_run(run_id)
        return held[run_id]

    @staticmethod
    def _swept(held: Held) -> Run:
        return rules.swept(held.run, held.experiment)

    def datasets(self, run: Run) -> dict[tuple[str, str], Dataset]:
        """What a run says that it used, by name and digest."""
        return self.datasets_of(run.experiment_id, run.datasets) if run.datasets else {}

    def datasets_of(self, experiment_id: str, uses: Iterable[DatasetUse]) -> dict[tuple[str, str], Dataset]:
        """What is used of an experiment's datasets, by name and digest."""
        return self._store.get_datasets(experiment_id, uses)

    def update_run(self, run_id: str, *, status: Status | None, end: int | None, name: str | None) -> Run:
        """Change what is given of an active run."""
        return self._change(run_id, lambda run: rules.update(run, status=status, end=end, name=name))

    def set_life(self, run_id: str, life: Life) -> None:
        """Delete or restore a run; either may be repeated."""

        def attempt() -> None:
            held = self._held(run_id)
            at = max(clock.now_ms(), held.experiment.swept_at + 1)
            if self._swept(held).life != life:
                until = rules.gone_at(life, at, self._deleted_days)
                self._store.save_run(held, replace(held.run, life=life, life_at=at, gone_at=until))

        until_saved(attempt)

    def purge(self) -> tuple[int, bool]:
        """Remove up to 1,000 rows of what has been gone for an hour; how many these were, and whether there are more.

        An hour, so that no restoration that began in time is under way.
        """
        keys = list(islice(self._store.gone(clock.now_ms() // 1000 - 3600), MAX_PURGED + 1))
        self._store.remove(keys[:MAX_PURGED])
        return min(len(keys), MAX_PURGED), len(keys) > MAX_PURGED

    def log_param(self, run_id: str, key: str, value: str) -> None:
        """Log a param, once for all."""
        limits.check_key(key, "key")
        self._change(run_id, lambda run: rules.set_params(run, [(key, value[: limits.MAX_PARAM])]))

    def set_tag(self, run_id: str, key: str, value: str) -> None:
        """Tag a run."""
        limits.check_key(key, "key")
        self._change(run_id, lambda run: rules.set_tags(run, [(key, value[: limits.MAX_TAG])]))

    def delete_tag(self, run_id: str, key: str) -> None:
        """Take a tag from a run."""
        self._change(run_id, lambda run: rules.remove_tag(run, key))

    def append_tag(self, run_id: str, key: str, add: Callable[[str | None], str]) -> None:
        """Set a tag to what `add` makes of its value so far."""

        def rule(run: Run) -> Run:
            value = add(run.tags.get(key))
            limits.check_length(value, limits.MAX_TAG, key)  # cut off, it couldn't be read again
            return rules.set_tags(run, [(key, value)])

        self._change(run_id, rule)

    def log_inputs(self, run_id: str, used: Sequence[tuple[Dataset, dict[str, str]]], model_ids: Sequence[str]) -> None:
        """Say which datasets, each with tags, and which logged models a run used."""
        limits.check_uses({"datasets": len(used), "models": len(model_ids)}, model_ids)
        for i, (dataset, tags) in enumerate(used):
            limits.check_dataset(dataset, tags, f"datasets[{i}]")
        uses = [DatasetUse(dataset.name, dataset.digest, tags) for dataset, tags in used]
        if used:
            run = self.run(run_id)
            rules.require_active(run)
            self._store.save_datasets(run.experiment_id, [dataset for dataset, _ in used])
        self._change(run_id, lambda run: rules.use_models(rules.use_datasets(run, uses), model_ids))

    def log_outputs(self, run_id: str, models: Sequence[tuple[str, int]]) -> None:
        """Say which logged models, each at a step, a run made."""
        limits.check_uses({"models": len(models)}, [model_id for model_id, _ in models])
        self._change(run_id, lambda run: rules.make_models(run, models))

    def log_batch(self, run_id: str, metrics: Sequence[tuple[str, Point]], params: Pairs, tags: Pairs) -> None:
        """Log all of these or none; the same again changes nothing.

        One or two round trips for metrics of up to 40 keys alone, else two.
        """
        checked_params, checked_tags = limits.check_params(params), limits.check_tags(tags)
        limits.check_counts({"metrics": len(metrics), "params": len(checked_params), "tags": len(checked_tags)})
        points: dict[str, list[Point]] = {}
        for i, (key, point) in enumerate(metrics):
            limits.check_point(key, point, f"metrics[{i}]." if len(metrics) > 1 else "")
            points.setdefault(key, []).append(point)
        latest = rules.latest(points)
        if not checked_params and not checked_tags and points and self._log_quickly(run_id, points, latest):
            return

        def rule(run: Run) -> Run:
            return rules.set_tags(rules.set_params(rules.add_latest(run, latest), checked_params), checked_tags)

        self._change(run_id, rule, points)

    def _log_quickly(self, run_id: str, points: Mapping[str, Sequence[Point]], latest: Mapping[str, bytes]) -> bool:
        """Whether `points` could be logged without reading the run: it is active, in one part, the keys are few."""
        if len(points) > MAX_QUICK_KEYS or not ids.place(run_id):
            return False
        try:
            self._store.raise_latest(run_id, latest)
        except (ConditionFailed, TooLarge):
            return False
        self._store.add_history(run_id, points)
        return True

    def _change(
        self, run_id: str, rule: Callable[[Run], Run], points: Mapping[str, Sequence[Point]] | None = None
    ) -> Run:
        """What `rule` makes of an active run, saved with `points` of its history."""

        def attempt() -> Run:
            held = self._held(run_id)
            run = self._swept(held)
            rules.require_active(run)
            after = rule(run)
            self._store.save_run(held, after, points)
            return after

        return until_saved(attempt)

    # -- history -------------------------------------------------------------------------------------------------------

    def history(self, run_id: str, key: str, *, limit: int, after: str | None = None) -> History:
        """A page of a metric's points by (timestamp, step, value), each once; empty for a run or key that isn't there.

        `after` is `next` of the page before: the chunk that it ended in, and its last point.
        """
        first, seen = _position(after)
        limit = min(limit, MAX_HISTORY, HISTORY_BYTES // (len(key.encode()) + 100))
        pending: dict[bytes, str] = {}
        look = limit
        for sk, data in self._store.history(run_id, key, first):
            for point in split_history(data):
                if point > seen:
                    pending.setdefault(point, sk)
            # Counting is for when it may succeed: looking at each of many chunks would take their square.
            if len(pending) > look:
                start = _start_of(sk)
                if sum(point < start for point in pending) > limit:
                    return _page(pending, limit, next_sk=sk)
                look = 2 * len(pending)
        return _page(pending, limit)

    def thinned(self, run_id: str, key: str, steps: tuple[int | None, int | None], most: int) -> list[Point]:
        """At most `most` of a metric's points at steps from the first to the last of `steps` (None: at all).

        Evenly spaced by their order of (step, timestamp, value), the last one among them; none of an unknown run.
        """
        first, last = steps
        points = [
            point
            for _, data in self._store.history(run_id, key)
            for point in unpack_history(split_history(data))
            if first is None or last is None or first <= point.step <= last
        ]
        points = [unpack_latest(data) for data in sorted({pack_latest(point) for point in points})]
        return [points[at] for at in rules.evenly_spaced(len(points), most)]


def _start_of(sk: str) -> bytes:
    """What no point in the chunk of that sort key, or in one behind it, sorts before."""
    return bytes.fromhex(sk.partition("#")[0])


def _page(pending: dict[bytes, str], limit: int, next_sk: str | None = None) -> History:
    """The first `limit` points of `pending` (point -> its chunk); what they leave is read again for the next page.

    With more to read behind `next_sk`, more than `limit` points sort before it.
    """
    points = sorted(pending)
    page, left = points[:limit], points[limit:]
    chunks = [pending[point] for point in left] + ([next_sk] if next_sk else [])
    return History(unpack_history(page), f"{min(chunks)}|{page[-1].hex()}" if chunks else None)


def _position(after: str | None) -> tuple[str | None, bytes]:
    if after is None:
        return None, b""
    found = _TOKEN.fullmatch(after)
    if not found:
        raise InvalidInput("not a page token: hand it back as it came", field="page_token")
    return found[1], bytes.fromhex(found[2])


def _no_run(run_id: str) -> NotFound:
    return NotFound(f"Run with id={run_id[:80]} not found", field="run_id")


def check_experiment_id(experiment_id: str) -> None:
    """Refuse what no experiment's id can be.

    Raises
    ------
    InvalidInput
    """
    if not experiment_id.isdigit():
        raise InvalidInput(
            f"Invalid experiment ID '{experiment_id[:80]}'. Experiment ID must be a valid integer.",
            field="experiment_id",
        )


def until_saved(attempt: Callable[[], T]) -> T:
    """What `attempt` answers, which is made again from the start as long as someone else writes in between."""
    for number in range(_ATTEMPTS):
        try:
            return attempt()
        except ConditionFailed:
            clock.sleep(clock.pause_seconds(number))
    raise Unavailable("too many write to this at once; try again")
