"""Train the sentiment example and write its packages: `small` and `large` in int8, `float` is `small` in float32.

`--check` trains again and compares with the packages that are checked in. Needs the dependency group `train`. Where
MLFLOW_TRACKING_URI names a tracking server, each training is a run there, with its packages as models.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from examples import tracking
from examples.checked_in import finish, git_commit, libraries
from examples.sentiment import dataset
from examples.sentiment.dataset import Sentence, rows
from examples.tracking import Run
from zeroloop.inference import preprocessing
from zeroloop.inference.package import Dataset, read
from zeroloop_training import hashed
from zeroloop_training.keras import deterministic, keras, quiet, tf, tflite
from zeroloop_training.packaging import Draft, HeldOut, build

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

    @property
    def parameters(self) -> dict[str, Any]:
        """What a run and a package tell of it."""
        return {**{name: value for name, value in self._asdict().items() if name != "description"}, "seed": SEED}


SMALL = Recipe("Sentiment of a sentence, by its words", 65_536, 64, 1, 2, 0.0, 7)
LARGE = Recipe("Sentiment of a sentence, by its words and word pairs", 262_144, 96, 2, 3, 0.3, 5)


class Weights(NamedTuple):
    """A trained model: embedding (buckets, dimensions) with row 0 zero, kernel (dimensions, 1), bias (1,)."""

    embedding: NDArray[np.float32]
    kernel: NDArray[np.float32]
    bias: NDArray[np.float32]


def train(recipe: Recipe, sentences: list[Sentence], run: Run) -> Weights:
    """Weights from the part `train`, which end in calibrated probabilities by the part `validation`.

    A row's embeddings are added up and divided by the square root of their number, which gives long texts their greater
    certainty. The target is a rating's own probability, sigmoid(mean): 20 people know more than a sign. `run` is told
    the loss of each epoch and the accuracy on the part `validation` after it.
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
    held_out = dataset.part(sentences, "validation")
    unseen, positive = encode(recipe, held_out), np.array([row.label == "positive" for row in held_out])

    def probabilities() -> NDArray[np.float32]:
        scores: NDArray[np.float32] = model.predict(unseen, batch_size=1024, verbose=0)[:, 0]
        return scores

    def tell(epoch: int, logs: dict[str, float]) -> None:
        accuracy = float(np.mean((probabilities() > 0.5) == positive))
        run.metrics({"loss": logs["loss"], "accuracy": accuracy}, step=epoch)

    telling = keras.callbacks.LambdaCallback(on_epoch_end=tell)
    model.fit(
        encode(recipe, seen), target, batch_size=recipe.batch, epochs=recipe.epochs, verbose=0, callbacks=[telling]
    )
    steepness = calibration(probabilities(), positive)
    table = embedding.get_weights()[0]
    table[0] = 0
    kernel, bias = dense.get_weights()
    return Weights(table, kernel * steepness, bias * steepness)


def encode(recipe: Recipe, sentences: list[Sentence]) -> NDArray[Any]:
    """(batch, length) ids of the sentences."""
    encoder = preprocessing.encoder("hashed_ngrams", recipe.encoding)
    return hashed.encode(encoder, [row.value for row in sentences], [row.id for row in sentences])


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


def package(recipe: Recipe, weights: Weights, source: Path, *, quantised: bool, run: Run) -> dict[str, bytes]:
    """The files of a version, made of the sentences in `source`."""
    sentences = dataset.read(source)
    tensors = "int8" if quantised else "float32"
    draft = Draft(
        description=f"{recipe.description} ({tensors})",
        task="binary",
        labels=["negative", "positive"],
        kind="hashed_ngrams",
        encoding=recipe.encoding,
        input_name="ids",
        parameters={**recipe.parameters, "weights": tensors},
        dataset=Dataset(dataset.digest(source), len(sentences), source.name),
        libraries=libraries(),
        git_commit=git_commit(),
        run_id=run.id,
    )
    return build(
        draft,
        export(weights, recipe.length, quantised=quantised),
        HeldOut(rows(sentences, "validation"), rows(sentences, "test"), GOLDEN, seen=rows(sentences, "train").values),
        (HERE / "card.md").read_text(),
    )


def versions(recipe: Recipe, sentences: list[Sentence], quantised: Mapping[str, bool]) -> dict[str, dict[str, bytes]]:
    """The packages of one training, by name, the first of which gives the run its final metrics."""
    with tracking.run("sentiment", next(iter(quantised)), recipe.parameters) as run:
        weights = train(recipe, sentences, run)
        made = {name: package(recipe, weights, dataset.MOVIES, quantised=q, run=run) for name, q in quantised.items()}
        metrics = read(next(iter(made.values()))["package.json"]).metrics
        last = recipe.epochs - 1
        run.metrics({"final_accuracy": metrics["accuracy"].value, "final_loss": metrics["log_loss"].value}, last)
        for name, files in made.items():
            run.package(name, files, last)
    return made


def candidate(file: Path | None) -> dict[str, bytes]:
    """The pipeline's candidate, trained on `file` or on the movie reviews: what `small` is."""
    source = file or dataset.MOVIES
    with quiet(), tracking.run("sentiment", "candidate", SMALL.parameters) as run:
        weights = train(SMALL, dataset.read(source), run)
        files = package(SMALL, weights, source, quantised=True, run=run)
        run.package("candidate", files, SMALL.epochs - 1)
        return files


def main() -> None:
    """Train all versions."""
    sentences = dataset.read()
    with quiet():
        made = versions(SMALL, sentences, {"small": True, "float": False})
        made |= versions(LARGE, sentences, {"large": True})
    finish(HERE / "packages", made, check="--check" in sys.argv[1:])


if __name__ == "__main__":
    main()
