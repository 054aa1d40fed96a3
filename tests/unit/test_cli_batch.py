from typing import Any, cast

import pytest

from cli import batch
from cli.api import Api


class Interrupted:
    """An API at whose answer somebody presses ^C."""

    def get(self, _path: str) -> Any:
        raise KeyboardInterrupt


def test_who_stops_watching_is_told_that_the_job_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt):
        batch.watch(cast("Api", Interrupted()), "j-1")
    said = capsys.readouterr().err
    assert "the job goes on" in said
    assert "zeroloop batch show j-1" in said
    assert "zeroloop batch cancel j-1" in said
