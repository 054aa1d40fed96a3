"""Batch jobs in memory: a file, its plan, its chunks and what they write, with the real rules and codecs."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from msgspec.structs import replace

from tests import models
from zeroloop.batch import cuts, planning, rules
from zeroloop.batch.rules import Chunk, Input, Job, Options, Piece, Plan, Written
from zeroloop.batch.scoring import Worker
from zeroloop.digests import sha256
from zeroloop.inference.model import Model

NEVER: Callable[[], bool] = lambda: False  # noqa: E731 - a constant


class Stored:
    """An object in memory, in small blocks."""

    def __init__(self, data: bytes, block: int = 1000) -> None:
        self.data = data
        self.size = len(data)
        self.block = block

    def read_range(self, start: int, end: int) -> bytes:
        return self.data[start:end]

    def blocks(self, start: int, end: int) -> Iterator[bytes]:
        for at in range(start, end, self.block):
            yield self.data[at : min(at + self.block, end)]


class Sink:
    """An output in memory: written once, like S3's."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.pieces: dict[tuple[int, int], Piece] = {}

    def write(self, name: str, data: bytes) -> Written:
        assert self.objects.setdefault(name, data) == data
        return Written(name, sha256(data), len(data))

    def save(self, piece: Piece) -> None:
        assert self.pieces.setdefault((piece.chunk, piece.piece), piece) == piece

    def before(self, chunk: Chunk) -> Piece | None:
        found = [piece for (number, _), piece in sorted(self.pieces.items()) if number == chunk.chunk]
        return found[-1] if found else None

    def lines(self, prefix: str) -> list[Any]:
        names = sorted(name for name in self.objects if name.startswith(prefix))
        return [json.loads(line) for name in names for line in self.objects[name].splitlines()]


def text_model() -> Model:
    return Model(models.package(models.dense(dtype="int32"), kind="hashed_ngrams"))


def table_model() -> Model:
    return Model(models.package(models.dense()))


def job(plan: Plan, size: int, options: Options) -> Job:
    return Job(
        job_id="j-1",
        model="m",
        model_id="m-0123456789abcdef",
        model_version=3,
        input=Input(bucket="data", key="inbox/m/f", version_id="v", etag="e", size=size),
        output="s3://data/outbox/m/j-1/",
        options=options,
        plan=plan,
        created_at=0,
    )


class Run:
    """A file from its plan to its last piece."""

    def __init__(self, data: bytes, key: str, model: Model, *, block: int = 1000, **options: Any) -> None:
        self.stored = Stored(data, block)
        self.model = model
        self.sink = Sink()
        self.options = Options(**options)
        self.plan = planning.plan(self.stored, key, self.options, None)

    def change(self, **plan: Any) -> "Run":
        """Another plan: smaller chunks and pieces than the planner makes."""
        self.plan = replace(self.plan, **plan)
        return self

    def chunks(self) -> list[Chunk]:
        found = planning.chunks(self.stored, self.plan)
        if self.plan.format == "parquet" or len(found) == 1:
            return found
        quotes = self.plan.format == "csv"
        return cuts.cut(
            found,
            [cuts.measure(self.stored.blocks(one.start, one.end), one.start, quotes=quotes) for one in found],
        )

    def score(self, late: Callable[[], bool] = NEVER) -> "Run":
        """Every chunk, from behind what is written already."""
        worker = Worker(job(self.plan, self.stored.size, self.options), self.plan, self.model, self.stored, self.sink)
        for chunk in self.chunks():
            while not worker.score(chunk, self.sink.before(chunk), late):
                pass
        assert rules.unfinished(self.chunks(), self.sink.pieces.values()) == []
        assert rules.gaps(self.chunks(), [piece for _, piece in sorted(self.sink.pieces.items())]) == []
        return self

    @property
    def rows(self) -> list[Any]:
        return self.sink.lines("part-")

    @property
    def rejects(self) -> list[Any]:
        return self.sink.lines("rejects/")
