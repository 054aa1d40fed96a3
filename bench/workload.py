"""What every benchmark here answers: real sentences, as HTTP API events, by the example's small sentiment model."""

import csv
import gzip
import importlib.util
import json
import os
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from zeroloop.digests import PackageFile, package_digest, sha256
from zeroloop.inference.model import Model
from zeroloop.inference.receipts import Key
from zeroloop.inference.warm import Served
from zeroloop.registry.rules import Lineup, State, Version

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "examples" / "sentiment" / "packages" / "small"
REVIEWS = ROOT / "examples" / "sentiment" / "data" / "movie_reviews.tsv.gz"
EVENT = json.loads((ROOT / "events" / "predict" / "text.json").read_text())
CONTEXT = SimpleNamespace(aws_request_id="8c2e0d3f-5f6a-4b1c-9d2e-3f4a5b6c7d8e")
MODEL_ID = "m-0123456789abcdef"
LINEUP = Lineup(model_id=MODEL_ID, model="sentiment", champion=1, revision=1)


def reviews(n: int) -> list[str]:
    """The first `n` sentences of the example's movie reviews: 111 characters and 19 words on average."""
    with gzip.open(REVIEWS, "rt", encoding="utf-8") as lines:
        texts = [row["text"] for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)]
    return [texts[i % len(texts)] for i in range(n)]


def event(text: str) -> dict[str, Any]:
    """The gateway's event for a prediction of `text`."""
    return {**EVENT, "body": json.dumps({"text": text})}


def files() -> dict[str, bytes]:
    """The example's package."""
    return {path.name: path.read_bytes() for path in PACKAGE.iterdir()}


def version(package: dict[str, bytes], number: int = 1) -> Version:
    """A version of the example, as the registry would tell it."""
    manifest = [PackageFile(name, sha256(data), len(data)) for name, data in package.items()]
    return Version(
        model_id=MODEL_ID, version=number, version_id="20261122000000-00000000", digest=package_digest(manifest),
        files=manifest, created_at=0, created_by="bench", state=State.READY,
    )  # fmt: skip


def loaded(**environment: str) -> ModuleType:
    """The deployed function of predict."""
    os.environ |= {
        "AWS_REGION": "us-east-1", "REGISTRY_TABLE": "t", "ARTIFACTS_BUCKET": "b", "RECEIPT_SECRET": "s",
        "MAX_WARM_MEGABYTES": "600", "LOG_SHARE": "1", "LOG_INSTANCES": "false", **environment,
    }  # fmt: skip
    spec = importlib.util.spec_from_file_location("predict_function", ROOT / "functions" / "predict" / "app.py")
    assert spec and spec.loader  # noqa: S101, PT018
    predict = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(predict)
    return predict


def function(**environment: str) -> ModuleType:
    """The deployed function of predict, its AWS calls answered from memory."""
    predict = loaded(**environment)
    package = files()
    predict.lineups._model_id = lambda _name, _timeout: MODEL_ID
    predict.lineups._lineup = lambda _model_id, _timeout: LINEUP
    predict.models._load = lambda _model_id, number: Served(version(package, number), Model(package))
    predict.signing_key._ask = lambda: Key("5f2b9a01", b"0" * 64)
    return predict
