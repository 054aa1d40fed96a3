"""A short day of the unmodified client that signs its calls: prints what it saw as JSON. Argument: a folder."""

import json
import sys
from pathlib import Path

import mlflow
from mlflow import MlflowClient

folder, client = Path(sys.argv[1]), MlflowClient()
mlflow.set_experiment("signed")
with mlflow.start_run(run_name="by iam") as run:
    mlflow.log_param("lr", "0.1")
    mlflow.log_metrics({"loss": 0.5, "acc": 0.75}, step=3)
    mlflow.set_tag("team", "blue")
    (folder / "note.txt").write_text("signed, too")
    mlflow.log_artifact(str(folder / "note.txt"))
client.create_registered_model("signed_model")
version = client.create_model_version("signed_model", source=f"{run.info.artifact_uri}/model", run_id=run.info.run_id)
client.set_registered_model_alias("signed_model", "best", version.version)
found = mlflow.search_runs(filter_string="metrics.loss < 1 and tags.team = 'blue'", output_format="list")
brought = mlflow.artifacts.download_artifacts(
    run_id=run.info.run_id, artifact_path="note.txt", dst_path=str(folder / "back")
)
sys.stdout.write(
    json.dumps(
        {
            "runs": [[each.info.run_name, each.info.status, each.data.params, each.data.metrics] for each in found],
            "root": run.info.artifact_uri.split("/")[0],
            "note": Path(brought).read_text(),
            "alias": client.get_model_version_by_alias("signed_model", "best").run_id == run.info.run_id,
        }
    )
)
