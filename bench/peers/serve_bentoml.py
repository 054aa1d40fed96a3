"""BentoML: one worker, an async API."""

import sys

import bentoml

from bench.peers.sentiment import Sentiment


@bentoml.service(workers=1, metrics={"enabled": False}, logging={"access": {"enabled": False}})
class Service:
    """The model behind BentoML's decorator."""

    def __init__(self) -> None:
        self.model = Sentiment()

    @bentoml.api
    async def predict(self, text: str) -> dict[str, object]:
        """An answer."""
        prediction, confidence = self.model.answer(text)
        return {"prediction": prediction, "confidence": confidence}


if __name__ == "__main__":
    bentoml.serve("bench.peers.serve_bentoml:Service", port=int(sys.argv[1]), blocking=True)
