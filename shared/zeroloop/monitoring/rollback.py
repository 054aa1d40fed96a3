"""A promotion that made it worse is taken back."""

from contextlib import suppress

from zeroloop.errors import Conflict
from zeroloop.monitoring import figures
from zeroloop.monitoring.aggregate import Aggregate
from zeroloop.monitoring.alerting import Alerting
from zeroloop.monitoring.looks import DAY_MINUTES, MINUTE_MS, PAGE, Subject, names
from zeroloop.monitoring.outside import Called
from zeroloop.monitoring.traffic import Traffic, total
from zeroloop.registry.service import Change, Registry

_MOSTLY = 0.5
"""Share of the requests, from which on crashes may be counted against a promotion."""
_ACTOR = "zeroloop/monitor"
_HOUR_MS = 60 * MINUTE_MS


class Rollback:
    """Of the last promotion of a model, for the hours that its settings say."""

    def __init__(self, registry: Registry, traffic: Traffic, alerting: Alerting) -> None:
        self._registry = registry
        self._traffic = traffic
        self._alerting = alerting

    def guard(self, subject: Subject, now: int) -> None:
        """Take the last promotion back if what it brought is significantly worse than what was before, and tell of it.

        What there is to tell is in the audit records, so that whoever dies between the two is made up for, also where
        somebody has changed the lineup since.
        """
        self._take_back(subject, now)
        for record in self._registry.history(subject.model, None, PAGE):
            if now - record["at"] > subject.settings.rollback.hours * _HOUR_MS:
                return
            if (record["action"], record["actor"]) == ("rollback", _ACTOR):
                self._alerting.rolled_back(subject, record)

    def _take_back(self, subject: Subject, now: int) -> None:
        """The lineup's revision is the one that was judged: whoever changed it meanwhile wins.

        A rollback is no promotion, so that the same one is never taken back twice.
        """
        promotion = self._promotion(subject, now)
        if promotion is None:
            return
        at, version, predecessor = promotion
        start, end = at // MINUTE_MS, now // MINUTE_MS + 1
        then = total(self._traffic.counts.window(subject.model_id, start - DAY_MINUTES, start, predecessor))
        since = total(self._traffic.counts.window(subject.model_id, start, end, version))
        evidence = figures.significantly_worse(since, then, *self._crashes(subject, then, start, end))
        if evidence is None:
            return
        told = (
            f"version {version} was rolled back to {predecessor}: {evidence['guardrail']} worse by "
            f"{evidence['difference']:.2%} ({evidence['interval'][0]:.2%} to {evidence['interval'][1]:.2%})"
        )
        evidence |= {"window_start": start * MINUTE_MS, "window_end": end * MINUTE_MS}
        change = Change(actor=_ACTOR, at=now, reason=told, expected_revision=subject.lineup.revision, evidence=evidence)
        with suppress(Conflict):  # somebody was faster
            self._registry.roll_back(subject.model, predecessor, change)

    def _crashes(self, subject: Subject, then: Aggregate, start: int, end: int) -> tuple[float, float]:
        """Since a promotion at minute `start`, and in the day before it, by the predecessor's share of the requests.

        None where they may well be another's: of a challenger, of a model whose lineup changed since, or because most
        requests were others'.
        """
        own = figures.requests(then).total
        since = self._traffic.cloud.called(start, end) if own else Called(0, 0)
        if not since.errors or subject.lineup.challenger is not None:
            return 0.0, 0.0
        before = self._traffic.cloud.called(start - DAY_MINUTES, start)
        share = own / max(own, before.invocations - before.errors)
        others = (name for name in names(self._registry) if name != subject.model)
        if share < _MOSTLY or any(self._changed(name, start) for name in others):
            return 0.0, 0.0
        return since.errors * share, before.errors * share

    def _changed(self, name: str, since: int) -> bool:
        """Whether a model's lineup was changed since a minute."""
        return any(record["at"] >= since * MINUTE_MS for record in self._registry.history(name, None, 1))

    def _promotion(self, subject: Subject, now: int) -> tuple[int, int, int] | None:
        """When the champion was promoted, itself, and whom it replaced; None if that isn't what happened last.

        Whatever else ends a promotion, as a rollback does, leaves no previous version.
        """
        lineup = subject.lineup
        if lineup.champion is None or lineup.previous is None:
            return None
        for record in self._registry.history(subject.model, None, PAGE):
            if now - record["at"] > subject.settings.rollback.hours * _HOUR_MS:
                return None
            if record["action"] == "promote":
                return record["at"], lineup.champion, lineup.previous
        return None
