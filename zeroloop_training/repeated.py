"""Whether a repeated training made the same version, and if not, how far off it is."""

from collections.abc import Mapping

from zeroloop.inference.package import read

METRIC, SCORE = 0.01, 0.03
"""How far a repeated training may be off: it is exact on one machine, but CPUs add floats in different orders."""


def differences(first: Mapping[str, bytes], second: Mapping[str, bytes]) -> list[str]:
    """What the package `second` does otherwise than `first`, beyond the tolerances."""
    old, new = read(first["package.json"]), read(second["package.json"])
    found = [
        f"{name} {metric.value}, was {old.metrics[name].value}"
        for name, metric in new.metrics.items()
        if name not in old.metrics or abs(metric.value - old.metrics[name].value) > METRIC
    ]
    for was, now in zip(old.golden.cases, new.golden.cases, strict=True):
        off = max(abs(now.scores[label] - score) for label, score in was.scores.items())
        if off > SCORE or now.instance != was.instance:
            found.append(f"{now.instance} scores {now.scores}, was {was.scores}")
    if old.preprocessing != new.preprocessing or old.dataset != new.dataset:
        found.append("other preprocessing or data")
    return found
