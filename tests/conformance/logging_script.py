"""One of several processes that log metrics to one run: `python logging_script.py RUN_ID WHO`, 200 points each.

The unmodified client, its retries included: what the server can't finish it is asked again.
"""

import sys

from mlflow import MlflowClient
from mlflow.entities import Metric

BATCHES, OF = 18, 10


def main() -> None:
    run_id, who = sys.argv[1], int(sys.argv[2])
    client = MlflowClient()
    for number in range(BATCHES):
        steps = range(number * OF, (number + 1) * OF)
        own = [Metric(f"own-{who}", step / 3, step, step) for step in steps if step % 2]
        # Each process's steps of the shared metric go down: the latest must not be what came last.
        shared = [Metric("shared", who + step / 7, step, -step) for step in steps if not step % 2]
        client.log_batch(run_id, metrics=own + shared)
    for step in range(BATCHES * OF, (BATCHES + 2) * OF):
        client.log_metric(run_id, f"own-{who}", step / 3, timestamp=step, step=step)


if __name__ == "__main__":
    main()
