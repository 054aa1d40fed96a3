"""`zeroloop runs ...`: what trainings logged."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import click

from cli.api import Api, on_stack
from cli.show import show, table

GAP = "(none)"


@click.group()
def runs() -> None:
    """Look at what trainings logged."""


@runs.command("compare")
@click.argument("run_ids", nargs=-1, required=True, metavar="RUN_ID RUN_ID...")
@on_stack
def compare_command(run_ids: Sequence[str], api: Api, as_json: bool) -> None:  # noqa: FBT001 - click's form
    """Show parameters and latest metrics of runs side by side."""
    compared = api.get(f"/runs/compare?run_ids={','.join(quote(run_id, safe='') for run_id in run_ids)}")
    show(compared, as_json, side_by_side(compared))


@runs.command("purge")
@on_stack
def purge_command(api: Api, as_json: bool) -> None:  # noqa: FBT001 - click's form
    """Remove what is left of runs and experiments whose DeletedRunsDays are over; may be broken off and begun again."""
    removed, more = 0, True
    while more:
        answer = api.post("/runs/purge", {})
        removed, more = removed + answer["removed"], answer["more"]
    show({"removed": removed}, as_json, f"removed {removed:,} rows")


def side_by_side(compared: Mapping[str, Any]) -> str:
    """A row a key, a column a run; `(none)` where a run lacks the key."""
    rows = [
        [kind, key, *(GAP if value is None else value for value in values)]
        for kind in ("params", "metrics")
        for key, values in sorted(compared[kind].items())
    ]
    return table(["", "key", *compared["run_ids"]], rows)
