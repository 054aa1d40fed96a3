import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import pytest
import yaml
from msgspec import to_builtins

from zeroloop.errors import InvalidInput
from zeroloop_training import flavor, packaging

ROOT = Path(__file__).parents[2]
SMALL, TABULAR = ROOT / "examples/sentiment/packages/small", ROOT / "examples/tabular/packages/v2"

both = pytest.mark.parametrize("folder", [SMALL, TABULAR], ids=["text", "columns"])


def instances(folder: Path) -> list[Any]:
    cases = packaging.load(folder).package.golden.cases
    return [next(iter(case.instance.values())) for case in cases]


@both
def test_a_version_answers_through_mlflow_what_predict_answers(folder: Path) -> None:
    with mlflow.start_run() as run:
        logged = flavor.log_model(folder, registered_model_name="it")
    assert logged.registered_model_version == 1
    assert mlflow.MlflowClient().get_model_version("it", "1").run_id == run.info.run_id
    answers = mlflow.pyfunc.load_model("models:/it/1").predict(flavor.example(packaging.load(folder)))
    assert answers.to_dict("records") == to_builtins(packaging.predict(packaging.load(folder), instances(folder)))


@both
def test_the_model_is_the_package_and_what_mlflow_needs(folder: Path, tmp_path: Path) -> None:
    flavor.save_model(folder, tmp_path / "model")
    assert packaging.files(tmp_path / "model/package") == packaging.files(folder)
    described = yaml.safe_load((tmp_path / "model/MLmodel").read_text())
    assert set(described["flavors"]) == {"zeroloop", "python_function"}
    required = [line.split("==")[0] for line in (tmp_path / "model/requirements.txt").read_text().splitlines()]
    assert {"ai-edge-litert", "msgspec", "numpy"} <= set(required)
    assert "zeroloop" not in required, "no package index has it: it comes with the model"
    assert flavor.load_model(str(tmp_path / "model")).package == packaging.load(folder).package
    example = mlflow.models.Model.load(str(tmp_path / "model")).load_input_example(str(tmp_path / "model"))
    assert len(example) == len(instances(folder))


def test_a_saved_model_brings_the_code_that_loads_it(tmp_path: Path) -> None:
    flavor.save_model(SMALL, tmp_path / "model")
    program = (
        "import sys, mlflow, pandas; assert not [path for path in sys.path if 'shared' in path];"
        f"model = mlflow.pyfunc.load_model({str(tmp_path / 'model')!r});"
        "print(model.predict(pandas.DataFrame({'text': ['A wonderful, moving film.']})).prediction[0])"
    )
    bare = {"MLFLOW_DISABLE_TELEMETRY": "true", "GIT_PYTHON_REFRESH": "quiet"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=bare, capture_output=True, text=True, check=False
    )
    assert done.stdout == "positive\n", done.stderr


def test_the_signature_names_the_columns_and_which_may_be_empty() -> None:
    inputs = flavor.signature(packaging.load(TABULAR)).inputs.to_dict()
    assert [(column["name"], column["type"], column["required"]) for column in inputs] == [
        ("temperature", "double", True),
        ("torque", "double", True),
        ("quality", "string", False),
    ]


def test_a_cell_without_a_value_is_refused_where_predict_refuses_null(tmp_path: Path) -> None:
    flavor.save_model(TABULAR, tmp_path / "model")
    model = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    rows = pd.DataFrame({"temperature": [300.0, 301.0], "torque": [40.0, None], "quality": [None, "L"]})
    assert model.predict(rows[:1]).prediction.tolist() == ["healthy"]
    with pytest.raises(InvalidInput) as refused:
        model.predict(rows)
    assert refused.value.field == "rows[1].features.torque"


def without(name: str) -> dict[str, bytes]:
    return {path: data for path, data in packaging.files(SMALL).items() if path != name}


def changed(**fields: Any) -> dict[str, bytes]:
    files = packaging.files(SMALL)
    return {**files, "package.json": json.dumps(json.loads(files["package.json"]) | fields).encode()}


@pytest.mark.parametrize(
    ("files", "code"),
    [
        (without("package.json"), "bad_package"),
        (without("model.tflite"), "bad_package"),
        (changed(labels=["one"]), "bad_package"),
        ({**without("model.tflite"), "model.tflite": b"nothing"}, "bad_model"),
        (changed(golden={"tolerance": 0.001, "cases": []}), "golden"),
        (changed(parameters={"long": "x" * 32_000}), "invalid_input"),
    ],
)
def test_what_admission_would_refuse_is_refused_before_anything_is_sent(files: dict[str, bytes], code: str) -> None:
    with mlflow.start_run(), pytest.raises(InvalidInput) as refused:
        flavor.log_model(files, registered_model_name="it")
    assert refused.value.code == code
    assert mlflow.search_logged_models(output_format="list") == []
    assert mlflow.search_registered_models() == []
