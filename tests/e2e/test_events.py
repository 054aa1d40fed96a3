"""Every event of events/ is answered by its deployed function, and never with a fault of ours."""

import json
from pathlib import Path

import pytest

from cli.local.home import PROJECT
from tests.e2e.conftest import Local

pytestmark = pytest.mark.e2e

EVENTS = sorted((PROJECT / "events").glob("*/*.json"))


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_an_event_is_handled(local: Local, path: Path) -> None:
    function = local.record.functions[path.parent.name]
    answer = local.aws("lambda").invoke(FunctionName=function, Qualifier="live", Payload=path.read_bytes())
    body = json.load(answer["Payload"])
    assert "FunctionError" not in answer, body
    assert body.get("statusCode", 200) < 500
