"""The command `zeroloop` and its groups."""

import click

from cli.local.commands import local


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="zeroloop")
def main() -> None:
    """Track, register, serve and monitor models on a stack that scales to zero."""


main.add_command(local)
