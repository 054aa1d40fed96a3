"""scikit-learn's models as packages: what is linear or a network, behind scalers and one-hot encoders.

The weights become a TFLite model, and the transformers the package's preprocessing, so that callers send plain columns.
"""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, OneHotEncoder, StandardScaler
from sklearn.utils.validation import check_is_fitted

from zeroloop.errors import InvalidInput
from zeroloop.inference.package import Task
from zeroloop_training import tabular
from zeroloop_training.graph import Activation, Layer, layered
from zeroloop_training.packaging import Draft
from zeroloop_training.tabular import Column, Table, plain

LINEAR = (LinearRegression, Ridge, Lasso, ElasticNet)
SUPPORTED = "LogisticRegression, LinearRegression, Ridge, Lasso, ElasticNet, MLPClassifier or MLPRegressor"
ACTIVATIONS: dict[str, Activation] = {
    "identity": "NONE",
    "logistic": "LOGISTIC",
    "relu": "RELU",
    "softmax": "SOFTMAX",
    "tanh": "TANH",
}


class Layout(NamedTuple):
    """The columns that callers send, and what an encoded row is to the estimator.

    `places` says where in it each of the estimator's inputs stands, and `offset` (width,) what was taken away from it.
    """

    columns: list[Column]
    places: list[int]
    offset: NDArray[np.float64]


def package(
    model: Any,
    train: Table | tuple[Any, Any],
    test: Table | tuple[Any, Any],
    *,
    description: str = "",
    run_id: str = "",
) -> dict[str, bytes]:
    """The files of a package of `model`, a fitted estimator or a Pipeline of one transformer and one.

    Its answers to the rows of `test` were compared with the model's own. Columns are called as in a data frame, or x0,
    x1, ... where `model` was fitted with an array. `train` is what it was fitted with, `test` what it never saw.

    Raises
    ------
    InvalidInput
        A step that isn't supported, by its class, with what is; or an answer that is off by more than 1e-5.
    """
    check_is_fitted(model)
    train, test = Table(*train), Table(*test)
    *before, estimator = [step for _, step in model.steps] if isinstance(model, Pipeline) else [model]
    if len(before) > 1:
        raise InvalidInput("a Pipeline may have one transformer (a ColumnTransformer of several) and an estimator")
    layout = _layout(before[0] if before else "passthrough", train)
    first, *rest = _layers(estimator)
    if first.kernel.shape[1] != len(layout.places):
        raise InvalidInput(f"the estimator takes {first.kernel.shape[1]} inputs, its columns make {len(layout.places)}")
    kernel = np.zeros((len(first.bias), len(layout.offset)))
    kernel[:, layout.places] = first.kernel
    first = first._replace(kernel=kernel, bias=first.bias + kernel @ layout.offset)
    labels = [str(label) for label in getattr(estimator, "classes_", [])]
    task: Task = "regression" if not labels else "binary" if len(labels) == 2 else "multiclass"
    draft = Draft(
        description=description
        or f"{type(estimator).__name__} of {', '.join(c['name'] for c in layout.columns)}"[:200],
        task=task,
        labels=labels,
        kind="columns",
        encoding={"columns": layout.columns},
        input_name="features",
        parameters=_parameters(estimator),
        dataset=tabular.dataset(train, layout.columns),
        libraries={name: version(name) for name in ("ai-edge-litert", "numpy", "scikit-learn")},
        run_id=run_id or None,
    )
    expected = model.predict_proba(test.rows) if labels else np.ravel(model.predict(test.rows))
    return tabular.package(layered([first, *rest]), draft, test, expected)


def _parameters(estimator: Any) -> dict[str, Any]:
    given = {"estimator": type(estimator).__name__, **estimator.get_params()}
    return {
        name: value for name, value in given.items() if value is None or isinstance(value, bool | int | float | str)
    }


def _layers(estimator: Any) -> list[Layer]:
    """What the estimator computes of its inputs: the last layer's outputs are probabilities, or a number."""
    if isinstance(estimator, MLPClassifier | MLPRegressor):
        hidden = [ACTIVATIONS[estimator.activation]] * (len(estimator.coefs_) - 1)
        activations = [*hidden, ACTIVATIONS[estimator.out_activation_]]
        kernels = [kernel.T for kernel in estimator.coefs_]
        layers = list(map(Layer, kernels, estimator.intercepts_, activations))
    elif isinstance(estimator, (LogisticRegression, *LINEAR)):
        kernel = np.atleast_2d(estimator.coef_)
        bias = np.broadcast_to(np.ravel(estimator.intercept_), [len(kernel)])
        binary: Activation = "LOGISTIC" if len(kernel) == 1 else "SOFTMAX"
        layers = [Layer(kernel, bias, binary if isinstance(estimator, LogisticRegression) else "NONE")]
    else:
        raise _unsupported(estimator, SUPPORTED)
    if len(layers[-1].bias) > 1 and layers[-1].activation != "SOFTMAX":
        raise InvalidInput(f"{type(estimator).__name__}: several targets are not supported")
    return layers


def _layout(transformer: Any, train: Table) -> Layout:
    parts = _parts(transformer, tabular.names(train.rows))
    columns, places, offset = list[Column](), list[int](), list[float]()
    for column in parts:
        start, width = len(offset), len(column.get("values", "1"))
        places += range(start, start + width)
        if column["type"] == "categorical":
            columns.append(column)
            offset += [0.0] * (width + 1)  # the last place is for new values: the estimator has no input there
        else:
            # What nothing scales is centred, which predict does in double precision: 300.15 is 300.149994 in float32.
            centre = _mean(train, column) if column == plain(column["name"]) else 0.0
            columns.append({**column, "mean": column["mean"] + centre})
            offset.append(centre)
    return Layout(columns, places, np.array(offset))


def _mean(table: Table, column: Column) -> float:
    return float(np.mean([row[column["name"]] for row in tabular.records(table.rows, [column])]))


def _parts(transformer: Any, names: list[str]) -> list[Column]:
    """The columns that `transformer` makes of the columns `names`."""
    if transformer == "passthrough" or (isinstance(transformer, FunctionTransformer) and transformer.func is None):
        return [plain(name) for name in names]
    if isinstance(transformer, StandardScaler):
        return _scaled(names, transformer.mean_ if transformer.with_mean else 0.0, transformer.scale_)
    if isinstance(transformer, MinMaxScaler) and not transformer.clip:
        return _scaled(names, -transformer.min_ / transformer.scale_, 1 / transformer.scale_)
    if isinstance(transformer, OneHotEncoder):
        return _categories(transformer, names)
    if isinstance(transformer, ColumnTransformer):
        steps = [(step, _chosen(which, names)) for _, step, which in transformer.transformers_ if step != "drop"]
        return [part for step, chosen in steps for part in _parts(step, chosen)]
    raise _unsupported(transformer, "StandardScaler, MinMaxScaler without clip, OneHotEncoder or a ColumnTransformer")


def _scaled(names: list[str], means: float | NDArray[Any], stds: NDArray[Any] | None) -> list[Column]:
    means, stds = (np.broadcast_to(1.0 if numbers is None else numbers, [len(names)]) for numbers in (means, stds))
    return [plain(name, mean, std) for name, mean, std in zip(names, means, stds, strict=True)]


def _categories(encoder: Any, names: list[str]) -> list[Column]:
    given = (encoder.handle_unknown, encoder.drop, encoder.min_frequency, encoder.max_categories)
    if given != ("ignore", None, None, None):
        raise _unsupported(encoder, "OneHotEncoder(handle_unknown='ignore') without drop and without infrequent ones")
    return [
        {"name": name, "type": "categorical", "values": values.tolist()}
        for name, values in zip(names, encoder.categories_, strict=True)
    ]


def _chosen(which: Any, names: list[str]) -> list[str]:
    """Names of the columns that a ColumnTransformer was told by name, place, slice or mask."""
    if isinstance(which, str):
        return [which]
    listed = isinstance(which, Sequence) and all(isinstance(name, str) for name in which)
    return list(which) if listed else [str(name) for name in np.array(names, object)[which]]


def _unsupported(step: Any, supported: str) -> InvalidInput:
    return InvalidInput(f"{type(step).__name__} can't be exported; what can: {supported}")
