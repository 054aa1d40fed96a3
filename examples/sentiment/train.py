"""Train the sentiment example and write its packages: `small` and `large` in int8, `float` is `small` in float32.

`--check` trains again and compares with the packages that are checked in. Needs the dependency group `train`.
"""

import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from examples.export import deterministic, keras, quiet, tf, tflite
from examples.packaging import Draft, HeldOut, build, finish
from examples.sentiment import dataset
from examples.sentiment.dataset import Sentence, rows
from zeroloop.inference import preprocessing
from zeroloop.inference.package import Dataset

HERE = Path(__file__).parent
SEED = 7
GOLDEN = (
    "A wonderful, moving film.",
    "Two hours that I will never get back.",
    "It's a dull, lifeless mess -- and far too long.",
    "Funny, warm and beautifully acted.",
    "The film is set in Paris.",
    "¿Qué? «Très drôle» 愛 👍",
    "?!",
)


class Recipe(NamedTuple):
    """How to train a version: what it reads and how hard it looks."""

    description: str
    buckets: int
    length: int
    ngrams: int
    dimensions: int
    dropout: float
    epochs: int
    learning_rate: float = 0.003
    batch: int = 64

    @property
    def encoding(self) -> dict[str, int]:
        """Parameters of the preprocessing."""
        return {"buckets": self.buckets, "length": self.length, "ngrams": self.ngrams}


SMALL = Recipe("Sentiment of a sentence, by its words", 65_536, 64, 1, 2, 0.0, 7)
LARGE = Recipe("Sentiment of a sentence, by its words and word pairs", 262_144, 96, 2, 3, 0.3, 5)


class Weights(NamedTuple):
    """A trained model: embedding (buckets, dimensions) with row 0 zero, kernel (dimensions, 1), bias (1,)."""

    embedding: NDArray[np.float32]
    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]


def train(recipe: Recipe, sentences: list[Sentence]) -> Weights:
    """Weights from the part `train`, which end in calibrated probabilities by the part `validation`.

    A row's embeddings are added up and divided by the square root of their number, which gives long texts their greater
    certainty. The target is a rating's own probability, sigmoid(mean): 20 people know more than a sign.
    """
    deterministic(SEED)
    ids = keras.Input((recipe.length,), dtype="int32")
    embedding = keras.layers.Embedding(recipe.buckets, recipe.dimensions)
    words = keras.ops.expand_dims(keras.ops.cast(keras.ops.not_equal(ids, 0), "float32"), -1)
    heard = keras.layers.Dropout(recipe.dropout)(words)
    n_words = keras.ops.maximum(keras.ops.sum(words, axis=1), 1.0)
    pooled = keras.ops.sum(embedding(ids) * heard, axis=1) / keras.ops.sqrt(n_words)
    dense = keras.layers.Dense(1, activation="sigmoid")
    model = keras.Model(ids, dense(pooled))
    model.compile(keras.optimizers.Adam(recipe.learning_rate), "binary_crossentropy")

    seen = dataset.part(sentences, "train")
    target = 1 / (1 + np.exp(-np.array([row.mean_sentiment for row in seen])))
    model.fit(encode(recipe, seen), target, batch_size=recipe.batch, epochs=recipe.epochs, verbose=0)

    held_out = dataset.part(sentences, "validation")
    p_positive = model.predict(encode(recipe, held_out), batch_size=1024, verbose=0)[:, 0]
    steepness = calibration(p_positive, np.array([row.label == "positive" for row in held_out]))
    table = embedding.get_weights()[0]
    table[0] = 0
    kernel, bias = dense.get_weights()
    return Weights(table, kernel * steepness, bias * steepness)


def encode(recipe: Recipe, sentences: list[Sentence]) -> NDArray[Any]:
    """(batch, length) ids of the sentences."""
    encoder = preprocessing.encoder("hashed_ngrams", recipe.encoding)
    return encoder.encode([row.text for row in sentences], [row.id for row in sentences])


def calibration(p_positive: NDArray[np.float32], positive: NDArray[np.bool_]) -> np.float32:
    """What to multiply logits by for the least log loss, of 400 candidates from 1/4 to 16."""
    logits = np.log(p_positive) - np.log1p(-p_positive)
    candidates = np.geomspace(0.25, 16, 400)
    losses = [np.logaddexp(0, np.where(positive, -logits, logits) * candidate).mean() for candidate in candidates]
    return np.float32(candidates[int(np.argmin(losses))])


def export(weights: Weights, length: int, *, quantised: bool) -> bytes:
    """The TFLite model: ids (batch, length) int32 to the probability of `positive` (batch, 1) float32.

    `quantised` stores the embedding in int8, one scale a dimension: a quarter of the size. Written out in old and plain
    operations, because the converter's own quantisation asks for newer ones than tflite-runtime 2.14 has.
    """
    scale = np.abs(weights.embedding).max(axis=0) / 127
    table = np.rint(weights.embedding / scale).astype(np.int8) if quantised else weights.embedding
    kernel = weights.kernel * scale[:, np.newaxis] if quantised else weights.kernel

    def scores(ids: Any) -> Any:
        pooled = tf.reduce_sum(tf.cast(tf.gather(table, ids), tf.float32), axis=1)
        n_words = tf.reduce_sum(tf.cast(tf.not_equal(ids, 0), tf.float32), axis=1, keepdims=True)
        return tf.sigmoid(tf.matmul(pooled / tf.sqrt(tf.maximum(n_words, 1.0)), kernel) + weights.bias)

    return tflite(scores, "ids", length, "int32")


def package(recipe: Recipe, weights: Weights, sentences: list[Sentence], *, quantised: bool) -> dict[str, bytes]:
    """The files of a version."""
    tensors = "int8" if quantised else "float32"
    parameters = {**recipe._asdict(), "seed": SEED, "weights": tensors}
    draft = Draft(
        description=f"{recipe.description} ({tensors})",
        task="binary",
        labels=["negative", "positive"],
        kind="hashed_ngrams",
        encoding=recipe.encoding,
        input_name="ids",
        parameters={name: value for name, value in parameters.items() if name != "description"},
        dataset=Dataset(dataset.digest(), len(sentences), dataset.MOVIES.name),
    )
    return build(
        draft,
        export(weights, recipe.length, quantised=quantised),
        (HERE / "card.md").read_text(),
        HeldOut(rows(sentences, "validation"), rows(sentences, "test"), GOLDEN),
    )


def main() -> None:
    """Train all versions."""
    sentences = dataset.read()
    with quiet():
        small, large = train(SMALL, sentences), train(LARGE, sentences)
        made = {
            "small": package(SMALL, small, sentences, quantised=True),
            "float": package(SMALL, small, sentences, quantised=False),
            "large": package(LARGE, large, sentences, quantised=True),
        }
    finish(HERE / "packages", made, check="--check" in sys.argv[1:])


if __name__ == "__main__":
    main()
