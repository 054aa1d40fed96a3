"""A loaded TFLite model. The only user of the interpreter: LiteRT, or tflite-runtime 2.14 where that is installed."""

import math
import threading
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeroloop.errors import InvalidInput, ModelFailed

try:
    from ai_edge_litert.interpreter import Interpreter
except ImportError:  # the other supported choice; docs/decisions.md says what it costs
    from tflite_runtime.interpreter import Interpreter

Array = NDArray[Any]

# Measured: 100 rows a call is the fastest (909,000 rows/s; 1,000 rows 482,000), and the result of a row may depend
# on the rows it is invoked with, so that every caller must cut its rows in the same way.
SUB_BATCH = 100
# Where rows are large, fewer: as many as this holds. It follows from the model alone, never from a request.
_SUB_BATCH_BYTES = 64_000_000

IDENTIFIER = b"TFL3"


def looks_like_tflite(model: bytes) -> bool:
    """Whether the bytes carry the file identifier of a TFLite flatbuffer (bytes 4 to 8)."""
    return model[4:8] == IDENTIFIER


class Runner:
    """One model, ready to run. Safe to share between threads.

    The interpreter itself isn't: two threads on one of them made 9 silently wrong answers in 10,000, hence the lock.
    Quantised inputs take real numbers, or what they hold; quantised outputs give real numbers, those in `raw` (by their
    place) what they hold. A model that was made for one batch size runs in steps of it, the last one filled up.

    Attributes
    ----------
    step
        Rows of one run: the batch that the model was made for; else 100, or as many as 64 MB of tensors hold.
    held
        Bytes of the interpreter's tensors in the largest run so far, which it doesn't give back. By what the model
        tells of those between its operators: some share their place, others may grow beyond all inputs and outputs.

    Raises
    ------
    InvalidInput
        `bad_model`: not a TFLite model, or one that the interpreter refuses.
    MemoryError
        The model asks for more than there is.
    """

    def __init__(self, model: bytes, raw: Collection[int] = ()) -> None:
        if not looks_like_tflite(model):
            raise InvalidInput("not a TFLite model: its flatbuffer identifier is missing", code="bad_model")
        self._lock = threading.Lock()
        try:
            self._interpreter = Interpreter(model_content=model, num_threads=1)
            self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise InvalidInput(f"the interpreter refuses the model: {_said(error)}", code="bad_model") from error
        self.inputs: list[dict[str, Any]] = self._interpreter.get_input_details()
        self.outputs: list[dict[str, Any]] = self._interpreter.get_output_details()
        if not self.inputs or not self.outputs:
            raise InvalidInput("the model has no input or no output", code="bad_model")
        self._takes = [(details["index"], np.dtype(details["dtype"]), details) for details in self.inputs]
        self._gives = [details["index"] for details in self.outputs]
        interpreter = self._interpreter
        self._set, self._invoke, self._get = interpreter.set_tensor, interpreter.invoke, interpreter.get_tensor
        self._all = range(len(self.outputs))
        self._real = {i for i, details in enumerate(self.outputs) if details["quantization"][0] and i not in raw}
        self._shapes = [tuple(map(int, details["shape"])) for details in self.inputs]
        self._fixed_rows = self._shapes[0][0] if _fixed(self.inputs[0]) else None
        own = {details["index"] for details in (*self.inputs, *self.outputs)}
        self._between = _Between(
            details for details in self._interpreter.get_tensor_details() if details["index"] not in own
        )
        self.bound([details["shape"].tolist() for details in (*self.inputs, *self.outputs)])
        self.held = 0
        self._measure(self._shapes)

    def bound(self, greatest: Sequence[Sequence[int]]) -> None:
        """Say how large inputs and then outputs may be, which `step` follows from; what -1 stands for counts once."""
        own = (*self.inputs, *self.outputs)
        sizes = [
            math.prod(map(abs, shape[1:])) * np.dtype(details["dtype"]).itemsize
            for details, shape in zip(own, greatest, strict=True)
        ]
        row = sum(sizes) + self._between.bytes(1, max(map(_varying, own, greatest)), growing=True)
        self.step = self._fixed_rows or max(1, min(SUB_BATCH, _SUB_BATCH_BYTES // max(1, row)))

    def run(self, inputs: Sequence[Array], wanted: Sequence[int] | None = None) -> list[Array]:
        """The outputs for `inputs`, one (rows, ...) array each; all in the model's own order, or those `wanted`.

        Raises
        ------
        ModelFailed
        MemoryError
            The model asks for more than there is.
        """
        rows, fixed, step = len(inputs[0]), self._fixed_rows, self.step
        if rows <= step:
            whole = fixed is None or fixed == rows
            return self._checked(self.once(inputs, wanted), rows) if whole else self._filled(inputs, step, wanted)
        parts = [self.run([array[start : start + step] for array in inputs], wanted) for start in range(0, rows, step)]
        return [np.concatenate(column) if len(column) > 1 else column[0] for column in zip(*parts, strict=True)]

    def once(self, inputs: Sequence[Array], wanted: Sequence[int] | None = None) -> list[Array]:
        """The outputs for `inputs` as they are: for models whose first dimension is no batch.

        Raises
        ------
        ModelFailed
        MemoryError
        """
        with self._lock:
            try:
                shapes = [array.shape for array in inputs]
                resized = shapes != self._shapes
                if resized:
                    self._resize(shapes)
                for i, array in enumerate(inputs):
                    index, dtype, details = self._takes[i]
                    self._set(index, array if array.dtype is dtype else _quantised(array, details))
                self._invoke()
                if resized:
                    self._measure(shapes)
                wanted = self._all if wanted is None else wanted
                outputs = [self._get(self._gives[i]) for i in wanted]
            except (RuntimeError, ValueError) as error:
                raise ModelFailed(f"the model fails on this input: {_said(error)}") from error
        if self._real:
            pairs = zip(outputs, wanted, strict=True)
            return [_real(output, self.outputs[i]) if i in self._real else output for output, i in pairs]
        return outputs

    def _filled(self, inputs: Sequence[Array], step: int, wanted: Sequence[int] | None) -> list[Array]:
        """The outputs for fewer rows than the model was made for."""
        outputs = self._checked(self.once([_padded(array, step) for array in inputs], wanted), step)
        return [array[: len(inputs[0])] for array in outputs]

    def _checked(self, outputs: list[Array], rows: int) -> list[Array]:
        for out in outputs:
            if not out.ndim or len(out) != rows:
                raise ModelFailed(f"the model answers {out.shape} for {rows} rows")
        return outputs

    def _resize(self, shapes: list[tuple[int, ...]]) -> None:
        self._shapes = []  # unknown until the tensors are allocated
        for details, shape in zip(self.inputs, shapes, strict=True):
            self._interpreter.resize_tensor_input(details["index"], shape)
        self._interpreter.allocate_tensors()
        self._shapes = shapes

    def _measure(self, shapes: list[tuple[int, ...]]) -> None:
        """Note what the tensors hold in a run of inputs of these shapes."""
        rows = shapes[0][0] if shapes[0] else 1
        longest = max(map(_varying, self.inputs, shapes))
        own = (*self._interpreter.get_input_details(), *self._interpreter.get_output_details())
        sizes = [math.prod(details["shape"].tolist()) * np.dtype(details["dtype"]).itemsize for details in own]
        self.held = max(self.held, sum(sizes) + self._between.bytes(rows, longest))


class _Between:
    """What a model's tensors between inputs and outputs hold, by their `details`.

    The interpreter tells where they vary, and not how large they are in a run. So a size that varies is taken for that
    of the longest input, and one that stands alone and first for all rows' sequences, one behind the other.
    """

    def __init__(self, details: Iterable[dict[str, Any]]) -> None:
        self._bytes: Counter[tuple[bool, int]] = Counter()
        for one in details:
            stated: list[int] = one["shape_signature"].tolist()
            by_row, varying = stated[:1] == [-1], stated.count(-1)
            size = math.prod(size for size in stated if size != -1) * np.dtype(one["dtype"]).itemsize
            self._bytes[by_row, max(1, varying - 1) if by_row else varying] += size

    def bytes(self, rows: int, longest: int, *, growing: bool = False) -> int:
        """In a run of `rows` rows of sequences up to `longest`; if `growing`, without those that rows don't change."""
        return sum(
            size * longest**power * (rows if by_row else 1)
            for (by_row, power), size in self._bytes.items()
            if by_row or not growing
        )


def _varying(details: dict[str, Any], shape: Sequence[int]) -> int:
    """The greatest size of the dimensions that vary, besides the batch; 1 if there are none."""
    stated: list[int] = details["shape_signature"].tolist()
    return max((size for size, one in zip(shape[1:], stated[1:], strict=True) if one == -1), default=1)


def _said(error: Exception) -> str:
    """What the interpreter says; where memory runs out it says nothing."""
    if not str(error):
        raise MemoryError from error
    return str(error)


def _fixed(details: dict[str, Any]) -> bool:
    """Whether the model was made for one batch size only: LiteRT marks a free dimension as -1 in shape_signature."""
    signature = details["shape_signature"]
    return bool(len(signature)) and int(signature[0]) > 0


def _padded(array: Array, rows: int) -> Array:
    return np.concatenate([array, np.repeat(array[-1:], rows - len(array), axis=0)])


def _quantised(array: Array, details: dict[str, Any]) -> Array:
    """`array` as the input tensor wants it; scale and zero point as in the TFLite 8-bit quantisation specification."""
    scale, zero_point = details["quantization"]
    if scale and np.issubdtype(array.dtype, np.floating) and np.issubdtype(details["dtype"], np.integer):
        limits = np.iinfo(details["dtype"])
        array = np.clip(np.rint(array / scale + zero_point), limits.min, limits.max)
    return array if array.dtype.hasobject else array.astype(details["dtype"])


def _real(array: Array, details: dict[str, Any]) -> Array:
    scale, zero_point = details["quantization"]
    if scale and np.issubdtype(array.dtype, np.integer):
        return np.asarray((array.astype(np.float32) - zero_point) * scale, np.float32)
    return array
