"""Where the local stack keeps its files, and the record of what runs."""

from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct

PROJECT = Path(__file__).resolve().parents[2]
REGION = "us-east-1"


class Record(Struct, frozen=True):
    """What is deployed and where, as `local.json` says it; without a `pid` it is stopped."""

    api_url: str
    endpoint_url: str
    region: str
    artifacts_bucket: str
    data_bucket: str
    tables: dict[str, str]
    functions: dict[str, str]
    pid: int | None
    iam: bool
    inputs: str
    """Digest of what was deployed, to tell whether there is something to deploy."""


class Home(NamedTuple):
    """The folder of one local stack."""

    path: Path

    @property
    def record_file(self) -> Path:
        """The record: the one file that others read."""
        return self.path / "local.json"

    def log(self, name: str) -> Path:
        """The log of a step."""
        return self.path / "log" / f"{name}.log"

    def read(self) -> Record | None:
        """The record of the last `up`; None before the first."""
        try:
            return msgspec.json.decode(self.record_file.read_bytes(), type=Record)
        except (FileNotFoundError, msgspec.ValidationError):
            return None

    def write(self, record: Record) -> None:
        """Replace the record in one move: a reader never sees half of it."""
        self.path.mkdir(parents=True, exist_ok=True)
        half = self.record_file.with_suffix(".half")
        half.write_bytes(msgspec.json.format(msgspec.json.encode(record)) + b"\n")
        half.replace(self.record_file)
