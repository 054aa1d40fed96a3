"""MonitoringTable's other rows: what was concluded of models. They never leave this module.

    W#<model_id>  SETTINGS                              the model's settings
    W#<model_id>  WATCHED                               what its alerts stand on, changed under its revision
    W#<model_id>  LEARNED#<version>#<minutes>           what healthy windows of that length were like
    W#<model_id>  REPORT#<end>#<every>#<minutes>#<version>   a report; one a window, for 400 days
    W#<model_id>  ALERT#<at>#<end>#<kind>#<state>       a change of state, and whether it was sent, for 400 days

`body` is the value as its contract's JSON.
"""

from itertools import islice
from typing import TypeVar

import msgspec
from msgspec import Struct

from zeroloop.dynamo import Action, ConditionFailed, Item, Table, Update, save
from zeroloop.monitoring.alerts import Alert, Settings, Watched
from zeroloop.monitoring.reports import Every, Learned, Report

T = TypeVar("T")

_KEPT_SECONDS = 400 * 86_400
_NEW = "attribute_not_exists(pk)"


class Unsent(Struct, frozen=True):
    """An alert that wasn't sent everywhere, and when somebody took that on; `left` are the ways that are, None all."""

    alert: Alert
    claimed: int
    left: list[str] | None


class WatchStore:
    """Settings, states, reports and alerts of all models."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def settings(self, model_id: str) -> Settings:
        """The model's settings, or those of all models."""
        return self._value(model_id, "SETTINGS", Settings()) or Settings()

    def save_settings(self, model_id: str, settings: Settings) -> None:
        """Replace the model's settings."""
        self._table.put(_row(model_id, "SETTINGS", settings))

    def watched(self, model_id: str) -> Watched:
        """What the model's alerts stand on."""
        return self._value(model_id, "WATCHED", Watched()) or Watched()

    def learned(self, model_id: str, version: int, minutes: int) -> Learned:
        """What healthy windows of a version were like."""
        return self._value(model_id, _learned(version, minutes), Learned()) or Learned()

    def conclude(
        self,
        model_id: str,
        watched: Watched | None = None,
        report: tuple[Report, int, Learned] | None = None,
        alert: Alert | None = None,
    ) -> bool:
        """Write what a window came to, all of it or nothing; whether nobody was faster.

        `report` comes with the minutes of its window and with what was learned by it.
        """
        actions: list[Action] = []
        if watched:
            row = {**_row(model_id, "WATCHED", watched), "revision": watched.revision}
            actions.append(save(row, f"{_NEW} OR revision = :before", before=watched.revision - 1))
        if report:
            made, minutes, learned = report
            every = made.every if made.every != "demand" else f"demand-{made.at}"
            key = _report_key(made.window_end, every, minutes, made.model_version)
            actions.append(save(_kept(_row(model_id, key, made), made.at), _NEW))
            if made.every != "demand":
                actions.append(save(_row(model_id, _learned(made.model_version, minutes), learned)))
        if alert:
            row = _kept(_row(model_id, _alert_key(alert), alert), alert.at)
            actions.append(save({**row, "claimed": 0}, _NEW))
        try:
            self._table.write("what a window came to", *actions)
        except ConditionFailed:
            return False
        return True

    def has_report(self, model_id: str, version: int, window: tuple[int, int], every: Every) -> bool:
        """Whether a window, in minutes, has its report of a version by a schedule."""
        start, end = window
        return bool(self._table.get([(_pk(model_id), _report_key(end * 60_000, every, end - start, version))]))

    def reports(self, model_id: str, before: str | None, limit: int) -> tuple[list[Report], str | None]:
        """Reports of windows that ended before a time in ms, newest first, and where the next page begins.

        That is the place of the last of them, because many may have ended at one time.
        """
        return self._page(model_id, "REPORT", before, limit, Report)

    def alerts(self, model_id: str, before: str | None, limit: int) -> tuple[list[Alert], str | None]:
        """Changes of state before a time in ms, newest first, and where the next page begins."""
        return self._page(model_id, "ALERT", before, limit, Alert)

    def unsent(self, model_id: str, since: int) -> list[Unsent]:
        """Alerts since a time in ms that weren't sent everywhere, oldest first."""
        return [
            Unsent(msgspec.json.decode(row["body"], type=Alert), int(row["claimed"]), row.get("left"))
            for row in self._table.query(_pk(model_id), first=f"ALERT#{since:015}", last="ALERT$")
            if row.get("left") != []
        ]

    def claim(self, alert: Alert, at: int, since: int) -> bool:
        """Take on sending an alert that was taken on before `since`; whether nobody was faster."""
        change = Update("SET claimed = :at", "claimed < :since", values={":at": at, ":since": since})
        try:
            self._table.update((_pk(alert.model_id), _alert_key(alert)), change, "an alert")
        except ConditionFailed:
            return False
        return True

    def sent(self, alert: Alert, left: list[str]) -> None:
        """Note that the alert was sent, but for the ways that are `left`."""
        change = Update("SET #l = :left", "attribute_exists(pk)", names={"#l": "left"}, values={":left": left})
        self._table.update((_pk(alert.model_id), _alert_key(alert)), change, "an alert")

    def _page(
        self, model_id: str, kind: str, before: str | None, limit: int, like: type[T]
    ) -> tuple[list[T], str | None]:
        at, _, rest = (before or "").partition(".")
        last = "#".join([kind, at.zfill(15), *(rest.split(".") if rest else [])]) if before else f"{kind}$"
        found = self._table.query(_pk(model_id), first=f"{kind}#", last=last, limit=limit + 1, backwards=True)
        rows = list(islice((row for row in found if row["sk"] != last), limit))
        following = rows[-1]["sk"].partition("#")[2].replace("#", ".") if len(rows) == limit else None
        return [msgspec.json.decode(row["body"], type=like) for row in rows], following

    def _value(self, model_id: str, sk: str, like: T) -> T | None:
        found = self._table.get([(_pk(model_id), sk)])
        return msgspec.json.decode(found[0]["body"], type=type(like)) if found else None


def _report_key(end: int, every: str, minutes: int, version: int) -> str:
    """Where a report lies: the same for the same window, so that it is made once; on demand there may be many."""
    return f"REPORT#{end:015}#{every}#{minutes}#{version}"


def _alert_key(alert: Alert) -> str:
    return f"ALERT#{alert.at:015}#{alert.window_end:015}#{alert.kind}#{alert.state}"


def _learned(version: int, minutes: int) -> str:
    return f"LEARNED#{version:08}#{minutes}"


def _pk(model_id: str) -> str:
    return f"W#{model_id}"


def _row(model_id: str, sk: str, body: Struct) -> Item:
    return {"pk": _pk(model_id), "sk": sk, "body": msgspec.json.encode(body).decode()}


def _kept(row: Item, at: int) -> Item:
    return {**row, "gone_at": at // 1000 + _KEPT_SECONDS}
