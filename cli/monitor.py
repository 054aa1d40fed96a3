"""`zeroloop monitor ...`: how a model does, by what its traffic says."""

from typing import Any

import click

from cli.api import Api, on_stack, path
from cli.show import show, table, when


@click.group()
def monitor() -> None:
    """How a model does: metrics, drift reports, alerts."""


@monitor.command("metrics")
@click.argument("name", metavar="MODEL")
@click.option("--window", default="60m", show_default=True, help="How far back: 60m, 24h or 7d.")
@click.option("--version", type=int, help="One version only.")
@on_stack
def metrics_command(name: str, window: str, version: int | None, api: Api, as_json: bool) -> None:  # noqa: FBT001 - click's form
    """Show latency, errors, answers and accuracy of MODEL."""
    only = f"&version={version}" if version else ""
    found = api.get(f"{path('models', name, 'metrics')}?window={window}{only}")
    rows = [
        ["predictions", found["total"]],
        ["requests", found["requests"]["total"]],
        ["p50 / p95 / p99 ms", " / ".join(told(found[f"p{q}_ms"]) for q in (50, 95, 99))],
        ["error rate", told(found["error_rate"])],
        ["accuracy", f"{told(found['accuracy'])} of {found['labelled']} labels"],
        ["accuracy, estimated", told(found["estimated_accuracy"]["value"])],
        *[[f"answered {label}", one["count"]] for label, one in found["classes"].items()],
    ]
    show(found, as_json, table(["metric", window], rows))


@monitor.command("report")
@click.argument("name", metavar="MODEL")
@click.option("--window", help="Make one now of that long, 60m or 24h; without it show the latest.")
@on_stack
def report_command(name: str, window: str | None, api: Api, as_json: bool) -> None:  # noqa: FBT001
    """Show the latest reports of MODEL, or make one; exits 1 if it says that traffic drifted."""
    if window:
        made = [api.post(path("models", name, "reports"), {"window": window})]
    else:
        made = api.get(path("models", name, "reports"))["reports"]
    rows = [
        [when(one["window_end"]), one["every"], one["model_version"], one["n"], one["status"], p(one), effect(one)]
        for one in made
    ]
    show(made, as_json, table(["window's end", "every", "version", "n", "status", "p", "effect"], rows))
    if window and made[0]["status"] == "drifted":
        raise SystemExit(1)


@monitor.command("alerts")
@click.argument("name", metavar="MODEL")
@on_stack
def alerts_command(name: str, api: Api, as_json: bool) -> None:  # noqa: FBT001
    """Show what alerts now of MODEL, and what changed."""
    found = api.get(path("models", name, "alerts"))
    rows = [[when(one["at"]), one["kind"], one["state"], one["told"]] for one in found["alerts"]]
    now = ", ".join(found["alerting"]) or "nothing"
    show(found, as_json, f"alerting now: {now}\n" + table(["at", "kind", "state", "what happened"], rows))


def told(value: float | None) -> str:
    """A number in four digits, or a dash."""
    return "-" if value is None else f"{value:.4g}"


def p(report: dict[str, Any]) -> str:
    """A report's p-value, or why there is none."""
    return str(report["reason"]) if report["p_value"] is None else f"{report['p_value']:.1e}"


def effect(report: dict[str, Any]) -> str:
    """Its largest effect."""
    found = report["effect"]
    return f"{found['feature']} {found['test']} {found['value']:.3g}" if found else "-"
