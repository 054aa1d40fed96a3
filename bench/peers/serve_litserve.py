"""LitServe: one worker, one API server."""

import sys
from typing import Any

import litserve

from bench.peers.sentiment import Sentiment


class Api(litserve.LitAPI):
    """The model behind LitServe's hooks."""

    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe's signature
        """Load the model in the worker."""
        self.model = Sentiment()

    def decode_request(self, request: dict[str, Any], **_: Any) -> str:
        """The text of a request."""
        return str(request["text"])

    def predict(self, x: str, **_: Any) -> tuple[str, float]:
        """An answer."""
        return self.model.answer(x)

    def encode_response(self, output: tuple[str, float], **_: Any) -> dict[str, Any]:
        """The body of an answer."""
        return {"prediction": output[0], "confidence": output[1]}


if __name__ == "__main__":
    server = litserve.LitServer(Api(), accelerator="cpu", workers_per_device=1)
    server.run(port=int(sys.argv[1]), num_api_servers=1, generate_client_file=False, log_level="warning")
