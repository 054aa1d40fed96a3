"""Eight threads on one process: every answer is compared with the one that its model gives to a single thread.

Warm on one model; then cold on several, all that is read through the one signed session, as the function reads it.
"""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import msgspec

from bench.coldstart import Aws, aws
from bench.predict import null_stdout
from bench.workload import CONTEXT, event, function, loaded, reviews, version
from zeroloop.registry.rules import Lineup

THREADS, CALLS = 8, 10_000
MODELS, COLD_CALLS = 8, 200


def main() -> None:
    """Print how many of the answers are right."""
    one_warm_model()
    several_cold_models()


def one_warm_model() -> None:
    """Every answer against the one that a single thread gets."""
    handler = function().lambda_handler
    events = [event(text) for text in reviews(2_000)]

    def scores(i: int) -> object:
        return json.loads(handler(events[i % len(events)], CONTEXT)["body"])["scores"]

    with null_stdout():
        expected = [scores(i) for i in range(len(events))]

        def right(thread: int) -> int:
            return sum(scores(i) == expected[i % len(events)] for i in range(thread, thread + CALLS))

        with ThreadPoolExecutor(THREADS) as pool:
            n_right = sum(pool.map(right, range(THREADS)))
    print(f"{THREADS} threads x {CALLS:,} calls on one process: {n_right:,} right")
    print(f"wanted: {THREADS * CALLS:,}\n")


def several_cold_models() -> None:
    """Each model champions the version of its own number: an answer with another number is another model's."""
    with aws(Several) as endpoint:
        predict = loaded(AWS_ENDPOINT_URL=endpoint, AWS_ACCESS_KEY_ID="key", AWS_SECRET_ACCESS_KEY="secret")  # noqa: S106
        with null_stdout(), ThreadPoolExecutor(THREADS) as pool:
            n_right = sum(pool.map(lambda thread: right_answers(predict, thread), range(THREADS)))
    print(f"{THREADS} threads x {COLD_CALLS:,} calls on {MODELS} models, cold: {n_right:,} right")
    print(f"wanted: {THREADS * COLD_CALLS:,}\n")


def right_answers(predict: ModuleType, thread: int) -> int:
    """How many of this thread's answers are those of the model that it asked."""
    right = 0
    for i in range(COLD_CALLS):
        number = 1 + (thread + i) % MODELS
        if i % 10 == 0:
            predict.lineups.expire()
        sent = {**event("a fine film"), "pathParameters": {"model": f"model-{number}"}}
        answer = predict.lambda_handler(sent, CONTEXT)
        right += answer["statusCode"] == 200 and json.loads(answer["body"])["model_version"] == number
    return right


class Several(Aws):
    """Answers as the tables of `MODELS` models do, slowly enough for threads to meet."""

    def item(self, pk: str, sk: str) -> dict[str, Any]:
        """A row of RegistryTable."""
        time.sleep(0.002)
        named = pk.split("#")[1]
        if sk == "NAME":
            return {"model_id": {"S": f"m-{named.removeprefix('model-'):0>16}"}}
        number = int(named.removeprefix("m-"))
        body: Any = Lineup(model_id=named, model=f"model-{number}", champion=number)
        if sk != "LINEUP":
            body = msgspec.structs.replace(version(self.package, number), model_id=named)
        return {"body": {"S": msgspec.json.encode(body).decode()}, "state": {"S": "READY"}}


if __name__ == "__main__":
    main()
