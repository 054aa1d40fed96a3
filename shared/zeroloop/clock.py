"""Time, waiting and randomness: the one place that isn't a function of its arguments. Passed in as arguments."""

import random
import time
from datetime import UTC, datetime
from os import urandom

monotonic = time.monotonic
sleep = time.sleep
reseed = random.seed
"""To be called after a restore: all environments of a snapshot would wait the same `pause_seconds`."""


def now_ms() -> int:
    """Milliseconds since 1970-01-01T00:00:00Z."""
    return time.time_ns() // 1_000_000


def label(at_ms: int) -> str:
    """`at_ms` as UTC `YYYYMMDDhhmmss`."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y%m%d%H%M%S")


def iso(at_ms: int) -> str:
    """`at_ms` as UTC `YYYY-MM-DDThh:mm:ssZ`."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def new_id() -> str:
    """128 random bits in hex, from the kernel: nothing of them is in a snapshot."""
    return urandom(16).hex()


def pause_seconds(attempt: int, *, first: float = 0.02, most: float = 1.0) -> float:
    """How long to wait before try `attempt` + 1 (from 0): uniform in [0, first * 2**attempt], at the most `most`.

    "Full jitter" of M. Brooker, Exponential Backoff And Jitter, AWS Architecture Blog, 2015.
    """
    return random.uniform(0, min(most, first * 2**attempt))  # noqa: S311 - spreads load, hides nothing


def stamp(at_ms: int) -> str:
    """`at_ms` as UTC `YYYYMMDDThhmmssZ`, the form that AWS signatures use."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")


def parse_iso(text: str) -> int:
    """An ISO 8601 instant as milliseconds since 1970."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)
