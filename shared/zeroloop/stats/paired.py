"""Two models on the same rows: only the rows that one of them alone got right tell them apart."""

from scipy.special import bdtrc


def p_worse(only_first: int, only_second: int) -> float:
    """Chance of `only_first` or more of the rows that tell, were the second model as good as the first.

    The exact McNemar test, one-sided: the upper tail of a binomial with p = 1/2 (McNemar 1947). 1 where none tell.

    >>> p_worse(8, 2)
    0.0546875
    """
    n = only_first + only_second
    return float(bdtrc(only_first - 1, n, 0.5)) if only_first else 1.0
