"""A version ready to answer: its package, its preprocessing and its interpreter."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from math import prod
from typing import Any

import numpy as np
from msgspec import Struct

from zeroloop.errors import InvalidInput, ModelFailed
from zeroloop.inference import package as packages
from zeroloop.inference import preprocessing, readers, signatures, tensors
from zeroloop.inference.answers import UNLABELLED, Answer, Answers, answer, answers
from zeroloop.inference.package import Tensor
from zeroloop.inference.readers import Taken
from zeroloop.inference.runtime import Array, Runner
from zeroloop.inference.tensors import Given

TOKENIZER = "tokenizer.json"
BASELINE = "baseline.json"


class Result(Struct, frozen=True, gc=False):
    """Of each row the instance, its answer and (if asked) what the log keeps; the wanted outputs, by name."""

    values: Sequence[Any]
    answers: list[Answer]
    features: Callable[[], list[Any]]
    outputs: dict[str, Array]


class Model:
    """A loaded package. Safe to share between threads.

    `files` holds the bytes of `package.json`, `model.tflite` and, where the package needs one, `tokenizer.json`; for
    explanations also its `baseline.json`, where it has one.

    Attributes
    ----------
    rows
        Whether the first dimension of its tensors is the batch; if not, an instance is all that it takes at a time.
    size
        Bytes of all files.
    encoder
        What makes its input of instances; None where it takes tensors.
    baseline
        The bytes of baseline.json.

    Raises
    ------
    InvalidInput
        What doesn't fit: the contract, preprocessing other than at training, the signature, labels.

    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.package = packages.read(files["package.json"])
        declared, signature = self.package.preprocessing, self.package.signature
        ours = preprocessing.digest(declared.kind, declared.parameters)
        if ours != declared.digest:
            raise InvalidInput(
                f"the model was trained with preprocessing {declared.digest[:12]}, this stack has {ours[:12]}: "
                "train again, or deploy the version of Zeroloop that it was trained with",
                code="bad_package",
                field="preprocessing.digest",
            )
        self._reader = readers.reader(self.package, files.get(TOKENIZER))
        self._headed = self.package.task != "tensors"
        self.rows = signature.inputs[0].shape[:1] == [-1] or declared.kind != preprocessing.TENSORS
        self._names = [output.name for output in signature.outputs]
        self._answered = {self.package.answered} if self._headed else set()
        self._head = sorted(self._answered)
        raw = {i for i, output in enumerate(signature.outputs) if output.dtype != "float32"}
        self._runner = Runner(files["model.tflite"], raw - self._answered)
        self._answer = partial(answer, self.package)
        self._run = self._runner.run if self.rows else self._runner.once
        self.size = sum(len(data) for data in files.values())
        self.baseline = files.get(BASELINE)
        self.encoder = self._reader.encoder
        if self.encoder:
            signatures.check_encoder(self.encoder, self._runner.inputs)
        if self._headed:
            signatures.check_labels(self.package, self._runner.outputs)
        signatures.check(self.package, self._runner.inputs, self._runner.outputs)
        self._runner.bound([tensor.greatest for tensor in (*signature.inputs, *signature.outputs)])

    @property
    def field(self) -> str:
        """What an instance holds: `text`, `features` or `inputs`."""
        return self._reader.field

    @property
    def width(self) -> int:
        """Numbers that a row's answer holds at the most."""
        if self._headed:
            return max(1, len(self.package.labels))
        shapes = [output.greatest for output in self.package.signature.outputs]
        return sum(prod(shape[1:] if self.rows else shape) for shape in shapes)

    @property
    def held(self) -> int:
        """Bytes that its tensors held in the largest run so far."""
        return self._runner.held

    @property
    def inputs(self) -> Sequence[Tensor]:
        """The tensors that `infer` takes."""
        return self._reader.inputs

    @property
    def optional(self) -> frozenset[str]:
        """Those of `inputs` that may be left out."""
        return self._reader.optional

    def predict(self, values: Sequence[Any], where: Sequence[str]) -> list[Answer]:
        """An answer for each value; `where[i]` is its path in the request, for the message of InvalidInput."""
        return self.answers(values, where).answers

    def answers(self, values: Sequence[Any], where: Sequence[str]) -> Result:
        """As `predict`, with all that came of it."""
        if not self._headed:
            raise InvalidInput("this model answers tensors: ask it by /v2/models/{model}/infer", field=self.field)
        return self._headed_result(self._reader.take(values, where))

    def run(self, values: Sequence[Any], where: Sequence[str]) -> Result:
        """As `answers`, also of a model that answers nothing but tensors, and with all outputs."""
        return self._result(self._reader.take(values, where), range(len(self._names)))

    def answers_to(self, rows: Array) -> list[Answer]:
        """An answer for each row as the model's encoder makes them."""
        nothing = [None] * len(rows)
        return self._headed_result(Taken(nothing, [rows], lambda: nothing)).answers

    def infer(self, given: Mapping[str, Given], wanted: Collection[str] | None = None) -> Result:
        """What the model answers to named tensors: all of `inputs` but for the optional ones, with equally many rows.

        `wanted` names the outputs that are wanted besides the one that the answers are made of, if not all.

        Raises
        ------
        InvalidInput
            Names the tensor, or the element within it.
        """
        places = [i for i, name in enumerate(self._names) if wanted is None or name in wanted or i in self._answered]
        return self._result(self._reader.read(given), places)

    def run_at_the_ends(self, value: Any, where: str) -> None:
        """Run `value` with the least and the greatest ids that requests can bring, in the place of its own.

        Raises
        ------
        InvalidInput
            `bad_package`: the model fails on ids that its preprocessing makes, or that its signature allows.
        """
        taken = self._reader.take([value], [where])
        for end in (0, 1):
            filled = [
                array if ends is None else np.full_like(array, ends[end])
                for array, ends in zip(taken.arrays, self._reader.ends, strict=True)
            ]
            try:
                self._run(filled)
            except ModelFailed as error:
                found = [ends[end] for ends in self._reader.ends if ends]
                raise InvalidInput(
                    f"the model fails on ids that it may get ({', '.join(map(str, found))}): {error.message}",
                    code="bad_package",
                    field="signature.inputs",
                ) from error

    def run_at_its_greatest(self, value: Any, where: str) -> list[Array]:
        """The outputs of as many rows as run at once, each as large as the signature allows, `value` over and over.

        Raises
        ------
        InvalidInput
            `bad_package`: the model fails on them.
        MemoryError
        """
        taken, stated = self._reader.take([value], [where]), self.package.signature.inputs
        shapes = [
            [*([self._runner.step] if self.rows else tensor.greatest[:1]), *tensor.greatest[1:]] for tensor in stated
        ]
        try:
            return self._run(list(map(np.resize, taken.arrays, shapes)))
        except ModelFailed as error:
            told = ", ".join(map(str, shapes))
            raise InvalidInput(
                f"the model fails on tensors of {told}, maybe for want of memory: {error.message}",
                code="bad_package",
                field="signature.inputs",
            ) from error

    def columns(self, values: Sequence[Any], where: Sequence[str]) -> Answers:
        """As `run`, of many rows and by column; of a model of tensors, `predictions` are its outputs by name."""
        taken = self._reader.take(values, where)
        if self._headed:
            [output] = self._run(taken.arrays, self._head)
            return answers(self.package, output.reshape(len(values), -1))
        outputs = self._run(taken.arrays)
        listed = [tensors.listed(output) if self.rows else [tensors.listed(output)] for output in outputs]
        told = [dict(zip(self._names, row, strict=True)) for row in zip(*listed, strict=True)]
        return Answers(told, [None] * len(told))

    def _headed_result(self, taken: Taken) -> Result:
        [head] = self._run(taken.arrays, self._head)
        return Result(taken.values, self._told(head, len(taken.values)), taken.features, {})

    def _result(self, taken: Taken, wanted: Sequence[int]) -> Result:
        arrays = self._run(taken.arrays, wanted)
        outputs = {self._names[i]: array for i, array in zip(wanted, arrays, strict=True)}
        n = len(taken.values)
        told = self._told(outputs[self._names[self._head[0]]], n) if self._headed else [UNLABELLED] * n
        return Result(taken.values, told, taken.features, outputs)

    def _told(self, head: Array, n_rows: int) -> list[Answer]:
        return list(map(self._answer, head.reshape(n_rows, -1).tolist()))
