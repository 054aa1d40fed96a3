"""What a file is, by its name, its first bytes and what was declared of it. Pure."""

import csv
from typing import Literal

from zeroloop.batch.rules import Format, Options, Unreadable
from zeroloop.batch.streams import records

HEAD_BYTES = 1 << 18
MAX_HEADER_BYTES = 100_000
MAX_COLUMNS = 2_000

Compression = Literal["gzip", "zstd"] | None

_MARKS: dict[bytes, tuple[str, int]] = {
    b"\xef\xbb\xbf": ("utf-8", 3),
    b"\xff\xfe": ("utf-16", 0),  # its decoder reads the mark
    b"\xfe\xff": ("utf-16", 0),
}
_SKIPPABLE = [bytes([first]) for first in range(0x50, 0x60)]
"""First bytes of the frames of zstd that hold no data (RFC 8878, 3.1.2)."""
_DELIMITERS = ",;\t|"
_NAMES: dict[str, Format] = {
    "csv": "csv", "tsv": "csv", "txt": "csv", "jsonl": "jsonl", "ndjson": "jsonl", "json": "jsonl", "parquet": "parquet"
}  # fmt: skip


def compression(head: bytes) -> Compression:
    """How a file that begins with `head` is packed."""
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    skippable = head[:1] in _SKIPPABLE and head[1:4] == b"\x2a\x4d\x18"
    return "zstd" if skippable or head.startswith(b"\x28\xb5\x2f\xfd") else None


def form(key: str, head: bytes, options: Options) -> Format:
    """The format of a file: declared, or by the end of its name, or by its first (unpacked) bytes."""
    if options.format:
        return options.format
    if head.startswith(b"PAR1"):
        return "parquet"
    if found := _NAMES.get(_ending(key)):
        return found
    return "jsonl" if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") else "csv"


def _ending(key: str) -> str:
    *_, name = key.lower().removesuffix(".gz").removesuffix(".zst").rpartition("/")
    return str(name.rpartition(".")[2])


def delimiter(key: str, options: Options) -> str | None:
    """What separates cells, if it was declared or the file's name says it."""
    if options.delimiter is None:
        return "\t" if _ending(key) == "tsv" else None
    return "\t" if options.delimiter == "tab" else options.delimiter


def encoding(head: bytes, options: Options) -> tuple[str, int]:
    """Encoding and length of the byte order mark."""
    for mark, (name, length) in _MARKS.items():
        if head.startswith(mark):
            return name, length
    return options.encoding or "utf-8", 0


def header(head: bytes, start: int, named: str, declared: str | None) -> tuple[list[str], str, int]:
    """Columns, delimiter, and the offset behind the header of the CSV text `head`, the first line that isn't blank.

    The text begins at `start`; the delimiter may be `declared`.

    Raises
    ------
    Unreadable
        No header that can be read: too long, too many columns, two of one name, not of that encoding.
    """
    first = next((line for line in records([head[start:]], start, quotes=True) if line.data.strip()), None)
    if first is None:
        return [], declared or ",", start
    if first.end - first.start > MAX_HEADER_BYTES:
        raise Unreadable(f"the header has more than {MAX_HEADER_BYTES:,} bytes")
    try:
        text = first.data.decode(named)
    except UnicodeDecodeError as error:
        raise Unreadable(f"the header is not {named}: declare the encoding") from error
    outside = "".join(text.split('"')[::2])
    found = declared or max(_DELIMITERS, key=outside.count)
    try:
        [columns] = csv.reader([text], delimiter=found, strict=True)
    except (csv.Error, ValueError) as error:
        raise Unreadable(f"the header can't be read: {error}") from error
    columns = [column.strip() for column in columns]
    if len(columns) > MAX_COLUMNS:
        raise Unreadable(f"the header names {len(columns):,} columns, {MAX_COLUMNS:,} are allowed")
    if len(set(columns)) < len(columns):
        raise Unreadable("the header names a column twice")
    return columns, found, first.end
