"""What the commands of ingest and erasure ask for, beside what the deployed stack shows."""

import io
import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from cli import ingest, predictions
from zeroloop import clock
from zeroloop.inference.receipts import Receipt

DAY_MS = 86_400_000


def test_what_was_set_aside_is_searched_until_now_as_feedback_may_come_any_day() -> None:
    asked: dict[str, tuple[int, int]] = {}

    def keys(kind: str, _model_id: str, start: int, end: int) -> Iterator[str]:
        asked[kind] = start, end
        return iter(())

    sent = clock.now_ms() - 20 * DAY_MS
    receipt = Receipt(kid="k", id="i", model_id="m", version=1, variant="champion", label="a", score=0.5, time=sent)
    archive: Any = SimpleNamespace(keys=keys)
    assert list(predictions.places(archive, receipt)) == []
    assert asked["predictions"] == (sent, sent + 1)
    for kind in ("aside", "feedback"):
        assert asked[kind][0] == sent
        assert asked[kind][1] > sent + 20 * DAY_MS


def test_a_delivery_that_comes_again_ends_the_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def invoke(Payload: bytes, **_: str) -> dict[str, Any]:  # noqa: N803 - boto's names
        tried.append(json.loads(Payload)["name"])
        return {"FunctionError": "Unhandled", "Payload": io.BytesIO(b'{"errorMessage": "throttled"}')}

    class Queue:
        """Every delivery is there again as soon as it was hidden for too long: at once."""

        def receive_message(self, **_: Any) -> dict[str, Any]:
            return {
                "Messages": [
                    {"MessageId": name, "ReceiptHandle": name, "Body": json.dumps({"requestPayload": {"name": name}})}
                    for name in ("a", "b")
                ]
            }

    monkeypatch.setattr(ingest, "client", lambda _: Queue())
    session = SimpleNamespace(create_client=lambda *_, **__: SimpleNamespace(invoke=invoke))
    monkeypatch.setattr("botocore.session.get_session", lambda: session)
    account: Any = SimpleNamespace(outputs={"IngestFailures": "queue", "IngestFunction": "ingest"})
    assert ingest.replay(account) == (0, ["throttled", "throttled"])
    assert tried == ["a", "b"]
