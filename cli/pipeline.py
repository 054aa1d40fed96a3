"""The pipeline, a command a step: `data validate`, `train`, `evaluate`, `register`, `deploy`, `promote`.

Each exits 0 or stops the pipeline with another code, leaves its result as JSON in the run's folder, and prints it for
people or with --json for programs. The same commands run on a laptop and in .github/workflows/ml-pipeline.yml.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from cli import gate, model
from cli.api import Api, ApiError, environment_api, path
from cli.local import tools
from cli.project import PRODUCTION, STAGING, Place, evaluation, in_project, run, same_bytes
from cli.show import Stopped, show, table
from zeroloop import clock
from zeroloop.inference import package as packages
from zeroloop.registry.gates import Evaluation, Measured


class Waiting(Stopped):
    """A promotion that waits for an approval."""

    exit_code = 3


SERVES_SECONDS = 40.0
"""Predict knows a lineup for 5 s, and in an outage of the table for 30."""

with_data = click.option(
    "--data", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Other data than the project's own."
)
with_python = click.option("--python", help="Interpreter with what training needs.  [default: one that uv makes]")
with_uv = click.option("--uv", envvar="UV", help="The uv to use.  [default: the one on PATH]")
in_environment = click.option("--env", "env", default=STAGING, show_default=True, help="Which stack.")


@click.group()
def data() -> None:
    """Look at the data that models are made of."""


@data.command("validate")
@in_project
@with_data
@with_python
@with_uv
@click.option("--env", "env", help="Compare with the data of this environment's champion.")
def validate_command(  # noqa: PLR0913 - click's form
    place: Place, data: Path | None, python: str | None, uv: str | None, env: str | None, *, as_json: bool
) -> None:
    """Check the data of PROJECT, and write its manifest; exits 1 if it is not fit to train on."""
    last = champions_evaluation(environment_api(env), place) if env else None
    options = [*_file("--data", data), *_file("--last", last)]
    passed = run(place, "validate", *options, python=python, uv=python or tools.find_uv(uv))
    result = place.read("data")
    rows = [["ok" if one["passed"] else "STOP", one["name"], one["says"]] for one in result["findings"]]
    digest = (result["data"] or {}).get("digest", "none")
    show(result, as_json, f"{table(['', 'check', 'found'], rows)}\ndata {digest}")
    if not passed:
        raise SystemExit(1)


@click.command("train")
@in_project
@with_data
@with_python
@with_uv
def train_command(place: Place, data: Path | None, python: str | None, uv: str | None, *, as_json: bool) -> None:
    """Train the candidate of PROJECT, and say how it compares with a training before."""
    run(place, "train", *_file("--data", data), python=python, uv=python or tools.find_uv(uv))
    result = place.read("trained")
    show(result, as_json, f"package {result['digest']}{_repeated(result['repeated'])}")


def _repeated(found: dict[str, Any] | None) -> str:
    if not found:
        return ""
    if found["same_digest"]:
        return "\ntrained again: the same digest"
    allowed = f"within {found['tolerance']['metric']} of a metric and {found['tolerance']['score']} of a golden score"
    beyond = "; ".join(found["differences"])
    return f"\ntrained again: another digest, {f'and not {allowed}: {beyond}' if beyond else f'and {allowed}'}"


@click.command("evaluate")
@in_project
@with_data
@click.option("--python", help="Interpreter with NumPy, SciPy and LiteRT.  [default: the command's own]")
@click.option("--against", multiple=True, help="Environments whose champions to compare with.  [default: none]")
def evaluate_command(
    place: Place, data: Path | None, python: str | None, against: Sequence[str], *, as_json: bool
) -> None:
    """Measure the candidate on held-out rows, by slices too, and beside the champions on the same rows."""
    champions = [found for env in against if (found := champions_package(environment_api(env), place, env))]
    options = [*_file("--data", data), *(word for folder in champions for word in ("--champion", str(folder)))]
    run(place, "evaluate", *options, python=python, uv=None)
    show(place.read("evaluation"), as_json, evaluated(evaluation(place)))


def evaluated(found: Evaluation) -> str:
    """An evaluation in a few lines."""
    rows = [[name, f"{m.value:.4f}", _interval(m), m.n or "-"] for name, m in found.metrics.items()]
    for one in found.slices:
        name = f"accuracy where {one.of} is {one.name}"
        if one.accuracy is None:
            rows.append([name, "suppressed", "-", one.n])
        else:
            rows.append([name, f"{one.accuracy.value:.4f}", _interval(one.accuracy), one.n])
    beside = [
        f"beside {digest[:12]}: {found.only_candidate} rows only this one has right, {found.only_champion} only that "
        f"one, p = {found.p_worse:.3g} of as many or more, were both alike"
        for digest, found in found.comparisons.items()
    ]
    return "\n".join([table(["metric", "value", "95%", "n"], rows), f"p95 {found.p95_ms} ms", *beside])


def _interval(measured: Measured) -> str:
    return "-" if measured.lower is None else f"{measured.lower:.4f} to {measured.upper:.4f}"


@click.command("register")
@in_project
@in_environment
def register_command(place: Place, env: str, *, as_json: bool) -> None:
    """Register the candidate, wait for its admission, and submit its evaluation; exits 1 where it may not serve."""
    result = registered(environment_api(env), place, env)
    show(result, as_json, f"{env}: {place.model} version {result['version']} is {result['state']}, {_green(result)}")


def registered(api: Api, place: Place, env: str) -> dict[str, Any]:
    """As `submitted`.

    Raises
    ------
    Stopped
        By admission, or by the gates.
    """
    result = submitted(api, place, env)
    if result["verdict"] and not result["verdict"]["passed"]:
        says = f"version {result['version']} was stopped by its gates:\n{gate.judged(result['verdict'])}"
        raise Stopped(says, result)
    return result


def submitted(api: Api, place: Place, env: str) -> dict[str, Any]:
    """The version that the candidate's bytes are in `env`, READY and judged there."""
    found = msgspec.to_builtins(evaluation(place))
    version = model.register(api, place.package, place.model)
    if version["state"] != "READY":
        raise Stopped(f"version {version['version']} is {version['state']}: {version['reason']}", version)
    here = path("models", place.model, "versions", version["version"], "evaluation")
    try:
        told = api.post(here, found, repeat=True)
    except ApiError as error:
        if error.code != "served":
            raise
        click.echo(f"{env}: {error.message}; it is judged by that", err=True)
        told = api.get(here)
    result = {"env": env, **{name: version[name] for name in ("version", "version_id", "digest", "state")}}
    result["verdict"] = told["verdict"]
    place.write(f"registered-{env}", result)
    return result


def _green(result: dict[str, Any]) -> str:
    return "its gates are passed" if result["verdict"] else "the model has no gates"


@click.command("deploy")
@in_project
@in_environment
@click.option("--reason", default="pipeline", show_default=True, help="Why; the audit keeps it.")
def deploy_command(place: Place, env: str, reason: str, *, as_json: bool) -> None:
    """Promote the registered candidate on a stack, and ask that for the candidate's golden predictions."""
    result = served(environment_api(env), place, env, reason)
    show(result, as_json, _serving(place, result))


@click.command("promote")
@in_project
@click.option("--env", "env", default=PRODUCTION, show_default=True, help="Which stack.")
@click.option("--reason", default="pipeline", show_default=True, help="Why; the audit keeps it.")
def promote_command(place: Place, env: str, reason: str, *, as_json: bool) -> None:
    """Bring to production what was proved on staging: the same bytes, judged again by production's own gates.

    Exits 3 where it waits for an approval (`zeroloop model approve`); then run it again.
    """
    proved = place.read(f"deployed-{STAGING}")
    same_bytes(proved["digest"], place, f"deployed-{STAGING}.json", f"deploy --env {STAGING}")
    api = environment_api(env)
    registered(api, place, env)
    try:
        result = served(api, place, env, reason)
    except ApiError as error:
        if error.code != "not_approved":
            raise
        raise Waiting(error.message, error.result) from error
    show(result, as_json, _serving(place, result))


def _serving(place: Place, result: dict[str, Any]) -> str:
    smoke = f"{result['golden']} golden predictions hold"
    return f"{result['env']}: {place.model} version {result['version']} serves, {smoke}; package {result['digest']}"


def served(api: Api, place: Place, env: str, reason: str) -> dict[str, Any]:
    """Promote what was registered in `env`, unless it serves already, and see that it answers."""
    version = place.read(f"registered-{env}")
    same_bytes(version["digest"], place, f"registered-{env}.json", f"register --env {env}")
    number = version["version"]
    if api.get(path("models", place.model, "lineup"))["champion"] != number:
        api.post(path("models", place.model, "promote"), {"version": number, "reason": reason})
    n_golden = smoke(api, place, number)
    result = {"env": env, "version": number, "digest": version["digest"], "golden": n_golden}
    place.write(f"deployed-{env}", result)
    return result


def smoke(api: Api, place: Place, number: int) -> int:
    """Ask for the golden predictions over HTTP until callers get the new version; how many there were.

    Raises
    ------
    click.ClickException
        One is off, or another version still answers after 40 s.
    """
    package = packages.read((place.package / "package.json").read_bytes())
    deadline = clock.monotonic() + SERVES_SECONDS
    for case in package.golden.cases:
        answer = api.post(path("predict", place.model), case.instance, repeat=True)
        while answer["model_version"] != number and clock.monotonic() < deadline:
            clock.sleep(0.5)
            answer = api.post(path("predict", place.model), case.instance, repeat=True)
        if answer["model_version"] != number:
            raise click.ClickException(f"version {answer['model_version']} still answers, not {number}")
        off = max(abs(answer["scores"][label] - score) for label, score in case.scores.items())
        if off > package.golden.tolerance:
            raise click.ClickException(f"{case.instance} is off by {off:.4g}: {answer['scores']}, not {case.scores}")
    return len(package.golden.cases)


def champions_package(api: Api, place: Place, env: str) -> Path | None:
    """The files of who serves in `env`, downloaded and verified; None where nobody does."""
    number = _champion(api, place.model)
    if number is None:
        return None
    folder = place.work / f"champion-{env}"
    shutil.rmtree(folder, ignore_errors=True)
    model.download(api, place.model, number, folder)
    return folder


def champions_evaluation(api: Api, place: Place) -> Path | None:
    """What was found of who serves, as a file; None where nobody does, or nothing was found."""
    number = _champion(api, place.model)
    if number is None:
        return None
    found = api.find(path("models", place.model, "versions", number, "evaluation"))
    if found is None:
        return None
    place.write("champion", found["evaluation"])
    return place.work / "champion.json"


def _champion(api: Api, name: str) -> int | None:
    lineup = api.find(path("models", name, "lineup"))
    return lineup["champion"] if lineup else None


def _file(option: str, file: Path | None) -> list[str]:
    return [option, str(file.resolve())] if file else []
