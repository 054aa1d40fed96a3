import re
from pathlib import Path

import mlflow.keras
import mlflow.sklearn
import pytest

PAGE = Path(__file__).parents[2] / "docs/mlflow.md"
LINES = "\n".join(re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL))


def test_the_pages_code_works_as_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PAGE.parents[1])
    try:
        exec(compile(LINES, PAGE.name, "exec"), {})
    finally:
        for library in (mlflow.keras, mlflow.sklearn):  # else the trainings of other tests are logged, too
            library.autolog(disable=True)
    assert {model.name for model in mlflow.search_registered_models()} == {"sentiment", "wine", "wine-linear"}
    statuses = {
        run.info.run_name: run.info.status
        for run in mlflow.search_runs(output_format="list", search_all_experiments=True)
    }
    assert (statuses["first"], statuses["second"]) == ("FINISHED", "FAILED")
