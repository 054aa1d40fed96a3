"""Searches of experiments and runs: which rows to read, what of them, and which page of what was found to answer."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec
from msgspec import Struct, field

from zeroloop.dynamo import Item
from zeroloop.errors import InvalidInput
from zeroloop.mlflow.kinds import EXPERIMENTS, RUNS
from zeroloop.mlflow.ordering import Order, Position, page_start, page_token, parse_order, position, sort_key
from zeroloop.mlflow.search import Clause, Value, matches, parse
from zeroloop.mlflow.wire import View, answer_bytes, texts_bytes
from zeroloop.tracking import ids, rows
from zeroloop.tracking.points import latest_value
from zeroloop.tracking.rules import Dataset, DatasetUse, Experiment, Run
from zeroloop.tracking.service import Tracking, check_experiment_id
from zeroloop.tracking.store import TrackingStore

MAX_RESULTS = 50_000
# Of what Lambda answers; a page that would be more is cut, and its token goes on from there.
PAGE_BYTES = 5_000_000
_FRAME = 600  # of a thing in an answer, all but its texts
MAX_EXPERIMENTS = 1_000  # 8 queries each
_RUNS_A_READ = 49  # two rows each, and their experiments, of the 100 keys that a read takes

Shown = tuple[Run, dict[tuple[str, str], Dataset]]
T = TypeVar("T")


class Page(NamedTuple, Generic[T]):
    """What a search found, and the token of what follows (None: nothing)."""

    found: list[T]
    token: str | None


class Search(Struct, frozen=True, kw_only=True):
    """What is searched for."""

    filter: str = ""
    order_by: list[str] = field(default_factory=list)
    view: View = "ACTIVE_ONLY"
    limit: int = 1000
    token: str = ""


def check_limit(limit: int) -> int:
    """`limit`, if a page may be so long.

    Raises
    ------
    InvalidInput
    """
    if not 0 < limit <= MAX_RESULTS:
        what = "a positive integer" if limit < 1 else f"at most {MAX_RESULTS}"
        message = f"Invalid value {limit} for parameter 'max_results' supplied. It must be {what}"
        raise InvalidInput(message, field="max_results")
    return limit


class Ordered:
    """Things in an order, of which a page begins behind a token."""

    def __init__(self, orders: Sequence[Order], query: Any, token: str) -> None:
        self._orders = orders
        self._query = query
        self._after = sort_key(orders, page_start(token, query, orders)) if token else None

    def page(
        self, places: Iterable[tuple[Position, T]], limit: int, size: Callable[[T], int] = lambda _: 0
    ) -> Page[tuple[Position, T]]:
        """The first `limit` of (position, thing) behind the token, 5 MB by `size`, and the token of the next page."""
        keyed = [(sort_key(self._orders, place), place, thing) for place, thing in places]
        later = [entry for entry in keyed if self._after is None or entry[0] > self._after]
        later.sort(key=lambda entry: entry[0])
        page: list[tuple[Position, T]] = []
        room = PAGE_BYTES
        for _, place, thing in later[:limit]:
            room -= size(thing)
            if page and room < 0:
                break
            page.append((place, thing))
        return Page(page, self.token(page[-1][0]) if len(later) > len(page) else None)

    def token(self, after: Position) -> str:
        """The token of the page behind position `after`."""
        return page_token(self._query, after)


def experiments(tracking: Tracking, search: Search) -> Page[Experiment]:
    """Experiments that a search finds."""
    clauses, orders = parse(search.filter, EXPERIMENTS), parse_order(search.order_by, EXPERIMENTS)
    ordered = Ordered(orders, ["experiments", search.filter, search.order_by, search.view], search.token)
    limit = check_limit(search.limit)
    found = [
        (_place(orders, read), experiment)
        for experiment, read in ((experiment, _reader(experiment)) for experiment in tracking.experiments())
        if _seen(experiment.life, search.view) and all(matches(clause, read) for clause in clauses)
    ]
    page = ordered.page(found, limit, lambda experiment: answer_bytes(msgspec.json.encode(experiment)) + _FRAME)
    return Page([experiment for _, experiment in page.found], page.token)


def _place(orders: Sequence[Order], read: Callable[[str, str], Any]) -> Position:
    return position(orders, lambda order: read(order.entity, order.key))


def _reader(experiment: Experiment) -> Callable[[str, str], Value]:
    attributes: dict[str, Value] = {
        "name": experiment.name,
        "experiment_id": int(experiment.experiment_id),
        "creation_time": experiment.created_at,
        "last_update_time": experiment.updated_at,
    }
    return lambda entity, key: (experiment.tags if entity == "tag" else attributes).get(key)


def _seen(life: str, view: View) -> bool:
    return view == "ALL" or life == ("active" if view == "ACTIVE_ONLY" else "deleted")


def runs(store: TrackingStore, tracking: Tracking, experiment_ids: Sequence[str], search: Search) -> Page[Shown]:
    """Runs of experiments that a search finds, and the datasets that each of them used.

    Reads of each run only what filter and order name, then the page's runs whole.
    """
    for experiment_id in experiment_ids:
        check_experiment_id(experiment_id)
    clauses, orders = parse(search.filter, RUNS), parse_order(search.order_by, RUNS)
    query = ["runs", sorted(experiment_ids), search.filter, search.order_by, search.view]
    ordered = Ordered(orders, query, search.token)
    limit = check_limit(search.limit)
    fields, metrics = _needed(clauses, orders)
    found = (
        (_place(orders, read), run_id)
        for run_id, read in _candidates(store, experiment_ids, search.view, fields, metrics)
        if all(matches(clause, read) for clause in clauses)
    )
    page = ordered.page(found, limit)
    return _whole(tracking, ordered, page)


def _whole(tracking: Tracking, ordered: Ordered, page: Page[tuple[Position, str]]) -> Page[Shown]:
    """The runs of a page that are still there, and fewer where their bytes would be too many."""
    held: list[Shown] = []
    room, before = PAGE_BYTES, None
    datasets: dict[tuple[str, str, str], Dataset] = {}
    for at in range(0, len(page.found), _RUNS_A_READ):
        some = page.found[at : at + _RUNS_A_READ]
        found = tracking.existing([run_id for _, run_id in some])
        _add_datasets(tracking, datasets, found.values())
        for place, run_id in some:
            if run_id in found:
                shown = _shown(found[run_id], datasets)
                room -= run_bytes(*shown)
                if before and held and room < 0:
                    return Page(held, ordered.token(before))
                held.append(shown)
            before = place
    return Page(held, page.token)


def _add_datasets(tracking: Tracking, known: dict[tuple[str, str, str], Dataset], found: Iterable[Run]) -> None:
    """What `found` used and isn't `known` yet, by experiment, name and digest."""
    wanted: dict[str, dict[tuple[str, str], DatasetUse]] = {}
    for run in found:
        for use in run.datasets:
            if (run.experiment_id, use.name, use.digest) not in known:
                wanted.setdefault(run.experiment_id, {})[use.name, use.digest] = use
    for experiment_id, uses in wanted.items():
        for names, dataset in tracking.datasets_of(experiment_id, uses.values()).items():
            known[experiment_id, *names] = dataset


def _shown(run: Run, datasets: Mapping[tuple[str, str, str], Dataset]) -> Shown:
    used = ((use.name, use.digest) for use in run.datasets)
    return run, {
        names: datasets[run.experiment_id, *names] for names in used if (run.experiment_id, *names) in datasets
    }


def run_bytes(run: Run, datasets: Mapping[tuple[str, str], Dataset]) -> int:
    """What a run takes of Lambda's answer, with the datasets that it used."""
    points = sum(len(key.encode()) + 110 for key in run.latest)
    return _FRAME + pairs_bytes(run.params, run.tags) + points + sum(map(dataset_bytes, datasets.values()))


def pairs_bytes(*maps: Mapping[str, str]) -> int:
    """What params or tags take of Lambda's answer."""
    return sum(texts_bytes(key, value) + 30 for some in maps for key, value in some.items())


def dataset_bytes(dataset: Dataset) -> int:
    """What a dataset takes of Lambda's answer."""
    return 300 + texts_bytes(dataset.name, dataset.source, dataset.schema or "", dataset.profile or "")


_ATTRIBUTES = {
    "status": "status",
    "artifact_uri": "artifact_uri",
    "start_time": "start",
    "end_time": "end",
    "user_id": "user",
    "run_name": "name",
}
_ALWAYS = (("life",), ("life_at",), ("gone_at",))


def _needed(clauses: Iterable[Clause], orders: Iterable[Order]) -> tuple[list[tuple[str, ...]], list[str]]:
    """The fields of a run's row that a search reads, and the metrics."""
    named = dict.fromkeys((thing.entity, thing.key) for some in (clauses, orders) for thing in some)
    fields = [_path(entity, key) for entity, key in named if entity != "metric" and key != "run_id"]
    return list(dict.fromkeys([*_ALWAYS, *fields])), [key for entity, key in named if entity == "metric"]


def _path(entity: str, key: str) -> tuple[str, ...]:
    match entity:
        case "attribute":
            return (_ATTRIBUTES[key],)
        case "dataset":
            return ("datasets",)
        case _:
            return (f"{entity}s", key)


def _candidates(
    store: TrackingStore,
    experiment_ids: Sequence[str],
    view: View,
    fields: Sequence[tuple[str, ...]],
    metrics: Sequence[str],
) -> Iterator[tuple[str, Callable[[str, str], Any]]]:
    wanted = list(filter(ids.is_experiment_id, dict.fromkeys(experiment_ids)))
    if len(wanted) > MAX_EXPERIMENTS:
        raise InvalidInput(f"at most {MAX_EXPERIMENTS:,} experiments are searched at once", field="experiment_ids")
    for experiment in store.get_experiments(wanted):
        for shard in range(ids.SHARDS):
            for run_id, row in store.scan(ids.Place(experiment.experiment_id, shard), fields, metrics):
                swept = experiment.swept_at >= row["life_at"] and experiment.swept_at and not row.get("gone_at")
                if _seen(experiment.life if swept else row["life"], view):
                    yield run_id, _run_reader(run_id, row)


def _run_reader(run_id: str, row: Item) -> Callable[[str, str], Any]:
    def read(entity: str, key: str) -> Any:
        if entity == "metric":
            point = row.get("points", {}).get(key)
            return latest_value(point) if point else None
        if entity == "attribute":
            return run_id if key == "run_id" else row.get(_ATTRIBUTES[key])
        if entity == "dataset":
            return _of_datasets(row.get("datasets", {}), key)
        return row.get(f"{entity}s", {}).get(key)

    return read


def _of_datasets(datasets: Mapping[str, str], key: str) -> tuple[Value, ...]:
    uses = [rows.dataset_use(use, tags) for use, tags in datasets.items()]
    if key == "context":
        return tuple(use.tags.get("mlflow.data.context") for use in uses)
    return tuple(getattr(use, key) for use in uses)


def dataset_uses(store: TrackingStore, experiment_ids: Iterable[str]) -> Iterator[tuple[str, str, str, str | None]]:
    """Every use of a dataset by runs of experiments: experiment, name, digest and context."""
    for experiment_id in filter(ids.is_experiment_id, dict.fromkeys(experiment_ids)):
        for shard in range(ids.SHARDS):
            for _, row in store.scan(ids.Place(experiment_id, shard), [("datasets",)], []):
                for use in (rows.dataset_use(use, tags) for use, tags in row.get("datasets", {}).items()):
                    yield experiment_id, use.name, use.digest, use.tags.get("mlflow.data.context")
