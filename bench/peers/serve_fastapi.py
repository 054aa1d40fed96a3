"""FastAPI on uvicorn with uvloop and httptools, no access log: an async endpoint with a validated body."""

import sys

import fastapi
import pydantic
import uvicorn

from bench.peers.sentiment import Sentiment

app = fastapi.FastAPI()
model = Sentiment()


class Asked(pydantic.BaseModel):
    """The body."""

    text: str


@app.post("/predict")
async def predict(asked: Asked) -> dict[str, object]:
    """An answer."""
    prediction, confidence = model.answer(asked.text)
    return {"prediction": prediction, "confidence": confidence}


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), loop="uvloop", http="httptools", access_log=False, log_level="warning")
