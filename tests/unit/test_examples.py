"""The example packages that are checked in are what their training code says they are."""

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from examples.sentiment import dataset
from examples.tabular import machines
from zeroloop.inference import golden, preprocessing
from zeroloop.registry import gates
from zeroloop_training import evaluation, packaging, project, repeated

ROOT = Path(__file__).parents[2]
SENTIMENT = {name: ROOT / "examples/sentiment/packages" / name for name in ("small", "large", "float")}
TABULAR = {name: ROOT / "examples/tabular/packages" / name for name in ("v1", "v2")}
PACKAGES = [*SENTIMENT.values(), *TABULAR.values()]
KIB = 1024

each_package = pytest.mark.parametrize("directory", PACKAGES, ids=lambda path: path.name)


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def validate(value: Any, contract: str) -> None:
    schema = read(ROOT / f"docs/contracts/{contract}.schema.json")
    jsonschema.Draft202012Validator(schema).validate(value)


@each_package
def test_packages_keep_their_contracts(directory: Path) -> None:
    validate(read(directory / "package.json"), "package")
    validate(read(directory / "baseline.json"), "baseline")


@each_package
def test_packages_hold_nothing_else_and_stay_small(directory: Path) -> None:
    files = sorted(directory.iterdir())
    assert [file.name for file in files] == ["baseline.json", "card.md", "model.tflite", "package.json"]
    most = 1024 * KIB if directory in SENTIMENT.values() else 100 * KIB
    assert sum(file.stat().st_size for file in files) <= most


@each_package
def test_preprocessing_is_that_of_the_code(directory: Path) -> None:
    stated = read(directory / "package.json")["preprocessing"]
    assert stated["digest"] == preprocessing.digest(stated["kind"], stated["parameters"])


@each_package
def test_golden_predictions_hold(directory: Path) -> None:
    golden.check(packaging.load(directory))


@each_package
def test_a_package_reaches_what_it_states_and_passes_its_gates(directory: Path) -> None:
    example = directory.parents[1]
    asked = project.read(example)
    found = evaluation.evaluate(asked, directory, project.rows(asked, None), None)
    for name, stated in packaging.load(directory).package.metrics.items():
        assert found.metrics[name].value == pytest.approx(stated.value, abs=0.001)
    size = sum(file.stat().st_size for file in directory.iterdir())
    verdict = gates.hold(gates.read(tomllib.loads((example / "gates.toml").read_text())), found, size, None)
    assert [check for check in verdict.checks if not check.passed] == []


def test_data_is_what_the_packages_were_trained_on() -> None:
    assert {read(path / "package.json")["dataset"]["digest"] for path in SENTIMENT.values()} == {dataset.digest()}
    made = machines.digest(machines.read())
    assert {read(path / "package.json")["dataset"]["digest"] for path in TABULAR.values()} == {made}


@pytest.mark.parametrize("versions", [SENTIMENT, TABULAR], ids=["sentiment", "tabular"])
def test_versions_of_an_example_differ_in_their_answers(versions: dict[str, Path]) -> None:
    first, second, *_ = versions.values()
    values = [next(iter(case["instance"].values())) for case in read(first / "package.json")["golden"]["cases"]]
    one, other = (packaging.predict(packaging.load(path), values) for path in (first, second))
    assert [answer.prediction for answer in one] != [answer.prediction for answer in other]


def test_float_and_int8_weights_say_the_same() -> None:
    small, exact = (read(SENTIMENT[name] / "package.json")["golden"]["cases"] for name in ("small", "float"))
    for one, other in zip(small, exact, strict=True):
        assert one["scores"] == pytest.approx(other["scores"], abs=0.02)


def test_parts_of_the_sentences_are_disjoint_and_complete() -> None:
    sentences = dataset.read()
    parts = [{row.id for row in dataset.part(sentences, name)} for name in ("train", "validation", "test")]
    assert sum(map(len, parts)) == len(set.union(*parts)) == len(sentences) == 9014
    assert [round(len(part) / 9014, 2) for part in parts] == [0.71, 0.15, 0.14]


def test_the_interval_is_wilsons() -> None:
    # Newcombe (1998), Statistics in Medicine 17, table I: 81 of 263 is 0.2553 to 0.3662, 0 of 20 is 0 to 0.1611
    assert packaging.wilson(81, 263) == (0.2553, 0.3662)
    assert packaging.wilson(0, 20) == (0, 0.1611)
    assert packaging.wilson(8, 10) == (0.4902, 0.9433)


def test_a_second_training_is_compared_with_the_first() -> None:
    files = {file.name: file.read_bytes() for file in SENTIMENT["small"].iterdir()}
    assert repeated.differences(files, files) == []
    worse = read(SENTIMENT["small"] / "package.json")
    worse["metrics"]["accuracy"]["value"] -= 0.02
    worse["golden"]["cases"][0]["scores"]["positive"] -= 0.1
    found = repeated.differences(files, {**files, "package.json": json.dumps(worse).encode()})
    assert len(found) == 2
