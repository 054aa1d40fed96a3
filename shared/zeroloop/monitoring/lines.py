"""What the log subscription delivers, as records by cell. Pure. Contract: log-record.schema.json."""

import gzip
from base64 import b64decode
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec
from msgspec import Struct, field

from zeroloop.digests import sha256
from zeroloop.errors import InvalidInput
from zeroloop.monitoring.aggregate import EMPTY, Aggregate, merge
from zeroloop.monitoring.counting import Answered, Line, count
from zeroloop.monitoring.frame import Frame


class LogEvent(Struct, gc=False):
    """A line, with CloudWatch's id of it; time in ms since 1970."""

    id: str
    timestamp: int
    message: str


class Batch(Struct, rename="camel"):
    """The lines that CloudWatch Logs delivers at once."""

    log_group: str
    log_stream: str
    log_events: list[LogEvent]
    message_type: str = "DATA_MESSAGE"

    @property
    def events(self) -> list[LogEvent]:
        """Each line once; of a subscription's own test message none."""
        return list({event.id: event for event in self.log_events if self.message_type == "DATA_MESSAGE"}.values())

    @property
    def digest(self) -> str:
        """Names the batch, since CloudWatch doesn't: SHA-256 of its lines' ids, whatever their order."""
        return sha256("\n".join(sorted(event.id for event in self.log_events)).encode())


class Named(Answered, frozen=True, gc=False):
    """A prediction, with its id."""

    prediction_id: str = ""


class Record(Line, frozen=True, kw_only=True, gc=False, tag_field="schema", tag="zl.prediction.v1"):
    """A prediction line, with whose it is; time in ms since 1970."""

    time: int
    request_id: str
    model: str
    model_id: str | None = None
    version: int | None = None
    variant: str | None = None
    predictions: list[Named] = field(default_factory=list)  # type: ignore[assignment] # each is an Answered


class Told(Struct, frozen=True, kw_only=True, tag_field="schema", tag="zl.feedback.v1"):
    """A feedback line: what was sent, and what the receipt says; times in ms. Contract: feedback-record.schema.json."""

    time: int
    prediction_id: str
    model_id: str
    version: int
    variant: str
    predicted_at: int
    predicted: str | None = None
    label: str | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    test_id: str | None = None


class Aside(NamedTuple):
    """A line that can't be counted, and why."""

    event: LogEvent
    reason: str


_decoder = msgspec.json.Decoder(Record | Told)


def read(event: dict[str, dict[str, str]]) -> Batch:
    """The batch in the event of a log subscription.

    Raises
    ------
    InvalidInput
        It is none: it would fail for ever.
    """
    try:
        return msgspec.json.decode(gzip.decompress(b64decode(event["awslogs"]["data"])), type=Batch)
    except (KeyError, TypeError, ValueError, OSError, EOFError) as error:
        raise InvalidInput(f"not an event of a log subscription: {error}") from error


def records(events: Iterable[LogEvent], aside: list[Aside]) -> Iterator[tuple[LogEvent, Record | Told]]:
    """The records of `events`; what is none is put `aside`."""
    for event in events:
        try:
            yield event, _decoder.decode(event.message)
        except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
            aside.append(Aside(event, str(error)))


def counted(lines: list[tuple[LogEvent, Record]], frame: Frame, aside: list[Aside]) -> Aggregate:
    """The aggregate of lines of one version; a line that can't be counted is put `aside` and stops no other."""
    try:
        return count([line for _, line in lines], frame)
    except (TypeError, ValueError, ArithmeticError) as error:
        if len(lines) == 1:
            aside.append(Aside(lines[0][0], f"can't be counted: {error}"))
            return EMPTY
    half = len(lines) // 2
    return merge(counted(lines[:half], frame, aside), counted(lines[half:], frame, aside))
