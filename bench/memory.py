"""What stays in memory, of many models under a bound that holds a few, and of a hundred thousand requests to one.

The bound is told twice: the estimate that predict keeps under MAX_WARM_MEGABYTES, and what the process grew by.
"""

import gc
import random
from pathlib import Path

from bench.predict import null_stdout
from bench.workload import CONTEXT, event, files, function, reviews, version
from tests import models
from zeroloop.inference.model import Model
from zeroloop.inference.warm import Served, WarmModels
from zeroloop.registry.rules import Lineup

MODELS, REQUESTS, MANY = 20, 10_000, 100_000
BOUND_MEGABYTES = 2  # the small model costs 0.4 by the estimate: four fit
GROWTH_BYTES = 20
WIDE, WIDTH, WIDE_MEGABYTES = 10, 500_000, 150  # a row is 4 MB, the rows of one run 60


def main() -> None:
    """Print the tables."""
    twenty_models()
    large_tensors()
    many_requests()


def twenty_models() -> None:
    """Requests to twenty models, most of which are loaded anew each time."""
    predict = function(MAX_WARM_MEGABYTES=str(BOUND_MEGABYTES))
    predict.lineups._model_id = lambda name, _timeout: f"m-{name:0>16}"
    predict.lineups._lineup = lambda model_id, _timeout: Lineup(
        model_id=model_id, model=model_id[2:].lstrip("0"), champion=1
    )
    rng, texts = random.Random(1), reviews(REQUESTS)  # noqa: S311 - which model is asked
    most, loads, load = 0, 0, predict.models._load

    def counted(model_id: str, number: int) -> object:
        nonlocal loads
        loads += 1
        return load(model_id, number)

    predict.models._load = counted
    with null_stdout():
        for i, text in enumerate(texts):
            name = str(1 + min(int(rng.expovariate(0.7)), MODELS - 1)) if i >= MODELS else str(i + 1)
            answer = predict.lambda_handler({**event(text), "pathParameters": {"model": name}}, CONTEXT)
            assert answer["statusCode"] == 200, answer  # noqa: S101 - or the table would be of refusals
            most = max(most, predict.models.cost)
            if i == 10 * MODELS:
                gc.collect()
                before = resident()
    gc.collect()
    grown = (resident() - before) / 1e6
    print(f"{REQUESTS:,} requests over {MODELS} models, {loads:,} loads: at most {most / 1e6:.2f} MB by the estimate,")
    print(f"  bound {BOUND_MEGABYTES} MB; the process grew by {grown:.1f} MB\n")


def large_tensors() -> None:
    """A hundred rows to each of ten models whose files are tiny and whose tensors aren't."""
    shape = [{"name": "x", "dtype": "float32", "shape": [-1, 1]}]
    signature = {"inputs": shape, "outputs": [{**shape[0], "name": "y"}]}
    package, about = models.tensors(models.wide(WIDTH), signature, [{"x": [1]}] * 3), version(files())
    warm = WarmModels(lambda _model_id, _number: Served(about, Model(package)), WIDE_MEGABYTES * 1_000_000)
    gc.collect()
    before, most = resident(), 0
    for number in range(WIDE):
        warm.get("m", number).model.run([{"x": [1.0]}] * 100, ["x"] * 100)
        most = max(most, resident() - before)
    newest = warm.get("m", WIDE - 1).model.held
    print(f"{WIDE} models of {sum(map(len, package.values())):,} bytes, each row {8 * WIDTH / 1e6:.0f} MB of tensors:")
    print(
        f"  the process grew by at most {most / 1e6:.1f} MB; wanted: {WIDE_MEGABYTES} MB,\n"
        f"  {newest / 1e6:.0f} MB of the newest's tensors, which count from the next request on, and slack\n"
    )


def many_requests() -> None:
    """Resident memory along a hundred thousand requests to one model."""
    handler = function().lambda_handler
    events = [event(text) for text in reviews(2_000)]
    marks = []
    with null_stdout():
        for i in range(MANY + 1):
            if i % (MANY // 5) == 0:
                gc.collect()
                marks.append(resident())
            handler(events[i % len(events)], CONTEXT)
    slope = (marks[-1] - marks[1]) / (MANY * 4 / 5)
    told = ", ".join(f"{mark / 1e6:.1f}" for mark in marks)
    print(f"{MANY:,} requests to one model: {told} MB resident; {slope:.2f} bytes a request")
    print(f"wanted: at most {GROWTH_BYTES} bytes a request after the first fifth, which is noise of the allocator\n")


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


if __name__ == "__main__":
    main()
