"""`zeroloop ingest ...`: what was given up, and whether what was counted is what was logged."""

import json
from datetime import datetime
from typing import Any

import botocore.session
import click
from botocore.config import Config

from cli.account import Account, on_account
from cli.show import show, table
from zeroloop.errors import InvalidInput
from zeroloop.monitoring.frames import Frames
from zeroloop.monitoring.recounting import differences
from zeroloop.objects import client

HIDDEN_SECONDS = 180  # longer than ingest may take
EXAMPLE = "2026-11-28T09:00Z"


@click.group()
def ingest() -> None:
    """Look after the counts of predictions."""


@ingest.command("replay")
@on_account
def replay_command(account: Account, as_json: bool) -> None:  # noqa: FBT001 - click's form
    """Count the deliveries that were given up, each once; those that fail again stay. Exits 1 if any did."""
    counted, failed = replay(account)
    why = "".join(f"\n{reason}" for reason in failed)
    show({"counted": counted, "failed": failed}, as_json, f"{counted} counted, {len(failed)} failed again{why}")
    if failed:
        raise SystemExit(1)


@ingest.command("reconcile")
@click.argument("model")
@click.option("--start", required=True, help=f"From this minute on: {EXAMPLE}.")
@click.option("--end", required=True, help="To before this one.")
@on_account
def reconcile_command(model: str, start: str, end: str, account: Account, as_json: bool) -> None:  # noqa: FBT001
    """Compare what was counted of MODEL with its archive, each prediction once; exits 1 if they differ."""
    frames, model_id = Frames(account.registered), account.model_id(model)
    try:
        found = differences(account.store, account.archive, frames, model_id, minute(start), minute(end))
    except InvalidInput as error:
        raise click.BadParameter(error.message, param_hint=f"--{error.field}") from error
    rows = [
        [version, variant, name, f"{n:+}"] for (version, variant), some in found.items() for name, n in some.items()
    ]
    told: list[dict[str, Any]] = [
        {"version": version, "variant": variant, "counted_more": some} for (version, variant), some in found.items()
    ]
    text = table(["version", "variant", "counter", "counted more"], rows) if rows else "counted as archived"
    show(told, as_json, text)
    if found:
        raise SystemExit(1)


def replay(account: Account) -> tuple[int, list[str]]:
    """How many deliveries in the queue were counted, and why others failed; each is tried once a run."""
    queue, counted, failed = account.outputs["IngestFailures"], 0, list[str]()
    tried: set[str] = set()
    patient = Config(read_timeout=HIDDEN_SECONDS, retries={"max_attempts": 0})
    functions: Any = botocore.session.get_session().create_client("lambda", config=patient)
    while (
        messages := client("sqs")
        .receive_message(QueueUrl=queue, MaxNumberOfMessages=10, VisibilityTimeout=HIDDEN_SECONDS)
        .get("Messages")
    ):
        for message in messages:
            if message["MessageId"] in tried:  # the run took so long that it is seen again
                return counted, failed
            tried.add(message["MessageId"])
            event = json.loads(message["Body"])["requestPayload"]
            answer = functions.invoke(
                FunctionName=account.outputs["IngestFunction"], Qualifier="live", Payload=json.dumps(event).encode()
            )
            if "FunctionError" in answer:
                failed.append(json.load(answer["Payload"]).get("errorMessage", "no reason was given"))
                continue
            client("sqs").delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            counted += 1
    return counted, failed


def minute(text: str) -> int:
    """The minute since 1970 that an ISO 8601 instant with its offset names."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no time like {EXAMPLE}") from error
    if at.tzinfo is None:
        raise click.BadParameter(f"{text!r} lacks Z or an offset, as {EXAMPLE} has")
    return int(at.timestamp()) // 60
