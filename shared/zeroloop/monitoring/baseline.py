"""`baseline.json`: what a version's answers to held-out rows were, and how its traffic is counted. Pure.

Plain Python, because ingest reads the frame and has no NumPy. Contract: docs/contracts/baseline.schema.json.
"""

from typing import Annotated

import msgspec
from msgspec import Meta, Struct, field
from msgspec.structs import replace

from zeroloop.digests import canonical
from zeroloop.errors import InvalidInput
from zeroloop.monitoring.aggregate import BUCKETS, Aggregate
from zeroloop.monitoring.frame import Frame

NAME = "baseline.json"

_BITS = [bytes(byte >> place & 1 for place in range(8)) for byte in range(256)]

NotNegative = Annotated[float, Meta(ge=0)]


class Spread(Struct, frozen=True):
    """What a test's statistic was, relative to chance, in windows without drift: see `stats.drift.Dispersion`."""

    phi: Annotated[float, Meta(ge=1)]
    windows: Annotated[float, Meta(gt=0)]
    variation: NotNegative


class TokenSpread(Struct, frozen=True):
    """Of the token vectors of held-out rows: variances by bucket, and traces of the correlation's square and cube."""

    variances: Annotated[list[NotNegative], Meta(min_length=BUCKETS, max_length=BUCKETS)]
    trace_2: NotNegative
    trace_3: NotNegative


class Baseline(Aggregate, frozen=True, kw_only=True):
    """An aggregate of held-out rows, and what it takes to compare traffic with them.

    frame
        How they were counted, and traffic is; `seen` has a bit for each id, the lowest of a byte first.
    token_spread
        Where there is text.
    spread
        Test -> what it was for blocks of the same rows: where a window's tests start, until traffic says more.
    """

    frame: Frame = field(default_factory=Frame)
    token_spread: TokenSpread | None = None
    spread: dict[str, Spread] = field(default_factory=dict)


def read(data: bytes) -> Baseline:
    """The baseline that a package holds.

    Raises
    ------
    InvalidInput
        `bad_package`, with the path of what is wrong.
    """
    try:
        found = msgspec.json.decode(data, type=Baseline)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _bad(str(error)) from error
    if len(found.tokens) not in {0, BUCKETS}:
        raise _bad(f"tokens are none or {BUCKETS}")
    scales = [*found.frame.numbers.values(), found.frame.length, found.frame.unseen, found.frame.answer]
    if any(scale is not None and not scale.unit > 0 for scale in scales):
        raise _bad("the unit of a scale is more than 0")
    return found


def write(baseline: Baseline) -> bytes:
    """The bytes of `baseline`, the same for the same value."""
    return canonical(msgspec.to_builtins(baseline, str_keys=True, order="deterministic")) + b"\n"


def frame_of(data: bytes) -> Frame:
    """How the traffic of the version whose baseline.json is `data` is counted; raises as `read`."""
    packed = read(data).frame
    return replace(packed, seen=b"".join(map(_BITS.__getitem__, packed.seen)))


def packed(frame: Frame) -> Frame:
    """`frame` as a baseline has it: a bit in place of a byte for each id."""
    ids = frame.seen.ljust(-(-len(frame.seen) // 8) * 8, b"\0")
    seen = bytes(sum(ids[at + place] << place for place in range(8)) for at in range(0, len(ids), 8))
    return replace(frame, seen=seen)


def _bad(what: str) -> InvalidInput:
    return InvalidInput(f"{NAME}: {what}", code="bad_package", field=NAME)
