"""The demo's A/B test: two real versions answer held-out sentences, people's ratings are the feedback, one is chosen.

Nothing is made up: on these sentences the two versions are about as good, and 657 units can't tell them apart.
"""

import gzip
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import click

from cli import progress
from cli.api import Api, ApiError, path
from cli.local.home import PROJECT
from zeroloop import clock

NAME = "small-against-large"
EFFECT = 0.1
UNITS, CLIENTS, AT_ONCE = 657, 4, 100  # zeroloop ab plan --baseline 0.8 --effect 0.1
SENTENCES = PROJECT / "examples/sentiment/data/movie_reviews.tsv.gz"
LINEUP_SECONDS = 30.0


def run(api: Api, model: str) -> tuple[str, str]:
    """The test and what it came to, for the closing table."""
    lineup = api.get(path("models", model, "lineup"))
    done = begun(api, model, lineup)
    if done is not None:
        return f"A/B test {NAME}", done
    with progress.step(f"A/B test {NAME}: {UNITS} units predict and give feedback"):
        await_lineup(api, model)
        feedback(api, predictions(api, model))
    test = api.post(path("ab-tests", NAME, "decision"), {})
    [one] = api.get(path("ab-tests", NAME, "analysis"))["comparisons"]
    counted = (
        f"accuracy {one['control_mean']:.3f} in {one['control_units']} units of control, "
        f"{one['mean']:.3f} in {one['units']} of the treatment"
    )
    return f"A/B test {NAME}", f"{counted}; {test['verdict']} Decided: {test['decision']['choice']}"


def begun(api: Api, model: str, lineup: dict[str, Any]) -> str | None:
    """None if the test runs now; else why not, or what it came to in a demo before."""
    try:
        test = api.get(path("ab-tests", NAME))
    except ApiError as unknown:
        if unknown.status != 404:
            raise
    else:
        return None if test["state"] == "running" else f"{test['state']} before"
    order = {
        "name": NAME,
        "model": model,
        "control": lineup["champion"],
        "treatment": 1 if lineup["champion"] == 2 else 2,
        "traffic": 0.5,
        "unit": "reader",
        "metrics": [{"name": "accuracy", "kind": "proportion", "minimum_effect": EFFECT}],
        "guardrails": [{"metric": "accuracy", "max_harm": 0.1}],
        "planned_units": UNITS,
    }
    try:
        api.post("/ab-tests", order)
    except ApiError as refused:
        if refused.status != 409:
            raise
        return refused.message
    return None


def await_lineup(api: Api, model: str) -> None:
    """Until predict has read of the test."""
    deadline = clock.monotonic() + LINEUP_SECONDS
    while api.post(path("predict", model), {"text": "Ready?"}, repeat=True)["variant"] != "control":
        if clock.monotonic() > deadline:
            raise click.ClickException("predict does not take the test up")
        clock.sleep(1.0)
    clock.sleep(5.0)  # every other environment of predict's reads the lineup within this


def held_out() -> list[tuple[str, str]]:
    """Sentences of the part called test (examples/sentiment/dataset.py), which no version was made of, with labels."""
    lines = gzip.decompress(SENTENCES.read_bytes()).decode().splitlines()[1:]
    rated = [line.split("\t") for line in lines]
    return [
        (text, "positive" if float(mean) > 0 else "negative")
        for key, mean, text in rated
        if zlib.crc32(key.encode()) % 100 >= 85
    ][:UNITS]


def predictions(api: Api, model: str) -> list[dict[str, str]]:
    """Each reader's sentence is predicted: feedback of what it really is."""

    def one(numbered: tuple[int, tuple[str, str]]) -> dict[str, str]:
        number, (text, label) = numbered
        answer = api.post(path("predict", model), {"text": text, "unit": f"reader-{number}"}, repeat=True)
        return {"prediction_id": answer["prediction_id"], "label": label}

    with ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(one, enumerate(held_out())))


def feedback(api: Api, given: list[dict[str, str]]) -> None:
    """Send it, a hundred at once."""
    for start in range(0, len(given), AT_ONCE):
        told = api.call("POST", "/feedback", given[start : start + AT_ONCE], repeat=True)
        refused = [result for result in told["results"] if "code" in result]
        if refused:
            raise click.ClickException(f"feedback was refused: {refused[0]}")
