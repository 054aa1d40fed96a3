"""An alert as others read it."""

import json

from msgspec.structs import replace

from zeroloop.monitoring import messages
from zeroloop.monitoring.alerts import Alert, Webhook

ALERT = Alert(
    model_id="m-0123456789abcdef", model="sentiment", kind="latency", state="ALERT", at=5, window_start=0, window_end=5,
    version=2, value=812.0, limit=500.0, n=431, told="p95 is 812 ms <slow>",
    report="https://a/r", runbook="https://b#latency",
)  # fmt: skip
SLACK = Webhook("https://hooks.example.com/x", "slack")
PAGERDUTY = Webhook("https://events.example.com/v2/enqueue", "pagerduty", "r0")


def test_mail_has_the_numbers_and_both_links() -> None:
    assert messages.subject(ALERT) == "[ALERT] sentiment: latency"
    assert messages.text(ALERT) == "p95 is 812 ms <slow>\nReport: https://a/r\nWhat to do: https://b#latency"
    assert len(messages.subject(replace(ALERT, model="ü" * 200))) == 100
    assert messages.subject(replace(ALERT, model="ü")).isascii()


def test_slack_gets_its_own_markup_and_no_markup_of_others() -> None:
    body = json.loads(messages.posted(ALERT, SLACK))
    assert body == {
        "text": ":rotating_light: *ALERT* `sentiment` latency\np95 is 812 ms &lt;slow&gt;\n"
        "<https://a/r|Report> · <https://b#latency|What to do>"
    }


def test_pagerduty_resolves_by_the_key_that_it_triggered_by() -> None:
    triggered = json.loads(messages.posted(ALERT, PAGERDUTY))
    resolved = json.loads(messages.posted(replace(ALERT, state="OK"), PAGERDUTY))
    assert (triggered["event_action"], resolved["event_action"]) == ("trigger", "resolve")
    assert triggered["dedup_key"] == resolved["dedup_key"] == "zeroloop/m-0123456789abcdef/latency"
    assert triggered["routing_key"] == "r0"
    payload = triggered["payload"]
    assert {"summary", "source", "severity"} <= payload.keys()
    assert payload["severity"] in {"critical", "error", "warning", "info"}
    assert payload["custom_details"]["value"] == 812.0
    assert len(json.loads(messages.posted(replace(ALERT, told="x" * 3000), PAGERDUTY))["payload"]["summary"]) == 1024


def test_a_runbook_without_an_address_is_named_and_is_no_dead_link() -> None:
    alert = replace(ALERT, runbook="docs/operations.md#latency")
    assert json.loads(messages.posted(alert, SLACK))["text"].endswith(
        "<https://a/r|Report> · What to do: docs/operations.md#latency"
    )
    paged = json.loads(messages.posted(alert, PAGERDUTY))
    assert [one["href"] for one in paged["links"]] == ["https://a/r"]
    assert paged["payload"]["custom_details"]["runbook"] == "docs/operations.md#latency"


def test_the_events_detail_is_the_alert() -> None:
    assert json.loads(messages.detail(ALERT))["kind"] == "latency"
