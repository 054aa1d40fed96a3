"""Outcomes that come all at once, twice, changed and through faults; and what the sums must be then."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from random import Random
from typing import NamedTuple

from zeroloop import clock
from zeroloop.abtest import rules
from zeroloop.abtest.counting import Sums
from zeroloop.abtest.outcomes import Outcomes
from zeroloop.abtest.rules import AbTest, Metric, Order
from zeroloop.abtest.store import AbTestStore
from zeroloop.config import Aws
from zeroloop.dynamo import Table
from zeroloop.errors import Unavailable
from zeroloop.inference.receipts import Receipt
from zeroloop.signed import Session

MODEL = "m-0123456789abcdef"

Opened = Callable[[], AbstractContextManager[Table]]


class Said(NamedTuple):
    """One feedback as it is sent: of a prediction of a unit."""

    prediction: int
    unit: int
    right: bool
    spent: int


class Storm(NamedTuple):
    """What is sent, in what order, and what came of it."""

    sent: int
    again: int
    seconds: float
    sums: dict[str, Sums]
    expected: dict[str, Sums]


def ab_test(name: str) -> AbTest:
    """A test of two metrics."""
    metrics = [Metric("accuracy", "proportion"), Metric("spent", "mean")]
    order = Order(name=name, model="m", control=1, treatment=2, traffic=0.5, metrics=metrics, unit="user")
    return rules.draft(order, MODEL, at=1, actor="storm")


def rage(open_table: Opened, name: str, n: int, *, threads: int, seed: int) -> Storm:
    """Send `n` feedbacks from `threads`, each until it is taken, a fifth of them again.

    Some change their minds afterwards: label and number in two feedbacks of their own, at once.
    """
    test, dice = ab_test(name), Random(seed)
    with open_table() as table:
        AbTestStore(table).add(test)
    first = [Said(i, dice.randrange(max(1, n // 5)), dice.random() < 0.7, dice.randrange(-5, 100)) for i in range(n)]
    again = dice.sample(first, n // 5)
    changed = [said._replace(right=not said.right, spent=said.spent + 1) for said in dice.sample(first, n // 20)]
    started = clock.monotonic()
    dice.shuffle(both := [*first, *again])
    parts = [part for said in changed for part in ((said, True, False), (said, False, True))]
    retried = _send(open_table, test, [(said, True, True) for said in both], threads)
    retried += _send(open_table, test, parts, threads)
    seconds = clock.monotonic() - started
    final = {said.prediction: said for said in [*first, *changed]}
    with open_table() as table:
        kept = AbTestStore(table).sums(test)
    sums = {arm: {name: value for name, value in found.items() if value} for arm, found in kept.items()}
    return Storm(len(both) + len(changed), retried, seconds, sums, expected(test, list(final.values())))


def _send(open_table: Opened, test: AbTest, all_: Sequence[tuple[Said, bool, bool]], threads: int) -> int:
    """Each feedback with whether it says the label, and whether the number; neighbours go to different threads."""

    def work(number: int) -> int:
        again = 0
        with open_table() as table:
            outcomes = Outcomes(AbTestStore(table))
            for said, label, spent in all_[number::threads]:
                while not _taken(outcomes, test, said, label=label, spent=spent):
                    again += 1
        return again

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(work, range(threads)))


def _taken(outcomes: Outcomes, test: AbTest, said: Said, *, label: bool, spent: bool) -> bool:
    numbers = {"spent": float(said.spent)} if spent else {}
    try:
        outcomes.of_feedback(receipt(test, said), said.right if label else None, numbers)
    except Unavailable:
        return False
    return True


def receipt(test: AbTest, said: Said) -> Receipt:
    """As predict would have made it."""
    return Receipt(
        kid="k",
        id=f"p{said.prediction}",
        model_id=MODEL,
        version=1,
        variant=rules.arm_of(test, f"user-{said.unit}"),
        label="positive",
        score=0.9,
        time=1,
        test_id=test.name,
        unit_hash=f"{said.unit:032x}",
    )


def expected(test: AbTest, said: Sequence[Said]) -> dict[str, Sums]:
    """The sums, added up without what is tested."""
    found: dict[str, Counter[str]] = {arm.variant: Counter() for arm in test.ranges}
    units: dict[int, list[Said]] = {}
    for one in said:
        units.setdefault(one.unit, []).append(one)
    for unit, answers in units.items():
        sums, n = found[rules.arm_of(test, f"user-{unit}")], len(answers)
        right, spent = sum(one.right for one in answers), sum(one.spent for one in answers) * 1_000_000
        sums.update({"units": 1, "0.n": 1, "0.y": right, "0.yy": right**2, "0.x": n, "0.xx": n * n, "0.xy": right * n})
        sums.update({"1.n": 1, "1.y": spent, "1.yy": spent**2})
    return {arm: {name: value for name, value in sums.items() if value} for arm, sums in found.items()}


def opener(endpoint: str, region: str, name: str) -> Opened:
    """What opens the emulated table for one thread."""

    @contextmanager
    def opened() -> Iterator[Table]:
        session = Session(Aws(region, "test", "test", aws_endpoint_url=endpoint))
        try:
            yield Table(name, session)
        finally:
            for connection in session._connections.values():
                connection.close()

    return opened
