"""MLServer: no parallel workers, no access log; the Open Inference Protocol in JSON."""

import asyncio
import sys

import numpy as np
from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse

from bench.peers.sentiment import Sentiment


class Model(MLModel):
    """The model behind MLServer's class."""

    async def load(self) -> bool:
        """Load the model."""
        self.model = Sentiment()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """An answer."""
        [text] = StringCodec.decode_input(payload.inputs[0])
        prediction, confidence = self.model.answer(text)
        outputs = [
            StringCodec.encode_output("prediction", [prediction]),
            NumpyCodec.encode_output("confidence", np.array([confidence])),
        ]
        return InferenceResponse(model_name=self.name, outputs=outputs)


async def main(port: int) -> None:
    """Serve."""
    settings = Settings(
        host="127.0.0.1", http_port=port, grpc_port=port + 1, parallel_workers=0, metrics_endpoint=None, debug=False
    )
    server = MLServer(settings)
    await server.start([ModelSettings(name="sentiment", implementation=Model)])


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
