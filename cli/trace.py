"""`zeroloop trace PREDICTION_ID`: from a prediction to what made it. What isn't found is said, nothing is made up."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import click
import msgspec

from cli import account, serving
from cli.account import Account
from cli.api import Api, connect, path
from cli.local.commands import in_home
from cli.local.home import Home
from cli.model import pages
from cli.show import show, table, when
from zeroloop import clock
from zeroloop.errors import InvalidInput, ZeroloopError
from zeroloop.inference.assignment import CONTROL
from zeroloop.inference.receipts import Key, Receipt, claimed, verify
from zeroloop.monitoring import archived
from zeroloop.registry import audit, gates
from zeroloop.registry.gates import Evaluation

STALE_MS = 30_000
"""Predict may answer by a lineup that is so old."""

VERIFIED = "verified"


class Found(NamedTuple):
    """What is known of a prediction, and which links are missing, by name."""

    facts: dict[str, Any]
    broken: dict[str, str]


@click.command("trace")
@click.argument("prediction_id")
@click.option("--stack", envvar="ZEROLOOP_STACK", help="Name of the stack on AWS; default the local stack.")
@in_home
@click.option("--url", help="Ask this API and nothing else of the account: the signature stays unverified.")
@click.option("--token", envvar="ZEROLOOP_TOKEN", default="", help="Bearer token, for stacks that want a JWT.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def trace_command(  # noqa: PLR0913 - click's form
    prediction_id: str, stack: str | None, home: Home, url: str | None, token: str, *, as_json: bool
) -> None:
    """Show which version answered PREDICTION_ID, what that was made of and measured on, and who let it serve.

    Exits 1 where the id is forged or something contradicts it; a link that was never recorded is told as unknown.
    """
    where = None if url else account.find(stack, home, token)
    try:
        receipt, signature = checked(prediction_id, where)
    except InvalidInput as error:
        raise click.ClickException(f"refused: {error.message}") from error
    api = where.api if where else connect(url, token)
    found = trace(api, receipt)
    facts = {"signature": signature, **found.facts, "archive": logged(where, prediction_id, receipt) if where else None}
    show({**facts, "broken": found.broken}, as_json, told(facts, found.broken))
    if "contradiction" in found.broken:
        raise SystemExit(1)


def checked(prediction_id: str, where: Account | None) -> tuple[Receipt, str]:
    """What an id says, and `verified`, or why it is not.

    Raises
    ------
    InvalidInput
        It is none, or its key is known and didn't sign it.
    """
    receipt = claimed(prediction_id)
    if where is None:
        return receipt, "unverified: the key is the account's, and only the API was asked"
    try:
        keys: Mapping[str, Key] = where.registered.verifying_keys()
    except ZeroloopError as error:
        return receipt, f"unverified: the key can't be read ({error.message})"
    if receipt.kid not in keys:
        return receipt, f"unverified: it names the key {receipt.kid}, which is none of the current two"
    return verify(prediction_id, keys), VERIFIED


def logged(where: Account, prediction_id: str, receipt: Receipt) -> dict[str, Any] | None:
    """What the archive has of it; None if nothing: not delivered yet, sampled out, expired or erased."""
    near = archived.predicted(where.archive, receipt.model_id, receipt.time, receipt.time + 1)
    found = next((one for one in near if one.told.prediction_id == prediction_id), None)
    if found is None:
        return None
    labels = archived.labelled(where.archive, receipt.model_id, receipt.time, clock.now_ms() + 1)
    label = labels.get(prediction_id)
    return {
        "request_id": found.record.request_id,
        "input_digest": found.told.input_digest,
        "input": "as sent" if found.told.instance is not None else "features" if found.told.features else "not kept",
        "feedback": label and {"label": label.label, "at": label.time},
    }


def trace(api: Api, receipt: Receipt) -> Found:
    """All links from a receipt on, by what the API knows."""
    facts: dict[str, Any] = {"prediction": msgspec.to_builtins(receipt), "model": None, "version": None}
    name = next(
        (one["model"] for one in pages(api, path("models"), "models", "after") if one["model_id"] == receipt.model_id),
        None,
    )
    if name is None:
        return Found(facts, {"model": f"no model has the id {receipt.model_id}: it was deleted, or is another stack's"})
    facts["model"] = name
    here = path("models", name, "versions", receipt.version)
    version = api.find(here)
    if version is None:
        return Found(facts, {"version": f"{name} has no version {receipt.version}: it was deleted"})
    shown = ("version", "version_id", "digest", "state", "stage", "created_by", "created_at")
    facts["version"] = {key: version[key] for key in shown}
    broken: dict[str, str] = {}
    facts["run"] = _run(api, version, broken)
    facts["git_commit"] = version["git_commit"]
    if not version["git_commit"]:
        broken["git commit"] = "the package names none"
    evaluated = api.find(f"{here}/evaluation")
    facts["data"] = _data(evaluated, version, broken)
    facts |= _let(api, name, receipt, evaluated, broken)
    facts["approval"] = version.get("approval")
    return Found(facts, broken)


def _contradict(broken: dict[str, str], how: str) -> None:
    broken["contradiction"] = "; ".join(filter(None, (broken.get("contradiction"), how)))


def _run(api: Api, version: Mapping[str, Any], broken: dict[str, str]) -> dict[str, Any] | None:
    run_id = version["run_id"]
    if not run_id:
        broken["run"] = "neither the package nor the registration names one"
        return None
    found = api.find(f"/api/2.0/mlflow/runs/get?run_id={run_id}")
    if found is None:
        broken["run"] = f"run {run_id} is not tracked here, or was deleted"
        return {"run_id": run_id}
    info = found["run"]["info"]
    return {name: info.get(name) for name in ("run_id", "run_name", "experiment_id", "status", "user_id", "start_time")}


def _data(found: dict[str, Any] | None, version: Mapping[str, Any], broken: dict[str, str]) -> dict[str, Any]:
    data = (found["evaluation"]["data"] if found else None) or {}
    told = {"source": version["dataset_hash"], "digest": data.get("digest"), "splits": data.get("splits", {})}
    told["assembled"] = data.get("assembled")
    if not told["source"]:
        broken["data"] = "the package names no data"
    if not found:
        broken["evaluation"] = "the version was not evaluated: digests of its splits are unknown"
    elif data and told["source"] and data["source"] != told["source"]:
        _contradict(broken, f"the package was made of {told['source']}, its evaluation names {data['source']}")
    return told


def _let(
    api: Api, name: str, receipt: Receipt, evaluated: dict[str, Any] | None, broken: dict[str, str]
) -> dict[str, Any]:
    """Who let the version serve when it answered, and by which verdict; and whether the chain that says so is whole."""
    records = serving.history(api, name)
    faults = audit.faults(records, api.get(path("models", name, "lineup"))["revision"])
    if faults:
        _contradict(broken, f"the audit chain is not whole: {faults[0]}")
    if receipt.variant == "pinned":
        broken["gate"] = "the caller chose the version: nobody had to let it serve"
        return {"gate": None, "audit": len(records)}
    before = [one for one in records if one["at"] <= receipt.time]
    by = _began(before, receipt)
    if by is None:
        broken["gate"] = "no audit record lets this version serve before the prediction"
        return {"gate": None, "audit": len(records)}
    served = serving.periods(records, receipt.version)
    if receipt.test_id is None and not any(
        one.begin <= receipt.time and (one.end is None or receipt.time < one.end + STALE_MS) for one in served
    ):
        _contradict(broken, "by the audit chain the version did not serve at that time")
    verdict = (by["evidence"] or {}).get("gate")
    if verdict is None:
        broken["gate"] = f"{by['action']} (revision {by['revision']}) asked no gates"
    elif named := verdict.get("evaluation"):
        kept = gates.digest(msgspec.convert(evaluated["evaluation"], Evaluation)) if evaluated else "none"
        if named != kept:
            _contradict(broken, f"it was let serve by the evaluation {named[:12]}, and {kept[:12]} is kept")
    told = {key: by[key] for key in ("revision", "action", "at", "actor", "reason", "hash")}
    return {"gate": {**told, "verdict": verdict}, "audit": len(records)}


def _began(records: list[dict[str, Any]], receipt: Receipt) -> dict[str, Any] | None:
    """What gave the version its part: to a treatment the begin of its test, else its last turn in the lineup."""
    if receipt.test_id is not None and receipt.variant != CONTROL:
        return next((one for one in records if (one["evidence"] or {}).get("test") == receipt.test_id), None)
    roles = ("champion", "challenger")
    turns = (one for one in reversed(records) for role in roles if _took(one, role, receipt.version))
    return next(turns, None)


def _took(record: Mapping[str, Any], role: str, number: int) -> bool:
    return bool(record["after"][role] == number != record["before"][role])


def told(facts: Mapping[str, Any], broken: Mapping[str, str]) -> str:
    """The chain, a line a link; what is unknown stands in its place."""
    said, version = facts["prediction"], facts["version"]
    rows = [
        ["prediction", f"{said['id']}: {said['label']} ({said['score']}), {when(said['time'])} UTC, {said['variant']}"],
        ["signature", facts["signature"]],
        ["archive", _kept(facts.get("archive"))],
    ]
    if version:
        rows.append(["version", f"{facts['model']} {version['version']} ({version['version_id']}), {version['state']}"])
        rows.append(["digest", version["digest"]])
        rows.append(["registered", f"{when(version['created_at'])} UTC by {version['created_by']}"])
        run, data, gate, approval = facts["run"], facts["data"], facts["gate"], facts["approval"]
        rows += [["run", f"{run['run_id']} ({run['status']})"]] if run and "status" in run else []
        rows += [["git commit", facts["git_commit"]]] if facts["git_commit"] else []
        rows += [["data", data["source"]]] if data["source"] else []
        rows += [["data, assembled", data["assembled"]]] if data["assembled"] else []
        rows += [[f"data, {name}", digest] for name, digest in data["splits"].items()]
        if gate:
            verdict = gate["verdict"]
            over = ", overridden" if verdict and verdict.get("override") else ""
            rows += [["gate", f"{verdict['verdict']}{over}, revision {gate['revision']}"]] if verdict else []
            rows.append(
                ["let serve", f"{when(gate['at'])} UTC by {gate['actor']} ({gate['action']}: {gate['reason']})"]
            )
        by = f"{approval['actor']}, {when(approval['at'])} UTC: {approval['reason']}" if approval else "nobody"
        by += ", after the prediction" if approval and approval["at"] > said["time"] else ""
        rows.append(["approved by", by])
    rows += [[name, f"UNKNOWN: {why}" if name != "contradiction" else why.upper()] for name, why in broken.items()]
    return table(["link", "found"], rows)


def _kept(found: Mapping[str, Any] | None) -> str:
    if not found:
        return "nothing: not delivered yet, sampled out, expired, erased, or not asked"
    label = found["feedback"]
    heard = f"; feedback {label['label']}, {when(label['at'])} UTC" if label else "; no feedback"
    return f"request {found['request_id']}, input {found['input_digest']} ({found['input']}){heard}"
