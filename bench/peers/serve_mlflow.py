"""MLflow: a model of texts with type hints, behind `mlflow models serve` with one worker."""

import subprocess
import sys
import tempfile

import mlflow.pyfunc
from mlflow.pyfunc import PythonModel

from bench.peers.sentiment import Sentiment


class Model(PythonModel):
    """The model behind MLflow's class."""

    def load_context(self, context: object) -> None:  # noqa: ARG002 - MLflow's signature
        """Load the model."""
        self.model = Sentiment()

    def predict(self, model_input: list[str]) -> list[dict[str, str]]:
        """An answer for each text."""
        answers = [self.model.answer(text) for text in model_input]
        return [{"prediction": prediction, "confidence": str(confidence)} for prediction, confidence in answers]


def main(port: str) -> None:
    """Save the model and serve it."""
    with tempfile.TemporaryDirectory() as folder:
        mlflow.pyfunc.save_model(f"{folder}/model", python_model=Model(), pip_requirements=[])
        command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", f"{folder}/model"]
        options = ["--port", port, "--host", "127.0.0.1", "--workers", "1", "--env-manager", "local"]
        subprocess.run([*command, *options], check=True)  # noqa: S603 - our own interpreter


if __name__ == "__main__":
    from bench.peers.serve_mlflow import main as importable  # so that the model's class has a module of its own

    importable(sys.argv[1])
