"""A data scientist's day with the unmodified mlflow client, against the server that MLFLOW_TRACKING_URI names.

Runs in the environment of group `conformance`: `python client_script.py RECORDING`. The recording is JSON: what each
step showed, and every exchange with the server, in order.
"""

import json
import math
import re
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import mlflow
import numpy as np
import pandas as pd
import requests
from click.testing import CliRunner
from mlflow import MlflowClient
from mlflow.cli import cli
from mlflow.entities import LoggedModelStatus, Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression

BIG = 20 * 1024 * 1024
LONG_AGO = 1_600_000_000_000

seen: dict[str, Any] = {}
exchanges: list[dict[str, Any]] = []
unheard = threading.Event()
"""Set where what a call is answered is chance: beside the client's own threads, or others' experiments."""


def record_exchanges() -> None:
    """Listen to what the client sends to its server; what it sends elsewhere (S3) is its own affair."""
    base, send, lock = mlflow.get_tracking_uri(), requests.Session.send, threading.Lock()

    def listening(session: Any, request: Any, **options: Any) -> Any:
        answer = send(session, request, **options)
        if request.url.startswith(base):
            is_json = answer.headers.get("Content-Type", "").startswith("application/json")
            with lock:
                exchanges.append(
                    {
                        "call": f"{request.method} {urlsplit(request.url.removeprefix(base)).path}",
                        "status": answer.status_code,
                        "body": answer.json()
                        if is_json and not options.get("stream") and not unheard.is_set()
                        else None,
                    }
                )
        return answer

    requests.Session.send = listening  # type: ignore[assignment,method-assign]


def show(step: str, value: Any) -> None:
    """Note what a step showed."""
    assert step not in seen, step
    seen[step] = plain(value)


def plain(value: Any) -> Any:
    """Entities as what they are made of; numbers that JSON lacks as strings."""
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    elif isinstance(value, mlflow.entities.LoggedModel):
        value = value.to_dictionary()
    elif type(value).__module__.startswith("mlflow.entities") and not isinstance(value, str):
        value = dict(value) if isinstance(value, Iterable) else str(value)
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    is_json = value is None or isinstance(value, (str, int)) or (isinstance(value, float) and math.isfinite(value))
    return value if is_json else str(value)


def refusal(action: Callable[[], Any]) -> str:
    """The error that an action meets."""
    try:
        action()
    except MlflowException as error:
        return str(error.error_code)
    return "none"


def files(folder: str) -> list[str]:
    """What lies in a folder, deep."""
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


def experiments(client: MlflowClient) -> None:
    show("a new experiment", mlflow.set_experiment("day").name)
    show("the same again", mlflow.set_experiment("day").lifecycle_stage)
    other = client.create_experiment("day-other", tags={"team": "ü", "stage": "1"})
    show("an experiment", client.get_experiment(other))
    show("a name that is taken", refusal(lambda: client.create_experiment("day-other")))
    client.set_experiment_tag(other, "stage", "2")
    client.rename_experiment(other, "day-renamed")
    show("by name", client.get_experiment_by_name("day-renamed"))
    show("by its old name", client.get_experiment_by_name("day-other"))
    client.delete_experiment(other)
    found = client.search_experiments(filter_string="name LIKE 'day%'", view_type=ViewType.ALL, order_by=["name"])
    show("all experiments", [(item.name, item.lifecycle_stage) for item in found])
    show("a run in a deleted one", refusal(lambda: client.create_run(other)))
    client.restore_experiment(other)
    pages = client.search_experiments(filter_string="name LIKE 'day%'", max_results=1)
    show("a page", (len(pages), bool(pages.token)))
    show(
        "the next page",
        [
            item.name
            for item in client.search_experiments(
                filter_string="name LIKE 'day%'", max_results=1, page_token=pages.token
            )
        ],
    )


def runs(client: MlflowClient, folder: Path) -> str:
    """The parent's id."""
    (folder / "notes.txt").write_text("größer\n")
    (folder / "big.bin").write_bytes(bytes(BIG))
    (folder / "many" / "deep").mkdir(parents=True)
    (folder / "many" / "a.txt").write_text("a")
    (folder / "many" / "deep" / "b 100%.txt").write_text("b")
    with mlflow.start_run(run_name="parent", tags={"team": "a"}, description="about") as parent:
        mlflow.log_param("lr", 0.1)
        mlflow.log_params({"optimizer": "adam", "größe": "日本", "layers/1": None})
        for step in range(5):
            mlflow.log_metric("loss", 1 / (step + 1), step=step)
        mlflow.log_metrics({"acc": 0.5, "val/acc": 0.25}, step=4)
        mlflow.log_metric("odd", float("nan"), step=0)
        mlflow.log_metric("odd", 2.0, step=1)
        mlflow.log_metric("nan", float("nan"))
        mlflow.log_metric("later", 1.0, synchronous=False).wait()
        mlflow.set_tag("kind", "parent")
        mlflow.set_tags({"a": 1, "to go": "x"})
        mlflow.delete_tag("to go")
        show("another value for a param", refusal(lambda: mlflow.log_param("lr", 0.2)))
        mlflow.log_param("lr", 0.1)
        mlflow.log_dict({"a": [1, 2]}, "config/it.json")
        mlflow.log_text("hello", "hello.txt")
        mlflow.log_artifact(folder / "notes.txt")
        mlflow.log_artifact(folder / "big.bin", "big")
        mlflow.log_artifacts(folder / "many", "many")
        data = mlflow.data.from_pandas(pd.DataFrame({"x": [1.0, 2.0], "y": [0, 1]}), name="tiny", targets="y")
        mlflow.log_input(data, context="training", tags={"a": "b"})
        for number in range(2):
            with mlflow.start_run(run_name=f"child-{number}", nested=True):
                mlflow.log_metric("acc", 0.5 + number / 10)
                mlflow.log_param("lr", f"1e-{number}")
    run_id = str(parent.info.run_id)
    whole = client.get_run(run_id)
    show("a run", {"info": whole.info, "data": whole.data.to_dictionary()})
    show("its inputs", [(entry.dataset, entry.tags) for entry in whole.inputs.dataset_inputs])
    show("history", client.get_metric_history(run_id, "loss"))
    show("history of NaN", [(point.step, plain(point.value)) for point in client.get_metric_history(run_id, "odd")])
    show("artifacts", client.list_artifacts(run_id))
    show("artifacts, deeper", client.list_artifacts(run_id, "many"))
    there = mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="", dst_path=str(folder / "down"))
    show("downloaded", files(there))
    show("as it was", [Path(there, "big", "big.bin").read_bytes() == bytes(BIG), Path(there, "notes.txt").read_text()])
    show("text", mlflow.artifacts.load_text(f"runs:/{run_id}/hello.txt"))
    show("what isn't there", refusal(lambda: mlflow.artifacts.load_text(f"runs:/{run_id}/nothing.txt")))
    return run_id


def run_lives(client: MlflowClient) -> None:
    with suppress(ValueError), mlflow.start_run(run_name="broken") as broken:
        raise ValueError("on purpose")
    run_id = broken.info.run_id
    show("a run that failed", client.get_run(run_id).info.status)
    points = [Metric("many", step / 7, LONG_AGO + step, step) for step in range(1500)]
    client.log_batch(run_id, metrics=points[:1000], params=[Param("p", "1")], tags=[RunTag("t", "1")])
    client.log_batch(run_id, metrics=points[:500:-1])
    history = client.get_metric_history(run_id, "many")
    show(
        "1500 points",
        (len(history), all((a.step, a.value) == (b.step, b.value) for a, b in zip(history, points, strict=True))),
    )
    show("too many points", refusal(lambda: client.log_batch(run_id, metrics=[*points[:1000], *points[:1]])))
    client.update_run(run_id, status="FINISHED", name="mended")
    client.delete_run(run_id)
    show("a deleted run", client.get_run(run_id).info.lifecycle_stage)
    show("written when deleted", refusal(lambda: client.log_param(run_id, "late", "1")))
    client.restore_run(run_id)
    info = client.get_run(run_id).info
    show("a restored run", (info.lifecycle_stage, info.run_name, info.status))
    client.set_terminated(run_id, "KILLED", end_time=LONG_AGO)
    show("ended long ago", (client.get_run(run_id).info.status, client.get_run(run_id).info.end_time))
    show("an unknown run", refusal(lambda: client.get_run("0" * 32)))
    with mlflow.start_run(run_id=run_id):
        mlflow.log_metric("again", 1)
    show("continued", sorted(client.get_run(run_id).data.metrics))


def searches(client: MlflowClient) -> None:
    def names(filter_string: str = "", *order: str) -> list[str]:
        found = mlflow.search_runs(
            search_all_experiments=False,
            experiment_names=["day"],
            filter_string=filter_string,
            order_by=list(order),
            output_format="list",
        )
        return [str(run.info.run_name) for run in found]

    for filter_string in (
        "",
        "metrics.acc > 0.5",
        "params.lr = '0.1' AND tags.team = 'a'",
        "params.lr LIKE '1e-%'",
        "tags.mlflow.parentRunId != ''",
        "attributes.status = 'KILLED'",
        "attributes.run_name ILIKE 'CHILD%'",
        "datasets.name = 'tiny'",
        "metrics.`val/acc` < 1",
    ):
        show(f"runs where {filter_string}", names(filter_string))
    show("runs by acc", names("", "metrics.acc DESC", "attributes.run_name"))
    show("a filter that is none", refusal(lambda: names("metrics.acc >")))
    table = mlflow.search_runs(experiment_names=["day"], order_by=["start_time ASC"])
    table = table.drop(columns=["experiment_id", "artifact_uri", "start_time", "end_time"])
    show("runs as a table", {str(column): list(table[column]) for column in sorted(table.columns)})
    experiment_id = client.get_experiment_by_name("day").experiment_id
    token, pages = None, []
    while True:
        page = client.search_runs([experiment_id], max_results=2, order_by=["attributes.run_name"], page_token=token)
        pages.append([run.info.run_name for run in page])
        token = page.token
        if not token:
            break
    show("pages", pages)


def models(client: MlflowClient, folder: Path) -> None:
    features, labels = make_classification(60, 4, random_state=0)
    mlflow.sklearn.autolog()
    unheard.set()
    with mlflow.start_run(run_name="autologged") as auto:
        model = LogisticRegression(max_iter=50).fit(features, labels)
    unheard.clear()
    mlflow.sklearn.autolog(disable=True)
    run = client.get_run(auto.info.run_id)
    show("autologged", {"params": run.data.params, "metrics": run.data.metrics, "tags": sorted(run.data.tags)})
    show("autologged data", [entry.dataset.name for entry in run.inputs.dataset_inputs])
    show("autologged outputs", run.outputs.model_outputs)
    show("autologged files", [file.path for file in client.list_artifacts(auto.info.run_id)])
    with mlflow.start_run(run_name="logged") as logged:
        info = mlflow.sklearn.log_model(
            model, name="model", registered_model_name="day-model", pip_requirements=["scikit-learn"], params={"a": 1}
        )
        mlflow.log_metric("acc", 0.75, model_id=info.model_id, dataset=mlflow.data.from_numpy(features, name="np"))
    logged_id = logged.info.run_id
    show(
        "logged", {"outputs": client.get_run(logged_id).outputs.model_outputs, "version": info.registered_model_version}
    )
    first = client.get_model_version("day-model", "1")
    show("a version", first)
    show(
        "registered from the run",
        mlflow.register_model(f"runs:/{logged_id}/model", "day-model", tags={"by": "run"}).version,
    )
    show("registered from nowhere", refusal(lambda: mlflow.register_model(f"runs:/{'0' * 32}/model", "day-model")))
    show("a name that is taken, of a model", refusal(lambda: client.create_registered_model("day-model")))
    versions(client)
    expected = model.predict(features)
    for uri in (
        "models:/day-model@best",
        "models:/day-model/2",
        f"models:/{info.model_id}",
        f"runs:/{logged_id}/model",
    ):
        loaded = mlflow.pyfunc.load_model(uri)
        show(f"predictions of {uri.partition('/')[0]}{len(seen)}", bool((loaded.predict(features) == expected).all()))
    there = mlflow.artifacts.download_artifacts("models:/day-model@best", dst_path=str(folder / "model"))
    show("files of a version", files(there))
    logged_models(client, info.model_id)
    last_of_models(client)


def versions(client: MlflowClient) -> None:
    name = "day-model"
    client.set_registered_model_alias(name, "best", "1")
    show("by alias", client.get_model_version_by_alias(name, "best").version)
    client.set_registered_model_alias(name, "best", "2")
    client.set_registered_model_alias(name, "old", "1")
    show("aliases", client.get_registered_model(name).aliases)
    client.delete_registered_model_alias(name, "old")
    show("by an alias that is gone", refusal(lambda: client.get_model_version_by_alias(name, "old")))
    client.set_registered_model_tag(name, "task", "ü")
    client.set_model_version_tag(name, "2", "ok", "yes")
    client.set_model_version_tag(name, "2", "to go", "x")
    client.delete_model_version_tag(name, "2", "to go")
    client.update_registered_model(name, "about it")
    client.update_model_version(name, "2", "the second")
    client.transition_model_version_stage(name, "1", "Staging")
    client.transition_model_version_stage(name, "2", "Production")
    show("latest", [(v.version, v.current_stage) for v in client.get_latest_versions(name)])
    client.transition_model_version_stage(name, "1", "Production", archive_existing_versions=True)
    show("stages", [(v.version, v.current_stage) for v in client.get_latest_versions(name, ["Production", "Archived"])])
    show("a stage that is none", refusal(lambda: client.transition_model_version_stage(name, "1", "Limbo")))
    show("a model", client.get_registered_model(name))
    show("versions", client.search_model_versions(f"name = '{name}'", order_by=["version_number ASC"]))
    show("models by tag", [m.name for m in client.search_registered_models("tags.task = 'ü'")])
    show("models by name", [m.name for m in client.search_registered_models("name ILIKE 'DAY%'")])


def logged_models(client: MlflowClient, model_id: str) -> None:
    show("a logged model", client.get_logged_model(model_id))
    client.set_logged_model_tags(model_id, {"t": "1", "to go": "x"})
    client.delete_logged_model_tag(model_id, "to go")
    experiment_id = client.get_experiment_by_name("day").experiment_id
    started = mlflow.initialize_logged_model("external", model_type="other", params={"p": "1"}, tags={"t": "2"})
    show("a model that is pending", started.status)
    ended = client.finalize_logged_model(started.model_id, LoggedModelStatus.FAILED)
    show("a model that failed", ended.status)

    def names(filter_string: str | None = None) -> list[str]:
        found = client.search_logged_models(
            [experiment_id], filter_string, order_by=[{"field_name": "creation_time", "ascending": True}]
        )
        return [str(model.name) for model in found]

    show("logged models", names())
    show("logged models by name", names("name = 'external'"))
    show("logged models by tag", names("tags.t = '1'"))
    show("logged models by metric", names("metrics.acc > 0.5"))
    client.delete_logged_model(started.model_id)
    show("logged models without the deleted", names())
    show("a deleted model", refusal(lambda: client.get_logged_model(started.model_id)))


def last_of_models(client: MlflowClient) -> None:
    client.rename_registered_model("day-model", "day-model-renamed")
    show("renamed", client.get_model_version("day-model-renamed", "2").tags)
    show("its old name", refusal(lambda: client.get_registered_model("day-model")))
    client.delete_model_version("day-model-renamed", "1")
    show("a deleted version", refusal(lambda: client.get_model_version("day-model-renamed", "1")))
    client.delete_registered_model("day-model-renamed")
    show("no models", [m.name for m in client.search_registered_models("name LIKE 'day%'")])


def commands(folder: Path) -> None:
    """The `mlflow` command, in this process: importing MLflow once is slow enough."""

    def run(*words: str) -> str:
        done = CliRunner().invoke(cli, words)
        assert done.exit_code == 0, (words, done.output, done.exception)
        return str(done.stdout)

    made = re.search(r"with id (\d+)", run("experiments", "create", "-n", "day-typed"))
    assert made
    experiment_id, client = made[1], MlflowClient()
    run("experiments", "rename", "-x", experiment_id, "--new-name", "day-typed-2")
    unheard.set()
    show("typed: experiments", sorted(re.findall(r"day\S*", run("experiments", "search"))))  # by ids, else
    unheard.clear()
    show("typed: experiment", json.loads(run("experiments", "get", "-x", experiment_id, "--output", "json"))["name"])
    run_id = client.create_run(experiment_id, run_name="typed").info.run_id
    (folder / "typed.txt").write_text("typed")
    run("artifacts", "log-artifact", "-l", str(folder / "typed.txt"), "-r", run_id, "-a", "of")
    show("typed: artifacts", json.loads(run("artifacts", "list", "-r", run_id, "-a", "of")))
    there = run("artifacts", "download", "-r", run_id, "-a", "of/typed.txt", "-d", str(folder / "typed")).split()[-1]
    show("typed: downloaded", Path(there).read_text())
    show("typed: run", json.loads(run("runs", "describe", "--run-id", run_id))["info"])
    run("runs", "delete", "--run-id", run_id)
    show("typed: runs without the deleted", "typed" in run("runs", "list", "--experiment-id", experiment_id))
    run("runs", "restore", "--run-id", run_id)
    show("typed: runs", "typed" in run("runs", "list", "--experiment-id", experiment_id))
    show("typed: table", run("experiments", "csv", "-x", experiment_id).splitlines()[0])
    run("experiments", "delete", "-x", experiment_id)
    show("typed: deleted", client.get_experiment(experiment_id).lifecycle_stage)
    run("experiments", "restore", "-x", experiment_id)
    show("typed: restored", client.get_experiment(experiment_id).lifecycle_stage)


def main() -> None:
    record_exchanges()
    client = MlflowClient()
    with tempfile.TemporaryDirectory() as name:
        experiments(client)
        runs(client, Path(name))
        run_lives(client)
        searches(client)
        models(client, Path(name))
        commands(Path(name))
    Path(sys.argv[1]).write_text(json.dumps({"steps": seen, "exchanges": exchanges}, indent=1))


if __name__ == "__main__":
    main()
