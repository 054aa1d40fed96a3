"""What the schedule of minutes judges: latency and errors of who serves, silence and ingest of all requests."""

from collections.abc import Callable, Collection

from msgspec.structs import replace

from zeroloop.monitoring import alerts, figures
from zeroloop.monitoring.aggregate import EMPTY, Aggregate, merge
from zeroloop.monitoring.alerting import Alerting
from zeroloop.monitoring.alerts import Judged, Watch
from zeroloop.monitoring.looks import DAY_MINUTES, Look
from zeroloop.monitoring.traffic import Cells, Traffic, total
from zeroloop.monitoring.watching import WatchStore
from zeroloop.registry.rules import answering

_USUAL = 60
"""Minutes that tell how much is due."""
_LOOK_BACK = (15, 60, 240, DAY_MINUTES)
"""Minutes in which the last 100 requests are looked for, each read once."""


class Minutes:
    """Judges windows. `log_share` of the requests that were answered have a line."""

    def __init__(self, traffic: Traffic, watch: WatchStore, alerting: Alerting, log_share: float) -> None:
        self._traffic = traffic
        self._watch = watch
        self._alerting = alerting
        self._log_share = log_share

    def judge(self, look: Look) -> int:
        """How many changes of state a window makes."""
        subject, (start, end) = look.subject, look.window
        settings = subject.settings

        def errors(seen: Aggregate, since: int) -> Judged:
            ask = since >= start or figures.enough(seen)  # not for each of the minutes before it
            return figures.errors(seen, self._traffic.crashes(seen, since, end) if ask else 0.0, settings)

        def measured(who: tuple[int, str]) -> bool:
            """Whether CloudWatch has these by the model's name: not what failed before its lineup was known."""
            return who != (0, "") or subject.lineup.champion is None

        def serves(who: tuple[int, str]) -> bool:
            return not versions or who[0] in {0, *versions}

        cells = self._traffic.counts.window(subject.model_id, start, end)
        of = total(cells)
        known = self._watch.watched(subject.model_id).kinds.get("silence", Watch())
        quiet = start - alerts.breaching(known) * (end - start)  # where the silence began
        before = total(self._traffic.counts.window(subject.model_id, quiet - _USUAL, quiet))
        ask = of.requests or before.requests or subject.lineup.champion
        told = self._traffic.cloud.requests(subject.model, min(start, end - _USUAL), end) if ask else {}

        def told_since(first: int) -> int:
            return sum(n for minute, n in told.items() if minute >= first)

        def behind(seen: Aggregate, since: int) -> Judged:
            return figures.behind(seen, told_since(since), self._log_share)

        due = told_since(start)
        silence = figures.silence(of, before, (end - start) / _USUAL, silent=known.alert, told=due)
        earlier = [minute for minute in told if minute < start and due and self._log_share]
        found = {"silence": silence, "ingest": self._last(look, cells, behind, measured, earlier)}
        versions = answering(subject.lineup)
        if any(cell.requests for who, cell in cells.items() if serves(who)):
            judges = {"latency": lambda seen, _: figures.latency(seen, settings), "errors": errors}
            found |= {kind: self._last(look, cells, one, serves) for kind, one in judges.items()}
        return self._alerting.advance(look, found, over="minutes")

    def _last(
        self,
        look: Look,
        cells: Cells,
        judge: Callable[[Aggregate, int], Judged],
        wanted: Callable[[tuple[int, str]], bool],
        told: Collection[int] | None = None,
    ) -> Judged:
        """Of a window, or if it holds too few requests, of the minutes before its end that hold enough, and no more.

        They are of a day, or of an hour where CloudWatch `told` in which minutes there were any.
        """
        first, end = look.window
        of = total({who: cell for who, cell in cells.items() if wanted(who)})
        found = judge(of, first)
        for minutes in _LOOK_BACK if told is None else (_USUAL,) if told else ():
            if found.breach is not None:
                break
            earlier = self._traffic.counts.minutes(look.subject.model_id, end - minutes, first, wanted)
            for minute in sorted({*earlier, *(told or ())}, reverse=True):
                of = merge(of, earlier.get(minute, EMPTY))
                found = judge(of, minute)
                if found.breach is not None:
                    return replace(found, start=minute)
            first = min(first, end - minutes)
        return found
