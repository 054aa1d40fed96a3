"""`zeroloop demo`: the whole loop on this machine, from nothing to a model that answers over HTTP."""

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click

from cli import batch, demo_abtest, demo_monitoring, demo_retraining, gate, model, pipeline, progress, project
from cli.api import Api, local_api, path
from cli.local import stack, tools
from cli.local.commands import in_home
from cli.local.home import PROJECT, Home
from cli.show import table

EXAMPLES = PROJECT / "examples"
SENTENCES = ("A wonderful, moving film.", "Two hours that I will never get back.")


class Row(NamedTuple):
    """A line of the closing table."""

    step: str
    result: str


@click.command()
@in_home
@click.option("--uv", envvar="UV", help="The uv to use.  [default: the one on PATH]")
@click.option("--retrain", is_flag=True, help="Answer the drift with a retrained candidate: some minutes more.")
def demo(home: Home, uv: str | None, *, retrain: bool) -> None:
    """Start the stack, then register, admit, promote and call two example models; the stack stays up."""
    uv = tools.find_uv(uv)
    record = stack.up(home, uv=uv, port=None, iam=False)
    api = local_api(home)
    rows = [
        *serve(api, home, "sentiment", ["sentiment/packages/small", "sentiment/packages/large"]),
        *serve(api, home, "machine", ["tabular/packages/v1", "tabular/packages/v2"]),
    ]
    rows += [Row(*said) for said in demo_monitoring.begin(api, partial(serve, api, home))]
    rows += [predict(api, "sentiment", {"text": sentence}) for sentence in SENTENCES]
    rows += [predict(api, "machine", {"features": first_features("tabular/packages/v2")})]
    rows += [score(api, home, "sentiment")]
    judged(api, home, "sentiment", EXAMPLES / "sentiment/packages/small")  # beside the champion of by now
    rows += [Row(*demo_abtest.run(api, "sentiment"))]
    rows += [Row(*said) for said in demo_monitoring.finish(api)]
    rows += [Row(*said) for said in (demo_retraining.run(home, uv) if retrain else [])]
    click.echo("\n" + table(["what ran", "result"], rows))
    click.echo(next_steps(record.api_url))


def serve(api: Api, home: Home, name: str, packages: list[str]) -> list[Row]:
    """Register, admit, judge by its gates and promote each package in turn, so that there is a previous champion."""
    rows = []
    gates = gate.read_gates(EXAMPLES / packages[0].partition("/")[0] / "gates.toml")
    gate.set_gates(api, name, gates, "demo")
    for package in packages:
        with progress.step(f"register {package} as {name}, admit, evaluate, promote"):
            version = judged(api, home, name, EXAMPLES / package)
            promoted = promote(api, name, version["version"])
        metrics = ", ".join(f"{metric} {value['value']:.3f}" for metric, value in version["metrics"].items())
        rows.append(Row(f"{name} version {version['version']} ({package})", f"READY, {metrics}; {promoted}"))
    lineup = api.get(path("models", name, "lineup"))
    return [*rows, Row(f"{name} lineup", model.told(lineup))]


def judged(api: Api, home: Home, name: str, package: Path) -> dict[str, Any]:
    """The READY version of a package, evaluated beside who serves and held against its gates."""
    place = project.Place(name, package.parents[1], home.path / "demo" / name / package.name)
    shutil.copytree(package, place.package, dirs_exist_ok=True)
    champion = pipeline.champions_package(api, place, "demo")
    project.run(place, "evaluate", *(["--champion", str(champion)] if champion else []), python=None, uv=None)
    number = pipeline.submitted(api, place, "demo")["version"]
    return api.get(path("models", name, "versions", number))


def promote(api: Api, name: str, number: int) -> str:
    """Promote a version unless it or a later one serves: a second demo leaves things as the first did."""
    champion = api.get(path("models", name, "lineup"))["champion"]
    if champion is not None and champion >= number:
        return "promoted before"
    api.post(path("models", name, "promote"), {"version": number, "reason": "demo"})
    return "promoted"


def predict(api: Api, name: str, body: dict[str, Any]) -> Row:
    """One prediction over HTTP."""
    answer = api.post(path("predict", name), body, repeat=True)
    said = f"{answer['prediction']} ({answer['confidence']:.3f}) by version {answer['model_version']}"
    return Row(f"predict {name} {json.dumps(next(iter(body.values())))[:60]}", said)


def score(api: Api, home: Home, name: str) -> Row:
    """A file of two sentences, scored as a batch."""
    file, result = home.path / "demo" / "sentences.csv", home.path / "demo" / "scored"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("text\n" + "".join(f'"{sentence}"\n' for sentence in SENTENCES))
    with progress.step(f"score {file.name} as a batch"):
        job = batch.watch(api, batch.begin(api, file, name))
    if job["status"] != "completed":
        raise click.ClickException(f"the batch job came to nothing: {job['error']}")
    batch.bring(api, job["job_id"], result)
    [first, *_] = (result / "part-00000-00000.jsonl").read_text().splitlines()
    said = json.loads(first)
    return Row(f"batch {file.name}", f"{job['rows']} rows in {result}: row 1 {said['prediction']}")


def first_features(package: str) -> dict[str, Any]:
    """The features of a package's first golden prediction."""
    description = json.loads((EXAMPLES / package / "package.json").read_text())
    return dict(description["golden"]["cases"][0]["instance"]["features"])


def next_steps(url: str) -> str:
    """What to try now, ready to paste."""
    return f"""
The stack is up. Try:
  curl -s '{url}/models'
  curl -s '{url}/models/sentiment/lineup'
  curl -s '{url}/predict/sentiment' -d '{{"text": "What a lovely day."}}'
  .venv/bin/zeroloop model rollback sentiment --reason "just looking"
  .venv/bin/zeroloop audit verify sentiment
  .venv/bin/zeroloop batch list
  .venv/bin/zeroloop ab analysis small-against-large
  .venv/bin/zeroloop monitor report sentiment
  .venv/bin/zeroloop local logs predict
  make down
"""
