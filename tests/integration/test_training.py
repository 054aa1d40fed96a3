"""What training uses: TensorFlow, scikit-learn and MLflow, in an environment of its own."""

import subprocess

from cli import environment
from cli.local import tools
from cli.local.home import PROJECT, Home


def test_packages_are_made_and_logged_in_the_environment_of_trainings() -> None:
    python = tools.install("train", Home(PROJECT / ".zeroloop"), tools.find_uv(None)) / "python"
    files = sorted((PROJECT / "tests/training").glob("[!c]*.py"))
    options = ["-q", "-p", "no:cacheprovider", "--confcutdir", "tests/training", "-W", "default"]
    done = subprocess.run(
        [python, "-m", "pytest", *options, *files],
        cwd=PROJECT,
        env=environment.plain(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1"),  # else their threads fight
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
