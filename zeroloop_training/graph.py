"""TFLite models written with LiteRT's own flatbuffer schema, without TensorFlow."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import Builder
from numpy.typing import NDArray

Activation = Literal["NONE", "LOGISTIC", "RELU", "SOFTMAX", "TANH"]


class Graph:
    """A model in the making: constants, tensors and operators, in the order in which they are added."""

    def __init__(self) -> None:
        self.subgraph = schema.SubGraphT()
        self.subgraph.name = "main"
        self.subgraph.tensors, self.subgraph.operators = [], []
        self.made = schema.ModelT()
        self.made.version = 3
        self.made.description = "zeroloop"
        self.made.operatorCodes = []
        self.made.buffers = [schema.BufferT()]  # 0 means: no data

    def tensor(
        self,
        shape: Sequence[int],
        dtype: str = "float32",
        *,
        scale: float = 0.0,
        zero_point: int = 0,
        free: bool = False,
    ) -> int:
        """A tensor that operators fill, by its index; -1 in its shape varies, with `free` the first dimension too."""
        tensor = schema.TensorT()
        tensor.name = f"t{len(self.subgraph.tensors)}"
        tensor.type = getattr(schema.TensorType, dtype.upper())
        tensor.shape = np.array([abs(size) for size in shape], np.int32)
        if free or -1 in shape:
            tensor.shapeSignature = np.array([-1 if free else shape[0], *shape[1:]], np.int32)
        if scale:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale = [scale]
            tensor.quantization.zeroPoint = [zero_point]
        self.subgraph.tensors.append(tensor)
        return len(self.subgraph.tensors) - 1

    def constant(self, value: Any, dtype: str = "float32", *, scale: float = 0.0) -> int:
        """A tensor that holds `value`."""
        data = np.array(value, dtype)
        index = self.tensor(data.shape, dtype, scale=scale)
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(data.tobytes(), np.uint8)
        self.made.buffers.append(buffer)
        self.subgraph.tensors[index].buffer = len(self.made.buffers) - 1
        return index

    def operator(
        self, name: str, inputs: Sequence[int], outputs: Sequence[int], options: Any = None, *, version: int = 1
    ) -> None:
        """Operator `name` of schema.BuiltinOperator from tensors to tensors."""
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = version
        self.made.operatorCodes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self.made.operatorCodes) - 1
        operator.inputs = np.array(inputs, np.int32)
        operator.outputs = np.array(outputs, np.int32)
        if options is not None:
            operator.builtinOptions = options
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        self.subgraph.operators.append(operator)

    def between(self, inputs: Sequence[int], outputs: Sequence[int]) -> Any:
        """The subgraph from `inputs` to `outputs`."""
        self.subgraph.inputs = np.array(inputs, np.int32)
        self.subgraph.outputs = np.array(outputs, np.int32)
        return self.subgraph

    def model(self, inputs: Sequence[int], outputs: Sequence[int], *others: Any) -> bytes:
        """The bytes of a `.tflite` file; `others` are more subgraphs, which the operators name by 1, 2, ..."""
        self.made.subgraphs = [self.between(inputs, outputs), *others]
        builder = Builder(1024)
        builder.Finish(self.made.Pack(builder), b"TFL3")
        return bytes(builder.Output())


class Layer(NamedTuple):
    """activation(kernel x + bias): (outputs, inputs) and (outputs,)."""

    kernel: NDArray[np.float64]
    bias: NDArray[np.float64]
    activation: Activation


def layered(layers: Sequence[Layer]) -> bytes:
    """The model (batch, inputs) to (batch, outputs) float32 of `layers`, one after the other; any batch size."""
    graph = Graph()
    given = last = graph.tensor([1, layers[0].kernel.shape[1]], free=True)
    for kernel, bias, activation in layers:
        sums = graph.tensor([1, len(bias)], free=True)
        parts = [last, graph.constant(kernel), graph.constant(bias)]
        graph.operator("FULLY_CONNECTED", parts, [sums], schema.FullyConnectedOptionsT())
        last = sums
        if activation != "NONE":
            last = graph.tensor([1, len(bias)], free=True)
            graph.operator(activation, [sums], [last], softmax() if activation == "SOFTMAX" else None)
    return graph.model([given], [last])


def softmax() -> Any:
    """The options of SOFTMAX, whose beta is 0 unless one says 1."""
    options = schema.SoftmaxOptionsT()
    options.beta = 1.0
    return options
