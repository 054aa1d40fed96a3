from pathlib import Path
from typing import Any, cast

import click
import pytest
from click.testing import CliRunner

from cli import batch
from cli.api import Api
from cli.main import main


class Interrupted:
    """An API at whose answer somebody presses ^C."""

    def get(self, _path: str) -> Any:
        raise KeyboardInterrupt


def test_who_stops_watching_is_told_that_the_job_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt):
        batch.watch(cast("Api", Interrupted()), "j-1")
    said = capsys.readouterr().err
    assert "the job goes on" in said
    assert "zeroloop batch show j-1" in said
    assert "zeroloop batch cancel j-1" in said


class Asked:
    """An API that keeps what it is asked for."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, Any]] = []

    def post(self, path: str, body: Any, **_: bool) -> Any:
        self.asked.append((path, body))
        return self.answers.pop(0)

    def get(self, path: str) -> Any:
        self.asked.append((path, None))
        return self.answers.pop(0)

    def upload(self, upload: dict[str, Any], _data: Any) -> str:
        self.asked.append((upload["path"], upload["headers"]))
        return "v1"


def test_what_is_declared_of_a_file_goes_with_its_upload(tmp_path: Path) -> None:
    file = tmp_path / "one.csv"
    file.write_bytes(b"review\ngood film\n")
    place = {
        "bucket": "data",
        "key": "inbox/m/x/one.csv",
        "upload": {"path": "one.csv", "headers": {"x-amz-meta-a": "b"}},
    }
    api = Asked(place)
    batch.begin(cast("Api", api), file, "m", batch.options(["header=false", "delimiter=="]))
    assert api.asked[0][1]["options"] == {"header": "false", "delimiter": "="}
    assert api.asked[1] == ("one.csv", {"x-amz-meta-a": "b", "content-length": "17"})


@pytest.mark.parametrize("declared", ["header", ""])
def test_what_declares_nothing_is_refused(declared: str) -> None:
    with pytest.raises(click.BadParameter, match="NAME=VALUE"):
        batch.options([declared])


def test_a_redrive_watches_the_job_that_it_is_answered_with(monkeypatch: pytest.MonkeyPatch) -> None:
    watched: list[str] = []
    job = {
        "job_id": "j-2",
        "status": "completed",
        "progress": 100.0,
        "rows": 1,
        "rejects": 0,
        "error": None,
        "output": "",
    }
    monkeypatch.setattr("cli.api.local_api", lambda *_: Asked({**job, "status": "processing"}))

    def watch(_api: Api, job_id: str) -> dict[str, Any]:
        watched.append(job_id)
        return job

    monkeypatch.setattr(batch, "watch", watch)
    result = CliRunner().invoke(main, ["batch", "redrive", "j-1"])
    assert (result.exit_code, watched) == (0, ["j-2"]), result.output
