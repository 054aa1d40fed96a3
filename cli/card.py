"""`zeroloop card ...`: what is known of a version, for people. Every line is a recorded fact, or says unknown."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from cli import serving
from cli.api import Api, on_stack, path
from cli.model import gated, pages
from cli.render import Section, Table, html, markdown
from cli.show import show, when

UNKNOWN = "unknown"


@click.group()
def card() -> None:
    """What is known of a version, for people."""


@card.command("show")
@click.argument("name")
@click.argument("version", type=int)
@click.option("--html", "as_html", is_flag=True, help="A page of HTML.  [default: Hugging Face's model card]")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write.  [default: print it]")
@on_stack
def show_command(  # noqa: PLR0913 - click's form
    name: str, version: int, output: Path | None, api: Api, *, as_html: bool, as_json: bool
) -> None:
    """Show the card of a version: data, metrics with intervals, slices, limits, gates, approvals, when it served."""
    facts = gather(api, name, version)
    sections = [*render(facts)]
    text = html(f"{name} {version}", sections) if as_html else markdown(front_matter(facts), sections)
    if output:
        output.write_text(text)
        text = f"the card of {name} version {version} is in {output}"
    show(facts, as_json, text)


def gather(api: Api, name: str, number: int) -> dict[str, Any]:
    """All that the registry knows of a version."""
    here = path("models", name, "versions", number)
    records = serving.history(api, name)
    return {
        "version": api.get(here),
        "evaluated": api.find(f"{here}/evaluation"),
        "alerts": [one for one in api.get(path("models", name, "alerts"))["alerts"] if one["version"] == number],
        "tests": [
            one
            for one in pages(api, "/ab-tests", "tests", "after")
            if one["model"] == name and number in {one["control"], *one["treatments"].values()}
        ],
        "served": [str(period) for period in serving.periods(records, number)],
        "changes": [
            record
            for record in records
            if number in {record["after"][role] for role in ("champion", "challenger")}
            or (record["evidence"] or {}).get("version") == number
        ],
    }


def front_matter(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The machine's part of a model card, by the names that Hugging Face's hub reads."""
    version, found = facts["version"], _evaluation(facts)
    said, metrics = found.get("card", {}), _metrics(facts)
    results = [{"type": name, "value": measured["value"], "name": name} for name, measured in metrics.items()]
    data = {"name": said.get("data", UNKNOWN)[:120], "type": version["dataset_hash"] or UNKNOWN, "split": "test"}
    task = {"type": version["task"] or UNKNOWN}
    return {
        "model_name": version["model"],
        "library_name": "litert",
        "license": said.get("license", UNKNOWN),
        "language": said.get("language", UNKNOWN),
        "tags": ["zeroloop", "tflite", *([version["task"]] if version["task"] else [])],
        "metrics": [*metrics],
        "model-index": [
            {
                "name": f"{version['model']} version {version['version']}",
                "results": [{"task": task, "dataset": data, "metrics": results}],
            }
        ],
    }


def render(facts: Mapping[str, Any]) -> Iterator[Section]:
    """The sections of a model card, in Hugging Face's order."""
    version, said = facts["version"], _evaluation(facts).get("card", {})
    yield Section(1, f"{version['model']}, version {version['version']}", [_say(said, "description")])
    yield _details(version)
    yield Section(2, "Uses", [])
    yield Section(3, "Direct Use", [_say(said, "intended_use")])
    yield Section(3, "Out-of-Scope Use", [_say(said, "out_of_scope")])
    yield Section(2, "Bias, Risks, and Limitations", [_say(said, "limits")])
    yield from _training(facts, said)
    yield from _evaluated(facts)
    yield from _examined(_evaluation(facts).get("explanations", {}))
    yield _gates(facts)
    yield _history(facts)
    yield from _watched(facts)


def _details(version: Mapping[str, Any]) -> Section:
    rows = [
        ("version id", version["version_id"]),
        ("package digest", version["digest"] or UNKNOWN),
        ("state", version["state"]),
        ("task", version["task"] or UNKNOWN),
        ("labels", ", ".join(version["labels"][:20]) or UNKNOWN),
        ("registered", f"{when(version['created_at'])} UTC by {version['created_by']}"),
        ("package bytes", f"{sum(file['size'] for file in version['files']):,}"),
    ]
    return Section(2, "Model Details", [Table(["", ""], rows)])


def _training(facts: Mapping[str, Any], said: Mapping[str, str]) -> Iterator[Section]:
    version, data = facts["version"], _evaluation(facts).get("data") or {}
    splits = [(name, f"{data['rows'].get(name, 0):,}", digest) for name, digest in data.get("splits", {}).items()]
    blocks: list[str | Table] = [_say(said, "data")]
    blocks += [Table(["split", "rows", "digest"], splits)] if splits else []
    yield Section(2, "Training Details", [])
    yield Section(3, "Training Data", blocks)
    rows = [
        ("data set digest", version["dataset_hash"] or UNKNOWN),
        *([("assembled of predictions", data["assembled"])] if data.get("assembled") else []),
        ("run", version["run_id"] or UNKNOWN),
        ("git commit", version["git_commit"] or UNKNOWN),
        *sorted(version["parameters"].items()),
        *((f"{name} (library)", number) for name, number in sorted(version["libraries"].items())),
    ]
    yield Section(3, "Training Procedure", [Table(["", ""], rows)])


def _evaluated(facts: Mapping[str, Any]) -> Iterator[Section]:
    found = _evaluation(facts)
    yield Section(2, "Evaluation", [] if found else ["Not evaluated; the figures are the package's own."])
    rows = [(name, *_figures(measured)) for name, measured in _metrics(facts).items()]
    yield Section(3, "Results", [Table(["metric", "value", "95% interval", "rows"], rows) if rows else UNKNOWN])
    slices = [
        (one["of"], one["name"], *(_figures(one["accuracy"]) if one["accuracy"] else ("suppressed", "-", one["n"])))
        for one in found.get("slices", [])
    ]
    if slices:
        head = ["sliced by", "slice", "accuracy", "95% interval", "rows"]
        yield Section(3, "Factors", [Table(head, slices), "Slices of fewer than 30 rows are suppressed."])
    pairs = [
        (way, told["favourable"], *_pair(told["demographic_parity"]), *_pair(told["equalised_odds"]))
        for way, told in found.get("fairness", {}).items()
    ]
    if pairs:
        head = ["sliced by", "favourable", "parity difference", "parity ratio", "odds difference", "odds ratio"]
        note = "Differences are 0 and ratios 1 where slices are treated alike."
        yield Section(3, "Fairness", [Table(head, pairs), note])


def _examined(told: Mapping[str, Any]) -> Iterator[Section]:
    if "label" not in told:
        return
    rows = [
        (side, one["part"], f"{one['attribution']:+.4f}", one["rows"])
        for side in ("for", "against")
        for one in told[side]
    ]
    says = (
        f"What parts of {told['rows']} held-out rows add to the score of {told['label']} on average, each left out "
        f"alone; they miss the whole by {told['mean_gap']} on average. It tells what moves the score, not the world."
    )
    yield Section(2, "Model Examination", [says, Table(["", "part", "attribution", "rows"], rows)])


def _gates(facts: Mapping[str, Any]) -> Section:
    evaluated, approval = facts["evaluated"], facts["version"].get("approval")
    verdict = evaluated and evaluated["verdict"]
    blocks: list[str | Table] = ["No verdict: the model has no gates, or the version was not evaluated."]
    if verdict:
        rows = [("passed" if one["passed"] else "missed", one["name"], one["says"]) for one in verdict["checks"]]
        blocks = ["By today's gates and champion:", Table(["", "asked", "found"], rows)]
    by = f"Approved by {approval['actor']} on {when(approval['at'])} UTC: {approval['reason']}" if approval else ""
    return Section(2, "Gates and Approval", [*blocks, by or "Not approved by anybody."])


def _history(facts: Mapping[str, Any]) -> Section:
    rows = [(when(one["at"]), one["action"], one["actor"], one["reason"], gated(one)) for one in facts["changes"]]
    served = "; ".join(facts["served"]) or "It never served."
    return Section(2, "History", [served, *([Table(["UTC", "change", "by", "reason", "gate"], rows)] if rows else [])])


def _watched(facts: Mapping[str, Any]) -> Iterator[Section]:
    """What monitoring and tests on users found; the last 100 alerts of the model are looked through."""
    alerts = [(when(one["at"]), one["kind"], one["state"], one["told"]) for one in facts["alerts"]]
    found: list[str | Table] = [Table(["UTC", "kind", "state", "what happened"], alerts)] if alerts else []
    yield Section(3, "Drift and Alerts", found or ["None was raised of this version lately."])
    tests = [
        (one["name"], one["control"], ", ".join(map(str, one["treatments"].values())), one["state"], _choice(one))
        for one in facts["tests"]
    ]
    head = ["A/B test", "control", "against", "state", "decision"]
    yield Section(3, "A/B Tests", [Table(head, tests) if tests else "It took part in none."])


def _choice(test: Mapping[str, Any]) -> str:
    decision = test["decision"]
    return f"{decision['choice']}: {decision['reason']}" if decision else "none"


def _evaluation(facts: Mapping[str, Any]) -> dict[str, Any]:
    return dict(facts["evaluated"]["evaluation"]) if facts["evaluated"] else {}


def _metrics(facts: Mapping[str, Any]) -> dict[str, Any]:
    """As the evaluation found them, else as the package states them."""
    return dict(_evaluation(facts).get("metrics") or facts["version"]["metrics"])


def _say(said: Mapping[str, str], name: str) -> str:
    return said.get(name) or UNKNOWN


def _figures(measured: Mapping[str, Any]) -> tuple[str, str, Any]:
    lower, upper = measured.get("lower"), measured.get("upper")
    interval = UNKNOWN if lower is None else f"{lower:.4f} to {upper:.4f}"
    return f"{measured['value']:.4f}", interval, measured.get("n") or UNKNOWN


def _pair(told: Mapping[str, Any]) -> tuple[str, str]:
    if "undetermined" in told:
        return f"undetermined: {told['undetermined']}", "-"
    ratio = told["ratio"]
    return f"{told['difference']:.4f}", "undetermined" if ratio is None else f"{ratio:.4f}"
