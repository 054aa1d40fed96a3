"""What test_signed_training.py runs after the page's code, in the same process, and reads as JSON."""

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow.sklearn
import pandas as pd
from mlflow import MlflowClient
from mlflow.environment_variables import MLFLOW_TRACKING_AUTH, MLFLOW_TRACKING_AWS_SIGV4
from mlflow.exceptions import MlflowException
from sklearn.linear_model import LogisticRegression

TEXTS = ["A wonderful, moving film.", "Two hours that I will never get back."]

seen: dict[str, Any] = {}
client = MlflowClient()
mlflow.sklearn.autolog(disable=True)


def refusal(call: Callable[[], Any]) -> str:
    try:
        call()
    except MlflowException as error:
        return str(error)
    return "none"


with mlflow.start_run(run_name="files") as run, tempfile.TemporaryDirectory() as folder:
    mlflow.set_tag("größe", "a = b & c")
    file = Path(folder, "größe 100%.txt")
    file.write_text("through S3")
    mlflow.log_artifact(str(file), "deep")
    model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    mlflow.sklearn.log_model(
        model,
        name="model",
        registered_model_name="unpackaged",
        serialization_format="cloudpickle",
        pip_requirements=["scikit-learn"],  # else it looks for them, in a process that imports all anew
    )
    there = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="deep", dst_path=folder)
    seen["files"] = {path.name: path.read_text() for path in Path(there).iterdir()}
seen["root"] = run.info.artifact_uri
seen["tag"] = client.get_run(run.info.run_id).data.tags["größe"]

version = max(int(found.version) for found in client.search_model_versions("name='sentiment'"))
client.set_registered_model_alias("sentiment", "champion", str(version))
seen["champion"] = version
champion = mlflow.pyfunc.load_model("models:/sentiment@champion")
seen["answers"] = champion.predict(pd.DataFrame({"text": TEXTS})).to_dict("records")

other = client.get_model_version("unpackaged", "1")
seen["other"] = [other.status, mlflow.pyfunc.load_model("models:/unpackaged/1").predict([[1.0]]).tolist()]

seen["runs"] = {
    run.info.run_name: [run.info.run_id, run.info.status]
    for run in mlflow.search_runs(output_format="list", experiment_names=["sentiment"])
}
seen["spaces"] = refusal(client.search_registered_models)
MLFLOW_TRACKING_AWS_SIGV4.set("false")
seen["unsigned"] = refusal(client.search_experiments)
MLFLOW_TRACKING_AUTH.set("zeroloop")
seen["models"] = sorted(model.name for model in client.search_registered_models())
client.create_registered_model("two words")
seen["two words"] = client.get_registered_model("two words").name
MLFLOW_TRACKING_AUTH.set("nobody")
seen["unknown"] = refusal(client.search_experiments)
sys.stdout.write(json.dumps(seen))
