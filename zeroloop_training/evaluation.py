"""What is found of a package on held-out rows, on the code path that serves: for its gates and for its card."""

import platform
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from zeroloop import clock
from zeroloop.digests import PackageFile, package_digest, sha256
from zeroloop.errors import InvalidInput
from zeroloop.inference import attribution
from zeroloop.inference.answers import Answer
from zeroloop.inference.model import Model
from zeroloop.registry.gates import Comparison, Data, Evaluation, Measured, Slice
from zeroloop.stats import fairness
from zeroloop.stats.fairness import Disparity, Outcomes
from zeroloop.stats.paired import p_worse
from zeroloop.stats.undetermined import Undetermined
from zeroloop_training import packaging
from zeroloop_training.hashed import Hashed
from zeroloop_training.packaging import Rows
from zeroloop_training.project import HELD_OUT, Labelled, Project

_TIMED = 300
_EXPLAINED = 100
"""Held-out rows that the summary of explanations is made of, the first ones."""
_LEAST_SEEN = 5
"""Rows that a part must be in before it is told: one that is in few may say who wrote it."""
_TOLD = 10


def evaluate(
    project: Project, directory: Path, rows: Sequence[Labelled], data: Data | None, champions: Sequence[Path] = ()
) -> Evaluation:
    """What is found of the package in `directory` on the held-out ones of `rows`, beside the packages of `champions`.

    Raises
    ------
    InvalidInput
        The model answers no single label: its evaluation is its training's own to make.
    """
    test = [row for row in rows if row.split == HELD_OUT]
    files = packaging.files(directory)
    model = Model(files)
    if model.package.task not in {"binary", "multiclass"}:
        raise InvalidInput(f"a {model.package.task} model answers no single label that could be right", field="task")
    answers = packaging.predict(model, [row.value for row in test])
    right = _right(answers, test)
    favourable = project.favourable or model.package.labels[-1]
    metrics = packaging.measure(model, Rows([row.value for row in test], [row.label for row in test]))
    by = _by_slice(answers, test, favourable)
    return Evaluation(
        digest=digest(files),
        metrics={name: Measured(m.value, m.lower, m.upper, m.n) for name, m in metrics.items()},
        p95_ms=round(_p95_ms(model, [row.value for row in test[:_TIMED]]), 3),
        comparisons=dict(_compare(right, test, champion) for champion in champions),
        slices=[_slice(way, name, found) for way, slices in by.items() for name, found in slices.items()],
        fairness={way: _told(slices, favourable) for way, slices in by.items()},
        explanations=_explained(model, _sent(test)[:_EXPLAINED], favourable),
        card=project.card,
        data=data,
        made={"at": clock.iso(clock.now_ms()), "python": platform.python_version(), "machine": platform.machine()},
    )


def digest(files: Mapping[str, bytes]) -> str:
    """The digest of a package."""
    return package_digest(PackageFile(name, sha256(body), len(body)) for name, body in files.items())


def _right(answers: Sequence[Answer], rows: Sequence[Labelled]) -> list[bool]:
    return [answer.prediction == row.label for answer, row in zip(answers, rows, strict=True)]


def _compare(right: Sequence[bool], rows: Sequence[Labelled], champion: Path) -> tuple[str, Comparison]:
    files = packaging.files(champion)
    theirs = _right(packaging.predict(Model(files), [row.value for row in rows]), rows)
    alone = Counter((ours, other) for ours, other in zip(right, theirs, strict=True) if ours != other)
    only_candidate, only_champion = alone[True, False], alone[False, True]
    worse = p_worse(only_champion, only_candidate)
    return digest(files), Comparison(len(rows), only_champion, only_candidate, worse)


def _p95_ms(model: Model, values: Sequence[Any]) -> float:
    """Of predictions one at a time; the first ones warm up."""
    times = []
    for value in values:
        started = clock.monotonic()
        packaging.predict(model, [value])
        times.append(1000 * (clock.monotonic() - started))
    return float(np.percentile(times[len(times) // 10 :], 95))


def _by_slice(answers: Sequence[Answer], rows: Sequence[Labelled], favourable: str) -> dict[str, dict[str, Outcomes]]:
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for answer, row in zip(answers, rows, strict=True):
        got, deserved = answer.prediction == favourable, row.label == favourable
        cell = ("true" if got == deserved else "false") + ("_positive" if got else "_negative")
        for way, name in row.slices.items():
            counts[way, name].update([cell, *(["right"] if answer.prediction == row.label else [])])
    found: dict[str, dict[str, Outcomes]] = {}
    for (way, name), cells in sorted(counts.items()):
        found.setdefault(way, {})[name] = Outcomes(**cells)
    return found


def _slice(way: str, name: str, found: Outcomes) -> Slice:
    share = fairness.accuracy(found)
    if isinstance(share, Undetermined):
        return Slice(way, name, found.n)
    value, lower, upper = (round(figure, 4) for figure in (share.value, share.lower, share.upper))
    return Slice(way, name, found.n, Measured(value, lower, upper, found.n))


def _told(slices: Mapping[str, Outcomes], favourable: str) -> dict[str, Any]:
    return {
        "favourable": favourable,
        "demographic_parity": _disparity(fairness.demographic_parity(slices)),
        "equalised_odds": _disparity(fairness.equalised_odds(slices)),
    }


def _disparity(found: Disparity | Undetermined) -> dict[str, Any]:
    if isinstance(found, Undetermined):
        return {"undetermined": found.reason}
    return {"difference": round(found.difference, 4), "ratio": None if found.ratio is None else round(found.ratio, 4)}


def _sent(rows: Sequence[Labelled]) -> list[Any]:
    """Values that have parts to leave out: hashes have no words."""
    return [row.value for row in rows if not isinstance(row.value, Hashed)]


def _explained(model: Model, values: Sequence[Any], favourable: str) -> dict[str, Any]:
    """The mean of what each part adds to the score of `favourable`, of the parts that are in enough rows."""
    if not isinstance(model.encoder, attribution.Explainable):
        return {"undetermined": "a model that takes tensors has no parts that could be left out"}
    added: dict[str, list[float]] = defaultdict(list)
    gaps: list[float] = []
    for value in values:
        parts = attribution.parts(model.encoder, value, model.field, model.baseline)
        found = attribution.attribute(attribution.scores(model.answers_to(parts.rows), favourable))
        gaps.append(abs(found.gap))
        for told, one in zip(parts.told, found.each, strict=True):
            added[str(told.get("token", told.get("feature")))].append(one)
    means = sorted((fmean(each), name, len(each)) for name, each in added.items() if len(each) >= _LEAST_SEEN)
    ranked: list[dict[str, Any]] = [{"part": name, "attribution": round(mean, 4), "rows": n} for mean, name, n in means]
    return {
        "label": favourable,
        "rows": len(values),
        "for": [one for one in ranked[::-1] if one["attribution"] > 0][:_TOLD],
        "against": [one for one in ranked if one["attribution"] < 0][:_TOLD],
        "mean_gap": round(fmean(gaps), 4),
    }
