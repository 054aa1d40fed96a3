"""Whether a package describes its model: number, shape and dtype of what goes in and comes out. Pure."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from zeroloop.errors import InvalidInput
from zeroloop.inference.package import Package, Tensor
from zeroloop.inference.preprocessing import TENSORS, Encoder

Details = Sequence[dict[str, Any]]


def check(package: Package, inputs: Details, outputs: Details) -> None:
    """Refuse a package whose signature is not that of the model, whose interpreter tells of `inputs` and `outputs`.

    Raises
    ------
    InvalidInput
        `bad_package`: names the tensor.
    """
    for side, stated, found in (
        ("inputs", package.signature.inputs, inputs),
        ("outputs", package.signature.outputs, outputs),
    ):
        if len(stated) != len(found):
            raise _bad(f"has {len(found)} {side}, its signature {len(stated)}", f"signature.{side}")
        for i, (tensor, details) in enumerate(zip(stated, found, strict=True)):
            _check_tensor(tensor, details, f"signature.{side}[{i}]")
    for side, stated in (("inputs", package.signature.inputs), ("outputs", package.signature.outputs)):
        for i, tensor in enumerate(stated):
            if -1 in tensor.greatest[1:]:  # memory follows from it, and not from the size of a request
                raise _bad(
                    f"has {tensor.name} of {tensor.shape}: state the greatest", f"signature.{side}[{i}].max_shape"
                )
    if package.preprocessing.kind == TENSORS:
        _check_rows(package, inputs)
        _check_bounds(package.signature.inputs)


def check_encoder(encoder: Encoder, inputs: Details) -> None:
    """Refuse a model that doesn't take what the encoder makes.

    Raises
    ------
    InvalidInput
        `bad_package`
    """
    if len(inputs) != 1:
        raise _bad(f"has {len(inputs)} inputs; {encoder.field} fills one", "signature.inputs")
    shape = [int(size) for size in inputs[0]["shape_signature"]]
    if shape[1:] != [encoder.width]:
        raise _bad(f"takes {shape}, its preprocessing makes rows of {encoder.width}", "signature.inputs[0].shape")
    dtype = _dtype(inputs[0])
    quantised = bool(inputs[0]["quantization"][0]) and encoder.dtype == "float32"  # ids have no scale
    if dtype != encoder.dtype and not quantised:
        raise _bad(f"takes {dtype}, its preprocessing makes {encoder.dtype}", "signature.inputs[0].dtype")


def check_labels(package: Package, outputs: Details) -> None:
    """Refuse a model whose answer has another size than its labels want.

    Raises
    ------
    InvalidInput
        `bad_package`
    """
    if package.answered >= len(outputs):
        raise _bad(f"has {len(outputs)} outputs, the answer is number {package.answered + 1}", "answer")
    output = outputs[package.answered]
    given = int(np.prod(output["shape"][1:], initial=1))
    wanted = {len(package.labels) or 1, 1 if package.task == "binary" else len(package.labels) or 1}
    if given not in wanted:
        raise _bad(f"answers {given} numbers a row for {len(package.labels)} labels", "labels")


def _check_tensor(tensor: Tensor, details: dict[str, Any], where: str) -> None:
    dtype, shape = _dtype(details), [int(size) for size in details["shape_signature"]]
    if tensor.dtype not in ({dtype, "float32"} if details["quantization"][0] else {dtype}):
        raise _bad(f"has {dtype}, not {tensor.dtype}", f"{where}.dtype")
    fits = len(shape) == len(tensor.shape) and all(
        size in {stated, -1} or (stated == -1 and i == 0)
        for i, (stated, size) in enumerate(zip(tensor.shape, shape, strict=True))
    )
    if not fits:
        raise _bad(f"has the shape {shape}, not {tensor.shape}", f"{where}.shape")


def _check_rows(package: Package, inputs: Details) -> None:
    """Either all tensors have rows or none; a model that was made for one number of rows has one for all inputs."""
    stated = [*package.signature.inputs, *package.signature.outputs]
    batched = {tensor.shape[:1] == [-1] for tensor in stated}
    if len(batched) > 1:
        raise _bad("has rows (-1 first) in some tensors and not in others", "signature")
    if batched == {False}:
        if package.task != "tensors":
            raise _bad(f"has no rows (-1 first), which a {package.task} model has", "signature")
    elif len({int(details["shape_signature"][0]) for details in inputs}) > 1:
        raise _bad("takes another number of rows in each input", "signature.inputs")
    answer = package.signature.outputs[package.answered]
    if package.task != "tensors" and not answer.dtype.startswith("float"):
        raise _bad(f"answers {answer.dtype}: scores are float", f"signature.outputs[{package.answered}].dtype")


def _check_bounds(inputs: Sequence[Tensor]) -> None:
    """The interpreter takes ids that are out of range, so a package says what is in range."""
    for i, tensor in enumerate(inputs):
        if "int" in tensor.dtype and (tensor.minimum is None or tensor.maximum is None):
            raise _bad("takes whole numbers: state their minimum and maximum", f"signature.inputs[{i}]")
        if tensor.minimum is not None and tensor.maximum is not None and tensor.minimum > tensor.maximum:
            raise _bad("has a minimum above its maximum", f"signature.inputs[{i}].minimum")


def _dtype(details: dict[str, Any]) -> str:
    dtype = np.dtype(details["dtype"])
    return "string" if dtype.kind == "S" else dtype.name


def _bad(what: str, field: str) -> InvalidInput:
    return InvalidInput(f"the model {what}", code="bad_package", field=field)
