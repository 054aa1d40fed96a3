"""What predict adds to the bare loop: p50 and p99 of a warm request in one process, side by side in one run.

`make bench`. The bare loop parses JSON, encodes, invokes and serialises, and does nothing else; the handler adds the
lineup, the assignment, the receipt and the log line. No API Gateway and no network in either; the ratio counts.
"""

import contextlib
import importlib.util
import io
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from zeroloop.digests import PackageFile, sha256
from zeroloop.inference.model import Model
from zeroloop.inference.receipts import Key
from zeroloop.inference.warm import Served
from zeroloop.registry.rules import Lineup, State, Version

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "examples" / "sentiment" / "packages" / "small"
MODEL_ID = "m-0123456789abcdef"
ROUNDS, REQUESTS = 5, 2_000


def main() -> None:
    """Print the table."""
    texts = sentences()
    files = {path.name: path.read_bytes() for path in PACKAGE.iterdir()}
    model = Model(files)
    predict = handler(served(files, model))
    rows = {"bare loop": bare(model), "predict": predict}
    times = {name: best(call, texts) for name, call in rows.items()}
    floor = times["bare loop"][0]
    print(f"{'':<12}{'p50 us':>9}{'p99 us':>9}{'x bare':>9}")
    for name, (p50, p99) in times.items():
        print(f"{name:<12}{p50:>9.1f}{p99:>9.1f}{p50 / floor:>9.2f}")


def sentences() -> list[str]:
    """Real sentences of the example's golden cases, repeated to a round."""
    cases = json.loads((PACKAGE / "package.json").read_text())["golden"]["cases"]
    texts = [case["instance"]["text"] for case in cases]
    return [texts[i % len(texts)] for i in range(REQUESTS)]


def bare(model: Model) -> Callable[[str], Any]:
    """The least that could answer: standard library JSON around encoder and interpreter."""
    encoder, runner, labels = model._encoder, model._runner, model.package.labels

    def call(text: str) -> str:
        asked = json.loads(json.dumps({"text": text}))
        score = float(runner.run([encoder.encode([asked["text"]], ["text"])])[0][0][-1])
        return json.dumps({"prediction": labels[int(score >= 0.5)], "confidence": score})

    return call


def served(files: dict[str, bytes], model: Model) -> Served:
    """Version 1 of the example, as the registry would tell it."""
    manifest = [PackageFile(name, sha256(data), len(data)) for name, data in files.items()]
    version = Version(
        model_id=MODEL_ID, version=1, version_id="20261122000000-00000000", digest="0" * 64, files=manifest,
        created_at=0, created_by="bench", state=State.READY,
    )  # fmt: skip
    return Served(version, model)


def handler(only: Served) -> Callable[[str], Any]:
    """The deployed handler, its AWS calls answered from memory."""
    os.environ |= {
        "AWS_REGION": "us-east-1", "REGISTRY_TABLE": "t", "ARTIFACTS_BUCKET": "b", "RECEIPT_SECRET": "s",
        "MAX_WARM_MEGABYTES": "600",
    }  # fmt: skip
    predict = _loaded(ROOT / "functions" / "predict" / "app.py")
    lineup = Lineup(model_id=MODEL_ID, model="sentiment", champion=1, revision=1)
    predict.lineups._model_id = lambda _name, _timeout: MODEL_ID
    predict.lineups._lineup = lambda _model_id, _timeout: lineup
    predict.models._load = lambda _model_id, _number: only
    predict.predictor._ask_key = lambda: Key("bench", b"0" * 32)
    context = SimpleNamespace(aws_request_id="8c2e0d3f")

    def call(text: str) -> Any:
        event = {"pathParameters": {"model": "sentiment"}, "body": json.dumps({"text": text}), "isBase64Encoded": False}
        return predict.lambda_handler(event, context)

    return call


def _loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("predict_function", path)
    assert spec and spec.loader  # noqa: S101, PT018
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def best(call: Callable[[str], Any], texts: list[str]) -> tuple[float, float]:
    """p50 and p99 in microseconds of the best of several rounds; the log lines go to memory."""
    results = []
    with contextlib.redirect_stdout(io.StringIO()):
        for _ in range(ROUNDS):
            taken = []
            for text in texts:
                started = time.perf_counter_ns()
                call(text)
                taken.append((time.perf_counter_ns() - started) / 1000)
            results.append((float(np.percentile(taken, 50)), float(np.percentile(taken, 99))))
    return min(results)


if __name__ == "__main__":
    main()
