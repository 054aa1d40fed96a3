"""Builds what ships: a layer from its `layer.toml` and uv.lock, or a function's folder. `sam build` calls it.

Plain Python 3.11 and uv: no interpreter of the target's kind is needed, because every dependency comes as a wheel.
"""

import argparse
import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".zeroloop" / "build"

# Nothing imports these: stubs, tests and what installers leave behind. Licences and METADATA stay.
ALWAYS_DROPPED = [
    "**/*.pyi",
    "**/tests",
    "**/__pycache__",
    "bin",
    ".lock",
    "*.dist-info/[DIRW]*",
    "*.dist-info/top_level.txt",
]


class Target(NamedTuple):
    """Where the result runs: uv's name of the platform (None: this machine), and the Python there.

    A linked layer holds only the way to the cache: for the local stack, which unpacks each layer anew for every worker
    process that it starts (0.8 s for LiteRT and NumPy), and writes them all to its state.
    """

    platform: str | None
    python: str
    linked: bool = False


HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
TARGETS = {
    # The AL2023 runtimes have glibc 2.34, so manylinux_2_28 is the newest tag that is sure to load.
    "arm64": Target("aarch64-manylinux_2_28", "3.13"),
    "x86_64": Target("x86_64-manylinux_2_28", "3.13"),
    "host": Target(None, HERE),
    "local": Target(None, HERE, linked=True),
}


class Builder(NamedTuple):
    """Builds for one target with one uv."""

    uv: str
    name: str

    @property
    def target(self) -> Target:
        """What `name` stands for."""
        return TARGETS[self.name]

    def layer(self, folder: Path, to: Path) -> None:
        """Build the layer that `folder`/layer.toml describes into `to`/python."""
        layer = tomllib.loads((folder / "layer.toml").read_text())
        parts = [self._installed(layer)]
        if own := layer.get("own"):
            parts.append(self._own(ROOT / own))
        if self.target.linked:
            _point(to, parts, self.target.python)
            return
        for part in parts:
            shutil.copytree(part, to / "python", copy_function=_link, dirs_exist_ok=True)

    def function(self, folder: Path, to: Path) -> None:
        """Copy the function's folder to `to`."""
        shutil.copytree(folder, to, ignore=shutil.ignore_patterns("__pycache__", "Makefile"), dirs_exist_ok=True)
        self._compile(to)

    def _installed(self, layer: dict[str, Any]) -> Path:
        """The layer's third-party half, built before from the same inputs or now."""
        requirements = self._export(layer["group"])
        inputs = [requirements, json.dumps(layer), interpreter(self.target.python) or "", Path(__file__).read_text()]
        name = f"{layer['group']}-{self.target.platform or 'host'}-{_digest(inputs)}"
        return _kept(name, lambda to: self._install(layer, requirements, to))

    def _own(self, source: Path) -> Path:
        """A folder with our package as it is now."""
        files = [file for file in sorted(source.rglob("*")) if file.is_file() and "__pycache__" not in file.parts]
        inputs = [f"{file.relative_to(source)}\0{file.read_text()}" for file in files]
        inputs.append(interpreter(self.target.python) or "")

        def copy(to: Path) -> None:
            shutil.copytree(source, to / source.name, ignore=shutil.ignore_patterns("__pycache__"))
            self._compile(to)

        return _kept(f"own-{self.target.python}-{_digest(inputs)}", copy)

    def _export(self, group: str) -> str:
        return self._uv(
            *("export", "--project", str(ROOT), "--frozen", "--only-group", group),
            *("--no-hashes", "--no-header", "--no-annotate", "--no-emit-project", "--quiet"),
        )

    def _install(self, layer: dict[str, Any], requirements: str, to: Path) -> None:
        listed = to.with_name(f"{to.name}.txt")
        listed.write_text(requirements)
        self._uv(
            *("pip", "install", "--quiet", "--target", str(to), "--requirements", str(listed)),
            *("--only-binary", ":all:", "--no-deps", "--link-mode", "copy", *self._where()),
        )
        prune(to, layer.get("prune", []))
        self._compile(to)

    def _where(self) -> list[str]:
        if self.target.platform is None:
            return ["--python", sys.executable]
        return ["--python-platform", self.target.platform, "--python-version", self.target.python]

    def _compile(self, folder: Path) -> None:
        """Write .pyc beside every module: the file system of a function is read-only, so it can't do so itself.

        Unchecked: unzipping sets new times, and a .pyc that is checked against them would be compiled again.
        """
        if python := interpreter(self.target.python):
            command = [python, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", str(folder)]
            subprocess.run(command, check=True)  # noqa: S603 - an interpreter that answered

    def _uv(self, *arguments: str) -> str:
        command = [self.uv, *arguments]
        return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout  # noqa: S603 - uv


@functools.cache
def interpreter(version: str) -> str | None:
    """An interpreter of that version on this machine; aloud when there is none."""
    if sys.version.startswith(f"{version}."):
        return sys.executable
    # pyenv's shim on PATH refuses a version that isn't selected, hence its own folder too.
    for candidate in [shutil.which(f"python{version}"), *Path.home().glob(f".pyenv/versions/{version}.*/bin/python")]:
        if candidate and _answers(str(candidate)):
            return str(candidate)
    _say(f"no Python {version} here, so no .pyc ships and functions start about 3x slower")
    return None


def _answers(python: str) -> bool:
    return subprocess.run([python, "-c", ""], check=False, capture_output=True).returncode == 0  # noqa: S603 - a Python


def prune(folder: Path, rules: list[dict[str, Any]]) -> None:
    """Delete what is never loaded: what every layer drops, then what the layer's own rules say."""
    doomed = [path for pattern in ALWAYS_DROPPED for path in folder.glob(pattern)]
    for rule in rules:
        doomed += [path for pattern in rule.get("drop", []) for path in folder.glob(pattern)]
        if keep := rule.get("keep"):
            doomed += [path for path in (folder / rule["folder"]).iterdir() if not _matches(path, keep)]
    for path in doomed:
        _remove(path)


def _matches(path: Path, patterns: list[str]) -> bool:
    return any(fnmatch(path.name, pattern) for pattern in patterns)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _link(source: str, destination: str) -> None:
    """Share the bytes with the cache where the file system can; a hundred megabytes a build otherwise."""
    try:
        os.link(source, destination)
    except OSError:
        shutil.copy2(source, destination)


def _kept(name: str, make: Callable[[Path], None]) -> Path:
    """The cache's folder `name`; made aside and moved there at the end, so that a broken build is never reused."""
    finished = CACHE / name
    if finished.exists():
        return finished
    CACHE.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=CACHE, prefix="unfinished-") as aside:
        partial = Path(aside) / name
        partial.mkdir()
        make(partial)
        try:
            partial.rename(finished)
        except OSError:
            if not finished.exists():  # it does where another process made the same meanwhile
                raise
    return finished


def _point(to: Path, parts: list[Path], python: str) -> None:
    """A layer that puts `parts` in front of the path when Python takes it for a site directory, as Lambda has it do."""
    site = to / "python" / "lib" / f"python{python}" / "site-packages"
    site.mkdir(parents=True)
    lines = [f"import sys; sys.path.insert(0, {str(part)!r})\n" for part in parts]
    (site / "zeroloop.pth").write_text("".join(lines))


def _digest(inputs: list[str]) -> str:
    return hashlib.sha256("\0".join(inputs).encode()).hexdigest()[:16]


def _say(message: str) -> None:
    """On standard output: of a build that succeeds, `sam build` shows nothing else."""
    print(f"layers/build.py: {message}", flush=True)  # noqa: T201 - the build's own voice


def main() -> None:
    """Read the command line, as the two Makefiles write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uv", default="uv")
    parser.add_argument("--for", dest="target", choices=TARGETS, default="arm64")
    parser.add_argument("kind", choices=["layer", "function"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("to", type=Path)
    given = parser.parse_args()
    getattr(Builder(given.uv, given.target), given.kind)(given.folder, given.to)


if __name__ == "__main__":
    main()
