"""What it takes to count: CPU a prediction, write units by the size of a delivery, what an hour's report reads, faults.

Units and bytes are worked out from the items that the real actions leave behind (DynamoDB bills a transaction's write
twice, by the KB of the whole item), so they hold on any machine. The text is the example's, as its model reads it.
"""

import random
import sys
import time
from collections.abc import Iterator
from functools import reduce
from math import ceil
from pathlib import Path
from typing import Any

from cli.local import stack, tools
from cli.local.home import Home
from examples.sentiment import dataset
from tests import traffic
from tests.aws_chaos import Chaos
from tests.aws_dynamodb_items import item_bytes, number_bytes
from zeroloop.digests import sha256
from zeroloop.dynamo import Action, Item
from zeroloop.inference import package, preprocessing
from zeroloop.monitoring import baseline
from zeroloop.monitoring.aggregate import EMPTY, Aggregate, merge
from zeroloop.monitoring.cells import Cell
from zeroloop.monitoring.counting import Answered, Line, count
from zeroloop.monitoring.store import MonitoringStore

SMALL = Path(__file__).parents[1] / "examples/sentiment/packages/small"
FRAME = baseline.frame_of((SMALL / "baseline.json").read_bytes())
MILLION, KINDS = 1_000_000, 50_000
DELIVERIES = (1, 10, 100, 1000, 10_000)
MINUTE, HOUR = 29_931_660, 3600
MISFORTUNES = (100_000, 20_000)


class Memory:
    """A table in memory, which applies what is sent to it and notes what that costs."""

    def __init__(self) -> None:
        self.items: dict[tuple[str, str], dict[str, Any]] = {}
        self.write_units = 0
        self.read: list[tuple[int, int]] = []

    def write(self, _what: str, *actions: Action) -> None:
        """All of `actions`, at two units a KB of each item."""
        for action in actions:
            [(kind, asked)] = action("t").items()
            row = asked["Item"] if kind == "Put" else self._updated(asked)
            self.items[row["pk"]["S"], row["sk"]["S"]] = row
            self.write_units += 2 * ceil(item_bytes(row) / 1024)

    def _updated(self, asked: dict[str, Any]) -> dict[str, Any]:
        key = asked["Key"]
        row = dict(self.items.get((key["pk"]["S"], key["sk"]["S"]), key))
        values = asked["ExpressionAttributeValues"]
        for short, name in asked["ExpressionAttributeNames"].items():
            added = int(values[f":{short[1:]}"]["N"])
            row[name] = {"N": str(int(row.get(name, {"N": "0"})["N"]) + added)}
        return {**row, "gone_at": {"N": str(1 << 40)}}

    def query(self, pk: str, *, first: str, last: str) -> Iterator[Item]:
        """A range of a partition; notes the bytes of each item, and of its numbers."""
        for (own, sk), row in sorted(self.items.items()):
            if own == pk and first <= sk <= last:
                numbers = sum(number_bytes(value["N"]) for value in row.values() if "N" in value)
                self.read.append((item_bytes(row), numbers))
                yield {name: int(v["N"]) if "N" in v else v["S"] for name, v in row.items()}


def main() -> None:
    """Print the tables; with `--faults` the last alone, which takes minutes."""
    if "--faults" in sys.argv:
        print(faults())
        return
    made = predicted(KINDS)
    print(f"{'counting, us of CPU a prediction':<40}wanted below 3.0 (a million in 3 s)")
    for size in DELIVERIES[2:]:
        print(f"  {f'deliveries of {size:,}':<38}{cpu_us(made, size):.2f}")
    print(f"\n{'write units per 1,000 predictions':<40}USD a million (0.625 a million units)")
    for size in DELIVERIES:
        units = write_units(made, size)
        print(f"  {f'deliveries of {size:,}':<38}{units:>10,.1f}{units * 1000 * 0.625 / 1e6:>10.4f}")
    print(f"\n{'one hour read':<40}{'items':>8}{'bytes':>10}{'of digits':>11}{'of names':>10}")
    for rate, size in ((10, 100), (10_000, 10_000)):
        items, read, digits = hour(made, rate, size)
        print(f"  {f'{rate:,} requests/s':<38}{items:>8}{read:>10,}{digits:>11,}{read - digits:>10,}")


def predicted(n: int) -> list[Line]:
    """Lines of the example's sentences, answered at random."""
    dice = random.Random(1)  # noqa: S311 - a seed, to draw the same again
    how = package.read((SMALL / "package.json").read_bytes()).preprocessing
    encoder = preprocessing.encoder(how.kind, how.parameters)
    texts = [sentence.text for sentence in dataset.read()]
    rows = encoder.features(texts, encoder.encode(texts, [""] * len(texts)))
    return [
        Line(
            status=200,
            latency_ms=round(dice.lognormvariate(0, 0.5), 3),
            predictions=[
                Answered(dice.choice(("positive", "negative")), round(dice.uniform(0.5, 1), 6), list(dice.choice(rows)))
            ],
        )
        for _ in range(n)
    ]


def cpu_us(made: list[Line], size: int) -> float:
    """Of counting a million in deliveries of `size`: microseconds a prediction."""
    started = time.process_time()
    for _ in range(MILLION // len(made)):
        for at in range(0, len(made), size):
            count(made[at : at + size], FRAME)
    return (time.process_time() - started) * 1e6 / MILLION


def write_units(made: list[Line], size: int) -> float:
    """Units per 1,000 predictions, over a minute in which 20 deliveries came."""
    table = Memory()
    store = MonitoringStore(table)  # type: ignore[arg-type] # what it calls of a table
    for number in range(20):
        lines = [made[(number * size + i) % len(made)] for i in range(size)]
        store.count(sha256(str(number).encode()), {CELL: (count(lines, FRAME), FRAME)})
    return table.write_units / (20 * size) * 1000


CELL = Cell("m-0123456789abcdef", 1, "champion", MINUTE)


def hour(made: list[Line], rate: int, size: int) -> tuple[int, int, int]:
    """Items, bytes and bytes of digits that an hour's report reads, at `rate` requests/s in deliveries of `size`."""
    table = Memory()
    store = MonitoringStore(table)  # type: ignore[arg-type] # as above
    kinds = [count(made[at : at + size], FRAME) for at in range(0, len(made), size)]
    deliveries = rate * HOUR // size
    for number in range(deliveries):
        cell = CELL._replace(minute=MINUTE + number * 60 // deliveries)
        store.count(sha256(f"{number}".encode()), {cell: (kinds[number % len(kinds)], FRAME)})
    whole = store.window(CELL.model_id, MINUTE, MINUTE + 60)[1, "champion"]
    turns = [len(range(i, deliveries, len(kinds))) for i in range(len(kinds))]
    if whole != reduce(merge, map(times, kinds, turns), EMPTY):
        raise AssertionError("an hour isn't the sum of its deliveries")
    return len(table.read), sum(read for read, _ in table.read), sum(digits for _, digits in table.read)


def times(one: Aggregate, n: int) -> Aggregate:
    """`one`, `n` times."""
    made = EMPTY
    while n:
        made, one, n = (merge(made, one) if n & 1 else made), merge(one, one), n >> 1
    return made


def faults() -> str:
    """Whether 100,000 predictions and 20,000 labels are counted exactly through faults, on a stack of its own."""
    home = Home(Path(__file__).parents[1] / ".zeroloop")
    record = stack.up(home, uv=tools.find_uv(None), port=None, iam=False)
    chaos = Chaos(7, throttle=0.1, conflict=0.06, server_error=0.02, lost_answer=0.02)
    started = time.monotonic()
    came = traffic.run(record.endpoint_url, record.tables["monitoring"], chaos, MISFORTUNES, 600, record.region)
    told = ", ".join(f"{n:,} {fault}" for fault, n in sorted(came.faults.items()))
    verdict = "exact" if traffic.exact(came) else "NOT EXACT"
    return (
        f"{MISFORTUNES[0]:,} predictions and {MISFORTUNES[1]:,} labels: {verdict} after {told} and "
        f"{came.repeated} repeated deliveries, {time.monotonic() - started:.0f} s"
    )


if __name__ == "__main__":
    main()
