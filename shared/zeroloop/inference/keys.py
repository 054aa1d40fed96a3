"""The keys that sign and verify receipts, through their rotations."""

from collections.abc import Callable, Mapping

from zeroloop import clock
from zeroloop.errors import Conflict, Unavailable
from zeroloop.inference import receipts
from zeroloop.inference.receipts import Key, Receipt

RENEWED_SECONDS = 3600.0
"""A new key signs everywhere after this long; until the rotation after that, the old one verifies."""
PAUSE_SECONDS = 60.0
_UNSURE_MS = 60_000
"""Who signs and who verifies may disagree by this about the time."""


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


class KeyUnknown(Conflict):
    """The key of a receipt may be newer than those that are known: a minute later it isn't."""

    code = "key_unknown"


class VerifyingKeys:
    """The current key and the one before, asked for at the first receipt, once an hour, and where one names another.

    Where they can't be had, those that are known go on verifying. A forger makes us ask once a minute.
    """

    def __init__(self, ask: Callable[[], Mapping[str, Key]], *, monotonic: Callable[[], float]) -> None:
        self._ask = ask
        self._monotonic = monotonic
        self._known: Mapping[str, Key] = {}
        self._known_at_ms = 0
        self._asked_at: float | None = None

    def verify(self, prediction_id: str) -> Receipt:
        """The receipt that one of the keys signed.

        Raises
        ------
        InvalidInput
            As `receipts.verify`.
        KeyUnknown
        Unavailable
            There are no keys.
        """
        claimed = receipts.claimed(prediction_id)
        due = self._older_than(RENEWED_SECONDS if claimed.kid in self._known else PAUSE_SECONDS)
        certain = due and self._renewed()
        newer = self._known_at_ms - _UNSURE_MS < claimed.time <= clock.now_ms() + _UNSURE_MS
        if newer and not certain and claimed.kid not in self._known:
            raise KeyUnknown(
                "the key of this prediction id is not known yet; try again in a minute", field="prediction_id"
            )
        return receipts.verify(prediction_id, self._known)

    def _older_than(self, seconds: float) -> bool:
        return self._asked_at is None or self._monotonic() - self._asked_at >= seconds

    def _renewed(self) -> bool:
        """Ask for the keys; whether they could be had."""
        now_ms = clock.now_ms()
        try:
            known = self._ask()
        except Unavailable:
            if not self._known:
                raise
            known = None
        self._asked_at = self._monotonic()
        if known:
            self._known, self._known_at_ms = known, now_ms
        return bool(known)
