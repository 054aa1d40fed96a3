"""Register, admit, promote, predict, roll back: over HTTP, on the deployed template."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from cli import model as models
from tests.local_stack import Local
from zeroloop import clock
from zeroloop.inference import package as packages
from zeroloop.inference.assignment import assign
from zeroloop.inference.lineups import FRESH_SECONDS
from zeroloop.registry import audit
from zeroloop.registry.rules import Lineup

pytestmark = pytest.mark.e2e

SMALL, LARGE = "sentiment/packages/small", "sentiment/packages/large"


@pytest.fixture(name="sentiment", scope="module")
def _sentiment(local: Local) -> Local:
    local.serving("loop", SMALL, LARGE)
    return local


def test_a_text_is_answered_by_the_champion(sentiment: Local) -> None:
    status, body = sentiment.send("POST", "/predict/loop", {"text": "A wonderful, moving film."})
    assert status == 200
    assert body.keys() == {
        "prediction", "confidence", "scores", "model", "model_version", "version_id", "variant", "prediction_id"
    }  # fmt: skip
    assert (body["prediction"], body["model_version"], body["variant"]) == ("positive", 2, "champion")
    assert body["confidence"] == body["scores"]["positive"]
    assert sum(body["scores"].values()) == pytest.approx(1, abs=1e-5)


def test_instances_are_answered_in_order_by_one_version(sentiment: Local) -> None:
    texts = ["A wonderful, moving film.", "A dreadful, boring mess."] * 60
    status, body = sentiment.send("POST", "/predict/loop", {"instances": [{"text": text} for text in texts]})
    assert status == 200
    assert [answer["prediction"] for answer in body["predictions"]] == ["positive", "negative"] * 60
    assert len({answer["prediction_id"] for answer in body["predictions"]}) == 120
    assert body["model_version"] == 2


def test_a_pinned_version_answers_whoever_is_champion(sentiment: Local) -> None:
    _, body = sentiment.send("POST", "/predict/loop", {"text": "Fine.", "version": 1})
    assert (body["model_version"], body["variant"]) == (1, "pinned")


def test_a_tabular_model_of_three_classes_answers_too(local: Local) -> None:
    local.serving("machines", "tabular/packages/v1")
    case = packages.read((Path("examples/tabular/packages/v1") / "package.json").read_bytes()).golden.cases[0]
    status, body = local.send("POST", "/predict/machines", {"features": case.instance["features"]})
    assert status == 200
    assert body["scores"] == pytest.approx(case.scores, abs=0.01)
    assert len(body["scores"]) == 3


def test_the_same_bytes_are_the_same_version(sentiment: Local) -> None:
    assert sentiment.register(SMALL, "loop")["version"] == 1


def test_what_was_registered_comes_back_byte_for_byte(sentiment: Local, tmp_path: Path) -> None:
    models.download(sentiment.api, "loop", 1, tmp_path)
    for file in (Path("examples") / SMALL).iterdir():
        assert (tmp_path / file.name).read_bytes() == file.read_bytes()


def test_the_command_tells_a_whole_chain(sentiment: Local) -> None:
    url = sentiment.record.api_url
    command = [sys.executable, "-m", "cli.main", "audit", "verify", "loop", "--url", url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "the chain is whole" in done.stdout


REFUSED: list[tuple[str, Any, int, str, str]] = [
    ("loop", b"", 422, "not_json", "body"),
    ("loop", b"\xff\xfe", 422, "not_json", "body"),
    ("loop", b'{"text": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", 422, "too_deep", "body"),
    ("loop", {"text": "x" * 4_000_001}, 422, "too_large", "body"),
    ("loop", {"instances": ["fine", {"text": ""}]}, 422, "invalid_input", "instances[1].text"),
    ("nobody", {"text": "fine"}, 404, "unknown_model", "model"),
    ("%00", {"text": "fine"}, 422, "bad_name", "model"),
    ("x" * 3000, {"text": "fine"}, 422, "bad_name", "model"),
]


@pytest.mark.parametrize(("name", "body", "status", "code", "field"), REFUSED)
def test_bad_input_is_told_what_is_wrong(
    sentiment: Local, name: str, body: Any, status: int, code: str, field: str
) -> None:
    answer = sentiment.send("POST", f"/predict/{name}", body)
    assert (answer.status, answer.body["code"], answer.body.get("field")) == (status, code, field)


def test_a_model_without_a_champion_says_so(local: Local) -> None:
    local.register(SMALL, "unpromoted")
    status, body = local.send("POST", "/predict/unpromoted", {"text": "Hello?"})
    assert (status, body["code"]) == (409, "no_champion")


def test_a_canary_gets_its_share_and_a_unit_stays_where_it_is(local: Local) -> None:
    local.serving("canary", LARGE)
    challenger = local.register(SMALL, "canary")["version"]
    order = {"version": challenger, "traffic": 0.3, "reason": "test"}
    assert local.send("POST", "/models/canary/challenger", order).status == 200
    model_id = local.send("GET", "/models/canary/lineup").body["model_id"]
    lineup = Lineup(model_id=model_id, model="canary", champion=1, challenger=challenger, traffic=0.3)
    pool = [f"user-{i}" for i in range(1_000)]
    inside = [unit for unit in pool if assign(lineup, unit, None).variant == "challenger"]
    units = inside[:8] + [unit for unit in pool if unit not in inside][:8]
    assert [asked(local, "canary", unit) for unit in units] == ["challenger"] * 8 + ["champion"] * 8
    local.send("POST", "/models/canary/challenger", {**order, "traffic": 0.6})
    progress_past_fresh(local, "canary", lambda lineup: lineup["traffic"] == 0.6)
    expected = [assign(replace(lineup, traffic=0.6), unit, None).variant for unit in units]
    assert expected[:8] == ["challenger"] * 8, "raising the share moves nobody out"
    assert [asked(local, "canary", unit) for unit in units] == expected


def asked(local: Local, name: str, unit: str) -> str:
    return str(local.send("POST", f"/predict/{name}", {"text": "fine", "unit": unit}).body["variant"])


def progress_past_fresh(local: Local, name: str, until: Callable[[dict[str, Any]], bool]) -> None:
    """Wait until every environment of predict must have read the lineup anew."""
    assert until(local.send("GET", f"/models/{name}/lineup").body)
    clock.sleep(FRESH_SECONDS + 0.2)


def test_a_rollback_reaches_predict_within_its_promise(local: Local) -> None:
    local.serving("undone", SMALL, LARGE)
    assert local.send("POST", "/predict/undone", {"text": "fine"}).body["model_version"] == 2
    status, lineup = local.send("POST", "/models/undone/rollback", {"reason": "worse"})
    assert (status, lineup["champion"], lineup["previous"]) == (200, 1, None)
    progress_past_fresh(local, "undone", lambda now: now["champion"] == 1)
    assert local.send("POST", "/predict/undone", {"text": "fine"}).body["model_version"] == 1
    again = local.send("POST", "/models/undone/rollback", {"reason": "once more"})
    assert (again.status, again.body["code"]) == (409, "no_previous")
    records = local.send("GET", "/models/undone/history").body["history"]
    assert [record["action"] for record in records] == ["rollback", "promote", "promote"]
    assert audit.faults(reversed(records), 3) == []
