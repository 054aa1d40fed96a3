"""The example's model and preprocessing as any server would hold them: what each peer calls."""

import json
import threading
from pathlib import Path

from ai_edge_litert.interpreter import Interpreter

from zeroloop.inference.text import HashedNgrams

PACKAGE = Path(__file__).parents[2] / "examples" / "sentiment" / "packages" / "small"


class Sentiment:
    """One model; the lock is for servers that call it in threads."""

    def __init__(self) -> None:
        about = json.loads((PACKAGE / "package.json").read_text())
        self._labels = about["labels"]
        self._encoder = HashedNgrams(about["preprocessing"]["parameters"])
        self._interpreter = Interpreter(model_content=(PACKAGE / "model.tflite").read_bytes(), num_threads=1)
        self._interpreter.allocate_tensors()
        self._given = self._interpreter.get_input_details()[0]["index"]
        self._taken = self._interpreter.get_output_details()[0]["index"]
        self._lock = threading.Lock()

    def answer(self, text: str) -> tuple[str, float]:
        """Label and score of `text`."""
        ids = self._encoder.encode([text], ["text"])
        with self._lock:
            self._interpreter.set_tensor(self._given, ids)
            self._interpreter.invoke()
            score = float(self._interpreter.get_tensor(self._taken)[0, 0])
        return self._labels[score >= 0.5], score
