"""Every raw request to the functions on moto, and what a stock server answers it: the refusals too.

The deployed stack gets a part of these (`tests/conformance`): a Lambda call each is more than a refusal is worth.
"""

import base64
from collections.abc import Callable
from types import ModuleType
from urllib.parse import urlsplit

import pytest

from tests.conformance import compare, wire
from tests.conformance.compare import Answer
from tests.conformance.wire_cases import SEQUENCES
from tests.integration.conftest import Context, DynamoSession, event

HERE = ("experiments", "runs", "metrics", "inputs", "searched runs", "wire")


@pytest.fixture(name="send")
def _send(load: Callable[[str], ModuleType]) -> wire.Send:
    module = load("tracker")
    module.table._session = DynamoSession()

    def send(method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answer:
        url, sent = urlsplit(path), event("tracker", "create_run")
        sent["requestContext"]["http"].update(method=method, path=url.path)
        sent.update(rawPath=url.path, rawQueryString=url.query, body=None)
        if body is not None:  # so that it may be no text
            sent.update(body=base64.b64encode(body).decode(), isBase64Encoded=True)
        sent["headers"] = {name.lower(): value for name, value in headers.items()}
        answer = module.lambda_handler(sent, Context())
        return Answer(answer["statusCode"], wire.read(answer["body"].encode()))

    return send


def test_every_raw_request_is_answered_as_stock_answers_it(
    send: wire.Send, stock_wire: dict[str, wire.Recording]
) -> None:
    ours = {name: wire.play(send, SEQUENCES[name]) for name in HERE}
    theirs = {name: stock_wire[name] for name in HERE}
    verdict = compare.compare(wire.answers(theirs), wire.answers(ours), compare.IGNORED)
    assert not verdict.unexcused, "\n".join(verdict.unexcused)
    assert not [row for row in verdict.unused if row.case != "*"], "they excuse nothing"
