"""Small real `.tflite` models, good and bad, and packages of them."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from zeroloop.inference import preprocessing
from zeroloop.inference.answers import Answer, Answers
from zeroloop.inference.package import Signature
from zeroloop.inference.readers import TensorsReader
from zeroloop.inference.runtime import Runner
from zeroloop_training.graph import Graph, softmax


def weights(width: int, outputs: int) -> NDArray[np.float32]:
    """(outputs, width) multiples of 1/8 in [-1, 1): the same on every machine, and no two rows alike."""
    steps = np.arange(outputs * width).reshape(outputs, width) * 5 % 16 - 8
    return (steps / 8).astype(np.float32)


@cache
def dense(
    width: int = 3,
    outputs: int = 2,
    *,
    activation: str = "SOFTMAX",
    rows: int | None = None,
    dtype: str = "float32",
    bias: float = 0.0,
) -> bytes:
    """activation(x W' + bias) of (rows, width); the batch varies unless `rows` fixes it. int32 inputs are cast.

    `bias` may be NaN: such a model answers nothing but NaN.
    """
    graph = Graph()
    n, free = rows or 1, rows is None
    given = graph.tensor([n, width], dtype, free=free)
    real = given
    if dtype != "float32":
        real = graph.tensor([n, width], free=free)
        graph.operator("CAST", [given], [real], schema.CastOptionsT())
    kernel, biases = graph.constant(weights(width, outputs)), graph.constant([bias] * outputs)
    sums, answer = graph.tensor([n, outputs], free=free), graph.tensor([n, outputs], free=free)
    graph.operator("FULLY_CONNECTED", [real, kernel, biases], [sums], schema.FullyConnectedOptionsT())
    graph.operator(activation, [sums], [answer], softmax() if activation == "SOFTMAX" else None)
    return graph.model([given], [answer])


@cache
def linear(weights: tuple[float, ...], bias: float = 0.0) -> bytes:
    """(rows, width) times `weights`, plus `bias`: one number a row."""
    graph = Graph()
    given, answer = graph.tensor([1, len(weights)], free=True), graph.tensor([1, 1], free=True)
    inputs = [given, graph.constant([weights]), graph.constant([bias])]
    graph.operator("FULLY_CONNECTED", inputs, [answer], schema.FullyConnectedOptionsT())
    return graph.model([given], [answer])


@cache
def quantised() -> bytes:
    """int8 in and out: logistic(a - 2b + c/2); the input in steps of 1/16 from zero point 3, the output in 1/256."""
    graph = Graph()
    given = graph.tensor([1, 3], "int8", scale=1 / 16, zero_point=3, free=True)
    kernel = graph.constant([[16, -32, 8]], "int8", scale=1 / 16)
    biases = graph.constant([0], "int32", scale=1 / 256)
    sums = graph.tensor([1, 1], "int8", scale=1 / 8, free=True)
    answer = graph.tensor([1, 1], "int8", scale=1 / 256, zero_point=-128, free=True)
    graph.operator("FULLY_CONNECTED", [given, kernel, biases], [sums], schema.FullyConnectedOptionsT(), version=4)
    graph.operator("LOGISTIC", [sums], [answer], version=2)
    return graph.model([given], [answer])


@cache
def wide(width: int) -> bytes:
    """The mean of logistic(x) `width` times over: a file of 2 KB with two tensors of 4 x `width` bytes a row."""
    graph = Graph()
    given, answer = graph.tensor([1, 1], free=True), graph.tensor([1, 1], free=True)
    many, steep = graph.tensor([1, width], free=True), graph.tensor([1, width], free=True)
    graph.operator("TILE", [given, graph.constant([1, width], "int32")], [many], schema.TileOptionsT())
    graph.operator("LOGISTIC", [many], [steep])
    kept = schema.ReducerOptionsT()
    kept.keepDims = True
    graph.operator("MEAN", [steep, graph.constant([1], "int32")], [answer], kept)
    return graph.model([given], [answer])


@cache
def endless() -> bytes:
    """Crashes the interpreter (SIGSEGV): the body of its WHILE is that WHILE, and preparing it ends the stack.

    LiteRT 2.3 has other ways to crash, as an operand -1 of CONCATENATION, but those depend on what the heap holds.
    """
    options = schema.WhileOptionsT()
    options.condSubgraphIndex, options.bodySubgraphIndex = 1, 2
    condition = Graph()
    asked = [condition.tensor([1, 3]), condition.tensor([1], "bool")]
    loops = Graph(), Graph()
    for loop in loops:
        loop.operator("WHILE", [loop.tensor([1, 3])], [loop.tensor([1, 3])], options)
    return loops[0].model([0], [1], condition.between(asked[:1], asked[1:]), loops[1].between([0], [1]))


@cache
def gigabytes() -> bytes:
    """Asks for 4 GB: a row of 2^30 ones, whose sum it adds to its input."""
    graph = Graph()
    given, answer = graph.tensor([1, 3], free=True), graph.tensor([1, 3], free=True)
    ones, total = graph.tensor([1, 1 << 30]), graph.tensor([1, 1])
    graph.operator("FILL", [graph.constant([1, 1 << 30], "int32"), graph.constant(1.0)], [ones], schema.FillOptionsT())
    graph.operator("SUM", [ones, graph.constant([1], "int32")], [total], schema.ReducerOptionsT())
    graph.operator("ADD", [given, total], [answer], schema.AddOptionsT())
    return graph.model([given], [answer])


@cache
def mixing(*, keep: bool) -> bytes:
    """Answers the sum of all rows: one row for any batch, or, with `keep`, a row each."""
    graph = Graph()
    given, total = graph.tensor([1, 3], free=True), graph.tensor([1, 3])
    options = schema.ReducerOptionsT()
    options.keepDims = True
    graph.operator("SUM", [given, graph.constant([0], "int32")], [total], options)
    if not keep:
        return graph.model([given], [total])
    nothing, answer = graph.tensor([1, 3], free=True), graph.tensor([1, 3], free=True)
    graph.operator("MUL", [given, graph.constant(0.0)], [nothing], schema.MulOptionsT())
    graph.operator("ADD", [nothing, total], [answer], schema.AddOptionsT())
    return graph.model([given], [answer])


@cache
def lookup(n_rows: int = 4) -> bytes:
    """(rows, 1) of int32 -> (rows, 2): the row of a table that each id names; an id of `n_rows` or more fails."""
    graph = Graph()
    given, flat = graph.tensor([1, 1], "int32", free=True), graph.tensor([1], "int32", free=True)
    answer = graph.tensor([1, 2], free=True)
    graph.operator("RESHAPE", [given, graph.constant([-1], "int32")], [flat], schema.ReshapeOptionsT())
    graph.operator("GATHER", [graph.constant(np.eye(n_rows, 2)), flat], [answer], schema.GatherOptionsT())
    return graph.model([given], [answer])


@cache
def added(to: tuple[float, ...]) -> bytes:
    """(rows, length) plus a constant row: lengths of 1 and of its own are all that it takes."""
    graph = Graph()
    given, answer = graph.tensor([-1, -1]), graph.tensor([-1, -1])
    graph.operator("ADD", [given, graph.constant(to)], [answer], schema.AddOptionsT())
    return graph.model([given], [answer])


@cache
def averaged(width: int) -> bytes:
    """(rows, length) of int32 from 0 to 3 -> (rows,): a few KB with two tensors of 4 x length x `width` bytes a row."""
    graph = Graph()
    ids, answer = graph.tensor([-1, -1], "int32"), graph.tensor([-1])
    found, steep = graph.tensor([-1, -1, width]), graph.tensor([-1, -1, width])
    graph.operator("GATHER", [graph.constant(np.eye(4, width)), ids], [found], schema.GatherOptionsT())
    graph.operator("LOGISTIC", [found], [steep])
    graph.operator("MEAN", [steep, graph.constant([1, 2], "int32")], [answer], schema.ReducerOptionsT())
    return graph.model([ids], [answer])


@cache
def flattened(width: int) -> bytes:
    """As `averaged`, of all ids one behind the other, as exported models have them -> (rows, length)."""
    graph = Graph()
    ids, flat, answer = graph.tensor([-1, -1], "int32"), graph.tensor([-1], "int32"), graph.tensor([-1, -1])
    found, steep = graph.tensor([-1, width]), graph.tensor([-1, width])
    means, size = graph.tensor([-1]), graph.tensor([2], "int32")
    options = schema.ShapeOptionsT()
    options.outType = schema.TensorType.INT32
    graph.operator("SHAPE", [ids], [size], options)
    graph.operator("RESHAPE", [ids, graph.constant([-1], "int32")], [flat], schema.ReshapeOptionsT())
    graph.operator("GATHER", [graph.constant(np.eye(4, width)), flat], [found], schema.GatherOptionsT())
    graph.operator("LOGISTIC", [found], [steep])
    graph.operator("MEAN", [steep, graph.constant([1], "int32")], [means], schema.ReducerOptionsT())
    graph.operator("RESHAPE", [means, size], [answer], schema.ReshapeOptionsT())
    return graph.model([ids], [answer])


def averaging(width: int, longest: int) -> dict[str, bytes]:
    """The files of a package of `averaged`, for up to `longest` ids a row."""
    ids = {"name": "ids", "dtype": "int32", "shape": [-1, -1], "max_shape": [-1, longest], "minimum": 0, "maximum": 3}
    stated = {"inputs": [ids], "outputs": [{"name": "mean", "dtype": "float32", "shape": [-1]}]}
    return tensors(averaged(width), stated, [{"ids": [1, 2, 3]}] * 3)


@cache
def two_inputs() -> bytes:
    """The sum of two tensors."""
    graph = Graph()
    one, other, answer = (graph.tensor([1, 3], free=True) for _ in range(3))
    graph.operator("ADD", [one, other], [answer], schema.AddOptionsT())
    return graph.model([one, other], [answer])


@cache
def identity(dtype: str, shape: tuple[int, ...] = (-1, 2)) -> bytes:
    """Answers its input of any dtype; sizes that are -1 vary."""
    return identities((dtype,), shape)


@cache
def identities(dtypes: tuple[str, ...], shape: tuple[int, ...] = (-1, 2)) -> bytes:
    """Answers an input of each dtype with itself."""
    graph = Graph()
    options = schema.ShapeOptionsT()
    options.outType = schema.TensorType.INT32
    given, answers = ([graph.tensor(shape, dtype) for dtype in dtypes] for _ in range(2))
    for one, answer in zip(given, answers, strict=True):
        size = graph.tensor([len(shape)], "int32")
        graph.operator("SHAPE", [one], [size], options)
        graph.operator("RESHAPE", [one, size], [answer], schema.ReshapeOptionsT())
    return graph.model(given, answers)


@cache
def recommender(*, rows: int | None = None, items: int = 4) -> bytes:
    """(rows, 1) int32 ids and (rows, 2) numbers -> (rows, 2) the row of a table plus the numbers, (rows,) the greater.

    The table holds `items` rows of the identity; the batch varies unless `rows` fixes it.
    """
    graph = Graph()
    n, free = rows or 1, rows is None
    user, numbers = graph.tensor([n, 1], "int32", free=free), graph.tensor([n, 2], free=free)
    flat, row = graph.tensor([n], "int32", free=free), graph.tensor([n, 2], free=free)
    sums, best = graph.tensor([n, 2], free=free), graph.tensor([n], "int64", free=free)
    graph.operator("RESHAPE", [user, graph.constant([-1], "int32")], [flat], schema.ReshapeOptionsT())
    graph.operator("GATHER", [graph.constant(np.eye(items, 2)), flat], [row], schema.GatherOptionsT())
    graph.operator("ADD", [row, numbers], [sums], schema.AddOptionsT())
    options = schema.ArgMaxOptionsT()
    options.outputType = schema.TensorType.INT64
    graph.operator("ARG_MAX", [sums, graph.constant(1, "int32")], [best], options)
    return graph.model([user, numbers], [sums, best])


@cache
def outer() -> bytes:
    """The model of the Open Inference Protocol's own example: (2, 2) uint32 and (3,) bool -> (3, 2) float32.

    For each truth the sums of the columns, for each untruth zeros.
    """
    graph = Graph()
    numbers, truths = graph.tensor([2, 2], "uint32"), graph.tensor([3], "bool")
    real, sums = graph.tensor([2, 2]), graph.tensor([1, 2])
    factors, column, answer = graph.tensor([3]), graph.tensor([3, 1]), graph.tensor([3, 2])
    options = schema.ReducerOptionsT()
    options.keepDims = True
    graph.operator("CAST", [numbers], [real], schema.CastOptionsT())
    graph.operator("SUM", [real, graph.constant([0], "int32")], [sums], options)
    graph.operator("CAST", [truths], [factors], schema.CastOptionsT())
    graph.operator("RESHAPE", [factors, graph.constant([3, 1], "int32")], [column], schema.ReshapeOptionsT())
    graph.operator("MUL", [column, sums], [answer], schema.MulOptionsT())
    return graph.model([numbers, truths], [answer])


OUTER: dict[str, Any] = {
    "inputs": [
        {"name": "input0", "dtype": "uint32", "shape": [2, 2], "minimum": 0, "maximum": 9},
        {"name": "input1", "dtype": "bool", "shape": [3]},
    ],
    "outputs": [{"name": "output0", "dtype": "float32", "shape": [3, 2]}],
}


@cache
def without_inputs() -> bytes:
    """A model that takes nothing and answers 1."""
    graph = Graph()
    answer = graph.tensor([1, 1])
    graph.operator("FILL", [graph.constant([1, 1], "int32"), graph.constant(1.0)], [answer], schema.FillOptionsT())
    return graph.model([], [answer])


PARAMETERS: dict[str, dict[str, Any]] = {
    "columns": {"columns": [{"name": name, "type": "numeric", "mean": 0.0, "std": 1.0} for name in ("a", "b", "c")]},
    "hashed_ngrams": {"buckets": 32, "length": 3, "ngrams": 1},
    "tokenizer": {"length": 3},
}
INSTANCES: dict[str, list[dict[str, Any]]] = {
    "columns": [{"features": {"a": a, "b": 0.5, "c": -a}} for a in (0.0, 1.0, -2.0)],
    "hashed_ngrams": [{"text": text} for text in ("good", "a bad film", "neither nor")],
    "tokenizer": [{"text": text} for text in ("good", "film", "good film")],
}


def contents(
    described: bytes,
    *,
    kind: str = "columns",
    scored: Sequence[str] = ("no", "yes"),
    tokenizer: bytes | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """A package.json whose golden predictions are what `described` answers, by the names `scored`; with `changes`."""
    parameters, instances = PARAMETERS[kind], INSTANCES[kind]
    encoder = preprocessing.encoder(kind, parameters, tokenizer)
    rows = encoder.encode([instance[encoder.field] for instance in instances], [""] * len(instances))
    scores = Runner(described).run([rows])[0].tolist()
    cases = [
        {"instance": instance, "scores": dict(zip(scored, row, strict=True))}
        for instance, row in zip(instances, scores, strict=True)
    ]
    return {
        "schema_version": 1,
        "task": "multiclass",
        "labels": list(scored),
        "signature": {
            "inputs": [{"name": "input", "dtype": encoder.dtype, "shape": [-1, encoder.width]}],
            "outputs": [{"name": "scores", "dtype": "float32", "shape": [-1, len(scored)]}],
        },
        "preprocessing": {
            "kind": kind,
            "parameters": parameters,
            "digest": preprocessing.digest(kind, parameters),
        },
        "metrics": {"accuracy": {"value": 0.75, "n": 4}},
        "parameters": {"seed": 7},
        "dataset": {"digest": "a" * 64, "rows": 4},
        "git_commit": None,
        "libraries": {},
        "golden": {"tolerance": 0.001, "cases": cases},
        **changes,
    }


RECOMMENDER: dict[str, Any] = {
    "inputs": [
        {"name": "user", "dtype": "int32", "shape": [-1, 1], "minimum": 0, "maximum": 3},
        {"name": "numbers", "dtype": "float32", "shape": [-1, 2]},
    ],
    "outputs": [
        {"name": "sums", "dtype": "float32", "shape": [-1, 2]},
        {"name": "best", "dtype": "int64", "shape": [-1]},
    ],
}
USERS: list[dict[str, Any]] = [
    {"user": [0], "numbers": [0.5, 0.25]},
    {"user": [1], "numbers": [0.5, 0.25]},
    {"user": [3], "numbers": [-1, 2.5]},
]


def tensors(
    model: bytes, signature: dict[str, Any] = RECOMMENDER, instances: Sequence[dict[str, Any]] = USERS, **changes: Any
) -> dict[str, bytes]:
    """The files of a package that takes tensors; golden predictions are what `model` answers, with `changes`."""
    stated = msgspec.convert(signature, Signature)
    raw = [i for i, output in enumerate(stated.outputs) if output.dtype != "float32"]
    runner, reader = Runner(model, raw), TensorsReader(stated.inputs)
    run = runner.run if stated.inputs[0].shape[:1] == [-1] else runner.once
    cases = []
    for instance in instances:
        outputs = run(reader.take([instance], ["golden"]).arrays)
        rows = [output[0] if run == runner.run else output for output in outputs]
        scores = {
            output.name: [text.decode() for text in row] if output.dtype == "string" else row.tolist()
            for output, row in zip(stated.outputs, rows, strict=True)
        }
        cases.append({"instance": {"inputs": instance}, "scores": scores})
    about = {
        **contents(dense()),
        "task": "tensors",
        "labels": [],
        "signature": signature,
        "preprocessing": {"kind": "tensors", "parameters": {}, "digest": preprocessing.digest("tensors", {})},
        "golden": {"tolerance": 0.001, "cases": cases},
        **changes,
    }
    return {"model.tflite": model, "package.json": json.dumps(about).encode()}


def signature(dtype: str, shape: Sequence[int] = (-1, 2), longest: int = 8) -> dict[str, Any]:
    """Of a model with one input x and one output y of the same dtype and shape; whole numbers from 0 to 1."""
    tensor = {"dtype": dtype, "shape": list(shape)}
    if -1 in shape[1:]:
        tensor["max_shape"] = [*shape[:1], *(longest if size == -1 else size for size in shape[1:])]
    bounds = {"minimum": 0, "maximum": 1} if "int" in dtype else {}
    return {"inputs": [{"name": "x", **tensor, **bounds}], "outputs": [{"name": "y", **tensor}]}


def echo(dtypes: Sequence[str]) -> dict[str, bytes]:
    """The files of a package that answers x_<dtype> with y_<dtype>, for each."""
    stated: dict[str, Any] = {"inputs": [], "outputs": []}
    for dtype in dtypes:
        for side, [tensor] in signature(dtype).items():
            stated[side].append({**tensor, "name": f"{tensor['name']}_{dtype}"})
    rows: dict[str, Any] = {"string": ["a", "b"], "bool": [False, True]}
    row = {f"x_{dtype}": rows.get(dtype, [0, 1]) for dtype in dtypes}
    return tensors(identities(tuple(dtypes)), stated, [row] * 3)


def package(model: bytes, *, described: bytes | None = None, **about: Any) -> dict[str, bytes]:
    """The files of a package of `model`, by path; package.json is that of `described`, if not of the model itself."""
    return {"model.tflite": model, "package.json": json.dumps(contents(described or model, **about)).encode()}


def tokenized(tokenizer: bytes) -> dict[str, bytes]:
    """The files of a package whose texts this tokenizer.json reads; golden predictions know "good" and "film" alone."""
    return {**package(dense(dtype="int32"), kind="tokenizer", tokenizer=tokenizer), "tokenizer.json": tokenizer}


def regression(columns: dict[str, Any], weights: tuple[float, ...], bias: float = 0.0) -> dict[str, bytes]:
    """The files of a package whose answer is linear in the encoded `columns`."""
    about = {
        "task": "regression",
        "labels": [],
        "signature": {
            "inputs": [{"name": "input", "dtype": "float32", "shape": [-1, len(weights)]}],
            "outputs": [{"name": "value", "dtype": "float32", "shape": [-1, 1]}],
        },
        "preprocessing": {
            "kind": "columns", "parameters": columns, "digest": preprocessing.digest("columns", columns)
        },
    }  # fmt: skip
    described = dense(3, 1, activation="LOGISTIC")
    return package(linear(weights, bias), described=described, scored=["value"], **about)


def by_row(said: Answers) -> list[Answer]:
    """Answers by column, one by one."""
    n = len(said.predictions)
    scores = [dict(zip(said.labels, row, strict=True)) for row in zip(*said.scores, strict=True)] or [{}] * n
    return [Answer(*row) for row in zip(said.predictions, said.confidences, scores, strict=True)]


def save(directory: Path, files: dict[str, bytes]) -> Path:
    """`directory`, with `files` in it."""
    for path, data in files.items():
        (directory / path).write_bytes(data)
    return directory
