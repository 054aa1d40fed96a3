"""Which encoder a package gets, and the digest that ties training to serving."""

import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from zeroloop.errors import InvalidInput
from zeroloop.inference.preprocessing import KINDS, TENSORS, digest, encoder

HASHED = {"buckets": 1000, "length": 6}
COLUMNS = {"columns": [{"name": "age", "type": "numeric", "mean": 40, "std": 8}]}
CONTRACT = Path(__file__).parents[2] / "docs/contracts/package.schema.json"


@pytest.mark.parametrize(
    ("kind", "parameters", "field", "shape"),
    [("hashed_ngrams", HASHED, "text", (6, "int32")), ("columns", COLUMNS, "features", (1, "float32"))],
)
def test_a_kind_states_what_it_reads_and_what_it_makes(kind: str, parameters: Any, field: str, shape: Any) -> None:
    made = encoder(kind, parameters)
    assert made.field == field
    assert (made.width, made.dtype) == shape


def test_kinds_are_those_of_the_contract() -> None:
    schema = json.loads(CONTRACT.read_text())
    assert [*KINDS, TENSORS] == schema["properties"]["preprocessing"]["properties"]["kind"]["enum"]


def test_the_digest_is_that_of_the_canonical_json() -> None:
    text = b'{"code_version":1,"kind":"hashed_ngrams","parameters":{"buckets":1000,"length":6}}'
    assert digest("hashed_ngrams", HASHED) == sha256(text).hexdigest()
    assert digest("hashed_ngrams", dict(reversed(HASHED.items()))) == digest("hashed_ngrams", HASHED)


def test_the_digest_changes_with_parameters_kind_and_code(monkeypatch: pytest.MonkeyPatch) -> None:
    before = digest("hashed_ngrams", HASHED)
    changed = {digest("hashed_ngrams", {**HASHED, "length": 7}), digest("tokenizer", HASHED)}
    monkeypatch.setattr(KINDS["hashed_ngrams"], "code_version", 2)
    changed.add(digest("hashed_ngrams", HASHED))
    assert len(changed | {before}) == 4


@pytest.mark.parametrize("kind", ["pickle", "", None, 3, ["columns"]])
def test_refuses_an_unknown_kind(kind: Any) -> None:
    with pytest.raises(InvalidInput, match="must be one of hashed_ngrams, columns, tokenizer") as refusal:
        encoder(kind, {})
    assert refusal.value.field == "preprocessing.kind"


def test_imports_nothing_that_the_hot_path_has_to_wait_for() -> None:
    code = "import sys, zeroloop.inference.preprocessing; print(*{name.split('.')[0] for name in sys.modules})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"tokenizers", "msgspec", "boto3", "botocore", "pydantic", "scipy"} & set(run.stdout.split())
