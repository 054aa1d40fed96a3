"""The Open Inference Protocol V2 over HTTP: its requests, answers, metadata and errors. Pure.

Tensors stand in JSON. The binary extension isn't spoken, and the server's metadata says so by not listing it: answers
are JSON also for clients that would rather have bytes, and inputs in bytes are refused with what to set.
"""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Annotated, Any, NamedTuple

import msgspec
import numpy as np
from msgspec import UNSET, Meta, Struct, UnsetType, field

from zeroloop.errors import InvalidInput, ZeroloopError
from zeroloop.inference.answers import Answer, NotANumber
from zeroloop.inference.model import Model, Result
from zeroloop.inference.package import Package, Tensor
from zeroloop.inference.preprocessing import TENSORS
from zeroloop.inference.requests import (
    MAX_ANSWER_BYTES,
    MAX_INSTANCES,
    Slice,
    Unit,
    carried,
    check_scores,
    receipt_bytes,
)
from zeroloop.inference.tensors import DATATYPES, Array, Given

SERVER = {"name": "zeroloop", "version": "0.1.0", "extensions": []}
PLATFORM = "tflite"
_NUMBER_BYTES = 24
_MOST_NUMBERS = 16_000_000
"""Of outputs before it is known how large they are: 64 MB of float32."""
_TOO_LARGE = "the answer would be too large: send fewer rows, or ask for fewer outputs"
_NO_BINARY = (
    "send data as JSON, for binary tensors are not taken: tritonclient and kserve do so after "
    "set_data_from_numpy(..., binary_data=False)"
)


class Parameters(Struct, frozen=True, forbid_unknown_fields=True):
    """Of a request: unit and slice as in the friendly protocol. A misspelt one would silently assign by chance."""

    unit: Unit | None = None
    slice: Slice | None = None
    binary_data_output: bool = False


class InputParameters(Struct, frozen=True, forbid_unknown_fields=True):
    """What clients say of a tensor's form."""

    content_type: str | None = None
    binary_data_size: int | None = None


class WantedParameters(Struct, frozen=True, forbid_unknown_fields=True):
    """In which form a client would like an output."""

    binary_data: bool = False


class Input(Struct, forbid_unknown_fields=True):
    """A tensor of a request."""

    name: str
    shape: list[Annotated[int, Meta(ge=0)]]
    datatype: str
    data: list[Any] | UnsetType = UNSET
    parameters: InputParameters = InputParameters()


class Wanted(Struct, forbid_unknown_fields=True):
    """An output that a request asks for."""

    name: str
    parameters: WantedParameters = WantedParameters()


class InferRequest(Struct, forbid_unknown_fields=True):
    """Body of an inference; without `outputs` all are answered. KServe's client repeats the model's name in it."""

    inputs: Annotated[list[Input], Meta(min_length=1)]
    outputs: list[Wanted] = field(default_factory=list)
    id: Annotated[str, Meta(max_length=1000)] | None = None
    model_name: str | None = None
    parameters: Parameters = Parameters()


class Output(NamedTuple):
    """A tensor that a model offers, and what else it says: the labels of its last dimension, how large it may be."""

    name: str
    datatype: str
    shape: list[int]
    labels: list[str] | None = None
    max_shape: list[int] | None = None


def check_headers(headers: Mapping[str, str]) -> None:
    """Refuse a body that is JSON followed by bytes.

    Raises
    ------
    InvalidInput
    """
    if "inference-header-content-length" in headers:
        raise InvalidInput(_NO_BINARY, field="inputs")


def given(request: InferRequest, model: Model) -> dict[str, Given]:
    """The request's tensors by name: all that `model` takes but for the optional ones, with equally many rows.

    Raises
    ------
    InvalidInput
        Names the tensor that is missing, unknown, there twice, or of another number of rows.
    """
    names = {tensor.name for tensor in model.inputs}
    found: dict[str, Given] = {}
    for i, tensor in enumerate(request.inputs):
        where = f"inputs[{i}]"
        if tensor.name not in names or tensor.name in found:
            what = "is there twice" if tensor.name in found else "is not an input of this model"
            raise InvalidInput(
                f"{tensor.name[:80]!r} {what}; it takes {', '.join(sorted(names)):.500}", field=f"{where}.name"
            )
        found[tensor.name] = Given(_data(tensor, where), tensor.shape, tensor.datatype, where)
    for name in sorted(names - found.keys() - model.optional):
        raise InvalidInput(f"{name} is missing", field="inputs")
    if model.rows:
        _check_rows(found)
    return found


def _data(tensor: Input, where: str) -> list[Any]:
    if isinstance(tensor.data, UnsetType) or tensor.parameters.binary_data_size is not None:
        raise InvalidInput(_NO_BINARY, field=f"{where}.data")
    return tensor.data


def _check_rows(found: Mapping[str, Given]) -> None:
    counts = {name: one.shape[0] if one.shape else 0 for name, one in found.items()}
    first = next(iter(counts.values()))
    for name, count in counts.items():
        if count != first:
            raise InvalidInput(f"{name} has {count} rows, another input {first}", field=f"{found[name].where}.shape")
        if not 0 < count <= MAX_INSTANCES:
            raise InvalidInput(f"send 1 to {MAX_INSTANCES:,} rows, not {count:,}", field=f"{found[name].where}.shape")


def offered(package: Package) -> list[Output]:
    """What a model answers: its own outputs where it takes tensors; else its answer, and then its other outputs."""
    own = [
        Output(tensor.name, DATATYPES[tensor.dtype], tensor.shape, max_shape=tensor.max_shape)
        for tensor in package.signature.outputs
    ]
    if package.preprocessing.kind == TENSORS:
        return own
    head = _head(package)
    named = {output.name for output in head}
    return head + [output for i, output in enumerate(own) if i != package.answered and output.name not in named]


def _head(package: Package) -> list[Output]:
    labels = package.labels
    if package.task == "regression":
        return [Output("prediction", "FP64", [-1])]
    prediction = Output("prediction", "BYTES", [-1])
    if package.task == "multilabel":
        prediction = Output("prediction", "BOOL", [-1, len(labels)], labels)
    return [prediction, Output("confidence", "FP64", [-1]), Output("scores", "FP64", [-1, len(labels)], labels)]


def wanted(request: InferRequest, package: Package) -> list[Output]:
    """The outputs that the request asks for, all where it names none.

    Raises
    ------
    InvalidInput
        Names the output that the model doesn't have, or that is asked for twice.
    """
    outputs = {output.name: output for output in offered(package)}
    found: dict[str, Output] = {}
    for i, one in enumerate(request.outputs):
        if one.name in found:
            raise InvalidInput(f"{one.name[:80]!r} is there twice", field=f"outputs[{i}].name")
        if one.name not in outputs:
            raise InvalidInput(
                f"{one.name[:80]!r} is not an output of this model; it has {', '.join(outputs):.500}",
                field=f"outputs[{i}].name",
            )
        found[one.name] = outputs[one.name]
    return list((found or outputs).values())


def check_size(rows: int, outputs: Sequence[Output], package: Package) -> None:
    """Refuse, before it is run, a request whose answer would be too large by the shapes that the model states.

    Raises
    ------
    InvalidInput
    """
    check_scores(rows, package)
    told = sum(_NUMBER_BYTES * _width(output.shape) for output in outputs if output.datatype != "BYTES")
    names = {output.name for output in outputs}
    made = sum(_width(output.greatest) for output in package.signature.outputs if output.name in names)
    too_large = rows * (receipt_bytes(package) + told) > MAX_ANSWER_BYTES or rows * made > _MOST_NUMBERS
    if too_large and rows > 1:
        raise InvalidInput(_TOO_LARGE, field="inputs")


def _width(shape: Sequence[int]) -> int:
    """Numbers of a row; what varies counts once."""
    return prod(max(1, size) for size in shape[1:])


def tensors(outputs: Sequence[Output], package: Package, result: Result) -> list[dict[str, Any]]:
    """`outputs` of `result` as the protocol writes them, data in row-major order.

    Raises
    ------
    InvalidInput
        Together they are more than Lambda can answer.
    NotANumber
        JSON can't write what the model answered.
    """
    own = result.outputs
    head = {} if package.preprocessing.kind == TENSORS else _HEAD
    told = []
    size = 0
    for output in outputs:
        least = 0 if output.name in head else _least(own[output.name])
        if size + least > MAX_ANSWER_BYTES:  # before it is a list, which takes ten times as much
            raise InvalidInput(_TOO_LARGE, field="outputs")
        if output.name in head:
            data, shape = head[output.name](package, result.answers)
        else:
            data, shape = _told(output, own[output.name])
        size += carried(msgspec.json.encode(data)) if output.datatype == "BYTES" else _NUMBER_BYTES * len(data)
        told.append({"name": output.name, "datatype": output.datatype, "shape": shape, "data": data})
    if size > MAX_ANSWER_BYTES:
        raise InvalidInput(_TOO_LARGE, field="outputs")
    return told


def _least(array: Array) -> int:
    """What an output takes in the answer: of numbers what they are taken for, of strings no less than this."""
    return sum(map(len, array.flat)) if array.dtype.hasobject else _NUMBER_BYTES * array.size


Column = tuple[list[Any], list[int]]


def _predictions(package: Package, answers: Sequence[Answer]) -> Column:
    n, labels = len(answers), package.labels
    if package.task != "multilabel":
        return [one.prediction for one in answers], [n]
    named: list[set[Any]] = [set(one.prediction) if isinstance(one.prediction, list) else set() for one in answers]
    return [label in one for one in named for label in labels], [n, len(labels)]


_HEAD: dict[str, Callable[[Package, Sequence[Answer]], Column]] = {
    "prediction": _predictions,
    "confidence": lambda _package, answers: ([one.confidence for one in answers], [len(answers)]),
    "scores": lambda package, answers: (
        [score for one in answers for score in one.scores.values()],
        [len(answers), len(package.labels)],
    ),
}
"""What makes data and shape of the outputs that are a model's answer."""


def _told(output: Output, array: Array) -> tuple[list[Any], list[int]]:
    flat: list[Any] = array.ravel().tolist()
    if output.datatype == "BYTES":
        try:
            flat = [text.decode() for text in flat]
        except UnicodeDecodeError as error:
            raise NotANumber(f"the model answered bytes in {output.name} that are no UTF-8") from error
    elif array.dtype.kind == "f" and not np.isfinite(array).all():
        raise NotANumber(f"the model answered NaN or an infinity in {output.name}")
    return flat, list(array.shape)


def metadata(name: str, versions: Sequence[int], model: Model) -> dict[str, Any]:
    """A model's metadata; `parameters` say more than the protocol: bounds, what may be left out, labels."""
    return {
        "name": name,
        "versions": [str(version) for version in versions],
        "platform": PLATFORM,
        "inputs": [
            _described(tensor.name, DATATYPES[tensor.dtype], tensor, optional=tensor.name in model.optional or None)
            for tensor in model.inputs
        ],
        "outputs": [_described(output.name, output.datatype, output) for output in offered(model.package)],
    }


def _described(name: str, datatype: str, tensor: Tensor | Output, **more: Any) -> dict[str, Any]:
    said = {**more, **{what: getattr(tensor, what, None) for what in ("labels", "max_shape", "minimum", "maximum")}}
    parameters = {what: value for what, value in said.items() if value is not None}
    told = {"name": name, "datatype": datatype, "shape": tensor.shape}
    return {**told, "parameters": parameters} if parameters else told


def refusal(error: ZeroloopError) -> dict[str, str]:
    """The body that tells of `error`: the protocol's `error`, and our `code` and `field` beside it."""
    body = {"error": error.message, "code": error.code}
    return {**body, "field": error.field} if error.field else body
