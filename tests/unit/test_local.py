from pathlib import Path
from typing import Any

import msgspec
import pytest

from cli import environment, progress
from cli.local import deployment, gaps, stack
from cli.local.home import Home, Record

RECORD = Record(
    api_url="http://127.0.0.1:1/_aws/execute-api/x",
    endpoint_url="http://127.0.0.1:1",
    region="us-east-1",
    artifacts_bucket="a",
    data_bucket="d",
    tables={"registry": "t"},
    functions={"predict": "f"},
    pid=7,
    iam=False,
    inputs="i",
)


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")

    assert home.read() is None
    home.write(RECORD)

    assert home.read() == RECORD
    assert [file.name for file in home.path.iterdir()] == ["local.json"]


def test_a_record_of_another_shape_is_no_record(tmp_path: Path) -> None:
    (tmp_path / "local.json").write_text("{}")

    assert Home(tmp_path).read() is None


def test_a_stopped_stack_is_not_up() -> None:
    assert not stack.is_up(msgspec.structs.replace(RECORD, pid=None))


def test_outputs_are_named_by_their_word() -> None:
    outputs = {"RegistryTable": "t", "PredictFunction": "f", "ArtifactsBucket": "a"}

    assert stack._named(outputs, "Table") == {"registry": "t"}
    assert stack._named(outputs, "Function") == {"predict": "f"}


@pytest.mark.parametrize("name", ["template.yaml", "functions/predict/app.py", "shared/zeroloop/clock.py"])
def test_a_change_of_what_is_deployed_is_another_deployment(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deployment, "PROJECT", tmp_path)
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("a")
    before = deployment.digest(iam=False)

    assert deployment.digest(iam=False) == before
    assert deployment.digest(iam=True) != before
    (tmp_path / "README.md").write_text("not deployed")
    assert deployment.digest(iam=False) == before
    file.write_text("b")
    assert deployment.digest(iam=False) != before


@pytest.mark.parametrize(
    ("statement", "goes"),
    [
        ({"Action": "s3:PutObject", "Condition": {"Null": {"s3:if-none-match": "true"}}}, True),
        ({"Action": "s3:*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}, True),
        ({"Action": ["s3:DeleteObject"]}, False),
        ({"Action": "s3:*", "Condition": {"StringEquals": {"aws:PrincipalAccount": "1"}}}, False),
    ],
)
def test_only_statements_that_cannot_be_met_here_go(statement: dict[str, Any], goes: bool) -> None:
    assert gaps._unmeetable(statement) == goes


def test_programs_inherit_no_aws_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "")
    monkeypatch.setenv("VIRTUAL_ENV", "elsewhere")

    for inherited in (environment.plain(A="1"), environment.without_aws(A="1")):
        assert not [name for name in inherited if name.startswith("AWS_") or name == "VIRTUAL_ENV"]
        assert inherited["A"] == "1"
        assert "PATH" in inherited


def test_a_failed_step_says_how_its_log_ended_and_what_to_do(tmp_path: Path) -> None:
    log = tmp_path / "log" / "step.log"

    with pytest.raises(progress.StepFailed) as failed:
        progress.run(
            "step", ["sh", "-c", "seq 100; exit 3"], log=log, environment=environment.plain(), advice="Do this."
        )

    said = str(failed.value)
    assert said.startswith("step failed.\n76\n")
    assert "100\n" in said
    assert str(log) in said
    assert said.endswith("Do this.")
