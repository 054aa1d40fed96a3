"""The data of a retraining: the movie reviews, and what callers sent and people labelled since."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

from examples.sentiment import dataset
from examples.sentiment.dataset import HASHED, TOLD, Sentence
from zeroloop.inference import preprocessing
from zeroloop.inference.package import read

SMALL = Path(__file__).parent / "packages/small/package.json"
"""The candidate reads as `small` does."""
RATING = 2.0
"""What a label without a rating counts as: about the mean of the reviews that are positive, or negative."""
_CHARACTERS = 2000


def combined(folder: Path) -> bytes:
    """A data file of all movie sentences and of the assembled rows in `folder`, for `--data`.

    A sentence comes once, and never if the movie reviews have it: held-out ones would leak. Rows of another
    preprocessing and labels that the model doesn't know are left out. A row's name, and so its split, follows from what
    was sent and from nothing else.
    """
    known = dataset.read()
    reads = read(SMALL.read_bytes()).preprocessing
    encoder = preprocessing.encoder(reads.kind, reads.parameters)
    own = encoder.encode([row.text for row in known], [row.id for row in known])
    seen = {_ids(row) for row in own.tolist()}
    added: dict[str, Sentence] = {}
    for sentence in _assembled(folder / "rows.jsonl", reads.digest):
        if sentence.id.startswith(HASHED):
            words = sentence.text
        else:
            words = _ids(encoder.encode([sentence.text], [sentence.id])[0].tolist())
        if words and words not in seen:
            added[words] = sentence  # the last label of the same words
    rows = [*known, *added.values()]
    text = "".join(f"{row.id}\t{row.mean_sentiment}\t{row.text}\n" for row in rows)
    return gzip.compress(f"id\tmean_sentiment\ttext\n{text}".encode(), mtime=0)


def _assembled(file: Path, reads: str) -> Iterator[Sentence]:
    for line in file.read_text().splitlines():
        row = json.loads(line)
        rating = {"positive": RATING, "negative": -RATING}.get(row["label"])
        if rating is None:
            continue
        if isinstance(row.get("instance"), str):
            text = " ".join(row["instance"].split())
            if len(text) <= _CHARACTERS:
                yield Sentence(f"{TOLD}{row['input_digest']}", rating, text)
        elif "features" in row and row["preprocessing"] == reads:
            yield Sentence(f"{HASHED}{row['input_digest']}", rating, _ids(row["features"]))


def _ids(row: list[int]) -> str:
    return " ".join(str(one) for one in row if one)
