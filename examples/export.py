"""Training's common ground: TensorFlow made quiet and deterministic, and its functions as TFLite."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import Any

__all__ = ["deterministic", "keras", "quiet", "tf", "tflite"]


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
