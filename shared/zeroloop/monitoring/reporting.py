"""What the schedules of hours and days judge: a report of each version, the champion's drift and accuracy."""

from typing import Literal

from zeroloop.monitoring import figures, reports
from zeroloop.monitoring.alerting import Alerting, Made
from zeroloop.monitoring.alerts import Judged, Watch
from zeroloop.monitoring.looks import DAY_MINUTES, MINUTE_MS, Look
from zeroloop.monitoring.reports import Every, Report
from zeroloop.monitoring.traffic import Cells, Traffic, total
from zeroloop.monitoring.watching import WatchStore


class Reporting:
    """Makes reports."""

    def __init__(self, traffic: Traffic, watch: WatchStore, alerting: Alerting) -> None:
        self._traffic = traffic
        self._watch = watch
        self._alerting = alerting

    def judge(self, look: Look, schedule: Literal["hour", "day"], failed: list[Exception]) -> int:
        """A report of each version that had traffic in a window; the champion's drift and accuracy make alerts.

        The window is over when nothing has `failed`, of it and of those before it.
        """
        if schedule == "day" and look.subject.settings.drift_minutes == DAY_MINUTES:
            # The hours' schedule reports of the same windows, and would learn from them twice.
            return self._alerting.advance(look, {}, over=schedule)
        model_id, champion = look.subject.model_id, look.subject.lineup.champion
        cells = self._traffic.counts.window(model_id, *look.window)
        kinds = self._watch.watched(model_id).kinds
        # Of an hour that a report stands for, drift and accuracy may still be to be judged.
        judged = schedule == "day" or min(kinds.get(k, Watch()).until for k in ("drift", "accuracy")) >= look.window[1]
        left = {
            version
            for version in {version for version, _ in cells if version}
            if (version == champion and not judged)
            or not self._watch.has_report(model_id, version, look.window, schedule)
        }
        for version in sorted(left - {champion}):
            try:
                made = self.concluded(look, version, cells, schedule)
                self._watch.conclude(model_id, report=made)
            except Exception as error:  # noqa: BLE001 - of one version
                failed.append(error)
        return self._champion(look, cells if champion in left else {}, schedule, over=not failed)

    def _champion(self, look: Look, cells: Cells, schedule: Literal["hour", "day"], *, over: bool) -> int:
        """The champion's report of a window, if it had traffic, and what that changes."""
        subject, champion = look.subject, look.subject.lineup.champion
        made = None
        found = {"drift": Judged(None, why="no predictions")} if schedule == "hour" else {}
        if champion is not None and cells:
            made = self.concluded(look, champion, cells, schedule)
            if schedule == "hour":
                report, end = made[0], look.window[1]
                breach = None if report.status == "undetermined" else report.status == "drifted"
                labelled = self._traffic.counts.window(subject.model_id, end - DAY_MINUTES, end, champion)
                baseline = self._traffic.baselines(subject.model_id, champion)
                found = {
                    "drift": Judged(breach, report.p_value, n=report.n, why=report.reason or ""),
                    "accuracy": figures.worse_accuracy(total(labelled), baseline, subject.settings),
                }
        return self._alerting.advance(look, found, made=made, over=schedule if over else None)

    def concluded(self, look: Look, version: int, cells: Cells, every: Every) -> Made:
        """The report of a version, of a window's `cells`."""
        subject, (start, end) = look.subject, look.window
        of = total({key: cell for key, cell in cells.items() if key[0] == version})
        baseline = self._traffic.baselines(subject.model_id, version)
        learned = self._watch.learned(subject.model_id, version, end - start)
        verdict = reports.judge(of, baseline, learned)
        crashes = self._traffic.crashes(of, start, end)
        made = Report(
            model_id=subject.model_id,
            model=subject.model,
            model_version=version,
            every=every,
            window_start=start * MINUTE_MS,
            window_end=end * MINUTE_MS,
            at=look.now,
            n=of.n,
            **reports.told(verdict, baseline, learned),
            features=reports.features(of, baseline, verdict),
            metrics=figures.metrics(of, baseline or figures.NO_BASELINE, end - start, crashes),
        )
        return made, end - start, reports.learn(learned, verdict)
