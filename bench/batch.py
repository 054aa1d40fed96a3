"""Batch scoring beside its two neighbours, and a terabyte on paper: `python -m bench.batch`.

One process, one file of real sentences, JSON lines to JSON lines: the worker as it is deployed, on a file and a folder
in place of S3. Beside it the interpreter alone on rows that are encoded already (the floor), and MLflow's pyfunc, if
`--mlflow` names a Python that has it. CPU seconds, since other programs may run; all in one run, so that ratios count.
The simulation cuts 1 TB with the real planner and takes the time of a row as it was measured here.
"""

import argparse
import gzip
import heapq
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from zeroloop.batch import costs, cuts, planning
from zeroloop.batch.rules import Input, Job, Options, Piece, Written
from zeroloop.batch.scoring import Worker
from zeroloop.digests import sha256
from zeroloop.inference.model import Model

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "examples" / "sentiment" / "packages" / "small"
TERABYTE = 10**12
WORKERS = 1_000
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


def score(path: Path, folder: Path) -> Folder:
    """Score a file as a worker does."""
    stored, out = File(path), Folder(folder)
    plan = planning.plan(stored, path.name, Options(), None)
    given = Input(bucket="b", key=path.name, version_id=None, etag=None, size=stored.size)
    job = Job(
        job_id="j", model="m", model_id="m", model_version=1, input=given, output="", options=Options(), plan=plan,
        created_at=0,
    )  # fmt: skip
    chunks = planning.chunks(stored, plan)
    if plan.measured:
        measures = [cuts.measure(stored.blocks(one.start, one.end), one.start, quotes=False) for one in chunks]
        chunks = cuts.cut(chunks, measures)
    worker = Worker(job, plan, load(), stored, out)
    for chunk in chunks:
        assert worker.score(chunk, None, lambda: False)  # noqa: S101 - a benchmark that did nothing is none
    return out


def load() -> Model:
    """The example's model."""
    return Model({path.name: path.read_bytes() for path in PACKAGE.iterdir()})


def alone(path: Path) -> dict[str, float]:
    """Rate and peak memory of scoring `path`, in a process of its own: this one."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        out = score(path, Path(folder))
        seconds = time.process_time() - started
    rows = sum(piece.rows for piece in out.pieces)
    return {"rows": rows, "seconds": seconds, "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000}


def floor(n_rows: int = 200_000) -> float:
    """Rows a second of the interpreter alone, 1,000 at a call, on rows that are encoded already."""
    model = load()
    texts = sentences()
    encoded = model.encoder.encode([texts[i % len(texts)] for i in range(10_000)], [""] * 10_000)
    interpreter = model._runner._interpreter
    given, answered = model._runner.inputs[0], model._runner.outputs[0]
    interpreter.resize_tensor_input(given["index"], [1_000, encoded.shape[1]])
    interpreter.allocate_tensors()
    started = time.process_time()
    for at in range(0, n_rows, 1_000):
        interpreter.set_tensor(given["index"], np.ascontiguousarray(encoded[at % 10_000 : at % 10_000 + 1_000]))
        interpreter.invoke()
        interpreter.get_tensor(answered["index"])
    return n_rows / (time.process_time() - started)


PYFUNC = """
import json, sys, time
import mlflow, pandas
sys.path[:0] = sys.argv[3:]
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
    started, n = time.process_time(), 0
    with open(sys.argv[1]) as file, open(folder + "/out", "w") as out:
        for frame in pandas.read_json(file, lines=True, chunksize=1000):
            frame["scores"] = loaded.predict(frame[["text"]])
            out.write(frame.to_json(orient="records", lines=True))
            n += len(frame)
    print("RATE", n / (time.process_time() - started))
"""


def pyfunc(python: str, path: Path) -> float:
    """Rows a second of MLflow's pyfunc around the same model, ids and scores in its output."""
    paths = [str(ROOT / "shared"), *(entry for entry in sys.path if entry.endswith("site-packages"))]
    command = [python, "-c", PYFUNC, str(path), str(PACKAGE), *paths]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - the caller's Python
    return float(next(line for line in done.stdout.splitlines() if line.startswith("RATE")).split()[1])


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
    cost, rows = costs.job(len(chunks), TERABYTE, pieces), TERABYTE / row_bytes
    print(f"\n1 TB, {len(chunks):,} chunks, {rows / 1e6:,.0f} million rows, {WORKERS:,} workers:")
    print(
        f"  makespan {(max(workers) + measuring) / 60:.0f} min (measuring {measuring:.0f} s), chunk {max(times):.0f} s"
    )
    print(f"  {cost['usd']:.2f} USD, {cost['usd'] / rows * 1e6:.4f} USD a million rows; of it:")
    for name, usd in cost.items():
        print(f"    {name:<16}{usd:>10.2f}{usd / cost['usd']:>8.1%}")
    listed = len(json.dumps([[chunk.chunk, chunk.start, chunk.end] for chunk in chunks]))
    print(f"  chunk under 120 s: {max(times) < 120}; list of chunks {listed / 1e6:.1f} MB, on S3")


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--mlflow", help="a Python that has mlflow and pandas")
    parser.add_argument("--alone", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.alone:
        print(json.dumps(alone(given.alone)))
        return
    with tempfile.TemporaryDirectory() as name:
        found = []
        for n_rows in (given.rows // 10, given.rows):
            path = Path(name) / f"{n_rows}.jsonl"
            write_rows(path, n_rows)
            command = [sys.executable, "-m", "bench.batch", "--alone", str(path)]
            done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)  # noqa: S603 - us
            found.append(json.loads(done.stdout))
            row_bytes = path.stat().st_size / n_rows
        rate, raw = found[1]["rows"] / found[1]["seconds"], floor()
        print(f"{'':<28}{'rows/s':>10}{'of the floor':>14}{'peak MB':>9}")
        print(f"{'interpreter alone, 1,000':<28}{raw:>10,.0f}{1:>14.2f}")
        for one in found:
            own = one["rows"] / one["seconds"]
            print(f"{'batch, ' + format(one['rows'], ','):<28}{own:>10,.0f}{own / raw:>14.3f}{one['megabytes']:>9.0f}")
        if given.mlflow:
            beside = pyfunc(given.mlflow, Path(name) / f"{given.rows // 10}.jsonl")
            print(f"{'MLflow pyfunc':<28}{beside:>10,.0f}{beside / raw:>14.3f}   batch is {rate / beside:.1f} times it")
    simulate(1 / rate, row_bytes)


if __name__ == "__main__":
    main()
