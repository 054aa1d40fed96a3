"""GitHub's workflows: pinned, without keys, deploying from main alone, and of commands that exist."""

import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from cli.main import main

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PIPELINE = yaml.safe_load((ROOT / ".github/workflows/ml-pipeline.yml").read_text())
MAKEFILE = (ROOT / "Makefile").read_text()

each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


def steps(workflow: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def commands() -> list[list[str]]:
    """The pipeline's `zeroloop` commands, as a shell would read them; expressions are left out."""
    lines = [line for step in steps(PIPELINE) for line in step.get("run", "").splitlines()]
    return [shlex.split(re.sub(r"\$\{\{.*?\}\}", "", line)) for line in lines if line.startswith("zeroloop ")]


@each_file
def test_actions_are_pinned_by_commit_with_their_version_beside(file: Path) -> None:
    used = re.findall(r"uses: (.*)", file.read_text())
    assert used
    for one in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one), one


@each_file
def test_a_workflow_may_read_the_code_and_no_more_unless_it_says_so(file: Path) -> None:
    workflow = yaml.safe_load(file.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    asked = [job.get("permissions", {}) for job in workflow["jobs"].values()]
    granted = {name for permissions in asked for name, to in permissions.items() if to == "write"}
    assert granted <= {"id-token"}
    assert "secrets." not in file.read_text()


def test_only_main_deploys_and_each_environment_has_its_approval() -> None:
    for name in ("staging", "production"):
        job = PIPELINE["jobs"][name]
        assert job["if"] == "github.ref == 'refs/heads/main'"
        assert job["environment"] == name
    touching = {"register", "deploy", "promote", "set"}
    for step in PIPELINE["jobs"]["candidate"]["steps"]:
        assert not touching & set(shlex.split(re.sub(r"\$\{\{.*?\}\}", "", step.get("run", ""))))


def test_only_main_retrains() -> None:
    [job] = yaml.safe_load((ROOT / ".github/workflows/retrain.yml").read_text())["jobs"].values()
    assert (job["if"], job["environment"]) == ("github.ref == 'refs/heads/main'", "retraining")


def test_every_command_exists_with_its_options() -> None:
    context = click.Context(main)
    for words in commands():
        command: click.Command = main
        rest = words[1:]
        while isinstance(command, click.Group):
            found = command.get_command(context, rest.pop(0))
            assert found, words
            command = found
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in rest if word.startswith("--")} <= known, words


def test_make_pipeline_and_the_workflow_run_the_same_steps() -> None:
    def outline(text: str) -> set[tuple[str, ...]]:
        """Each command with the environments that it names."""
        lines = re.findall(r"zeroloop (?!local)((?:[a-z]+ )+)(.*)", text)
        return {(words.strip(), *re.findall(r"--(?:env|against) (\w+)", rest)) for words, rest in lines}

    made = MAKEFILE.partition("pipeline: setup")[2].partition("\n\n")[0]
    on_github = "\n".join(step.get("run", "") for step in steps(PIPELINE)).replace("gate set sentiment", "gate set")
    assert outline(made) == outline(on_github)
    assert len(outline(made)) == 10
