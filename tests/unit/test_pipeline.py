"""What the pipeline's commands refuse before they touch a stack, each in a line that says what to do."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.local.home import PROJECT
from cli.main import main
from cli.model import manifest
from zeroloop.digests import package_digest

EXAMPLE = PROJECT / "examples" / "sentiment"
SMALL = EXAMPLE / "packages/small"
NOWHERE = {"ZEROLOOP_STAGING_URL": "http://127.0.0.1:1", "ZEROLOOP_PRODUCTION_URL": "http://127.0.0.1:1"}

STAGING = ["--env", "staging"]


def typed(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [*map(str, words)], env=NOWHERE)


def refused(result: Result) -> str:
    assert result.exit_code in {1, 2, 4}, result.output
    assert isinstance(result.exception, SystemExit)  # click's own end, and not something that nobody expected
    return result.output


@pytest.mark.parametrize(
    ("said", "says"),
    [
        (None, "pipeline.toml is missing: docs/pipeline.md says what it holds"),
        ("model = ", "pipeline.toml is not TOML"),
        ("", "the field `model` must say the name"),
        ("model = 3\n", "the field `model` must say the name"),
    ],
)
def test_a_folder_that_is_no_project_is_told(tmp_path: Path, said: str | None, says: str) -> None:
    if said is not None:
        (tmp_path / "pipeline.toml").write_text(said)
    assert says in refused(typed("gate", "check", tmp_path))


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ({}, "evaluation.json is missing: the step that writes it has not run"),
        ({"evaluation.json": "{"}, "evaluation.json is not what a step wrote"),
        ({"evaluation.json": '{"metrics": {}}'}, "missing required field `digest`; run `zeroloop evaluate`"),
        ({"evaluation.json": json.dumps({"digest": "0" * 64, "metrics": {}})}, "run `zeroloop evaluate` on it first"),
    ],
)
@pytest.mark.parametrize("step", ["gate check", "register"])
def test_nothing_is_judged_or_registered_by_what_was_found_of_another_package(
    tmp_path: Path, step: str, written: dict[str, str], says: str
) -> None:
    shutil.copytree(SMALL, tmp_path / "package")
    for name, text in written.items():
        (tmp_path / name).write_text(text)
    assert says in refused(typed(*step.split(), EXAMPLE, "--work", tmp_path))


@pytest.mark.parametrize(
    ("step", "file"), [("deploy", "registered-staging.json"), ("promote", "deployed-staging.json")]
)
def test_a_package_that_was_trained_since_is_not_taken_for_the_one_before(tmp_path: Path, step: str, file: str) -> None:
    shutil.copytree(SMALL, tmp_path / "package")
    (tmp_path / file).write_text(json.dumps({"version": 1, "digest": "0" * 64}))
    said = refused(typed(step, EXAMPLE, "--work", tmp_path))
    assert f"{file} is of the package 000000000000, the candidate is" in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["gate", "set", "x", "--reason", "y", *STAGING], "name a FILE, or --none"),
        (["gate", "set", "x", "/dev/null", "--none", "--reason", "y", *STAGING], "name a FILE, or --none"),
        (["gate", "set", "x", str(EXAMPLE / "pipeline.toml"), "--reason", "y", *STAGING], "unknown field `model`"),
        (["gate", "set", "x", str(SMALL / "model.tflite"), "--reason", "y", *STAGING], "model.tflite"),
        (
            ["ab", "check", "--model", "x", "--registered", str(SMALL / "model.tflite"), *STAGING],
            "not what a step wrote",
        ),
        (
            ["ab", "check", "--model", "x", "--registered", str(SMALL / "package.json"), *STAGING],
            "--model and --version",
        ),
        (
            ["retrain", "sentiment", "--traffic", "1", "--home", "/nowhere"],
            "'--traffic': 1.0 is not in the range 0<x<1",
        ),
        (["replay", "x", "--window", "5", "--home", "/nowhere"], "Invalid value for --window: '5'"),
        (["gate", "show", "x", "--env", "nowhere"], "ZEROLOOP_NOWHERE_URL names another"),
        (["gate", "show", "x", "--env", "../x"], "no name of letters, digits and _"),
        (["data", "used", "abc", *STAGING], "at least the first 8 digits"),
        (["data", "used", "sentiment", *STAGING], "hexadecimal"),
        (["gc", "--older-than", "-1"], "--older-than"),
        (["replay", "x", "--home", "/nowhere"], "zeroloop local up --home /nowhere"),
        (["retrain", "nobody", "--home", "/nowhere"], "zeroloop local up --home /nowhere"),
    ],
)
def test_bad_input_is_told_in_a_line(words: list[str], says: str) -> None:
    assert says in refused(typed(*words))


@pytest.mark.parametrize("words", [["a-test", "--env", "nowhere"], ["--env", "staging"]])
def test_a_check_of_a_test_that_cannot_be_made_is_not_one_that_is_lost(words: list[str]) -> None:
    assert typed("ab", "check", *words).exit_code == 4


def test_a_file_that_cannot_be_written_is_told_in_a_line(tmp_path: Path) -> None:
    shutil.copytree(SMALL, tmp_path / "package")
    digest = package_digest(manifest(tmp_path / "package"))
    (tmp_path / "evaluation.json").write_text(json.dumps({"digest": digest, "metrics": {}}))
    (tmp_path / "gate.json").mkdir()
    assert "gate.json: Is a directory" in refused(typed("gate", "check", EXAMPLE, "--work", tmp_path))
