"""The packages that are checked in: written, or compared with those of a repeated training."""

import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from zeroloop_training import repeated
from zeroloop_training.packaging import files, write

ROOT = Path(__file__).parents[1]


def finish(packages: Path, made: Mapping[str, Mapping[str, bytes]], *, check: bool) -> None:
    """Write each version of `made` below `packages`; with `check` compare instead, and exit 1 on a difference."""
    if not check:
        for name, version_files in made.items():
            write(packages / name, version_files)
            print(f"{packages / name}: {sum(map(len, version_files.values())):,} bytes")
        return
    found = [
        f"{name}: {what}"
        for name, again in made.items()
        for what in repeated.differences(files(packages / name), again)
    ]
    print("\n".join(found) or f"{', '.join(made)}: trained again, the same within tolerance")
    raise SystemExit(bool(found))


def libraries() -> dict[str, str]:
    """Versions of what trained."""
    return {name: version(name) for name in ("ai-edge-litert", "keras", "numpy", "tensorflow-cpu")}


def git_commit() -> str | None:
    """HEAD, or None where the code that trains isn't what HEAD says."""
    trains = ("examples", "shared", "zeroloop_training", "uv.lock")
    changed = _git("status", "--porcelain", "--", *trains, ":(exclude)examples/*/packages/**")
    return None if changed is None or changed else _git("rev-parse", "HEAD")


def _git(*arguments: str) -> str | None:
    run = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603, S607
    return run.stdout.strip() if run.returncode == 0 else None
