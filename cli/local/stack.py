"""Up and down."""

import shutil
from urllib.parse import urlsplit

import msgspec

from cli.local import deployment, gaps, server, tools
from cli.local.home import REGION, Home, Record


def up(home: Home, *, uv: str, port: int | None, iam: bool) -> Record:
    """Bring the stack to what the working tree says; nothing to do is done fast."""
    inputs = deployment.digest(iam=iam)
    record = home.read()
    if record and record.inputs == inputs and is_up(record):
        return record
    pid, endpoint = _serve(home, record, uv=uv, port=port, iam=iam)
    outputs = deployment.outputs(endpoint)
    if not (outputs and record and record.inputs == inputs):
        sam = tools.install("sam", home, uv) / "sam"
        deployment.build(sam, home, uv)
        deployment.deploy(sam, home, endpoint, iam=iam)
        outputs = deployment.outputs(endpoint)
        gaps.give_failure_queues(endpoint, _named(outputs, "Function").values())
        if iam:
            for bucket in _named(outputs, "Bucket").values():
                gaps.relax_bucket_policy(endpoint, bucket)
    record = _record(outputs, endpoint, pid=pid, iam=iam, inputs=inputs)
    home.write(record)
    return record


def _serve(home: Home, record: Record | None, *, uv: str, port: int | None, iam: bool) -> tuple[int, str]:
    """The process id and the URL of a running emulator: the one that runs, if it will do, or a new one."""
    if record and record.pid and is_up(record):
        if record.iam == iam and port in {None, _port(record)}:
            return record.pid, record.endpoint_url
        down(home)
    ministack = tools.install("stack", home, uv) / "ministack"
    chosen = server.choose_port(port, _port(record) if record else None)
    pid, endpoint = server.start(ministack, home, chosen, iam=iam), f"http://127.0.0.1:{chosen}"
    # At once, so that what is interrupted or fails from here on is found by the next `up`, and stopped by `down`.
    deployed = record or Record("", endpoint, REGION, "", "", {}, {}, pid, iam, "")
    home.write(msgspec.structs.replace(deployed, endpoint_url=endpoint, pid=pid, iam=iam))
    return pid, endpoint


def _record(outputs: dict[str, str], endpoint: str, *, pid: int, iam: bool, inputs: str) -> Record:
    return Record(
        api_url=gaps.api_url(endpoint, outputs["ApiId"]),
        endpoint_url=endpoint,
        region=REGION,
        artifacts_bucket=outputs["ArtifactsBucket"],
        data_bucket=outputs["DataBucket"],
        tables=_named(outputs, "Table"),
        functions=_named(outputs, "Function"),
        pid=pid,
        iam=iam,
        inputs=inputs,
    )


def _named(outputs: dict[str, str], kind: str) -> dict[str, str]:
    """The outputs of one kind by word: RegistryTable is `registry` among the tables."""
    return {name.removesuffix(kind).lower(): value for name, value in outputs.items() if name.endswith(kind)}


def down(home: Home) -> bool:
    """Stop the emulator, its state saved; whether there was one to stop."""
    record = home.read()
    if not record or not record.pid or not is_up(record):
        return False
    server.stop(record.pid, _port(record))
    home.write(msgspec.structs.replace(record, pid=None))
    shutil.rmtree(home.path / "tmp", ignore_errors=True)
    return True


def purge(home: Home) -> None:
    """Forget the stopped stack's state: tables, objects, everything."""
    for name in ("state", "s3", "sam", "tmp"):
        shutil.rmtree(home.path / name, ignore_errors=True)
    home.record_file.unlink(missing_ok=True)


def is_up(record: Record) -> bool:
    """Whether the recorded emulator answers."""
    return record.pid is not None and server.answers(_port(record))


def _port(record: Record) -> int:
    return urlsplit(record.endpoint_url).port or server.DEFAULT_PORT
