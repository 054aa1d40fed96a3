"""Build and deploy of template.yaml with the SAM CLI, as one would to AWS; only the endpoint differs."""

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
from botocore.exceptions import ClientError

from cli import environment, progress
from cli.local.home import PROJECT, REGION, Home

STACK = "zeroloop"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}  # what the emulator takes for the root
_INPUTS = ("template.yaml", "samconfig.toml", "uv.lock", "functions", "layers", "shared/zeroloop", "cli/local")


def digest(*, iam: bool) -> str:
    """Of all that a deployment is made of: the same digest, the same deployment."""
    whole = hashlib.sha256(repr(iam).encode())
    for file in _files():
        whole.update(f"{file.relative_to(PROJECT)}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()[:16]


def _files() -> Iterator[Path]:
    for name in _INPUTS:
        path = PROJECT / name
        found = [path] if path.is_file() else sorted(path.rglob("*"))
        yield from (file for file in found if file.is_file() and "__pycache__" not in file.parts)


def build(sam: Path, home: Home, uv: str) -> None:
    """`sam build` for this machine's Python."""
    progress.run(
        "build",
        [str(sam), "build", "--template", str(PROJECT / "template.yaml"), "--build-dir", str(_built(home))],
        log=home.log("build"),
        environment=_environment(UV=uv, PYTHON=sys.executable, ZEROLOOP_BUILD="local"),
        advice="The last lines say which layer or function; `layers/build.py` builds them.",
    )


def deploy(sam: Path, home: Home, endpoint: str, *, iam: bool) -> None:
    """`sam deploy` to the emulated AWS."""
    command = [
        *(str(sam), "deploy", "--template", str(_built(home) / "template.yaml")),
        *("--config-file", str(PROJECT / "samconfig.toml"), "--config-env", "local", "--no-progressbar"),
    ]
    if iam:
        command += ["--parameter-overrides", "ApiAuthorization=AWS_IAM"]
    progress.run(
        "deploy",
        command,
        log=home.log("deploy"),
        environment=_environment(AWS_ENDPOINT_URL=endpoint, SAM_CLI_POLL_DELAY="1"),
        advice="`zeroloop local logs --server` shows the emulator's side; `zeroloop local down --purge` starts afresh.",
    )


def _built(home: Home) -> Path:
    return home.path / "sam" / "build"  # the SAM CLI writes a file of its own beside it


def _environment(**extra: str) -> dict[str, str]:
    """Without telemetry and the instance metadata service, each of which the SAM CLI waits for in vain."""
    return environment.without_aws(
        **CREDENTIALS, AWS_DEFAULT_REGION=REGION, SAM_CLI_TELEMETRY="0", AWS_EC2_METADATA_DISABLED="true", **extra
    )


def client(service: str, endpoint: str) -> Any:
    """A client of the emulated AWS."""
    return botocore.session.get_session().create_client(
        service,
        region_name=REGION,
        endpoint_url=endpoint,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )


def outputs(endpoint: str) -> dict[str, str]:
    """The deployed stack's outputs; empty where there is no stack."""
    try:
        [stack] = client("cloudformation", endpoint).describe_stacks(StackName=STACK)["Stacks"]
    except ClientError:
        return {}
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
