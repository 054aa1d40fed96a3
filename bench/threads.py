"""Eight threads on one process: every answer is compared with the one that a single thread gets."""

import json
from concurrent.futures import ThreadPoolExecutor

from bench.predict import null_stdout
from bench.workload import CONTEXT, event, function, reviews

THREADS, CALLS = 8, 10_000


def main() -> None:
    """Print how many of the answers are right."""
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


if __name__ == "__main__":
    main()
