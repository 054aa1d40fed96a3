"""Writes a version's package from a trained model. Everything it states is measured on the serving code path."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any, Literal, NamedTuple

import msgspec

from zeroloop.inference import preprocessing
from zeroloop.inference.answers import Answer
from zeroloop.inference.model import BASELINE, Model
from zeroloop.inference.package import (
    Dataset,
    Golden,
    GoldenCase,
    Metric,
    Package,
    Preprocessing,
    Signature,
    Task,
    Tensor,
)
from zeroloop.inference.runtime import Runner
from zeroloop.monitoring.baseline import write as write_baseline
from zeroloop_training.baselines import baseline
from zeroloop_training.hashed import Hashed, encode

GOLDEN_TOLERANCE = 0.001
"""Interpreters and CPUs differ by rounding, 1e-6; a wrong table or encoder by more than 0.01."""


class Rows(NamedTuple):
    """Held-out rows: what an instance's field holds, and its true label; for regression its true number."""

    values: Sequence[Any]
    labels: Sequence[Any]


class Draft(NamedTuple):
    """What a package states that isn't measured; `encoding` holds the parameters of preprocessing `kind`."""

    description: str
    task: Task
    labels: Sequence[str]
    kind: Literal["hashed_ngrams", "columns", "tokenizer"]
    encoding: Mapping[str, Any]
    input_name: str
    parameters: Mapping[str, Any]
    dataset: Dataset
    libraries: Mapping[str, str]
    git_commit: str | None = None
    run_id: str | None = None


class HeldOut(NamedTuple):
    """Rows that training never saw: `validation` makes the baseline, `test` the metrics.

    `golden` holds values (texts, features) whose answers later interpreters must reproduce; at least 3. `seen` are the
    values that training did see, for monitoring to tell new words by, and `slices` the names that it counts apart.
    """

    validation: Rows
    test: Rows
    golden: Sequence[Any]
    seen: Sequence[Any] = ()
    slices: Sequence[str] = ()


def build(draft: Draft, tflite: bytes, held_out: HeldOut, card: str = "") -> dict[str, bytes]:
    """The files of a package.

    `card` may name $description, $n, and each metric as in $accuracy and $accuracy_lower; without one there is no card.
    """
    package = _stated(draft, outputs=int(Runner(tflite).outputs[0]["shape"][-1]))
    model = Model({"package.json": msgspec.json.encode(package), "model.tflite": tflite})
    cases = [
        GoldenCase({model.field: value}, answer.scores or {"value": number(answer)})
        for value, answer in zip(held_out.golden, predict(model, held_out.golden), strict=True)
    ]
    package = msgspec.structs.replace(package, metrics=measure(model, held_out.test), golden=_golden(cases))
    made = {"model.tflite": tflite, "package.json": _json(msgspec.to_builtins(package))}
    rows = held_out.validation
    made[BASELINE] = write_baseline(
        baseline(model, rows.values, rows.labels, seen=held_out.seen, slices=held_out.slices)
    )
    if card:
        made["card.md"] = Template(card).substitute(_figures(package)).encode()
    return made


def _stated(draft: Draft, outputs: int) -> Package:
    """The package of `draft`, with metrics and golden predictions still to come."""
    encoder = preprocessing.encoder(draft.kind, draft.encoding)
    dtype: Literal["float32", "int32"] = "int32" if encoder.dtype == "int32" else "float32"
    return Package(
        schema_version=1,
        description=draft.description,
        task=draft.task,
        labels=list(draft.labels),
        signature=Signature(
            [Tensor(draft.input_name, dtype, [-1, encoder.width])], [Tensor("scores", "float32", [-1, outputs])]
        ),
        preprocessing=Preprocessing(draft.kind, dict(draft.encoding), preprocessing.digest(draft.kind, draft.encoding)),
        metrics={},
        parameters=dict(draft.parameters),
        dataset=draft.dataset,
        git_commit=draft.git_commit,
        libraries=dict(draft.libraries),
        golden=Golden(GOLDEN_TOLERANCE, []),
        run_id=draft.run_id,
    )


def _golden(cases: list[GoldenCase]) -> Golden:
    """The cases with their tolerance, which for scores is GOLDEN_TOLERANCE and for larger numbers grows with them."""
    largest = max(abs(score) for case in cases for score in case.scores.values())
    return Golden(min(GOLDEN_TOLERANCE * max(largest, 1.0), 1.0), cases)


def _figures(package: Package) -> dict[str, str]:
    """What a card may name."""
    figures = {"description": package.description}
    for name, metric in package.metrics.items():
        figures |= {name: f"{metric.value:.3f}", "n": f"{metric.n:,}"}
        if metric.lower is not None and metric.upper is not None:
            figures |= {f"{name}_lower": f"{metric.lower:.3f}", f"{name}_upper": f"{metric.upper:.3f}"}
    return figures


def write(directory: Path, files: Mapping[str, bytes]) -> None:
    """Write `files` into `directory`, which is made where it is missing."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (directory / name).write_bytes(data)


def load(directory: Path) -> Model:
    """The model of the package in `directory`, as predict loads it."""
    return Model(files(directory))


def files(directory: Path) -> dict[str, bytes]:
    """The files of the package in `directory`, by name; hidden ones are none of it."""
    found = sorted(path for path in directory.iterdir() if path.is_file() and not path.name.startswith("."))
    return {path.name: path.read_bytes() for path in found}


def predict(model: Model, values: Sequence[Any]) -> list[Answer]:
    """An answer for each value."""
    where = [f"rows[{i}].{model.field}" for i in range(len(values))]
    if model.encoder and any(isinstance(value, Hashed) for value in values):
        return model.answers_to(encode(model.encoder, values, where))
    return model.predict(values, where)


def number(answer: Answer) -> float:
    """What a regression answers."""
    if not isinstance(answer.prediction, float):
        raise TypeError("only a regression answers a number")
    return answer.prediction


def measure(model: Model, rows: Rows) -> dict[str, Metric]:
    """Accuracy with its 95% interval and the mean log loss; for regression how far off the answers are."""
    answers = predict(model, rows.values)
    return _errors(answers, rows.labels) if model.package.task == "regression" else _hits(answers, rows.labels)


def _errors(answers: Sequence[Answer], truth: Sequence[Any]) -> dict[str, Metric]:
    n = len(answers)
    off = [abs(number(answer) - float(true)) for answer, true in zip(answers, truth, strict=True)]
    return {
        "mean_absolute_error": Metric(sum(off) / n, n=n),
        "root_mean_squared_error": Metric(math.sqrt(sum(error * error for error in off) / n), n=n),
    }


def _hits(answers: Sequence[Answer], truth: Sequence[Any]) -> dict[str, Metric]:
    n = len(answers)
    n_right = sum(answer.prediction == label for answer, label in zip(answers, truth, strict=True))
    losses = [
        -math.log(max(answer.scores[label], 1e-6)) for answer, label in zip(answers, truth, strict=True)
    ]  # 1e-6: what an answer rounds to
    lower, upper = wilson(n_right, n)
    return {
        "accuracy": Metric(round(n_right / n, 4), lower, upper, n),
        "log_loss": Metric(round(sum(losses) / n, 4), n=n),
    }


def wilson(n_right: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Wilson's score interval of a proportion, 95% by default, to 4 digits; n >= 1.

    Wilson (1927), JASA 22: the p for which the share lies within z standard errors, sqrt(p (1 - p) / n), of p.

    >>> wilson(8, 10)
    (0.4902, 0.9433)
    """
    share = n_right / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return round(centre - half, 4), round(centre + half, 4)


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()
