"""From stored bytes to records: decompressed, as UTF-8 or a superset of ASCII, split, and bounded in every direction.

Memory holds a block and a run of records, whatever the file: records that are too long are cut short and marked,
archives that unpack to too much are refused.
"""

import codecs
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from zeroloop.batch.rules import Unreadable

MAX_RECORD_BYTES = 8_000_000
"""A text may have 1,000,000 characters, which JSON can write in 6 bytes each."""
RUN_BYTES = 1_000_000
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


class Run(NamedTuple):
    """Records that stand one behind the other from `start` on, as they are in the file.

    `ends` are the places behind their line ends, counted from `start`. Of a record that is too long, `text` has the
    beginning only; it is alone, and `lines` is how many lines it has. `open`: the last record ends with the file, and
    inside quotes.
    """

    start: int
    text: bytes
    ends: NDArray[np.intp]
    lines: int = 1
    open: bool = False

    @property
    def end(self) -> int:
        """Offset behind the last record."""
        return self.start + int(self.ends[-1])

    @property
    def cut(self) -> bool:
        """Whether this is a record that is too long."""
        return len(self.text) < int(self.ends[-1])

    def record(self, place: int) -> Record:
        """One of the records."""
        begin, end = int(self.ends[place - 1]) if place else 0, int(self.ends[place])
        data = self.text[begin:end].removesuffix(b"\n").removesuffix(b"\r")
        return Record(self.start + begin, self.start + end, data, self.cut)

    def records(self) -> list[Record]:
        """All of them."""
        return [self.record(place) for place in range(len(self.ends))]


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


def as_utf8(blocks: Iterable[bytes], encoding: str, *, whole: bool = True) -> Iterator[bytes]:
    """UTF-16 as UTF-8; what is ASCII with more behind it can be split as it is.

    Where `blocks` aren't the `whole` text, they may end within a character.

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
        yield decoder.decode(b"", final=whole).encode()
    except UnicodeError as error:
        raise Unreadable(f"the file is not {encoding}: {error}") from error


def skipped(blocks: Iterable[bytes], n_bytes: int) -> Iterator[bytes]:
    """`blocks` without the first `n_bytes`."""
    left = n_bytes
    for block in blocks:
        if left < len(block):
            yield block[left:]
        left = max(0, left - len(block))


def runs(blocks: Iterable[bytes], offset: int, rows: int, *, quotes: bool) -> Iterator[Run]:
    """The records of `blocks`, which begin at `offset` with a record, by at most `rows` and about 1 MB.

    `quotes`: newlines inside quotes end no record. Where a run ends doesn't depend on where blocks do. A record that is
    too long is a run by itself.
    """
    text, stream = b"", chain(blocks, (None,))
    for block in stream:
        text += block or b""
        ends = _ends(text, quotes=quotes)
        if block is None and len(text) > sum(ends[-1:]):
            ends = np.append(ends, len(text))  # the last record may do without a newline
        done = taken = 0
        odd = quotes and block is None and text.count(b'"') & 1 == 1
        for upto in _cuts(ends, rows, last=block is None):
            run = ends[taken:upto] - done
            held = text[done : done + int(run[-1])]
            last_open = odd and upto == len(ends)
            if len(run) == 1 and run[0] > MAX_RECORD_BYTES:
                yield Run(offset + done, held[:_KEPT_BYTES], run, _lines(held), last_open)
            else:
                yield Run(offset + done, held, run, open=last_open)
            done, taken = int(ends[upto - 1]), upto
        left, text, offset = ends[taken:] - done, text[done:], offset + done
        begun = int(sum(left[-1:]))  # here begins the record that hasn't ended yet
        if len(text) - begun > MAX_RECORD_BYTES:
            if begun:
                yield Run(offset, text[:begun], left)
            long, text = _long(offset + begun, text[begun:], stream, quotes=quotes)
            yield long
            offset = long.end


def records(blocks: Iterable[bytes], offset: int, *, quotes: bool) -> Iterator[Record]:
    """The records of `runs`, one by one."""
    return (record for run in runs(blocks, offset, 1_000, quotes=quotes) for record in run.records())


def _cuts(ends: NDArray[np.intp], rows: int, *, last: bool) -> Iterator[int]:
    """How many of the records that have `ends` there are until the end of each run; `last`: no more will come."""
    long = np.flatnonzero(np.diff(ends, prepend=0) > MAX_RECORD_BYTES)
    done = taken = 0
    while taken < len(ends):
        upto = min(taken + rows, int(np.searchsorted(ends, done + RUN_BYTES)) + 1)
        alone = long[(taken <= long) & (long < upto)][:1]
        if len(alone):
            upto = max(int(alone[0]), taken + 1)
        elif upto > len(ends) and not last:
            return
        taken = min(upto, len(ends))
        done = int(ends[taken - 1])
        yield taken


def _ends(text: bytes, *, quotes: bool, quoted: int = 0) -> NDArray[np.intp]:
    """Places behind the newlines of `text` that end records; `quoted`: 1 if it begins inside quotes."""
    data = np.frombuffer(text, np.uint8)
    newlines = np.flatnonzero(data == 0x0A)
    if quotes and (quoted or b'"' in text):
        before = np.searchsorted(np.flatnonzero(data == 0x22), newlines)
        newlines = newlines[(before + quoted) & 1 == 0]
    return newlines + 1


def _long(start: int, text: bytes, stream: Iterator[bytes | None], *, quotes: bool) -> tuple[Run, bytes]:
    """The record that begins with `text` and is too long already, and what was read behind it."""
    length, quoted, newlines = len(text), quotes * text.count(b'"') & 1, text.count(b"\n")
    for block in stream:
        more = block or b""
        if len(ends := _ends(more, quotes=quotes, quoted=quoted)):
            newlines += more.count(b"\n", 0, int(ends[0]))
            return Run(start, text[:_KEPT_BYTES], ends[:1] + length, newlines), more[ends[0] :]
        length, newlines = length + len(more), newlines + more.count(b"\n")
        quoted ^= quotes * more.count(b'"') & 1
    return Run(start, text[:_KEPT_BYTES], np.array([length]), newlines + 1, open=quoted == 1), b""


def _lines(record: bytes) -> int:
    return record.count(b"\n") + (not record.endswith(b"\n"))
