"""The docs are tested: what the code can say stands in them, and they say nothing that the code can't."""

import re
from collections.abc import Iterator
from pathlib import Path

import click

from cli.main import main

ROOT = Path(__file__).parents[2]
SOURCES = [*ROOT.glob("shared/zeroloop/**/*.py"), *ROOT.glob("functions/*/app.py")]


def test_every_code_of_a_refusal_is_documented_and_no_other() -> None:
    source = "\n".join(path.read_text() for path in SOURCES)
    said = set(re.findall(r"\bcode ?= ?\"([a-z_]+)\"", source)) | set(re.findall(r"\"code\": \"([a-z_]+)\"", source))
    documented = set(re.findall(r"^\| `([a-z_]+)` \|", (ROOT / "docs/errors.md").read_text(), re.MULTILINE))
    assert said == documented


def test_every_group_of_commands_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    for group in main.commands:
        assert f"zeroloop {group}" in readme or f"make {group}" in readme, group


def test_every_command_says_what_it_does() -> None:
    for name, command in commands("zeroloop", main):
        assert command.help, name
        assert all(parameter.help for parameter in command.params if isinstance(parameter, click.Option)), name


def commands(prefix: str, group: click.Group) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        yield f"{prefix} {name}", command
        if isinstance(command, click.Group):
            yield from commands(f"{prefix} {name}", command)


def test_every_local_link_of_a_page_leads_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]:
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
