"""Whether data is fit to train on: its schema, what is missing, repeated or out of balance, leaks, drift."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from math import floor, log10
from typing import Any

import numpy as np
import pandas as pd
import pandera.errors
from msgspec import Struct

from zeroloop.digests import canonical
from zeroloop.stats.undetermined import Undetermined
from zeroloop_training import alike
from zeroloop_training.profile import Profile, compare
from zeroloop_training.project import HELD_OUT, Labelled, Limits

_SHOWN = 5
_BEYOND = 1e300
"""Numbers that far from 0 are no measurements."""


class Finding(Struct, frozen=True):
    """One check of the data: whether it stops the pipeline, what was found, and a few of the rows at fault."""

    name: str
    passed: bool
    says: str
    rows: list[str] = []


def check(rows: Sequence[Labelled], schema: Any, limits: Limits, last: Profile | None) -> list[Finding]:
    """Every check, also of data that failed one before; `last` is what the champion was made of."""
    return [
        _schema(rows, schema),
        *_missing(rows),
        *_sizes(rows, limits),
        *_balance(rows, limits),
        *_repeated(rows, limits),
        _drift(rows, limits, last),
    ]


def _schema(rows: Sequence[Labelled], schema: Any) -> Finding:
    try:
        schema.validate(pd.DataFrame([dict(row.raw) for row in rows]), lazy=True)
    except pandera.errors.SchemaErrors as error:
        cases = error.failure_cases
        told = [f"{case.column}: {case.check}, {case.failure_case!r}"[:200] for case in cases.itertuples()]
        return Finding(
            "schema", passed=False, says=f"{len(cases)} values are not as they should be", rows=told[:_SHOWN]
        )
    return Finding("schema", passed=True, says=f"{len(rows):,} rows are as they should be")


def _missing(rows: Sequence[Labelled]) -> Iterator[Finding]:
    """Told only: the schema says which columns may have gaps."""
    gaps = Counter(name for row in rows for name, value in row.raw.items() if value is None)
    says = ", ".join(f"{name} {n / len(rows):.1%}" for name, n in sorted(gaps.items())) or "nothing"
    yield Finding("missing values", passed=True, says=says)


def _sizes(rows: Sequence[Labelled], limits: Limits) -> Iterator[Finding]:
    sizes = Counter(row.split for row in rows)
    least = max(1, limits.rows_at_least)
    for split in sorted({"train", HELD_OUT, *sizes}):
        yield Finding(f"rows in {split}", sizes[split] >= least, f"{sizes[split]:,}, at least {least}")


def _balance(rows: Sequence[Labelled], limits: Limits) -> Iterator[Finding]:
    counts = Counter((row.split, row.label) for row in rows)
    sizes = Counter(row.split for row in rows)
    labels = sorted({row.label for row in rows})
    for split in sorted(sizes):
        shares = {label: counts[split, label] / sizes[split] for label in labels}
        says = ", ".join(f"{label} {share:.1%}" for label, share in shares.items())
        passed = len(labels) > 1 and min(shares.values()) >= limits.label_at_least
        yield Finding(f"labels in {split}", passed, f"{says}; each at least {limits.label_at_least:.0%}")


def _repeated(rows: Sequence[Labelled], limits: Limits) -> Iterator[Finding]:
    """Rows that are there twice, rows that contradict each other, and rows in more than one split."""
    scales = _scales(rows)
    groups: dict[Any, list[Labelled]] = defaultdict(list)
    for row in rows:
        same = alike.normal(row.value) if isinstance(row.value, str) else canonical(_rounded(row.value, scales))
        groups[same].append(row)
    again = [row for group in groups.values() for row in group[1:]]
    share = len(again) / len(rows)
    says = f"{len(again):,} rows ({share:.2%}), at most {limits.duplicates_at_most:.2%}"
    yield Finding("duplicates", share <= limits.duplicates_at_most, says, _ids(again))
    torn = [group[0] for group in groups.values() if len({row.label for row in group}) > 1]
    yield Finding("contradictions", passed=True, says=f"{len(torn):,} values with more than one label", rows=_ids(torn))
    exact = [row for group in groups.values() for row in _leaked(group)]
    yield _leak("leaks", exact, rows, limits)
    texts = [value for value in groups if isinstance(value, str)]
    if texts:
        near = _near([groups[text] for text in texts], alike.Alike(texts, limits.near))
        yield _leak("near leaks", near, rows, limits)


def _near(groups: Sequence[Sequence[Labelled]], texts: alike.Alike) -> list[Labelled]:
    """The held-out rows of texts that are near one with rows of another split; a group is the rows of one text."""
    splits = [frozenset(row.split for row in group) for group in groups]
    elsewhere = {own: np.array([bool(one - own) or len(own) > 1 for one in splits]) for own in set(splits)}
    return [
        row
        for i, group in enumerate(groups)
        if splits[i] != {"train"} and len(texts.to(i, elsewhere[splits[i]]))
        for row in group
        if row.split != "train"
    ]


def _numbers(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], int | float]]:
    """The numbers of a row or a tensor, each with the names that lead to it."""
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _numbers(part, (*path, name))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _numbers(part, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, value


def _scales(rows: Sequence[Labelled]) -> dict[tuple[str, ...], float]:
    """The sixth significant digit of the largest number of each column with fractions; whole numbers are what they are.

    Powers of ten, so that numbers of few decimals lie in the middle of what is rounded to them.
    """
    largest: dict[tuple[str, ...], float] = defaultdict(float)
    fractions = set()
    for path, number in (found for row in rows for found in _numbers(row.value)):
        if abs(number) < _BEYOND:
            largest[path] = max(largest[path], abs(number))
        if isinstance(number, float):
            fractions.add(path)
    return {path: 10.0 ** (floor(log10(largest[path])) - 5) if largest[path] else 0.0 for path in fractions}


def _rounded(value: Any, scales: Mapping[tuple[str, ...], float], path: tuple[str, ...] = ()) -> Any:
    """A row or a tensor with its numbers in `scales`' units: a shift below these makes no other."""
    if isinstance(value, Mapping):
        return {name: _rounded(part, scales, (*path, name)) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(part, scales, path) for part in value]
    if path not in scales or isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if not abs(value) < _BEYOND:  # NaN and infinities, too
        return str(value)
    return round(value / scales[path]) if scales[path] else 0


def _leaked(group: Sequence[Labelled]) -> list[Labelled]:
    """Of rows that are the same, the held-out ones that are in another split, too."""
    splits = {row.split for row in group}
    return [row for row in group if row.split != "train"] if len(splits) > 1 else []


def _leak(name: str, leaked: Sequence[Labelled], rows: Sequence[Labelled], limits: Limits) -> Finding:
    held_out = sum(row.split != "train" for row in rows) or 1
    ids = list(dict.fromkeys(row.id for row in leaked))
    n = len(ids)
    says = f"{n:,} held-out rows ({n / held_out:.2%}) are in another split, at most {limits.leaks_at_most:.2%}"
    return Finding(name, n / held_out <= limits.leaks_at_most, says, ids[:_SHOWN])


def _drift(rows: Sequence[Labelled], limits: Limits, last: Profile | None) -> Finding:
    if last is None:
        return Finding("drift", passed=True, says="no earlier data to compare with")
    found = compare(last, [row for row in rows if row.split == "train"])
    if isinstance(found, Undetermined):
        return Finding("drift", passed=True, says=f"undetermined: {found.reason}")
    effects = ", ".join(f"{name} {test.effect:.3f}" for name, test in found.tests.items() if test.large)
    says = f"p = {found.p_value:.3g} that the data is as the champion's; large effects: {effects or 'none'}"
    return Finding("drift", not (found.found and limits.drift == "stops"), says)


def _ids(rows: Sequence[Labelled]) -> list[str]:
    return [row.id for row in rows[:_SHOWN]]
