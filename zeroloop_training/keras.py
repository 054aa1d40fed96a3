"""Keras models as packages, by the TFLite converter; TensorFlow made quiet, and deterministic where one asks."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from tempfile import TemporaryFile
from typing import Any

import numpy as np

from zeroloop.inference import preprocessing
from zeroloop_training import tabular
from zeroloop_training.packaging import Draft
from zeroloop_training.tabular import Column, Table, plain

__all__ = ["deterministic", "keras", "package", "quiet", "tf", "tflite"]


@contextmanager
def quiet() -> Iterator[None]:
    """Set standard error aside, and show it only if something fails: TensorFlow's C++ logs there whatever one asks."""
    saved = os.dup(2)
    with TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            yield
        except BaseException:
            aside.seek(0)
            with os.fdopen(os.dup(saved), "wb") as stderr:
                shutil.copyfileobj(aside, stderr)
            raise
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)


with quiet():
    import keras
    import tensorflow as tf


def deterministic(seed: int) -> None:
    """Let a repeated training end at the same weights, on one machine to the last bit."""
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def tflite(scores: Callable[[Any], Any], name: str, width: int, dtype: str) -> bytes:
    """A TFLite model of `scores`, which takes (batch, width) and gives (batch, outputs) float32; any batch size.

    Input `name` and output `scores` are named in its signature. Weights stay as `scores` holds them.
    """
    spec = tf.TensorSpec([None, width], getattr(tf, dtype), name=name)
    function = tf.function(lambda rows: {"scores": scores(rows)}, input_signature=[spec])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()], tf.Module())
    model: bytes = converter.convert()
    return model


def package(  # noqa: PLR0913 - what a model doesn't say of itself
    model: Any,
    labels: Sequence[str],
    train: Table | tuple[Any, Any],
    test: Table | tuple[Any, Any],
    *,
    columns: Sequence[Column] = (),
    description: str = "",
    run_id: str = "",
) -> dict[str, bytes]:
    """The files of a package of `model`, which takes (batch, columns) float32 and answers probabilities, or a number.

    Its answers to the rows of `test` were compared with the model's own.

    Parameters
    ----------
    model
        Ends in a sigmoid for two labels, in a softmax for several, in one number for none.
    labels
        What the outputs mean, in their order: the truth of a row is the place of its label. None: a regression.
    train, test
        Rows and truths: what the model was fitted with, and what it never saw.
    columns
        How rows become the model's input, where it isn't by their numbers as they are: the parameters of the
        preprocessing `columns`, standardised or one-hot.

    Raises
    ------
    InvalidInput
        Outputs that aren't probabilities, or an answer that is off by more than 1e-5.
    """
    train, test = (
        Table(rows, [labels[int(true)] for true in truth] if labels else truth) for rows, truth in (train, test)
    )
    columns = list(columns) or [plain(name) for name in tabular.names(train.rows)]
    encoder = preprocessing.encoder("columns", {"columns": columns})
    draft = Draft(
        description=description or f"{model.name} of {', '.join(column['name'] for column in columns)}"[:200],
        task="regression" if not labels else "binary" if len(labels) == 2 else "multiclass",
        labels=labels,
        kind="columns",
        encoding={"columns": columns},
        input_name="features",
        parameters={"model": model.name, "weights": model.count_params()},
        dataset=tabular.dataset(train, columns),
        libraries={name: version(name) for name in ("ai-edge-litert", "keras", "numpy")},
        run_id=run_id or None,
    )
    rows = tabular.records(test.rows, columns)
    expected = model.predict(encoder.encode(rows, [f"test[{i}]" for i in range(len(rows))]), verbose=0)
    if len(labels) == 2 and expected.shape[1] == 1:
        expected = np.hstack([1 - expected, expected])
    with quiet():
        converted = tflite(model, "features", encoder.width, "float32")
    return tabular.package(converted, draft, test, expected)
