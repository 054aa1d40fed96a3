"""Data of the archive for a training: texts as hashes, and what may not come in."""

import gzip
import json
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest

from cli.retrain import of_model
from examples.sentiment import dataset, retraining
from examples.sentiment.dataset import Sentence
from zeroloop.digests import canonical
from zeroloop.inference.record import input_digest
from zeroloop_training import alike, hashed, packaging, profile, project
from zeroloop_training.hashed import Hashed
from zeroloop_training.project import Labelled

PROJECT = Path(dataset.__file__).parent
SMALL = packaging.load(PROJECT / "packages/small")
READS = SMALL.package.preprocessing.digest
NEW = "Parliament adjourned the subsidy debate."
assert SMALL.encoder


def ids(text: str) -> list[int]:
    assert SMALL.encoder
    row = SMALL.encoder.encode([text], ["text"])
    return list(SMALL.encoder.features([text], row)[0])


def row(text: str, label: str = "negative", **changes: Any) -> dict[str, Any]:
    """As `zeroloop data assemble` writes it."""
    made = {"label": label, "input_digest": input_digest("text", text), "preprocessing": READS, "features": ids(text)}
    return {**made, **changes}


def added(tmp_path: Path, *rows: dict[str, Any]) -> list[Sentence]:
    """What comes to the movie sentences."""
    (tmp_path / "rows.jsonl").write_bytes(b"".join(canonical(one) + b"\n" for one in rows))
    (tmp_path / "combined").write_bytes(retraining.combined(tmp_path).data)
    found, own = dataset.read(tmp_path / "combined"), dataset.read()
    assert found[: len(own)] == own
    return found[len(own) :]


def test_a_hashed_text_is_read_and_answered_as_the_text(tmp_path: Path) -> None:
    [sentence] = added(tmp_path, row(NEW))
    assert (sentence.label, type(sentence.value)) == ("negative", Hashed)
    assert SMALL.encoder
    rows = hashed.encode(SMALL.encoder, [NEW, sentence.value, "?!"], ["a", "b", "c"])
    assert np.array_equal(rows[0], rows[1])
    assert packaging.predict(SMALL, [sentence.value, NEW]) == packaging.predict(SMALL, [NEW, NEW])
    assert sentence.value == " ".join(map(str, ids(NEW)))


@pytest.mark.parametrize("mark", ["\u2028", "\u0085", "\x1e"])
def test_a_mark_that_ends_a_line_elsewhere_ends_none_here(tmp_path: Path, mark: str) -> None:
    [sentence] = added(tmp_path, row(NEW, instance=NEW.replace(" ", mark)))
    assert sentence.value == NEW


def test_a_text_that_is_kept_comes_as_text(tmp_path: Path) -> None:
    [sentence] = added(tmp_path, row(NEW, instance=f" {NEW}\t\n"))
    assert sentence.value == NEW
    assert sentence.id.startswith(dataset.TOLD)


@pytest.mark.parametrize(
    "left_out",
    [
        row(dataset.read()[0].text),
        row(dataset.read()[0].text, instance=dataset.read()[0].text.upper()),
        row(NEW, label="neutral"),
        row(NEW, preprocessing="0" * 64),
        row("?!"),
        row(NEW, instance="x" * 2001),
    ],
    ids=["a review's hashes", "a review's text", "unknown label", "other hashes", "no words", "too long"],
)
def test_what_would_leak_or_means_nothing_is_left_out(tmp_path: Path, left_out: dict[str, Any]) -> None:
    assert added(tmp_path, left_out) == []


def test_the_same_words_come_once_with_their_last_label(tmp_path: Path) -> None:
    [sentence] = added(tmp_path, row(NEW, label="positive"), row(NEW), row(NEW.upper(), label="positive"))
    assert sentence.label == "positive"


PARCEL = "The parcel for order {} came late, and what was in it was torn to pieces."


def test_a_template_in_the_traffic_comes_once_and_does_not_leak(tmp_path: Path) -> None:
    hashes = [row(PARCEL.format(number)) for number in range(1000, 1100)]
    told = [row(text := PARCEL.format(number), instance=text) for number in range(2000, 2100)]
    kept = added(tmp_path, *hashes, *told, row(NEW))
    assert len([one for one in kept if type(one.value) is Hashed]) <= 3  # other numbers are other hashes, a few alike
    assert len([one for one in kept if type(one.value) is str]) == 1
    assert len(kept) + retraining.combined(tmp_path).left_out["nearly the same as another"] == 201
    texts = [alike.normal(one.value) for one in [*dataset.read(), *kept]]
    near, every = alike.Alike(texts, 0.8), np.ones(len(texts), bool)
    assert not [i for i in range(len(dataset.read()), len(texts)) if len(near.to(i, every))]


def test_what_is_nearly_a_review_is_left_out_whichever_split_it_would_fall_into(tmp_path: Path) -> None:
    long = [one.text for one in dataset.read() if len(one.text) > 120][:20]
    assert added(tmp_path, *(row(text, instance=f"{text} Indeed.") for text in long)) == []


def test_the_same_rows_make_the_same_bytes_and_splits(tmp_path: Path) -> None:
    added(tmp_path, row(NEW))
    first = (tmp_path / "combined").read_bytes()
    [sentence] = added(tmp_path, row(NEW))
    assert (tmp_path / "combined").read_bytes() == first
    assert gzip.decompress(first).decode().splitlines()[-1].split("\t")[0] == sentence.id
    rows = dataset.labelled(tmp_path / "combined")
    asked = project.read(PROJECT)
    assert project.manifest(rows, "0" * 64) == project.manifest(dataset.labelled(tmp_path / "combined"), "0" * 64)
    assert asked.steps.combine == "examples.sentiment.retraining:combined"
    assert dict(rows[-1].slices) == {"length": "short"}  # a negation can't be told from hashes


def test_a_project_is_retrained_as_the_model_that_it_makes_and_as_no_other() -> None:
    assert of_model("sentiment") == of_model("sentiment", PROJECT) == PROJECT
    for folder, says in ((PROJECT, "makes sentiment, not topics"), (None, "no example makes topics")):
        with pytest.raises(click.UsageError, match=says):
            of_model("topics", folder)


def test_hashes_have_no_part_in_a_profile() -> None:
    def rows(texts: list[str]) -> list[Labelled]:
        return [Labelled(str(i), "train", text, "positive", {}, {}) for i, text in enumerate(texts)]

    texts = ["A wonderful film.", "Dull and bad.", "It is what it is."]
    assert json.loads(json.dumps(str(profile.profile(rows(texts))))) == str(
        profile.profile(rows([*texts, Hashed("17 4031")]))
    )
