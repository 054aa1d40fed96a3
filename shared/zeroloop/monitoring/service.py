"""Monitoring as the API asks for it: metrics, reports, alerts, settings."""

from typing import Any

from zeroloop.errors import Conflict
from zeroloop.monitoring import alerts, figures
from zeroloop.monitoring.alerts import Alert, Settings, Watched
from zeroloop.monitoring.baseline import Baseline
from zeroloop.monitoring.looks import MINUTE_MS, PAGE, Look, find
from zeroloop.monitoring.reporting import Reporting
from zeroloop.monitoring.reports import Report
from zeroloop.monitoring.traffic import Traffic, total
from zeroloop.monitoring.watching import WatchStore
from zeroloop.registry.service import Registry


class Monitor:
    """The use cases of the API. Webhooks of a `local` stack may be on its machine."""

    def __init__(
        self, registry: Registry, watch: WatchStore, traffic: Traffic, reporting: Reporting, *, local: bool
    ) -> None:
        self._registry = registry
        self._watch = watch
        self._traffic = traffic
        self._reporting = reporting
        self._local = local

    def metrics(
        self, name: str, minutes: int, now: int, *, version: int | None = None, variant: str | None = None
    ) -> dict[str, Any]:
        """What is known of the last `minutes`, of all versions and variants or of one."""
        model = self._registry.model(name)
        end = now // MINUTE_MS + 1
        start = end - minutes
        cells = self._traffic.counts.window(model.model_id, start, end, version, variant)
        of = total(cells)
        baseline: Baseline | str = "nobody answered"
        match sorted({number for (number, _), one in cells.items() if number and one.n}):
            case [own]:
                baseline = self._traffic.baselines(model.model_id, own) or figures.NO_BASELINE
            case [_, _, *_]:
                baseline = "several versions answered, each has a baseline of its own: ask for one"
        crashes = self._traffic.crashes(of, start, end)
        return {
            "model": name,
            "window_start": start * MINUTE_MS,
            "window_end": end * MINUTE_MS,
            "version": version,
            "variant": variant,
            **figures.metrics(of, baseline, minutes, crashes),
        }

    def reports(self, name: str, before: str | None) -> tuple[list[Report], str | None]:
        """A page of reports, newest first, and where the next begins."""
        return self._watch.reports(self._registry.model(name).model_id, before, PAGE)

    def alerts(self, name: str, before: str | None) -> tuple[Watched, list[Alert], str | None]:
        """What alerts now, a page of changes, newest first, and where the next begins."""
        model_id = self._registry.model(name).model_id
        return self._watch.watched(model_id), *self._watch.alerts(model_id, before, PAGE)

    def settings(self, name: str) -> Settings:
        """The model's settings."""
        return self._watch.settings(self._registry.model(name).model_id)

    def set(self, name: str, settings: Settings) -> Settings:
        """Replace the model's settings."""
        alerts.check(settings, local=self._local)
        self._watch.save_settings(self._registry.model(name).model_id, settings)
        return settings

    def report(self, name: str, minutes: int, now: int) -> Report:
        """A report of the champion's last `minutes`, made and kept now; it changes no alert.

        Raises
        ------
        Conflict
            Nobody serves (`no_champion`).
        """
        subject = find(self._registry, self._watch, name)
        if subject.lineup.champion is None:
            raise Conflict(f"{name} has no champion to report of: promote one", code="no_champion")
        end = now // MINUTE_MS + 1
        look = Look(subject, (end - minutes, end), now)
        cells = self._traffic.counts.window(subject.model_id, *look.window)
        made = self._reporting.concluded(look, subject.lineup.champion, cells, "demand")
        self._watch.conclude(subject.model_id, report=made)
        return made[0]
