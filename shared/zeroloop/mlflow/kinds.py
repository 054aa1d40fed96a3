"""What MLflow's searches search, and the words that each of them takes, as in MLflow 3.17.2."""

from collections.abc import Mapping

from msgspec import Struct


class Kind(Struct, frozen=True, kw_only=True):
    """Something that is searched, and the words for what is asked of it.

    `entities` and `attributes` give what is meant by what may be written, as `sortable` does for attributes to order
    by. `order` is the order where none is asked for, and `ties` decide at its end; each is (attribute, ascending).
    """

    name: str
    entities: Mapping[str, str]
    attributes: Mapping[str, str]
    numeric: frozenset[str] = frozenset()
    integers: frozenset[str] = frozenset()  # those of `numeric` that take no fraction
    listable: frozenset[str] = frozenset()  # attributes (and `dataset`) that take IN
    nullable: frozenset[str] = frozenset()  # entities that take IS NULL
    sortable: Mapping[str, str]
    order: tuple[tuple[str, bool], ...] = ()
    ties: tuple[tuple[str, bool], ...]
    has_prompts: bool = False


def _same(*names: str, **written: str) -> dict[str, str]:
    return {**{name: name for name in names}, **written}


def _entities(**forms: str) -> Mapping[str, str]:
    return {form: entity for entity, written in forms.items() for form in written.split()}


_RUN_TIMES = {"created": "start_time", "Created": "start_time"}
_RUN_ATTRIBUTES = _same(
    "run_id", "run_name", "user_id", "status", "start_time", "end_time", "artifact_uri", **_RUN_TIMES
)
_EXPERIMENT_ATTRIBUTES = _same("name", "experiment_id", "creation_time", "last_update_time")
_BY_TAG = _entities(attribute="attribute", tag="tag tags")
_LOGGED_TIMES = {
    f"{time}{unit}": f"{time}_timestamp"
    for time in ("creation", "last_updated")
    for unit in ("_timestamp", "_timestamp_ms")
} | {"creation_time": "creation_timestamp"}
_LOGGED_ATTRIBUTES = _LOGGED_TIMES | _same(
    *("name", "model_id", "model_type", "status", "status_message", "source_run_id", "experiment_id"),
    *("artifact_location", "lifecycle_stage"),
)

RUNS = Kind(
    name="runs",
    entities=_entities(
        metric="metric metrics",
        param="parameter parameters param params",
        tag="tag tags",
        attribute="attribute attributes attr run",
        dataset="dataset datasets",
    ),
    attributes={**_RUN_ATTRIBUTES, **dict.fromkeys(("run name", "Run name", "Run Name"), "run_name")},
    numeric=frozenset({"start_time", "end_time"}),
    listable=frozenset({"run_id", "dataset"}),
    nullable=frozenset({"param", "tag"}),
    sortable=_RUN_ATTRIBUTES,
    ties=(("start_time", False), ("run_id", True)),
)
EXPERIMENTS = Kind(
    name="experiments",
    entities=_BY_TAG,
    attributes=_EXPERIMENT_ATTRIBUTES,
    numeric=frozenset({"creation_time", "last_update_time"}),
    integers=frozenset({"creation_time", "last_update_time"}),
    listable=frozenset({"experiment_id"}),
    nullable=frozenset({"tag"}),
    sortable=_EXPERIMENT_ATTRIBUTES,
    order=(("creation_time", False), ("experiment_id", True)),
    ties=(("experiment_id", False),),
)
MODELS = Kind(
    name="registered models",
    entities=_BY_TAG,
    attributes=_same("name"),
    listable=frozenset({"name"}),
    sortable=_same("name", "last_updated_timestamp", timestamp="last_updated_timestamp"),
    ties=(("name", True),),
    has_prompts=True,
)
VERSIONS = Kind(
    name="model versions",
    entities=_BY_TAG,
    attributes=_same("name", "version_number", "run_id", "source_path"),
    numeric=frozenset({"version_number"}),
    integers=frozenset({"version_number"}),
    listable=frozenset({"name", "run_id"}),
    sortable=_same("name", "version_number", "creation_timestamp", "last_updated_timestamp"),
    order=(("last_updated_timestamp", False), ("name", True), ("version_number", False)),
    ties=(("name", True), ("version_number", False)),
    has_prompts=True,
)
LOGGED_MODELS = Kind(
    name="logged models",
    entities=_entities(metric="metrics", param="params", tag="tags", attribute="attributes"),
    attributes=_LOGGED_ATTRIBUTES,
    numeric=frozenset({"creation_timestamp", "last_updated_timestamp"}),
    listable=frozenset(_LOGGED_ATTRIBUTES.values()) | {"param", "tag"},
    sortable=_LOGGED_ATTRIBUTES,
    ties=(("creation_timestamp", False), ("model_id", True)),
)
