"""The mergeable counts of a version's traffic: one value for the baseline, ingest and monitor. Pure.

Every number is an integer and merging adds them, so any order gives the same. Contract: aggregate.schema.json.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field
from msgspec.structs import asdict

Count = Annotated[int, Meta(ge=0)]
Counts = dict[str, Count]
Binned = dict[int, Count]

BUCKETS = 256
"""Places of a hashed token vector."""
SCORE_BINS = 50
"""Equal bins of a score in [0, 1]."""


class Feature(Struct, frozen=True):
    """A feature's values: `n` that are there, `missing` ones, and the counts by bin or category.

    Of numbers also sum and sum of squares, in thousandths of their scale's unit from its centre.
    """

    n: Count
    missing: Count = 0
    sum: int = 0
    sum_squares: Count = 0
    bins: Counts = field(default_factory=dict)


class Aggregate(Struct, frozen=True, kw_only=True):
    """The counts.

    n
        Predictions; all that follows is of them, except `requests`, `errors` and `latency`.
    requests
        Status -> thousandths of a request: where logging is sampled, a line stands for several.
    errors, latency
        Code -> lines; bucket (`stats.quantiles`) -> lines that were answered.
    scores, labelled, correct
        Bin of the score -> answers, those whose actual label is known, and those of them that were right.
    confusion
        "answered<tab>actual" -> count.
    slices
        "slice" -> predictions; "slice<tab>answered<tab>actual" -> count.
    tokens
        Sums of hashed token vectors: each row adds 10,000 / sqrt(its words) to place id mod 256 for each word; of
        `features["length"].n` rows. Empty where there is no text.
    answer
        A regression's answers.
    shadow
        "version that scored beside this one<tab>agree", differ, failed or unlabelled -> predictions.
    """

    schema_version: Literal[1] = 1
    n: Count
    requests: Counts = field(default_factory=dict)
    errors: Counts = field(default_factory=dict)
    latency: Binned = field(default_factory=dict)
    labels: Counts = field(default_factory=dict)
    scores: Binned = field(default_factory=dict)
    labelled: Binned = field(default_factory=dict)
    correct: Binned = field(default_factory=dict)
    confusion: Counts = field(default_factory=dict)
    slices: Counts = field(default_factory=dict)
    features: dict[str, Feature] = field(default_factory=dict)
    tokens: Annotated[list[Count], Meta(max_length=BUCKETS)] = field(default_factory=list)
    answer: Feature = Feature(n=0)
    shadow: Counts = field(default_factory=dict)


EMPTY = Aggregate(n=0)


def merge(a: Aggregate, b: Aggregate) -> Aggregate:
    """All of `a` and `b`, which must be of one frame; associative and commutative, with EMPTY as neutral element."""
    added = {name: _add(value, getattr(b, name)) for name, value in asdict(a).items() if name != "schema_version"}
    return Aggregate(**added)


def _add(a: Any, b: Any) -> Any:
    if isinstance(a, dict):
        return {**a, **{name: _add(a[name], value) if name in a else value for name, value in b.items()}}
    if isinstance(a, list):
        return [x + y for x, y in zip(a, b, strict=True)] if a and b else a or b
    if isinstance(a, Feature):
        return Feature(**{name: _add(value, getattr(b, name)) for name, value in asdict(a).items()})
    return a + b
