"""A version ready to answer: its package, its preprocessing and its interpreter."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from zeroloop.errors import InvalidInput
from zeroloop.inference import package as packages
from zeroloop.inference import preprocessing
from zeroloop.inference.answers import Answer, answer
from zeroloop.inference.runtime import Runner

TOKENIZER = "tokenizer.json"


class Result(NamedTuple):
    """An answer for each value, and what the log keeps of it (`Encoder.features`)."""

    answers: list[Answer]
    features: list[Any]


class Model:
    """A loaded package. Safe to share between threads.

    `files` holds the bytes of `package.json`, `model.tflite` and, where the package needs one, `tokenizer.json`.

    Raises
    ------
    InvalidInput
        What doesn't fit: the contract, preprocessing other than at training, shapes, labels.
    """

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.package = packages.read(files["package.json"])
        declared = self.package.preprocessing
        ours = preprocessing.digest(declared.kind, declared.parameters)
        if ours != declared.digest:
            raise _bad(
                f"was trained with preprocessing {declared.digest[:12]}, this stack has {ours[:12]}: "
                "train again, or deploy the version of Zeroloop that it was trained with",
                "preprocessing.digest",
            )
        self._encoder = preprocessing.encoder(declared.kind, declared.parameters, files.get(TOKENIZER))
        self._runner = Runner(files["model.tflite"])
        self.size = sum(len(data) for data in files.values())
        self._check_input()
        self._check_output()

    @property
    def field(self) -> str:
        """What an instance holds: `text` or `features`."""
        return self._encoder.field

    def predict(self, values: Sequence[Any], where: Sequence[str]) -> list[Answer]:
        """An answer for each value; `where[i]` is its path in the request, for the message of InvalidInput."""
        return self.run(values, where).answers

    def run(self, values: Sequence[Any], where: Sequence[str]) -> Result:
        """As `predict`, with what the log keeps of each value."""
        rows = self._encoder.encode(values, where)
        outputs = self._runner.run([rows])[0].reshape(len(rows), -1).tolist()
        return Result([answer(self.package, row) for row in outputs], self._encoder.features(values, rows))

    def _check_input(self) -> None:
        inputs, encoder = self._runner.inputs, self._encoder
        if len(inputs) != 1:
            raise _bad(f"has {len(inputs)} inputs; {encoder.field} fills one", "signature.inputs")
        shape = [int(size) for size in inputs[0]["shape_signature"]]
        if shape[1:] != [encoder.width]:
            raise _bad(f"takes {shape}, its preprocessing makes rows of {encoder.width}", "signature.inputs[0].shape")
        quantised = bool(inputs[0]["quantization"][0]) and encoder.dtype == "float32"  # ids have no scale
        if np.dtype(inputs[0]["dtype"]) != np.dtype(encoder.dtype) and not quantised:
            raise _bad(
                f"takes {np.dtype(inputs[0]['dtype'])}, its preprocessing makes {encoder.dtype}",
                "signature.inputs[0].dtype",
            )

    def _check_output(self) -> None:
        given = int(np.prod(self._runner.outputs[0]["shape"][1:], initial=1))
        wanted = {len(self.package.labels) or 1, 1 if self.package.task == "binary" else len(self.package.labels) or 1}
        if given not in wanted:
            raise _bad(f"answers {given} numbers a row for {len(self.package.labels)} labels", "labels")


def _bad(what: str, field: str) -> InvalidInput:
    return InvalidInput(f"the model {what}", code="bad_package", field=field)
