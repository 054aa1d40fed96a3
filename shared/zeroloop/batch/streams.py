"""From stored bytes to records: decompressed, as UTF-8 or a superset of ASCII, split, and bounded in every direction.

Memory holds a block and a record, whatever the file: longer records are cut short and marked, archives that unpack to
too much are refused.
"""

import codecs
import zlib
from collections.abc import Iterable, Iterator

from msgspec import Struct

from zeroloop.errors import InvalidInput

MAX_RECORD_BYTES = 8_000_000
"""A text may have 1,000,000 characters, which JSON can write in 6 bytes each."""
_KEPT_BYTES = 40_000
_BLOCK = 1 << 20
# Text packs to a tenth, tables of the same few values to a fiftieth; a bomb of zeros to a thousandth.
_BOMB_RATIO = 250
_BOMB_FREE_BYTES = 100_000_000


class Record(Struct, frozen=True, gc=False):
    """A record without its line end; it and its line end take the bytes from `start` to before `end`.

    `cut`: too long, so that only its beginning is kept.
    """

    start: int
    end: int
    data: bytes
    cut: bool = False


class Unreadable(InvalidInput):
    """The file can't be read any further: not what it says it is, or too much."""

    code = "unreadable_input"


class Counted:
    """Blocks, and how many bytes of them were taken."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = blocks
        self.taken = 0

    def __iter__(self) -> Iterator[bytes]:
        """Yield the blocks."""
        for block in self._blocks:
            self.taken += len(block)
            yield block


def gunzipped(blocks: Counted) -> Iterator[bytes]:
    """The contents of a gzip file, of one or several members, in blocks of at most 1 MB.

    Raises
    ------
    Unreadable
        Not gzip, cut short, or a bomb.
    """
    member, given = zlib.decompressobj(wbits=31), 0
    for block in blocks:
        rest, more = block, True
        while more:
            if member.eof:
                if not (rest := rest.lstrip(b"\0")):  # padding behind the last member
                    break
                member = zlib.decompressobj(wbits=31)
            try:
                out = member.decompress(rest, _BLOCK)
            except zlib.error as error:
                raise Unreadable(f"the gzip file is damaged: {error}") from error
            given += len(out)
            check_ratio(given, blocks.taken)
            if out:
                yield out
            rest = member.unused_data if member.eof else member.unconsumed_tail
            more = bool(rest) or (len(out) == _BLOCK and not member.eof)
    if not member.eof:
        raise Unreadable("the gzip file is cut short")


def check_ratio(given: int, taken: int) -> None:
    """Refuse an archive that unpacks `taken` bytes to `given`, far more than data does.

    Raises
    ------
    Unreadable
    """
    if given > _BOMB_FREE_BYTES and given > taken * _BOMB_RATIO:
        raise Unreadable(f"{taken:,} bytes unpack to more than {_BOMB_RATIO} times as many: a bomb, not data")


def as_utf8(blocks: Iterable[bytes], encoding: str) -> Iterator[bytes]:
    """UTF-16 as UTF-8; what is ASCII with more behind it can be split as it is.

    Raises
    ------
    Unreadable
        Not of that encoding.
    """
    if encoding != "utf-16":
        yield from blocks
        return
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for block in blocks:
            yield decoder.decode(block).encode()
        yield decoder.decode(b"", final=True).encode()
    except UnicodeError as error:
        raise Unreadable(f"the file is not {encoding}: {error}") from error


def skipped(blocks: Iterable[bytes], n_bytes: int) -> Iterator[bytes]:
    """`blocks` without the first `n_bytes`."""
    left = n_bytes
    for block in blocks:
        if left < len(block):
            yield block[left:]
        left = max(0, left - len(block))


def records(blocks: Iterable[bytes], offset: int, *, quotes: bool) -> Iterator[Record]:
    """The records of `blocks`, which begin at `offset` with a record; `quotes`: newlines inside quotes end none."""
    start, length, kept, quoted = offset, 0, bytearray(), False  # of the record that hasn't ended yet
    for block in blocks:
        *ended, tail = block.split(b"\n")
        for line in ended:
            length += len(line) + 1
            if quotes:
                quoted ^= line.count(b'"') & 1 == 1
            if quoted:
                _keep(kept, line + b"\n", length)
                continue
            if kept:
                _keep(kept, line, length)
                line = bytes(kept)  # noqa: PLW2901 - the whole record in place of its last line
                kept.clear()
            if length > MAX_RECORD_BYTES:
                yield _cut(start, length, line)
            else:
                yield Record(start, start + length, line[:-1] if line[-1:] == b"\r" else line)
            start, length = start + length, 0
        length += len(tail)
        quoted ^= quotes and tail.count(b'"') & 1 == 1
        _keep(kept, tail, length)
    if length > MAX_RECORD_BYTES:
        yield _cut(start, length, bytes(kept))
    elif length:
        yield Record(start, start + length, bytes(kept).removesuffix(b"\r"))


def _keep(kept: bytearray, data: bytes, length: int) -> None:
    """Remember more of a record that has `length` bytes by now; of one that is too long, its beginning only."""
    kept += data
    if length > MAX_RECORD_BYTES:
        del kept[_KEPT_BYTES:]


def _cut(start: int, length: int, data: bytes) -> Record:
    return Record(start, start + length, data[:_KEPT_BYTES], cut=True)
