"""One of several processes that log metrics to one run: `python logging_script.py RUN_ID WHO POINTS`.

In batches, the last 20 point by point.

The unmodified client, its retries included: what the server can't finish it is asked again.
"""

import sys

from mlflow import MlflowClient
from mlflow.entities import Metric


def main() -> None:
    run_id, who, points = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    client, batched, size = MlflowClient(), points - 20, 10 if points <= 200 else 100
    for start in range(0, batched, size):
        steps = range(start, min(start + size, batched))
        own = [Metric(f"own-{who}", step / 3, step, step) for step in steps if step % 2]
        # Each process's steps of the shared metric go down: the latest must not be what came last.
        shared = [Metric("shared", who + step / 7, step, -step) for step in steps if not step % 2]
        client.log_batch(run_id, metrics=own + shared)
    for step in range(batched, points):
        client.log_metric(run_id, f"own-{who}", step / 3, timestamp=step, step=step)


if __name__ == "__main__":
    main()
