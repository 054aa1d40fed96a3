"""What ships: each function beside nothing but its own layers, imported, and weighed."""

import importlib.util
import json
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType

import pytest

from cli import environment
from cli.local import tools
from tests import models
from tests.template.reader import PROJECT, functions, read, referred, word

LIMIT_BYTES = 250 * 1024 * 1024
"""Of a function with its layers, unzipped (Lambda quotas)."""

FUNCTIONS = functions(read())

Build = Callable[[str, str], Path]


def _build_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build", PROJECT / "layers" / "build.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SCRIPT = _build_script()


@pytest.fixture(scope="module", name="build")
def _build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Builds a layer or a function's code for a target, once; third parties come from the cache under .zeroloop."""
    root, uv = tmp_path_factory.mktemp("built"), tools.find_uv(None)

    def build(target: str, name: str) -> Path:
        to: Path = root / target / name.replace("/", "-")
        if not to.exists():
            kind = name.split("/", 1)[0].removesuffix("s")
            getattr(SCRIPT.Builder(uv, target), kind)(PROJECT / name, to)
        return to

    return build


def layers(function: str) -> list[str]:
    """The folders of a function's layers; those behind a condition as if it were met."""
    choices = [layer.get("Fn::If", [None, layer])[1] for layer in FUNCTIONS[function]["Layers"]]
    return [f"layers/{(referred(layer) or '').removesuffix('Layer').lower()}" for layer in choices]


def variables(function: str) -> dict[str, str]:
    """An environment as Lambda would set it: a parameter's default, else a value of no meaning that is a number too."""
    parameters = read()["Parameters"]
    own = {
        name: str(parameters.get(referred(value), {}).get("Default", "7"))
        for name, value in FUNCTIONS[function]["Environment"]["Variables"].items()
    }
    runtime = {"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1", "AWS_LAMBDA_FUNCTION_NAME": function}
    return own | runtime


def run_alone(
    python: str, code: str, *, sees: Iterable[Path], given: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run `code` in an interpreter without site-packages, whose path is the standard library and `sees`."""
    paths = json.dumps([str(path) for path in sees])
    program = f"import sys; sys.path[:0] = {paths}\n{code}"
    return subprocess.run(
        [python, "-I", "-S", "-c", program],
        check=False,
        capture_output=True,
        text=True,
        env=environment.plain(**given),
        timeout=60,
    )


def places(build: Build, target: str, function: str, without: str | None = None) -> list[Path]:
    """Where a function's modules are on Lambda: its code, then its layers."""
    own = [build(target, name) / "python" for name in layers(function) if name != without]
    return [build(target, f"functions/{word(function)}"), *own]


def interpreter_for(target: str) -> str:
    """One that runs what was built for the target; skips where there is none."""
    if target == "host":
        return sys.executable
    found: str | None = SCRIPT.interpreter(SCRIPT.TARGETS[target].python)
    if found is None or platform.machine() != target or sys.platform != "linux":
        pytest.skip(f"no {target} interpreter of the runtime's version here")
    return found


IMPORT = """
import app
assert callable(app.lambda_handler)
"""

PREDICT_ONE = """
import pathlib
from zeroloop.inference.runtime import Runner
import numpy
runner = Runner(pathlib.Path({path!r}).read_bytes())
print([output.tolist() for output in runner.run([numpy.ones((2, 3), numpy.float32)])])
"""


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("target", ["host", "x86_64"])
def test_a_function_imports_with_nothing_but_its_own_layers(build: Build, target: str, function: str) -> None:
    python = interpreter_for(target)

    done = run_alone(python, IMPORT, sees=places(build, target, function), given=variables(function))

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("function", "layer"),
    [
        ("PredictFunction", "layers/inference"),
        ("BatchFunction", "layers/inference"),
        *((function, "layers/core") for function in FUNCTIONS),
    ],
)
def test_a_function_without_one_of_its_layers_does_not_import(build: Build, function: str, layer: str) -> None:
    seen = places(build, "host", function, without=layer)

    done = run_alone(sys.executable, IMPORT, sees=seen, given=variables(function))

    assert "ModuleNotFoundError" in done.stderr


@pytest.mark.parametrize("target", ["host", "x86_64"])
def test_the_pruned_interpreter_loads_and_answers(build: Build, target: str, tmp_path: Path) -> None:
    python = interpreter_for(target)
    model = tmp_path / "model.tflite"
    model.write_bytes(models.dense(3, 2))

    done = run_alone(
        python, PREDICT_ONE.format(path=str(model)), sees=places(build, target, "PredictFunction"), given={}
    )

    assert done.returncode == 0, done.stderr
    [answers] = json.loads(done.stdout)
    assert len(answers) == 2
    assert answers[0] == answers[1]


@pytest.mark.parametrize("target", ["host", "x86_64"])
def test_the_tokenizers_layer_needs_none_of_what_was_pruned(build: Build, target: str) -> None:
    code = (
        "from tokenizers import Tokenizer, models; assert Tokenizer(models.WordLevel({'a': 0})).encode('a').ids == [0]"
    )

    seen = [build(target, "layers/tokenizers") / "python"]
    done = run_alone(interpreter_for(target), code, sees=seen, given={})

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("target", ["host", "x86_64"])
def test_the_pruned_tables_layer_reads_what_it_writes(build: Build, target: str) -> None:
    code = """
import io, pyarrow
from pyarrow import parquet
file = io.BytesIO()
parquet.write_table(pyarrow.Table.from_pylist([{"text": "good", "of": {"x": [1.5]}}]), file)
[batch] = parquet.ParquetFile(file, buffer_size=1000).iter_batches(10)
assert batch.to_pylist() == [{"text": "good", "of": {"x": [1.5]}}]
packed = pyarrow.py_buffer(pyarrow.Codec("zstd").compress(b"x" * 100, asbytes=True))
assert pyarrow.CompressedInputStream(pyarrow.BufferReader(packed), "zstd").read() == b"x" * 100
"""

    done = run_alone(interpreter_for(target), code, sees=[build(target, "layers/tables") / "python"], given={})

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("target", ["host", "x86_64"])
def test_batch_reads_and_writes_tables_with_the_pruned_layer(build: Build, target: str) -> None:
    code = """
import io, pyarrow as pa
from pyarrow import parquet
from zeroloop.batch import tables
class Stored:
    def __init__(self, data):
        self.data, self.size = data, len(data)
    def read_range(self, start, end):
        return self.data[start:end]
file = io.BytesIO()
texts = pa.DictionaryArray.from_arrays([1, 0, None] * 500, ["good", "bad"])
columns = {"text": texts, "id": pa.array([1, 2**62, None] * 500, pa.timestamp("us")), "z": [{"t": b"\\xff"}] * 1_500}
parquet.write_table(pa.table(columns), file)
found = tables.Parquet(Stored(file.getvalue()))
rows = list(found.rows(0, 1_500, found.columns))
assert [row["text"] for row in rows] == ["bad", "good", None] * 500
assert rows[0]["id"] == "1970-01-01T00:00:00.000001"
columns = pa.schema({"row": pa.int64(), "x": pa.struct([("y", pa.list_(pa.float64()))])})
data = tables.table_bytes([{"row": 1, "x": {"y": [2**64, 1.5]}}], columns)
assert parquet.read_table(io.BytesIO(data)).to_pylist() == [{"row": 1, "x": {"y": [2.0**64, 1.5]}}]
"""

    done = run_alone(interpreter_for(target), code, sees=places(build, target, "BatchFunction"), given={})

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("target", ["host", "x86_64"])
def test_the_stats_layer_computes(build: Build, target: str) -> None:
    code = "from scipy import stats; assert 0 < stats.ks_2samp([1, 2, 3], [2, 3, 4]).pvalue <= 1"

    done = run_alone(interpreter_for(target), code, sees=[build(target, "layers/stats") / "python"], given={})

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("target", ["host", "arm64", "x86_64"])
@pytest.mark.parametrize("part", ["functions/predict", "layers/core", "layers/inference"])
def test_every_module_ships_compiled_by_the_runtimes_python_and_is_not_compared_with_its_source(
    build: Build, target: str, part: str
) -> None:
    python = SCRIPT.interpreter(SCRIPT.TARGETS[target].python)
    if python is None:
        pytest.skip("no interpreter of the runtime's version here; the build says so")
    command = [
        python,
        "-c",
        "import importlib.util as u, sys; print(u.MAGIC_NUMBER.hex(), sys.implementation.cache_tag)",
    ]
    magic, tag = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    modules = list(build(target, part).rglob("*.py"))
    assert modules
    for module in modules:
        compiled = module.parent / "__pycache__" / f"{module.stem}.{tag}.pyc"
        head = compiled.read_bytes()[:8]
        # PEP 552: bit 0 of the flags is "made of a hash", bit 1 "compare it": a zip gives every file another time
        assert (head[:4].hex(), int.from_bytes(head[4:], "little")) == (magic, 0b01), compiled


def unzipped(folders: Iterable[Path]) -> int:
    return sum(file.stat().st_size for folder in folders for file in folder.rglob("*") if file.is_file())


@pytest.mark.parametrize("target", ["arm64", "x86_64"])
@pytest.mark.parametrize(
    "parts",
    [*([f"functions/{word(name)}", *layers(name)] for name in FUNCTIONS), ["layers/core", "layers/stats"]],
    ids=lambda parts: parts[0],
)
def test_a_function_with_its_layers_fits_lambda(build: Build, target: str, parts: list[str]) -> None:
    assert unzipped(build(target, part) for part in parts) <= LIMIT_BYTES


def test_a_layer_that_is_too_large_is_noticed(tmp_path: Path) -> None:
    with (tmp_path / "large.so").open("wb") as file:
        file.truncate(LIMIT_BYTES + 1)

    assert unzipped([tmp_path]) > LIMIT_BYTES


def test_what_ships_to_lambda_has_no_second_interpreter_and_no_gpu(build: Build) -> None:
    names = {path.name for path in build("arm64", "layers/inference").rglob("*")}

    assert "libpywrap_litert_common.so" in names
    assert not {"libLiteRtWebGpuAccelerator.so", "protobuf", "tests", "f2py"} & names


def test_a_build_from_the_same_inputs_is_reused(build: Build, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    build("host", "layers/tokenizers")

    def fail(*_: object) -> None:
        raise AssertionError("installed again")

    monkeypatch.setattr(SCRIPT.Builder, "_install", fail)
    SCRIPT.Builder(tools.find_uv(None), "host").layer(PROJECT / "layers/tokenizers", tmp_path / "again")

    assert (tmp_path / "again/python/tokenizers").is_dir()
