"""The packages that are checked in: written, or compared with those of a repeated training."""

import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from zeroloop.inference.package import read
from zeroloop_training.packaging import write

ROOT = Path(__file__).parents[1]
RETRAINED_METRIC, RETRAINED_SCORE = 0.01, 0.03
"""How far a repeated training may be off: it is exact on one machine, but CPUs add floats in different orders."""


def differences(checked_in: Path, files: Mapping[str, bytes]) -> list[str]:
    """What a repeated training, `files`, does otherwise than the package in `checked_in`, beyond the tolerances."""
    old, new = read((checked_in / "package.json").read_bytes()), read(files["package.json"])
    found = [
        f"{name} {metric.value}, was {old.metrics[name].value}"
        for name, metric in new.metrics.items()
        if abs(metric.value - old.metrics[name].value) > RETRAINED_METRIC
    ]
    for was, now in zip(old.golden.cases, new.golden.cases, strict=True):
        off = max(abs(now.scores[label] - score) for label, score in was.scores.items())
        if off > RETRAINED_SCORE or now.instance != was.instance:
            found.append(f"{now.instance} scores {now.scores}, was {was.scores}")
    if old.preprocessing != new.preprocessing or old.dataset != new.dataset:
        found.append("other preprocessing or data")
    return found


def finish(packages: Path, made: Mapping[str, Mapping[str, bytes]], *, check: bool) -> None:
    """Write each version of `made` below `packages`; with `check` compare instead, and exit 1 on a difference."""
    if not check:
        for name, files in made.items():
            write(packages / name, files)
            print(f"{packages / name}: {sum(map(len, files.values())):,} bytes")
        return
    found = [f"{name}: {what}" for name, files in made.items() for what in differences(packages / name, files)]
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
