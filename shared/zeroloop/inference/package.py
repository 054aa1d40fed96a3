"""`package.json` as a value. Pure. Contract: docs/contracts/package.schema.json."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from zeroloop.errors import InvalidInput

LEAST_GOLDEN = 3

Name = Annotated[str, Meta(min_length=1, max_length=200)]
Size = Annotated[int, Meta(ge=-1, le=2**31 - 1)]
Count = Annotated[int, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Commit = Annotated[str, Meta(pattern="^[0-9a-f]{40}$")]
Task = Literal["binary", "multiclass", "multilabel", "regression", "tensors"]
Dtype = Literal[
    "bool",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "int8",
    "int16",
    "int32",
    "int64",
    "float16",
    "float32",
    "float64",
    "string",
]


class Tensor(Struct, frozen=True, omit_defaults=True):
    """An input or output of the model; -1 in `shape` varies, the first dimension is the batch.

    `max_shape` is `shape` with the greatest size in place of each -1 but the first. `minimum` and `maximum` bound what
    an input takes. All bounds are inclusive. A quantised tensor is stated as float32 where callers shall see real
    numbers, else as what it is.
    """

    name: Name
    dtype: Dtype
    shape: list[Size]
    max_shape: list[Size] | None = None
    minimum: float | int | None = None
    maximum: float | int | None = None

    @property
    def greatest(self) -> list[int]:
        """The shape of one as large as it may be; -1 where that isn't stated, and for the batch."""
        return self.shape if self.max_shape is None else self.max_shape


class Signature(Struct, frozen=True):
    """What goes into the model and comes out, in the order of the model's own lists; the names are for callers."""

    inputs: Annotated[list[Tensor], Meta(min_length=1)]
    outputs: Annotated[list[Tensor], Meta(min_length=1)]


class Preprocessing(Struct, frozen=True):
    """How an instance becomes the model's input; the digest proves that training ran the same code."""

    kind: Literal["hashed_ngrams", "columns", "tokenizer", "tensors"]
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
    """An instance and the scores that it must get: by label, `value` for regression, by output for tensors."""

    instance: dict[str, Any]
    scores: Annotated[dict[str, Any], Meta(min_length=1)]


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
    answer: Name | None = None

    @property
    def answered(self) -> int:
        """Which of the outputs task and labels are about: the one named `answer`, else the first."""
        return [output.name for output in self.signature.outputs].index(self.answer) if self.answer else 0


def read(data: bytes) -> Package:
    """The package that `data`, the bytes of a package.json, describes.

    Raises
    ------
    InvalidInput
        Not JSON, not by the contract, or parts that don't fit each other; names the field.
    """
    try:
        package = msgspec.json.decode(data, type=Package)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"package.json: {error}", code="bad_package", field="package.json") from error
    _check_labels(package.task, package.labels)
    _check_names(package)
    _check_golden(package)
    return package


def _check_labels(task: Task, labels: list[str]) -> None:
    least = {"binary": 2, "multiclass": 2, "multilabel": 1, "regression": 0, "tensors": 0}[task]
    most = {"binary": 2, "regression": 0, "tensors": 0}.get(task, len(labels))
    if not least <= len(labels) <= most:
        wanted = least if most == least else f"at least {least}"
        raise _bad(f"a {task} model has {wanted} labels, this one {len(labels)}", "labels")
    if len(set(labels)) < len(labels):
        raise _bad("a label is listed twice", "labels")
    if task == "multilabel" and any("|" in label for label in labels):
        raise _bad("a label of a multilabel model holds no |, which joins the labels of an answer", "labels")


def _check_names(package: Package) -> None:
    for side, tensors in (("inputs", package.signature.inputs), ("outputs", package.signature.outputs)):
        if len({tensor.name for tensor in tensors}) < len(tensors):
            raise _bad("a name is given twice", f"signature.{side}")
        for i, tensor in enumerate(tensors):
            _check_max_shape(tensor, f"signature.{side}[{i}].max_shape")
    if package.answer and package.answer not in {output.name for output in package.signature.outputs}:
        raise _bad("must be the name of an output", "answer")
    if package.task == "tensors" and package.preprocessing.kind != "tensors":
        raise _bad("the task tensors is for models that take tensors", "preprocessing.kind")


def _check_max_shape(tensor: Tensor, where: str) -> None:
    most = tensor.greatest
    sized = len(most) == len(tensor.shape) and all(
        size == stated or (i > 0 and stated == -1 and size > 0)
        for i, (size, stated) in enumerate(zip(most, tensor.shape, strict=True))
    )
    if not sized:
        raise _bad(f"{most} is not {tensor.shape} with sizes in place of each -1 but the first", where)


def _check_golden(package: Package) -> None:
    for i, case in enumerate(package.golden.cases):
        for label, score in case.scores.items():
            if type(score) not in ({float, int, bool, str, list} if package.task == "tensors" else {float, int}):
                raise _bad("a score is a number, of tensors also a list", f"golden.cases[{i}].scores.{label}")


def _bad(what: str, field: str) -> InvalidInput:
    return InvalidInput(f"package.json: {what}", code="bad_package", field=field)
