"""Evaluate packages on the held-out test split, on the code path that serves, and hold them against `gates.toml`.

    python -m examples.sentiment.evaluate [PACKAGE ...]

Without arguments: all packages of this example. Exit code 1 where a gate is missed.
"""

import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

from examples.sentiment import dataset
from zeroloop.inference.package import Metric
from zeroloop_training.packaging import load, measure

HERE = Path(__file__).parent


def gates() -> dict[str, dict[str, float]]:
    """Metric to its bounds: `at_least`, `at_most`, or `lower_at_least` for the lower end of its interval."""
    return tomllib.loads((HERE / "gates.toml").read_text())


def missed(metrics: Mapping[str, Metric], gates: Mapping[str, Mapping[str, float]]) -> list[str]:
    """The gates that `metrics` don't pass, in words; one that wasn't measured isn't passed."""
    found = []
    for name, bounds in gates.items():
        metric = metrics.get(name, Metric(float("nan")))
        lower = float("nan") if metric.lower is None else metric.lower
        values = {"at_least": metric.value, "at_most": metric.value, "lower_at_least": lower}
        for rule, bound in bounds.items():
            passed = values[rule] <= bound if rule == "at_most" else values[rule] >= bound
            found += [] if passed else [f"{name} {rule} {bound}"]
    return found


def main() -> None:
    """Print what each package reaches."""
    directories = [Path(argument) for argument in sys.argv[1:]] or sorted((HERE / "packages").iterdir())
    test = dataset.rows(dataset.read(), "test")
    failed = False
    for directory in directories:
        metrics = measure(load(directory), test)
        accuracy = metrics["accuracy"]
        said = f"accuracy {accuracy.value:.3f} [{accuracy.lower:.3f}, {accuracy.upper:.3f}] on {accuracy.n:,} sentences"
        wrong = missed(metrics, gates())
        failed |= bool(wrong)
        verdict = f"missed: {', '.join(wrong)}" if wrong else "gates passed"
        print(f"{directory.name}: {said}, log loss {metrics['log_loss'].value:.3f}; {verdict}")
    raise SystemExit(failed)


if __name__ == "__main__":
    main()
