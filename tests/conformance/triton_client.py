"""NVIDIA's client, as its users write it: `python triton_client.py API_URL`.

Prints what came back, as one line of JSON. Runs in the environment of the group `protocol-clients`; the test that
starts it compares.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput, InferResult
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

NUMBERS = ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float16", "float32", "float64")
DTYPES = ("bool", *NUMBERS, "string")
TEXTS = ["A wonderful, moving film.", "A dreadful, boring mess."]


def main(url: str) -> dict[str, Any]:
    """What the client saw."""
    client = InferenceServerClient(url.removeprefix("http://"))
    return {
        "live": client.is_server_live(),
        "ready": client.is_server_ready(),
        "server": client.get_server_metadata(),
        "model_ready": client.is_model_ready("protocol"),
        "version_ready": client.is_model_ready("protocol", "1"),
        "unknown_ready": client.is_model_ready("nobody"),
        "metadata": client.get_model_metadata("protocol"),
        "text": text(client),
        "columns": columns(client),
        "pinned": client.infer("protocol", [words([2])], model_version="1").get_response()["model_version"],
        "tensors": tensors(client),
        "echo": echo(client),
        "refused": {
            "binary": refused(lambda: client.infer("protocol", [words([2], binary=True)])),
            "datatype": refused(lambda: client.infer("protocol", [given("text", np.array([1.0], np.float32))])),
            "id": refused(lambda: client.infer("protocol-tensors", recommended(user=-1))),
            "output": refused(lambda: client.infer("protocol", [words([2])], outputs=[InferRequestedOutput("none")])),
            "model": refused(lambda: client.infer("nobody", [words([2])])),
        },
    }


def words(shape: list[int], *, binary: bool = False) -> InferInput:
    """The texts."""
    return given("text", np.array([text.encode() for text in TEXTS], object).reshape(shape), binary=binary)


def given(name: str, value: Any, *, binary: bool = False) -> InferInput:
    """A tensor of a request, in JSON or in bytes."""
    tensor = InferInput(name, list(value.shape), np_to_triton_dtype(value.dtype))
    return tensor.set_data_from_numpy(value, binary_data=binary)


def named(result: InferResult) -> dict[str, Any]:
    """The outputs as lists."""
    return {output["name"]: result.as_numpy(output["name"]).tolist() for output in result.get_response()["outputs"]}


def text(client: InferenceServerClient) -> dict[str, Any]:
    """Of shape [n] with all outputs, and of shape [n, 1] with one."""
    flat = client.infer("protocol", [words([2])], request_id="42", parameters={"unit": "user-17"})
    one = [InferRequestedOutput("prediction", binary_data=False)]
    column = client.infer("protocol", [words([2, 1])], outputs=one)
    return {"flat": named(flat), "column": named(column), "response": flat.get_response()}


def columns(client: InferenceServerClient) -> dict[str, Any]:
    """A row of a table."""
    row = [
        given("temperature", np.array([[301.2]])),
        given("torque", np.array([42.1])),
        given("quality", np.array([b"M"], object)),
    ]
    return named(client.infer("protocol-columns", row))


def recommended(user: int) -> list[InferInput]:
    """What the model of two tensors takes."""
    return [
        given("numbers", np.array([[0.5, 0.25], [3, 4]], np.float32)),
        given("user", np.array([[1], [user]], np.int32)),
    ]


def tensors(client: InferenceServerClient) -> dict[str, Any]:
    """Two tensors in, two out."""
    return named(client.infer("protocol-tensors", recommended(user=0)))


def echo(client: InferenceServerClient) -> dict[str, Any]:
    """Of every dtype what was sent, and what the model that answers its inputs gave back."""
    sent = {
        name: np.array([["\u00e4".encode(), b"b"]], object) if name == "string" else np.array([[0, 1]], name)
        for name in DTYPES
    }
    result = client.infer("protocol-echo", [given(f"x_{name}", value) for name, value in sent.items()])
    got = {name: result.as_numpy(f"y_{name}") for name in DTYPES}
    return {name: [listed(value), listed(got[name])] for name, value in sent.items()}


def listed(value: Any) -> list[Any]:
    """A tensor's dtype and elements; the client gives strings as str where it sends bytes."""
    elements = [one.decode() if isinstance(one, bytes) else one for one in value.ravel().tolist()]
    return [str(value.dtype), elements]


def refused(call: Callable[[], Any]) -> list[str]:
    """Status and message of a refusal."""
    try:
        call()
    except InferenceServerException as error:
        return [error.status(), error.message()]
    return []


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1])) + "\n")
