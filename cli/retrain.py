"""`zeroloop retrain MODEL`: from archived traffic and its labels to a registered candidate. It never promotes."""

from pathlib import Path
from typing import Any, NamedTuple

import click

from cli import assemble, gate, pipeline
from cli.account import Account, on_account
from cli.api import Api, path
from cli.local import tools
from cli.local.home import PROJECT
from cli.pipeline import with_python, with_uv
from cli.project import Place, model_of, run
from cli.show import Stopped, show
from cli.window import Window, in_window

HERE = "retrain"
"""What the results of these steps are called by, as those of the pipeline are by its environments."""


class Training(NamedTuple):
    """Where to train: by that interpreter, or in the environment that `uv` makes."""

    python: str | None = None
    uv: str | None = None

    def run(self, place: Place, step: str, *options: str) -> bool:
        """A step of the pipeline; whether the data was fit."""
        return run(place, step, *options, python=self.python, uv=self.uv)


@click.command("retrain")
@click.argument("name", metavar="MODEL")
@click.option(
    "--project",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with its pipeline.toml.  [default: the example of that name]",
)
@click.option("--work", type=click.Path(file_okay=False, path_type=Path), help="Folder of this run's results.")
@click.option("--least", default=200, show_default=True, help="Labelled predictions below which nothing is trained.")
@click.option(
    "--traffic",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Begin an A/B test of the candidate with this share.",
)
@with_python
@with_uv
@in_window
@on_account
def retrain_command(  # noqa: PLR0913 - click's form
    name: str,
    *,
    project: Path | None,
    work: Path | None,
    least: int,
    traffic: float | None,
    python: str | None,
    uv: str | None,
    span: Window,
    account: Account,
    as_json: bool,
) -> None:
    """Assemble, train, evaluate beside the champion, hold against the gates, register. Nothing is promoted.

    Exits 1 where a step stops it: too few labels, data that isn't fit, a gate that is missed.
    """
    folder = of_model(name, project).resolve()
    place = Place(name, folder, (work or PROJECT / ".zeroloop/retrain" / name).resolve())
    result = retrain(account, place, span, least, Training(python, python or tools.find_uv(uv)))
    place.write("retrained", result)
    if traffic is not None:
        result["test"] = begin_test(account.api, name, result["version"], traffic)
        place.write("retrained", result)
    show(result, as_json, told(result))


def of_model(name: str, project: Path | None = None) -> Path:
    """The folder whose pipeline.toml names the model: `project`, or an example.

    Raises
    ------
    click.UsageError
        There is none, or it makes another model.
    """
    if project:
        if (made := model_of(project)) != name:
            raise click.UsageError(
                f"{project} makes {made}, not {name}: its candidate would be registered as another's"
            )
        return project
    for file in sorted(PROJECT.glob("examples/*/pipeline.toml")):
        if model_of(file.parent) == name:
            return file.parent
    raise click.UsageError(f"no example makes {name}: name its folder with --project")


def retrain(account: Account, place: Place, span: Window, least: int, training: Training) -> dict[str, Any]:
    """The registered candidate, judged by the stack's gates.

    Raises
    ------
    Stopped
        By a step; its result is in the run's folder.
    """
    api, folder = account.api, place.work / "assembled"
    made = assemble.write(assemble.assemble(account, place.model, span), folder)
    if made["rows"] < least:
        raise Stopped(
            f"{made['rows']} predictions of {span} have a label, {least} are asked for (--window, --least); left out: "
            f"{assemble.left_out(made)}",
            made,
        )
    training.run(place, "combine", "--data", str(folder))
    made["left_out"] |= place.read("combined")["left_out"]
    data = ["--data", str(place.work / "combined")]
    last = pipeline.champions_evaluation(api, place)
    if not training.run(place, "validate", *data, *(["--last", str(last)] if last else [])):
        found = place.read("data")
        stops = [one["name"] for one in found["findings"] if not one["passed"]]
        raise Stopped(f"the data is not fit to train on: {', '.join(stops)}", found)
    training.run(place, "train", *data)
    champion = pipeline.champions_package(api, place, HERE)
    beside = ["--champion", str(champion)] if champion else []
    run(place, "evaluate", *data, *beside, python=None, uv=None)
    evaluation = place.read("evaluation")
    evaluation["data"]["assembled"] = made["digest"]
    evaluation["made"]["assembled"] = {key: made[key] for key in ("rows", "window")}
    evaluation["made"]["left_out"] = made["left_out"]
    place.write("evaluation", evaluation)
    verdict = gate.checked(place)
    if not verdict["passed"]:
        raise Stopped(f"the candidate was stopped by the gates:\n{gate.judged(verdict)}", verdict)
    return {**pipeline.registered(api, place, HERE), "metrics": evaluation["metrics"], "assembled": made}


def begin_test(api: Api, name: str, candidate: int, traffic: float) -> str:
    """An A/B test of the candidate against the champion, by the labels that come, which people decide; its name."""
    champion = api.get(path("models", name, "lineup"))["champion"]
    test = {
        "name": f"retrained-{name}-{candidate}"[:100],
        "model": name,
        "control": champion,
        "treatment": candidate,
        "traffic": traffic,
        "unit": "unit",
        "metrics": [{"name": "accuracy", "kind": "proportion", "minimum_effect": 0.05}],
        "guardrails": [{"metric": "accuracy", "max_harm": 0.1}],
        "auto_decide": False,
    }
    return str(api.post("/ab-tests", test)["name"])


def told(result: dict[str, Any]) -> str:
    """What came of it, in lines."""
    made, metrics = result["assembled"], result["metrics"]
    figures = ", ".join(f"{name} {one['value']:.4f}" for name, one in metrics.items())
    lines = [
        f"{made['rows']} labelled predictions, digest {made['digest']}",
        f"version {result['version']} is {result['state']}: {figures}; it passed its gates and serves nobody",
    ]
    if "test" in result:
        lines.append(f"the A/B test {result['test']} has begun")
    return "\n".join(lines)
