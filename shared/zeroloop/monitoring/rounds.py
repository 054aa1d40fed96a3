"""What the schedules do: go through all models, find the windows that are due, and have them judged."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from zeroloop.errors import NotFound, Unavailable
from zeroloop.monitoring import alerts, sending
from zeroloop.monitoring.alerts import Watch, Watched
from zeroloop.monitoring.looks import DAY_MINUTES, MINUTE_MS, PAGE, Look, Schedule, Subject, find, names
from zeroloop.monitoring.minutes import Minutes
from zeroloop.monitoring.outside import Sender
from zeroloop.monitoring.reporting import Reporting
from zeroloop.monitoring.rollback import Rollback
from zeroloop.monitoring.watching import WatchStore
from zeroloop.registry.service import Registry

_CATCH_UP = 12
"""Windows that a late schedule makes up for."""
_TRIES = 5


class Rounds:
    """Over all models, by one schedule at a time."""

    def __init__(  # noqa: PLR0913, PLR0917 - what it stands on
        self,
        registry: Registry,
        watch: WatchStore,
        minutes: Minutes,
        reporting: Reporting,
        rollback: Rollback,
        sender: Sender,
        log_failure: Callable[[Exception], None],
    ) -> None:
        self._registry = registry
        self._watch = watch
        self._minutes = minutes
        self._reporting = reporting
        self._rollback = rollback
        self._sender = sender
        self._log_failure = log_failure

    def tick(self, schedule: Schedule, now: int) -> dict[str, int]:
        """Judge all windows of all models that have ended and weren't judged; called again, it finds nothing to do.

        What fails of one model doesn't keep the others from being judged: it is raised at the end, so that the
        function's own alarm tells of it. Alerts are sent when all are judged.
        """
        done = Counter(models=0, windows=0, alerts=0)
        failed: list[Exception] = []
        subjects = []
        for name in names(self._registry):
            try:
                subject = find(self._registry, self._watch, name)
            except NotFound:
                continue  # deleted meanwhile
            except Exception as error:  # noqa: BLE001 - of one model
                failed.append(error)
                continue
            subjects.append(subject)
            own: list[Exception] = []
            try:
                windows, changes = self._look_at(subject, schedule, now, own)
            except Exception as error:  # noqa: BLE001 - of one model
                own.append(error)
            else:
                done.update(models=1, windows=windows, alerts=changes)
            failed += own
        failed += sending.send(self._watch, self._sender, subjects, now)
        for one in failed:
            self._log_failure(one)
        if failed:
            raise failed[-1]
        return done

    def _look_at(self, subject: Subject, schedule: Schedule, now: int, failed: list[Exception]) -> tuple[int, int]:
        """How many windows were judged, and how many changes of state they made.

        Where a report of another version than the champion's `failed`, the windows after it are judged too, but all of
        them are due again: what was written of them isn't made twice.
        """
        settings = subject.settings
        lengths = {"minutes": settings.minutes, "hour": settings.drift_minutes, "day": DAY_MINUTES}
        length = lengths[schedule]
        settled = (now - settings.settle_seconds * 1000) // MINUTE_MS
        kinds = self._come(subject, schedule, lengths, settled)
        ends = alerts.due(kinds[schedule].until, settled, length, _CATCH_UP)
        looks = [Look(subject, (end - length, end), now) for end in ends]
        if schedule != "minutes":
            return len(ends), sum(self._reporting.judge(look, schedule, failed) for look in looks)
        turns = self._registry.history(subject.model, None, PAGE) if ends else []
        changes = sum(self._minutes.judge(_then(look, turns)) for look in looks)
        if settings.rollback.enabled:
            self._rollback.guard(subject, now)
        _check_others(subject, kinds, settled)
        return len(ends), changes

    def _come(
        self, subject: Subject, schedule: Schedule, lengths: Mapping[str, int], minute: int
    ) -> Mapping[str, Watch]:
        """What is known of the model, once it is noted that a schedule came, and from when on each is awaited."""
        kinds: dict[str, Watch] = {}
        for _ in range(_TRIES):  # in vain it notes the next time
            before = self._watch.watched(subject.model_id)
            kinds = dict(before.kinds)
            for one, length in lengths.items():
                last = minute // length * length - length  # is due, whichever schedule comes first
                kinds.setdefault(one, Watch(until=last))
                if one != "minutes" and (one == schedule or f"{one} came" not in kinds):
                    kinds[f"{one} came"] = Watch(until=minute)
            if kinds == before.kinds or self._watch.conclude(subject.model_id, Watched(before.revision + 1, kinds)):
                break
        return kinds


def _then(look: Look, turns: Sequence[Mapping[str, Any]]) -> Look:
    """`look` at the champion of when its window ended; `turns` are the lineup's, newest first."""
    lineup = look.subject.lineup
    champion = lineup.champion
    for turn in turns:
        before, after = (turn.get(side) or {} for side in ("before", "after"))
        if before.get("champion") != after.get("champion") and turn["at"] >= look.window[1] * MINUTE_MS:
            champion = before.get("champion")
    return replace(look, subject=replace(look.subject, lineup=replace(lineup, champion=champion)))


def _check_others(subject: Subject, kinds: Mapping[str, Watch], minute: int) -> None:
    """Whether the schedules of hours and days come to the model: they have no alarm of their own, but where they fail.

    Raises
    ------
    Unavailable
        Three calls by the slowest rate that the template allows are missing.
    """
    for schedule, usual in (("hour", 60), ("day", DAY_MINUTES)):
        late = minute - kinds[f"{schedule} came"].until
        if late > 3 * usual:
            raise Unavailable(f"{subject.model}: the schedule `{schedule}` hasn't come for {late} minutes")
