"""`zeroloop ab ...`: A/B tests from plan to decision."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from cli import project
from cli.api import Api, on_stack, path
from cli.model import pages
from cli.show import show, table, when

WINS, LOSES, UNDETERMINED, UNCHECKED = 0, 1, 2, 4


@click.group()
def ab() -> None:
    """Test versions of a model against each other on its users."""


@ab.command("plan")
@click.option(
    "--kind",
    type=click.Choice(["proportion", "mean", "ratio"]),
    default="proportion",
    show_default=True,
    help="What is measured of a unit.",
)
@click.option("--baseline", type=float, required=True, help="The control's proportion or mean today.")
@click.option("--effect", type=float, required=True, help="The relative change worth finding, as 0.05.")
@click.option("--deviation", type=float, help="Of a mean: the standard deviation of one unit's values.")
@click.option("--share", type=float, default=0.5, show_default=True, help="The treatment's share of the test.")
@click.option(
    "--alpha", type=float, default=0.05, show_default=True, help="How often a difference may be seen in none."
)
@click.option("--power", type=float, default=0.8, show_default=True, help="How often the effect is to be found.")
@click.option("--units-a-day", type=float, help="To be told how many days that takes.")
@on_stack
def plan_command(api: Api, as_json: bool, **asked: Any) -> None:  # noqa: FBT001 - click's form
    """Say how many units a test needs to find an effect."""
    order = {**asked, "minimum_effect": asked["effect"]}
    del order["effect"]
    planned = api.post("/ab-tests/plan", {key: value for key, value in order.items() if value is not None}, repeat=True)
    days = f", {planned['days']} days" if planned["days"] else ""
    show(planned, as_json, f"{planned['planned_units']:,} units of two arms ({planned['method']}){days}")


@ab.command("create")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@on_stack
def create_command(file: Path, api: Api, as_json: bool) -> None:  # noqa: FBT001
    """Begin the test that FILE describes, in JSON; docs/abtests.md has one."""
    try:
        order = json.loads(file.read_text())
    except ValueError as error:
        raise click.ClickException(f"{file} is not JSON: {error}") from error
    test = api.post("/ab-tests", order)
    show(test, as_json, told(test))


@ab.command("list")
@on_stack
def list_command(api: Api, as_json: bool) -> None:  # noqa: FBT001
    """Show the tests by name."""
    tests = pages(api, "/ab-tests", "tests", "after")
    rows = [
        [test["name"], test["model"], test["state"], test["mode"], when(test["created_at"]), chosen(test)]
        for test in tests
    ]
    show(tests, as_json, table(["test", "model", "state", "mode", "created", "decision"], rows))


@ab.command("analysis")
@click.argument("name")
@on_stack
def analysis_command(name: str, api: Api, as_json: bool) -> None:  # noqa: FBT001
    """Show what a test says now."""
    found = api.get(path("ab-tests", name, "analysis"))
    rows = [
        [
            one["metric"],
            one["arm"],
            f"{one['control_units']:,} + {one['units']:,}",
            number(one["control_mean"]),
            number(one["mean"]),
            interval(one["lift"], percent=True),
            interval(one["sequence"]),
        ]
        for one in found["comparisons"]
    ]
    head = ["metric", "arm", "units", "control", "treatment", "lift", "difference (always valid)"]
    parts = [found["verdict"], table(head, rows)]
    parts += [f"guardrail {one['metric']} of {one['arm']}: {held(one)}" for one in found["guardrails"]]
    parts += [
        f"shadow {arm} agrees in {one['agree']:,} of {one['agree'] + one['differ']:,}, failed in {one['failed']:,}"
        for arm, one in found.get("agreement", {}).items()
    ]
    show(found, as_json, "\n".join(parts))


def held(guardrail: dict[str, Any]) -> str:
    """Whether a guardrail holds, or why nobody knows."""
    return "BROKEN" if guardrail["broken"] else str(guardrail["excess"].get("reason", "holds"))


@ab.command("traffic")
@click.argument("name")
@click.argument("traffic", nargs=-1, required=True)
@on_stack
def traffic_command(name: str, traffic: tuple[str, ...], api: Api, as_json: bool) -> None:  # noqa: FBT001
    """Give the treatment another share, or several theirs (a=0.2 b=0.1); nobody who is in the test changes arms."""
    test = api.post(path("ab-tests", name, "traffic"), {"traffic": shares(traffic)}, repeat=True)
    show(test, as_json, told(test))


def shares(words: tuple[str, ...]) -> float | dict[str, float]:
    """One share, or each arm's."""
    try:
        if len(words) == 1 and "=" not in words[0]:
            return float(words[0])
        return {arm: float(share) for arm, share in (word.split("=") for word in words)}
    except ValueError as error:
        raise click.UsageError("the traffic is a share, as 0.2, or each arm's, as a=0.2 b=0.1") from error


@ab.command("stop")
@click.argument("name")
@click.option("--reason", required=True, help="Why; the audit keeps it.")
@on_stack
def stop_command(name: str, reason: str, api: Api, as_json: bool) -> None:  # noqa: FBT001
    """Return all traffic to control."""
    test = api.post(path("ab-tests", name, "stop"), {"reason": reason})
    show(test, as_json, told(test))


@ab.command("decide")
@click.argument("name")
@click.option("--choice", help="control or an arm; default what the analysis says.")
@click.option("--reason", default="", help="Why; with --choice always.")
@on_stack
def decide_command(name: str, choice: str | None, reason: str, api: Api, as_json: bool) -> None:  # noqa: FBT001
    """Let the winner, or whoever is chosen, serve."""
    test = api.post(path("ab-tests", name, "decision"), {"choice": choice, "reason": reason})
    show(test, as_json, f"{told(test)}: {test['verdict']}")


class Checking(click.Command):
    """A check that was not made is none that was lost: whatever breaks it ends with another code."""

    def make_context(self, *given: Any, **more: Any) -> click.Context:
        """Read the words."""
        with _unchecked():
            return super().make_context(*given, **more)

    def invoke(self, ctx: click.Context) -> Any:
        """Run it."""
        with _unchecked():
            return super().invoke(ctx)


@contextmanager
def _unchecked() -> Iterator[None]:
    try:
        yield
    except click.ClickException as error:
        error.exit_code = UNCHECKED  # type: ignore[misc]  # click reads it of the instance
        raise
    except OSError as error:
        refusal = click.ClickException(str(error))
        refusal.exit_code = UNCHECKED  # type: ignore[misc]
        raise refusal from error


@ab.command("check", cls=Checking)
@click.argument("name", required=False)
@click.option("--model", "model_name", help="With --version: the tests that it was a treatment in.")
@click.option("--version", type=int, help="The version that is to be promoted.")
@click.option(
    "--registered",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The result of `zeroloop register`, in place of --version.",
)
@click.option("--required", is_flag=True, help="A version without a test is undetermined, and not well.")
@on_stack
def check_command(  # noqa: PLR0913, PLR0917 - click's form
    name: str | None,
    model_name: str | None,
    version: int | None,
    registered: Path | None,
    required: bool,  # noqa: FBT001
    api: Api,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Exit 0 if the treatment wins or no test is required, 1 if it loses, 2 if that is undetermined: for a pipeline.

    4 where nothing could be found out: no such test or model, an API that can't be reached.
    """
    if registered:
        version = project.result(registered).get("version")
    names = [name] if name else tested(api, model_name, version)
    if not names:
        text = f"no test has version {version} of {model_name} as a treatment"
        show({"tests": [], "outcome": None}, as_json, text if required else f"{text}, and none is required")
        raise SystemExit(UNDETERMINED if required else WINS)
    found = [api.get(path("ab-tests", one, "analysis")) for one in names]
    last = found[-1]
    test = api.get(path("ab-tests", names[-1]))
    outcome = outcome_for(last, test, version)
    because = decided_for_control(test) or last["verdict"]
    show({"tests": names, "outcome": outcome, "verdict": last["verdict"]}, as_json, f"{outcome}: {because}")
    raise SystemExit({"wins": WINS, "loses": LOSES}.get(outcome, UNDETERMINED))


def tested(api: Api, model: str | None, version: int | None) -> list[str]:
    """Names of the tests which a version was a treatment of, oldest first, whatever the model was called then."""
    if not (model and version):
        raise click.UsageError("name a test, or --model and --version")
    model_id = api.get(path("models", model, "versions", version))["model_id"]
    tests = [
        test
        for test in pages(api, "/ab-tests", "tests", "after")
        if test["model_id"] == model_id and version in test["treatments"].values() and test["mode"] == "ab"
    ]
    return [str(test["name"]) for test in sorted(tests, key=lambda test: int(test["created_at"]))]


def outcome_for(analysis: dict[str, Any], test: dict[str, Any], version: int | None) -> str:
    """Of several treatments, what the test says of `version`; what broke a guardrail loses, as all do to control."""
    asked = {arm for arm, number in test["treatments"].items() if version in {None, number}}
    if decided_for_control(test) or asked <= {key.rpartition("/")[2] for key in test["harmed"]}:
        return "loses"
    if version is None or analysis["outcome"] != "wins":
        return str(analysis["outcome"])
    return "wins" if test["treatments"][analysis["winner"]] == version else "loses"


def decided_for_control(test: dict[str, Any]) -> str | None:
    """Why control was chosen, if it was."""
    decision = test["decision"]
    if not decision or not decision["applied"] or decision["choice"] != "control":
        return None
    return f"it was decided for control by {decision['actor']}: {decision['reason']}"


def told(test: dict[str, Any]) -> str:
    """A test in a line."""
    arms = ", ".join(
        f"{arm} version {version} with {test['traffic'][arm]:.0%}" for arm, version in test["treatments"].items()
    )
    because = test["stopped_because"] or test["undecided_because"]
    why = f" ({because})" if because else ""
    end = f", decided: {chosen(test)}" if test["decision"] else why
    return f"{test['name']} of {test['model']} {test['state']}: control version {test['control']}, {arms}{end}"


def chosen(test: dict[str, Any]) -> str:
    """Who serves by the decision."""
    return str(test["decision"]["choice"]) if test["decision"] else "-"


def number(value: float | None) -> str:
    """A mean, or a dash."""
    return "-" if value is None else f"{value:.4g}"


def interval(found: dict[str, Any], *, percent: bool = False) -> str:
    """An estimate with its limits, or why there is none."""
    if "reason" in found:
        return str(found["reason"])
    form = "{:+.1%}" if percent else "{:+.4g}"
    value, lower, upper = (form.format(found[key]) for key in ("value", "lower", "upper"))
    return f"{value} ({lower} to {upper})"
