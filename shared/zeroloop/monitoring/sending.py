"""Alerts on their way to everybody who wants them, once and in order."""

from collections.abc import Sequence

from zeroloop import clock
from zeroloop.monitoring.looks import DAY_MINUTES, MINUTE_MS, Subject
from zeroloop.monitoring.outside import Sender, ways
from zeroloop.monitoring.watching import Unsent, WatchStore

_RETRY_MS = 240_000
"""More than one alert takes at worst: a topic and a bus that try for 40 s each, five webhooks for 18."""
_SECONDS = 60.0
"""Of one call for all models: what a dead webhook may cost. The next call goes on."""


def send(watch: WatchStore, sender: Sender, subjects: Sequence[Subject], now: int) -> list[Exception]:
    """Send what of the last day isn't sent, those first who have waited longest; what went wrong."""
    until = clock.monotonic() + _SECONDS
    failed: list[Exception] = []
    waiting: list[tuple[int, Subject, list[Unsent]]] = []
    for subject in subjects:
        try:
            unsent = watch.unsent(subject.model_id, now - DAY_MINUTES * MINUTE_MS)
        except Exception as error:  # noqa: BLE001 - of one model
            failed.append(error)
        else:
            waiting.append((min((one.claimed for one in unsent), default=now), subject, unsent))
    for _, subject, unsent in sorted(waiting, key=lambda row: row[0]):
        try:
            _send_in_order(watch, sender, subject, unsent, until)
        except Exception as error:  # noqa: BLE001 - of one model
            failed.append(error)
    return failed


def _send_in_order(watch: WatchStore, sender: Sender, subject: Subject, unsent: Sequence[Unsent], until: float) -> None:
    """Oldest first: on a way that didn't take an alert, or may be taking it now, none of its kind overtakes it."""
    hooks = subject.settings.webhooks
    held: dict[str, set[str]] = {}
    for one in unsent:
        kind = held.setdefault(one.alert.kind, set())
        left = set(ways(hooks) if one.left is None else one.left)
        now = clock.now_ms()  # judging took a while, and so did the alerts before this one
        if clock.monotonic() < until and not left <= kind and watch.claim(one.alert, now, now - _RETRY_MS):
            only = sorted(left - kind) if kind or one.left is not None else None
            left = {*sender.send(one.alert, hooks, only), *(left & kind)}
            watch.sent(one.alert, sorted(left))
        kind |= left
