"""The key that signs receipts, through its rotations."""

from collections.abc import Callable

from zeroloop.errors import Unavailable
from zeroloop.inference.receipts import Key

RENEWED_SECONDS = 3600.0
"""A new key signs everywhere after this long; until the rotation after that, the old one verifies."""
PAUSE_SECONDS = 60.0


class SigningKey:
    """The current key, asked for at the first receipt and once an hour.

    Where the new one can't be had, the old one goes on signing, and is asked after again in a minute.
    """

    def __init__(self, ask: Callable[[], Key], *, monotonic: Callable[[], float]) -> None:
        self._ask = ask
        self._monotonic = monotonic
        self._known: Key | None = None
        self._ask_at = 0.0

    def get(self) -> Key:
        """The key; Unavailable where there is none yet."""
        now = self._monotonic()
        if self._known is None or now >= self._ask_at:
            self._known = self._asked(now)
        return self._known

    def forget(self) -> None:
        """Ask anew: a snapshot's key is as old as the snapshot."""
        self._known = None

    def _asked(self, now: float) -> Key:
        try:
            key = self._ask()
        except Unavailable:
            if self._known is None:
                raise
            self._ask_at = now + PAUSE_SECONDS
            return self._known
        self._ask_at = now + RENEWED_SECONDS
        return key
