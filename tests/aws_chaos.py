"""Faults of AWS by seed: throttles, conflicts, internal errors and answers that get lost."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

from botocore.endpoint import Endpoint
from botocore.exceptions import ConnectionClosedError, ReadTimeoutError

from tests.aws_dynamodb_limits import cancelled
from tests.aws_hook import Answer, Handler, Hook, Refused, call_name

Exchange = tuple[Answer | None, Exception | None]

_PLAIN_WRITES = {"dynamodb.PutItem", "dynamodb.UpdateItem", "dynamodb.DeleteItem"}
_TRANSACTIONS = {"dynamodb.TransactWriteItems", "dynamodb.TransactGetItems"}


class Chaos(Hook):
    """Each attempt of a call to DynamoDB, S3 or Lambda meets a fault with the probabilities given, one at most.

    The n-th attempt of an operation has the same fate for the same seed, whatever other operations do; botocore's
    retries are attempts too. `throttle`, `server_error` and `conflict` leave AWS untouched; after `lost_answer` the
    call was carried out and only the answer is missing. `only` narrows it to calls such as `dynamodb.PutItem`;
    `injected` counts by call and fault.
    """

    _everyone: ClassVar[set["Chaos"]] = set()

    def __init__(
        self,
        seed: int,
        *,
        throttle: float = 0.2,
        conflict: float = 0.1,
        server_error: float = 0.05,
        lost_answer: float = 0.05,
        only: tuple[str, ...] = (),
    ) -> None:
        self.injected: Counter[tuple[str, str]] = Counter()
        self._seed = seed
        self._rates = {
            "throttle": throttle,
            "conflict": conflict,
            "server_error": server_error,
            "lost_answer": lost_answer,
        }
        self._only = only
        self._attempts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def handlers(self) -> list[tuple[str, Handler]]:
        return [("before-parameter-build", self.remember), ("before-call", self._mark)]

    def install(self, target: Any = None) -> Self:
        super().install(target)
        self._everyone.add(self)
        setattr(Endpoint, _METHOD, _exchange)
        return self

    def uninstall(self) -> None:
        super().uninstall()
        self._everyone.discard(self)
        if not self._everyone:
            setattr(Endpoint, _METHOD, _real_exchange)

    def _mark(self, context: dict[str, Any], **_: Any) -> None:
        if self.active:
            context["tests.chaos"] = self

    def meet(self, call: str, context: dict[str, Any], send: Callable[[], Exchange]) -> Exchange:
        """One attempt: a fault in its place, or after it, or the attempt itself."""
        fault, dice = self.draw(call)
        if fault is None:
            return send()
        if fault == "lost_answer":
            send()
            return None, _lost(dice)
        return refusal(fault, call, context["tests.params"], dice).answer(), None

    def draw(self, call: str) -> tuple[str | None, random.Random]:
        """The fault of the next attempt of a call, if any, and the dice for what of it is chance."""
        with self._lock:
            self._attempts[call] += 1
            dice = random.Random(f"{self._seed} {call} {self._attempts[call]}")
            fault = self._fault(call, dice.random())
            if fault:
                self.injected[call, fault] += 1
            return fault, dice

    def _fault(self, call: str, draw: float) -> str | None:
        if call.partition(".")[0] not in {"dynamodb", "s3", "lambda"}:
            return None
        if self._only and call not in self._only:
            return None
        for fault, rate in self._rates.items():
            if draw < rate and (fault != "conflict" or call in _PLAIN_WRITES | _TRANSACTIONS):
                return fault
            draw -= rate
        return None


# Around the exchange rather than in a `before-send` handler: botocore calls all of those whatever the first answers,
# and moto is one of them. It would carry out what we said was throttled, and a lost answer could not wait for it.
_METHOD = "_do_get_response"
_real_exchange: Callable[..., Exchange] = getattr(Endpoint, _METHOD)


def _exchange(endpoint: Endpoint, request: Any, operation_model: Any, context: dict[str, Any]) -> Exchange:
    def send() -> Exchange:
        return _real_exchange(endpoint, request, operation_model, context)

    chaos: Chaos | None = context.get("tests.chaos")
    return chaos.meet(call_name(operation_model), context, send) if chaos else send()


def _lost(dice: random.Random) -> Exception:
    error = dice.choice([ReadTimeoutError, ConnectionClosedError])
    return error(endpoint_url="https://lost.invalid/", error="the answer got lost")


def refusal(fault: str, call: str, params: Mapping[str, Any], dice: random.Random) -> Refused:
    """What the service says of a fault that it answers."""
    if fault == "conflict":
        return _conflict(call, params, dice)
    return dice.choice(_ANSWERS[fault, call.partition(".")[0]])


def _conflict(call: str, params: Mapping[str, Any], dice: random.Random) -> Refused:
    ongoing = "Transaction is ongoing for the item"
    if call in _PLAIN_WRITES:
        return Refused("TransactionConflictException", ongoing)
    reasons = [{"Code": "None"} for _ in params["TransactItems"]]
    reasons[dice.randrange(len(reasons))] = {"Code": "TransactionConflict", "Message": ongoing}
    return cancelled(reasons)


_ANSWERS = {
    ("throttle", "dynamodb"): [
        Refused("ThrottlingException", "Throughput exceeds the current capacity of your table or index."),
        Refused(
            "ProvisionedThroughputExceededException",
            "The level of configured provisioned throughput for the table was exceeded.",
        ),
    ],
    ("throttle", "s3"): [Refused("SlowDown", "Please reduce your request rate.", 503)],
    ("throttle", "lambda"): [
        Refused("TooManyRequestsException", "Rate Exceeded.", 429, Reason="ConcurrentInvocationLimitExceeded")
    ],
    ("server_error", "dynamodb"): [Refused("InternalServerError", "Internal server error", 500)],
    ("server_error", "s3"): [Refused("InternalError", "We encountered an internal error. Please try again.", 500)],
    ("server_error", "lambda"): [Refused("ServiceException", "Service failed.", 500)],
}
