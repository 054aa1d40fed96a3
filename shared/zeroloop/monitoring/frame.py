"""What is counted of a version by name: labels, slices, features and their scales, fixed with the version. Pure.

Every other name is counted as `OTHER`, so that an aggregate's size is that of its frame, whatever callers send.
"""

from msgspec import Struct, field

OTHER = ""
ANOTHER = "?"
"""The actual label where neither it nor the answer has a name, and they differ: as OTHER it would count as right."""
UNIT = 1000
"""Numbers are counted in thousandths of their scale's unit."""

_FARTHEST = 1000 * UNIT
_QUARTER = UNIT // 4
_OUTERMOST = 12


class Scale(Struct, frozen=True):
    """Where a feature's values lie: mean and standard deviation (> 0) when the version was made."""

    centre: float = 0.0
    unit: float = 1.0

    def thousandths(self, value: float) -> int:
        """(value - centre) / unit in thousandths, within 1,000 units: squares of 1e9 rows add up to 22 digits."""
        return round(min(max((value - self.centre) / self.unit * UNIT, -_FARTHEST), _FARTHEST))


class Frame(Struct, frozen=True, kw_only=True):
    """The names that are counted by themselves.

    `categories` has the known values of each categorical column. Of a text only words are counted (of `ngrams` 2 the
    first half of its ids: pairs drown what words tell), and as features how many they are (`length`) and the share of
    them that isn't `seen` (`unseen`: how far it is from `unseen.centre`, times the root of the words, since a share of
    many words is known better). `seen` has a byte for every possible id, 1 where the rows that the version was made of
    have it, and is empty where ids can't be told apart. `answer` is the scale of a regression's answers.
    """

    labels: frozenset[str] = frozenset()
    slices: frozenset[str] = frozenset()
    numbers: dict[str, Scale] = field(default_factory=dict)
    categories: dict[str, frozenset[str]] = field(default_factory=dict)
    length: Scale = Scale()
    unseen: Scale = Scale()
    ngrams: int = 1
    seen: bytes = b""
    answer: Scale | None = None

    def label(self, label: str | None) -> str:
        """`label`, or OTHER."""
        return _named(label, self.labels)

    def slice(self, name: str | None) -> str:
        """The slice `name`, or OTHER."""
        return _named(name, self.slices)


def _named(name: str | None, known: frozenset[str]) -> str:
    """A tab is what stands between names in a counter's: one with a tab can't be told from two."""
    return name if name in known and "\t" not in name else OTHER


def bin_of(thousandths: int) -> int:
    """Quarters of a unit from the centre, -12 to 11; the outermost hold all that is farther."""
    return max(-_OUTERMOST, min(_OUTERMOST - 1, thousandths // _QUARTER))
