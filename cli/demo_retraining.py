"""The part of `zeroloop demo --retrain` that answers drift: labels for half of what came, and a candidate made of them.

The other half is what it is measured on. Labels are people's ratings, sent as feedback.
"""

import gzip
from collections.abc import Sequence
from typing import Any, NamedTuple

import click

from cli import assemble, progress, retrain
from cli.account import Account, find
from cli.api import Api, path
from cli.demo_abtest import feedback
from cli.demo_monitoring import A_REQUEST, DATA, MODEL, POLL_SECONDS, SECONDS, Said
from cli.local.home import PROJECT, Home
from cli.project import Place
from cli.window import Window
from zeroloop import clock

ROWS = 3_000
HOUR_MS = 3_600_000


class Rated(NamedTuple):
    """A sentence and what people say of it."""

    text: str
    label: str


def run(home: Home, uv: str) -> list[Said]:
    """A candidate for the model whose traffic drifted, and how right it and the champion are on what neither saw."""
    account, rated = find(None, home), editorials()
    champion = account.api.get(path("models", MODEL, "lineup"))["champion"]
    with progress.step(f"{ROWS} editorials to {MODEL}, and people's labels for half of them"):
        before = predict(account.api, [one.text for one in rated], champion)
        told = [
            {"prediction_id": answer["prediction_id"], "label": one.label}
            for answer, one in list(zip(before, rated, strict=True))[::2]
        ]
        feedback(account.api, told)
        span = Window(clock.now_ms() - HOUR_MS, clock.now_ms() + HOUR_MS)
        await_archive(account, span, {one["prediction_id"] for one in told})
    place = Place(MODEL, PROJECT / "examples/sentiment", home.path / "demo" / MODEL / "retrained")
    with progress.step(f"retrain {MODEL}: assemble, train, evaluate, gate, register"):
        made = retrain.retrain(account, place, span, len(told), retrain.Training(uv=uv))
    held_out = rated[1::2]
    after = predict(account.api, [one.text for one in held_out], made["version"])
    return [
        (f"retrained {MODEL}", retrain.told(made).partition("\n")[2]),
        (f"{len(held_out)} other editorials", compared(held_out, before[1::2], after)),
    ]


def editorials() -> list[Rated]:
    """As the sentiment example reads them."""
    lines = gzip.decompress((DATA / "nyt_editorials.tsv.gz").read_bytes()).decode().splitlines()[1 : ROWS + 1]
    split = (line.split("\t") for line in lines)
    return [Rated(text, "positive" if float(mean) > 0 else "negative") for _, mean, text in split]


def predict(api: Api, texts: Sequence[str], version: int) -> list[dict[str, Any]]:
    """What `version` answers, many a request."""
    found = []
    for start in range(0, len(texts), A_REQUEST):
        body = {"instances": [{"text": text} for text in texts[start : start + A_REQUEST]], "version": version}
        found += api.post(path("predict", MODEL), body, repeat=True)["predictions"]
    return found


def await_archive(account: Account, span: Window, ids: set[str]) -> None:
    """Until what was predicted, and what was said of it, is in the archive."""
    deadline = clock.monotonic() + SECONDS
    while not ids <= {row["prediction_id"] for row in assemble.rows(account, MODEL, span)}:
        if clock.monotonic() > deadline:
            raise click.ClickException("what was sent isn't archived: `zeroloop local logs ingest` says why")
        clock.sleep(POLL_SECONDS)


def compared(rated: Sequence[Rated], before: Sequence[dict[str, Any]], after: Sequence[dict[str, Any]]) -> str:
    """Accuracy of both, and the chance of as much were the candidate no better."""
    from zeroloop.stats.paired import p_worse  # noqa: PLC0415 - SciPy, a second that no other demo needs

    was, now = ([a["prediction"] == one.label for a, one in zip(some, rated, strict=True)] for some in (before, after))
    only_now = sum(b and not a for a, b in zip(was, now, strict=True))
    only_was = sum(a and not b for a, b in zip(was, now, strict=True))
    p_value = p_worse(only_now, only_was)
    return (
        f"accuracy {sum(was) / len(was):.3f} by the champion, {sum(now) / len(now):.3f} by the candidate "
        f"(p = {p_value:.1e} of being no better); the champion still serves"
    )
