import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build", ROOT / "layers" / "build.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SCRIPT = _script()


def lay(folder: Path, *names: str) -> None:
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)


def left(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize(
    ("rules", "stays"),
    [
        ([], {"a/x.py", "a/data/s3/1.json", "a/data/ec2/1.json", "a-1.dist-info/METADATA", "a-1.dist-info/licenses/L"}),
        ([{"drop": ["a/data", "a-1*"]}], {"a/x.py"}),
        ([{"folder": "a/data", "keep": ["s3"]}, {"drop": ["a-*"]}], {"a/x.py", "a/data/s3/1.json"}),
        ([{"folder": ".", "keep": ["a"]}], {"a/x.py", "a/data/s3/1.json", "a/data/ec2/1.json"}),
    ],
)
def test_pruning_leaves_what_is_loaded(tmp_path: Path, rules: list[dict[str, Any]], stays: set[str]) -> None:
    lay(tmp_path, "a/x.py", "a/x.pyi", "a/tests/t.py", "a/__pycache__/x.pyc", "a/data/s3/1.json", "a/data/ec2/1.json")
    lay(tmp_path, "a-1.dist-info/METADATA", "a-1.dist-info/RECORD", "a-1.dist-info/licenses/L", "bin/tool")

    SCRIPT.prune(tmp_path, rules)

    assert left(tmp_path) == stays


def test_a_build_that_breaks_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SCRIPT, "CACHE", tmp_path)

    def breaks(to: Path) -> None:
        lay(to, "half")
        raise OSError

    with pytest.raises(OSError):  # noqa: PT011 - any will do
        SCRIPT._kept("one", breaks)
    whole = SCRIPT._kept("one", lambda to: lay(to, "whole"))

    assert left(tmp_path) == {"one/whole"}
    assert SCRIPT._kept("one", breaks) == whole


def test_a_linked_layer_leads_to_its_parts_in_front_of_the_path(tmp_path: Path) -> None:
    SCRIPT._point(tmp_path, [Path("/cache/one"), Path("/cache/it's")], "3.11")

    [file] = left(tmp_path)
    assert file == "python/lib/python3.11/site-packages/zeroloop.pth"
    path = ["site-packages"]
    for line in (tmp_path / file).read_text().splitlines():
        exec(line.replace("import sys; sys.path", "path"), {"path": path})
    assert path == ["/cache/it's", "/cache/one", "site-packages"]


def test_a_missing_interpreter_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert SCRIPT.interpreter("2.99") is None
    assert "no Python 2.99 here" in capsys.readouterr().out  # `sam build` swallows the other stream


def test_a_package_without_bytecode_is_built_again_once_there_is_an_interpreter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SCRIPT, "CACHE", tmp_path / "cache")
    lay(tmp_path, "ours/x.py")
    (tmp_path / "ours/x.py").write_text("")
    builder = SCRIPT.Builder("uv", "host")

    monkeypatch.setattr(SCRIPT, "interpreter", lambda _version: None)
    assert left(builder._own(tmp_path / "ours")) == {"ours/x.py"}
    monkeypatch.setattr(SCRIPT, "interpreter", lambda _version: sys.executable)
    assert any(name.endswith(".pyc") for name in left(builder._own(tmp_path / "ours")))


@pytest.mark.parametrize("folder", sorted((ROOT / "layers").glob("*/layer.toml")), ids=lambda path: path.parent.name)
def test_every_rule_of_a_layer_has_its_reason(folder: Path) -> None:
    layer = SCRIPT.tomllib.loads(folder.read_text())

    assert layer["group"] == folder.parent.name
    assert all(rule["reason"] for rule in layer.get("prune", []))
