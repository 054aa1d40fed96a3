"""Raw requests for MLflow's REST API, valid and not, in sequences: what the client sends, and what it never would.

A sequence runs in order, each on names of its own, so that sequences can run side by side. `{name}` in a path, a query
or a body stands for a value that an answer before gave (`keep`). Paths without a leading slash are below
`/api/2.0/mlflow/`.
"""

from typing import Any, NamedTuple

LONG_AGO = 1_600_000_000_000  # ms: times are given where they decide about order
NOT_THERE = "0" * 32


class Case(NamedTuple):
    """One request. `body` is sent as JSON, bytes as they are; `keep` maps a name to where its value stands."""

    title: str
    method: str
    path: str
    body: Any = None
    query: tuple[tuple[str, str], ...] = ()
    keep: tuple[tuple[str, str], ...] = ()
    content_type: str | None = "application/json"

    @property
    def name(self) -> str:
        """The request's own line in a recording."""
        return f"{self.method} {self.path} - {self.title}"


def post(path: str, title: str, body: Any = None, **keep: str) -> Case:
    return Case(title, "POST", path, {} if body is None else body, keep=tuple(keep.items()))


def patch(path: str, title: str, body: Any = None) -> Case:
    return Case(title, "PATCH", path, {} if body is None else body)


def delete(path: str, title: str, body: Any = None) -> Case:
    return Case(title, "DELETE", path, {} if body is None else body)


def get(path: str, title: str, *query: tuple[str, str], **keep: str) -> Case:
    return Case(title, "GET", path, query=query, keep=tuple(keep.items()))


def raw(path: str, title: str, body: bytes, content_type: str | None = "application/json") -> Case:
    return Case(title, "POST", path, body, content_type=content_type)


def put(path: str, title: str, body: bytes) -> Case:
    return Case(title, "PUT", path, body, content_type="application/octet-stream")


def tags(**values: str) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in values.items()]


def experiments() -> list[Case]:
    create, search = "experiments/create", "experiments/search"
    some = {"max_results": 50}  # there is no default: without it stock takes the number for 0
    named = {"filter": "name LIKE 'wire-exp%'", **some}
    return [
        get("experiments/get", "the default one", ("experiment_id", "0")),
        get("experiments/get-by-name", "the default one", ("experiment_name", "Default")),
        post(create, "a name", {"name": "wire-exp-a"}, exp_a="experiment_id"),
        post(create, "tags", {"name": "wire-exp-b", "tags": tags(team="x", stage="1")}, exp_b="experiment_id"),
        post(create, "unicode, slash, percent", {"name": "wire-exp/ü 100%/日本"}, exp_u="experiment_id"),
        post(create, "a location", {"name": "wire-exp-s3", "artifact_location": "s3://b/a"}, exp_s="experiment_id"),
        post(create, "the name is taken", {"name": "wire-exp-a"}),
        post(create, "no name", {}),
        post(create, "empty name", {"name": ""}),
        post(create, "name is a number", {"name": 5}),
        post(create, "name is null", {"name": None}),
        post(create, "name is a list", {"name": ["a"]}),
        post(create, "501 characters", {"name": "n" * 501}),
        post(create, "tags are an object", {"name": "wire-exp-bad", "tags": {"a": "b"}}),
        post(create, "a tag without a key", {"name": "wire-exp-tagless", "tags": [{"value": "x"}]}),
        post(create, "a location with a fragment", {"name": "wire-exp-f", "artifact_location": "s3://b/a#f"}),
        post(create, "a location with a query", {"name": "wire-exp-q", "artifact_location": "s3://b/a?x=1"}),
        post(create, "location is a number", {"name": "wire-exp-n", "artifact_location": 5}),
        post(create, "a local location", {"name": "wire-exp-local", "artifact_location": "file:///etc"}),
        get("experiments/get", "by id", ("experiment_id", "{exp_b}")),
        get("experiments/get", "unicode", ("experiment_id", "{exp_u}")),
        get("experiments/get", "unknown id", ("experiment_id", "987654321")),
        get("experiments/get", "id is no number", ("experiment_id", "abc")),
        get("experiments/get", "no id"),
        get("experiments/get", "empty id", ("experiment_id", "")),
        get("experiments/get", "id twice", ("experiment_id", "{exp_a}"), ("experiment_id", "{exp_b}")),
        get("experiments/get", "unknown parameter", ("experiment_id", "{exp_a}"), ("nothing", "1")),
        get("/ajax-api/2.0/mlflow/experiments/get", "the other prefix", ("experiment_id", "{exp_a}")),
        get("experiments/get-by-name", "by name", ("experiment_name", "wire-exp-b")),
        get("experiments/get-by-name", "unicode", ("experiment_name", "wire-exp/ü 100%/日本")),
        get("experiments/get-by-name", "unknown name", ("experiment_name", "wire-exp-nobody")),
        get("experiments/get-by-name", "no name"),
        post(search, "by pattern, newest first", named),
        post(search, "by name", {**some, "filter": "name = 'wire-exp-a'"}),
        post(search, "by other name", {**some, "filter": "name != 'wire-exp-a' AND name LIKE 'wire-exp%'"}),
        post(search, "case decides in LIKE", {**some, "filter": "name LIKE 'WIRE-exp%'"}),
        post(search, "case is ignored in ILIKE", {**some, "filter": "name ILIKE 'WIRE-exp-a'"}),
        post(search, "by tag", {**some, "filter": "tags.team = 'x'"}),
        post(search, "by tag and name", {**some, "filter": "tags.team = 'x' AND name LIKE '%-b'"}),
        post(search, "by time", {**some, "filter": "creation_time > 0 AND name LIKE 'wire-exp-_'"}),
        post(search, "by name, descending", {**named, "order_by": ["name DESC"]}),
        post(search, "by name, ascending", {**named, "order_by": ["name ASC"]}),
        post(search, "by id", {**named, "order_by": ["experiment_id"]}),
        post(search, "two by name", {**named, "order_by": ["name"], "max_results": 2}, token="next_page_token"),
        post(search, "the next two", {**named, "order_by": ["name"], "max_results": 2, "page_token": "{token}"}),
        post(search, "no page size", {"filter": "name LIKE 'wire-exp%'"}),
        post(search, "a page too large", {"max_results": 50_001}),
        post(search, "a page of none", {**named, "max_results": 0}),
        post(search, "a page of less", {**named, "max_results": -1}),
        post(search, "page size as a string", {**named, "max_results": "1", "order_by": ["name"]}),
        post(search, "page size is no number", {"max_results": "many"}),
        post(search, "a token that is none", {**named, "page_token": "garbage"}),
        post(search, "filter of nothing", {**some, "filter": "nothing = 'x'"}),
        post(search, "filter with OR", {**some, "filter": "name = 'a' OR name = 'b'"}),
        post(search, "filter half done", {**some, "filter": "name ="}),
        post(search, "filter compares as it can't", {**some, "filter": "name > 'a'"}),
        post(search, "filter is a number", {**some, "filter": 5}),
        post(search, "order by nothing", {**some, "order_by": ["nothing"]}),
        post(search, "order by, wrongly", {**some, "order_by": ["name SIDEWAYS"]}),
        post(search, "order is a string", {**some, "order_by": "name"}),
        post(search, "all views", {**named, "view_type": "ALL"}),
        post(search, "a view by number", {**named, "view_type": 3}),
        post(search, "a view that is none", {**named, "view_type": "SOME"}),
        get(search, "GET", ("filter", "name LIKE 'wire-exp%'"), ("order_by", "name DESC"), ("max_results", "2")),
        get(
            search,
            "GET, orders",
            ("filter", "name LIKE 'wire-exp%'"),
            ("order_by", "name"),
            ("order_by", "experiment_id"),
            ("max_results", "9"),
        ),
        get(
            search,
            "GET, a view",
            ("filter", "name LIKE 'wire-exp%'"),
            ("view_type", "DELETED_ONLY"),
            ("max_results", "9"),
        ),
        get(search, "GET, page size is no number", ("max_results", "many")),
        get(search, "GET, page size too large", ("max_results", "50001")),
        post("experiments/update", "another name", {"experiment_id": "{exp_a}", "new_name": "wire-exp-renamed"}),
        post("experiments/update", "its own name", {"experiment_id": "{exp_a}", "new_name": "wire-exp-renamed"}),
        post("experiments/update", "a name that is taken", {"experiment_id": "{exp_a}", "new_name": "wire-exp-b"}),
        post("experiments/update", "no name", {"experiment_id": "{exp_a}"}),
        post("experiments/update", "empty name", {"experiment_id": "{exp_a}", "new_name": ""}),
        post("experiments/update", "501 characters", {"experiment_id": "{exp_a}", "new_name": "n" * 501}),
        post("experiments/update", "unknown id", {"experiment_id": "987654321", "new_name": "wire-exp-x"}),
        post("experiments/update", "no id", {"new_name": "wire-exp-x"}),
        get("experiments/get-by-name", "its old name", ("experiment_name", "wire-exp-a")),
        *experiment_tags(),
        *experiment_lives(),
    ]


def experiment_tags() -> list[Case]:
    path, gone = "experiments/set-experiment-tag", "experiments/delete-experiment-tag"
    tag = {"experiment_id": "{exp_a}", "key": "k", "value": "v"}
    return [
        post(path, "a tag", tag),
        post(path, "once more, other value", {**tag, "value": "w"}),
        post(path, "unicode", {**tag, "key": "ключ", "value": "🙂"}),
        post(path, "no value", {"experiment_id": "{exp_a}", "key": "empty"}),
        post(path, "no key", {"experiment_id": "{exp_a}", "value": "v"}),
        post(path, "a key of 250", {**tag, "key": "k" * 250}),
        post(path, "a key of 251", {**tag, "key": "k" * 251}),
        post(path, "a value of 5000", {**tag, "value": "v" * 5000}),
        post(path, "a value of 5001", {**tag, "value": "v" * 5001}),
        post(path, "a key with a bad character", {**tag, "key": "a\nb"}),
        post(path, "value is a number", {**tag, "value": 5}),
        post(path, "unknown id", {**tag, "experiment_id": "987654321"}),
        post(path, "no id", {"key": "k", "value": "v"}),
        post(gone, "unknown tag", {"experiment_id": "{exp_a}", "key": "nothing"}),
        post(gone, "a tag", {"experiment_id": "{exp_a}", "key": "k" * 250}),
        post(gone, "no key", {"experiment_id": "{exp_a}"}),
        post(gone, "unknown id", {"experiment_id": "987654321", "key": "k"}),
        get("experiments/get", "with its tags", ("experiment_id", "{exp_a}")),
    ]


def experiment_lives() -> list[Case]:
    named = {"filter": "name LIKE 'wire-exp%'", "order_by": ["name"], "max_results": 50}
    return [
        post(
            "runs/create",
            "to go with its experiment",
            {"experiment_id": "{exp_b}", "run_name": "r"},
            exp_run="run.info.run_id",
        ),
        post("experiments/delete", "an experiment", {"experiment_id": "{exp_b}"}),
        post("experiments/delete", "once more", {"experiment_id": "{exp_b}"}),
        post("experiments/delete", "unknown id", {"experiment_id": "987654321"}),
        post("experiments/delete", "no id", {}),
        get("experiments/get", "a deleted one", ("experiment_id", "{exp_b}")),
        get("experiments/get-by-name", "a deleted one", ("experiment_name", "wire-exp-b")),
        get("runs/get", "a run of a deleted experiment", ("run_id", "{exp_run}")),
        post("experiments/create", "the name of a deleted one", {"name": "wire-exp-b"}),
        post("experiments/update", "a deleted one", {"experiment_id": "{exp_b}", "new_name": "wire-exp-z"}),
        post("experiments/set-experiment-tag", "a deleted one", {"experiment_id": "{exp_b}", "key": "k", "value": "v"}),
        post("experiments/delete-experiment-tag", "a deleted one", {"experiment_id": "{exp_b}", "key": "team"}),
        post("runs/create", "in a deleted experiment", {"experiment_id": "{exp_b}"}),
        post("runs/log-parameter", "in a deleted experiment", {"run_id": "{exp_run}", "key": "k", "value": "v"}),
        post("runs/search", "in a deleted experiment", {"experiment_ids": ["{exp_b}"]}),
        post("runs/search", "in a deleted experiment, all", {"experiment_ids": ["{exp_b}"], "run_view_type": "ALL"}),
        post("experiments/search", "without the deleted", named),
        post("experiments/search", "the deleted only", {**named, "view_type": "DELETED_ONLY"}),
        post("experiments/search", "with the deleted", {**named, "view_type": "ALL"}),
        post("experiments/restore", "an experiment", {"experiment_id": "{exp_b}"}),
        post("experiments/restore", "once more", {"experiment_id": "{exp_b}"}),
        post("experiments/restore", "unknown id", {"experiment_id": "987654321"}),
        post("experiments/restore", "no id", {}),
        get("experiments/get", "a restored one", ("experiment_id", "{exp_b}")),
        get("runs/get", "a run of a restored experiment", ("run_id", "{exp_run}")),
    ]


def runs() -> list[Case]:
    create, update = "runs/create", "runs/update"
    whole = {"experiment_id": "{exp}", "start_time": LONG_AGO, "run_name": "one", "user_id": "ada"}
    return [
        post("experiments/create", "for runs", {"name": "wire-runs"}, exp="experiment_id"),
        post(create, "all fields", {**whole, "tags": tags(a="1", b="ü")}, run="run.info.run_id"),
        post(create, "an experiment only", {"experiment_id": "{exp}"}, unnamed="run.info.run_id"),
        post(create, "for what is taken or not", {"experiment_id": "0", "run_name": "scrap"}, scrap="run.info.run_id"),
        post(create, "start as a string", {**whole, "start_time": str(LONG_AGO)}),
        post(create, "start is no number", {**whole, "start_time": "noon"}),
        post(create, "start with a fraction", {**whole, "start_time": 1.5}),
        post(create, "experiment by number", {"experiment_id": 0, "run_name": "by number"}),
        post(create, "no experiment", {"run_name": "somewhere", "start_time": LONG_AGO}),
        post(create, "unknown experiment", {"experiment_id": "987654321"}),
        post(create, "an experiment that is no number", {"experiment_id": "abc"}),
        post(
            create,
            "a name by its tag",
            {"experiment_id": "{exp}", "start_time": 1, "tags": [{"key": "mlflow.runName", "value": "tagged"}]},
        ),
        post(create, "name and its tag, equal", {**whole, "tags": [{"key": "mlflow.runName", "value": "one"}]}),
        post(create, "name and its tag, other", {**whole, "tags": [{"key": "mlflow.runName", "value": "two"}]}),
        post(create, "empty name", {**whole, "run_name": ""}),
        post(create, "name is a number", {**whole, "run_name": 5}),
        post(create, "tags are a string", {**whole, "tags": "a"}),
        post(create, "a tag without a key", {**whole, "tags": [{"value": "x"}]}),
        post(create, "one tag twice", {**whole, "tags": [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]}),
        post(create, "a tag of 8001", {**whole, "tags": tags(a="v" * 8001)}),
        post(create, "unknown fields", {**whole, "nothing": {"at": ["all"]}}),
        post(create, "fields in camel case", {"experimentId": "{exp}", "startTime": LONG_AGO, "runName": "camel"}),
        post(create, "a field in both spellings", {**whole, "runName": "camel"}),
        get("runs/get", "by run_id", ("run_id", "{run}")),
        get("runs/get", "by run_uuid", ("run_uuid", "{run}")),
        get("runs/get", "by both", ("run_id", "{run}"), ("run_uuid", "{unnamed}")),
        get("runs/get", "unknown id", ("run_id", NOT_THERE)),
        get("runs/get", "an id that can't be", ("run_id", "../etc")),
        get("runs/get", "no id"),
        get("/ajax-api/2.0/mlflow/runs/get", "the other prefix", ("run_id", "{run}")),
        post(update, "done", {"run_id": "{run}", "status": "FINISHED", "end_time": LONG_AGO + 5}),
        post(update, "another name", {"run_id": "{run}", "run_name": "renamed"}),
        post(update, "nothing to change", {"run_id": "{run}"}),
        post(update, "empty name", {"run_id": "{run}", "run_name": ""}),
        post(update, "a status by number", {"run_id": "{run}", "status": 4}),
        post(update, "back to running", {"run_id": "{run}", "status": "RUNNING"}),
        post(update, "a status that is none", {"run_id": "{scrap}", "status": "ASLEEP"}),
        post(update, "a number that is no status", {"run_id": "{run}", "status": 77}),
        post(update, "end as a string", {"run_id": "{run}", "status": "KILLED", "end_time": str(LONG_AGO + 9)}),
        post(update, "end is no number", {"run_id": "{run}", "end_time": "noon"}),
        post(update, "by run_uuid", {"run_uuid": "{run}", "status": "FINISHED"}),
        post(update, "unknown id", {"run_id": NOT_THERE, "status": "FINISHED"}),
        post(update, "no id", {"status": "FINISHED"}),
        get("runs/get", "after its updates", ("run_id", "{run}")),
        *run_tags(),
        *run_params(),
        *run_lives(),
    ]


def run_tags() -> list[Case]:
    path, gone, tag = "runs/set-tag", "runs/delete-tag", {"run_id": "{run}", "key": "k", "value": "v"}
    return [
        post(path, "a tag", tag),
        post(path, "once more, other value", {**tag, "value": "w"}),
        post(path, "by run_uuid", {"run_uuid": "{run}", "key": "by", "value": "uuid"}),
        post(path, "no value", {"run_id": "{run}", "key": "empty"}),
        post(path, "empty value", {**tag, "key": "empty-too", "value": ""}),
        post(path, "no key", {"run_id": "{run}", "value": "v"}),
        post(path, "empty key", {**tag, "key": ""}),
        post(path, "a key with a slash", {**tag, "key": "a/b c:d-e.f_g"}),
        post(path, "a key that climbs", {**tag, "key": "../up"}),
        post(path, "a key from the root", {**tag, "key": "/a"}),
        post(path, "a key with a bad character", {**tag, "key": "a%b"}),
        post(path, "a unicode key", {**tag, "key": "日本", "value": "🙂"}),
        post(path, "a key of 251", {**tag, "key": "k" * 251}),
        post(path, "a value of 8000", {**tag, "key": "long", "value": "v" * 8000}),
        post(path, "a value of 8001", {**tag, "key": "longer", "value": "v" * 8001}),
        post(path, "value is a number", {**tag, "value": 5}),
        post(path, "the name", {**tag, "key": "mlflow.runName", "value": "by tag"}),
        post(path, "unknown run", {**tag, "run_id": NOT_THERE}),
        post(path, "no run", {"key": "k", "value": "v"}),
        post(gone, "a tag", {"run_id": "{run}", "key": "long"}),
        post(gone, "the same again", {"run_id": "{run}", "key": "long"}),
        post(gone, "no key", {"run_id": "{run}"}),
        post(gone, "unknown run", {"run_id": NOT_THERE, "key": "k"}),
        get("runs/get", "with its tags", ("run_id", "{run}")),
    ]


def run_params() -> list[Case]:
    path, param = "runs/log-parameter", {"run_id": "{run}", "key": "k", "value": "v"}
    return [
        post(path, "a param", param),
        post(path, "once more, same value", param),
        post(path, "once more, other value", {**param, "value": "w"}),
        post(path, "by run_uuid", {"run_uuid": "{run}", "key": "by", "value": "uuid"}),
        post(path, "no value", {"run_id": "{run}", "key": "none"}),
        post(path, "empty value", {**param, "key": "empty", "value": ""}),
        post(path, "value is null", {**param, "key": "null", "value": None}),
        post(path, "value is a number", {**param, "key": "number", "value": 5}),
        post(path, "value is a bool", {**param, "key": "bool", "value": True}),
        post(path, "no key", {"run_id": "{run}", "value": "v"}),
        post(path, "a key of 250", {**param, "key": "k" * 250}),
        post(path, "a key of 251", {**param, "key": "k" * 251}),
        post(path, "a value of 6000", {**param, "key": "long", "value": "v" * 6000}),
        post(path, "a value of 6001", {**param, "key": "longer", "value": "v" * 6001}),
        post(path, "a unicode key", {**param, "key": "größe", "value": "ö\n\t\"'\\"}),
        post(path, "a key with a slash", {**param, "key": "layer/1"}),
        post(path, "a key with two slashes", {**param, "key": "layer//1"}),
        post(path, "a key that climbs", {**param, "key": "../up"}),
        post(path, "a key that is a dot", {**param, "key": "."}),
        post(path, "a key with a bad character", {**param, "key": "a#b"}),
        post(path, "unknown run", {**param, "run_id": NOT_THERE}),
        post(path, "no run", {"key": "k", "value": "v"}),
        get("runs/get", "with its params", ("run_id", "{run}")),
    ]


def run_lives() -> list[Case]:
    metric = {"run_id": "{run}", "key": "m", "value": 1, "timestamp": LONG_AGO}
    return [
        post("runs/delete", "a run", {"run_id": "{run}"}),
        post("runs/delete", "once more", {"run_id": "{run}"}),
        post("runs/delete", "unknown id", {"run_id": NOT_THERE}),
        post("runs/delete", "no id", {}),
        get("runs/get", "a deleted one", ("run_id", "{run}")),
        post("runs/update", "a deleted one", {"run_id": "{run}", "status": "FINISHED"}),
        post("runs/log-metric", "a deleted one", metric),
        post("runs/log-parameter", "a deleted one", {"run_id": "{run}", "key": "late", "value": "v"}),
        post("runs/set-tag", "a deleted one", {"run_id": "{run}", "key": "late", "value": "v"}),
        post("runs/delete-tag", "a deleted one", {"run_id": "{run}", "key": "k"}),
        post("runs/log-batch", "a deleted one", {"run_id": "{run}", "metrics": [metric]}),
        post("runs/log-inputs", "a deleted one", {"run_id": "{run}", "datasets": []}),
        post("runs/search", "without the deleted", {"experiment_ids": ["{exp}"], "filter": "tags.a = '1'"}),
        post("runs/search", "the deleted only", {"experiment_ids": ["{exp}"], "run_view_type": "DELETED_ONLY"}),
        post("runs/restore", "a run", {"run_id": "{run}"}),
        post("runs/restore", "once more", {"run_id": "{run}"}),
        post("runs/restore", "unknown id", {"run_id": NOT_THERE}),
        post("runs/restore", "no id", {}),
        get("runs/get", "a restored one", ("run_id", "{run}")),
    ]


def metrics() -> list[Case]:
    path = "runs/log-metric"
    metric = {"run_id": "{run}", "key": "loss", "value": 0.5, "timestamp": LONG_AGO, "step": 1}
    scrap = {**metric, "run_id": "{scrap}"}
    return [
        post("experiments/create", "for metrics", {"name": "wire-metrics"}, exp="experiment_id"),
        post(
            "runs/create",
            "for metrics",
            {"experiment_id": "{exp}", "run_name": "m", "start_time": 1},
            run="run.info.run_id",
        ),
        post(
            "runs/create",
            "for what is taken or not",
            {"experiment_id": "{exp}", "run_name": "scrap", "start_time": 1},
            scrap="run.info.run_id",
        ),
        post(path, "a point", metric),
        post(path, "the same again", metric),
        post(path, "an earlier step", {**metric, "value": 9, "step": 0}),
        post(path, "a later time", {**metric, "value": 0.25, "timestamp": LONG_AGO + 1}),
        post(path, "an earlier time", {**metric, "value": 7.0, "timestamp": LONG_AGO - 1}),
        post(path, "a greater value at one time", {**metric, "value": 0.75, "timestamp": LONG_AGO + 1}),
        post(path, "a lesser value at one time", {**metric, "value": 0.1, "timestamp": LONG_AGO + 1}),
        post(path, "a step below zero", {**metric, "key": "below", "step": -3}),
        post(path, "without a step", {"run_id": "{run}", "key": "stepless", "value": 3, "timestamp": LONG_AGO}),
        post(path, "by run_uuid", {"run_uuid": "{run}", "key": "by-uuid", "value": 1, "timestamp": LONG_AGO}),
        post(path, "not a number", {**metric, "key": "nan", "value": "NaN"}),
        post(path, "then a number", {**metric, "key": "nan", "value": 1.0}),
        post(path, "infinity", {**metric, "key": "inf", "value": "Infinity"}),
        post(path, "less than all", {**metric, "key": "minus-inf", "value": "-Infinity"}),
        raw(path, "NaN as Python writes it", b'{"run_id": "{scrap}", "key": "bare-nan", "value": NaN, "timestamp": 1}'),
        raw(
            path,
            "Infinity as Python writes it",
            b'{"run_id": "{scrap}", "key": "bare-inf", "value": Infinity, "timestamp": 1}',
        ),
        raw(path, "more than a double", b'{"run_id": "{scrap}", "key": "huge", "value": 1e400, "timestamp": 1}'),
        post(path, "the greatest double", {**metric, "key": "max", "value": 1.7976931348623157e308}),
        post(path, "the least double", {**metric, "key": "tiny", "value": 5e-324}),
        post(path, "minus zero", {**metric, "key": "minus-zero", "value": -0.0}),
        post(path, "an integer of 2^53 + 1", {**metric, "key": "large", "value": 2**53 + 1}),
        post(path, "a number in a string", {**metric, "key": "string", "value": "0.125"}),
        post(path, "value is no number", {**metric, "value": "much"}),
        post(path, "value is a bool", {**scrap, "value": True}),
        post(path, "value is null", {**metric, "value": None}),
        post(path, "no value", {"run_id": "{run}", "key": "loss", "timestamp": 1}),
        post(path, "no time", {"run_id": "{run}", "key": "loss", "value": 1}),
        post(path, "time zero", {**metric, "key": "zero", "timestamp": 0}),
        post(path, "a time below zero", {**metric, "key": "before", "timestamp": -5}),
        post(path, "time as a string", {**metric, "key": "time-string", "timestamp": str(LONG_AGO)}),
        post(path, "time with a fraction", {**scrap, "key": "time-fraction", "timestamp": 1.5}),
        post(path, "time as a float", {**metric, "key": "time-float", "timestamp": 2.0}),
        post(path, "time is no number", {**metric, "timestamp": "noon"}),
        post(path, "step as a string", {**metric, "key": "step-string", "step": "12"}),
        post(path, "step with a fraction", {**scrap, "key": "step-fraction", "step": 1.5}),
        post(path, "the greatest step", {**metric, "key": "step-max", "step": 2**63 - 1}),
        post(path, "a step too great", {**scrap, "key": "step-over", "step": 2**63}),
        post(path, "no key", {"run_id": "{run}", "value": 1, "timestamp": 1}),
        post(path, "empty key", {**metric, "key": ""}),
        post(path, "a key with slashes", {**metric, "key": "val/loss"}),
        post(path, "a unicode key", {**metric, "key": "точность"}),
        post(path, "a key of 250", {**metric, "key": "k" * 250}),
        post(path, "a key of 251", {**metric, "key": "k" * 251}),
        post(path, "a key that climbs", {**metric, "key": "a/../b"}),
        post(path, "a key with a bad character", {**metric, "key": "a*b"}),
        post(path, "unknown run", {**metric, "run_id": NOT_THERE}),
        post(path, "no run", {"key": "loss", "value": 1, "timestamp": 1}),
        post(path, "of a dataset", {**metric, "key": "on-data", "dataset_name": "d", "dataset_digest": "abc"}),
        get("runs/get", "with its latest metrics", ("run_id", "{run}")),
        *history(),
        *batches(),
    ]


def history() -> list[Case]:
    path, of = "metrics/get-history", ("run_id", "{run}")
    bulk = "metrics/get-history-bulk-interval"
    loss, runs_ = ("metric_key", "loss"), ("run_ids", "{run}")
    return [
        get(path, "in order", of, loss),
        get(path, "by run_uuid", ("run_uuid", "{run}"), loss),
        get(path, "not numbers", of, ("metric_key", "nan")),
        get(path, "infinity", of, ("metric_key", "inf")),
        get(path, "a key with slashes", of, ("metric_key", "val/loss")),
        get(path, "unknown key", of, ("metric_key", "nothing")),
        get(path, "unknown run", ("run_id", NOT_THERE), loss),
        get(path, "no key", of),
        get(path, "no run", loss),
        get(path, "two", of, loss, ("max_results", "2"), token="next_page_token"),
        get(path, "the next two", of, loss, ("max_results", "2"), ("page_token", "{token}")),
        get(path, "a page of none", of, loss, ("max_results", "0")),
        get(path, "a page of less", of, loss, ("max_results", "-1")),
        get(path, "page size is no number", of, loss, ("max_results", "many")),
        get(path, "a token that is none", of, loss, ("max_results", "2"), ("page_token", "garbage")),
        get(bulk, "of a run", runs_, loss),
        get(bulk, "of two runs", runs_, ("run_ids", NOT_THERE), loss),
        get(bulk, "steps", runs_, loss, ("start_step", "1"), ("end_step", "1")),
        get(bulk, "steps, wrong way", runs_, loss, ("start_step", "2"), ("end_step", "1")),
        get(bulk, "half of the steps", runs_, loss, ("start_step", "1")),
        get(bulk, "at most one", runs_, loss, ("max_results", "1")),
        get(bulk, "at most none", runs_, loss, ("max_results", "0")),
        get(bulk, "no runs", loss),
        get(bulk, "no key", runs_),
        get(bulk, "101 runs", *[runs_] * 101, loss),
        get("/ajax-api/2.0/mlflow/metrics/get-history-bulk", "as the UI asks", ("run_id", "{run}"), loss),
    ]


def point(key: str, value: Any = 1.0, **more: Any) -> dict[str, Any]:
    return {"key": key, "value": value, "timestamp": LONG_AGO, "step": 0, **more}


def batches() -> list[Case]:
    path, of = "runs/log-batch", {"run_id": "{batch}"}
    many = [point(f"m{number}") for number in range(1000)]
    texts = [{"key": f"p{number}", "value": "v"} for number in range(101)]
    return [
        post(
            "runs/create",
            "for batches",
            {"experiment_id": "{exp}", "run_name": "b", "start_time": 1},
            batch="run.info.run_id",
        ),
        post(
            path,
            "of each",
            {**of, "metrics": [point("a"), point("b", "NaN", step=3)], "params": tags(p="1"), "tags": tags(t="1")},
        ),
        post(
            path,
            "the same again",
            {**of, "metrics": [point("a"), point("b", "NaN", step=3)], "params": tags(p="1"), "tags": tags(t="1")},
        ),
        post(path, "empty", {**of, "metrics": [], "params": [], "tags": []}),
        post(path, "nothing at all", of),
        post(
            path,
            "one metric's points",
            {**of, "metrics": [point("c", value, step=step) for value, step in ((1, 5), (2, 3), (3, 9), (4, 9))]},
        ),
        post(path, "one tag twice", {**of, "tags": [{"key": "twice", "value": "1"}, {"key": "twice", "value": "2"}]}),
        post(
            path,
            "one param twice, same value",
            {**of, "params": [{"key": "q", "value": "1"}, {"key": "q", "value": "1"}]},
        ),
        post(
            path,
            "one param twice, other value",
            {**of, "params": [{"key": "r", "value": "1"}, {"key": "r", "value": "2"}]},
        ),
        post(
            path,
            "a param that is there, other value",
            {**of, "params": tags(p="2"), "metrics": [point("unwritten")], "tags": tags(unwritten="1")},
        ),
        post(path, "a param too long", {**of, "params": tags(long="v" * 6001)}),
        post(path, "a tag too long", {**of, "tags": tags(long="v" * 8001)}),
        post(path, "a metric with a bad key", {**of, "metrics": [point("unwritten"), point("bad?")]}),
        post(path, "a metric that is no number", {"run_id": "{scrap}", "metrics": [point("x", "much")]}),
        post(path, "a metric without a value", {**of, "metrics": [{"key": "valueless", "timestamp": 1}]}),
        post(path, "a metric without a time", {**of, "metrics": [{"key": "timeless", "value": 1}]}),
        post(path, "a metric without a key", {**of, "metrics": [{"value": 1, "timestamp": 1}]}),
        post(path, "a metric without a step", {**of, "metrics": [{"key": "stepless", "value": 1, "timestamp": 1}]}),
        post(path, "a param without a key", {**of, "params": [{"value": "v"}]}),
        post(path, "a param without a value", {**of, "params": [{"key": "valueless"}]}),
        post(path, "a tag without a key", {**of, "tags": [{"value": "v"}]}),
        post(path, "metrics are an object", {**of, "metrics": {"key": "a"}}),
        post(path, "a metric is a string", {**of, "metrics": ["a"]}),
        post(path, "a metric is null", {**of, "metrics": [None]}),
        post(path, "1000 metrics", {**of, "metrics": many}),
        post(path, "1001 metrics", {**of, "metrics": [*many, point("over")]}),
        post(path, "100 params", {**of, "params": texts[:100]}),
        post(path, "101 params", {**of, "params": texts}),
        post(path, "101 tags", {**of, "tags": texts}),
        post(path, "1001 in all", {**of, "metrics": many, "tags": tags(t="1")}),
        post(
            path,
            "more than a megabyte",
            {
                **of,
                "tags": [{"key": f"t{number}", "value": "v" * 7990} for number in range(99)],
                "params": [{"key": f"s{number}", "value": "v" * 5990} for number in range(60)],
            },
        ),
        post(path, "unknown run", {"run_id": NOT_THERE, "metrics": [point("a")]}),
        post(path, "no run", {"metrics": [point("a")]}),
        post(
            "runs/search",
            "of a refused batch, metrics",
            {"experiment_ids": ["{exp}"], "filter": "metrics.unwritten > 0"},
        ),
        post(
            "runs/search", "of a refused batch, tags", {"experiment_ids": ["{exp}"], "filter": "tags.unwritten = '1'"}
        ),
        get("metrics/get-history", "of points in one batch", ("run_id", "{batch}"), ("metric_key", "c")),
        get("metrics/get-history", "of a point written twice", ("run_id", "{batch}"), ("metric_key", "b")),
        get("runs/get", "after its batches", ("run_id", "{batch}")),
    ]


def inputs() -> list[Case]:
    path, of, scrap = "runs/log-inputs", {"run_id": "{run}"}, {"run_id": "{scrap}"}
    data = {
        "name": "iris",
        "digest": "d1",
        "source_type": "local",
        "source": '{"uri": "x"}',
        "schema": "{}",
        "profile": "{}",
    }
    entry = {"dataset": data, "tags": [{"key": "mlflow.data.context", "value": "training"}]}
    return [
        post("experiments/create", "for inputs", {"name": "wire-inputs"}, exp="experiment_id"),
        post(
            "runs/create",
            "for inputs",
            {"experiment_id": "{exp}", "run_name": "i", "start_time": 1},
            run="run.info.run_id",
        ),
        post(
            "runs/create",
            "for what is taken or not",
            {"experiment_id": "0", "run_name": "scrap", "start_time": 1},
            scrap="run.info.run_id",
        ),
        post(path, "a dataset", {**of, "datasets": [entry]}),
        post(path, "the same again", {**of, "datasets": [entry]}),
        post(
            path,
            "the same, other context",
            {**of, "datasets": [{**entry, "tags": [{"key": "mlflow.data.context", "value": "eval"}]}]},
        ),
        post(path, "another digest, no tags", {**of, "datasets": [{"dataset": {**data, "digest": "d2"}}]}),
        post(
            path,
            "without schema and profile",
            {
                **of,
                "datasets": [{"dataset": {k: data[k] for k in ("name", "source_type", "source")} | {"digest": "d3"}}],
            },
        ),
        post(path, "nothing", of),
        post(path, "no name", {**scrap, "datasets": [{"dataset": {k: v for k, v in data.items() if k != "name"}}]}),
        post(path, "no digest", {**scrap, "datasets": [{"dataset": {k: v for k, v in data.items() if k != "digest"}}]}),
        post(
            path,
            "no source type",
            {**scrap, "datasets": [{"dataset": {k: v for k, v in data.items() if k != "source_type"}}]},
        ),
        post(path, "no source", {**scrap, "datasets": [{"dataset": {k: v for k, v in data.items() if k != "source"}}]}),
        post(path, "no dataset", {**scrap, "datasets": [{"tags": []}]}),
        post(path, "a name of 501", {**of, "datasets": [{"dataset": {**data, "name": "n" * 501}}]}),
        post(path, "a digest of 37", {**of, "datasets": [{"dataset": {**data, "digest": "d" * 37}}]}),
        post(path, "a tag's key of 256", {**of, "datasets": [{**entry, "tags": [{"key": "k" * 256, "value": "v"}]}]}),
        post(path, "a tag's value of 501", {**of, "datasets": [{**entry, "tags": [{"key": "k", "value": "v" * 501}]}]}),
        post(path, "datasets are an object", {**of, "datasets": entry}),
        post(path, "unknown run", {"run_id": NOT_THERE, "datasets": [entry]}),
        post(path, "no run", {"datasets": [entry]}),
        get("runs/get", "with its inputs", ("run_id", "{run}")),
        post("runs/search", "by dataset", {"experiment_ids": ["{exp}"], "filter": "datasets.name = 'iris'"}),
        post("runs/search", "by context", {"experiment_ids": ["{exp}"], "filter": "dataset.context = 'eval'"}),
        post("runs/search", "by other dataset", {"experiment_ids": ["{exp}"], "filter": "dataset.digest = 'none'"}),
        post("/ajax-api/2.0/mlflow/experiments/search-datasets", "of an experiment", {"experiment_ids": ["{exp}"]}),
        post("/ajax-api/2.0/mlflow/experiments/search-datasets", "of none", {"experiment_ids": []}),
        post("/ajax-api/2.0/mlflow/experiments/search-datasets", "of 21", {"experiment_ids": ["{exp}"] * 21}),
        post(
            "/ajax-api/2.0/mlflow/experiments/search-datasets", "of an unknown one", {"experiment_ids": ["987654321"]}
        ),
        post("runs/outputs", "an output", {**of, "models": [{"model_id": "m-" + NOT_THERE, "step": 2}]}),
        post("runs/outputs", "none", {**of, "models": []}),
        post("runs/outputs", "no models", of),
        post("runs/outputs", "no run", {"models": [{"model_id": "m-" + NOT_THERE, "step": 2}]}),
        post("runs/outputs", "unknown run", {"run_id": NOT_THERE, "models": [{"model_id": "m-x", "step": 0}]}),
        post(path, "models", {**of, "models": [{"model_id": "m-" + NOT_THERE}]}),
        get("runs/get", "with its outputs", ("run_id", "{run}")),
        post(
            "runs/log-model",
            "a model",
            {
                **of,
                "model_json": '{"artifact_path": "model", "run_id": "r", "flavors": {"python_function": {}}, '
                '"utc_time_created": "2026-01-01 00:00:00.000000"}',
            },
        ),
        post("runs/log-model", "no JSON", {**of, "model_json": "nonsense"}),
        post("runs/log-model", "fields missing", {**of, "model_json": "{}"}),
        post("runs/log-model", "JSON, but a list", {**of, "model_json": "[]"}),
        post("runs/log-model", "no model", of),
        post("runs/log-model", "no run", {"model_json": "{}"}),
        get("runs/get", "with its model's tag", ("run_id", "{run}")),
    ]


def searched_runs() -> list[Case]:
    found: list[Case] = [post("experiments/create", "for searches", {"name": "wire-search"}, exp="experiment_id")]
    rows: list[dict[str, Any]] = [
        {
            "metrics": [point("acc", 0.9), point("loss", 1.0)],
            "params": tags(lr="0.1", opt="sgd"),
            "tags": tags(team="a"),
        },
        {
            "metrics": [point("acc", 0.5), point("loss", "NaN")],
            "params": tags(lr="0.01", opt="Adam"),
            "tags": tags(team="b"),
        },
        {
            "metrics": [point("acc", "Infinity")],
            "params": tags(lr="1e-3", opt="adam"),
            "tags": [{"key": "odd key", "value": "x'y"}],
        },
        {"metrics": [point("acc", "NaN"), point("val/acc", 2.0)], "params": tags(opt="100%_done")},
        {"metrics": [point("acc", -1)], "params": [], "tags": tags(team="A")},
        {"params": tags(lr="0.1")},
    ]
    for number, row in enumerate(rows):
        start = {
            "experiment_id": "{exp}",
            "run_name": f"run-{number}",
            "start_time": LONG_AGO + min(number, 4) * 1000,
            "user_id": "ada" if number % 2 else "bob",
        }
        found += [
            post("runs/create", f"row {number}", start, **{f"row{number}": "run.info.run_id"}),
            post("runs/log-batch", f"row {number}", {"run_id": f"{{row{number}}}", **row}),
        ]
    found += [
        post("runs/update", "row 1 ends", {"run_id": "{row1}", "status": "FINISHED", "end_time": LONG_AGO + 10_000}),
        post("runs/update", "row 2 fails", {"run_id": "{row2}", "status": "FAILED", "end_time": LONG_AGO + 5_000}),
    ]

    def search(title: str, filter_string: str = "", *order: str, **more: Any) -> Case:
        body = {"experiment_ids": ["{exp}"], "filter": filter_string, "order_by": list(order), **more}
        return post("runs/search", title, {key: value for key, value in body.items() if value not in ("", [])})

    by_name = "attributes.run_name ASC"
    return [
        *found,
        search("newest first", "run_name != 'run-5'"),
        search("oldest first", "", "start_time ASC", by_name),
        search("by name", "", by_name),
        search("by name, descending", "", "attributes.run_name DESC"),
        search("by metric, ascending", "", "metrics.acc ASC", by_name),
        search("by metric, descending", "", "metrics.acc DESC", by_name),
        search("by metric with a slash", "", "metrics.`val/acc` DESC", by_name),
        search("by metric that few have", "", "metrics.loss", by_name),
        search("by param", "", "params.lr ASC", by_name),
        search("by param, descending", "", "params.opt DESC", by_name),
        search("by tag", "", "tags.team ASC", by_name),
        search("by end", "", "end_time DESC", by_name),
        search("by status", "", "status ASC", by_name),
        search("by several", "", "params.lr DESC", "metrics.acc ASC", by_name),
        search("by nothing there", "", "metrics.nothing DESC", by_name),
        search("by something wrong", "", "weather"),
        search("by direction wrong", "", "metrics.acc UP"),
        search("order is a string", order_by="metrics.acc"),
        search("order holds a number", order_by=[1]),
        search("metric greater", "metrics.acc > 0.6", by_name),
        search("metric less, NaN and infinity", "metrics.acc < 100", by_name),
        search("metric at least", "metrics.acc >= 0.5", by_name),
        search("metric not equal", "metrics.acc != 0.9", by_name),
        search("metric equal", "metric.acc = 0.9", by_name),
        search("metric against a string", "metrics.acc > 'x'"),
        search("metric LIKE", "metrics.acc LIKE '1'"),
        search("metric with backticks", "metrics.`val/acc` = 2", by_name),
        search("metric with quotes", 'metrics."val/acc" = 2', by_name),
        search("param equal", "params.opt = 'adam'", by_name),
        search("param not equal", "params.lr != '0.1'", by_name),
        search("param LIKE", "params.opt LIKE 'a%'", by_name),
        search("param ILIKE", "params.opt ILIKE 'a%'", by_name),
        search("param LIKE, a percent of its own", "params.opt LIKE '100%'", by_name),
        search("param against a number", "params.lr = 0.1"),
        search("param greater", "params.lr > '0.1'"),
        search("param in double quotes", 'params.lr = "0.1"', by_name),
        search("param IS NULL", "params.lr IS NULL", by_name),
        search("param IS NOT NULL", "params.lr IS NOT NULL", by_name),
        search("tag equal", "tags.team = 'a'", by_name),
        search("tag with a space", 'tags.`odd key` = "x\'y"', by_name),
        search("tag IS NULL", "tags.team IS NULL", by_name),
        search("tag ILIKE", "tags.team ILIKE 'A'", by_name),
        search("status", "attributes.status = 'RUNNING'", by_name),
        search("status, none such", "status = 'ASLEEP'", by_name),
        search("status not", "attribute.status != 'RUNNING'", by_name),
        search("name", "run_name = 'run-3'", by_name),
        search("name, spaced", "`run name` LIKE 'run-%'", by_name),
        search("name by tag", "tags.mlflow.runName = 'run-3'", by_name),
        search("user", "attributes.user_id = 'ada'", by_name),
        search("times", f"start_time > {LONG_AGO} AND end_time <= {LONG_AGO + 5000}", by_name),
        search("time against a string", "start_time > 'x'"),
        search("id", "attributes.run_id = '{row2}'"),
        search("ids", "attributes.run_id IN ('{row2}', '{row0}')", by_name),
        search("not ids", "run_id NOT IN ('{row2}', '{row0}')", by_name),
        search("ids, empty", "run_id IN ()"),
        search("both", "metrics.acc > 0 AND params.opt = 'sgd' and tags.team = 'a'", by_name),
        search("either", "metrics.acc > 0 OR params.opt = 'sgd'"),
        search("in brackets", "(metrics.acc > 0)", by_name),
        search("nothing meets it", "params.opt = 'none'"),
        search("an unknown entity", "weather.acc > 1"),
        search("an unknown attribute", "attributes.weather = 'x'"),
        search("half done", "metrics.acc >"),
        search("no comparison", "metrics.acc"),
        search("a quote left open", "params.opt = 'sgd"),
        search("no AND between", "metrics.acc > 0 metrics.acc < 1"),
        search("nonsense", ";;; DROP TABLE runs"),
        search("filter is a number", filter=5),
        post(
            "runs/search",
            "two",
            {"experiment_ids": ["{exp}"], "order_by": [by_name], "max_results": 2},
            token="next_page_token",
        ),
        post(
            "runs/search",
            "the next two",
            {"experiment_ids": ["{exp}"], "order_by": [by_name], "max_results": 2, "page_token": "{token}"},
            token2="next_page_token",
        ),
        post(
            "runs/search",
            "the last two",
            {"experiment_ids": ["{exp}"], "order_by": [by_name], "max_results": 2, "page_token": "{token2}"},
        ),
        search("a token that is none", page_token="garbage"),
        search("a page of none", max_results=0),
        search("a page of less", max_results=-1),
        search("a page of 50000", "params.opt = 'sgd'", max_results=50_000),
        search("a page of 50001", max_results=50_001),
        search("page size as a string", "", by_name, max_results="1"),
        search("page size is no number", max_results="many"),
        search("a view that is none", "run_name != 'run-5'", run_view_type="SOME"),
        search("a view", "", by_name, run_view_type="ACTIVE_ONLY"),
        post("runs/search", "no experiments", {}),
        post("runs/search", "an unknown experiment", {"experiment_ids": ["987654321"]}),
        post("runs/search", "one experiment twice", {"experiment_ids": ["{exp}", "{exp}"], "order_by": [by_name]}),
        post("runs/search", "experiments as a string", {"experiment_ids": "{exp}"}),
        post(
            "/ajax-api/2.0/mlflow/runs/search",
            "the other prefix",
            {"experiment_ids": ["{exp}"], "order_by": [by_name], "max_results": 1},
        ),
    ]


def logged_models() -> list[Case]:
    path, search = "logged-models", "logged-models/search"
    model = {"experiment_id": "{exp}", "name": "wire-lm"}
    one, lm = "logged-models/{lm}", {"model_id": "{lm}"}
    gone = "logged-models/m-" + NOT_THERE
    within = {"experiment_ids": ["{exp}"]}
    by_name = [{"field_name": "name", "ascending": True}]
    return [
        post("experiments/create", "for logged models", {"name": "wire-logged"}, exp="experiment_id"),
        post(
            "runs/create",
            "for logged models",
            {"experiment_id": "{exp}", "run_name": "l", "start_time": 1},
            run="run.info.run_id",
        ),
        post(
            path,
            "a model",
            {**model, "model_type": "t", "source_run_id": "{run}", "params": tags(p="1"), "tags": tags(t="1")},
            lm="model.info.model_id",
        ),
        post(path, "the same name again", {**model, "tags": tags(t="2")}, lm2="model.info.model_id"),
        post(path, "no name", {"experiment_id": "0"}, scrap="model.info.model_id"),
        post(path, "no experiment", {"name": "x"}),
        post(path, "unknown experiment", {**model, "experiment_id": "987654321"}),
        post(path, "name is a number", {**model, "name": 5}),
        post(path, "a name with a slash", {**model, "name": "a/b"}),
        post(path, "a name with a colon", {**model, "name": "a:b"}),
        post(path, "a name with a percent", {**model, "name": "a%b"}),
        post(
            path, "unknown run", {**model, "experiment_id": "0", "name": "wire-lm-orphan", "source_run_id": NOT_THERE}
        ),
        post(path, "a param too long", {**model, "experiment_id": "0", "params": tags(p="v" * 6001)}),
        post(path, "tags are an object", {**model, "tags": {"a": "b"}}),
        get(one, "it"),
        get(gone, "an unknown one"),
        get("logged-models/nonsense", "an id that can't be"),
        patch(one, "ready", {**lm, "status": "LOGGED_MODEL_READY"}),
        patch(one, "a status that is none", {**lm, "status": "ASLEEP"}),
        patch(one, "failed, by number", {**lm, "status": 3}),
        patch(one, "no status", lm),
        patch(one, "the id in the path only", {"status": "LOGGED_MODEL_READY"}),
        patch(gone, "an unknown one", {"model_id": "m-" + NOT_THERE, "status": "LOGGED_MODEL_READY"}),
        patch(one + "/tags", "tags", {"tags": tags(t="3", u="ü")}),
        patch(one + "/tags", "no tags", {}),
        patch("logged-models/{scrap}/tags", "a tag without a key", {"tags": [{"value": "x"}]}),
        patch(gone + "/tags", "an unknown one", {"tags": tags(t="3")}),
        delete(one + "/tags/u", "a tag"),
        delete(one + "/tags/u", "the same again"),
        delete(gone + "/tags/u", "an unknown one"),
        post(one + "/params", "params", {**lm, "params": tags(q="2")}),
        post(one + "/params", "the same again", {**lm, "params": tags(q="2")}),
        post(one + "/params", "other value", {**lm, "params": tags(q="3")}),
        post(one + "/params", "none", {**lm, "params": []}),
        post(one + "/params", "the id in the path only", {"params": tags(q="2")}),
        post(gone + "/params", "an unknown one", {"model_id": "m-" + NOT_THERE, "params": tags(q="2")}),
        get(one, "it, with all of it"),
        post("runs/outputs", "the model", {"run_id": "{run}", "models": [{"model_id": "{lm}", "step": 1}]}),
        post("runs/log-inputs", "the model", {"run_id": "{run}", "models": [{"model_id": "{lm2}"}]}),
        post(
            "runs/log-metric",
            "of a model",
            {
                "run_id": "{run}",
                "key": "acc",
                "value": 0.5,
                "timestamp": 5,
                "step": 1,
                "model_id": "{lm}",
                "dataset_name": "d",
                "dataset_digest": "x",
            },
        ),
        post(
            "runs/log-batch", "of a model", {"run_id": "{run}", "metrics": [{**point("f1", 0.25), "model_id": "{lm}"}]}
        ),
        post(
            "runs/log-metric",
            "of an unknown model",
            {"run_id": "{run}", "key": "acc", "value": 0.5, "timestamp": 5, "model_id": "m-" + NOT_THERE},
        ),
        get(one, "it, with metrics"),
        get("runs/get", "with its models", ("run_id", "{run}")),
        post(search, "all", within),
        post(search, "by name", {**within, "filter": "name = 'wire-lm'", "order_by": by_name}),
        post(search, "by attribute", {**within, "filter": "attributes.status = 'FAILED'"}),
        post(search, "by status as named", {**within, "filter": "status = 'LOGGED_MODEL_UPLOAD_FAILED'"}),
        post(search, "by id", {**within, "filter": "model_id = '{lm2}'"}),
        post(search, "by tag", {**within, "filter": "tags.t = '2'"}),
        post(search, "by param", {**within, "filter": "params.p = '1'"}),
        post(search, "by metric", {**within, "filter": "metrics.acc > 0.1"}),
        post(
            search,
            "by metric of a dataset",
            {**within, "filter": "metrics.acc > 0.1", "datasets": [{"dataset_name": "d", "dataset_digest": "x"}]},
        ),
        post(
            search,
            "by metric of another dataset",
            {**within, "filter": "metrics.acc > 0.1", "datasets": [{"dataset_name": "e"}]},
        ),
        post(search, "by source run", {**within, "filter": "source_run_id = '{run}'"}),
        post(search, "a dataset without a name", {**within, "datasets": [{"dataset_digest": "x"}]}),
        post(search, "by metric, ordered", {**within, "order_by": [{"field_name": "metrics.acc", "ascending": False}]}),
        post(search, "ordered by nothing", {**within, "order_by": [{"field_name": "weather"}]}),
        post(search, "ordered without a field", {**within, "order_by": [{"ascending": True}]}),
        post(
            search,
            "oldest first",
            {**within, "order_by": [{"field_name": "creation_time", "ascending": True}], "max_results": 1},
            token="next_page_token",
        ),
        post(
            search,
            "the next",
            {
                **within,
                "order_by": [{"field_name": "creation_time", "ascending": True}],
                "max_results": 1,
                "page_token": "{token}",
            },
        ),
        post(search, "the next of another order", {**within, "max_results": 1, "page_token": "{token}"}),
        post(search, "a token that is none", {**within, "page_token": "garbage"}),
        post(search, "a bad filter", {**within, "filter": "weather = 'x'"}),
        post(search, "a page of none", {**within, "max_results": 0}),
        post(search, "a page of less", {**within, "max_results": -1}),
        post(search, "a page of 51", {**within, "max_results": 51}),
        post(search, "no experiments", {}),
        post(search, "unknown experiment", {"experiment_ids": ["987654321"]}),
        get(one + "/artifacts/directories", "its files"),
        get(gone + "/artifacts/directories", "an unknown one"),
        delete("logged-models/{lm2}", "it"),
        delete("logged-models/{lm2}", "the same again"),
        get("logged-models/{lm2}", "a deleted one"),
        delete(gone, "an unknown one"),
        post(search, "without the deleted", within),
    ]


def registry() -> list[Case]:
    create, update, model = "registered-models/create", "registered-models/update", {"name": "wire-model"}
    search, like = "registered-models/search", ("filter", "name LIKE 'wire-model%'")
    return [
        post(create, "all fields", {**model, "description": "about", "tags": tags(t="1")}),
        post(create, "a name only", {"name": "wire-model-b"}),
        post(create, "the name is taken", model),
        post(create, "no name", {}),
        post(create, "empty name", {"name": ""}),
        post(create, "a name with a slash", {"name": "wire-model/x"}),
        post(create, "a name with a colon", {"name": "wire-model:x"}),
        post(create, "a name with a percent and a space", {"name": "wire-model 100%"}),
        post(create, "a unicode name", {"name": "wire-model-日本"}),
        post(create, "257 characters", {"name": "wire-odd-" + "n" * 248}),
        post(create, "name is a number", {"name": 5}),
        post(create, "a description of 5001", {"name": "wire-odd-long", "description": "d" * 5001}),
        post(
            create,
            "one tag twice",
            {"name": "wire-model-twice", "tags": [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]},
        ),
        post(create, "a tag without a key", {"name": "wire-model-keyless", "tags": [{"value": "1"}]}),
        get("registered-models/get", "by name", ("name", "wire-model")),
        get("registered-models/get", "with little", ("name", "wire-model-b")),
        get("registered-models/get", "percent and space", ("name", "wire-model 100%")),
        get("registered-models/get", "unknown name", ("name", "wire-nobody")),
        get("registered-models/get", "no name"),
        patch(update, "a description", {**model, "description": "new"}),
        patch(update, "an empty description", {"name": "wire-model-b", "description": ""}),
        patch(update, "no description", model),
        patch(update, "unknown name", {"name": "wire-nobody", "description": "x"}),
        patch(update, "no name", {"description": "x"}),
        post("registered-models/set-tag", "a tag", {**model, "key": "k", "value": "v"}),
        post("registered-models/set-tag", "other value", {**model, "key": "k", "value": "w"}),
        post("registered-models/set-tag", "no value", {**model, "key": "none"}),
        post("registered-models/set-tag", "no key", {**model, "value": "v"}),
        post("registered-models/set-tag", "a key of 251", {**model, "key": "k" * 251, "value": "v"}),
        post("registered-models/set-tag", "a value of 100001", {**model, "key": "long", "value": "v" * 100_001}),
        post("registered-models/set-tag", "unknown name", {"name": "wire-nobody", "key": "k", "value": "v"}),
        delete("registered-models/delete-tag", "a tag", {**model, "key": "none"}),
        delete("registered-models/delete-tag", "the same again", {**model, "key": "none"}),
        delete("registered-models/delete-tag", "no key", model),
        delete("registered-models/delete-tag", "unknown name", {"name": "wire-nobody", "key": "k"}),
        get(search, "by pattern", like),
        get(search, "all by name, descending", like, ("order_by", "name DESC")),
        get(search, "by time", like, ("order_by", "last_updated_timestamp ASC"), ("order_by", "name")),
        get(search, "by name", ("filter", "name = 'wire-model'")),
        get(search, "by name, none such", ("filter", "name = 'wire-nobody'")),
        get(search, "by name ILIKE", ("filter", "name ILIKE 'WIRE-MODEL-B'")),
        get(search, "by tag", ("filter", "tags.k = 'w' AND name LIKE 'wire%'")),
        get(search, "two", like, ("max_results", "2"), token="next_page_token"),
        get(search, "the next two", like, ("max_results", "2"), ("page_token", "{token}")),
        get(search, "a page of none", like, ("max_results", "0")),
        get(search, "a page of less", like, ("max_results", "-1")),
        get(search, "a page of 1001", like, ("max_results", "1001")),
        get(search, "page size is no number", like, ("max_results", "many")),
        get(search, "a token that is none", like, ("page_token", "garbage")),
        get(search, "a bad filter", ("filter", "weather = 'x'")),
        get(search, "a filter with OR", ("filter", "name = 'a' OR name = 'b'")),
        get(search, "order by nothing", ("order_by", "weather")),
        *versions(),
        *aliases_and_stages(),
        post("registered-models/rename", "it", {**model, "new_name": "wire-model-renamed"}),
        post(
            "registered-models/rename",
            "a name that is taken",
            {"name": "wire-model-renamed", "new_name": "wire-model-b"},
        ),
        post("registered-models/rename", "no new name", {"name": "wire-model-renamed"}),
        post("registered-models/rename", "a bad new name", {"name": "wire-model-renamed", "new_name": "a/b"}),
        post("registered-models/rename", "unknown name", {"name": "wire-nobody", "new_name": "wire-x"}),
        get("registered-models/get", "its old name", ("name", "wire-model")),
        get("registered-models/get", "its new name", ("name", "wire-model-renamed")),
        get("model-versions/get", "under its new name", ("name", "wire-model-renamed"), ("version", "1")),
        get("registered-models/alias", "under its new name", ("name", "wire-model-renamed"), ("alias", "best")),
        delete("model-versions/delete", "it", {"name": "wire-model-renamed", "version": "1"}),
        delete("model-versions/delete", "the same again", {"name": "wire-model-renamed", "version": "1"}),
        delete("model-versions/delete", "no version", {"name": "wire-model-renamed"}),
        get("model-versions/get", "a deleted one", ("name", "wire-model-renamed"), ("version", "1")),
        get("registered-models/alias", "of a deleted version", ("name", "wire-model-renamed"), ("alias", "best")),
        post("model-versions/create", "after a deletion", {"name": "wire-model-renamed", "source": "s3://b/m"}),
        delete("registered-models/delete", "it", {"name": "wire-model-renamed"}),
        delete("registered-models/delete", "the same again", {"name": "wire-model-renamed"}),
        delete("registered-models/delete", "no name", {}),
        get("registered-models/get", "a deleted one", ("name", "wire-model-renamed")),
        get("model-versions/search", "of a deleted one", ("filter", "name = 'wire-model-renamed'")),
        post(create, "the name of a deleted one", {"name": "wire-model-renamed"}),
        post("model-versions/create", "the first again", {"name": "wire-model-renamed", "source": "s3://b/m"}),
    ]


def versions() -> list[Case]:
    create, update, of = "model-versions/create", "model-versions/update", {"name": "wire-model", "version": "1"}
    search = "model-versions/search"
    named = ("filter", "name = 'wire-model'")
    one = (("name", "wire-model"), ("version", "1"))
    return [
        post(
            "experiments/create",
            "for versions",
            {"name": "wire-versions", "artifact_location": "s3://b/e"},
            exp="experiment_id",
        ),
        post(
            "runs/create",
            "for versions",
            {"experiment_id": "{exp}", "run_name": "v", "start_time": 1},
            run="run.info.run_id",
        ),
        post(
            create,
            "all fields",
            {
                "name": "wire-model",
                "source": "s3://b/m",
                "run_id": "{run}",
                "run_link": "http://x",
                "description": "d",
                "tags": tags(t="1"),
            },
        ),
        post(create, "a source only", {"name": "wire-model", "source": "s3://b/m2"}),
        post(create, "the source of a run", {"name": "wire-model", "source": "runs:/{run}/model", "run_id": "{run}"}),
        post(create, "of another run", {"name": "wire-model", "source": "runs:/{run}/model", "run_id": NOT_THERE}),
        post(create, "of an unknown run", {"name": "wire-model", "source": "s3://b/m3", "run_id": NOT_THERE}),
        post(create, "no source", {"name": "wire-model"}),
        post(create, "no name", {"source": "s3://b/m"}),
        post(create, "unknown name", {"name": "wire-nobody", "source": "s3://b/m"}),
        post(create, "a local source", {"name": "wire-model", "source": "/etc"}),
        post(create, "a file source", {"name": "wire-model", "source": "file:///etc"}),
        post(create, "a source that climbs", {"name": "wire-model", "source": "s3://b/../m"}),
        post(create, "a source that climbs in code", {"name": "wire-model", "source": "s3://b/%2e%2e/m"}),
        post(create, "tags are a string", {"name": "wire-model", "source": "s3://b/m", "tags": "x"}),
        get("model-versions/get", "it", *one),
        get("model-versions/get", "with little", ("name", "wire-model"), ("version", "2")),
        get("model-versions/get", "unknown version", ("name", "wire-model"), ("version", "99")),
        get("model-versions/get", "version is no number", ("name", "wire-model"), ("version", "one")),
        get("model-versions/get", "version zero", ("name", "wire-model"), ("version", "0")),
        get("model-versions/get", "no version", ("name", "wire-model")),
        get("model-versions/get", "unknown name", ("name", "wire-nobody"), ("version", "1")),
        get("model-versions/get-download-uri", "it", *one),
        get("model-versions/get-download-uri", "unknown version", ("name", "wire-model"), ("version", "99")),
        get("model-versions/get-download-uri", "no version", ("name", "wire-model")),
        patch(update, "a description", {**of, "description": "new"}),
        patch(update, "no description", of),
        patch(update, "version is a number", {"name": "wire-model", "version": 1, "description": "n"}),
        patch(update, "unknown version", {**of, "version": "99", "description": "x"}),
        patch(update, "no version", {"name": "wire-model", "description": "x"}),
        post("model-versions/set-tag", "a tag", {**of, "key": "k", "value": "v"}),
        post("model-versions/set-tag", "no key", {**of, "value": "v"}),
        post("model-versions/set-tag", "no version", {"name": "wire-model", "key": "k", "value": "v"}),
        post("model-versions/set-tag", "unknown version", {**of, "version": "99", "key": "k", "value": "v"}),
        delete("model-versions/delete-tag", "a tag", {**of, "key": "t"}),
        delete("model-versions/delete-tag", "unknown tag", {**of, "key": "t"}),
        delete("model-versions/delete-tag", "unknown version", {**of, "version": "99", "key": "t"}),
        delete("model-versions/delete-tag", "no version", {"name": "wire-model", "key": "t"}),
        get(search, "of a model", named),
        get(search, "by number, descending", named, ("order_by", "version_number DESC")),
        get(search, "by number, ascending", named, ("order_by", "version_number ASC")),
        get(search, "of a run", ("filter", "run_id = '{run}'"), ("order_by", "version_number ASC")),
        get(search, "of runs", ("filter", "run_id IN ('{run}', 'x')"), ("order_by", "version_number ASC")),
        get(search, "by source", ("filter", "source_path = 's3://b/m2'")),
        get(
            search,
            "by number",
            ("filter", "name = 'wire-model' AND version_number > 1"),
            ("order_by", "version_number"),
        ),
        get(search, "by tag", ("filter", "name = 'wire-model' AND tags.k = 'v'")),
        get(search, "one", named, ("max_results", "1"), ("order_by", "version_number ASC"), token="next_page_token"),
        get(
            search,
            "the next",
            named,
            ("max_results", "1"),
            ("order_by", "version_number ASC"),
            ("page_token", "{token}"),
        ),
        get(search, "none such", ("filter", "name = 'wire-nobody'")),
        get(search, "a bad filter", ("filter", "weather = 'x'")),
        get(search, "a page of 200001", named, ("max_results", "200001")),
        get(search, "a page of none", named, ("max_results", "0")),
        get(search, "a token that is none", named, ("page_token", "garbage")),
        get(search, "order by nothing", named, ("order_by", "weather")),
    ]


def aliases_and_stages() -> list[Case]:
    alias, of = "registered-models/alias", {"name": "wire-model", "alias": "best"}
    stage, one = "model-versions/transition-stage", {"name": "wire-model", "version": "1"}
    latest = "registered-models/get-latest-versions"
    return [
        post(alias, "an alias", {**of, "version": "1"}),
        post(alias, "moved", {**of, "version": "2"}),
        post(alias, "moved back", {**of, "version": "1"}),
        post(alias, "a second one", {"name": "wire-model", "alias": "Other-1", "version": "1"}),
        post(alias, "unknown version", {**of, "version": "99"}),
        post(alias, "version is no number", {**of, "version": "one"}),
        post(alias, "unknown name", {**of, "name": "wire-nobody", "version": "1"}),
        post(alias, "no version", of),
        post(alias, "no alias", {"name": "wire-model", "version": "1"}),
        post(alias, "latest", {**of, "alias": "latest", "version": "1"}),
        post(alias, "like a version", {**of, "alias": "v12", "version": "1"}),
        post(alias, "a bad character", {**of, "alias": "a b", "version": "1"}),
        post(alias, "a slash", {**of, "alias": "a/b", "version": "1"}),
        post(alias, "256 characters", {**of, "alias": "a" * 256, "version": "1"}),
        get(alias, "it", ("name", "wire-model"), ("alias", "best")),
        get(alias, "in other case", ("name", "wire-model"), ("alias", "BEST")),
        get(alias, "unknown alias", ("name", "wire-model"), ("alias", "nobody")),
        get(alias, "unknown name", ("name", "wire-nobody"), ("alias", "best")),
        get(alias, "no alias", ("name", "wire-model")),
        get(alias, "latest", ("name", "wire-model"), ("alias", "latest")),
        get("registered-models/get", "with aliases", ("name", "wire-model")),
        get("registered-models/search", "with aliases", ("filter", "name = 'wire-model'")),
        get("model-versions/search", "with aliases", ("filter", "name = 'wire-model'"), ("order_by", "version_number")),
        delete(alias, "it", {"name": "wire-model", "alias": "Other-1"}),
        delete(alias, "the same again", {"name": "wire-model", "alias": "Other-1"}),
        delete(alias, "no alias", {"name": "wire-model"}),
        delete(alias, "unknown name", {"name": "wire-nobody", "alias": "best"}),
        post(stage, "to production", {**one, "stage": "Production"}),
        post(stage, "in lower case", {**one, "stage": "staging"}),
        post(stage, "another to production", {"name": "wire-model", "version": "2", "stage": "Production"}),
        post(
            stage,
            "a third one, archiving",
            {"name": "wire-model", "version": "3", "stage": "Production", "archive_existing_versions": True},
        ),
        post(stage, "archiving to none", {**one, "stage": "None", "archive_existing_versions": True}),
        post(stage, "a stage that is none", {**one, "stage": "Limbo"}),
        post(stage, "no stage", one),
        post(stage, "no version", {"name": "wire-model", "stage": "Production"}),
        post(stage, "unknown version", {**one, "version": "99", "stage": "Production"}),
        post(stage, "unknown name", {"name": "wire-nobody", "version": "1", "stage": "Production"}),
        post(stage, "archive is a string", {**one, "stage": "Staging", "archive_existing_versions": "yes"}),
        post(latest, "of all stages", {"name": "wire-model"}),
        post(latest, "of a stage", {"name": "wire-model", "stages": ["Production"]}),
        post(latest, "of a stage in lower case", {"name": "wire-model", "stages": ["production", "archived"]}),
        post(latest, "of a stage that is none", {"name": "wire-model", "stages": ["Limbo"]}),
        post(latest, "stages are a string", {"name": "wire-model", "stages": "Production"}),
        post(latest, "of none", {"name": "wire-model-b"}),
        post(latest, "unknown name", {"name": "wire-nobody"}),
        post(latest, "no name", {}),
        get(latest, "GET", ("name", "wire-model"), ("stages", "Production"), ("stages", "Archived")),
        get("registered-models/get", "with stages", ("name", "wire-model")),
    ]


def artifacts() -> list[Case]:
    files = "/api/2.0/mlflow-artifacts/artifacts"
    of, listing = ("run_id", "{run}"), "artifacts/list"
    root = files + "/wire-art/{run}/artifacts"
    mpu = "/api/2.0/mlflow-artifacts/mpu"
    return [
        post(
            "experiments/create",
            "for artifacts",
            {"name": "wire-artifacts", "artifact_location": "mlflow-artifacts:/wire-art"},
            exp="experiment_id",
        ),
        post(
            "runs/create",
            "for artifacts",
            {"experiment_id": "{exp}", "run_name": "a", "start_time": 1},
            run="run.info.run_id",
        ),
        get(listing, "none yet", of),
        put(root + "/a.txt", "a text", b"one"),
        put(root + "/a.txt", "the same again, other text", b"two"),
        put(root + "/deep/er/b.bin", "bytes", bytes(range(256))),
        put(root + "/deep/c.json", "JSON", b'{"a": 1}'),
        put(root + "/deep/empty.txt", "nothing in it", b""),
        put(root + "/deep/%C3%BC%20100%25.txt", "unicode, space, percent", b"odd"),
        get(root + "/a.txt", "a text"),
        get(root + "/deep/er/b.bin", "bytes"),
        get(root + "/deep/empty.txt", "nothing in it"),
        get(root + "/deep/%C3%BC%20100%25.txt", "unicode, space, percent"),
        get(root + "/nothing.txt", "unknown file"),
        get(root + "/deep", "a folder"),
        put(files + "/../up.txt", "climbing", b"x"),
        put(files + "/a/%2e%2e/%2e%2e/up.txt", "climbing in code", b"x"),
        get(files + "/%2Fetc/passwd", "from the root"),
        get(files, "list a folder", ("path", "wire-art/{run}/artifacts")),
        get(files, "list deeper", ("path", "wire-art/{run}/artifacts/deep")),
        get(files, "list a file", ("path", "wire-art/{run}/artifacts/a.txt")),
        get(files, "list an unknown folder", ("path", "wire-art/nowhere")),
        get(files, "list, climbing", ("path", "../x")),
        get(listing, "the run's", of),
        get(listing, "by run_uuid", ("run_uuid", "{run}")),
        get(listing, "a folder", of, ("path", "deep")),
        get(listing, "a file", of, ("path", "a.txt")),
        get(listing, "an unknown folder", of, ("path", "nowhere")),
        get(listing, "climbing", of, ("path", "../..")),
        get(listing, "from the root", of, ("path", "/etc")),
        get(listing, "unknown run", ("run_id", NOT_THERE)),
        get(listing, "no run"),
        get("/get-artifact", "as the UI downloads", ("run_uuid", "{run}"), ("path", "a.txt")),
        get("/get-artifact", "climbing", ("run_uuid", "{run}"), ("path", "../../a.txt")),
        get("/get-artifact", "unknown run", ("run_uuid", NOT_THERE), ("path", "a.txt")),
        delete(root + "/a.txt", "a file"),
        delete(root + "/a.txt", "the same again"),
        delete(root + "/deep", "a folder"),
        get(listing, "after deletion", of),
        post(mpu + "/create/wire-art/{run}/artifacts/big", "two parts", {"path": "big", "num_parts": 2}),
        post("artifacts/presigned-upload-url", "a file", {"run_id": "{run}", "path": "x.txt"}),
        post("artifacts/presigned-download-url", "a file", {"run_id": "{run}", "path": "x.txt"}),
        get("/api/2.0/mlflow-artifacts/presigned/wire-art/{run}/artifacts/x.txt", "a file"),
    ]


def wire() -> list[Case]:
    """What holds for every route, shown on a few."""
    create, name = "experiments/create", b'{"name": "wire-wire-%d"}'
    return [
        raw(create, "no body", b""),
        raw(create, "no JSON", b"name=x"),
        raw(create, "half of JSON", b'{"name": "wire-half'),
        raw(create, "null", b"null"),
        raw(create, "a list", b"[]"),
        raw(create, "a number", b"5"),
        raw(create, "a string", b'"x"'),
        raw(create, "JSON in a string", b'"{\\"name\\": \\"wire-wire-0\\"}"'),
        raw(create, "not UTF-8", b'{"name": "\xff\xfe"}'),
        raw(create, "a lone surrogate", b'{"name": "wire-wire-\\ud800"}'),
        raw(create, "a null character", b'{"name": "wire-wire-\\u0000"}'),
        raw(create, "a field twice", b'{"name": "wire-wire-a", "name": "wire-wire-b"}'),
        raw(create, "deep unknown fields", name[:-1] % 1 + b', "x": ' + b'{"a":' * 50 + b"1" + b"}" * 51),
        raw(create, "another type of content", name % 2, "text/plain"),
        raw(create, "no type of content", name % 3, None),
        raw(create, "a charset", name % 4, "application/json; charset=utf-8"),
        raw(create, "a form", b"name=x", "application/x-www-form-urlencoded"),
        get(create, "a method that isn't there"),
        delete("runs/get", "a method that isn't there"),
        get("nothing/at-all", "a path that isn't there"),
        get("/api/2.0/nothing", "a path that isn't there"),
        get("/api/9.0/mlflow/experiments/get", "a version that isn't there", ("experiment_id", "0")),
        get("experiments/get/", "a slash at the end", ("experiment_id", "0")),
        get("/health", "health"),
        get("/version", "version"),
        get("/api/3.0/mlflow/server-info", "server-info"),
    ]


SEQUENCES: dict[str, list[Case]] = {
    "experiments": experiments(),
    "runs": runs(),
    "metrics": metrics(),
    "inputs": inputs(),
    "searched runs": searched_runs(),
    "logged models": logged_models(),
    "registry": registry(),
    "artifacts": artifacts(),
    "wire": wire(),
}

# Stock serves these; we say that we don't, in MLflow's error shape.
UNSUPPORTED: list[Case] = [
    post("/api/3.0/mlflow/traces", "start a trace"),
    post("/api/3.0/mlflow/traces/search", "search traces"),
    get("/api/3.0/mlflow/traces/tr-1", "a trace"),
    post("/v1/traces", "OpenTelemetry"),
    get("/api/3.0/mlflow/scorers/list", "scorers", ("experiment_id", "0")),
    get("/api/3.0/mlflow/gateway/endpoints/list", "gateway"),
    post("/api/2.0/mlflow/webhooks", "webhooks"),
    post("/api/3.0/mlflow/datasets/create", "evaluation datasets", {"name": "d"}),
    post("/api/3.0/mlflow/issues/search", "issues"),
    get("/api/3.0/mlflow/workspaces", "workspaces"),
]
