"""The registry function on moto, driven by its events. One thread: races run on the local stack."""

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from tests.integration.conftest import ROOT, Context, client, event
from zeroloop.registry import audit
from zeroloop.registry.rules import Facts
from zeroloop.registry.service import Admissions

Call = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture(name="registry")
def _registry(load: Callable[[str], ModuleType]) -> ModuleType:
    module = load("registry")
    module.admitted = []  # type: ignore[attr-defined]
    module.registry._admit = lambda model_id, version: module.admitted.append((model_id, version))
    return module


@pytest.fixture(name="call")
def _call(registry: ModuleType, context: Context) -> Call:
    """Send an event, changed where a test says so; answers status and body."""

    def call(case: str, **changes: Any) -> tuple[int, dict[str, Any]]:
        sent = event("registry", case)
        # Some events are about the demo's model, so that `make invoke` answers; here there is one for all.
        path = changes.pop("path", sent["rawPath"].replace("/sentiment", "/example"))
        sent["rawPath"] = sent["requestContext"]["http"]["path"] = path
        sent.update(changes)
        if isinstance(sent.get("body"), dict):
            sent["body"] = json.dumps(sent["body"])
        answer = registry.lambda_handler(sent, context)
        return answer["statusCode"], json.loads(answer["body"])

    return call


def manifest(seed: int) -> dict[str, Any]:
    return {
        "files": [
            {"path": "model.tflite", "sha256": f"{seed:064x}", "size": 4},
            {"path": "package.json", "sha256": "b" * 64, "size": 2},
        ]
    }


@pytest.fixture(name="ready")
def _ready(call: Call, registry: ModuleType) -> Callable[[int], int]:
    """Register and admit the version that `seed` makes."""

    def ready(seed: int) -> int:
        _, body = call("register", body=manifest(seed))
        admissions = Admissions(registry.registry._store)
        version = admissions.pending(body["model_id"], body["version"])
        assert version
        admissions.admit(version, Facts(metrics={"accuracy": {"value": 0.77}}, dataset_hash="a" * 64))
        return int(body["version"])

    return ready


def test_a_first_registration_makes_the_model_and_version_1(call: Call) -> None:
    status, body = call("register")
    assert status == 201
    assert (body["model"], body["version"], body["state"], body["stage"]) == ("example", 1, "PENDING", "training")
    assert [upload["path"] for upload in body["uploads"]] == ["model.tflite", "package.json"]
    assert body["version_id"].endswith(body["digest"][:8])


def test_the_same_bytes_again_are_the_same_version(call: Call) -> None:
    _, first = call("register")
    status, again = call("register")
    assert (status, again["version"], again["created_at"]) == (200, 1, first["created_at"])


def test_other_bytes_are_the_next_version(call: Call) -> None:
    assert [call("register", body=manifest(seed))[1]["version"] for seed in (1, 2, 3)] == [1, 2, 3]


def test_an_upload_is_held_to_its_bytes_and_to_being_the_first(call: Call) -> None:
    upload = call("register")[1]["uploads"][0]
    assert upload["headers"]["If-None-Match"] == "*"
    assert "if-none-match" in upload["url"]
    assert "content-length" in upload["url"]
    assert upload["url"].startswith("https://artifacts.s3.eu-west-1.amazonaws.com/models/")
    assert "x-amz-checksum-sha256" in upload["url"]


def test_completing_names_the_files_that_are_missing(call: Call, registry: ModuleType) -> None:
    call("register")
    status, body = call("complete")
    assert (status, body["code"]) == (409, "files_missing")
    assert "model.tflite, package.json" in body["message"]
    assert registry.admitted == []


def test_completing_starts_admission_and_so_does_completing_again(call: Call, registry: ModuleType) -> None:
    body = call("register")[1]
    for file in body["files"]:
        key = f"models/{body['model_id']}/{body['digest']}/{file['path']}"
        client("s3").put_object(Bucket="artifacts", Key=key, Body=b"x" * file["size"])
    assert call("complete")[0] == 202
    assert call("complete")[0] == 202
    assert registry.admitted == [(body["model_id"], 1)] * 2


def test_a_settled_version_is_not_admitted_again(call: Call, registry: ModuleType, ready: Callable[[int], int]) -> None:
    ready(1)
    status, body = call("complete")
    assert (status, body["state"], registry.admitted) == (202, "READY", [])


def test_admission_settles_a_version_once(call: Call, registry: ModuleType) -> None:
    body = call("register")[1]
    admissions = Admissions(registry.registry._store)
    version = admissions.pending(body["model_id"], 1)
    assert version
    assert admissions.refuse(version, "crashes the interpreter").state == "FAILED"
    assert admissions.admit(version, Facts()).state == "FAILED"
    assert admissions.pending(body["model_id"], 1) is None
    assert call("get_version")[1]["reason"] == "crashes the interpreter"


def test_a_ready_version_shows_its_facts_and_its_stage(call: Call, ready: Callable[[int], int]) -> None:
    ready(1)
    body = call("get_version")[1]
    assert (body["state"], body["stage"], body["dataset_hash"]) == ("READY", "staging", "a" * 64)
    assert body["metrics"] == {"accuracy": {"value": 0.77}}


def test_promote_challenge_and_roll_back_tell_the_lineup(call: Call, ready: Callable[[int], int]) -> None:
    for seed in (1, 2, 3):
        ready(seed)
    assert call("promote")[1]["champion"] == 1
    second = call("promote", body={"version": 2, "reason": "better"})[1]
    assert (second["champion"], second["previous"], second["revision"]) == (2, 1, 2)
    canary = call("challenger", body={"version": 3, "traffic": 0.1, "reason": "canary"})[1]
    assert (canary["challenger"], canary["traffic"]) == (3, 0.1)
    status, back = call("rollback")
    assert status == 200
    assert back.items() >= {"champion": 1, "previous": None, "challenger": None, "traffic": 0.0, "revision": 4}.items()
    stages = {version["version"]: version["stage"] for version in call("list_versions")[1]["versions"]}
    assert stages == {3: "staging", 2: "archived", 1: "production"}


def test_history_is_the_audit_chain_newest_first(call: Call, ready: Callable[[int], int]) -> None:
    for seed in (1, 2):
        ready(seed)
        call("promote", body={"version": seed, "reason": f"number {seed}"})
    history = call("history", queryStringParameters=None)[1]["history"]
    assert [(record["revision"], record["reason"]) for record in history] == [(2, "number 2"), (1, "number 1")]
    assert history[0]["actor"] == "anonymous"
    assert audit.faults(reversed(history), 2) == []
    assert [record["revision"] for record in call("history", queryStringParameters={"before": "2"})[1]["history"]] == [
        1
    ]


def test_the_caller_is_named_by_the_gateway(call: Call, ready: Callable[[int], int]) -> None:
    ready(1)
    sent = event("registry", "promote")["requestContext"]
    arn = "arn:aws:iam::123456789012:user/ann"
    call("promote", requestContext={**sent, "authorizer": {"iam": {"userArn": arn}}})
    assert call("history")[1]["history"][0]["actor"] == arn


def test_a_refused_change_leaves_lineup_and_history_alone(call: Call, ready: Callable[[int], int]) -> None:
    ready(1)
    assert call("promote_stale")[0] == 409
    assert call("lineup")[1]["revision"] == 0
    assert call("history")[1]["history"] == []


def test_models_are_listed_with_their_champion(call: Call, ready: Callable[[int], int]) -> None:
    ready(1)
    call("promote")
    models = call("list_models")[1]["models"]
    assert [(model["model"], model["champion"], model["latest_version"]) for model in models] == [("example", 1, 1)]


def test_downloads_are_urls_with_digests(call: Call, ready: Callable[[int], int]) -> None:
    ready(1)
    files = call("download")[1]["files"]
    assert [file["path"] for file in files] == ["model.tflite", "package.json"]
    assert all(file["url"].startswith("https://") and file["sha256"] for file in files)


REFUSALS: list[tuple[str, dict[str, Any], int, str, str | None]] = [
    ("get_version", {}, 404, "unknown_model", "model"),
    ("lineup", {}, 404, "unknown_model", "model"),
    ("promote", {}, 404, "unknown_model", "model"),
    ("promote_without_reason", {}, 422, "invalid_input", "reason"),
    ("register_bad_path", {}, 422, "invalid_input", "files[0].path"),
    ("register", {"body": "{"}, 422, "not_json", "body"),
    ("register", {"body": ""}, 422, "not_json", "body"),
    ("register", {"body": "e30", "isBase64Encoded": True}, 422, "not_json", "body"),
    ("register", {"body": "gA==", "isBase64Encoded": True}, 422, "not_json", "body"),
    ("register", {"body": "e30=", "isBase64Encoded": True}, 422, "invalid_input", "files"),
    ("register", {"body": "[]"}, 422, "invalid_input", "body"),
    ("register", {"body": "[" * 100_000}, 422, "invalid_input", "body"),
    ("register", {"body": {"files": [], "extra": 1}}, 422, "invalid_input", "extra"),
    ("register", {"body": {"files": [{"path": "x", "sha256": 3, "size": 1}]}}, 422, "invalid_input", "files[0].sha256"),
    ("register", {"path": "/models/..%2Fetc/versions"}, 422, "bad_name", "model"),
    ("promote", {"body": {"version": 0, "reason": "x"}}, 422, "invalid_input", "version"),
    ("promote", {"body": {"version": "1", "reason": "x"}}, 422, "invalid_input", "version"),
    ("promote", {"body": {"version": 1, "reason": " "}}, 422, "invalid_input", "reason"),
    ("get_version", {"path": "/models/example/versions/one"}, 422, "invalid_input", "version"),
    ("challenger", {"body": {"version": 1, "traffic": 2, "reason": "x"}}, 422, "invalid_input", "traffic"),
    ("challenger", {"body": {"version": None, "traffic": 0.5, "reason": "x"}}, 404, "unknown_model", "model"),
    ("promote", {"body": {"version": 10**2000, "reason": "x"}}, 422, "invalid_input", "version"),
    ("list_models", {"queryStringParameters": {"after": "x" * 3000}}, 422, "bad_name", "model"),
    ("list_models", {"path": "/models/example/nothing"}, 404, "no_route", None),
]


@pytest.mark.parametrize(("case", "changes", "status", "code", "field"), REFUSALS)
def test_refusals_name_code_and_field(
    call: Call, case: str, changes: dict[str, Any], status: int, code: str, field: str | None
) -> None:
    got, body = call(case, **changes)
    assert (got, body["code"], body.get("field")) == (status, code, field)


def test_refusals_of_a_model_that_exists(call: Call) -> None:
    call("register")
    assert call("get_version", path="/models/example/versions/9")[1]["code"] == "unknown_version"
    assert call("promote")[1]["code"] == "not_ready"
    assert call("rollback")[1]["code"] == "no_previous"


def test_a_challenger_without_its_share_is_asked_for_it(call: Call, ready: Callable[[int], int]) -> None:
    ready(1)
    status, body = call("challenger", body={"version": 1, "reason": "x"})
    assert (status, body["code"], body["field"]) == (422, "invalid_input", "traffic")


def test_a_rollback_to_nowhere_names_its_own_field(call: Call) -> None:
    call("register")
    status, body = call("rollback", body={"to_version": 99, "reason": "x"})
    assert (status, body["code"], body["field"]) == (404, "unknown_version", "to_version")


def test_a_bug_is_a_500_without_details(
    call: Call, registry: ModuleType, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_args: Any) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(registry.registry, "lineup", broken)
    status, body = call("lineup")
    assert (status, body["code"]) == (500, "internal")
    assert "secret detail" not in body["message"]
    assert "secret detail" in caplog.text


def test_every_event_is_handled(call: Call) -> None:
    for path in sorted((ROOT / "events" / "registry").glob("*.json")):
        status, body = call(path.stem)
        assert status < 500, (path.stem, body)


def test_files_lie_under_the_models_id_and_digest(call: Call) -> None:
    body = call("register")[1]
    assert f"/models/{body['model_id']}/{body['digest']}/model.tflite?" in body["uploads"][0]["url"]
