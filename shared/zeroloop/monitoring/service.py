"""Monitoring's use cases: what the API asks, and what the schedules do. Read, judge, write once, tell."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import reduce
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from zeroloop import clock
from zeroloop.errors import Conflict, NotFound, Unavailable
from zeroloop.monitoring import alerts, figures, reports
from zeroloop.monitoring.aggregate import EMPTY, Aggregate, merge
from zeroloop.monitoring.alerts import Alert, Judged, Settings, Watch, Watched
from zeroloop.monitoring.baseline import NAME, Baseline, read
from zeroloop.monitoring.outside import Called, Counts, Sender, ways
from zeroloop.monitoring.reports import Every, Learned, Report
from zeroloop.monitoring.store import MonitoringStore
from zeroloop.monitoring.watching import Unsent, WatchStore
from zeroloop.registry.rules import Lineup, Version, answering
from zeroloop.registry.service import Change, Registry

Schedule = Literal["minutes", "hour", "day"]

DAY_MINUTES = 1440
_CATCH_UP = 12
"""Windows that a late schedule makes up for."""
_LOOK_BACK = (15, 60, 240, DAY_MINUTES)
"""Minutes in which the last 100 requests are looked for, each read once."""
_USUAL = 60
"""Minutes that tell how much is due."""
_RETRY_MS = 240_000
"""More than one alert takes at worst: a topic and a bus that try for 40 s each, five webhooks for 18."""
_SENDING_SECONDS = 60.0
"""Of one call for all models: what a dead webhook may cost. The next call goes on."""
_TRIES = 5
_MOSTLY = 0.5
"""Share of the requests, from which on crashes may be counted against a promotion."""
_WARM_BASELINES = 64
_MS = 60_000
_PAGE = 100
_ACTOR = "zeroloop/monitor"

Cells = Mapping[tuple[int, str], Aggregate]


class Baselines:
    """The baselines in packages, which never change: the last ones that were asked for are kept."""

    def __init__(self, find: Callable[[str, int], Version | None], read: Callable[[Version], bytes]) -> None:
        self._find = find
        self._read = read
        self._kept: dict[tuple[str, int], Baseline | None] = {}

    def __call__(self, model_id: str, version: int) -> Baseline | None:
        """The version's baseline; None if its package has none."""
        key = (model_id, version)
        if key not in self._kept:
            if len(self._kept) >= _WARM_BASELINES:
                self._kept.clear()
            found = self._find(*key)
            held = found is not None and any(file.path == NAME for file in found.files)
            self._kept[key] = read(self._read(found)) if found and held else None
        return self._kept[key]


class Links(Struct, frozen=True):
    """Where an alert leads: the API, and the page of runbooks; webhooks of a `local` stack may be on its machine."""

    api: str
    runbooks: str
    local: bool = False


class Subject(Struct, frozen=True):
    """The model that is looked at, and by which settings."""

    model_id: str
    model: str
    lineup: Lineup
    settings: Settings


class Monitor:
    """Metrics, reports, alerts and automatic rollback."""

    def __init__(  # noqa: PLR0913, PLR0917 - what it stands on
        self,
        counts: MonitoringStore,
        watch: WatchStore,
        registry: Registry,
        baselines: Baselines,
        cloud: Counts,
        sender: Sender,
        links: Links,
        log_share: float,
        log_failure: Callable[[Exception], None],
    ) -> None:
        self._counts = counts
        self._watch = watch
        self._registry = registry
        self._baselines = baselines
        self._cloud = cloud
        self._sender = sender
        self._links = links
        self._log_share = log_share
        self._log_failure = log_failure

    # What the API asks.

    def metrics(
        self, name: str, minutes: int, now: int, *, version: int | None = None, variant: str | None = None
    ) -> dict[str, Any]:
        """What is known of the last `minutes`, of all versions and variants or of one."""
        model = self._registry.model(name)
        end = now // _MS + 1
        start = end - minutes
        cells = self._counts.window(model.model_id, start, end, version, variant)
        of = _all(cells)
        baseline: Baseline | str = "nobody answered"
        match sorted({number for (number, _), one in cells.items() if number and one.n}):
            case [own]:
                baseline = self._baselines(model.model_id, own) or figures.NO_BASELINE
            case [_, _, *_]:
                baseline = "several versions answered, each has a baseline of its own: ask for one"
        crashes = self._crashes(of, start, end)
        return {
            "model": name,
            "window_start": start * _MS,
            "window_end": end * _MS,
            "version": version,
            "variant": variant,
            **figures.metrics(of, baseline, minutes, crashes),
        }

    def reports(self, name: str, before: str | None) -> tuple[list[Report], str | None]:
        """A page of reports, newest first, and where the next begins."""
        return self._watch.reports(self._registry.model(name).model_id, before, _PAGE)

    def alerts(self, name: str, before: str | None) -> tuple[Watched, list[Alert], str | None]:
        """What alerts now, a page of changes, newest first, and where the next begins."""
        model_id = self._registry.model(name).model_id
        return self._watch.watched(model_id), *self._watch.alerts(model_id, before, _PAGE)

    def settings(self, name: str) -> Settings:
        """The model's settings."""
        return self._watch.settings(self._registry.model(name).model_id)

    def set(self, name: str, settings: Settings) -> Settings:
        """Replace the model's settings."""
        alerts.check(settings, local=self._links.local)
        self._watch.save_settings(self._registry.model(name).model_id, settings)
        return settings

    def report(self, name: str, minutes: int, now: int) -> Report:
        """A report of the champion's last `minutes`, made and kept now; it changes no alert.

        Raises
        ------
        Conflict
            Nobody serves (`no_champion`).
        """
        subject = self._subject(name)
        if subject.lineup.champion is None:
            raise Conflict(f"{name} has no champion to report of: promote one", code="no_champion")
        end = now // _MS + 1
        window = (end - minutes, end)
        cells = self._counts.window(subject.model_id, *window)
        made = self._concluded(subject, subject.lineup.champion, cells, window, "demand", now)
        self._watch.conclude(subject.model_id, report=made)
        return made[0]

    # What the schedules do.

    def tick(self, schedule: Schedule, now: int) -> dict[str, int]:
        """Judge all windows of all models that have ended and weren't judged; called again, it finds nothing to do.

        What fails of one model doesn't keep the others from being judged: it is raised at the end, so that the
        function's own alarm tells of it. Alerts are sent when all are judged.
        """
        done = Counter(models=0, windows=0, alerts=0)
        failed: list[Exception] = []
        subjects = []
        for name in self._names():
            try:
                subject = self._subject(name)
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
        failed += self._send(subjects, now)
        for one in failed:
            self._log_failure(one)
        if failed:
            raise failed[-1]
        return done

    def _send(self, subjects: Sequence[Subject], now: int) -> list[Exception]:
        """Send what of the last day isn't sent, those first who have waited longest; what went wrong."""
        until = clock.monotonic() + _SENDING_SECONDS
        failed: list[Exception] = []
        waiting: list[tuple[int, Subject, list[Unsent]]] = []
        for subject in subjects:
            try:
                unsent = self._watch.unsent(subject.model_id, now - DAY_MINUTES * _MS)
            except Exception as error:  # noqa: BLE001 - of one model
                failed.append(error)
            else:
                waiting.append((min((one.claimed for one in unsent), default=now), subject, unsent))
        for _, subject, unsent in sorted(waiting, key=lambda row: row[0]):
            try:
                self._send_in_order(subject, unsent, until)
            except Exception as error:  # noqa: BLE001 - of one model
                failed.append(error)
        return failed

    def _send_in_order(self, subject: Subject, unsent: Sequence[Unsent], until: float) -> None:
        """Oldest first: on a way that didn't take an alert, or may be taking it now, none of its kind overtakes it."""
        hooks = subject.settings.webhooks
        held: dict[str, set[str]] = {}
        for one in unsent:
            kind = held.setdefault(one.alert.kind, set())
            left = set(ways(hooks) if one.left is None else one.left)
            now = clock.now_ms()  # judging took a while, and so did the alerts before this one
            if clock.monotonic() < until and not left <= kind and self._watch.claim(one.alert, now, now - _RETRY_MS):
                only = sorted(left - kind) if kind or one.left is not None else None
                left = {*self._sender.send(one.alert, hooks, only), *(left & kind)}
                self._watch.sent(one.alert, sorted(left))
            kind |= left

    def _names(self) -> Iterator[str]:
        after: str | None = None
        while page := self._registry.models(after, _PAGE):
            yield from (model.name for model, _ in page)
            after = page[-1][0].name

    def _subject(self, name: str) -> Subject:
        model = self._registry.model(name)
        return Subject(model.model_id, name, self._registry.lineup(name), self._watch.settings(model.model_id))

    def _look_at(self, subject: Subject, schedule: Schedule, now: int, failed: list[Exception]) -> tuple[int, int]:
        """How many windows were judged, and how many changes of state they made.

        Where a report of another version than the champion's `failed`, the windows after it are judged too, but all of
        them are due again: what was written of them isn't made twice.
        """
        settings = subject.settings
        # The hours' schedule reports of the same windows, and would learn from them twice.
        reported = schedule == "day" and settings.drift_minutes == DAY_MINUTES
        lengths = {"minutes": settings.minutes, "hour": settings.drift_minutes, "day": DAY_MINUTES}
        length = lengths[schedule]
        settled = (now - settings.settle_seconds * 1000) // _MS
        kinds = self._come(subject, schedule, lengths, settled)
        ends = alerts.due(kinds[schedule].until, settled, length, _CATCH_UP)
        turns = self._registry.history(subject.model, None, _PAGE) if ends and schedule == "minutes" else []
        changes = 0
        for end in ends:
            window = (end - length, end)
            if schedule == "minutes":
                changes += self._minutes(_at(subject, turns, end), window, now)
            elif reported:
                self._advance(subject, window, {}, now, over=schedule)
            else:
                changes += self._drift(subject, window, schedule, now, failed)
        if schedule == "minutes" and settings.rollback.enabled:
            self._guard(subject, now)
        if schedule == "minutes":
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

    def _minutes(self, subject: Subject, window: tuple[int, int], now: int) -> int:
        """Latency and errors of who serves, silence and ingest of all requests, of a window."""
        start, end = window
        settings = subject.settings

        def errors(seen: Aggregate, since: int) -> Judged:
            ask = since >= start or figures.enough(seen)  # not for each of the minutes before it
            return figures.errors(seen, self._crashes(seen, since, end) if ask else 0.0, settings)

        def measured(who: tuple[int, str]) -> bool:
            """Whether CloudWatch has these by the model's name: not what failed before its lineup was known."""
            return who != (0, "") or subject.lineup.champion is None

        def serves(who: tuple[int, str]) -> bool:
            return not versions or who[0] in {0, *versions}

        cells = self._counts.window(subject.model_id, start, end)
        of = _all(cells)
        known = self._watch.watched(subject.model_id).kinds.get("silence", Watch())
        quiet = start - alerts.breaching(known) * (end - start)  # where the silence began
        before = _all(self._counts.window(subject.model_id, quiet - _USUAL, quiet))
        ask = of.requests or before.requests or subject.lineup.champion
        told = self._cloud.requests(subject.model, min(start, end - _USUAL), end) if ask else {}

        def behind(seen: Aggregate, since: int) -> Judged:
            return figures.behind(seen, _since(told, since), self._log_share)

        due = _since(told, start)
        silence = figures.silence(of, before, (end - start) / _USUAL, silent=known.alert, told=due)
        earlier = [minute for minute in told if minute < start and due and self._log_share]
        found = {"silence": silence, "ingest": self._last(subject, cells, window, behind, measured, earlier)}
        versions = answering(subject.lineup)
        if any(cell.requests for who, cell in cells.items() if serves(who)):
            judges = {"latency": lambda seen, _: figures.latency(seen, settings), "errors": errors}
            found |= {kind: self._last(subject, cells, window, one, serves) for kind, one in judges.items()}
        return self._advance(subject, window, found, now, over="minutes")

    def _last(  # noqa: PLR0913, PLR0917 - of what, and how far back
        self,
        subject: Subject,
        cells: Cells,
        window: tuple[int, int],
        judge: Callable[[Aggregate, int], Judged],
        wanted: Callable[[tuple[int, str]], bool],
        told: Collection[int] | None = None,
    ) -> Judged:
        """Of a window, or if it holds too few requests, of the minutes before its end that hold enough, and no more.

        They are of a day, or of an hour where CloudWatch `told` in which minutes there were any.
        """
        first, end = window
        of = _all({who: cell for who, cell in cells.items() if wanted(who)})
        found = judge(of, first)
        for minutes in _LOOK_BACK if told is None else (_USUAL,) if told else ():
            if found.breach is not None:
                break
            earlier = self._counts.minutes(subject.model_id, end - minutes, first, wanted)
            for minute in sorted({*earlier, *(told or ())}, reverse=True):
                of = merge(of, earlier.get(minute, EMPTY))
                found = judge(of, minute)
                if found.breach is not None:
                    return replace(found, start=minute)
            first = min(first, end - minutes)
        return found

    def _drift(
        self, subject: Subject, window: tuple[int, int], schedule: Schedule, now: int, failed: list[Exception]
    ) -> int:
        """A report of each version that had traffic in a window; the champion's drift and accuracy make alerts.

        The window is over when nothing has `failed`, of it and of those before it.
        """
        cells = self._counts.window(subject.model_id, *window)
        champion, every = subject.lineup.champion, _every(schedule)
        kinds = self._watch.watched(subject.model_id).kinds
        # Of an hour that a report stands for, drift and accuracy may still be to be judged.
        judged = schedule == "day" or min(kinds.get(k, Watch()).until for k in ("drift", "accuracy")) >= window[1]
        left = {
            version
            for version in {version for version, _ in cells if version}
            if (version == champion and not judged)
            or not self._watch.has_report(subject.model_id, version, window, every)
        }
        for version in sorted(left - {champion}):
            try:
                made = self._concluded(subject, version, cells, window, every, now)
                self._watch.conclude(subject.model_id, report=made)
            except Exception as error:  # noqa: BLE001 - of one version
                failed.append(error)
        return self._champion(subject, cells if champion in left else {}, window, schedule, now, over=not failed)

    def _champion(  # noqa: PLR0913 - of which window
        self, subject: Subject, cells: Cells, window: tuple[int, int], schedule: Schedule, now: int, *, over: bool
    ) -> int:
        """The champion's report of a window, if it had traffic, and what that changes."""
        champion = subject.lineup.champion
        made = None
        found = {"drift": Judged(None, why="no predictions")} if schedule == "hour" else {}
        if champion is not None and cells:
            made = self._concluded(subject, champion, cells, window, _every(schedule), now)
        if champion is not None and made and schedule == "hour":
            report = made[0]
            breach = None if report.status == "undetermined" else report.status == "drifted"
            labelled = self._counts.window(subject.model_id, window[1] - DAY_MINUTES, window[1], champion)
            baseline = self._baselines(subject.model_id, champion)
            found = {
                "drift": Judged(breach, report.p_value, n=report.n, why=report.reason or ""),
                "accuracy": figures.worse_accuracy(_all(labelled), baseline, subject.settings),
            }
        return self._advance(subject, window, found, now, made=made, over=schedule if over else None)

    def _concluded(  # noqa: PLR0913, PLR0917 - what a report is made of
        self, subject: Subject, version: int, cells: Cells, window: tuple[int, int], every: Every, now: int
    ) -> tuple[Report, int, Learned]:
        of = _all({key: cell for key, cell in cells.items() if key[0] == version})
        minutes = window[1] - window[0]
        baseline = self._baselines(subject.model_id, version)
        learned = self._watch.learned(subject.model_id, version, minutes)
        verdict = reports.judge(of, baseline, learned)
        made = Report(
            model_id=subject.model_id,
            model=subject.model,
            model_version=version,
            every=every,
            window_start=window[0] * _MS,
            window_end=window[1] * _MS,
            at=now,
            n=of.n,
            **reports.told(verdict, baseline, learned),
            features=reports.features(of, baseline, verdict),
            metrics=figures.metrics(of, baseline or figures.NO_BASELINE, minutes, self._crashes(of, *window)),
        )
        return made, minutes, reports.learn(learned, verdict)

    def _advance(  # noqa: PLR0913 - what a window comes to
        self,
        subject: Subject,
        window: tuple[int, int],
        found: Mapping[str, Judged],
        now: int,
        *,
        made: tuple[Report, int, Learned] | None = None,
        over: Schedule | None,
    ) -> int:
        """Write what a window says, kind by kind, and that it is `over` for a schedule; how many changes there were.

        Each write holds the state's revision and, the first one, the window's report: whoever comes second finds the
        window judged, and writes and tells nothing.
        """
        changes = 0
        steps: list[tuple[str, Judged | None]] = [*found.items(), *([(over, None)] if over else [])]
        if made and not steps:
            self._watch.conclude(subject.model_id, report=made)
        for kind, judged in steps:
            for _ in range(_TRIES):
                before = self._watch.watched(subject.model_id)
                watch = before.kinds.get(kind, Watch())
                if window[1] <= watch.until:
                    break
                if made and self._watch.has_report(subject.model_id, made[0].model_version, window, made[0].every):
                    made = None
                rule = subject.settings.rule(kind) if judged else (1, 1)
                version = subject.lineup.champion or 0
                after = alerts.advance(watch, window[1], judged.breach if judged else None, rule, version)
                alert = None
                if judged and after.alert != watch.alert:
                    alert = self._alert(subject, kind, judged, window, now, alerting=after.alert)
                if self._watch.conclude(subject.model_id, alerts.watched(before, kind, after), made, alert):
                    made = None
                    changes += alert is not None
                    break
            else:
                raise Unavailable(f"{subject.model} is judged by too many at once; the next schedule goes on")
        return changes

    def _alert(  # noqa: PLR0913 - what an alert tells
        self, subject: Subject, kind: str, judged: Judged, window: tuple[int, int], now: int, *, alerting: bool
    ) -> Alert:
        window = (window[0] if judged.start is None else judged.start, window[1])
        path = (
            f"reports?before={window[1] * _MS + 1}"
            if kind in {"drift", "accuracy"}
            else f"metrics?window={window[1] - window[0]}m"
        )
        return Alert(
            model_id=subject.model_id,
            model=subject.model,
            kind=kind,
            state="ALERT" if alerting else "OK",
            at=now,
            window_start=window[0] * _MS,
            window_end=window[1] * _MS,
            version=subject.lineup.champion,
            value=judged.value,
            limit=judged.limit,
            n=judged.n,
            told=_sentence(subject, kind, judged, window, alerting=alerting),
            report=f"{self._links.api}/models/{subject.model}/{path}",
            runbook=f"{self._links.runbooks}#{kind}",
        )

    def _crashes(self, of: Aggregate, start: int, end: int) -> float:
        """Crashes and timeouts leave no line that names a model: of the function's, this model's share of requests."""
        own = figures.requests(of).total
        called = self._cloud.called(start, end) if own else Called(0, 0)
        return called.errors * own / max(own, called.invocations - called.errors) if called.errors else 0.0

    def _guard(self, subject: Subject, now: int) -> None:
        """Take the last promotion back if what it brought is significantly worse than what was before, and tell of it.

        What there is to tell is in the audit record, so that whoever dies between the two is made up for.
        """
        self._take_back(subject, now)
        [last, *_] = self._registry.history(subject.model, None, 1) or [{}]
        late = now - subject.settings.rollback.hours * 3_600_000
        if (last.get("action"), last.get("actor")) != ("rollback", _ACTOR) or last["at"] < late:
            return
        evidence = last["evidence"]
        alert = Alert(
            model_id=subject.model_id,
            model=subject.model,
            kind="rollback",
            state="DONE",
            at=last["at"],
            window_start=evidence["window_start"],
            window_end=evidence["window_end"],
            version=last["before"]["champion"],
            told=f"{subject.model}: {last['reason']}",
            report=f"{self._links.api}/models/{subject.model}/history",
            runbook=f"{self._links.runbooks}#rollback",
            evidence=evidence,
        )
        self._watch.conclude(subject.model_id, alert=alert)

    def _take_back(self, subject: Subject, now: int) -> None:
        """The lineup's revision is the one that was judged: whoever changed it meanwhile wins.

        A rollback is no promotion, so that the same one is never taken back twice.
        """
        promotion = self._promotion(subject, now)
        if promotion is None:
            return
        at, version, predecessor = promotion
        start, end = at // _MS, now // _MS + 1
        then = _all(self._counts.window(subject.model_id, start - DAY_MINUTES, start, predecessor))
        since = _all(self._counts.window(subject.model_id, start, end, version))
        crashes = self._crashes_by_promotion(subject, then, start, end)
        evidence = figures.significantly_worse(since, then, *crashes)
        if evidence is None:
            return
        told = (
            f"version {version} was rolled back to {predecessor}: {evidence['guardrail']} worse by "
            f"{evidence['difference']:.2%} ({evidence['interval'][0]:.2%} to {evidence['interval'][1]:.2%})"
        )
        evidence |= {"window_start": start * _MS, "window_end": end * _MS}
        change = Change(actor=_ACTOR, at=now, reason=told, expected_revision=subject.lineup.revision, evidence=evidence)
        with suppress(Conflict):  # somebody was faster
            self._registry.roll_back(subject.model, predecessor, change)

    def _crashes_by_promotion(self, subject: Subject, then: Aggregate, start: int, end: int) -> tuple[float, float]:
        """Since a promotion at minute `start`, and in the day before it, by the predecessor's share of the requests.

        None where they may well be another's: of a challenger, of a model whose lineup changed since, or because most
        requests were others'.
        """
        own = figures.requests(then).total
        since = self._cloud.called(start, end) if own else Called(0, 0)
        if not since.errors or subject.lineup.challenger is not None:
            return 0.0, 0.0
        before = self._cloud.called(start - DAY_MINUTES, start)
        share = own / max(own, before.invocations - before.errors)
        if share < _MOSTLY or any(self._changed(name, start) for name in self._names() if name != subject.model):
            return 0.0, 0.0
        return since.errors * share, before.errors * share

    def _changed(self, name: str, since: int) -> bool:
        """Whether a model's lineup was changed since a minute."""
        return any(record["at"] >= since * _MS for record in self._registry.history(name, None, 1))

    def _promotion(self, subject: Subject, now: int) -> tuple[int, int, int] | None:
        """When the champion was promoted, itself, and whom it replaced; None if that isn't what happened last.

        Whatever else ends a promotion, as a rollback does, leaves no previous version.
        """
        lineup, hours = subject.lineup, subject.settings.rollback.hours
        if lineup.champion is None or lineup.previous is None:
            return None
        for record in self._registry.history(subject.model, None, _PAGE):
            if now - record["at"] > hours * 3_600_000:
                return None
            if record["action"] == "promote":
                return record["at"], lineup.champion, lineup.previous
        return None


_SENTENCES = {
    "latency": "p95 is {value:g} ms, the limit {limit:g} ms, of {n} answers",
    "errors": "the error rate is {value:.1%}, the limit {limit:.1%}, of {n} requests",
    "accuracy": "accuracy is {value:.1%}, the limit {limit:.1%}, of {n} labels",
    "drift": "traffic differs from the baseline, p = {value:.1e}, of {n} predictions",
    "silence": "no request came where {limit:.0f} were due",
    "ingest": "{value:.0%} of {n} requests are counted, {limit:.0%} are due",
}


def _sentence(subject: Subject, kind: str, judged: Judged, window: tuple[int, int], *, alerting: bool) -> str:
    """What happened, with its numbers."""
    when = f"{clock.iso(window[0] * _MS)} to {clock.iso(window[1] * _MS)}"
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


def _since(told: Mapping[int, int], start: int) -> int:
    return sum(n for minute, n in told.items() if minute >= start)


def _at(subject: Subject, turns: Sequence[Mapping[str, Any]], end: int) -> Subject:
    """`subject` with the champion it had when minute `end` began; `turns` are its lineup's, newest first."""
    champion = subject.lineup.champion
    for turn in turns:
        before, after = (turn.get(side) or {} for side in ("before", "after"))
        if before.get("champion") != after.get("champion") and turn["at"] >= end * _MS:
            champion = before.get("champion")
    return replace(subject, lineup=replace(subject.lineup, champion=champion))


def _check_others(subject: Subject, kinds: Mapping[str, Watch], minute: int) -> None:
    """Whether the schedules of hours and days come to the model: they have no alarm of their own, but where they fail.

    Raises
    ------
    Unavailable
        Three calls by the slowest rate that the template allows are missing.
    """
    for schedule, usual in (("hour", _USUAL), ("day", DAY_MINUTES)):
        late = minute - kinds[f"{schedule} came"].until
        if late > 3 * usual:
            raise Unavailable(f"{subject.model}: the schedule `{schedule}` hasn't come for {late} minutes")


def _all(cells: Cells) -> Aggregate:
    return reduce(merge, cells.values(), EMPTY)


def _every(schedule: Schedule) -> Every:
    return "day" if schedule == "day" else "hour"
