import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from zeroloop.inference import golden
from zeroloop.inference.answers import NoScore
from zeroloop.inference.model import Model
from zeroloop_training import packaging
from zeroloop_training.keras import keras, package

ROWS = np.random.default_rng(7).normal(size=(60, 3)).astype(np.float32)
PLACE = (ROWS[:, 0] > 0).astype(int)


def network(outputs: int, activation: str | None, loss: str) -> Any:
    keras.utils.set_random_seed(7)
    layers = [keras.layers.Dense(8, activation="gelu"), keras.layers.Dense(outputs, activation=activation)]
    model = keras.Sequential([keras.Input((3,)), *layers])
    model.compile("adam", loss)
    return model


@pytest.mark.parametrize(
    ("outputs", "activation", "loss", "labels"),
    [
        (1, "sigmoid", "binary_crossentropy", ["low", "high"]),
        (2, "softmax", "sparse_categorical_crossentropy", ["low", "high"]),
        (3, "softmax", "sparse_categorical_crossentropy", ["low", "high", "never"]),
        (1, None, "mse", []),
    ],
    ids=["binary", "two outputs", "multiclass", "regression"],
)
def test_a_package_answers_what_its_model_answers(outputs: int, activation: str, loss: str, labels: list[str]) -> None:
    model = network(outputs, activation, loss)
    model.fit(ROWS[:40], PLACE[:40], epochs=2, verbose=0)
    files = package(model, labels, (ROWS[:40], PLACE[:40]), (ROWS[40:], PLACE[40:]))
    loaded = Model(files)
    golden.check(loaded)
    rows = [{f"x{i}": float(value) for i, value in enumerate(row)} for row in ROWS[40:]]
    given = packaging.predict(loaded, rows)
    wanted = model.predict(ROWS[40:], verbose=0)
    if labels:
        assert [answer.scores[labels[outputs - 1]] for answer in given] == pytest.approx(
            wanted[:, -1] if outputs != 1 else 1 - wanted[:, 0], abs=1e-5
        )
    else:
        assert [answer.prediction for answer in given] == pytest.approx(wanted[:, 0], abs=1e-5)


def test_columns_say_how_rows_become_numbers() -> None:
    columns: list[dict[str, Any]] = [
        {"name": "torque", "type": "numeric", "mean": 40.0, "std": 10.0},
        {"name": "site", "type": "categorical", "values": ["a"]},
    ]
    rows = pd.DataFrame({"torque": [30, 40, 50, 60], "site": ["a", "b", "a", "b"]})
    model = network(1, "sigmoid", "binary_crossentropy")
    files = package(model, ["low", "high"], (rows, [0, 0, 1, 1]), (rows, [0, 0, 1, 1]), columns=columns)
    encoded = np.array([[-1, 1, 0], [0, 0, 1], [1, 1, 0], [2, 0, 1]], np.float32)
    [answer] = packaging.predict(Model(files), [{"torque": 60, "site": "new"}])
    assert answer.scores["high"] == pytest.approx(float(model.predict(encoded, verbose=0)[3, 0]), abs=1e-5)
    assert json.loads(files["package.json"])["preprocessing"]["parameters"] == {"columns": columns}


def test_outputs_that_are_no_probabilities_are_refused() -> None:
    model = network(3, None, "mse")
    with pytest.raises(NoScore, match=r"scores lie in \[0, 1\]"):
        package(model, ["a", "b", "c"], (ROWS, PLACE), (ROWS, PLACE))
