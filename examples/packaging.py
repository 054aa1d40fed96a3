"""Writes a version's package from a trained model. Everything it states is measured on the serving code path."""

import json
import math
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from string import Template
from typing import Any, Literal, NamedTuple

import msgspec

from zeroloop.inference import preprocessing
from zeroloop.inference.answers import Answer
from zeroloop.inference.model import Model
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
    read,
)

ROOT = Path(__file__).parents[1]
LIBRARIES = ("ai-edge-litert", "keras", "numpy", "tensorflow-cpu")
GOLDEN_TOLERANCE = 0.001
"""Interpreters and CPUs differ by rounding, 1e-6; a wrong table or encoder by more than 0.01."""
RETRAINED_METRIC, RETRAINED_SCORE = 0.01, 0.03
"""How far a repeated training may be off: it is exact on one machine, but CPUs add floats in different orders."""


class Rows(NamedTuple):
    """Held-out rows: what an instance's field holds, and its true label."""

    values: Sequence[Any]
    labels: Sequence[str]


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


class HeldOut(NamedTuple):
    """Rows that training never saw: `validation` makes the baseline, `test` the metrics.

    `golden` holds values (texts, features) whose answers later interpreters must reproduce; at least 3.
    """

    validation: Rows
    test: Rows
    golden: Sequence[Any]


def build(draft: Draft, tflite: bytes, card: str, held_out: HeldOut) -> dict[str, bytes]:
    """The files of a package.

    `card` may name $description, $n, and each metric as in $accuracy and $accuracy_lower.
    """
    package = _stated(draft)
    model = Model({"package.json": msgspec.json.encode(package), "model.tflite": tflite})
    cases = [
        GoldenCase({model.field: value}, answer.scores)
        for value, answer in zip(held_out.golden, predict(model, held_out.golden), strict=True)
    ]
    package = msgspec.structs.replace(
        package, metrics=measure(model, held_out.test), golden=Golden(GOLDEN_TOLERANCE, cases)
    )
    return {
        "model.tflite": tflite,
        "package.json": _json(msgspec.to_builtins(package)),
        "baseline.json": _json(baseline(package.labels, predict(model, held_out.validation.values))),
        "card.md": Template(card).substitute(_figures(package)).encode(),
    }


def _stated(draft: Draft) -> Package:
    """The package of `draft`, with metrics and golden predictions still to come."""
    encoder = preprocessing.encoder(draft.kind, draft.encoding)
    dtype: Literal["float32", "int32"] = "int32" if encoder.dtype == "int32" else "float32"
    outputs = 1 if draft.task == "binary" else len(draft.labels)
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
        git_commit=git_commit(),
        libraries={name: version(name) for name in LIBRARIES},
        golden=Golden(GOLDEN_TOLERANCE, []),
    )


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
    print(f"{directory}: {sum(map(len, files.values())):,} bytes")


def load(directory: Path) -> Model:
    """The model of the package in `directory`, as predict loads it."""
    return Model({name: (directory / name).read_bytes() for name in ("package.json", "model.tflite")})


def predict(model: Model, values: Sequence[Any]) -> list[Answer]:
    """An answer for each value."""
    return model.predict(values, [f"rows[{i}].{model.field}" for i in range(len(values))])


def measure(model: Model, rows: Rows) -> dict[str, Metric]:
    """Accuracy with its 95% interval, and the mean log loss."""
    answers = predict(model, rows.values)
    n = len(answers)
    n_right = sum(answer.prediction == label for answer, label in zip(answers, rows.labels, strict=True))
    losses = [
        -math.log(max(answer.scores[label], 1e-6)) for answer, label in zip(answers, rows.labels, strict=True)
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


def baseline(labels: Sequence[str], answers: Iterable[Answer]) -> dict[str, Any]:
    """The aggregate of held-out predictions: label counts, and scores in 50 bins over [0, 1].

    The score is that of the second label for two labels, else that of the answered one.
    """
    answers = list(answers)
    scores = [answer.scores[labels[1]] if len(labels) == 2 else answer.confidence for answer in answers]
    bins = Counter(str(min(int(50 * (score or 0.0)), 49)) for score in scores)
    return {
        "schema_version": 1,
        "n": len(answers),
        "labels": dict(sorted(Counter(str(answer.prediction) for answer in answers).items())),
        "scores": dict(sorted(bins.items(), key=lambda item: int(item[0]))),
    }


def differences(checked_in: Path, files: Mapping[str, bytes]) -> list[str]:
    """What a repeated training, `files`, does otherwise than the package in `checked_in`, beyond the tolerances."""
    old, new = read((checked_in / "package.json").read_bytes()), read(files["package.json"])
    found = [
        f"{name} {metric.value}, was {old.metrics[name].value}"
        for name, metric in new.metrics.items()
        if abs(metric.value - old.metrics[name].value) > RETRAINED_METRIC
    ]
    for was, now in zip(old.golden.cases, new.golden.cases, strict=True):
        off = max(abs(now.scores[label] - score) for label, score in was.scores.items())
        if off > RETRAINED_SCORE or now.instance != was.instance:
            found.append(f"{now.instance} scores {now.scores}, was {was.scores}")
    if old.preprocessing != new.preprocessing or old.dataset != new.dataset:
        found.append("other preprocessing or data")
    return found


def finish(packages: Path, made: Mapping[str, Mapping[str, bytes]], *, check: bool) -> None:
    """Write each version of `made` below `packages`; with `check` compare instead, and exit 1 on a difference."""
    if not check:
        for name, files in made.items():
            write(packages / name, files)
        return
    found = [f"{name}: {what}" for name, files in made.items() for what in differences(packages / name, files)]
    print("\n".join(found) or f"{', '.join(made)}: trained again, the same within tolerance")
    raise SystemExit(bool(found))


def git_commit() -> str | None:
    """HEAD, or None where the code that trains isn't what HEAD says."""
    changed = _git("status", "--porcelain", "--", "examples", "shared", "uv.lock", ":(exclude)examples/*/packages/**")
    return None if changed is None or changed else _git("rev-parse", "HEAD")


def _git(*arguments: str) -> str | None:
    run = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603, S607
    return run.stdout.strip() if run.returncode == 0 else None


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()
