"""The README's three lines and the code of docs/mlflow.md, as written, by one who may do what the page says."""

import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from cli import environment
from cli.api import ApiError
from cli.local import tools
from cli.local.home import PROJECT
from tests.local_stack import PACKAGES, Local
from zeroloop import clock

pytestmark = pytest.mark.e2e

PAGE = (PROJECT / "docs/mlflow.md").read_text()
CODE = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
STEPS = (PROJECT / "tests/e2e/signed_steps.py").read_text()
[LINES] = re.findall(
    r"^```sh\n(export MLFLOW_TRACKING_URI.*?)^```$", (PROJECT / "README.md").read_text(), re.MULTILINE | re.DOTALL
)
TEXTS = ["A wonderful, moving film.", "Two hours that I will never get back."]


@pytest.fixture(scope="module", name="seen")
def _seen(signed: Local, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the steps after the page's code saw."""
    folder = tmp_path_factory.mktemp("training")
    (folder / "examples").symlink_to(PACKAGES)
    (folder / "train.py").write_text("\n".join([*CODE, STEPS]))
    commands = tools.install("train", signed.home, tools.find_uv(None))
    installed(folder)
    plain = environment.plain(
        API=signed.record.api_url,
        AWS_DEFAULT_REGION=signed.record.region,
        MLFLOW_S3_ENDPOINT_URL=signed.record.endpoint_url,
        MLFLOW_DISABLE_TELEMETRY="true",
        GIT_PYTHON_REFRESH="quiet",
        PYTHONPATH=f"{PROJECT / 'shared'}:{PROJECT}:{folder}",
        OMP_NUM_THREADS="1",
        **scientist(signed),
    )
    done = subprocess.run(
        ["bash", "-euc", LINES],
        cwd=folder,
        env={**plain, "PATH": f"{commands}:{plain['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-5000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


def installed(folder: Path) -> None:
    """What an installed wheel tells of its entry points: the environment of trainings has the project by its path."""
    points = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["entry-points"]
    told = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in named.items())
        for group, named in points.items()
    ]
    (folder / "zeroloop-0.dist-info").mkdir()
    (folder / "zeroloop-0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: zeroloop\nVersion: 0\n")
    (folder / "zeroloop-0.dist-info/entry_points.txt").write_text("\n".join(told))


def scientist(signed: Local) -> dict[str, str]:
    """Keys of a user with the permissions that the page names, and no other."""
    iam, api = signed.aws("iam"), signed.record.api_url.rpartition("/")[2]
    bucket = f"arn:aws:s3:::{signed.record.artifacts_bucket}"
    allowed = [
        ("execute-api:Invoke", f"arn:aws:execute-api:*:*:{api}/*"),
        ("s3:PutObject", f"{bucket}/artifacts/*"),
        ("s3:GetObject", f"{bucket}/artifacts/*"),
        ("s3:ListBucket", bucket),
    ]
    for action, _ in allowed:
        assert f"`{action}`" in PAGE
    statements = [{"Effect": "Allow", "Action": action, "Resource": arn} for action, arn in allowed]
    iam.create_user(UserName="scientist")
    iam.put_user_policy(
        UserName="scientist",
        PolicyName="page",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}),
    )
    key = iam.create_access_key(UserName="scientist")["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


def test_a_call_that_is_not_signed_is_refused(seen: dict[str, Any]) -> None:
    assert "Forbidden" in seen["unsigned"]


def test_a_space_in_a_get_is_signed_wrongly_as_the_page_says(seen: dict[str, Any]) -> None:
    """When this fails, MLflow signs better: the page's words on it can go."""
    assert "signature" in seen["spaces"]


def test_the_projects_own_signer_signs_what_mlflows_does_not(seen: dict[str, Any]) -> None:
    assert {"sentiment", "wine", "wine-linear"} <= set(seen["models"])
    assert seen["two words"] == "two words"
    assert "Forbidden" in seen["unknown"]


def test_files_go_to_s3_and_come_back(signed: Local, seen: dict[str, Any]) -> None:
    assert seen["root"].startswith(f"s3://{signed.record.artifacts_bucket}/artifacts/")
    assert seen["files"] == {"größe 100%.txt": "through S3"}
    assert seen["tag"] == "a = b & c"


def test_the_pages_runs_ended_as_it_says_and_compare_as_it_shows(signed: Local, seen: dict[str, Any]) -> None:
    assert {name: seen["runs"][name][1] for name in ("first", "second")} == {"first": "FINISHED", "second": "FAILED"}
    ids = [seen["runs"][name][0] for name in ("first", "second")]
    [shown] = re.findall(r"^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert signed.api.get(f"/runs/compare?run_ids={','.join(ids)}") == {**json.loads(shown), "run_ids": ids}


def test_the_pages_versions_are_admitted(signed: Local, seen: dict[str, Any]) -> None:
    for name in ("sentiment", "wine", "wine-linear"):
        assert signed.api.get(f"/models/{name}/versions")["versions"][0]["state"] == "READY", name


def test_the_alias_champion_serves_and_answers_through_mlflow_what_predict_answers(
    signed: Local, seen: dict[str, Any]
) -> None:
    assert signed.api.get("/models/sentiment/lineup")["champion"] == seen["champion"]
    body, deadline = {"instances": [{"text": text} for text in TEXTS]}, clock.monotonic() + 10
    while (answered := signed.api.post("/predict/sentiment", body))["model_version"] != seen["champion"]:
        assert clock.monotonic() < deadline, "a lineup may be old, but not that old"
        clock.sleep(1)
    given = [{key: answer[key] for key in seen["answers"][0]} for answer in answered["predictions"]]
    assert given == seen["answers"]
    assert [answer["prediction"] for answer in given] == ["positive", "negative"]


def test_a_version_without_a_package_is_readable_and_promote_says_why_it_cannot_serve(
    signed: Local, seen: dict[str, Any]
) -> None:
    assert seen["other"] == ["READY", [1]]
    with pytest.raises(ApiError) as refused:
        signed.api.post("/models/unpackaged/promote", {"version": 1, "reason": "test"})
    assert "hold no package" in str(refused.value)
