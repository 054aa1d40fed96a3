"""What import-linter can't see: functions are folders of scripts, and events and docs have no imports."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FUNCTIONS = sorted(path.parent.name for path in ROOT.glob("functions/*/app.py"))
MAY_IMPORT = {"zeroloop", "aws_lambda_powertools", "msgspec", "base64", "collections", "dataclasses", "pathlib"} | {
    "snapshot_restore_py",
    "sys",
    "tempfile",
    "traceback",
    "typing",
}


@pytest.mark.parametrize("word", FUNCTIONS)
def test_a_function_is_wiring_and_imports_no_other_function(word: str) -> None:
    tree = ast.parse((ROOT / "functions" / word / "app.py").read_text())
    imported = {name.split(".")[0] for node in ast.walk(tree) for name in _names(node)}
    assert imported <= MAY_IMPORT


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def test_predict_does_without_powertools_and_clients() -> None:
    source = (ROOT / "functions/predict/app.py").read_text()
    assert "import aws_lambda_powertools" not in source
    assert "objects" not in source


@pytest.mark.parametrize("word", FUNCTIONS)
def test_a_function_has_events_and_a_row_in_the_readme(word: str) -> None:
    assert list((ROOT / "events" / word).glob("*.json"))
    assert f"| {word} |" in (ROOT / "README.md").read_text()
