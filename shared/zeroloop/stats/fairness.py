"""Whether a model treats slices of its rows alike: rates by slice, and how far they are apart.

One label is the one that a row would like to get (`favourable`); all others are its opposite. Definitions are
fairlearn's, with `worst_case` over true and false positive rates. Slices of fewer than 30 rows are suppressed: their
rates say more about chance, and about single people, than about the model.
"""

from collections.abc import Mapping

from msgspec import Struct

from zeroloop.stats.intervals import Interval, wilson
from zeroloop.stats.undetermined import Undetermined

LEAST_ROWS = 30


class Outcomes(Struct, frozen=True):
    """Rows of a slice by what was right and what was answered, favourable or not; `right` counts the exact answers."""

    true_positive: int = 0
    false_positive: int = 0
    true_negative: int = 0
    false_negative: int = 0
    right: int = 0

    @property
    def n(self) -> int:
        """All rows."""
        return self.true_positive + self.false_positive + self.true_negative + self.false_negative

    @property
    def selected(self) -> float:
        """Share of rows that were answered favourably; n >= 1."""
        return (self.true_positive + self.false_positive) / self.n

    @property
    def true_positive_rate(self) -> float | None:
        """Of the rows that deserve it, the share that got it."""
        return _share(self.true_positive, self.false_negative)

    @property
    def false_positive_rate(self) -> float | None:
        """Of the rows that don't deserve it, the share that got it."""
        return _share(self.false_positive, self.true_negative)


class Disparity(Struct, frozen=True):
    """The largest difference (0 is alike) and the smallest ratio (1 is alike) between slices.

    Of equalised odds it is the worse of the true and the false positive rates'. There is no ratio where a rate is 0 in
    every slice.
    """

    difference: float
    ratio: float | None


def accuracy(outcomes: Outcomes) -> Interval | Undetermined:
    """Share of right answers with its 95% interval."""
    if outcomes.n < LEAST_ROWS:
        return Undetermined(f"{outcomes.n} rows, {LEAST_ROWS} are needed")
    return wilson(outcomes.right, outcomes.n)


def demographic_parity(slices: Mapping[str, Outcomes]) -> Disparity | Undetermined:
    """How far apart the shares of favourable answers are."""
    shown = _shown(slices)
    if isinstance(shown, Undetermined):
        return shown
    return _disparity([one.selected for one in shown])


def equalised_odds(slices: Mapping[str, Outcomes]) -> Disparity | Undetermined:
    """How far apart the true and the false positive rates are (Hardt, Price & Srebro 2016)."""
    shown = _shown(slices)
    if isinstance(shown, Undetermined):
        return shown
    rates = [[one.true_positive_rate for one in shown], [one.false_positive_rate for one in shown]]
    known = [[rate for rate in kind if rate is not None] for kind in rates]
    if any(len(kind) < len(shown) for kind in known):
        return Undetermined("a slice lacks rows that deserve a favourable answer, or rows that don't")
    worst = [_disparity(kind) for kind in known]
    ratios = [one.ratio for one in worst if one.ratio is not None]
    return Disparity(max(one.difference for one in worst), min(ratios) if len(ratios) == len(worst) else None)


def _shown(slices: Mapping[str, Outcomes]) -> list[Outcomes] | Undetermined:
    shown = [one for one in slices.values() if one.n >= LEAST_ROWS]
    return shown if len(shown) > 1 else Undetermined(f"fewer than 2 slices of {LEAST_ROWS} rows")


def _disparity(rates: list[float]) -> Disparity:
    return Disparity(max(rates) - min(rates), min(rates) / max(rates) if max(rates) else None)


def _share(part: int, rest: int) -> float | None:
    return part / (part + rest) if part + rest else None
