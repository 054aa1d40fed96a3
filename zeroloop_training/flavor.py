"""Packages as MLflow models: `log_model` in a training, `mlflow.pyfunc.load_model` anywhere. The owner of MLflow.

An MLflow model of the flavor `zeroloop` holds a package in its folder `package/`; the registry admits it from there.
In `code/` it brings what loads it, so that it needs nothing that no package index has.
"""

import shutil
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mlflow
import msgspec
import pandas as pd
import yaml
from mlflow import pyfunc
from mlflow.models import Model as MlflowModel
from mlflow.models import ModelSignature
from mlflow.models.model import ModelInfo
from mlflow.models.utils import _save_example
from mlflow.types import ColSpec, DataType, Schema
from mlflow.types.schema import Map
from mlflow.utils.environment import _process_pip_requirements, _PythonEnv

import zeroloop
import zeroloop_training
from zeroloop.errors import InvalidInput
from zeroloop.inference import admission, golden
from zeroloop.inference.model import TOKENIZER, Model
from zeroloop.inference.package import Package
from zeroloop_training import packaging

FLAVOR = "zeroloop"
FOLDER = "package"
CODE = "code"
NEEDED = ("model.tflite", "package.json")

Files = Mapping[str, bytes]


def log_model(
    package: Path | str | Files, name: str = "model", registered_model_name: str | None = None, **more: Any
) -> ModelInfo:
    """Log a package, a folder or its files by name, as a model of the active run; `more` goes to `Model.log`.

    With `registered_model_name` it becomes a version of that model, too, which the registry admits before it may serve.

    Raises
    ------
    InvalidInput
        What admission would refuse; nothing was sent then.
    """
    files = checked(package)
    this = sys.modules[__name__]
    return MlflowModel.log(None, this, registered_model_name, name=name, package=files, **more)


def save_model(package: Path | str | Files, path: Path | str, mlflow_model: MlflowModel | None = None) -> None:
    """Write a package as an MLflow model to the new folder `path`; raises what `log_model` raises."""
    files, path, saved = checked(package), Path(path), mlflow_model or MlflowModel()
    path.mkdir(parents=True)
    packaging.write(path / FOLDER, files)
    model = Model(files)
    saved.signature = signature(model)
    _save_example(saved, example(model), str(path))
    saved.model_size_bytes = model.size
    for module in (zeroloop, zeroloop_training):
        (source,) = map(Path, module.__path__)
        shutil.copytree(source, path / CODE / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    pyfunc.add_to_model(saved, __name__, data=FOLDER, code=CODE, conda_env="conda.yaml", python_env="python_env.yaml")
    saved.add_flavor(FLAVOR, data=FOLDER, schema_version=model.package.schema_version, task=model.package.task)
    saved.save(path / "MLmodel")
    conda, required, _ = _process_pip_requirements(requirements(files), None, None)
    (path / "conda.yaml").write_text(yaml.safe_dump(conda, sort_keys=False))
    (path / "requirements.txt").write_text("\n".join(required))
    _PythonEnv.current().to_yaml(str(path / "python_env.yaml"))


def load_model(model_uri: str) -> Model:
    """The model that predict would serve: `runs:/...`, `models:/...` or a folder that `save_model` wrote."""
    return packaging.load(Path(mlflow.artifacts.download_artifacts(model_uri)) / FOLDER)


def checked(package: Path | str | Files) -> dict[str, bytes]:
    """The files of a package that loads, reproduces its golden predictions and that the registry can describe."""
    files = dict(package) if isinstance(package, Mapping) else packaging.files(Path(package))
    for name in NEEDED:
        if name not in files:
            raise InvalidInput(f"the package holds no {name}", code="bad_package", field=name)
    model = Model(files)
    golden.check(model)
    admission.facts(model.package)
    return files


def requirements(files: Files) -> list[str]:
    """What an environment needs that loads the package; Zeroloop itself comes with it, as code."""
    names = ["ai-edge-litert", "msgspec", "numpy", "pandas"] + ["tokenizers"] * (TOKENIZER in files)
    return [f"{name}=={version(name)}" for name in names]


def signature(model: Model) -> ModelSignature:
    """What callers send, by column, and the answer."""
    if model.field == "features":
        inputs = [_column(column) for column in model.package.preprocessing.parameters["columns"]]
    else:
        inputs = [ColSpec(DataType.string, model.field)]
    return ModelSignature(Schema(inputs), Schema(_answered(model.package)))


def _column(column: Mapping[str, Any]) -> ColSpec:
    kind = DataType.double if column["type"] == "numeric" else DataType.string
    return ColSpec(kind, column["name"], required=not column.get("nullable", False))


def _answered(package: Package) -> list[ColSpec]:
    if package.task == "regression":
        return [ColSpec(DataType.double, "prediction")]
    scores = ColSpec(Map(DataType.double), "scores")
    return [ColSpec(DataType.string, "prediction"), ColSpec(DataType.double, "confidence"), scores]


def example(model: Model) -> pd.DataFrame:
    """The instances of the golden predictions, as callers of the MLflow model send them."""
    values = [case.instance[model.field] for case in model.package.golden.cases]
    return pd.DataFrame(values if model.field == "features" else {model.field: values})


class Servable:
    """A package behind MLflow's `pyfunc`: rows of a data frame to answers, as predict gives them."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def predict(self, rows: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:  # noqa: ARG002 - MLflow's
        """`prediction`, and unless it is a number `confidence` and `scores` (label to score), a row each.

        Raises
        ------
        InvalidInput
            What predict would refuse, by row and column.
        """
        records = [{name: _known(cell) for name, cell in row.items()} for row in rows.to_dict("records")]
        values = records if self._model.field == "features" else [row[self._model.field] for row in records]
        answers = msgspec.to_builtins(packaging.predict(self._model, values))
        wanted = [str(column.name) for column in _answered(self._model.package)]
        return pd.DataFrame(answers, columns=wanted)


def _known(cell: Any) -> Any:
    """`cell`, or None where a data frame has nothing."""
    return None if cell is None or cell is pd.NA or cell != cell else cell  # noqa: PLR0124 - NaN differs from itself


def _load_pyfunc(data: str) -> Servable:
    return Servable(packaging.load(Path(data)))
