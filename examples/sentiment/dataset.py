"""The rated sentences: read, and split in a way that any order of rows leaves alone."""

import gzip
import zlib
from pathlib import Path
from typing import Literal, NamedTuple

from zeroloop.digests import sha256
from zeroloop_training.hashed import Hashed
from zeroloop_training.packaging import Rows
from zeroloop_training.project import Labelled

DATA = Path(__file__).parent / "data"
MOVIES = DATA / "movie_reviews.tsv.gz"

_NEGATIONS = frozenset(("no", "not", "never", "nor", "neither", "nobody", "nothing", "none", "without"))

HASHED, TOLD = "hashed-", "told-"
"""How ids of rows begin that came from the archive: of their words' hashes, or of their text."""

Split = Literal["train", "validation", "test"]


class Sentence(NamedTuple):
    """A sentence and the mean of 20 people's ratings of it, from -4 (most negative) to 4."""

    id: str
    mean_sentiment: float
    text: str

    @property
    def label(self) -> str:
        """What a model has to answer."""
        return "positive" if self.mean_sentiment > 0 else "negative"

    @property
    def value(self) -> str:
        """What a model reads."""
        return Hashed(self.text) if self.id.startswith(HASHED) else self.text


def read(path: Path = MOVIES) -> list[Sentence]:
    """The sentences of a gzipped TSV with the header `id mean_sentiment text`."""
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()[1:]
    return [Sentence(key, float(mean), text) for key, mean, text in (line.split("\t") for line in lines)]


def split(sentence: Sentence) -> Split:
    """Which part a sentence belongs to, by its id: 70% train, 15% validation, 15% test."""
    percent = zlib.crc32(sentence.id.encode()) % 100
    return "train" if percent < 70 else "validation" if percent < 85 else "test"


def part(sentences: list[Sentence], name: Split) -> list[Sentence]:
    """The sentences of one part."""
    return [sentence for sentence in sentences if split(sentence) == name]


def rows(sentences: list[Sentence], name: Split) -> Rows:
    """One part as callers would send it, and what they should be answered."""
    chosen = part(sentences, name)
    return Rows([sentence.value for sentence in chosen], [sentence.label for sentence in chosen])


def labelled(path: Path | None) -> list[Labelled]:
    """All sentences of a file, or of ours, as the pipeline reads them; sliced by length and by whether they negate."""
    return [
        Labelled(row.id, split(row), row.value, row.label, row._asdict(), slices(row.value))
        for row in read(path or MOVIES)
    ]


def slices(text: str) -> dict[str, str]:
    """Where a sentence is counted. The data says nothing of who wrote it, and hashes nothing of a negation."""
    words = text.lower().replace("\u2019", "'").split()
    length = "short" if len(words) < 12 else "medium" if len(words) < 24 else "long"
    if isinstance(text, Hashed):
        return {"length": length}
    negates = any(word.strip('.,;:!?"') in _NEGATIONS or "n't" in word for word in words)
    return {"length": length, "negation": "yes" if negates else "no"}


def digest(path: Path = MOVIES) -> str:
    """SHA-256 of the file as it lies there."""
    return sha256(path.read_bytes())
