"""The part of `zeroloop demo` that shows monitoring: traffic as in training, then from another domain."""

import gzip
from collections.abc import Callable, Sequence
from typing import Any
from zlib import crc32

import click

from cli import progress
from cli.api import Api, path
from cli.local.home import PROJECT
from zeroloop import clock

DATA = PROJECT / "examples/sentiment/data"
FILES = {"movie sentences": "movie_reviews.tsv.gz", "editorials": "nyt_editorials.tsv.gz"}
MODEL = "sentiment-abroad"
ROWS = 300
A_REQUEST = 100
SECONDS = 240.0
POLL_SECONDS = 2.0
SETTINGS = {"drift_minutes": 1, "settle_seconds": 5, "running": 1}
"""Windows of a minute, one of which is enough: a demo doesn't wait for hours."""

Said = tuple[str, str]


def begin(api: Api, serve: Callable[[str, list[str]], Any]) -> list[Said]:
    """Traffic as in training to `sentiment` and a second model, then editorials to that; a report of each, made now."""
    serve(MODEL, ["sentiment/packages/small"])
    api.call("PUT", path("models", MODEL, "monitor"), SETTINGS, repeat=True)
    traffic = [("sentiment", "movie sentences"), (MODEL, "movie sentences"), (MODEL, "editorials")]
    return [(f"report {name}, {ROWS} {kind}", said(reported(api, name, kind))) for name, kind in traffic]


def finish(api: Api) -> list[Said]:
    """The alert that the schedule makes of it, by itself."""
    with progress.step("wait for the schedule to find the drift, at most some minutes"):
        deadline = clock.monotonic() + SECONDS
        while not (found := [one for one in alerts(api) if one["kind"] == "drift"]):
            if clock.monotonic() > deadline:
                raise click.ClickException("no alert came: `zeroloop local logs monitor` says what the schedule did")
            clock.sleep(POLL_SECONDS)
    return [(f"alert {MODEL} ({len(found)}, by the schedule)", found[-1]["told"])]


def send(api: Api, name: str, texts: Sequence[str]) -> None:
    """Predict `texts`, many a request."""
    for start in range(0, len(texts), A_REQUEST):
        instances = [{"text": text} for text in texts[start : start + A_REQUEST]]
        api.post(path("predict", name), {"instances": instances}, repeat=True)


def counted(api: Api, name: str) -> int:
    """Predictions of the last hour."""
    return int(api.get(f"{path('models', name, 'metrics')}?window=60m")["total"])


def reported(api: Api, name: str, kind: str) -> dict[str, Any]:
    """A report of the last two minutes, once the log has brought some more of a `kind`."""
    with progress.step(f"{ROWS} {kind} to {name}"):
        before = counted(api, name)
        send(api, name, sentences(FILES[kind], before))
        deadline = clock.monotonic() + SECONDS
        while counted(api, name) < before + ROWS:
            if clock.monotonic() > deadline:
                raise click.ClickException("what was sent isn't counted: `zeroloop local logs ingest` says why")
            clock.sleep(POLL_SECONDS)
        return dict(api.post(path("models", name, "reports"), {"window": "2m"}))


def said(report: dict[str, Any]) -> str:
    """A report in a line."""
    p_value = report["reason"] if report["p_value"] is None else f"p = {report['p_value']:.1e}"
    return f"{report['status']}, {p_value}, {report['n']} predictions"


def alerts(api: Api) -> list[dict[str, Any]]:
    """What changed, newest first."""
    return list(api.get(path("models", MODEL, "alerts"))["alerts"])


def sentences(file: str, before: int) -> list[str]:
    """Some that training never saw, by their ids: words that it knows would make the others look drifted.

    Others each time, after `before` of them: what is sent twice isn't like the baseline, where each stands once.
    """
    lines = [line.split("\t") for line in gzip.decompress((DATA / file).read_bytes()).decode().splitlines()[1:]]
    unseen = [text for key, _, text in lines if crc32(key.encode()) % 100 >= 85]
    start = before // ROWS * ROWS % (len(unseen) // ROWS * ROWS)
    return unseen[start : start + ROWS]
