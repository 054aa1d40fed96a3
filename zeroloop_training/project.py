"""A model's `pipeline.toml`: which functions read its rows, say what is right about them, and train."""

import importlib
import tomllib
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Struct, field

from zeroloop.digests import canonical, sha256
from zeroloop.errors import InvalidInput
from zeroloop.registry.gates import Data

FILE = "pipeline.toml"
HELD_OUT = "test"


class Labelled(NamedTuple):
    """A row of the data: what it was read from, its split, its instance's field and label, and where it is counted.

    `slices` names for each way of slicing the slice that the row is in, as `{"length": "short"}`.
    """

    id: str
    split: str
    value: Any
    label: str
    raw: Mapping[str, Any]
    slices: Mapping[str, str]


class Combined(NamedTuple):
    """A data file for `--data`, and how many of the assembled rows aren't in it, by why."""

    data: bytes
    left_out: Mapping[str, int]


class Steps(Struct, frozen=True, forbid_unknown_fields=True):
    """Functions as `module:name`.

    rows
        (file or None) -> the rows, in the order that training reads them.
    schema
        The pandera schema of `raw` of all rows.
    train
        (file or None) -> the files of the package.
    source
        () -> the digest of the project's own data, as its packages state it.
    combine
        (folder of `zeroloop data assemble`) -> `Combined`: a data file with its rows and the project's own.
    """

    rows: str
    schema: str
    train: str
    source: str
    combine: str | None = None


class Limits(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What data may be like; shares are of rows.

    `leaks_at_most` is of the held-out rows whose value is in another split, too, or nearly: `near` is the Jaccard
    similarity of texts' five-byte shingles from which on they count as the same. `drift` from the data of the
    champion stops the pipeline or is only told.
    """

    rows_at_least: int = 100
    label_at_least: float = 0.05
    duplicates_at_most: float = 0.01
    leaks_at_most: float = 0.0
    near: float = 0.8
    drift: Literal["told", "stops"] = "told"


class Project(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What `pipeline.toml` says. `favourable` is the label that slices are compared by; `card` is for people."""

    model: str
    steps: Steps
    data: Limits = Limits()
    favourable: str | None = None
    card: dict[str, str] = field(default_factory=dict)


def read(directory: Path) -> Project:
    """The project in `directory`.

    Raises
    ------
    InvalidInput
        There is none, or it says what isn't known.
    """
    file = directory / FILE
    try:
        return msgspec.convert(tomllib.loads(file.read_text()), Project)
    except (OSError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise InvalidInput(f"{file}: {error}") from error


def named(name: str) -> Any:
    """What `module:name` names.

    Raises
    ------
    InvalidInput
        There is no such thing, or it can't be imported here.
    """
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise InvalidInput(f"{FILE}: the step {name!r} is not a function that can be imported: {error}") from error


class Unreadable(InvalidInput):
    """Data that no rows can be read from."""


def rows(project: Project, file: Path | None) -> list[Labelled]:
    """All rows of `file`, or of the project's own data.

    Raises
    ------
    Unreadable
        There are none, or the project's reader fails on them.
    """
    reader: Callable[[Path | None], list[Labelled]] = named(project.steps.rows)
    try:
        found = reader(file)
    except (ValueError, LookupError, OSError, EOFError, zlib.error) as error:
        says = repr(error) if isinstance(error, LookupError) else str(error)
        raise Unreadable(f"the data can't be read: {says}"[:300], field="data") from error
    if not found:
        raise Unreadable("the data can't be read: there are no rows", field="data")
    return found


def manifest(labelled: list[Labelled], source: str) -> Data:
    """The data by its digests. The order of rows counts: training reads them in it.

    A split's digest is that of its rows' id, value, label and what they were read from, as canonical JSON.
    """
    splits: dict[str, list[Any]] = {}
    for row in labelled:
        splits.setdefault(row.split, []).append([row.id, row.value, row.label, dict(row.raw)])
    digests = {name: sha256(canonical(part)) for name, part in sorted(splits.items())}
    return Data(
        digest=sha256(canonical(digests)),
        source=source,
        splits=digests,
        rows={name: len(part) for name, part in sorted(splits.items())},
    )
