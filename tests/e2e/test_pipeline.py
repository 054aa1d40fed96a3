"""The pipeline's commands on two stacks, from a trained package to production; and what can be asked afterwards."""

import json
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner, Result

from cli.local import stack, tools
from cli.local.home import PROJECT, Home
from cli.main import main
from tests.local_stack import PACKAGES, Local
from zeroloop.registry import audit

pytestmark = pytest.mark.e2e

MODEL = "piped"
MOST_CALLS = 45
"""On the shared stack, which is staging here; production is this file's own, and is asked what takes more."""

SMALL, LARGE = PACKAGES / "sentiment/packages/small", PACKAGES / "sentiment/packages/large"


class Two(NamedTuple):
    """Staging, production, a project of its own name, and the folder of its results."""

    staging: Local
    production: Local
    project: Path
    work: Path

    def typed(self, *words: str | Path) -> Result:
        urls = {
            "ZEROLOOP_STAGING_URL": self.staging.record.api_url,
            "ZEROLOOP_PRODUCTION_URL": self.production.record.api_url,
        }
        return CliRunner().invoke(main, [*map(str, words)], env=urls)

    def step(self, *words: str) -> Result:
        """A step on the project."""
        command, *options = words
        return self.typed(*command.split(), self.project, "--work", self.work, *options)

    def done(self, *words: str) -> Any:
        result = self.step(*words, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def candidate(self, package: Path) -> None:
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.copytree(package, self.work / "package")


@pytest.fixture(scope="module", name="two")
def _two(local: Local, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    home = Home(tmp_path_factory.mktemp("production"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    project = tmp_path_factory.mktemp("project")
    example = PROJECT / "examples" / "sentiment"
    (project / "pipeline.toml").write_text(
        (example / "pipeline.toml").read_text().replace('model = "sentiment"', f'model = "{MODEL}"')
    )
    shutil.copy(example / "gates.toml", project)
    before = local.count_calls()
    try:
        production = Local(home, stack.up(home, uv=tools.find_uv(None), port=port, iam=False))
        yield Two(local, production, project, tmp_path_factory.mktemp("work"))
    finally:
        stack.down(home)
    called = local.count_calls() - before
    assert sum(called[local.record.functions[name]] for name in ("registry", "predict", "admission")) <= MOST_CALLS


def test_the_same_bytes_go_from_staging_to_production_twice_over(two: Two) -> None:
    for env in ("staging", "production"):
        set_ = two.typed("gate", "set", MODEL, two.project / "gates.toml", "--reason", "test", "--env", env)
        assert set_.exit_code == 0, set_.output
    for _ in range(2):
        two.candidate(SMALL)
        two.done("evaluate", "--against", "staging", "--against", "production")
        assert two.done("gate check")["passed"]
        registered = two.done("register", "--env", "staging")
        deployed = two.done("deploy", "--env", "staging")
        promoted = two.done("promote", "--env", "production")
        assert (registered["version"], promoted["version"]) == (1, 1)
        assert registered["digest"] == deployed["digest"] == promoted["digest"]
        assert promoted["golden"] == 7
    for local in (two.staging, two.production):
        assert local.send("GET", f"/models/{MODEL}/versions/1").body["digest"] == registered["digest"]
        records = local.send("GET", f"/models/{MODEL}/history").body["history"]
        assert [record["action"] for record in records] == ["promote", "gates"]
        assert records[0]["evidence"]["gate"]["verdict"] == "green"


def test_nothing_reaches_production_that_was_not_proved_on_staging(two: Two) -> None:
    two.candidate(LARGE)
    refused = two.step("promote")
    assert refused.exit_code == 1
    assert "deployed-staging.json is missing" in refused.output
    (two.work / "deployed-staging.json").write_text(json.dumps({"digest": "0" * 64}))
    refused = two.step("promote")
    assert refused.exit_code == 1
    assert "deployed-staging.json is of the package 000000000000" in refused.output


def test_a_gate_stops_a_version_before_and_after_it_is_registered(two: Two, tmp_path: Path) -> None:
    two.candidate(LARGE)
    two.done("evaluate", "--against", "production")
    seed = two._replace(project=tmp_path)
    shutil.copy(two.project / "pipeline.toml", tmp_path)
    (tmp_path / "gates.toml").write_text("[metrics.accuracy]\nat_least = 0.9\n")
    checked = seed.step("gate check")
    assert checked.exit_code == 1
    assert "MISSED  accuracy at_least 0.9" in checked.output
    strict = two.typed("gate", "set", MODEL, tmp_path / "gates.toml", "--reason", "the seed's", "--env", "production")
    assert strict.exit_code == 0
    stopped = two.step("register", "--env", "production")
    assert stopped.exit_code == 1
    assert "version 2 was stopped by its gates" in stopped.output
    words = ["model", "promote", MODEL, "2", "--reason", "we know", "--env", "production"]
    refused = two.typed(*words)
    assert (refused.exit_code, "accuracy at_least 0.9" in refused.output) == (1, True)
    assert two.typed(*words, "--override").exit_code == 0
    assert two.typed("gate", "set", MODEL, "--none", "--reason", "done", "--env", "production").exit_code == 0


def test_afterwards_a_version_is_told_its_data_traced_and_its_history_taken_along(two: Two, tmp_path: Path) -> None:
    at = ["--env", "production"]
    text = two.typed("card", "show", MODEL, "1", *at).output
    assert "| accuracy | 0.78" in text
    assert "never served" not in text
    page = tmp_path / "card.html"
    assert two.typed("card", "show", MODEL, "1", "--html", "--output", page, *at).exit_code == 0
    assert page.read_text().startswith("<!doctype html>")

    source = two.production.send("GET", f"/models/{MODEL}/versions/1").body["dataset_hash"]
    used = [one for one in json.loads(two.typed("data", "used", source, "--json", *at).stdout) if one["model"] == MODEL]
    assert [(one["version"], one["as"]) for one in used] == [(2, "source"), (1, "source")]
    assert used[1]["served"][0]["end"] == used[0]["served"][0]["begin"]
    assert used[0]["served"][0]["end"] is None
    evaluated = two.production.send("GET", f"/models/{MODEL}/versions/1/evaluation").body["evaluation"]
    split = two.typed("data", "used", evaluated["data"]["splits"]["test"][:12], "--json", *at)
    assert {one["as"] for one in json.loads(split.stdout)} == {"test"}

    file = tmp_path / "history.jsonl"
    exported = two.typed("audit", "export", MODEL, "--output", file, *at)
    assert "the chain is whole" in exported.output
    records = [json.loads(line) for line in file.read_text().splitlines()]
    assert [record["action"] for record in records] == ["gates", "promote", "gates", "promote", "gates"]
    assert records[3]["evidence"]["gate"]["override"] is True
    assert audit.faults(records, len(records)) == []
    records[3]["evidence"]["gate"]["override"] = False
    assert audit.faults(records, len(records)) == ["revision 4 was changed after it was written"]


def test_what_nothing_refers_to_is_listed_and_deleted_only_when_asked(two: Two) -> None:
    run = two.production.send("POST", "/api/2.0/mlflow/runs/create", {"experiment_id": "0"}).body["run"]["info"]
    bucket, s3 = two.production.record.artifacts_bucket, two.production.aws("s3")
    kept = run["artifact_uri"].partition(bucket)[2].strip("/") + "/kept.txt"
    ghost = kept.replace(run["run_id"], run["run_id"][:10] + "0" * 22)
    orphan = f"models/m-0123456789abcdef/{'0' * 64}/model.tflite"
    for key in (kept, ghost, orphan):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x", IfNoneMatch="*")

    def found(*options: str) -> dict[str, bool]:
        told = two.typed("gc", "--older-than", "0", "--json", "--env", "production", *options)
        assert told.exit_code == 0, told.output
        return {one["prefix"]: one["deleted"] for one in json.loads(told.stdout)}

    prefixes = {ghost.removesuffix("artifacts/kept.txt"), orphan.removesuffix("model.tflite")}
    assert found() == dict.fromkeys(prefixes, False)
    assert found("--delete") == {prefix: prefix.startswith("artifacts") for prefix in prefixes}
    assert found() == {orphan.removesuffix("model.tflite"): False}
    left = {entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    assert {kept, orphan} <= left
    assert ghost not in left
    assert len([key for key in left if key.startswith("models/")]) == 9  # four files of each version are referred to
