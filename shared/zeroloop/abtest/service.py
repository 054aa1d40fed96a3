"""A/B tests as use cases: begin, ramp, stop, look, decide. The lineup says which test runs; all else follows."""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from zeroloop import clock
from zeroloop.abtest import analysis, rules
from zeroloop.abtest.analysis import Analysis
from zeroloop.abtest.outcomes import Outcomes
from zeroloop.abtest.rules import AbTest, Decision, Order, State
from zeroloop.abtest.store import AbTestStore
from zeroloop.errors import Conflict, NotFound, ZeroloopError
from zeroloop.inference.assignment import CONTROL
from zeroloop.registry import rules as lineups
from zeroloop.registry.rules import Lineup, NotPromotable, StaleRevision
from zeroloop.registry.service import Change, Registry, until_it_holds
from zeroloop.stats.undetermined import Undetermined

ACTOR = "zeroloop:abtest"
_CLAIM_MS = 60_000
"""A decision that isn't applied after this long was broken off, and is gone on with."""
_OVERTAKEN = {Conflict.code, "busy", "decided"}
"""Others were faster: that says nothing against what was to be done."""


class Known(NamedTuple):
    """A test, the lineup of its model (None: deleted), and the state that follows."""

    test: AbTest
    lineup: Lineup | None

    @property
    def state(self) -> State:
        """Draft, running, stopped or decided."""
        return rules.state(self.test, self.lineup)


class AbTests:
    """Tests of models.

    `failed(name, error)` is told of a test that could not be watched; the others are.
    """

    def __init__(self, store: AbTestStore, registry: Registry, failed: Callable[[str, Exception], None]) -> None:
        self._store = store
        self._registry = registry
        self._failed = failed
        self.outcomes = Outcomes(store)

    def create(self, order: Order, *, actor: str, at: int) -> Known:
        """A new test, which runs at once unless it starts later.

        Raises
        ------
        NotFound
            Unknown model or version.
        Conflict
            The name is taken (`already_exists`), or it should run and can't: see `registry.rules.begin_test`.
        """
        model = self._registry.model(order.model)
        test = rules.draft(order, model.model_id, at=at, actor=actor)
        versions = [self._registry.version(model.name, number) for number in test.treatments.values()]
        self._registry.version(model.name, test.control)
        later = test.starts_at is not None and test.starts_at > at
        if not later:
            lineup = self._registry.lineup(model.name)
            lineups.begin_test(lineup, rules.running(test), test.control, versions)  # refuses before a name is taken
        try:
            self._store.add(test)
        except Conflict as taken:
            raise Conflict(f"there is a test {test.name!r} already", code="already_exists", field="name") from taken
        if later:
            return self.get(test.name)
        try:
            return self._begin(test.name, at, actor)
        except Conflict:  # somebody was faster; of any other failure nobody knows, and the next tick begins it
            if self._known(test).state != State.RUNNING:
                self._store.discard(test)
            raise

    def get(self, name: str) -> Known:
        """The test called `name`; NotFound."""
        return self._known(self._row(name))

    def page(self, after: str | None, limit: int) -> list[Known]:
        """A page of tests by name."""
        return [self._known(test) for test in self._store.page(after, limit)]

    def analysis(self, name: str) -> tuple[Known, Analysis]:
        """What the sums say now; reading it takes no look."""
        known = self.get(name)
        return known, self._analyse(known.test)

    def ramp(self, name: str, traffic: float | dict[str, float], *, actor: str, at: int) -> Known:
        """Give the treatments another share; nobody who is in the test moves. Conflict unless it runs or will."""

        def decide() -> Known:
            known = self.get(name)
            if known.state not in {State.DRAFT, State.RUNNING}:
                raise Conflict(f"{name} is {known.state}", code="not_running")
            after = rules.ramp(known.test, traffic)
            if known.state == State.RUNNING and known.lineup:
                change = self._change(
                    actor, at, f"traffic of the test {name}", {"test": name, "traffic": after.traffic}
                )
                self._registry.ramp_test(known.lineup.model, name, after.coverage, change)
            saved = self._known(self._store.save(after))
            if saved.state not in {State.DRAFT, State.RUNNING}:
                raise Conflict(f"{name} is {saved.state}", code="not_running")
            return saved

        return until_it_holds(name, decide)

    def stop(self, name: str, *, actor: str, at: int, reason: str) -> Known:
        """Return all traffic to control; Conflict if the test is over."""
        lineups.check_reason(reason)
        known = self.get(name)
        if known.state not in {State.DRAFT, State.RUNNING}:
            raise Conflict(f"{name} is {known.state} already", code="not_running")
        return self._stop(name, actor, at, reason.strip(), {"test": name, "step": "stop"})

    def decide(self, name: str, choice: str | None, *, actor: str, at: int, reason: str) -> tuple[Known, Analysis]:
        """Make `choice` (control or an arm) serve, or with None what the analysis says. Of racing decisions one holds.

        Raises
        ------
        Conflict
            `draft`, `decided`, `undetermined`, or what the registry refuses: then nothing was decided.
        """
        if choice is not None or reason.strip():
            lineups.check_reason(reason)

        def attempt() -> tuple[AbTest, Analysis]:
            known = self.get(name)
            if known.state != State.RUNNING and known.test.started_at is None:
                raise Conflict(f"{name} has not run", code="draft")
            known, found = self._look(known, at) if choice is None else (known, self._analyse(known.test))
            decision = Decision(
                id=clock.new_id(),
                choice=choice or _said(found),
                at=at,
                actor=actor,
                reason=reason.strip() or found.verdict,
            )
            return self._store.save(rules.claim(known.test, decision)), found

        test, found = until_it_holds(name, attempt)
        self._apply(test, found, at)
        return self.get(name), found

    def tick(self, at: int) -> int:
        """Watch every active test: begin, look, guard, end, decide. How many there are."""
        names = self._store.active()
        well = [name for name in names if self._goes(self._watch, name, at)]
        for name in well:  # no test's look keeps another's guardrail waiting
            self._goes(self._judge, name, at)
        return len(names)

    def _goes(self, step: Callable[[Known, int], None], name: str, at: int) -> bool:
        """Whether a `step` of a test went well; whatever ails it, the others are watched."""
        try:
            step(self.get(name), at)
        except Exception as error:  # noqa: BLE001
            self._failed(name, error)
            return False
        return True

    def _watch(self, known: Known, at: int) -> None:
        test = known.test
        if test.decision and not test.decision.applied:
            if at - test.decision.at > _CLAIM_MS:
                self._apply(test, self._analyse(test), at)
            return
        match known.state:
            case State.DRAFT:
                if test.starts_at is None or test.starts_at <= at:
                    self._begin_late(test, at)
            case State.RUNNING if test.started_at is None or test.stopped_at is not None:
                self._begin(test.name, at, ACTOR)  # or its end: whoever was at it broke off
            case State.RUNNING:
                self._guard(known, at)
            case _ if at - (test.stopped_at or 0) <= _CLAIM_MS:
                pass  # who was about to begin it may not know yet that it is over
            case _:
                over = rules.stop(test, at, "the lineup was changed by something else than this test")
                self._store.save(over, active=False)

    def _begin_late(self, test: AbTest, at: int) -> None:
        try:
            self._begin(test.name, at, ACTOR)
        except (Conflict, NotFound) as refused:
            if refused.code in _OVERTAKEN:
                raise  # too many at once: the next tick tries again
            because = f"it could not begin: {refused.message}"
            self._write(test.name, lambda now: rules.stop(now, at, because), active=False)

    def _guard(self, known: Known, at: int) -> None:
        """A broken guardrail ends a test at once, whatever else is wrong: control is the safe side."""
        found = self._analyse(known.test)
        broken = [harm for harm in found.guardrails if harm.broken]
        if not broken:
            return
        name, first = known.test.name, broken[0]
        known = self._write(name, lambda now: rules.harmed(now, [harm.key for harm in broken]))
        because = f"guardrail: {first.metric} of {first.arm} is worse by more than {first.max_harm:.4g}"
        self._stop_itself(name, at, because, found)
        if known.test.auto_decide and _chosen(found):
            self._decide_itself(known.test, at)

    def _judge(self, known: Known, at: int) -> None:
        """A look, and its end, may decide a test that runs."""
        test = known.test
        if known.state != State.RUNNING or test.decision:
            return
        over = test.ends_at is not None and test.ends_at <= at
        known, found = self._look(known, at, final=over)
        because = "it reached its end"
        if test.auto_decide and _chosen(found):
            refusal = self._decide_itself(known.test, at)
            if refusal is None:
                return
            because = f"it reached its end, and was not decided: {refusal}"[:2000]
        if over:
            self._stop_itself(test.name, at, because, found)

    def _stop_itself(self, name: str, at: int, because: str, found: Analysis) -> None:
        """Stop it, unless somebody else just did."""
        try:
            self._stop(name, ACTOR, at, because, _evidence(found))
        except Conflict as over:
            if over.code != "not_running":
                raise

    def _decide_itself(self, test: AbTest, at: int) -> str | None:
        """Nothing if it is decided, else what the registry says against it: the test keeps that, and it is told once.

        Each tick tries again, so that an approval or an evaluation is all that has to be added.
        """
        try:
            self.decide(test.name, None, actor=ACTOR, at=at, reason="")
        except Conflict as refused:
            if refused.code in _OVERTAKEN:
                raise
            because = refused.message
            if because != test.undecided_because:
                self._write(test.name, lambda now: rules.refused(now, because))
                self._failed(test.name, refused)
            return because
        return None

    def _look(self, known: Known, at: int, *, final: bool = False) -> tuple[Known, Analysis]:
        """The analysis, as a planned look if one is due, which is kept before anything follows from it."""
        test, sums = known.test, self._store.sums(known.test)
        unfinished = not (test.looks and test.looks[-1].final)
        due = rules.look_due(test, analysis.information(test, sums), at) or (final and unfinished)
        due = due and test.mode == "ab" and known.state == State.RUNNING
        found = analysis.analyse(test, sums, looking=due, final=final, at=at)
        if found.looks != test.looks:
            known = self._known(self._store.save(replace(test, looks=found.looks)))
        return known, found

    def _analyse(self, test: AbTest) -> Analysis:
        return analysis.analyse(test, self._store.sums(test))

    def _known(self, test: AbTest) -> Known:
        lineup = self._registry.find_lineup(test.model_id)
        return Known(rules.as_it_runs(test, lineup), lineup)

    def _row(self, name: str) -> AbTest:
        test = self._store.get(name)
        if test is None:
            raise NotFound(f"there is no test {name!r}", code="unknown_test", field="name")
        return test

    def _begin(self, name: str, at: int, actor: str) -> Known:
        """Let the lineup say what the row says of a test that begins.

        Here as in `ramp` and `_stop`, the row is saved after the lineup and as it was read before it: what another
        says of the test meanwhile is seen, by the one who comes second, and followed.
        """

        def attempt() -> Known:
            test = self._row(name)
            lineup, now = self._lineup(test), rules.running(test)
            if test.stopped_at is not None:
                because = f"the test {name} stops: {test.stopped_because}"[:2000]
                self._end(test, lineup, self._change(actor, at, because, {"test": name, "step": "stop"}))
            if test.stopped_at is not None or test.decision:
                return self._known(test)
            change = self._change(actor, at, f"the test {name} begins", {"test": name, "traffic": test.traffic})
            if _runs(test, lineup) and lineup.test != now:
                self._registry.ramp_test(lineup.model, name, now.coverage, change)
            else:
                self._registry.begin_test(lineup.model, now, test.control, change)
            return self._known(self._store.save(rules.begin(test, at)))

        return until_it_holds(name, attempt)

    def _lineup(self, test: AbTest) -> Lineup:
        lineup = self._registry.find_lineup(test.model_id)
        if lineup is None:
            raise NotFound(f"the model of {test.name} was deleted", code="unknown_model")
        return lineup

    def _stop(self, name: str, actor: str, at: int, because: str, evidence: dict[str, Any]) -> Known:
        """Let control have all traffic; Conflict `not_running` if another stopped it meanwhile."""
        change = self._change(actor, at, f"the test {name} stops: {because}"[:2000], evidence)

        def attempt() -> Known:
            known = self.get(name)
            if known.test.stopped_at is not None and known.state != State.RUNNING:
                raise Conflict(f"{name} is {known.state} already", code="not_running")
            self._end(known.test, known.lineup, change)
            return self._known(self._store.save(rules.stop(known.test, at, because)))

        return until_it_holds(name, attempt)

    def _end(self, test: AbTest, lineup: Lineup | None, change: Change) -> None:
        """Take the test out of the lineup; who was faster did just that."""
        if lineup is None or not _runs(test, lineup):
            return
        try:
            self._registry.end_test(lineup.model, test.name, change)
        except NotPromotable as over:
            if over.code != "not_running":
                raise

    def _write(self, name: str, change: Callable[[AbTest], AbTest], *, active: bool = True) -> Known:
        """`change` what is stored of a test, whatever else was changed meanwhile."""
        return until_it_holds(name, lambda: self._known(self._store.save(change(self.get(name).test), active=active)))

    def _apply(self, test: AbTest, found: Analysis, at: int) -> None:
        """Let the lineup follow a claimed decision; what the registry refuses isn't decided."""
        decision = test.decision
        if decision is None:
            return
        change = self._change(decision.actor, at, f"the test {test.name}: {decision.reason}"[:2000], _evidence(found))
        try:
            until_it_holds(test.name, lambda: self._follow(test, decision, change))
        except ZeroloopError:
            self._write(test.name, lambda now: rules.release(now, decision))
            raise
        self._write(test.name, lambda now: rules.decided(now, decision, at))

    def _follow(self, test: AbTest, decision: Decision, change: Change) -> None:
        lineup = self._lineup(test)
        if decision.choice == CONTROL:
            self._end(test, lineup, change)
            return
        version = test.treatments[decision.choice]
        if lineup.champion == version and not _runs(test, lineup):
            return
        if lineup.champion != test.control:
            raise Conflict(
                f"version {lineup.champion or 'none'} serves, the test compared with {test.control}: promote by hand",
                code="control_replaced",
            )
        try:
            self._registry.promote(lineup.model, version, replace(change, expected_revision=lineup.revision))
        except StaleRevision as stale:
            raise Conflict(stale.message) from stale  # look again: is the control still who serves?

    @staticmethod
    def _change(actor: str, at: int, reason: str, evidence: dict[str, Any]) -> Change:
        return Change(actor=actor, at=at, reason=reason, evidence=evidence)


def _runs(test: AbTest, lineup: Lineup) -> bool:
    return lineup.test is not None and lineup.test.test_id == test.name


def _said(found: Analysis) -> str:
    """What the analysis decides; Conflict `undetermined`."""
    if (chosen := _chosen(found)) is None:
        raise Conflict(f"{found.verdict} Choose by hand, or wait", code="undetermined", field="choice")
    return chosen


def _chosen(found: Analysis) -> str | None:
    """The winner; control where that is better, or where of all metrics none showed a difference at the horizon."""
    if found.winner:
        return found.winner
    ended = bool(found.looks and found.looks[-1].final) and not found.balance.broken
    compared = not any(isinstance(one.sequence, Undetermined) for one in found.comparisons)
    return CONTROL if found.outcome == "loses" or (ended and compared) else None


def _evidence(found: Analysis) -> dict[str, Any]:
    """The analysis as the audit record keeps it: an infinity, which JSON has not, is null."""
    return {"analysis": dict(msgspec.json.decode(msgspec.json.encode(found)))}
