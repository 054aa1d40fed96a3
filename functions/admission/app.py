"""Admission: proves that a pending version is what was registered, loads, and answers. Wiring only."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from msgspec.structs import replace

from zeroloop import config
from zeroloop.digests import PackageFile, package_digest
from zeroloop.errors import InvalidInput, NotFound
from zeroloop.inference import admission
from zeroloop.objects import Bucket
from zeroloop.registry import manifest
from zeroloop.registry.rules import Facts, State, Version
from zeroloop.registry.service import Admissions, object_key
from zeroloop.registry.store import RegistryStore
from zeroloop.telemetry import logger, metrics


@dataclass(frozen=True)
class Settings:
    """Environment of this function."""

    registry_table: str
    artifacts_bucket: str
    max_package_megabytes: int


UNSEEN = "0" * 64  # the SHA-256 of a file whose size is looked at before its bytes

settings = config.read(Settings)
bucket = Bucket(settings.artifacts_bucket)
max_bytes = settings.max_package_megabytes * 1_000_000
admissions = Admissions(RegistryStore(settings.registry_table))


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], _context: LambdaContext) -> dict[str, Any]:
    """Settle one pending version; a repeated event finds it settled. Raises what a retry may mend."""
    metrics.add_metric("Requests", MetricUnit.Count, 1)
    version = admissions.pending(event["model_id"], int(event["version"]))
    if version is None:
        return {"settled": "already"}
    settled = settle(version)
    metrics.add_metric("Admitted" if settled.state == State.READY else "Refused", MetricUnit.Count, 1)
    logger.info("settled", extra={"model_id": settled.model_id, "version": settled.version, "reason": settled.reason})
    return {"settled": settled.state, "reason": settled.reason}


def settle(version: Version) -> Version:
    """READY with its facts, or FAILED with the reason and what facts there are."""
    facts: Facts | None = None
    with TemporaryDirectory() as name:
        directory = Path(name)
        try:
            if version.origin:
                version = collect(version, directory)
            else:
                manifest.check_files(version.files, max_bytes=max_bytes)
                fetch(version, directory)
            admission.check_bytes(directory, version.files, version.digest)
            facts = admission.facts(admission.read_package(directory))
            admission.check_baseline(directory)
            facts = replace(facts, row_seconds=admission.try_out(directory))
        except InvalidInput as refused:
            return admissions.refuse(version, refused.message, facts)
        if version.origin:
            keep(version, directory)
    return admissions.admit(version, facts)


def collect(version: Version, directory: Path) -> Version:
    """The version, with the files of the folder that it was registered from, which are now in `directory`.

    Raises
    ------
    InvalidInput
        They make no package.
    """
    folder = version.origin.package if version.origin and version.origin.package else ""
    sizes = bucket.list(folder)
    manifest.check_files([PackageFile(path, UNSEEN, size) for path, size in sizes.items()], max_bytes=max_bytes)
    for path in sizes:
        bucket.fetch(folder + path, directory / path)
    files = [admission.seen(directory, path) for path in sorted(sizes)]
    return msgspec.structs.replace(version, files=files, digest=package_digest(files))


def keep(version: Version, directory: Path) -> None:
    """Put the files to where versions lie, write-once: what is there already was put by this same event before."""
    for file in version.files:
        bucket.put_once(object_key(version, file.path), directory / file.path)


def fetch(version: Version, directory: Path) -> None:
    """The version's files into `directory`; one that isn't there stays missing, which the check of bytes tells."""
    for file in version.files:
        try:
            bucket.fetch(object_key(version, file.path), directory / file.path)
        except NotFound:
            (directory / file.path).unlink(missing_ok=True)
