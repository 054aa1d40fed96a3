"""A stock MLflow server beside the local stack; once for all tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.local import tools
from cli.local.home import Home
from tests.conformance import stock


@pytest.fixture(scope="session", name="python")
def _python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python that has MLflow."""
    home = Home(tmp_path_factory.mktemp("conformance"))
    return tools.install("conformance", home, tools.find_uv(None)) / "python"


@pytest.fixture(scope="session", name="stock_url")
def _stock_url(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with stock.server(python.with_name("mlflow"), tmp_path_factory.mktemp("stock")) as url:
        yield url
