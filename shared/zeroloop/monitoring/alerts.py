"""When a model's state changes, and by which of its settings: pure rules on values."""

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from msgspec import Meta, Struct, field
from msgspec.structs import replace

from zeroloop.errors import InvalidInput

Format = Literal["slack", "pagerduty"]

KEPT = 3
"""Windows that a state remembers."""

_WINDOW = re.compile(r"([1-9][0-9]{0,4})([mhd])")
_PLACE = re.compile(r"[0-9]{1,15}(\.[A-Za-z0-9-]{1,40}){0,4}")
_MINUTES = {"m": 1, "h": 60, "d": 1440}
_MOST_MINUTES = 30 * 1440
_OWN_MACHINE = frozenset({"127.0.0.1", "localhost"})
_NO_NAME = re.compile(r".*:.*|(.*\.)?([0-9]*|0x[0-9a-f]*|localhost)\.?")
"""An address of numbers, in any way that resolvers take it, or the machine itself."""


class Webhook(Struct, frozen=True, forbid_unknown_fields=True):
    """Where to post a change of state, and in whose format; PagerDuty's needs a routing key.

    By HTTPS, since the address is a secret; plain HTTP goes to a listener on a local stack's own machine only.
    """

    url: Annotated[str, Meta(pattern=r"^(https://[^\s/]+|http://(127\.0\.0\.1|localhost):\d+)", max_length=2000)]
    format: Format
    routing_key: Annotated[str, Meta(max_length=200)] = ""


class Guardrail(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether a promotion is taken back, for how many hours after it, if it is significantly worse."""

    enabled: bool = False
    hours: Annotated[int, Meta(ge=1, le=720)] = 24


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of one model.

    p95_ms, error_rate, accuracy_drop
        Limits, above which a window breaches.
    minutes, drift_minutes
        Lengths of the windows of latency, errors, silence and ingest, and of drift and accuracy.
    settle_seconds
        How long after its end a window is judged: the log takes a while.
    of_three, running
        How many of three windows running must breach to alert; for drift, how many running.
    """

    p95_ms: Annotated[float, Meta(gt=0, le=900_000)] = 500.0
    error_rate: Annotated[float, Meta(ge=0, le=1)] = 0.05
    accuracy_drop: Annotated[float, Meta(ge=0, le=1)] = 0.1
    minutes: Annotated[int, Meta(ge=1, le=60)] = 5
    drift_minutes: Annotated[int, Meta(ge=1, le=1440)] = 60
    settle_seconds: Annotated[int, Meta(ge=0, le=3600)] = 60
    of_three: Annotated[int, Meta(ge=1, le=3)] = 2
    running: Annotated[int, Meta(ge=1, le=3)] = 2
    webhooks: Annotated[list[Webhook], Meta(max_length=5)] = field(default_factory=list)
    rollback: Guardrail = Guardrail()

    def rule(self, kind: str) -> tuple[int, int]:
        """How many of how many windows."""
        return (self.running, self.running) if kind == "drift" else (self.of_three, KEPT)


class Judged(Struct, frozen=True):
    """What a window says of one thing; `breach` None: nothing, and `why`.

    `start` is the minute from which on this is, if not the window's own.
    """

    breach: bool | None
    value: float | None = None
    limit: float | None = None
    n: int = 0
    why: str = ""
    start: int | None = None


class Watch(Struct, frozen=True):
    """What is known of one kind: whether it alerts, what the last windows said, and the minute up to which they go."""

    alert: bool = False
    verdicts: list[bool] = field(default_factory=list)
    until: int = 0
    version: int = 0


class Watched(Struct, frozen=True):
    """All that a model's alerts stand on; `revision` rises with every change."""

    revision: int = 0
    kinds: dict[str, Watch] = field(default_factory=dict)


def check(settings: Settings, *, local: bool = False) -> None:
    """Whether every webhook can be posted to, as far as its address says; on the own machine if the stack is `local`.

    Raises
    ------
    InvalidInput
        An address that is none, has a user's name in it, or names no host; PagerDuty without a routing key.
    """
    for number, hook in enumerate(settings.webhooks):
        if not _can_be_posted_to(hook.url, local=local):
            raise InvalidInput("that is no address to post to", field=f"webhooks[{number}].url")
        if hook.format == "pagerduty" and not hook.routing_key:
            raise InvalidInput("PagerDuty needs a routing key", field=f"webhooks[{number}].routing_key")


def _can_be_posted_to(url: str, *, local: bool) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    host = parts.hostname or ""
    printable = url.isascii() and url.isprintable() and " " not in url
    reached = (local and host in _OWN_MACHINE) or (parts.scheme == "https" and not _NO_NAME.fullmatch(host))
    return printable and "@" not in parts.netloc and reached and port != 0


class Alert(Struct, frozen=True, kw_only=True):
    """A change of state, and what made it. Contract: docs/contracts/alert.schema.json."""

    schema_version: Literal[1] = 1
    model_id: str
    model: str
    kind: str
    state: Literal["ALERT", "OK", "DONE"]
    at: int
    window_start: int
    window_end: int
    version: int | None = None
    value: float | None = None
    limit: float | None = None
    n: int = 0
    told: str
    report: str
    runbook: str
    evidence: dict[str, Any] = field(default_factory=dict)


def advance(watch: Watch, end: int, breach: bool | None, rule: tuple[int, int], version: int = 0) -> Watch:  # noqa: FBT001
    """`watch` after a window that ended at minute `end`; one that it has seen, or that came late, changes nothing.

    It alerts when `rule` = (k, n) has k of the last n windows breach, and is over when fewer than k do and k don't. A
    window that says nothing counts as none; but where k of k must breach one after the other, it ends what breached
    before it. Another version starts anew, and keeps the alert until windows say else.
    """
    if end <= watch.until:
        return watch
    needed, of = rule
    verdicts = watch.verdicts if version == watch.version else []
    if breach is None:
        while needed == of and True in verdicts:
            verdicts = verdicts[verdicts.index(True) + 1 :]
        return Watch(watch.alert, verdicts, end, version)
    verdicts = [*verdicts, breach][-KEPT:]
    bad = sum(verdicts[-of:])
    good = len(verdicts[-of:]) - bad
    over = bad < needed <= good
    alert = bad >= needed or (watch.alert and not over)
    return Watch(alert, verdicts, end, version)


def breaching(watch: Watch) -> int:
    """How many windows running have breached, of the last ones that are kept."""
    return len(watch.verdicts) - max((at for at, bad in enumerate(watch.verdicts, 1) if not bad), default=0)


def watched(before: Watched, kind: str, watch: Watch) -> Watched:
    """`before` with another watch of `kind`, one revision on."""
    return replace(before, revision=before.revision + 1, kinds={**before.kinds, kind: watch})


def due(until: int, now_minute: int, length: int, most: int) -> list[int]:
    """Ends of the aligned windows of `length` minutes that have ended by `now_minute` and weren't judged, oldest first.

    At most the last `most`.
    """
    last = now_minute // length * length
    first = max(until + length - until % length, last - (most - 1) * length)
    return list(range(first, last + 1, length))


def check_place(text: str) -> None:
    """Refuse what is neither a time in ms nor a page's `next`."""
    if not _PLACE.fullmatch(text):
        raise InvalidInput(f"{text[:20]!r} is no time in ms, and no page's `next`", field="before")


def window_minutes(text: str) -> int:
    """Of "90m", "24h" or "7d".

    Raises
    ------
    InvalidInput
        No such window, or more than 30 days.
    """
    found = _WINDOW.fullmatch(text)
    length = int(found[1]) * _MINUTES[found[2]] if found else 0
    if not 0 < length <= _MOST_MINUTES:
        raise InvalidInput(f"{text[:20]!r} is no window: say 60m, 24h or 7d, at most 30d", field="window")
    return length
