"""Admission: bytes by the manifest, and a real run of the model in a child which may die."""

from pathlib import Path
from typing import Any

import pytest

from tests import models
from tests.unit.test_tokenizer import ignorant, made
from zeroloop.digests import PackageFile, package_digest, sha256
from zeroloop.errors import InvalidInput
from zeroloop.inference import admission

GOOD = models.package(models.dense())
MANIFEST = [PackageFile(path, sha256(data), len(data)) for path, data in GOOD.items()]
DIGEST = package_digest(MANIFEST)


def refusal(directory: Path, files: dict[str, bytes], **limits: Any) -> InvalidInput:
    with pytest.raises(InvalidInput) as refused:
        admission.try_out(models.save(directory, files), **limits)
    return refused.value


def test_the_bytes_of_the_manifest_pass(tmp_path: Path) -> None:
    admission.check_bytes(models.save(tmp_path, GOOD), MANIFEST, DIGEST)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "model.tflite is missing"),
        (GOOD["model.tflite"][:-1], "model.tflite has 667 bytes, not 668"),
        (GOOD["model.tflite"][:-1] + b"\x55", "model.tflite is not what was registered: its SHA-256 differs"),
    ],
)
def test_other_bytes_than_those_of_the_manifest_are_refused(tmp_path: Path, data: bytes | None, message: str) -> None:
    files = {path: content for path, content in {**GOOD, "model.tflite": data}.items() if content is not None}
    with pytest.raises(InvalidInput) as refused:
        admission.check_bytes(models.save(tmp_path, files), MANIFEST, DIGEST)
    assert refused.value.message == message
    assert refused.value.field == "model.tflite"


def test_a_directory_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    models.save(tmp_path, {"package.json": GOOD["package.json"]})
    (tmp_path / "model.tflite").mkdir()
    with pytest.raises(InvalidInput, match=r"model\.tflite is missing"):
        admission.check_bytes(tmp_path, MANIFEST, DIGEST)


def test_a_manifest_of_another_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as refused:
        admission.check_bytes(models.save(tmp_path, GOOD), MANIFEST, "0" * 64)
    assert refused.value.field == "digest"


def test_the_facts_of_a_version_are_those_of_its_package(tmp_path: Path) -> None:
    facts = admission.facts(admission.read_package(models.save(tmp_path, GOOD)))
    assert facts.labels == ["no", "yes"]
    assert facts.metrics == {"accuracy": {"value": 0.75, "lower": None, "upper": None, "n": 4}}
    assert facts.dataset_hash == "a" * 64


def test_a_good_package_needs_a_fifth_of_what_is_allowed(tmp_path: Path) -> None:
    row_seconds = admission.try_out(models.save(tmp_path, GOOD), megabytes=admission.PROBE_MEGABYTES // 5)
    assert 0 < row_seconds < 0.01


def test_wrong_golden_predictions_are_the_reason(tmp_path: Path) -> None:
    files = models.package(models.dense(), described=models.dense(activation="LOGISTIC"))
    reason = refusal(tmp_path, files).message
    assert reason.startswith("golden.cases[0].scores.no: golden predictions: no should score")


def test_a_model_that_crashes_the_interpreter_is_refused_with_the_signal(tmp_path: Path) -> None:
    files = models.package(models.endless(), described=models.dense())
    assert refusal(tmp_path, files).message.startswith("the model crashes the interpreter (SIGSEGV)")


def test_a_model_that_asks_for_gigabytes_is_refused_with_the_limit(tmp_path: Path) -> None:
    files = models.package(models.gigabytes(), described=models.dense(outputs=3), scored=["a", "b", "c"])
    assert refusal(tmp_path, files, megabytes=1000).message == "the model needs more than 1000 MB of memory"


def test_a_length_that_takes_gigabytes_is_refused(tmp_path: Path) -> None:
    long = admission.try_out(models.save(tmp_path, models.averaging(512, longest=4_000)))
    short = admission.try_out(models.save(tmp_path, models.averaging(512, longest=3)))
    assert long > 10 * short, "batch would plan rows of 4,000 ids as if they had the 3 of the golden predictions"
    files = models.averaging(512, longest=200_000)  # 820 MB, which loading may take and a run may not
    assert (
        "more than 500 MB" in refusal(tmp_path, files).message
        or "for want of memory" in refusal(tmp_path, files).message
    )
    files = models.averaging(512, longest=1_000_000)
    assert "the model fails on tensors of [1, 1000000], maybe for want of memory" in refusal(tmp_path, files).message


def test_a_tokenizer_that_knows_the_golden_words_alone_is_refused(tmp_path: Path) -> None:
    admission.try_out(models.save(tmp_path, models.tokenized(made())))
    files = models.tokenized(ignorant())
    assert refusal(tmp_path, files).message.startswith("tokenizer.json: on a text of unknown words the tokenizer fails")


def test_a_model_that_takes_too_long_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, GOOD, timeout_seconds=0.001).message == "the model did not answer within 0.001 s"
