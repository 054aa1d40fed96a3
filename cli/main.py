"""The command `zeroloop` and its groups."""

import click

from cli.ab import ab
from cli.audit import audit
from cli.batch import batch
from cli.demo import demo
from cli.ingest import ingest
from cli.local.commands import local
from cli.model import model
from cli.monitor import monitor
from cli.predictions import predictions
from cli.runs import runs


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="zeroloop")
def main() -> None:
    """Track, register, serve and monitor models on a stack that scales to zero."""


for command in (demo, local, model, audit, runs, batch, ingest, predictions, monitor, ab):
    main.add_command(command)


if __name__ == "__main__":
    main()
