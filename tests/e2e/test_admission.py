"""What admission refuses, with the reason, while the old champion answers on."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.local_stack import PACKAGES, Local
from tests.models import endless, gigabytes
from zeroloop import clock
from zeroloop.digests import PackageFile, package_digest, sha256

pytestmark = pytest.mark.e2e

SMALL = "sentiment/packages/small"


@pytest.fixture(name="guarded", scope="module")
def _guarded(local: Local) -> Local:
    local.serving("guarded", SMALL)
    return local


@pytest.fixture(name="package")
def _package(tmp_path: Path) -> Path:
    """A good package, for a test to spoil."""
    return Path(shutil.copytree(PACKAGES / SMALL, tmp_path / "package"))


def still_answers(local: Local) -> None:
    status, body = local.send("POST", "/predict/guarded", {"text": "A wonderful, moving film."})
    assert (status, body["model_version"]) == (200, 1)


def refused(local: Local, package: Path) -> dict[str, Any]:
    version = local.register(package, "guarded")
    assert version["state"] == "FAILED"
    promotion = local.promote("guarded", version["version"])
    assert (promotion.status, promotion.body["code"]) == (409, "not_ready")
    assert version["reason"] in promotion.body["message"]
    still_answers(local)
    return version


def change(package: Path, **fields: Any) -> None:
    path = package / "package.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def test_a_model_that_is_no_tflite_model(guarded: Local, package: Path) -> None:
    (package / "model.tflite").write_bytes(b"not a model at all")
    assert "flatbuffer identifier" in refused(guarded, package)["reason"]


def test_a_model_cut_short(guarded: Local, package: Path) -> None:
    whole = (package / "model.tflite").read_bytes()
    (package / "model.tflite").write_bytes(whole[: len(whole) // 2])
    refused(guarded, package)


def test_a_model_that_crashes_the_interpreter(guarded: Local, package: Path) -> None:
    (package / "model.tflite").write_bytes(endless())
    assert "crashes the interpreter (SIG" in refused(guarded, package)["reason"]


def test_a_model_that_asks_for_gigabytes(guarded: Local, package: Path) -> None:
    (package / "model.tflite").write_bytes(gigabytes())
    assert "MB" in refused(guarded, package)["reason"]


def test_a_model_that_answers_otherwise_than_its_golden_predictions(guarded: Local, package: Path) -> None:
    golden = json.loads((package / "package.json").read_text())["golden"]
    scores = golden["cases"][0]["scores"]
    golden["cases"][0]["scores"] = {label: 1 - score for label, score in scores.items()}
    change(package, golden=golden)
    assert "golden predictions" in refused(guarded, package)["reason"]


def test_a_package_without_golden_predictions(guarded: Local, package: Path) -> None:
    change(package, golden={"tolerance": 0.01, "cases": []})
    assert "at least 3" in refused(guarded, package)["reason"]


def test_a_package_that_was_trained_with_other_preprocessing(guarded: Local, package: Path) -> None:
    declared = json.loads((package / "package.json").read_text())["preprocessing"]
    change(package, preprocessing={**declared, "digest": "f" * 64})
    assert "trained with preprocessing" in refused(guarded, package)["reason"]


def test_a_package_json_that_breaks_its_contract(guarded: Local, package: Path) -> None:
    path = package / "package.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "task": "guessing"}))
    files = models_manifest(package)
    version = guarded.api.post("/models/guarded/versions", {"files": [file._asdict() for file in files]})
    upload(guarded, version, package)
    assert "guessing" in settled(guarded, version)["reason"]
    still_answers(guarded)


def test_bytes_that_are_not_those_announced_are_refused_by_s3(guarded: Local, package: Path) -> None:
    version = announce(guarded, package, "swapped")
    [first, *_] = version["uploads"]
    with pytest.raises(Exception, match="was not accepted"):
        guarded.api.upload(first, b"other bytes")
    status, body = guarded.send("POST", f"/models/guarded/versions/{version['version']}/complete", {})
    assert (status, body["code"]) == (409, "files_missing")


def test_a_file_can_not_be_put_a_second_time(guarded: Local) -> None:
    version = guarded.send("GET", "/models/guarded/versions/1").body
    files = {file["path"]: file for file in version["files"]}
    key = f"models/{version['model_id']}/{version['digest']}/package.json"
    s3 = guarded.aws("s3")
    with pytest.raises(s3.exceptions.ClientError) as taken:
        s3.put_object(Bucket=guarded.record.artifacts_bucket, Key=key, Body=b"{}", IfNoneMatch="*")
    assert taken.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    body = s3.get_object(Bucket=guarded.record.artifacts_bucket, Key=key)["Body"].read()
    assert sha256(body) == files["package.json"]["sha256"]


def test_bytes_that_changed_behind_the_registry_are_refused_at_admission(guarded: Local, package: Path) -> None:
    version = announce(guarded, package, "tampered")
    upload(guarded, version, package)
    key = f"models/{version['model_id']}/{version['digest']}/model.tflite"
    size = (package / "model.tflite").stat().st_size
    guarded.aws("s3").put_object(Bucket=guarded.record.artifacts_bucket, Key=key, Body=b"\0" * size)
    assert "SHA-256 differs" in settled(guarded, version)["reason"]
    still_answers(guarded)


def test_bytes_that_changed_after_admission_are_refused_before_the_interpreter_sees_them(
    guarded: Local, package: Path
) -> None:
    change(package, description="changed after its admission")
    version = guarded.register(package, "guarded")
    assert version["state"] == "READY"
    key = f"models/{version['model_id']}/{version['digest']}/model.tflite"
    size = (package / "model.tflite").stat().st_size
    guarded.aws("s3").put_object(Bucket=guarded.record.artifacts_bucket, Key=key, Body=b"\0" * size)
    status, body = guarded.send("POST", "/predict/guarded", {"text": "fine", "version": version["version"]})
    assert (status, body["code"]) == (500, "corrupt_package")
    still_answers(guarded)


def test_a_failing_admission_ends_in_its_queue(local: Local) -> None:
    local.aws("lambda").invoke(
        FunctionName=local.record.functions["admission"],
        Qualifier="live",
        InvocationType="Event",
        Payload=b'{"version": "one"}',
    )
    sqs = local.aws("sqs")
    [queue] = [url for url in sqs.list_queues()["QueueUrls"] if "AdmissionFailures" in url]
    deadline = clock.monotonic() + 90
    messages: list[Any] = []
    while not messages and clock.monotonic() < deadline:
        messages = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5).get("Messages", [])
    record = json.loads(messages[0]["Body"])
    assert record["requestPayload"] == {"version": "one"}
    assert record["requestContext"]["condition"] == "RetriesExhausted"


def models_manifest(package: Path) -> list[PackageFile]:
    """The manifest without the check that the command makes first."""
    found = sorted(package.iterdir())
    return [PackageFile(file.name, sha256(file.read_bytes()), file.stat().st_size) for file in found]


def announce(local: Local, package: Path, description: str) -> dict[str, Any]:
    change(package, description=description)
    files = models_manifest(package)
    version = local.api.post("/models/guarded/versions", {"files": [file._asdict() for file in files]})
    assert version["digest"] == package_digest(files)
    return version


def upload(local: Local, version: dict[str, Any], package: Path) -> None:
    for wanted in version["uploads"]:
        local.api.upload(wanted, (package / wanted["path"]).read_bytes())


def settled(local: Local, version: dict[str, Any]) -> dict[str, Any]:
    here = f"/models/guarded/versions/{version['version']}"
    local.api.post(f"{here}/complete", {})
    deadline = clock.monotonic() + 60
    while (found := local.api.get(here))["state"] == "PENDING" and clock.monotonic() < deadline:
        clock.sleep(1)
    assert found["state"] == "FAILED"
    return found
