"""What a window changes: states, and the alerts that tell of it, written at once."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from zeroloop import clock
from zeroloop.errors import Unavailable
from zeroloop.monitoring import alerts
from zeroloop.monitoring.alerts import Alert, Judged, Watch
from zeroloop.monitoring.looks import MINUTE_MS, Look, Schedule, Subject
from zeroloop.monitoring.reports import Learned, Report
from zeroloop.monitoring.watching import WatchStore
from zeroloop.registry.rules import answering

Made = tuple[Report, int, Learned]
"""A report, the minutes of its window, and what was learned by it."""

_TRIES = 5
_SENTENCES = {
    "latency": "p95 is {value:g} ms, the limit {limit:g} ms, of {n} answers",
    "errors": "the error rate is {value:.1%}, the limit {limit:.1%}, of {n} requests",
    "accuracy": "accuracy is {value:.1%}, the limit {limit:.1%}, of {n} labels",
    "drift": "traffic differs from the baseline, p = {value:.1e}, of {n} predictions",
    "silence": "no request came where {limit:.0f} were due",
    "ingest": "{value:.0%} of {n} requests are counted, {limit:.0%} are due",
}


class Links(Struct, frozen=True):
    """Where an alert leads: the API, and the page of runbooks."""

    api: str
    runbooks: str


class Alerting:
    """Changes the states of models."""

    def __init__(self, watch: WatchStore, links: Links) -> None:
        self._watch = watch
        self._links = links

    def advance(
        self, look: Look, found: Mapping[str, Judged], *, made: Made | None = None, over: Schedule | None
    ) -> int:
        """Write what a window says, kind by kind, and that it is `over` for a schedule; how many changes there were.

        Each write holds the state's revision and, the first one, the window's report: whoever comes second finds the
        window judged, and writes and tells nothing.
        """
        subject, end = look.subject, look.window[1]
        changes = 0
        steps: list[tuple[str, Judged | None]] = [*found.items(), *([(over, None)] if over else [])]
        if made and not steps:
            self._watch.conclude(subject.model_id, report=made)
        for kind, judged in steps:
            for _ in range(_TRIES):
                before = self._watch.watched(subject.model_id)
                watch = before.kinds.get(kind, Watch())
                if end <= watch.until:
                    break
                if made and self._watch.has_report(subject.model_id, made[0].model_version, look.window, made[0].every):
                    made = None
                rule = subject.settings.rule(kind) if judged else (1, 1)
                version = subject.lineup.champion or 0
                after = alerts.advance(watch, end, judged.breach if judged else None, rule, version)
                alert = None
                if judged and after.alert != watch.alert:
                    alert = self._changed(look, kind, judged, alerting=after.alert)
                if self._watch.conclude(subject.model_id, alerts.watched(before, kind, after), made, alert):
                    made = None
                    changes += alert is not None
                    break
            else:
                raise Unavailable(f"{subject.model} is judged by too many at once; the next schedule goes on")
        return changes

    def _changed(self, look: Look, kind: str, judged: Judged, *, alerting: bool) -> Alert:
        subject, (start, end) = look.subject, look.window
        start = start if judged.start is None else judged.start
        reported = kind in {"drift", "accuracy"}
        path = f"reports?before={end * MINUTE_MS + 1}" if reported else f"metrics?window={end - start}m"
        return Alert(
            model_id=subject.model_id,
            model=subject.model,
            kind=kind,
            state="ALERT" if alerting else "OK",
            at=look.now,
            window_start=start * MINUTE_MS,
            window_end=end * MINUTE_MS,
            version=subject.lineup.champion,
            value=judged.value,
            limit=judged.limit,
            n=judged.n,
            told=_sentence(subject, kind, judged, (start, end), alerting=alerting),
            report=f"{self._links.api}/models/{subject.model}/{path}",
            runbook=f"{self._links.runbooks}#{kind}",
        )

    def rolled_back(self, subject: Subject, record: Mapping[str, Any]) -> None:
        """Tell of a rollback by its audit record, once."""
        evidence = record["evidence"]
        alert = Alert(
            model_id=subject.model_id,
            model=subject.model,
            kind="rollback",
            state="DONE",
            at=record["at"],
            window_start=evidence["window_start"],
            window_end=evidence["window_end"],
            version=record["before"]["champion"],
            told=f"{subject.model}: {record['reason']}",
            report=f"{self._links.api}/models/{subject.model}/history",
            runbook=f"{self._links.runbooks}#rollback",
            evidence=evidence,
        )
        self._watch.conclude(subject.model_id, alert=alert)


def _sentence(subject: Subject, kind: str, judged: Judged, window: tuple[int, int], *, alerting: bool) -> str:
    """What happened, with its numbers."""
    when = f"{clock.iso(window[0] * MINUTE_MS)} to {clock.iso(window[1] * MINUTE_MS)}"
    state = "is back to normal: " if not alerting else ""
    if not alerting and kind in {"drift", "silence"}:
        said = {"drift": "traffic is like the baseline", "silence": "requests come again"}[kind]
    else:
        said = _SENTENCES[kind].format(value=judged.value or 0.0, limit=judged.limit or 0.0, n=judged.n)
    own = sorted(answering(subject.lineup))
    if kind in {"drift", "accuracy"}:
        own = [one for one in own if one == subject.lineup.champion]
    who = f" version{'s' * (len(own) > 1)} {' and '.join(map(str, own))}" if own else ""
    return f"{subject.model}{who}, {when}: {state}{said}"
