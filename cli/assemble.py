"""`zeroloop data assemble MODEL`: a data set of what was predicted and what it came to, for a next training."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec

from cli.account import Account, on_account
from cli.api import path
from cli.show import show
from cli.window import Window, in_window
from zeroloop import clock
from zeroloop.digests import canonical, sha256
from zeroloop.monitoring import archived

ROWS, MANIFEST = "rows.jsonl", "manifest.json"


class Assembled(NamedTuple):
    """A data set's rows as canonical JSON lines, in an order that no clock has a part in, and what is known of it."""

    rows: list[bytes]
    manifest: dict[str, Any]


@click.command("assemble")
@click.argument("name", metavar="MODEL")
@click.option(
    "-o", "--output", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to write."
)
@in_window
@on_account
def assemble_command(name: str, output: Path, span: Window, account: Account, *, as_json: bool) -> None:
    """Write the predictions of MODEL that have a label, and what is kept of their inputs; exits 1 if none has."""
    made = write(assemble(account, name, span), output)
    labels = ", ".join(f"{n} {label}" for label, n in made["labels"].items())
    show(
        made,
        as_json,
        f"{made['rows']} rows in {output} ({labels}), digest {made['digest']}\nleft out: {left_out(made)}",
    )
    if not made["rows"]:
        raise SystemExit(1)


def left_out(made: dict[str, Any]) -> str:
    """What a manifest says was left out, and why."""
    return ", ".join(f"{n} {why}" for why, n in made["left_out"].items()) or "none"


def write(made: Assembled, folder: Path) -> dict[str, Any]:
    """Write rows and manifest; the manifest."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ROWS).write_bytes(b"".join(row + b"\n" for row in made.rows))
    (folder / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(made.manifest), indent=1) + b"\n")
    return made.manifest


def assemble(account: Account, name: str, span: Window) -> Assembled:
    """The labelled predictions of the window, sorted by their inputs, so that the same ones have the same digest.

    A row holds the input as it was sent where that is kept, else the features that the version saw. They mean nothing
    but under its preprocessing, whose digest stands in the row.
    """
    left_out: Counter[str] = Counter()
    found = list(rows(account, name, span, left_out))
    versions = Counter(row["version"] for row in found)
    preprocessing = {number: read_by(account, name, number) for number in sorted(versions)}
    for row in found:
        row["preprocessing"] = preprocessing[row["version"]]["digest"]
    found.sort(key=lambda row: (row["input_digest"] or "", row["time"], row["prediction_id"]))
    lines = [canonical(row) for row in found]
    manifest = {
        "model": name,
        "model_id": account.model_id(name),
        "digest": sha256(b"".join(line + b"\n" for line in lines)),
        "rows": len(found),
        "labels": dict(sorted(Counter(row["label"] for row in found).items())),
        "versions": {str(number): n for number, n in sorted(versions.items())},
        "preprocessing": list({one["digest"]: one for one in preprocessing.values()}.values()),
        "left_out": dict(left_out),
        "window": {"from": span.start, "to": span.end},
        "made": {"at": clock.iso(clock.now_ms())},
    }
    return Assembled(lines, manifest)


def rows(account: Account, name: str, span: Window, left_out: Counter[str] | None = None) -> Iterator[dict[str, Any]]:
    """Each labelled prediction of the window once, with its last label; counts what is `left_out`, and why."""
    model_id, left_out = account.model_id(name), Counter() if left_out is None else left_out
    labels = archived.labelled(account.archive, model_id, span.start, clock.now_ms() + 1)
    for record, told in archived.predicted(account.archive, model_id, span.start, span.end):
        label = labels.get(told.prediction_id)
        if label is None:
            left_out["without a label"] += 1
        elif told.features is None and told.instance is None:
            left_out["without their input"] += 1
        else:
            yield {
                "prediction_id": told.prediction_id,
                "time": record.time,
                "version": record.version,
                "predicted": told.label,
                "label": label.label,
                "input_digest": told.input_digest,
                **({"features": told.features} if told.instance is None else {"instance": told.instance}),
            }


def read_by(account: Account, name: str, number: int) -> dict[str, Any]:
    """How a version reads its inputs, by its package."""
    files = account.api.get(f"{path('models', name, 'versions', number)}/download")["files"]
    [described] = [file for file in files if file["path"] == "package.json"]
    package = msgspec.json.decode(account.api.download(described["url"]))
    return dict(package["preprocessing"])
