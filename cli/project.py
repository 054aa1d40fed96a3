"""A model's folder with its `pipeline.toml`, and the folder that its pipeline's steps hand their results on in."""

import json
import subprocess
import sys
import tomllib
from collections.abc import Callable
from contextlib import nullcontext
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple

import click
import msgspec

from cli import environment, progress
from cli.local import tools
from cli.local.home import PROJECT, Home
from cli.model import manifest
from zeroloop.digests import package_digest
from zeroloop.registry.gates import Evaluation

UNFIT = 4
"""What `zeroloop_training.steps` ends with where data is not fit; anything else but 0 is a step that broke."""
STAGING, PRODUCTION = "staging", "production"


class Place(NamedTuple):
    """The model's name, its folder, and the folder of this run's results."""

    model: str
    folder: Path
    work: Path

    @property
    def package(self) -> Path:
        """What was trained."""
        return self.work / "package"

    def read(self, name: str) -> dict[str, Any]:
        """The result of a step before."""
        file = self.work / f"{name}.json"
        if not file.exists():
            raise click.ClickException(f"{file} is missing: the step that writes it has not run")
        return result(file)

    def write(self, name: str, result: dict[str, Any]) -> None:
        """Keep the result of a step."""
        self.work.mkdir(parents=True, exist_ok=True)
        (self.work / f"{name}.json").write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")


def result(file: Path) -> dict[str, Any]:
    """What a step wrote."""
    try:
        return dict(json.loads(file.read_text()))
    except (TypeError, ValueError) as error:
        raise click.ClickException(f"{file} is not what a step wrote: {error}") from error


def evaluation(place: Place) -> Evaluation:
    """What was found of the candidate; that of a package before it says nothing of this one."""
    try:
        found = msgspec.convert(place.read("evaluation"), Evaluation)
    except msgspec.ValidationError as error:
        raise click.ClickException(f"{place.work / 'evaluation.json'}: {error}; run `zeroloop evaluate`") from error
    same_bytes(found.digest, place, "evaluation.json", "evaluate")
    return found


def same_bytes(digest: str, place: Place, file: str, step: str) -> None:
    """Refuse the result of a step that was run on another package than the one that is there now."""
    candidate = package_digest(manifest(place.package))
    if digest != candidate:
        raise click.ClickException(
            f"{place.work / file} is of the package {digest[:12]}, the candidate is {candidate[:12]}: "
            f"run `zeroloop {step}` on it first"
        )


def in_project(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a step its PROJECT and its options, as `place` and `as_json`."""

    @click.argument("project", type=click.Path(exists=True, file_okay=False, path_type=Path))
    @click.option(
        "--work",
        type=click.Path(file_okay=False, path_type=Path),
        help="Folder of this run's results.  [default: .zeroloop/pipeline/MODEL]",
    )
    @click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
    @wraps(command)
    def placed(project: Path, work: Path | None, **rest: Any) -> Any:
        name = model_of(project)
        return command(
            place=Place(name, project.resolve(), (work or PROJECT / ".zeroloop/pipeline" / name).resolve()), **rest
        )

    return placed


def model_of(project: Path) -> str:
    """The name of the model that `project` makes."""
    file = project / "pipeline.toml"
    if not file.exists():
        raise click.ClickException(f"{file} is missing: docs/pipeline.md says what it holds")
    try:
        name = tomllib.loads(file.read_text()).get("model")
    except ValueError as error:
        raise click.ClickException(f"{file} is not TOML: {error}") from error
    if not isinstance(name, str) or not name:
        raise click.ClickException(f"{file}: the field `model` must say the name that the model is registered by")
    return name


def run(place: Place, step: str, *options: str, python: str | None, uv: str | None) -> bool:
    """Run a step of `zeroloop_training`; whether the data was fit. Without `python` and `uv` by this interpreter."""
    chosen = python or sys.executable
    if uv and not python:
        chosen = str(tools.install("train", Home(PROJECT / ".zeroloop"), uv) / "python")
    with progress.step(f"{step} {place.model}") if python or uv else nullcontext():
        done = subprocess.run(  # noqa: S603 - our own module
            [chosen, "-m", "zeroloop_training.steps", step, str(place.folder), "--work", str(place.work), *options],
            check=False,
            stdout=2,  # the standard error: the step's result is a file
            cwd=PROJECT,
            env=environment.whole(PYTHONPATH=f"{PROJECT / 'shared'}:{PROJECT}", TF_CPP_MIN_LOG_LEVEL="2"),
        )
    if done.returncode not in {0, UNFIT}:
        raise click.ClickException(f"the step {step} ended with {done.returncode}; what it said is above")
    return done.returncode == 0
