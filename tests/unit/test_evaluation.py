"""What is found of a package, its manifest of data, and drift of data."""

import gzip
import json
import shutil
from math import comb
from pathlib import Path
from typing import Any

import msgspec
import pytest

from examples.sentiment import dataset
from examples.tabular import machines
from zeroloop.errors import InvalidInput
from zeroloop.registry.gates import Evaluation
from zeroloop_training import evaluation, packaging, profile, project, steps
from zeroloop_training.profile import Drift
from zeroloop_training.project import Labelled

EXAMPLES = Path(__file__).parents[2] / "examples"
ROWS = dataset.labelled(None)
TEST = [row for row in ROWS if row.split == "test"]


@pytest.fixture(scope="module", name="found")
def _found() -> Evaluation:
    asked = project.read(EXAMPLES / "sentiment")
    packages = EXAMPLES / "sentiment" / "packages"
    return evaluation.evaluate(asked, packages / "large", ROWS, None, [packages / "small", packages / "large"])


def test_metrics_are_those_that_the_package_states(found: Evaluation) -> None:
    stated = packaging.load(EXAMPLES / "sentiment/packages/large").package.metrics["accuracy"]
    assert found.metrics["accuracy"].value == pytest.approx(stated.value, abs=0.001)
    assert found.digest == evaluation.digest(packaging.files(EXAMPLES / "sentiment/packages/large"))


def test_a_champion_is_compared_on_the_same_rows(found: Evaluation) -> None:
    other, itself = found.comparisons.values()
    assert other.n == itself.n == len(TEST) == 1289
    rights = {
        name: [
            answer.prediction == row.label
            for answer, row in zip(
                packaging.predict(packaging.load(EXAMPLES / "sentiment/packages" / name), [r.value for r in TEST]),
                TEST,
                strict=True,
            )
        ]
        for name in ("small", "large")
    }
    pairs = list(zip(rights["large"], rights["small"], strict=True))
    assert (other.only_candidate, other.only_champion) == (pairs.count((True, False)), pairs.count((False, True)))
    discordant, lost = other.only_candidate + other.only_champion, other.only_champion
    assert other.only_candidate > lost  # so that the test the other way round says something else
    by_chance = sum(comb(discordant, k) for k in range(lost, discordant + 1)) / 2**discordant
    assert other.p_worse == pytest.approx(by_chance)
    assert (itself.only_candidate, itself.only_champion, itself.p_worse) == (0, 0, 1.0)


def test_slices_add_up_and_are_judged(found: Evaluation) -> None:
    for way in ("length", "negation"):
        parts = [one for one in found.slices if one.of == way]
        assert sum(one.n for one in parts) == 1289
        right = sum(one.accuracy.value * one.n for one in parts if one.accuracy)
        assert right / 1289 == pytest.approx(found.metrics["accuracy"].value, abs=0.001)
    assert found.fairness["negation"]["demographic_parity"]["difference"] > 0.1  # it reads "not" as bad


def test_a_summary_of_explanations_tells_only_parts_that_several_rows_have(found: Evaluation) -> None:
    told = found.explanations
    assert {one["part"] for one in told["against"]} >= {"bad"}
    assert all(one["rows"] >= 5 for one in [*told["for"], *told["against"]])
    assert all(one["attribution"] > 0 for one in told["for"])


def test_a_manifest_is_of_rows_in_their_order() -> None:
    rows = [Labelled(str(i), "train", f"text {i}", "a", {"id": str(i)}, {}) for i in range(3)]
    first = project.manifest(rows, "0" * 64)
    assert project.manifest(list(rows), "0" * 64) == first
    assert project.manifest(rows[::-1], "0" * 64).digest != first.digest
    assert project.manifest([rows[0]._replace(label="b"), *rows[1:]], "0" * 64).splits != first.splits
    assert (first.rows, list(first.splits)) == ({"train": 3}, ["train"])


@pytest.mark.parametrize("rows", [dataset.labelled(None), machines.labelled(None)], ids=["texts", "columns"])
def test_halves_of_the_same_data_do_not_drift_and_changed_data_does(rows: list[Labelled]) -> None:
    half, other = rows[::2], rows[1::2]
    last = profile.profile(half)
    same = profile.compare(last, other)
    assert isinstance(same, Drift)
    assert not same.found
    moved = [
        row._replace(value=" ".join(["quite"] * 9) if isinstance(row.value, str) else {**row.value, "torque": 60.0})
        if i % 3 == 0
        else row
        for i, row in enumerate(other)
    ]
    drifted = profile.compare(last, moved)
    assert isinstance(drifted, Drift)
    assert drifted.found


def test_what_is_no_project_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"pipeline\.toml"):
        project.read(tmp_path)
    (tmp_path / "pipeline.toml").write_text('model = "x"\nstep = 1\n')
    with pytest.raises(InvalidInput, match="step"):
        project.read(tmp_path)


@pytest.mark.parametrize("name", ["nowhere:x", "examples.sentiment.dataset:nothing", "examples.sentiment.dataset", ""])
def test_a_step_that_is_no_function_is_told(name: str) -> None:
    with pytest.raises(InvalidInput, match=r"pipeline\.toml: the step .* is not a function that can be imported"):
        project.named(name)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no rows"),
        (b"no gzip", "Not a gzipped file"),
        (gzip.compress(b"x" * 1000)[:-12] + b"zzzzzzzzzzzz", "data can't be read"),
        (gzip.compress(b"id\tmean_sentiment\ttext\n1\tx\ty\n"), "could not convert"),
    ],
)
@pytest.mark.parametrize("step", ["train", "evaluate"])
def test_data_that_cannot_be_read_is_told_by_each_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], step: str, content: bytes, says: str
) -> None:
    (tmp_path / "data").write_bytes(content)
    words = [step, str(EXAMPLES / "sentiment"), "--work", str(tmp_path), "--data", str(tmp_path / "data")]
    assert steps.main(words) == 1
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"passed": False, "data": None}, "did not pass its validation"),
        ({"passed": True, "data": {"digest": "0" * 64, "source": "0" * 64, "splits": {}}}, "not what was validated"),
        (None, "data.json is missing: `zeroloop data validate` makes it"),
    ],
)
@pytest.mark.parametrize("step", ["train", "evaluate"])
def test_what_was_not_validated_is_neither_trained_on_nor_evaluated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], step: str, data: dict[str, Any] | None, says: str
) -> None:
    (tmp_path / "trained.json").write_text("{}")  # before, of whatever
    if data is not None:
        (tmp_path / "data.json").write_text(json.dumps(data))
    assert steps.main([step, str(EXAMPLES / "sentiment"), "--work", str(tmp_path)]) == 1
    assert says in capsys.readouterr().err
    assert {file.name for file in tmp_path.iterdir()} == {"trained.json"} | ({"data.json"} if data else set())


def test_neither_is_data_that_was_brought_or_did_not_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(EXAMPLES / "sentiment/packages/small", tmp_path / "package")
    words = ["evaluate", str(EXAMPLES / "sentiment"), "--work", str(tmp_path)]
    own = EXAMPLES / "sentiment/data/movie_reviews.tsv.gz"
    assert steps.main([*words, "--data", str(own)]) == 1
    assert "data.json is missing" in capsys.readouterr().err
    (tmp_path / "data.json").write_text(json.dumps({"passed": False, "data": None}))
    assert steps.main(words) == 1
    assert "did not pass its validation" in capsys.readouterr().err


def test_a_package_that_was_brought_is_evaluated_on_the_projects_data(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES / "sentiment/packages/small", tmp_path / "package")
    assert steps.main(["evaluate", str(EXAMPLES / "sentiment"), "--work", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "evaluation.json").read_text())
    assert found["data"]["source"] == dataset.digest()


def test_what_was_not_trained_or_was_validated_by_other_limits_is_not_evaluated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = project.manifest(dataset.labelled(None), dataset.digest())
    limits = project.read(EXAMPLES / "sentiment").data
    for near, says in ((limits.near, "package.json is missing: `zeroloop train` makes it"), (1.0, "the limits of")):
        validated = {"passed": True, "data": data, "limits": msgspec.structs.replace(limits, near=near)}
        (tmp_path / "data.json").write_bytes(msgspec.json.encode(validated))
        assert steps.main(["evaluate", str(EXAMPLES / "sentiment"), "--work", str(tmp_path)]) == 1
        assert says in capsys.readouterr().err
