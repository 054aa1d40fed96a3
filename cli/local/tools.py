"""The emulator and the SAM CLI, each in an environment of its own, from the project's lock."""

import shutil
import sys
from pathlib import Path

import click

from cli import environment, progress
from cli.local.home import PROJECT, Home

ENVIRONMENTS = PROJECT / ".zeroloop" / "env"


def install(group: str, home: Home, uv: str) -> Path:
    """Bring the environment of a dependency group up to date; the folder of its commands."""
    folder = ENVIRONMENTS / group
    progress.run(
        f"environment of {group}",
        [uv, "sync", "--frozen", "--only-group", group, "--no-install-project", "--python", sys.executable],
        log=home.log(f"environment-{group}"),
        environment=environment.without_aws(UV_PROJECT_ENVIRONMENT=str(folder), UV_PROJECT=str(PROJECT)),
        advice="It needs the package index: check the network, then try again.",
    )
    return folder / "bin"


def find_uv(given: str | None) -> str:
    """The uv to use: what was given, one on PATH, or the Makefile's own."""
    own = PROJECT / ".zeroloop" / "uv" / "bin" / "uv"
    found = given or shutil.which("uv") or (str(own) if own.exists() else None)
    if not found:
        raise click.ClickException("uv was not found; run `make setup`, which installs it for this project.")
    return found
