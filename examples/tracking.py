"""A training's run, where MLFLOW_TRACKING_URI names a tracking server; else MLflow isn't even imported."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from zeroloop import config


@dataclass(frozen=True)
class Settings:
    """What MLflow's client reads as well."""

    mlflow_tracking_uri: str = ""


class Run:
    """Nobody listens."""

    id: str | None = None

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Log what was measured at `step`."""

    def package(self, name: str, files: Mapping[str, bytes], step: int = 0) -> None:
        """Log a package as the run's model `name`, which reached what was measured at `step`."""


class TrackedRun(Run):
    """The active run of MLflow."""

    def __init__(self, run_id: str) -> None:
        self.id = run_id

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Log what was measured at `step`."""
        import mlflow  # noqa: PLC0415 - seven seconds of processor that an untracked training doesn't need

        mlflow.log_metrics(dict(values), step=step)

    def package(self, name: str, files: Mapping[str, bytes], step: int = 0) -> None:
        """Log a package as the run's model `name`, which reached what was measured at `step`."""
        from zeroloop_training import flavor  # noqa: PLC0415

        flavor.log_model(files, name, step=step)


@contextmanager
def run(experiment: str, name: str, parameters: Mapping[str, Any]) -> Iterator[Run]:
    """The run of a training; an exception ends it FAILED, and goes on."""
    if not config.read(Settings).mlflow_tracking_uri:
        yield Run()
        return
    import mlflow  # noqa: PLC0415

    mlflow.set_experiment(experiment)
    with mlflow.start_run(run_name=name) as active:
        mlflow.log_params(dict(parameters))
        yield TrackedRun(active.info.run_id)
