"""The other interpreter: tflite-runtime 2.14 with NumPy 1, in an environment of its own, on the same tests."""

import subprocess
import sys
from pathlib import Path

import pytest

from cli import environment
from cli.local import tools
from cli.local.home import PROJECT, Home

HOME = Home(PROJECT / ".zeroloop")


@pytest.mark.skipif(sys.platform != "linux", reason="tflite-runtime 2.14 has wheels for Linux only")
@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="tflite-runtime 2.14 has no wheel above Python 3.11")
def test_the_inference_tests_hold_on_tflite_runtime() -> None:
    python = tools.install("tflite-runtime", HOME, tools.find_uv(None)) / "python"
    seen = run(python, "-c", "import numpy, tflite_runtime, sys; sys.stdout.write(numpy.__version__)")
    assert seen.stdout.startswith("1.")
    missing = run(python, "-c", "import ai_edge_litert")
    assert "No module named 'ai_edge_litert'" in missing.stderr
    # Cut off from the plugins of tests/conftest.py, whose packages this environment lacks.
    alone = ["--confcutdir", "tests/interpreter", "tests/interpreter"]
    tests = run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *alone)
    assert tests.returncode == 0, tests.stdout + tests.stderr
    assert " passed" in tests.stdout
    assert "skipped" not in tests.stdout


def run(python: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, *arguments], cwd=PROJECT, env=environment.plain(), capture_output=True, text=True, check=False
    )
