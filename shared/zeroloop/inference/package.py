"""`package.json` as a value. Pure. Contract: docs/contracts/package.schema.json."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from zeroloop.errors import InvalidInput

LEAST_GOLDEN = 3

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Count = Annotated[int, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Commit = Annotated[str, Meta(pattern="^[0-9a-f]{40}$")]
Task = Literal["binary", "multiclass", "multilabel", "regression"]


class Tensor(Struct, frozen=True):
    """An input or output of the model; -1 in `shape` varies, the first dimension is the batch."""

    name: Name
    dtype: Literal["float32", "int32", "int64", "uint8", "int8", "bool"]
    shape: list[Annotated[int, Meta(ge=-1)]]


class Signature(Struct, frozen=True):
    """What goes into the model and comes out."""

    inputs: Annotated[list[Tensor], Meta(min_length=1)]
    outputs: Annotated[list[Tensor], Meta(min_length=1)]


class Preprocessing(Struct, frozen=True):
    """How an instance becomes the model's input; the digest proves that training ran the same code."""

    kind: Literal["hashed_ngrams", "columns", "tokenizer"]
    parameters: dict[str, Any]
    digest: Sha256


class Metric(Struct, frozen=True):
    """A metric on held-out rows, with its interval where it has one."""

    value: float
    lower: float | None = None
    upper: float | None = None
    n: Count | None = None


class Dataset(Struct, frozen=True):
    """What the version was trained on."""

    digest: Sha256
    rows: Count | None = None
    source: str | None = None


class GoldenCase(Struct, frozen=True):
    """An instance and the scores that it must get."""

    instance: dict[str, Any]
    scores: Annotated[dict[str, float], Meta(min_length=1)]


class Golden(Struct, frozen=True):
    """Predictions that a version must reproduce within `tolerance` before it may serve."""

    tolerance: Annotated[float, Meta(gt=0, le=1)]
    cases: list[GoldenCase]


class Package(Struct, frozen=True, kw_only=True):
    """What a version says of itself."""

    schema_version: Literal[1]
    task: Task
    labels: Annotated[list[Name], Meta(max_length=10_000)]
    signature: Signature
    preprocessing: Preprocessing
    metrics: dict[str, Metric]
    parameters: dict[str, Any]
    dataset: Dataset
    git_commit: Commit | None
    libraries: dict[str, str]
    golden: Golden
    description: Annotated[str, Meta(max_length=10_000)] = ""
    threshold: Share = 0.5
    run_id: str | None = None


def read(data: bytes) -> Package:
    """The package that `data`, the bytes of a package.json, describes.

    Raises
    ------
    InvalidInput
        Not JSON, not by the contract, or labels that don't fit the task; names the field.
    """
    try:
        package = msgspec.json.decode(data, type=Package)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"package.json: {error}", code="bad_package", field="package.json") from error
    _check_labels(package.task, package.labels)
    return package


def _check_labels(task: Task, labels: list[str]) -> None:
    least = {"binary": 2, "multiclass": 2, "multilabel": 1, "regression": 0}[task]
    most = {"binary": 2, "regression": 0}.get(task, len(labels))
    if not least <= len(labels) <= most:
        raise InvalidInput(
            f"package.json: a {task} model has {least if most == least else f'at least {least}'} labels, "
            f"this one {len(labels)}",
            code="bad_package",
            field="labels",
        )
    if len(set(labels)) < len(labels):
        raise InvalidInput("package.json: a label is listed twice", code="bad_package", field="labels")
