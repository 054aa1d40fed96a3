"""`zeroloop batch ...`: score files, and look after the jobs that do it."""

import hashlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from cli.api import Api, ApiError, on_stack, path
from cli.model import pages
from cli.show import show, table, when
from zeroloop import clock
from zeroloop.batch import rules

POLL_SECONDS = 1.0
BEGIN_SECONDS = 90.0
OVER = {"completed", "failed", "cancelled"}


@click.group()
def batch() -> None:
    """Score files of any size, every row exactly once."""


@batch.command("run")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--model", "name", required=True, help="Name of the model; its champion scores.")
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), help="Folder to bring the result home to.")
@click.option("--declare", "declared", multiple=True, metavar="NAME=VALUE", help="As metadata does: header=false.")
@on_stack
def run_command(  # noqa: PLR0913 - click gives each option
    *, file: Path, name: str, output: Path | None, declared: tuple[str, ...], api: Api, as_json: bool
) -> None:
    """Upload FILE (at most 5 GB: `aws s3 cp` puts larger ones), watch its job, and say where the result lies."""
    job = watch(api, begin(api, file, name, options(declared)))
    show(job, as_json, told(job))
    if job["status"] != "completed":
        raise SystemExit(1)
    if output:
        bring(api, job["job_id"], output)


@batch.command("list")
@on_stack
def list_command(api: Api, as_json: bool) -> None:  # noqa: FBT001 - click's form
    """Show the jobs, newest first."""
    jobs = pages(api, "/batch", "jobs", "before")
    rows = [
        [job["job_id"], when(job["created_at"]), job["status"], f"{job['progress']:.0f}%", job["input"]["key"]]
        for job in jobs
    ]
    show(jobs, as_json, table(["job", "at", "status", "progress", "input"], rows))


@batch.command("show")
@click.argument("job_id")
@on_stack
def show_command(job_id: str, api: Api, as_json: bool) -> None:  # noqa: FBT001 - click's form
    """Show a job and how far it is."""
    job = api.get(path("batch", job_id))
    show(job, as_json, told(job))


@batch.command("get")
@click.argument("job_id")
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to put it in.")
@on_stack
def get_command(job_id: str, output: Path, api: Api, as_json: bool) -> None:  # noqa: FBT001 - click's form
    """Bring the result of a completed job home."""
    names = bring(api, job_id, output)
    show(names, as_json, "\n".join(names))


@batch.command("cancel")
@click.argument("job_id")
@on_stack
def cancel_command(job_id: str, api: Api, as_json: bool) -> None:  # noqa: FBT001 - click's form
    """End a job; what it wrote stays."""
    job = api.post(path("batch", job_id, "cancel"), {})
    show(job, as_json, told(job))


@batch.command("redrive")
@click.argument("job_id")
@click.option("--max-reject-percent", type=click.FloatRange(0, 100), help="Allow so many rejects from now on.")
@on_stack
def redrive_command(job_id: str, max_reject_percent: float | None, api: Api, as_json: bool) -> None:  # noqa: FBT001
    """Try a job again and watch it; what is done stays done."""
    again = api.post(path("batch", job_id, "redrive"), {"max_reject_percent": max_reject_percent})
    job = watch(api, again["job_id"])  # another's, where the object that was missing is there by now
    show(job, as_json, told(job))
    if job["status"] != "completed":
        raise SystemExit(1)


def options(declared: Sequence[str]) -> dict[str, str]:
    """What is declared of a file, each as `name=value`."""
    pairs = [one.partition("=") for one in declared]
    for name, equals, _ in pairs:
        if not equals:
            raise click.BadParameter(f"{name!r} is not NAME=VALUE", param_hint="--declare")
    return {name: value for name, _, value in pairs}


def begin(api: Api, file: Path, name: str, declared: Mapping[str, str] | None = None) -> str:
    """Upload `file` with what is `declared` of it; the id of the job that this begins."""
    with file.open("rb") as data:
        digest = hashlib.file_digest(data, "sha256").hexdigest()
        of = {"model": name, "name": file.name, "sha256": digest, "size": file.stat().st_size}
        order = {**of, "options": dict(declared or {})}
        place = api.post("/batch/uploads", order, repeat=True)
        data.seek(0)
        place["upload"]["headers"]["content-length"] = str(order["size"])  # or a file would be sent in chunks
        version = api.upload(place["upload"], data)
    return rules.job_id(place["bucket"], place["key"], version, name, None)


def watch(api: Api, job_id: str) -> dict[str, Any]:
    """The job when it is over; a bar shows how far it is."""
    try:
        return _watched(api, job_id)
    except KeyboardInterrupt:
        click.echo(f"\nthe job goes on: see zeroloop batch show {job_id}, or zeroloop batch cancel {job_id}", err=True)
        raise


def _watched(api: Api, job_id: str) -> dict[str, Any]:
    deadline = clock.monotonic() + BEGIN_SECONDS
    job: dict[str, Any] | None = None
    with click.progressbar(length=100, label=job_id, file=sys.stderr) as bar:
        while job is None or job["status"] not in OVER:
            try:
                job = api.get(path("batch", job_id))
            except ApiError as error:  # S3's event of the upload is on its way
                if error.status != 404 or clock.monotonic() > deadline:
                    raise
            if job:
                bar.update(int(job["progress"]) - bar.pos)
            clock.sleep(POLL_SECONDS)
    return job


def bring(api: Api, job_id: str, folder: Path) -> list[str]:
    """Write the output's files to `folder`; their names."""
    files = api.get(path("batch", job_id, "files"))["files"]
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        (folder / file["name"]).write_bytes(api.download(file["url"]))
    return [str(file["name"]) for file in files]


def told(job: dict[str, Any]) -> str:
    """A job in a line."""
    done = f"{job['rows']:,} rows, {job['rejects']:,} rejects"
    speed = f", {job['rows_per_second']:,.0f} rows/s" if job.get("rows_per_second") else ""
    end = f", done about {when(job['estimated_end'])}" if job.get("estimated_end") else ""
    why = f": {job['error']}" if job["error"] else ""
    return f"{job['job_id']} {job['status']} {job['progress']:.0f}%, {done}{speed}{end}, {job['output']}{why}"
