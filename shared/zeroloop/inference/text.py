"""Text as hashed n-grams: no vocabulary, so nothing to ship, to leak or to fall out of step."""

import re
import unicodedata
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zeroloop.errors import InvalidInput
from zeroloop.inference.parameters import checked, integer

FEW_ROWS = 12
"""Up to here the plain loop (8 us a row) beats numpy (95 us a batch and 1 us a row)."""
LONG_TOKEN = 16
"""Bytes; a longer token is hashed by itself: 1 in 7,000 in English."""

_IN_TOKENS = b"'0123456789abcdefghijklmnopqrstuvwxyz" + bytes(range(0x80, 0x100))
_SPACED = bytes(byte if byte in _IN_TOKENS else 0x20 for byte in bytes(range(0x100)).lower())
"""Lower-cases ASCII, and makes a space of all that stands in no token."""
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
        if len(values) > FEW_ROWS:
            return self._many(*self._joined(values, where))
        return self._rows(self._few(self._bytes(values, where)))

    def seen(self, values: Sequence[Any], where: Sequence[str]) -> tuple[NDArray[np.int32], Callable[[], list[Any]]]:
        """As `encode`, and what tells `features` of the same: of few texts the ids that the rows were made of."""
        if len(values) > FEW_ROWS:
            rows = self.encode(values, where)
            return rows, partial(self.features, values, rows)
        ids = self._few(self._bytes(values, where))
        return self._rows(ids), ids.copy

    def _bytes(self, values: Sequence[Any], where: Sequence[str]) -> list[bytes]:
        most = self.max_characters
        return [
            text.encode()
            if type(text) is str and text.isascii() and 0 < len(text) <= most and not text.isspace()
            else utf8(texts([text], [place], most)[0], place)
            for text, place in zip(values, where, strict=True)
        ]

    def _joined(self, values: Sequence[Any], where: Sequence[str]) -> tuple[list[int], bytes]:
        """The length of each text in bytes, and all of them with a line feed between; one pass in C for each check."""
        most = self.max_characters
        lengths = list(map(len, values)) if set(map(type, values)) == {str} else [0]
        if min(lengths) == 0 or max(lengths) > most or any(map(str.isspace, values)):
            texts(values, where, most)  # names the one that it is
        plain = list(map(str.isascii, values))
        if not all(plain):
            values = list(values)
            for i, ascii_alone in enumerate(plain):
                if not ascii_alone:
                    data = utf8(values[i], where[i])
                    values[i], lengths[i] = data.decode("latin-1"), len(data)  # a character a byte, for the join
        return lengths, "\n".join(values).encode("latin-1")

    def features(self, _values: Sequence[str], rows: NDArray[np.int32]) -> list[list[int]]:
        """The ids, from which the model can be trained again; hashes are no words."""
        return [ids if ids[-1] else ids[: ids.index(0)] for ids in rows.tolist()]

    def left_out(self, text: Any, where: str, most: int) -> tuple[list[str], int, NDArray[np.int32]]:
        """Of the tokens of `text` the first `most`, how many the model reads, and (2 + those named, length) ids.

        First those of the text itself, then without all that are named, then without each. A row is what `encode` makes
        of the text without those tokens: their neighbours form a pair, and what was cut off may move up.
        """
        [text] = texts([text], [where], self.max_characters)
        tokens = _tokens(utf8(text, where))
        n_read = min(len(tokens), self.width)
        n, tokens = min(n_read, most), tokens[: self.width + most]
        left = [tokens, tokens[n:], *(tokens[:i] + tokens[i + 1 :] for i in range(n))]
        return [token.decode() for token in tokens[:n]], n_read, self._rows(self._few([b" ".join(row) for row in left]))

    def _few(self, data: Sequence[bytes]) -> list[list[int]]:
        """The ids of each row, without the filling."""
        rows = []
        for text in data:
            tokens = _tokens(text)[: self.width]
            hashes = list(map(zlib.crc32, tokens))
            if self.ngrams == 2:
                hashes += [zlib.crc32(b" " + last, first) for first, last in zip(hashes, tokens[1:], strict=False)]
            rows.append([value % (self.buckets - 1) + 1 for value in hashes[: self.width]])
        return rows

    def _rows(self, ids: Sequence[Sequence[int]]) -> NDArray[np.int32]:
        rows = np.zeros((len(ids), self.width), np.int32)
        for i, some in enumerate(ids):
            rows[i, : len(some)] = some
        return rows

    def _many(self, lengths: list[int], data: bytes) -> NDArray[np.int32]:
        """Ids as `_few` makes them, of all tokens at once; `data` is the texts of these lengths, a byte between."""
        text = np.frombuffer(bytearray(b"\n").join([_BEFORE, data, b""]), np.uint8)
        text |= _between(text, "A", "Z").view(np.uint8) * np.uint8(0x20)  # lower-cased
        starts, ends = _spans(text)
        ends_of_rows = np.cumsum(np.array(lengths) + 1) + len(_BEFORE)
        tokens_until = np.searchsorted(starts, ends_of_rows)
        n_tokens = np.diff(tokens_until, prepend=0)
        n = len(lengths)
        shift = np.arange(0, n * self.width, self.width) - (tokens_until - n_tokens)
        place = np.arange(len(starts)) + np.repeat(shift, n_tokens)  # in all rows, one behind the other
        if n_tokens.max() > self.width:  # not hashed in vain
            kept = place < np.repeat(np.arange(1, n + 1) * self.width, n_tokens)
            starts, ends, place = starts[kept], ends[kept], place[kept]
            n_tokens = np.minimum(n_tokens, self.width)
        hashes = _crc32(text, starts, ends)
        rows = np.zeros(n * self.width, np.int32)
        rows[place] = self._ids(hashes)
        if self.ngrams == 2:
            last = np.cumsum(n_tokens) - 1
            first = np.delete(np.arange(len(starts)), last[n_tokens > 0])
            after = place[first] + np.repeat(n_tokens, np.maximum(n_tokens - 1, 0))
            fits = after // self.width == place[first] // self.width
            first = first[fits]
            rows[after[fits]] = self._ids(_crc32_of_pairs(text, starts, ends, hashes, first))
        return rows.reshape(n, self.width)

    def _ids(self, hashes: NDArray[np.uint32]) -> NDArray[np.uint32]:
        return hashes % np.uint32(self.buckets - 1) + np.uint32(1)


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


def _tokens(text: bytes) -> list[bytes]:
    """The tokens of step 3, in a third of the time of a regular expression."""
    spaced = text.translate(_SPACED)
    if b"'" in spaced:  # none stays but single ones between word characters
        spaced = spaced.strip(b" '").replace(b"''", b"  ").replace(b" '", b"  ").replace(b"' ", b"  ")
    return spaced.split()


_BEFORE = b"\n" * (LONG_TOKEN - 1)
"""Stands before the texts of `_many` and their first separator, so that words of bytes end at every token."""


def _between(text: NDArray[np.uint8], first: str, last: str) -> NDArray[np.bool_]:
    """Which bytes of `text` are from `first` to `last`; what is below `first` is far above by wrapping around."""
    return text - np.uint8(ord(first)) <= ord(last) - ord(first)


def _spans(text: NDArray[np.uint8]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Starts and ends of the tokens of `text`, which starts and ends with a separator."""
    word = _between(text, "a", "z") | _between(text, "0", "9") | (text > 0x7F)
    apostrophes = np.flatnonzero(text == 0x27)
    word[apostrophes] = word[apostrophes - 1] & word[apostrophes + 1]  # of two in a row neither is in a word yet
    edges = np.flatnonzero(word[1:] != word[:-1]) + 1
    return edges[::2], edges[1::2]


@cache
def _crc_tables() -> tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.uint32]]:
    """What bytes add to a CRC-32 by their place, counted from the end of what is hashed (Sarwate, and "slicing by n").

    CRC-32 is linear but for its start: the CRC of a message is that of as many zeros, and what each byte adds to it.

    1. [p + 4, byte]: what a byte adds that stands p before the end. Below 0 the byte is one of a CRC that so few bytes
       follow that it still stands there.
    2. [w, i, pair of bytes]: the same of the bytes 2i and 2i + 1 of the w-th word of 8 bytes from the end.
    3. [n]: the CRC of n zeros.
    """
    table = np.arange(256, dtype=np.uint32)
    places = [table << np.uint32(8 * shift) for shift in (3, 2, 1, 0)]
    for _ in range(8):
        table = np.where(table & 1, np.uint32(0xEDB88320), np.uint32(0)) ^ (table >> 1)
    for _ in range(LONG_TOKEN):
        places.append(table[places[-1] & 0xFF] ^ (places[-1] >> 8))
    one = np.array(places)
    pair = np.arange(1 << 16)
    two = [
        [one[4 + 8 * w + 7 - 2 * i][pair & 0xFF] ^ one[4 + 8 * w + 6 - 2 * i][pair >> 8] for i in range(4)]
        for w in (0, 1)
    ]
    return one, np.array(two), np.array([zlib.crc32(bytes(n)) for n in range(LONG_TOKEN + 1)], np.uint32)


def _crc32(text: NDArray[np.uint8], starts: NDArray[np.intp], ends: NDArray[np.intp]) -> NDArray[np.uint32]:
    """`crc32(text[start:end])` for each token."""
    _, pairs, zeros = _crc_tables()
    words = np.ndarray(len(text) - 7, np.uint64, text, strides=(1,))  # the 8 bytes from each place on, little-endian
    lengths = ends - starts
    crc = zeros.take(lengths, mode="clip") ^ _added(words[ends - 8], lengths, pairs[0])
    longer = np.flatnonzero(lengths > 8)
    crc[longer] ^= _added(words[ends[longer] - 16], lengths[longer] - 8, pairs[1])
    for i in np.flatnonzero(lengths > LONG_TOKEN):
        crc[i] = zlib.crc32(text[starts[i] : ends[i]].tobytes())
    return crc


_LAST = np.array([~0 << 8 * (8 - n) & (1 << 64) - 1 for n in range(9)], np.uint64)
"""[n]: the mask of the last n bytes of a word."""


def _added(words: NDArray[np.uint64], lengths: NDArray[np.intp], pairs: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """What the last `lengths` bytes of `words` (at most 8) add to a CRC-32."""
    halves = (words & _LAST.take(lengths, mode="clip")).view(np.uint16).reshape(-1, 4)
    crc: NDArray[np.uint32] = pairs[0].take(halves[:, 0])
    for i in (1, 2, 3):
        crc ^= pairs[i].take(halves[:, i])
    return crc


def _crc32_of_pairs(
    text: NDArray[np.uint8],
    starts: NDArray[np.intp],
    ends: NDArray[np.intp],
    hashes: NDArray[np.uint32],
    first: NDArray[np.intp],
) -> NDArray[np.uint32]:
    """`crc32` of each token that is in `first`, a space, and the next token; `hashes` are those of all tokens."""
    places, _, _ = _crc_tables()
    space = ~hashes[first]
    space = ~(places[4].take((space ^ np.uint32(0x20)) & np.uint32(0xFF)) ^ (space >> np.uint32(8)))
    lengths = ends[first + 1] - starts[first + 1]
    crc = hashes[first + 1]
    # What the first part adds to the CRC of the whole stands as far from its end as the second is long (crc32_combine).
    at = np.minimum(lengths, LONG_TOKEN) * 256 + 3 * 256
    for byte in space.view(np.uint8).reshape(-1, 4).T:
        crc ^= places.ravel().take(at + byte)
        at -= 256
    for i in np.flatnonzero(lengths > LONG_TOKEN):
        crc[i] = zlib.crc32(text[starts[first[i] + 1] : ends[first[i] + 1]].tobytes(), int(space[i]))
    return crc
