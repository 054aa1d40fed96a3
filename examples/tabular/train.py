"""Train the tabular example and write its packages: `v1` is linear, `v2` has a hidden layer.

`--check` trains again and compares with the packages that are checked in. Needs the dependency group `train`.
"""

import sys
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any, NamedTuple

import numpy as np

from examples.checked_in import finish, git_commit, libraries
from examples.tabular import machines
from examples.tabular.machines import LABELS, Machine
from zeroloop.inference import preprocessing
from zeroloop.inference.package import Dataset
from zeroloop_training.keras import deterministic, keras, quiet, tflite
from zeroloop_training.packaging import Draft, HeldOut, Rows, build

HERE = Path(__file__).parent
SEED = 7
GOLDEN = (
    {"temperature": 299.4, "torque": 38.2, "quality": "M"},
    {"temperature": 304.1, "torque": 31.0, "quality": "H"},
    {"temperature": 300.9, "torque": 57.5, "quality": "L"},
    {"temperature": 301.5, "torque": 12, "quality": None},
    {"temperature": 300.0, "torque": 44.0, "quality": "X"},
)


class Recipe(NamedTuple):
    """How to train a version."""

    description: str
    hidden: int
    epochs: int
    learning_rate: float = 0.01
    batch: int = 64


RECIPES = {
    "v1": Recipe("How a machine runs: linear in its readings", 0, 20),
    "v2": Recipe("How a machine runs: 16 hidden units", 16, 40),
}


def columns(rows: list[Machine]) -> dict[str, Any]:
    """Parameters of the preprocessing: means and deviations of `rows`, and the qualities that exist."""
    numeric = [
        {"name": name, "type": "numeric", "mean": round(fmean(values), 4), "std": round(pstdev(values), 4)}
        for name in ("temperature", "torque")
        if (values := [row.features[name] for row in rows])
    ]
    quality = {"name": "quality", "type": "categorical", "values": ["L", "M", "H"], "nullable": True}
    return {"columns": [*numeric, quality]}


def train(recipe: Recipe, encoding: dict[str, Any], rows: list[Machine]) -> bytes:
    """The TFLite model: features (batch, width) float32 to a probability each label (batch, 3) float32."""
    deterministic(SEED)
    encoder = preprocessing.encoder("columns", encoding)
    layers = [keras.layers.Dense(recipe.hidden, activation="relu")] if recipe.hidden else []
    layers.append(keras.layers.Dense(len(LABELS), activation="softmax"))
    model = keras.Sequential([keras.Input((encoder.width,)), *layers])
    model.compile(keras.optimizers.Adam(recipe.learning_rate), "sparse_categorical_crossentropy")
    features = encoder.encode([row.features for row in rows], [f"rows[{i}]" for i in range(len(rows))])
    target = np.array([LABELS.index(row.label) for row in rows])
    model.fit(features, target, batch_size=recipe.batch, epochs=recipe.epochs, verbose=0)
    return tflite(model, "features", encoder.width, "float32")


def package(recipe: Recipe, rows: list[Machine]) -> dict[str, bytes]:
    """The files of a version."""
    encoding = columns(machines.part(rows, "train"))
    parameters = {**recipe._asdict(), "seed": SEED}
    del parameters["description"]
    draft = Draft(
        description=recipe.description,
        task="multiclass",
        labels=LABELS,
        kind="columns",
        encoding=encoding,
        input_name="features",
        parameters=parameters,
        dataset=Dataset(machines.digest(rows), len(rows), f"machines.py, seed {machines.SEED}"),
        libraries=libraries(),
        git_commit=git_commit(),
    )
    return build(
        draft,
        train(recipe, encoding, machines.part(rows, "train")),
        HeldOut(
            held_out(machines.part(rows, "validation")),
            held_out(machines.part(rows, "test")),
            GOLDEN,
        ),
        (HERE / "card.md").read_text(),
    )


def candidate(file: Path | None) -> dict[str, bytes]:
    """The pipeline's candidate: what `v2` is. Its data is made by a program and read from no file."""
    if file:
        raise ValueError("these machines are made up by a program and read from no file")
    with quiet():
        return package(RECIPES["v2"], machines.read())


def held_out(rows: list[Machine]) -> Rows:
    """Rows as callers would send them."""
    return Rows([row.features for row in rows], [row.label for row in rows])


def main() -> None:
    """Train all versions."""
    rows = machines.read()
    with quiet():
        made = {name: package(recipe, rows) for name, recipe in RECIPES.items()}
    finish(HERE / "packages", made, check="--check" in sys.argv[1:])


if __name__ == "__main__":
    main()
