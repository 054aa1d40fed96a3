"""Text as the ids of a Hugging Face tokenizer, for models that were trained with its vocabulary."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeroloop.errors import InvalidInput, ModelFailed
from zeroloop.inference.parameters import checked, integer
from zeroloop.inference.text import encoded, max_characters, texts

FILE = "tokenizer.json"
BAGS = 256
_UNKNOWN = "\U00010000 zqxjvk \u0416\u16a0\u4dff 7\u2603\ue000"  # of scripts that few have, and of no script


class Tokenizer:
    """Ids by the package's `tokenizer.json`, cut and padded to `length`.

    The padding id and side are those the file states, else 0 on the right.

    Parameters
    ----------
    parameters
        length: ids a row, 1 to 4096. max_characters: longer texts are refused, 1 to 1,000,000, default 20,000.
    tokenizer
        The bytes of the package's tokenizer.json.

    """

    kind = "tokenizer"
    code_version = 1
    field = "text"
    dtype = "int32"

    def __init__(self, parameters: Mapping[str, Any], tokenizer: bytes | None = None) -> None:
        parameters = checked(parameters, {"length", "max_characters"})
        self.width = integer(parameters, "length", (1, 4096))
        self.max_characters = max_characters(parameters)
        self._tokenizer = _load(tokenizer)
        padding = self._tokenizer.padding or {}
        self._pad = padding.get("pad_id", 0)
        self._pad_left = padding.get("direction") == "left"
        self._tokenizer.enable_truncation(self.width)
        self._tokenizer.enable_padding(
            length=self.width,
            pad_id=self._pad,
            pad_token=padding.get("pad_token", "[PAD]"),
            direction=padding.get("direction", "right"),
        )
        self.largest: int | None = max(self._pad, *self._tokenizer.get_vocab().values(), 0)

    def encode(self, values: Sequence[Any], where: Sequence[str]) -> NDArray[np.int32]:
        """(batch, length) ids of `values`; `where` names each one for the caller.

        Raises
        ------
        InvalidInput
            Not a string, blank, longer than max_characters, or half a surrogate pair.
        ModelFailed
        """
        for text, place in zip(texts(values, where, self.max_characters), where, strict=True):
            encoded(text, place)  # the library would not say which
        try:
            rows = self._tokenizer.encode_batch_fast(values)
            return np.array([row.ids for row in rows], np.int32).reshape(len(values), self.width)
        except BaseException as error:
            raise ModelFailed(f"the tokenizer fails on this text: {_said(error)}") from error

    def left_out(self, text: Any, where: str, most: int) -> tuple[list[str], int, NDArray[np.int32]]:
        """As that of `HashedNgrams`, but that tokens are left out of the row: its other ids stay as they are.

        Cut out of the text, a part of a word would change how the rest of the word is read. The tokenizer's own marks
        are never left out.
        """
        [row] = self.encode([text], [where])
        try:
            read = self._tokenizer.encode(text)
        except BaseException as error:
            raise ModelFailed(f"the tokenizer fails on this text: {_said(error)}") from error
        places = [i for i, mark in enumerate(read.special_tokens_mask) if not mark]
        named = places[:most]
        names = [text[slice(*read.offsets[i])] or read.tokens[i] for i in named]
        left: list[list[int]] = [[], named, *([i] for i in named)]
        return names, len(places), np.array([self._without(row, some) for some in left], np.int32)

    def _without(self, row: NDArray[np.int32], places: Sequence[int]) -> NDArray[np.int32]:
        kept = np.delete(row, np.array(places, np.intp))
        return np.pad(kept, (len(places), 0) if self._pad_left else (0, len(places)), constant_values=self._pad)

    def check(self) -> None:
        """Encode a text of words that no vocabulary has, and one as long as they may be; golden texts may be neither.

        Raises
        ------
        InvalidInput
            `bad_package`: the file fails on one of them.
        """
        for what, text in (
            ("unknown words", _UNKNOWN[: self.max_characters]),
            (f"{self.max_characters:,} characters", "a" * (self.max_characters - 1) + "!"),
        ):
            try:
                self.encode([text], ["text"])
            except ModelFailed as error:
                raise InvalidInput(f"on a text of {what} {error.message}", code="bad_package", field=FILE) from error

    def features(self, _values: Sequence[str], rows: NDArray[np.int32]) -> list[list[int]]:
        """The ids modulo 256, sorted: in full and in order, the ids of a known vocabulary are the text itself."""
        return [np.sort(row[row != self._pad] % BAGS).tolist() for row in rows]


def _said(error: BaseException) -> str:
    """What the library says: its panics are no `Exception`, and would end whoever catches those alone."""
    if isinstance(error, KeyboardInterrupt | SystemExit | MemoryError):
        raise error
    return str(error)[:200]


def _load(tokenizer: bytes | None) -> Any:
    """The tokenizer of these bytes; imported here, because few packages need the library and its layer."""
    if tokenizer is None:
        raise InvalidInput("preprocessing of kind tokenizer needs the file in the package", field=FILE)
    try:
        from tokenizers import Tokenizer as Library  # noqa: PLC0415 - see the docstring
    except ImportError:
        raise InvalidInput(
            "this package needs the library tokenizers: deploy the stack with the tokenizers layer", field=FILE
        ) from None
    try:
        return Library.from_str(tokenizer.decode())
    except BaseException as error:  # noqa: BLE001 - as in `encode`
        raise InvalidInput(f"is not a tokenizer: {_said(error)}", field=FILE) from None
