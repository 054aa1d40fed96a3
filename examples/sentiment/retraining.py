"""The data of a retraining: the movie reviews, and what callers sent and people labelled since."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

from examples.sentiment import dataset
from examples.sentiment.dataset import HASHED, TOLD, Sentence
from zeroloop.inference import preprocessing
from zeroloop.inference.package import read
from zeroloop_training import alike, project
from zeroloop_training.project import Combined

SMALL = Path(__file__).parent / "packages/small/package.json"
"""The candidate reads as `small` does."""
RATING = 2.0
"""What a label without a rating counts as: about the mean of the reviews that are positive, or negative."""
_CHARACTERS = 2000


def combined(folder: Path) -> Combined:
    """All movie sentences and the assembled rows in `folder`.

    A sentence comes once, and never if the movie reviews have it or nearly have it: held-out ones would leak, as those
    of a template that callers fill in would. Rows of another preprocessing and labels that the model doesn't know are
    left out. A row's name, and so its split, follows from what was sent and from nothing else.
    """
    known = dataset.read()
    reads = read(SMALL.read_bytes()).preprocessing
    encoder = preprocessing.encoder(reads.kind, reads.parameters)
    own = encoder.encode([row.text for row in known], [row.id for row in known])
    seen = {_ids(row) for row in own.tolist()}
    added: dict[str, Sentence] = {}
    left_out = dict.fromkeys(("unreadable by this model", "known to the project", "nearly the same as another"), 0)
    for sentence in _assembled(folder / "rows.jsonl", reads.digest):
        if sentence is None:
            left_out["unreadable by this model"] += 1
            continue
        if sentence.id.startswith(HASHED):
            words = sentence.text
        else:
            words = _ids(encoder.encode([sentence.text], [sentence.id])[0].tolist())
        if not words:
            left_out["unreadable by this model"] += 1
        elif words in seen:
            left_out["known to the project"] += 1
        else:
            left_out["nearly the same as another"] += words in added
            added[words] = sentence  # the last label of the same words
    rows = [*known, *added.values()]
    kept = alike.distinct(
        [alike.normal(row.text) for row in rows], project.read(Path(__file__).parent).data.near, len(known)
    )
    left_out["nearly the same as another"] += len(rows) - len(kept)
    rows = [rows[i] for i in kept]
    text = "".join(f"{row.id}\t{row.mean_sentiment}\t{row.text}\n" for row in rows)
    return Combined(gzip.compress(f"id\tmean_sentiment\ttext\n{text}".encode(), mtime=0), left_out)


def _assembled(file: Path, reads: str) -> Iterator[Sentence | None]:
    """Each row as a sentence; None for one that means nothing to this model."""
    for line in filter(None, file.read_bytes().split(b"\n")):
        row = json.loads(line)
        rating = {"positive": RATING, "negative": -RATING}.get(row["label"])
        sentence = None
        if rating is not None and isinstance(row.get("instance"), str):
            text = " ".join(row["instance"].split())
            if len(text) <= _CHARACTERS:
                sentence = Sentence(f"{TOLD}{row['input_digest']}", rating, text)
        elif rating is not None and "features" in row and row["preprocessing"] == reads:
            sentence = Sentence(f"{HASHED}{row['input_digest']}", rating, _ids(row["features"]))
        yield sentence


def _ids(row: list[int]) -> str:
    return " ".join(str(one) for one in row if one)
