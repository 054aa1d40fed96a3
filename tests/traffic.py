"""Predictions and labels that meet every misfortune at once, and whether they were counted exactly.

Deliveries come twice, out of order, and break off; labels come again and change; DynamoDB throttles, conflicts and
loses answers. What the table then holds is compared with the same lines counted in memory.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

from msgspec.json import encode

from tests.aws_chaos import Chaos
from tests.chaos_proxy import proxy
from zeroloop import clock
from zeroloop.config import Aws
from zeroloop.dynamo import Table
from zeroloop.errors import Unavailable
from zeroloop.inference.keys import VerifyingKeys
from zeroloop.inference.receipts import Key, Receipt, sign
from zeroloop.monitoring import lines
from zeroloop.monitoring.aggregate import Aggregate, merge
from zeroloop.monitoring.cells import flat
from zeroloop.monitoring.counting import Outcome, count, judge
from zeroloop.monitoring.feedback import Feedback, FeedbackDesk
from zeroloop.monitoring.frame import Frame, Scale
from zeroloop.monitoring.ingest import Ingest
from zeroloop.monitoring.lines import Batch, LogEvent, Record
from zeroloop.monitoring.store import MonitoringStore
from zeroloop.signed import Session

FRAME = Frame(labels=frozenset({"yes", "no"}), slices=frozenset({"de"}), length=Scale(18.0, 8.0))
KEY = Key("k", b"secret")
WORKERS = 4
MINUTES = 90

Who = tuple[int, str]


class Predicted(NamedTuple):
    """A prediction's line, and its receipt."""

    line: str
    receipt: Receipt


class Came(NamedTuple):
    """What it came to: what is in the table, what should be, and the faults on the way by kind."""

    counted: dict[Who, Aggregate]
    wanted: dict[Who, Aggregate]
    faults: dict[str, int]
    repeated: int


class _Nothing:
    """An archive and a registry that have nothing to do."""

    def __getattr__(self, _name: str) -> Callable[..., None]:
        return lambda *_args: None


class _Frames:
    def get(self, _model_id: str, _version: int) -> Frame:
        return FRAME


def predictions(n: int, dice: random.Random, model_id: str) -> Iterator[Predicted]:
    """`n` of two versions over an hour and a half that ends now; their ids are new each time."""
    now = clock.now_ms()
    for number in range(n):
        version, variant = dice.choice([(1, "champion"), (2, "challenger")])
        label, score = dice.choice(["yes", "no"]), round(dice.uniform(0.5, 1), 6)
        receipt = Receipt(
            kid=KEY.kid,
            id=clock.new_id(),
            model_id=model_id,
            version=version,
            variant=variant,
            label=label,
            score=score,
            time=now - dice.randrange(MINUTES * 60_000),
            slice=dice.choice([None, "de", "fr"]),
        )
        ids = [dice.randrange(5000) for _ in range(dice.randrange(1, 30))]
        told = {"prediction_id": sign(receipt, KEY), "label": label, "score": score, "features": ids}
        record = {
            "schema": "zl.prediction.v1",
            "time": receipt.time,
            "request_id": str(number),
            "model": "traffic",
            "model_id": model_id,
            "version": version,
            "variant": variant,
            "status": 200,
            "latency_ms": round(dice.lognormvariate(0, 1), 3),
            "slice": receipt.slice,
            "predictions": [told],
        }
        yield Predicted(encode(record).decode(), receipt)


def batches(made: Sequence[Predicted], most: int, dice: random.Random) -> list[Batch]:
    """Deliveries of up to `most` lines that are close in time, a third of them twice, in any order."""
    ordered = sorted(made, key=lambda one: one.receipt.time)
    cut: list[Batch] = []
    at = 0
    while at < len(ordered):
        some = ordered[at : at + dice.randint(1, most)]
        at += len(some)
        events = [LogEvent(one.receipt.id, one.receipt.time, one.line) for one in some]
        cut.append(Batch("g", "s", events))
    cut += [Batch(one.log_group, one.log_stream, one.log_events[::-1]) for one in cut[::3]]
    dice.shuffle(cut)
    return cut


def run(endpoint: str, table: str, chaos: Chaos, n: tuple[int, int], most: int, region: str) -> Came:
    """Send (predictions, labels) of `n` through faults, in deliveries of up to `most` lines, from several threads."""
    dice = random.Random(5)
    model_id = f"m-{clock.new_id()[:16]}"  # so that a table that others have used will do
    made = list(predictions(n[0], dice, model_id))
    frames = _Frames()
    last: dict[str, str] = {}
    told: list[tuple[Predicted, str]] = []
    for one in dice.sample(made, n[1]):
        labels = [dice.choice(["yes", "no", "what"]) for _ in range(dice.choice([1, 1, 2, 3]))]
        last[one.receipt.id] = labels[-1]
        told += [(one, label) for label in labels for _ in range(dice.choice([1, 1, 2]))]

    with proxy(endpoint, chaos) as url:

        def take(some: list[Batch]) -> int:
            nothing: Any = _Nothing()
            with opened(url, table, region) as store:
                ingest = Ingest(store, nothing, nothing)
                ingest._frames = frames  # type: ignore[assignment] # stands in: there is no registry
                return sum(insisted(partial(ingest.take, one)).repeated for one in some)

        def tell(some: list[tuple[Predicted, str]]) -> None:
            keys = VerifyingKeys(lambda: {KEY.kid: KEY}, monotonic=clock.monotonic)
            with opened(url, table, region) as store:
                desk = FeedbackDesk(store, frames, keys, 30)  # type: ignore[arg-type] # as above
                for one, label in some:
                    insisted(partial(desk.hear, Feedback(sign(one.receipt, KEY), label)))

        sent = batches(made, most, dice)
        with ThreadPoolExecutor(2 * WORKERS) as pool:
            taken = [pool.submit(take, sent[part::WORKERS]) for part in range(WORKERS)]
            # The labels of one prediction keep their order: which of two that come at once counts is anybody's guess.
            by_worker = [
                [pair for pair in told if hash(pair[0].receipt.id) % WORKERS == part] for part in range(WORKERS)
            ]
            heard = [pool.submit(tell, some) for some in by_worker]
            repeated = sum(future.result() for future in taken)
            for done in heard:
                done.result()
    faults: dict[str, int] = {}
    for (_, fault), times in chaos.injected.items():
        faults[fault] = faults.get(fault, 0) + times
    minute = clock.now_ms() // 60_000
    with opened(endpoint, table, region) as store:
        counted = store.window(model_id, minute - MINUTES - 60, minute + 1)
    return Came(counted, wanted(made, last), faults, repeated)


@contextmanager
def opened(endpoint: str, table: str, region: str) -> Iterator[MonitoringStore]:
    """The table's store, on a connection of its own."""
    aws = Aws(region, "test", "test", aws_endpoint_url=endpoint)
    session = Session(aws)
    try:
        yield MonitoringStore(Table(table, session))
    finally:
        session.renew(aws)  # which closes it


def insisted(do: Callable[[], Any]) -> Any:
    """The result of `do`, which is called again as Lambda and clients do, while the table is busy."""
    for _ in range(20):
        try:
            return do()
        except Unavailable:
            continue
    raise AssertionError("busy for ever")


def wanted(made: Sequence[Predicted], last: dict[str, str]) -> dict[Who, Aggregate]:
    """What the same lines and the last label of each prediction come to, counted in memory."""
    events = [LogEvent(one.receipt.id, 0, one.line) for one in made]
    by_who: dict[Who, list[Record]] = {}
    for _, record in lines.records(events, []):
        assert isinstance(record, Record)
        by_who.setdefault((record.version or 0, record.variant or ""), []).append(record)
    outcomes: dict[Who, list[Outcome]] = {who: [] for who in by_who}
    for one in made:
        if label := last.get(one.receipt.id):
            receipt = one.receipt
            outcome = Outcome(receipt.label, receipt.score, receipt.slice, label)
            outcomes[receipt.version, receipt.variant].append(outcome)
    return {who: merge(count(some, FRAME), judge(outcomes[who], FRAME)) for who, some in sorted(by_who.items())}


def exact(came: Came) -> bool:
    """Whether every counter is what it should be."""
    return {who: flat(one) for who, one in came.counted.items()} == {who: flat(one) for who, one in came.wanted.items()}
