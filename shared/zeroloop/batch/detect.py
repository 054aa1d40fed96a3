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
_DELIMITERS = ",;\t|"
_NAMES: dict[str, Format] = {
    "csv": "csv", "tsv": "csv", "txt": "csv", "jsonl": "jsonl", "ndjson": "jsonl", "json": "jsonl", "parquet": "parquet"
}  # fmt: skip


def compression(head: bytes) -> Compression:
    """How a file that begins with `head` is packed."""
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    return "zstd" if head.startswith(b"\x28\xb5\x2f\xfd") else None


def form(key: str, head: bytes, options: Options) -> Format:
    """The format of a file: declared, or by the end of its name, or by its first (unpacked) bytes."""
    if options.format:
        return options.format
    if head.startswith(b"PAR1"):
        return "parquet"
    *_, name = key.lower().removesuffix(".gz").removesuffix(".zst").rpartition("/")
    if found := _NAMES.get(name.rpartition(".")[2]):
        return found
    return "jsonl" if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") else "csv"


def encoding(head: bytes, options: Options) -> tuple[str, int]:
    """Encoding and length of the byte order mark."""
    for mark, (name, length) in _MARKS.items():
        if head.startswith(mark):
            return name, length
    return options.encoding or "utf-8", 0


def header(head: bytes, start: int, named: str, options: Options) -> tuple[list[str], str, int]:
    """Columns, delimiter, and the offset behind the header of the CSV text `head`, whose header begins at `start`.

    Raises
    ------
    Unreadable
        No header that can be read: too long, too many columns, two of one name, not of that encoding.
    """
    first = next(records([head[start:]], start, quotes=True), None)
    if first is None:
        return [], options.delimiter or ",", start
    if first.end - first.start > MAX_HEADER_BYTES:
        raise Unreadable(f"the header has more than {MAX_HEADER_BYTES:,} bytes")
    try:
        text = first.data.decode(named)
    except UnicodeDecodeError as error:
        raise Unreadable(f"the header is not {named}: declare the encoding") from error
    outside = "".join(text.split('"')[::2])
    delimiter = options.delimiter or max(_DELIMITERS, key=outside.count)
    try:
        [columns] = csv.reader([text], delimiter=delimiter, strict=True)
    except (csv.Error, ValueError) as error:
        raise Unreadable(f"the header can't be read: {error}") from error
    columns = [column.strip() for column in columns]
    if len(columns) > MAX_COLUMNS:
        raise Unreadable(f"the header names {len(columns):,} columns, {MAX_COLUMNS:,} are allowed")
    if len(set(columns)) < len(columns):
        raise Unreadable("the header names a column twice")
    return columns, delimiter, first.end
