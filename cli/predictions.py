"""`zeroloop predictions ...`: the archive of what was predicted."""

from collections.abc import Iterator, Sequence

import click

from cli.account import Account, on_account
from cli.show import show
from zeroloop import clock
from zeroloop.errors import Conflict, InvalidInput
from zeroloop.inference.receipts import Receipt, claimed
from zeroloop.monitoring.archive import Archive


@click.group()
def predictions() -> None:
    """Look after the archive of predictions."""


@predictions.command("erase")
@click.argument("prediction_ids", nargs=-1, required=True, metavar="PREDICTION_ID...")
@on_account
def erase_command(prediction_ids: Sequence[str], account: Account, as_json: bool) -> None:  # noqa: FBT001
    """Erase predictions, and feedback for them, from the archive for good; what was counted of them stays counted.

    A run that broke off is finished by the next, also where that counts 0: older versions of what it wrote go then.
    """
    try:
        receipts = [claimed(prediction_id) for prediction_id in prediction_ids]
    except InvalidInput as error:
        raise click.BadParameter(error.message, param_hint="PREDICTION_ID") from error
    ids = frozenset(prediction_ids)
    keys = {key for receipt in receipts for key in places(account.archive, receipt)}
    try:
        erased = account.archive.erase(keys, ids)
    except Conflict as error:
        raise click.ClickException("another erasure was faster: run it again") from error
    show({"erased": erased}, as_json, f"erased {erased} records; log groups keep theirs for LogRetentionDays")


def places(archive: Archive, receipt: Receipt) -> Iterator[str]:
    """The objects in which a prediction, or feedback for it, may lie."""
    now = clock.now_ms() + 1
    yield from archive.keys("predictions", receipt.model_id, receipt.time, receipt.time + 1)
    yield from archive.keys("aside", "", receipt.time, now)  # by when it was logged, as feedback may be any day
    yield from archive.keys("feedback", receipt.model_id, receipt.time, now)
