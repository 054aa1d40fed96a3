"""The pipeline's steps on real sentences, and on sentences that somebody spoiled."""

import gzip
import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from examples.sentiment import dataset, retraining, train
from examples.sentiment.dataset import Sentence
from zeroloop.digests import canonical
from zeroloop.inference.record import input_digest
from zeroloop.registry import gates
from zeroloop.registry.gates import Evaluation
from zeroloop_training import packaging, steps

PROJECT = Path(dataset.__file__).parent
SENTENCES = dataset.read()


def saved(folder: Path, sentences: Sequence[Sentence]) -> Path:
    rows = "".join(f"{row.id}\t{row.mean_sentiment}\t{row.text}\n" for row in sentences)
    file = folder / "sentences.tsv.gz"
    file.write_bytes(gzip.compress(f"id\tmean_sentiment\ttext\n{rows}".encode(), mtime=0))
    return file


def result(work: Path, name: str) -> dict[str, Any]:
    return dict(json.loads((work / f"{name}.json").read_text()))


def run(step: str, work: Path, *options: str | Path) -> int:
    return steps.main([step, str(PROJECT), "--work", str(work), *map(str, options)])


def missed(work: Path) -> list[str]:
    return [finding["name"] for finding in result(work, "data")["findings"] if not finding["passed"]]


def like(row: Sentence, split: str, text: str) -> Sentence:
    """`text` with the rating of `row`, under an id that falls into `split`."""
    ids = (f"copy-{row.id}-{i}" for i in range(1000))
    return next(made for i in ids if dataset.split(made := row._replace(id=i, text=text)) == split)


def test_the_data_that_is_checked_in_is_fit_and_has_the_same_digests_each_time(tmp_path: Path) -> None:
    assert run("validate", tmp_path) == 0
    first = result(tmp_path, "data")
    assert missed(tmp_path) == []
    assert first["data"]["source"] == dataset.digest()
    assert first["data"]["rows"] == {"test": 1289, "train": 6384, "validation": 1341}
    last = tmp_path / "champion.json"
    last.write_text(json.dumps(first))
    assert run("validate", tmp_path, "--last", last) == 0
    assert result(tmp_path, "data")["data"] == first["data"]
    assert "large effects: none" in result(tmp_path, "data")["findings"][-1]["says"]
    # Another domain is told, and by its words.
    run("validate", tmp_path, "--last", last, "--data", dataset.DATA / "amazon_reviews.tsv.gz")
    assert "words" in result(tmp_path, "data")["findings"][-1]["says"]


def test_a_leaked_split_is_stopped(tmp_path: Path) -> None:
    held_out = dataset.part(SENTENCES, "test")
    exact = [like(row, "train", row.text) for row in held_out[:20]]
    assert run("validate", tmp_path, "--data", saved(tmp_path, [*SENTENCES, *exact])) == steps.UNFIT
    assert missed(tmp_path) == ["duplicates", "leaks"]
    near = [like(row, "train", row.text.upper() + " Indeed.") for row in held_out if len(row.text) > 120][:20]
    assert run("validate", tmp_path, "--data", saved(tmp_path, [*SENTENCES, *near])) == steps.UNFIT
    assert missed(tmp_path) == ["near leaks"]


@pytest.mark.parametrize(
    ("spoil", "stops"),
    [
        (lambda row, _: row._replace(mean_sentiment=row.mean_sentiment * 3), ["schema"]),
        (lambda row, i: row._replace(text=" ") if i == 7 else row, ["schema"]),
        (lambda row, i: row._replace(id=SENTENCES[0].id) if i == 7 else row, ["schema"]),
        (lambda row, _: row._replace(mean_sentiment=abs(row.mean_sentiment) + 0.01), ["labels in test"]),
    ],
    ids=["range", "blank", "id twice", "one label"],
)
def test_data_that_is_not_as_it_should_be_is_stopped(tmp_path: Path, spoil: Any, stops: list[str]) -> None:
    spoiled = [spoil(row, i) for i, row in enumerate(SENTENCES[:2000])]
    assert run("validate", tmp_path, "--data", saved(tmp_path, spoiled)) == steps.UNFIT
    assert set(stops) <= set(missed(tmp_path))


@pytest.mark.parametrize("content", [b"", b"no gzip", gzip.compress(b"id\tmean_sentiment\ttext\n1\tx\ty\n")])
def test_data_that_cannot_be_read_is_a_finding(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken").write_bytes(content)
    assert run("validate", tmp_path, "--data", tmp_path / "broken") == steps.UNFIT
    assert missed(tmp_path) == ["readable"]


def test_poisoned_labels_are_stopped_by_the_gate_and_honest_ones_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    monkeypatch.setattr(train, "SMALL", train.SMALL._replace(epochs=4))
    asked = gates.read(tomllib.loads((PROJECT / "gates.toml").read_text()))
    poisoned = [
        row._replace(mean_sentiment=-row.mean_sentiment) if i % 5 == 0 else row for i, row in enumerate(SENTENCES)
    ]
    verdicts = {}
    for name, rows in (("honest", SENTENCES), ("poisoned", poisoned)):
        work = tmp_path / name
        work.mkdir()
        data = ("--data", saved(work, rows))
        assert run("train", work, *data) == 1  # not validated
        assert not (work / "package").exists()
        assert run("validate", work, *data) == 0  # labels that are wrong look like labels
        assert run("train", work, *data) == 0
        assert run("evaluate", work, *data) == 0
        found = msgspec.convert(result(work, "evaluation"), Evaluation)
        verdicts[name] = gates.hold(asked, found, 140_000, None)
    assert verdicts["honest"].passed, verdicts["honest"]
    stopped = [check.name for check in verdicts["poisoned"].checks if not check.passed]
    assert "accuracy at_least 0.76" in stopped

    # The honest one again: the same digest, and a comparison with itself tells nobody apart.
    before = result(tmp_path / "honest", "trained")["digest"]
    again_data = ("--data", tmp_path / "honest" / "sentences.tsv.gz")
    assert run("train", tmp_path / "honest", *again_data) == 0
    again = result(tmp_path / "honest", "trained")
    assert (again["digest"], again["repeated"]["same_digest"]) == (before, True)
    assert run("evaluate", tmp_path / "honest", *again_data, "--champion", tmp_path / "poisoned" / "package") == 0
    [compared] = result(tmp_path / "honest", "evaluation")["comparisons"].values()
    assert compared["only_candidate"] + compared["only_champion"] > 0
    assert (
        run("evaluate", tmp_path / "honest", "--data", tmp_path / "poisoned" / "sentences.tsv.gz") == 1
    )  # not its data


def test_hashed_traffic_is_validated_trained_and_measured_as_texts_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    monkeypatch.setattr(train, "SMALL", train.SMALL._replace(epochs=2))
    small = packaging.load(PROJECT / "packages/small")
    assert small.encoder
    sent = dataset.read(dataset.DATA / "nyt_editorials.tsv.gz")[:600]
    texts = [row.text for row in sent]
    kept = small.encoder.features(texts, small.encoder.encode(texts, texts))
    rows = [
        {
            "label": row.label,
            "features": ids,
            "input_digest": input_digest("text", row.text),
            "preprocessing": small.package.preprocessing.digest,
        }
        for row, ids in zip(sent, kept, strict=True)
    ]
    (tmp_path / "rows.jsonl").write_bytes(b"".join(canonical(row) + b"\n" for row in rows))
    assert run("combine", tmp_path, "--data", tmp_path) == 0
    assert (tmp_path / steps.COMBINED).read_bytes() == retraining.combined(tmp_path).data
    assert {"unreadable by this model", "known to the project", "nearly the same as another"} == {
        *result(tmp_path, "combined")["left_out"]
    }

    data = ("--data", tmp_path / steps.COMBINED)
    assert run("validate", tmp_path, *data) == 0, missed(tmp_path)
    own = {"test": 1289, "train": 6384, "validation": 1341}
    assert sum(result(tmp_path, "data")["data"]["rows"].values()) - sum(own.values()) in range(590, 601)
    assert run("train", tmp_path, *data) == 0
    assert run("evaluate", tmp_path, *data, "--champion", PROJECT / "packages/small") == 0
    found = msgspec.convert(result(tmp_path, "evaluation"), Evaluation)
    assert found.metrics["accuracy"].n == result(tmp_path, "data")["data"]["rows"]["test"]
    assert result(tmp_path, "data")["data"]["rows"]["test"] > own["test"]
    assert sum(one.n for one in found.slices if one.of == "length") == found.metrics["accuracy"].n
    assert sum(one.n for one in found.slices if one.of == "negation") == own["test"]
    baseline = json.loads((tmp_path / "package/baseline.json").read_bytes())
    assert baseline["n"] == result(tmp_path, "data")["data"]["rows"]["validation"]
