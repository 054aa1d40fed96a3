"""What may be registered: the names of models, and the files of a package. Pure."""

import re
from collections.abc import Sequence

from zeroloop.digests import PackageFile
from zeroloop.errors import InvalidInput

MAX_FILES = 64
REQUIRED_FILES = ("model.tflite", "package.json")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,127}", re.ASCII)
_PATH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*){0,7}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


def check_name(name: str) -> str:
    """`name`, if a model may be called so.

    Raises
    ------
    InvalidInput
        Not 1-128 ASCII letters, digits, spaces or `._+-`, beginning with a letter or digit.
    """
    if not _NAME.fullmatch(name) or name.endswith(" "):
        raise InvalidInput(
            "a model's name is 1-128 letters, digits, spaces or ._+- and begins with a letter or digit",
            code="bad_name",
            field="model",
        )
    return name


def check_files(files: Sequence[PackageFile], *, max_bytes: int) -> None:
    """Refuse a manifest that isn't a package: its names, digests, sizes, or a file missing.

    Raises
    ------
    InvalidInput
        Names the entry at fault.
    """
    for i, file in enumerate(files):
        _check_file(file, f"files[{i}]")
    paths = [file.path for file in files]
    total = sum(file.size for file in files)
    missing = [path for path in REQUIRED_FILES if path not in paths]
    if missing:
        raise InvalidInput(
            f"a package holds {' and '.join(REQUIRED_FILES)}; missing: {', '.join(missing)}", field="files"
        )
    if len(set(paths)) < len(paths):
        raise InvalidInput("a path is listed twice", field="files")
    folders = {parent for path in paths for parent in _parents(path)}
    if both := folders & set(paths):
        raise InvalidInput(f"{min(both)} can't be a file and a folder", field="files")
    if len(files) > MAX_FILES:
        raise InvalidInput(f"a package has at most {MAX_FILES} files, this one {len(files)}", field="files")
    if total > max_bytes:
        raise InvalidInput(f"the package has {total:,} bytes, more than the {max_bytes:,} allowed", field="files")


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]


def _check_file(file: PackageFile, where: str) -> None:
    if not _PATH.fullmatch(file.path) or len(file.path) > 200:
        raise InvalidInput(
            f"{file.path[:80]!r} is not a relative path of letters, digits and ._-", field=f"{where}.path"
        )
    if not _SHA256.fullmatch(file.sha256):
        raise InvalidInput("a SHA-256 is 64 lower-case hex digits", field=f"{where}.sha256")
    if file.size < 0:
        raise InvalidInput("a size is not negative", field=f"{where}.size")
