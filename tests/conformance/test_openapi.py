"""docs/openapi.yaml against the deployed template: schemathesis asks, and every answer must be as described."""

import json
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from cli import environment
from cli.local import tools
from cli.local.home import PROJECT, Home
from tests import models
from tests.local_stack import Local

pytestmark = pytest.mark.e2e

MOST_CALLS = 400
EACH = 2
SHOWN = 1
"""The version that the examples are about."""
DIGEST = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""The package that the example of an evaluation is of."""
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
NEVER_OVER = {
    "POST /batch/{job}/cancel",
    "POST /batch/{job}/redrive",
    "POST /ab-tests/{name}/results",
    "POST /ab-tests/{name}/stop",
    "POST /ab-tests/{name}/traffic",
}
"""The only job here is done, and tests are over as chance has it, so that these may all be refused."""

# Names that exist, so that answers are tested and not refusals alone; the rest is made up.
KNOWN = """
[parameters]
"path.model" = {dictionary = "models", probability = 0.8}
"path.version" = {dictionary = "versions", probability = 0.7}
"path.name" = {dictionary = "tests", probability = 0.8}
"path.job" = {dictionary = "jobs", probability = 0.7}
"body.model" = {dictionary = "models", probability = 0.8}
"body.version" = {dictionary = "versions", probability = 0.7}
"body.text" = {dictionary = "texts", probability = 0.7}
"body.input" = {dictionary = "inputs", probability = 0.7}
"body.prediction_id" = {dictionary = "predictions", probability = 0.7}

[[operations]]
include-operation-id = "compareRuns"
parameters = {"query.run_ids" = {dictionary = "runs", probability = 0.7}}
"""


class Asked(NamedTuple):
    """What schemathesis did: what it says, whether all was well, and the answers by operation and status."""

    said: str
    well: bool
    answers: Counter[tuple[str, int]]


@pytest.fixture(scope="module", name="known")
def _known(local: Local, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """A model of each kind, two runs, and a job that is done."""
    described = yaml.safe_load((PROJECT / "docs" / "openapi.yaml").read_text())
    local.serving("openapi-text", "sentiment/packages/small")
    local.register("sentiment/packages/large", "openapi-text")
    asked = {"gates": {"budgets": {"package_megabytes": 100}}, "reason": "test"}
    assert local.send("POST", "/models/openapi-text/gates", asked).status == 200
    path = described["paths"]["/models/{model}/versions/{version}/evaluation"]
    evaluation = path["post"]["requestBody"]["content"]["application/json"]["example"]  # of what has served, no other
    for number in (1, 2):
        here = f"/models/openapi-text/versions/{number}"
        digest = local.send("GET", here).body["digest"]
        assert local.send("POST", f"{here}/evaluation", {**evaluation, "digest": digest}).status == 200
    local.serving("openapi-table", "tabular/packages/v1")
    files = models.tensors(models.recommender())
    local.serving("openapi-tensors", models.save(tmp_path_factory.mktemp("tensors"), files))
    order = {"experiment_id": "0"}
    runs = [local.send("POST", "/api/2.0/mlflow/runs/create", order).body["run"]["info"]["run_id"] for _ in range(2)]
    bucket = local.record.data_bucket
    local.aws("s3").put_object(Bucket=bucket, Key="openapi/reviews.csv", Body=b"text\nA fine film.\n")
    uri = f"s3://{bucket}/openapi/reviews.csv"
    job = local.send("POST", "/batch", {"model": "openapi-text", "input": uri}).body["job_id"]
    local.serving("openapi-tested", "sentiment/packages/small")
    local.register("sentiment/packages/large", "openapi-tested")
    order = json.loads(json.loads((PROJECT / "events/abtest/create.json").read_text())["body"])
    order |= {"name": "running", "model": "openapi-tested"}  # that of the example is begun by the example
    begun = local.send("POST", "/ab-tests", order)
    assert begun.status == 201, begun.body
    predicted = local.send("POST", "/predict/openapi-text", {"text": "A wonderful, moving film."}).body
    return {
        "tests": ["short-titles"],
        "predictions": [predicted["prediction_id"]],
        "models": ["openapi-text", "openapi-text", "openapi-table", "openapi-tensors"],
        "versions": [1, 2],
        "texts": ["A wonderful, moving film."],
        "jobs": [job],
        "inputs": [uri],
        "runs": [",".join(runs)],
        "digests": [local.send("GET", f"/models/openapi-text/versions/{SHOWN}").body["digest"]],
    }


@pytest.fixture(scope="module", name="asked")
def _asked(local: Local, known: dict[str, list[Any]], tmp_path_factory: pytest.TempPathFactory) -> Asked:
    folder = tmp_path_factory.mktemp("openapi")
    shutil.copytree(PROJECT / "docs" / "contracts", folder / "contracts")
    # The examples' model, by a name that no other test looks at: these requests promote and register, too.
    described = (PROJECT / "docs" / "openapi.yaml").read_text().replace("sentiment", "openapi-text")
    described = described.replace(DIGEST, known["digests"][0])
    (folder / "openapi.yaml").write_text(described)
    dictionaries = "".join(f"[dictionaries.{name}]\nvalues = {json.dumps(values)}\n" for name, values in known.items())
    (folder / "schemathesis.toml").write_text(dictionaries + KNOWN)
    command = tools.install("openapi", Home(PROJECT / ".zeroloop"), tools.find_uv(None)) / "schemathesis"
    options = ["--phases", "examples,fuzzing", "--max-examples", str(EACH), "--seed", "1", "--checks", CHECKS]
    options += ["--continue-on-failure", "--no-shrink", "--report-ndjson-path", "report.ndjson"]
    done = subprocess.run(
        [command, "run", "openapi.yaml", "--url", local.record.api_url, *options],
        cwd=folder,
        env=environment.plain(),
        capture_output=True,
        text=True,
        check=False,
    )
    return Asked(done.stdout + done.stderr, done.returncode == 0, _answers(folder / "report.ndjson"))


def _answers(report: Path) -> Counter[tuple[str, int]]:
    lines = map(json.loads, report.read_text().splitlines())
    scenarios = [line["ScenarioFinished"]["recorder"] for line in lines if "ScenarioFinished" in line]
    return Counter(
        (scenario["label"], made["response"]["status_code"])
        for scenario in scenarios
        for made in scenario.get("interactions", {}).values()
    )


def test_every_answer_is_as_described_and_none_is_a_fault(asked: Asked) -> None:
    assert asked.well, asked.said


def test_every_operation_was_asked_and_did_its_work(asked: Asked) -> None:
    operations = {operation for operation, _ in asked.answers}
    assert len(operations) > 30
    assert operations - {operation for operation, status in asked.answers if status < 300} == NEVER_OVER


def test_refusals_were_among_the_answers(asked: Asked) -> None:
    assert {404, 409, 422} <= {status for _, status in asked.answers}


def test_it_took_few_calls(asked: Asked) -> None:
    assert asked.answers.total() <= MOST_CALLS
