"""The command `zeroloop` and its groups."""

import json
from typing import Any

import click

from cli.ab import ab
from cli.assemble import assemble_command
from cli.audit import audit
from cli.batch import batch
from cli.card import card
from cli.demo import demo
from cli.gate import gate
from cli.gc import gc
from cli.ingest import ingest
from cli.lineage import used_command
from cli.local.commands import local
from cli.model import model
from cli.monitor import monitor
from cli.pipeline import data, deploy_command, evaluate_command, promote_command, register_command, train_command
from cli.predictions import predictions
from cli.replay import replay_command
from cli.retrain import retrain_command
from cli.runs import runs
from cli.show import Stopped
from cli.trace import trace_command


class Told(click.Group):
    """A file that can't be read or written is told in a line, as what a command itself refuses is.

    With --json a refusal is JSON on the standard output, too.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was typed."""
        as_json = "--json" in ctx.args
        try:
            return super().invoke(ctx)
        except OSError as error:
            if error.filename is None:
                raise
            refusal = click.ClickException(f"{error.filename}: {error.strerror}")
            raise _told(refusal, as_json=as_json) from error
        except click.ClickException as error:
            raise _told(error, as_json=as_json) from error.__cause__


def _told(error: click.ClickException, *, as_json: bool) -> click.ClickException:
    if as_json and not isinstance(error, Stopped):
        click.echo(json.dumps({"error": error.format_message()}, indent=2))
    return error


@click.group(cls=Told, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="zeroloop")
def main() -> None:
    """Track, register, serve and monitor models on a stack that scales to zero."""


for command in (demo, local, model, audit, runs, batch, ingest, predictions, monitor, ab, card, gc):
    main.add_command(command)
data.add_command(used_command)
data.add_command(assemble_command)
for looking_back in (trace_command, replay_command, retrain_command):
    main.add_command(looking_back)
for step in (data, train_command, evaluate_command, gate, register_command, deploy_command, promote_command):
    main.add_command(step)


if __name__ == "__main__":
    main()
