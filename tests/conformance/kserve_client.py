"""KServe's client, as its users write it: `python kserve_client.py API_URL`.

Prints what came back, as one line of JSON. Runs in the environment of the group `protocol-clients`; the test that
starts it compares.
"""

import asyncio
import json
import sys
from typing import Any

import numpy as np
from httpx import HTTPStatusError
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import InferResponse, RequestedOutput


async def main(url: str) -> dict[str, Any]:
    """What the client saw."""
    client = InferenceRESTClient(RESTConfig(protocol="v2", retries=0))
    text = given("text", np.array(["A wonderful, moving film.", "A dreadful, boring mess."], object))
    numbers = given("numbers", np.array([[0.5, 0.25]], np.float32))
    return {
        "live": await client.is_server_live(url),
        "ready": await client.is_server_ready(url),
        "model_ready": await client.is_model_ready(url, "protocol"),
        "unknown_ready": await client.is_model_ready(url, "nobody"),
        "text": named(await infer(client, url, "protocol", text)),
        "chosen": named(await infer(client, url, "protocol", text, outputs=["scores"])),
        "tensors": named(
            await infer(client, url, "protocol-tensors", numbers, given("user", np.array([[1]], np.int32)))
        ),
        "refused": await refused(client, url, numbers),
        "binary": await refused(client, url, given("text", np.array([b"a"], object), binary=True)),
    }


def given(name: str, value: Any, *, binary: bool = False) -> InferInput:
    """A tensor of a request, in JSON or in bytes."""
    datatypes = {"O": "BYTES", "float32": "FP32", "int32": "INT32"}
    datatype = datatypes["O" if value.dtype == object else str(value.dtype)]
    tensor = InferInput(name, list(value.shape), datatype)
    tensor.set_data_from_numpy(value, binary_data=binary)
    return tensor


async def infer(
    client: InferenceRESTClient, url: str, model: str, *inputs: InferInput, outputs: list[str] | None = None
) -> InferResponse:
    """An inference with an id of its own."""
    wanted = [RequestedOutput(name) for name in outputs or []]
    request = InferRequest(model, list(inputs), request_id="42", request_outputs=wanted)
    return await client.infer(url, request, model_name=model)


def named(response: InferResponse) -> dict[str, Any]:
    """The outputs as lists, and who answered; version 0.21 of the client forgets the model's version."""
    outputs = {output.name: output.as_numpy().tolist() for output in response.outputs}
    return {"id": response.id, "model": response.model_name, "outputs": outputs}


async def refused(client: InferenceRESTClient, url: str, given: InferInput) -> list[Any]:
    """Status and body of a refusal."""
    try:
        await infer(client, url, "protocol", given)
    except HTTPStatusError as error:
        return [error.response.status_code, error.response.json()]
    return []


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(main(sys.argv[1]))) + "\n")
