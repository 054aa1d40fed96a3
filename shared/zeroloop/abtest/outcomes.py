"""Outcomes of a test: each counted once, however often it is sent. Needs the core layer alone: feedback counts, too."""

from typing import Any

from msgspec import Struct

from zeroloop import clock
from zeroloop.abtest import counting, rules
from zeroloop.abtest.counting import Outcome, Unit
from zeroloop.abtest.rules import AbTest
from zeroloop.abtest.store import AbTestStore, Held, Seen
from zeroloop.dynamo import ConditionFailed
from zeroloop.errors import Conflict, InvalidInput, Unavailable
from zeroloop.inference.assignment import CONTROL
from zeroloop.inference.receipts import Receipt

ACCURACY = "accuracy"
"""A metric of this name is fed by labels: 1 where the answer was right."""

_TRIES = 60
_PATIENCE_SECONDS = 15.0


class Told(Struct, frozen=True):
    """What became of an outcome: whether it is in the sums, and whether it was already."""

    variant: str
    counted: bool
    duplicate: bool = False


class Outcomes:
    """Counts outcomes. Whoever sends one again, after whatever failure, changes nothing."""

    def __init__(self, store: AbTestStore) -> None:
        self._store = store

    def of_feedback(self, receipt: Receipt, label_correct: bool | None, metrics: dict[str, float]) -> None:  # noqa: FBT001 - feedback's word
        """Count what feedback says of a prediction that a test made; what it says later of a metric replaces it.

        The receipt says which arm answered. Metrics that the test doesn't measure are somebody else's; so are outcomes
        of a test that is decided.

        Raises
        ------
        InvalidInput
            A value that the test can't take.
        Unavailable
        """
        if receipt.test_id is None or receipt.unit_hash is None:
            return
        measured = metrics if label_correct is None else {ACCURACY: int(label_correct), **metrics}
        test = self._store.get(receipt.test_id)
        if test is None or (test.decision and test.decision.applied):
            return
        outcome = counting.outcome(test, measured, known_only=True)
        if outcome.values:
            self._count(test, receipt.variant, receipt.unit_hash, receipt.id, outcome, replaces=True)

    def of_unit(  # noqa: PLR0913, PLR0917 - an outcome is that much
        self,
        test: AbTest,
        unit: str,
        unit_hash: str,
        key: str,
        metrics: dict[str, Any],
        covariates: dict[str, float],
    ) -> Told:
        """Count what happened to `unit`, once for each idempotency `key`; who isn't in the test isn't counted.

        Raises
        ------
        InvalidInput
            What the test can't take.
        Conflict
            `key_reused`: the key came with other values or another unit before.
        Unavailable
        """
        outcome = counting.outcome(test, metrics, covariates)
        if not outcome.values:
            raise InvalidInput("an outcome has a metric at least", field="metrics")
        arm = rules.arm_of(test, unit)
        if rules.assigned(test, unit).test_id is None and not self._store.held(test.name, key, unit_hash).unit:
            return Told(CONTROL, counted=False)
        return Told(arm, True, not self._count(test, arm, unit_hash, f"key:{key}", outcome, replaces=False))

    def _count(  # noqa: PLR0913 - an outcome is that much
        self, test: AbTest, arm: str, unit: str, outcome_id: str, outcome: Outcome, *, replaces: bool
    ) -> bool:
        """Whether this call counted it; read, decide, write under the condition of what was read, until that holds."""
        deadline = clock.monotonic() + _PATIENCE_SECONDS
        for attempt in range(_TRIES):
            held = self._store.held(test.name, outcome_id, unit)
            # Merged afresh at each try: what another writer said meanwhile of other metrics stands.
            seen = Seen(unit, _merged(held.seen, outcome) if replaces else outcome)
            if held.seen == seen:
                return False
            self._check(held, unit, arm, replaces=replaces)
            before = held.unit or Unit(arm)
            after = counting.told(before, seen.outcome, held.seen.outcome if held.seen else None)
            added = counting.added(test, before, after)
            try:
                self._store.count(held, test.name, outcome_id, seen, after, added, at=clock.now_ms())
            except ConditionFailed:
                if clock.monotonic() > deadline:
                    break
                clock.sleep(clock.pause_seconds(attempt))
            else:
                return True
        raise Unavailable(f"too many outcomes of one unit of {test.name} at once; try again")

    @staticmethod
    def _check(held: Held, unit: str, arm: str, *, replaces: bool) -> None:
        if held.seen and (not replaces or held.seen.unit != unit):
            raise Conflict(
                "this idempotency key came with other values before", code="key_reused", field="idempotency_key"
            )
        if held.unit and held.unit.arm != arm:
            raise Conflict(f"this unit is in arm {held.unit.arm}, not {arm}", code="arm_changed")


def _merged(seen: Seen | None, new: Outcome) -> Outcome:
    return Outcome({**seen.outcome.values, **new.values}) if seen else new
