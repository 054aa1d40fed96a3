import json
import sys
from typing import Any

import mlflow
import pytest

from examples import tracking
from examples.sentiment import dataset, train
from zeroloop_training import flavor

RECIPE = train.SMALL._replace(epochs=2)
SENTENCES = dataset.read()


def versions() -> dict[str, dict[str, bytes]]:
    return train.versions(RECIPE, SENTENCES, {"small": True, "float": False})


def only_run() -> Any:
    [run] = mlflow.search_runs(experiment_names=["sentiment"], output_format="list")
    return run


def test_a_tracked_training_tells_everything_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    made, run = versions(), only_run()
    assert run.info.status == "FINISHED"
    assert run.data.params == {name: str(value) for name, value in RECIPE.parameters.items()}
    for key in ("loss", "accuracy"):
        assert {point.step for point in mlflow.MlflowClient().get_metric_history(run.info.run_id, key)} == {0, 1}
    measured = json.loads(made["small"]["package.json"])["metrics"]
    assert run.data.metrics["final_accuracy"] == measured["accuracy"]["value"]
    assert run.data.metrics["final_loss"] == measured["log_loss"]["value"]
    logged = mlflow.search_logged_models(
        experiment_ids=[run.info.experiment_id], output_format="list", order_by=[{"field_name": "name"}]
    )
    assert [model.name for model in logged] == ["float", "small"]
    assert {flavor.load_model(model.model_uri).package.run_id for model in logged} == {run.info.run_id}

    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    for name, files in versions().items():
        untracked = json.loads(files.pop("package.json"))
        assert {**json.loads(made[name].pop("package.json")), "run_id": None} == untracked
        assert files == made[name]


def test_an_exception_ends_the_run_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise ArithmeticError("the loss is NaN")

    monkeypatch.setattr(train, "train", broken)
    with pytest.raises(ArithmeticError):
        versions()
    assert only_run().info.status == "FAILED"


def test_an_untracked_training_does_without_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    monkeypatch.setitem(sys.modules, "mlflow", None)  # importing it would raise
    with tracking.run("sentiment", "untracked", RECIPE.parameters) as run:
        run.metrics({"loss": 0.5}, step=0)
        run.package("small", {})
    assert run.id is None
