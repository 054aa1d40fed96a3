"""An alert as a message: to a topic, the event bus, Slack and PagerDuty. Pure."""

from typing import Any

import msgspec

from zeroloop.monitoring.alerts import Alert, Webhook

_EMOJI = {"ALERT": ":rotating_light:", "OK": ":white_check_mark:", "DONE": ":rewind:"}
_SUBJECT_CHARACTERS = 100


def subject(alert: Alert) -> str:
    """One line, of ASCII and as short as SNS wants it."""
    line = f"[{alert.state}] {alert.model}: {alert.kind}"
    return line.encode("ascii", "replace").decode()[:_SUBJECT_CHARACTERS]


def text(alert: Alert) -> str:
    """All of it, for people."""
    return "\n".join([alert.told, f"Report: {alert.report}", f"What to do: {alert.runbook}"])


def detail(alert: Alert) -> str:
    """The event's detail."""
    return msgspec.json.encode(alert).decode()


def posted(alert: Alert, webhook: Webhook) -> bytes:
    """The body that a webhook takes.

    Slack: a message in its mrkdwn. PagerDuty: Events API v2, where a change back to OK resolves what the alert
    triggered, by their common key.
    """
    body = _slack(alert) if webhook.format == "slack" else _pagerduty(alert, webhook.routing_key)
    return msgspec.json.encode(body)


def _slack(alert: Alert) -> dict[str, Any]:
    head = f"{_EMOJI[alert.state]} *{alert.state}* `{alert.model}` {alert.kind}"
    runbook = f"<{alert.runbook}|What to do>" if _leads(alert.runbook) else f"What to do: {_escaped(alert.runbook)}"
    return {"text": f"{head}\n{_escaped(alert.told)}\n<{alert.report}|Report> · {runbook}"}


def _leads(address: str) -> bool:
    """Whether it is a link; a page of the repository is only named."""
    return address.startswith("https://")


def _escaped(line: str) -> str:
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _pagerduty(alert: Alert, routing_key: str) -> dict[str, Any]:
    return {
        "routing_key": routing_key,
        "event_action": "resolve" if alert.state == "OK" else "trigger",
        "dedup_key": f"zeroloop/{alert.model_id}/{alert.kind}",
        "payload": {
            "summary": f"{alert.model}: {alert.told}"[:1024],
            "source": f"zeroloop/{alert.model}",
            "severity": "info" if alert.state == "DONE" else "error",
            "component": alert.model,
            "class": alert.kind,
            "custom_details": {
                "value": alert.value, "limit": alert.limit, "n": alert.n, "version": alert.version,
                "runbook": alert.runbook, **alert.evidence,
            },
        },
        "links": [
            {"href": address, "text": text}
            for address, text in ((alert.report, "Report"), (alert.runbook, "What to do"))
            if _leads(address)
        ],
    }  # fmt: skip
