"""The admission function on moto, with the real child process."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.integration.conftest import ROOT, Context, client, event
from zeroloop.digests import PackageFile, sha256
from zeroloop.objects import Bucket
from zeroloop.registry.rules import Version
from zeroloop.registry.service import Registry, object_key
from zeroloop.registry.store import RegistryStore

SMALL = ROOT / "examples/sentiment/packages/small"

Register = Callable[..., Version]
Settle = Callable[[Version], dict[str, Any]]


@pytest.fixture(name="registry")
def _registry(aws: None) -> Registry:
    return Registry(RegistryStore("registry"), Bucket("artifacts"), lambda *_: None, max_package_bytes=10_000_000)


@pytest.fixture(name="register")
def _register(registry: Registry) -> Register:
    """Register and upload a package; `leave_out` a file, or put other bytes."""

    def register(package: Path, *, leave_out: str = "", other: dict[str, bytes] | None = None) -> Version:
        files = {path.name: path.read_bytes() for path in package.iterdir()}
        manifest = [PackageFile(path, sha256(data), len(data)) for path, data in files.items()]
        version = registry.register("sentiment", manifest, actor="test", at=0).version
        for path, data in {**files, **(other or {})}.items():
            if path != leave_out:
                client("s3").put_object(Bucket="artifacts", Key=object_key(version, path), Body=data)
        return version

    return register


@pytest.fixture(name="settle")
def _settle(load: Callable[[str], ModuleType]) -> Settle:
    module = load("admission")

    def settle(version: Version) -> dict[str, Any]:
        sent = {**event("admission", "pending"), "model_id": version.model_id, "version": version.version}
        return dict(module.lambda_handler(sent, Context()))

    return settle


def test_a_good_package_becomes_ready_with_its_facts(register: Register, settle: Settle, registry: Registry) -> None:
    version = register(SMALL)
    assert settle(version) == {"settled": "READY", "reason": None}
    facts = registry.version("sentiment", 1).facts
    described = json.loads((SMALL / "package.json").read_text())
    assert facts
    assert facts.metrics["accuracy"]["value"] == described["metrics"]["accuracy"]["value"]
    assert facts.dataset_hash == described["dataset"]["digest"]
    assert facts.labels == ["negative", "positive"]


def test_the_same_event_again_finds_nothing_to_do(register: Register, settle: Settle) -> None:
    version = register(SMALL)
    settle(version)
    assert settle(version) == {"settled": "already"}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"leave_out": "model.tflite"}, "model.tflite is missing"),
        ({"other": {"model.tflite": b"short"}}, "model.tflite has 5 bytes"),
        ({"other": {"card.md": b"\0" * (SMALL / "card.md").stat().st_size}}, "card.md is not what was registered"),
    ],
)
def test_bytes_that_are_not_those_registered_fail(
    register: Register, settle: Settle, registry: Registry, changes: dict[str, Any], reason: str
) -> None:
    settled = settle(register(SMALL, **changes))
    assert settled["settled"] == "FAILED"
    assert reason in settled["reason"]
    assert registry.version("sentiment", 1).state == "FAILED"


def test_an_event_of_a_version_that_nobody_registered_finds_nothing_to_do(load: Callable[[str], ModuleType]) -> None:
    assert load("admission").lambda_handler(event("admission", "pending"), Context()) == {"settled": "already"}


def test_a_package_that_tells_too_much_fails_with_the_reason(
    register: Register, settle: Settle, tmp_path: Path, registry: Registry
) -> None:
    package = Path(shutil.copytree(SMALL, tmp_path / "package"))
    described = json.loads((package / "package.json").read_text())
    (package / "package.json").write_text(json.dumps({**described, "parameters": {"x": "y" * 500_000}}))
    settled = settle(register(package))
    assert settled["settled"] == "FAILED"
    assert "at most 32,000" in settled["reason"]


def test_a_failed_version_can_be_tried_again(register: Register, settle: Settle, registry: Registry) -> None:
    version = register(SMALL, leave_out="card.md")
    assert settle(version)["settled"] == "FAILED"
    client("s3").put_object(
        Bucket="artifacts", Key=object_key(version, "card.md"), Body=(SMALL / "card.md").read_bytes()
    )
    assert registry.complete("sentiment", 1).state == "PENDING"
    assert settle(version) == {"settled": "READY", "reason": None}
