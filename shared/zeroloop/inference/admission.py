"""The check that a pending version passes before it may serve: bytes, contract, and a real run in isolation."""

import signal
import subprocess
import sys
from pathlib import Path

import msgspec

from zeroloop import config
from zeroloop.digests import PackageFile, package_digest, sha256
from zeroloop.errors import InvalidInput
from zeroloop.inference import package as packages
from zeroloop.inference.package import Package
from zeroloop.monitoring import baseline
from zeroloop.registry.rules import MAX_FACTS_BYTES, Facts

# Addresses, of which Python, NumPy and LiteRT take 141 MB before they load a model, tokenizers 11 MB more (measured on
# Linux x86-64): leaves a model 1.3 GB, and the function's 1,769 MB hold the parent beside the child.
PROBE_MEGABYTES = 1_500
PROBE_SECONDS = 60.0


def seen(directory: Path, path: str) -> PackageFile:
    """A file of the package in `directory` as its manifest has it."""
    data = (directory / path).read_bytes()
    return PackageFile(path, sha256(data), len(data))


def check_bytes(directory: Path, files: list[PackageFile], digest: str) -> None:
    """Refuse files in `directory` that are not those of the manifest.

    Raises
    ------
    InvalidInput
        Names the file that is missing, or of another size or digest.
    """
    for file in files:
        path = directory / file.path
        if not path.is_file():
            raise InvalidInput(f"{file.path} is missing", field=file.path)
        if path.stat().st_size != file.size:
            raise InvalidInput(f"{file.path} has {path.stat().st_size:,} bytes, not {file.size:,}", field=file.path)
        if sha256(path.read_bytes()) != file.sha256:
            raise InvalidInput(f"{file.path} is not what was registered: its SHA-256 differs", field=file.path)
    if package_digest(files) != digest:
        raise InvalidInput("the files are not those of the version's digest", field="digest")


def facts(package: Package) -> Facts:
    """What the registry shows of a package.

    Raises
    ------
    InvalidInput
        More than 32,000 bytes of JSON: an item holds 400 KB, and an answer of 100 versions 6 MB.
    """
    found = _facts(package)
    if (size := len(msgspec.json.encode(found))) > MAX_FACTS_BYTES:
        raise InvalidInput(
            f"package.json: labels, metrics, parameters, libraries and description have {size:,} bytes of JSON "
            f"together, at most {MAX_FACTS_BYTES:,} are allowed",
            field="package.json",
        )
    return found


def _facts(package: Package) -> Facts:
    return Facts(
        description=package.description,
        task=package.task,
        labels=package.labels,
        metrics=msgspec.to_builtins(package.metrics),
        parameters=package.parameters,
        dataset_hash=package.dataset.digest,
        run_id=package.run_id,
        git_commit=package.git_commit,
        libraries=package.libraries,
    )


def read_package(directory: Path) -> Package:
    """The package in `directory`; InvalidInput names what is wrong with its package.json."""
    return packages.read((directory / "package.json").read_bytes())


def check_baseline(directory: Path) -> None:
    """Refuse a baseline.json that can't be read; without one a package is admitted, and its drift is undetermined.

    Raises
    ------
    InvalidInput
    """
    path = directory / baseline.NAME
    if path.is_file():
        baseline.read(path.read_bytes())


def try_out(directory: Path, *, megabytes: int = PROBE_MEGABYTES, timeout_seconds: float = PROBE_SECONDS) -> float:
    """Load the package and compare its golden predictions, in a child that may crash; the seconds that a row takes.

    Raises
    ------
    InvalidInput
        What the child found, or how it died.
    """
    command = [sys.executable, "-m", "zeroloop.inference.probe", str(directory), str(megabytes)]
    try:
        child = subprocess.run(  # noqa: S603 - our own module, by our own interpreter
            command, env=config.for_child(), capture_output=True, timeout=timeout_seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise InvalidInput(f"the model did not answer within {timeout_seconds:g} s") from error
    if child.returncode:
        raise InvalidInput(_death(child.returncode, child.stderr, megabytes))
    found = _finding(child.stdout)
    if isinstance(found, str):
        raise InvalidInput(found)
    return found


def _finding(stdout: bytes) -> str | float:
    """What the probe wrote last; a child that ended without a word was ended by the model."""
    try:
        return msgspec.json.decode((stdout.splitlines() or [b""])[-1], type=str | float)
    except msgspec.DecodeError:
        return "the model ended the process that tried it out"


def _death(code: int, stderr: bytes, megabytes: int) -> str:
    last = (stderr.decode(errors="replace").strip().splitlines() or [""])[-1][:300]
    if "MemoryError" in last or "bad_alloc" in last:
        return f"the model needs more than {megabytes} MB of memory"
    if code < 0:
        return f"the model crashes the interpreter ({signal.Signals(-code).name}) {last}".strip()
    return f"the model can't be tried out: {last}"
