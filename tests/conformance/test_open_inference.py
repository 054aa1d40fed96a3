"""The Open Inference Protocol on the deployed template: the protocol's own examples, and clients that others wrote."""

import json
import subprocess
from typing import Any

import pytest

from cli import environment
from cli.local import tools
from cli.local.home import PROJECT, Home
from tests import models
from tests.local_stack import Local
from zeroloop.inference.tensors import DATATYPES

pytestmark = pytest.mark.e2e

SMALL, LARGE, MACHINE = "sentiment/packages/small", "sentiment/packages/large", "tabular/packages/v1"
TEXTS = ["A wonderful, moving film.", "A dreadful, boring mess."]
ROW = {"temperature": 301.2, "torque": 42.1, "quality": "M"}
CLIENTS = "protocol-clients"

# The request of the protocol's own example: kserve/open-inference-protocol, specification/protocol/inference_rest.md.
EXAMPLE: dict[str, Any] = {
    "id": "42",
    "inputs": [
        {"name": "input0", "shape": [2, 2], "datatype": "UINT32", "data": [1, 2, 3, 4]},
        {"name": "input1", "shape": [3], "datatype": "BOOL", "data": [True]},
    ],
    "outputs": [{"name": "output0"}],
}


@pytest.fixture(scope="module", name="served")
def _served(local: Local, tmp_path_factory: pytest.TempPathFactory) -> Local:
    local.serving("protocol", SMALL, LARGE)
    local.serving("protocol-columns", MACHINE)
    packages = {
        "tensors": models.tensors(models.recommender()),
        "echo": models.echo(list(DATATYPES)),
        "example": models.tensors(
            models.outer(), models.OUTER, [{"input0": [[1, 2], [3, 4]], "input1": [True] * 3}] * 3
        ),
    }
    for name, files in packages.items():
        local.serving(f"protocol-{name}", models.save(tmp_path_factory.mktemp(name), files))
    return local


def run(client: str, local: Local) -> dict[str, Any]:
    """What a client's script saw of the stack."""
    python = tools.install(CLIENTS, Home(PROJECT / ".zeroloop"), tools.find_uv(None)) / "python"
    script = PROJECT / "tests" / "conformance" / f"{client}_client.py"
    done = subprocess.run(
        [python, script, local.record.api_url], env=environment.plain(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture(scope="module", name="friendly")
def _friendly(served: Local) -> dict[str, list[Any]]:
    """What the friendly protocol answers to the texts, as outputs."""
    answers = served.send("POST", "/predict/protocol", {"instances": TEXTS}).body["predictions"]
    return {
        "prediction": [answer["prediction"] for answer in answers],
        "confidence": [answer["confidence"] for answer in answers],
        "scores": [list(answer["scores"].values()) for answer in answers],
    }


@pytest.fixture(scope="module", name="triton")
def _triton(served: Local) -> dict[str, Any]:
    return run("triton", served)


def test_tritonclient_finds_server_and_models(triton: dict[str, Any]) -> None:
    assert (triton["live"], triton["ready"], triton["model_ready"], triton["version_ready"]) == (True,) * 4
    assert triton["unknown_ready"] is False
    assert triton["server"]["name"] == "zeroloop"
    assert triton["metadata"]["versions"] == ["2", "1"]
    assert triton["metadata"]["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]


def test_tritonclient_gets_what_the_friendly_protocol_answers(
    served: Local, triton: dict[str, Any], friendly: dict[str, Any]
) -> None:
    assert triton["text"]["flat"] == friendly
    assert triton["text"]["column"] == {"prediction": friendly["prediction"]}
    response = triton["text"]["response"]
    assert (response["model_name"], response["model_version"], response["id"]) == ("protocol", "2", "42")
    assert len(response["parameters"]["prediction_ids"].split(",")) == 2
    assert triton["pinned"] == "1"
    table = served.send("POST", "/predict/protocol-columns", {"features": ROW}).body
    assert triton["columns"]["scores"] == [list(table["scores"].values())]


def test_tritonclient_sends_and_gets_tensors_of_every_kind(triton: dict[str, Any]) -> None:
    assert triton["tensors"] == {"sums": [[0.5, 1.25], [4, 4]], "best": [1, 0]}
    assert triton["echo"].keys() == DATATYPES.keys()
    for dtype, (sent, got) in triton["echo"].items():
        assert got == sent, dtype


def test_tritonclient_understands_what_is_refused(triton: dict[str, Any]) -> None:
    statuses = {name: status for name, (status, _) in triton["refused"].items()}
    assert statuses == {"binary": "422", "datatype": "422", "id": "422", "output": "422", "model": "404"}
    messages = {name: message for name, (_, message) in triton["refused"].items()}
    assert "binary_data=False" in messages["binary"]
    assert messages["id"] == "must be from 0 to 3"


def test_the_kserve_client_gets_the_same(served: Local, friendly: dict[str, Any]) -> None:
    kserve = run("kserve", served)
    assert [kserve[f"{what}ready"] for what in ("", "model_", "unknown_")] == [True, True, False]
    who = {"id": "42", "model": "protocol"}
    assert kserve["text"] == {**who, "outputs": friendly}
    assert kserve["chosen"] == {**who, "outputs": {"scores": friendly["scores"]}}
    assert kserve["tensors"]["outputs"] == {"sums": [[0.5, 1.25]], "best": [1]}
    status, body = kserve["refused"]
    assert (status, body["field"]) == (422, "inputs[0].name")
    assert "binary_data=False" in kserve["binary"][1]["error"]


def test_the_protocols_own_example_is_answered_once_it_holds_what_its_shape_says(served: Local) -> None:
    status, body = served.send("POST", "/v2/models/protocol-example/infer", EXAMPLE)
    assert (status, body["field"]) == (422, "inputs[1].data"), "its second input is one truth of three"
    numbers, truths = EXAMPLE["inputs"]
    whole = {**EXAMPLE, "inputs": [numbers, {**truths, "data": [True, False, True]}]}
    status, body = served.send("POST", "/v2/models/protocol-example/infer", whole)
    assert (status, body["id"], body["model_name"], body["model_version"]) == (200, "42", "protocol-example", "1")
    assert body["outputs"] == [{"name": "output0", "shape": [3, 2], "datatype": "FP32", "data": [4, 6, 0, 0, 4, 6]}]


def test_a_promotion_between_requests_mixes_no_answers(local: Local) -> None:
    """One promotion among 96 requests of 8 clients; `bench/promotion.py` has 1,000 of 16, promoted again and again."""
    local.serving("protocol-moving", SMALL)
    local.register(LARGE, "protocol-moving")
    tensors = {"inputs": [{"name": "text", "shape": [2], "datatype": "BYTES", "data": TEXTS}]}
    paths = {version: f"/v2/models/protocol-moving/versions/{version}/infer" for version in (1, 2)}
    known = {str(version): local.send("POST", path, tensors).body["outputs"] for version, path in paths.items()}
    assert known["1"] != known["2"]

    def ask(i: int) -> str:
        for n in range(12):
            if (i, n) == (0, 3):
                local.promote("protocol-moving", 2)
            status, body = local.send("POST", "/v2/models/protocol-moving/infer", tensors)
            assert status == 200, body
            assert body["outputs"] == known[body["model_version"]]
        return str(body["model_version"])

    answered = local.at_once([lambda i=i: ask(i) for i in range(8)])  # type: ignore[misc]
    assert set(answered) <= {"1", "2"}
