"""Batch scoring beside its two neighbours, what a chunk costs, and a terabyte on paper: `python -m bench.batch`.

One process, real sentences, JSON lines to JSON lines: the worker as it is deployed, on a file and a folder in place of
S3. Beside it the interpreter alone on rows that are encoded already (the floor), and MLflow's pyfunc around the same
model. CPU seconds, turn about in short rounds, and of each the least: what is more was others' use of the caches.
Memory is told by processes of their own, for a file and one of ten times its rows. The simulation cuts 1 TB with the
real planner and takes the time of a row as it was measured here.
"""

import argparse
import gzip
import heapq
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from bench.peers import table
from zeroloop.batch import costs, cuts, planning
from zeroloop.batch.rules import Input, Job, Options, Piece, Written
from zeroloop.batch.scoring import Worker
from zeroloop.digests import sha256
from zeroloop.inference.model import Model

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "examples" / "sentiment" / "packages" / "small"
TERABYTE = 10**12
WORKERS = 1_000
ROUNDS, ROUND_ROWS = 60, 10_000
CUT_ROUNDS = 5
READ_AT_ONCE, GET_SECONDS = 16, 0.03
CALL_SECONDS = 0.3
"""What a chunk costs beside its rows: Step Functions, a warm call, six requests to S3 and DynamoDB."""


class File:
    """A file as the stored input."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = path.stat().st_size

    def read_range(self, start: int, end: int) -> bytes:
        """Bytes `start` to before `end`."""
        with self.path.open("rb") as file:
            file.seek(start)
            return file.read(end - start)

    def blocks(self, start: int, end: int) -> Iterator[bytes]:
        """The same in blocks of 1 MB."""
        for at in range(start, end, 1 << 20):
            yield self.read_range(at, min(at + (1 << 20), end))


class Folder:
    """A folder as the output."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pieces: list[Piece] = []

    def write(self, name: str, data: bytes) -> Written:
        """Write a file."""
        target = self.path / name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(data)
        return Written(name, sha256(data), len(data))

    def save(self, piece: Piece) -> None:
        """Note a piece."""
        self.pieces.append(piece)


def sentences() -> list[str]:
    """The example's real sentences."""
    data = gzip.decompress((ROOT / "examples/sentiment/data/movie_reviews.tsv.gz").read_bytes()).decode()
    return [line.split("\t")[-1] for line in data.splitlines()[1:]]


def write_rows(path: Path, n_rows: int) -> None:
    """A file of `n_rows` JSON lines."""
    texts = [json.dumps({"id": "%", "text": text}) for text in sentences()]
    with path.open("w") as file:
        for i in range(n_rows):
            file.write(texts[i % len(texts)].replace('"%"', str(i), 1) + "\n")


def score(path: Path, folder: Path, model: Model, chunk_bytes: int = planning.CHUNK_BYTES) -> Folder:
    """Score a file as a worker does, cut as the planner does."""
    stored, out = File(path), Folder(folder)
    found = planning.plan(stored, path.name, Options(), None)
    n_chunks = len(cuts.stretches(found.start, stored.size, chunk_bytes))
    plan = replace(found, chunk_bytes=chunk_bytes, chunks=n_chunks, measured=n_chunks > 1)
    given = Input(bucket="b", key=path.name, version_id=None, etag=None, size=stored.size)
    job = Job(
        job_id="j", model="m", model_id="m", model_version=1, input=given, output="", options=Options(), plan=plan,
        created_at=0,
    )  # fmt: skip
    chunks = planning.chunks(stored, plan)
    if plan.measured:
        measures = [cuts.measure(stored.blocks(one.start, one.end), one.start, quotes=False) for one in chunks]
        chunks = cuts.cut(chunks, measures)
    for chunk in chunks:
        done = Worker(job, plan, model, stored, out).score(chunk, None, lambda: False)
        assert done  # noqa: S101 - a benchmark that did nothing is none
    return out


def load() -> Model:
    """The example's model."""
    return Model({path.name: path.read_bytes() for path in PACKAGE.iterdir()})


def alone(path: Path) -> dict[str, float]:
    """Rows and peak memory of scoring `path`, in a process of its own: this one."""
    with tempfile.TemporaryDirectory() as folder:
        out = score(path, Path(folder), load())
    rows = sum(piece.rows for piece in out.pieces)
    return {"rows": rows, "megabytes": peak()}


def peak() -> float:
    """Peak memory of this process in MB; `ru_maxrss` would be the starting process's, where that is larger."""
    [line] = (one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / 1e6


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of `work`."""
    started = time.process_time()
    work()
    return time.process_time() - started


def floor(n_rows: int) -> Callable[[], None]:
    """The interpreter alone, 1,000 at a call, on rows that are encoded already."""
    model, texts = load(), sentences()
    assert model.encoder  # noqa: S101 - it reads texts
    encoded = model.encoder.encode([texts[i % len(texts)] for i in range(10_000)], [""] * 10_000)
    interpreter = model._runner._interpreter
    given, answered = model._runner.inputs[0], model._runner.outputs[0]
    interpreter.resize_tensor_input(given["index"], [1_000, encoded.shape[1]])
    interpreter.allocate_tensors()

    def run() -> None:
        for at in range(0, n_rows, 1_000):
            interpreter.set_tensor(given["index"], np.ascontiguousarray(encoded[at % 10_000 : at % 10_000 + 1_000]))
            interpreter.invoke()
            interpreter.get_tensor(answered["index"])

    return run


PYFUNC = """
import json, sys, time
import mlflow, pandas
sys.path += sys.argv[3:]
from zeroloop.inference.model import Model
from pathlib import Path

class Wrapped(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        folder = Path(context.artifacts["package"])
        self.model = Model({path.name: path.read_bytes() for path in folder.iterdir()})
    def predict(self, context, model_input, params=None):
        texts = model_input["text"].tolist()
        return [answer.scores for answer in self.model.predict(texts, ["text"] * len(texts))]

import tempfile
with tempfile.TemporaryDirectory() as folder:
    mlflow.pyfunc.save_model(folder + "/m", python_model=Wrapped(), artifacts={"package": sys.argv[2]})
    loaded = mlflow.pyfunc.load_model(folder + "/m")
    least = float("inf")
    for _ in range(10):
        started, n = time.process_time(), 0
        with open(sys.argv[1]) as file, open(folder + "/out", "w") as out:
            for frame in pandas.read_json(file, lines=True, chunksize=1000):
                frame["scores"] = loaded.predict(frame[["text"]])
                out.write(frame.to_json(orient="records", lines=True))
                n += len(frame)
        least = min(least, (time.process_time() - started) / n)
    print("SECONDS", least)
"""


def pyfunc(path: Path) -> float:
    """Seconds a row of MLflow's pyfunc around the same model, ids and scores in its output."""
    ours = [str(ROOT / "shared"), *(entry for entry in sys.path if entry.endswith("site-packages"))]  # for msgspec
    command = [str(table.installed("bench-mlflow")), "-c", PYFUNC, str(path), str(PACKAGE), *ours]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - ours
    return float(next(line for line in done.stdout.splitlines() if line.startswith("SECONDS")).split()[1])


def simulate(row_seconds: float, row_bytes: float) -> None:
    """1 TB in chunks of 64 MB on 1,000 workers: makespan, cost, limits."""
    chunks = cuts.stretches(0, TERABYTE, planning.CHUNK_BYTES)
    times = [(chunk.end - chunk.start) / row_bytes * row_seconds + CALL_SECONDS for chunk in chunks]
    workers = [0.0] * WORKERS
    for seconds in times:
        heapq.heapreplace(workers, workers[0] + seconds)
    measuring = len(chunks) / WORKERS * (planning.CHUNK_BYTES / 80e6 + CALL_SECONDS)
    n_pieces = max(1, round(planning.CHUNK_BYTES / row_bytes / 100_000))
    part = Written("", "", 0)
    pieces = [
        Piece(
            chunk=chunk.chunk, piece=number, start=0, end=0, next_row=0, read=1, rows=0, rejects=0, part=part,
            seconds=seconds / n_pieces,
        )
        for chunk, seconds in zip(chunks, times, strict=True)
        for number in range(n_pieces)
    ]  # fmt: skip
    cost, rows = costs.job(len(chunks), TERABYTE, pieces, measured=True), TERABYTE / row_bytes
    print(f"\n1 TB, {len(chunks):,} chunks, {rows / 1e6:,.0f} million rows, {WORKERS:,} workers:")
    print(
        f"  makespan {(max(workers) + measuring) / 60:.0f} min (measuring {measuring:.0f} s), chunk {max(times):.0f} s"
    )
    print(f"  {cost['usd']:.2f} USD, {cost['usd'] / rows * 1e6:.4f} USD a million rows; of it:")
    for name, usd in cost.items():
        print(f"    {name:<16}{usd:>10.2f}{usd / cost['usd']:>8.1%}")
    alone = len(pieces) * GET_SECONDS
    print(f"  joining the rejects of every piece: {alone / READ_AT_ONCE:.0f} s, one by one {alone:.0f} s")
    listed = len(json.dumps([[chunk.chunk, chunk.start, chunk.end] for chunk in chunks]))
    print(f"  chunk under 120 s: {max(times) < 120}; list of chunks {listed / 1e6:.1f} MB, on S3")


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--alone", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.alone:
        print(json.dumps(alone(given.alone)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        short, few, many, chunk = (folder / f"{word}.jsonl" for word in ("short", "few", "many", "chunk"))
        write_rows(short, ROUND_ROWS)
        write_rows(few, given.rows // 10)
        write_rows(many, given.rows)
        row_seconds = beside(short, folder)
        row_bytes = many.stat().st_size / given.rows
        for path in (few, many):
            command = [sys.executable, "-m", "bench.batch", "--alone", str(path)]
            done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)  # noqa: S603 - us
            told = json.loads(done.stdout)
            print(f"{told['rows']:>10,} rows: peak {told['megabytes']:.0f} MB")
        write_rows(chunk, round(planning.CHUNK_BYTES / row_bytes))
        chunk_overhead(chunk, folder)
    simulate(row_seconds, row_bytes)


def beside(path: Path, folder: Path) -> float:
    """Print batch, floor and pyfunc on the same rows; seconds a row of batch."""
    model, bare = load(), floor(ROUND_ROWS)
    times = [(seconds(bare), seconds(lambda: score(path, folder, model))) for _ in range(ROUNDS)]
    found = {"interpreter alone, 1,000": min(one for one, _ in times), "batch": min(one for _, one in times)}
    rates = {name: ROUND_ROWS / taken for name, taken in found.items()} | {"MLflow pyfunc": 1 / pyfunc(path)}
    print(f"{'':<26}{'rows/s':>10}{'floor over it':>15}{'batch over it':>15}")
    for name, rate in rates.items():
        print(
            f"{name:<26}{rate:>10,.0f}{rates['interpreter alone, 1,000'] / rate:>15.1f}{rates['batch'] / rate:>15.1f}"
        )
    print("wanted: the floor at most 8 times batch, batch at least 2 times pyfunc, at most 250 MB at any length")
    return found["batch"] / ROUND_ROWS


def chunk_overhead(path: Path, folder: Path, parts: int = 16) -> None:
    """Print what cutting costs: a file of one chunk, and the same cut into `parts`, measured first."""
    model, size = load(), path.stat().st_size
    times = [
        (seconds(lambda: score(path, folder, model, size)), seconds(lambda: score(path, folder, model, size // parts)))
        for _ in range(CUT_ROUNDS)
    ]
    whole, cut = min(one for one, _ in times), min(one for _, one in times)
    own = max(0.0, cut - whole) / parts
    print(f"a chunk of {size / 1e6:.0f} MB: {whole:.2f} s; cutting adds {own * 1000:.0f} ms a chunk, {own / whole:.1%}")
    guessed = f"{CALL_SECONDS} s of calls and requests on AWS, which is a guess, add {CALL_SECONDS / whole:.0%}"
    print(f"  wanted at most 5%; {guessed}\n")


if __name__ == "__main__":
    main()
