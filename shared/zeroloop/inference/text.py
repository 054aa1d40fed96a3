"""Text as hashed n-grams: no vocabulary, so nothing to ship, to leak or to fall out of step."""

import re
import unicodedata
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeroloop.errors import InvalidInput
from zeroloop.inference.parameters import checked, integer

FEW_ROWS = 32
"""Up to here the plain loop (15 us a row) beats numpy (300 us a batch and 3 us a row)."""
LONG_TOKEN = 64
"""Bytes; one longer token would cost every other token of the batch a numpy pass a byte, so it is hashed by itself."""

_TOKEN = re.compile(rb"[a-z0-9\x80-\xff]+(?:'[a-z0-9\x80-\xff]+)*")
_SEPARATORS = re.compile("[\x80-\xbf\u2000-\u206f\u3000-\u303f]")


class HashedNgrams:
    """Ids of a text's words and word pairs, for an embedding.

    Made to be reproduced in any language:

    1. Lower-case by Unicode's default mapping, then normalise to NFC.
    2. U+2019 (the curly apostrophe) becomes U+0027. The blocks U+0080-00BF, U+2000-206F and U+3000-303F (spaces and
       punctuation) become a space.
    3. A word character is one of a-z and 0-9 or any character from U+0080 on. A token is a longest run of word
       characters, in which single apostrophes may stand between word characters: ``don't`` is one token, ``'so'`` is
       the token ``so``.
    4. The id of a token is ``crc32(UTF-8 of the token) % (buckets - 1) + 1``, with the CRC-32 of zlib. The id of a
       bigram is that of its tokens joined by one space.
    5. A row holds the ids of the tokens in order, then with ``ngrams`` 2 those of the bigrams in order. It is cut to
       ``length``, so a long text loses bigrams first, and filled up with 0.

    A text without any token ("?!") is a row of zeros. Scripts without spaces make one token of a sentence: they want
    the kind `tokenizer`.

    Parameters
    ----------
    parameters
        buckets: ids run below it, 2 to 2^24. length: ids a row, 1 to 4096. ngrams: 1 (default) or 2.
        max_characters: longer texts are refused, 1 to 1,000,000, default 20,000.

    """

    kind = "hashed_ngrams"
    code_version = 1
    field = "text"
    dtype = "int32"

    def __init__(self, parameters: Mapping[str, Any], _tokenizer: bytes | None = None) -> None:
        parameters = checked(parameters, {"buckets", "length", "ngrams", "max_characters"})
        self.buckets = integer(parameters, "buckets", (2, 1 << 24))
        self.largest: int | None = self.buckets - 1
        self.width = integer(parameters, "length", (1, 4096))
        self.ngrams = integer(parameters, "ngrams", (1, 2), default=1)
        self.max_characters = max_characters(parameters)

    def encode(self, values: Sequence[Any], where: Sequence[str]) -> NDArray[np.int32]:
        """(batch, length) ids of `values`; `where` names each one for the caller.

        Raises
        ------
        InvalidInput
            Not a string, blank, longer than max_characters, or half a surrogate pair.
        """
        data = [utf8(text, place) for text, place in zip(texts(values, where, self.max_characters), where, strict=True)]
        return self._few(data) if len(data) <= FEW_ROWS else self._many(data)

    def features(self, _values: Sequence[str], rows: NDArray[np.int32]) -> list[list[int]]:
        """The ids, from which the model can be trained again; hashes are no words."""
        return [ids if ids[-1] else ids[: ids.index(0)] for ids in rows.tolist()]

    def left_out(self, text: Any, where: str, most: int) -> tuple[list[str], int, NDArray[np.int32]]:
        """Of the tokens of `text` the first `most`, how many the model reads, and (2 + those named, length) ids.

        First those of the text itself, then without all that are named, then without each. A row is what `encode` makes
        of the text without those tokens: their neighbours form a pair, and what was cut off may move up.
        """
        [text] = texts([text], [where], self.max_characters)
        tokens = _TOKEN.findall(utf8(text, where))
        n_read = min(len(tokens), self.width)
        n, tokens = min(n_read, most), tokens[: self.width + most]
        left = [tokens, tokens[n:], *(tokens[:i] + tokens[i + 1 :] for i in range(n))]
        return [token.decode() for token in tokens[:n]], n_read, self._few([b" ".join(row) for row in left])

    def _few(self, data: Sequence[bytes]) -> NDArray[np.int32]:
        rows = np.zeros((len(data), self.width), np.int32)
        for row, text in zip(rows, data, strict=True):
            tokens = _TOKEN.findall(text)[: self.width]
            hashes = list(map(zlib.crc32, tokens))
            if self.ngrams == 2:
                hashes += [zlib.crc32(b" " + last, first) for first, last in zip(hashes, tokens[1:], strict=False)]
            n = min(len(hashes), self.width)
            row[:n] = [value % (self.buckets - 1) + 1 for value in hashes[:n]]
        return rows

    def _many(self, data: Sequence[bytes]) -> NDArray[np.int32]:
        """Ids as `_few` makes them, with one numpy pass for the k-th bytes of all tokens."""
        text = np.frombuffer(b"\n" + b"\n".join(data) + b"\n", np.uint8)
        starts, lengths = _spans(text)
        ends_of_rows = np.cumsum([len(row) + 1 for row in data])
        row = np.searchsorted(ends_of_rows, starts)
        n_tokens = np.bincount(row, minlength=len(data))
        position = np.arange(len(row)) - (np.cumsum(n_tokens) - n_tokens)[row]

        kept = position < self.width  # not hashed in vain
        starts, lengths, row, position = starts[kept], lengths[kept], row[kept], position[kept]
        hashes = _crc32(text, starts, lengths, np.zeros(len(row), np.uint32))
        rows = np.zeros((len(data), self.width), np.int32)
        rows[row, position] = hashes % np.uint32(self.buckets - 1) + np.uint32(1)
        if self.ngrams == 2:
            place = n_tokens[row] + position
            first = np.flatnonzero((row[:-1] == row[1:]) & (place[:-1] < self.width))
            spaced = _step(hashes[first], np.uint8(0x20))
            pairs = _crc32(text, starts[first + 1], lengths[first + 1], spaced)
            rows[row[first], place[first]] = pairs % np.uint32(self.buckets - 1) + np.uint32(1)
        return rows


def max_characters(parameters: Mapping[str, Any]) -> int:
    """The parameter of that name: how long a text may be."""
    return integer(parameters, "max_characters", (1, 1_000_000), default=20_000)


def texts(values: Sequence[Any], where: Sequence[str], most: int) -> Sequence[str]:
    """`values`, each a text of 1 to `most` characters, not all of them white space; else InvalidInput names it."""
    for value, place in zip(values, where, strict=True):
        if type(value) is not str:
            raise InvalidInput("must be a string", field=place)
        if len(value) > most:
            raise InvalidInput(f"has {len(value)} characters, {most} are allowed", field=place)
        if not value or value.isspace():
            raise InvalidInput("must not be blank", field=place)
    return values


def utf8(text: str, place: str) -> bytes:
    """`text` lower-cased and with its separators made ASCII (steps 1 and 2 of `HashedNgrams`), in UTF-8."""
    text = text.lower()
    if text.isascii():
        return text.encode()
    text = unicodedata.normalize("NFC", text).replace("\u2019", "'")
    return encoded(_SEPARATORS.sub(" ", text), place)


def encoded(text: str, place: str) -> bytes:
    """`text` in UTF-8, or InvalidInput at `place`: JSON can write half a surrogate pair."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InvalidInput("holds half a surrogate pair, which is no character", field=place) from None


def _crc_table() -> NDArray[np.uint32]:
    """What a byte adds to a CRC-32: the remainder of each byte by the reflected polynomial 0xEDB88320."""
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, np.uint32(0xEDB88320), np.uint32(0)) ^ (table >> 1)
    return table


_CRC = _crc_table()
_WORD = np.array([chr(byte) in "abcdefghijklmnopqrstuvwxyz0123456789" or byte >= 0x80 for byte in range(256)])


def _spans(text: NDArray[np.uint8]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Starts and lengths of the tokens of `text`, which starts and ends with a separator."""
    word = _WORD.take(text)
    apostrophe = text[1:-1] == 0x27
    word[1:-1] |= apostrophe & word[:-2] & word[2:]
    edges = np.flatnonzero(word[1:] != word[:-1]) + 1
    starts = edges[::2]
    return starts, edges[1::2] - starts


def _step(crc: NDArray[np.uint32], byte: NDArray[np.uint8] | np.uint8) -> NDArray[np.uint32]:
    """CRC-32 of what had `crc`, with one more byte."""
    state = np.invert(crc)
    lowest = np.bitwise_xor(state, byte).astype(np.uint8)
    after: NDArray[np.uint32] = _CRC.take(lowest) ^ np.right_shift(state, np.uint32(8))
    return np.invert(after)


def _crc32(
    text: NDArray[np.uint8], starts: NDArray[np.intp], lengths: NDArray[np.intp], before: NDArray[np.uint32]
) -> NDArray[np.uint32]:
    """``zlib.crc32(text[start : start + length], before)`` for each token."""
    order = np.argsort(np.minimum(lengths, LONG_TOKEN + 1).astype(np.uint8), kind="stable")  # radix sort: a byte each
    starts, lengths, crc = starts[order], lengths[order], before[order]
    n_short = int(np.searchsorted(lengths, LONG_TOKEN, side="right"))
    for k in range(int(lengths[n_short - 1]) if n_short else 0):
        at = int(np.searchsorted(lengths[:n_short], k, side="right"))
        crc[at:n_short] = _step(crc[at:n_short], text.take(starts[at:n_short] + k))
    for i in range(n_short, len(crc)):
        crc[i] = zlib.crc32(text[starts[i] : starts[i] + lengths[i]].tobytes(), int(crc[i]))
    result = np.empty_like(crc)
    result[order] = crc
    return result
