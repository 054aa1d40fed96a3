"""Where a large text file can be cut: at the ends of records, which quoted newlines are not. Pure.

A record ends with a newline that stands outside quotes, counted from the first record on: a newline before which there
is an even number of quotes (RFC 4180 doubles a quote inside quotes, which keeps the number even). Whether it is even
at some place is known only from all that comes before. So each stretch of the file is measured for both cases, all of
them at once, and the stretches are then put together in order. Nothing is guessed.
"""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from zeroloop.batch.rules import Chunk, Unreadable


class Ends(Struct):
    """The records that end in a stretch: how many, and where the first and the last do (offsets of their newlines)."""

    count: int = 0
    first: int | None = None
    last: int | None = None

    def add(self, text: bytes, offset: int) -> None:
        """Count the newlines of `text`, which stands at `offset`."""
        if found := text.count(b"\n"):
            self.count += found
            self.last = offset + text.rindex(b"\n")
            if self.first is None:
                self.first = offset + text.index(b"\n")


class Measure(Struct):
    """A stretch of a file: its ends of records if it begins outside quotes, and if inside; and whether it turns that.

    Offsets are those of the file.
    """

    outside: Ends
    inside: Ends
    turns: bool = False


def stretches(start: int, size: int, length: int) -> list[Chunk]:
    """The bytes from `start` to `size`, cut every `length` bytes without a look at them; at least one stretch."""
    starts = range(start, max(size, start + 1), length)
    return [Chunk(number, at, min(at + length, size)) for number, at in enumerate(starts)]


def measure(blocks: Iterable[bytes], offset: int, *, quotes: bool) -> Measure:
    """Measure a stretch that begins at `offset`; `quotes`: whether a quote means anything in this format."""
    found = Measure(Ends(), Ends())
    for block in blocks:
        for number, text in enumerate(block.split(b'"') if quotes else (block,)):
            if number:  # behind a quote
                found.turns = not found.turns
                offset += 1
            (found.inside if found.turns else found.outside).add(text, offset)
            offset += len(text)
    return found


def cut(stretched: Sequence[Chunk], measures: Sequence[Measure]) -> list[Chunk]:
    """Chunks that begin and end with records, know the number of their first row and how many they hold.

    A stretch in which no record begins makes no chunk: the one before has its bytes.

    Raises
    ------
    Unreadable
        A quote never closes: all that stands behind it would be one record.
    """
    starts, ended, inside, last = [(stretched[0].chunk, stretched[0].start, 1)], 0, False, stretched[0].start - 1
    for stretch, found in zip(stretched, measures, strict=True):
        ends = found.inside if inside else found.outside
        if stretch is not stretched[0] and ends.first is not None:
            starts.append((stretch.chunk, ends.first + 1, ended + 2))
        ended, last, inside = ended + ends.count, last if ends.last is None else ends.last, inside ^ found.turns
    if inside:
        raise Unreadable.unclosed(ended + 1)
    size = stretched[-1].end
    total = ended + (last + 1 < size)  # the last record may do without a newline
    if len(starts) > 1 and starts[-1][1] >= size:
        starts.pop()
    following = [*starts[1:], (0, size, total + 1)]
    return [
        Chunk(number, start, end, row, next_row - row)
        for (number, start, row), (_, end, next_row) in zip(starts, following, strict=True)
    ]
