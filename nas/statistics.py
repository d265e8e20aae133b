"""How well one order of things agrees with another, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike

from nas.arrays import FloatArray

Statistic = Callable[[FloatArray, FloatArray], float]


def kendall_tau(first: ArrayLike, second: ArrayLike) -> float:
    """Kendall's τ-b (Kendall 1945, "The Treatment of Ties in Ranking Problems").

    Args:
        first: Values (N,).
        second: Other values of the same N things.

    Returns:
        -1 to 1; not a number where one side has nothing to rank.
    """
    from scipy.stats import kendalltau

    return float(kendalltau(first, second).statistic)


def spearman(first: ArrayLike, second: ArrayLike) -> float:
    """Spearman's rank correlation, ties averaged.

    Args:
        first: Values (N,).
        second: Other values of the same N things.

    Returns:
        -1 to 1; not a number where one side has nothing to rank.
    """
    from scipy.stats import rankdata

    with np.errstate(invalid="ignore", divide="ignore"):
        return float(np.corrcoef(rankdata([first, second], axis=1))[0, 1])


def precision_at_top(first: ArrayLike, second: ArrayLike, *, top: int) -> float:
    """The share of the ``top`` greatest by ``first`` that are also among the ``top`` greatest by ``second``.

    Where several share the last of these places, each is there in part: the result is the expectation over
    all ways of breaking the ties, and does not depend on the order of the things.

    Args:
        first: Values (N,).
        second: Other values of the same N things.
        top: 1 to N.
    """
    return float((_share_of_top(first, top) * _share_of_top(second, top)).sum() / top)


def _share_of_top(values: ArrayLike, top: int) -> FloatArray:
    """For each value, the probability that it is among the greatest if ties are broken at random, (N,)."""
    array = np.asarray(values, np.float64)
    assert 1 <= top <= len(array), f"top {top} of {len(array)}"
    least = np.sort(array)[-top]
    above, tied = array > least, array == least
    share: FloatArray = above + tied * ((top - above.sum()) / tied.sum())
    return share


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A statistic and its confidence interval.

    Attributes:
        value: The statistic of the data.
        low: Lower end.
        high: Upper end.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"

    def to_dict(self) -> dict[str, float | None]:
        """For JSON, which has no word for what is not a number but ``null``."""
        return {name: None if np.isnan(number) else number for name, number in asdict(self).items()}


def bootstrap(
    statistic: Statistic,
    first: ArrayLike,
    second: ArrayLike,
    *,
    seed: int,
    resamples: int = 2000,
    level: float = 0.95,
) -> Interval:
    """A statistic with its percentile bootstrap interval (Efron 1979), drawn over the N things.

    It says how much the statistic would move with other things of the same kind. Draws that leave it
    undefined are passed over.

    Args:
        statistic: Of two arrays (N,).
        first: Values (N,).
        second: Other values of the same N things.
        seed: Decides the draws.
        resamples: How many.
        level: Share of the draws that lie within the interval.
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    draws = np.random.default_rng(seed).integers(0, len(a), (resamples, len(a)))
    values = np.array([statistic(a[draw], b[draw]) for draw in draws])
    defined = values[~np.isnan(values)]
    tail = (1 - level) / 2
    ends = np.quantile(defined, (tail, 1 - tail)).tolist() if len(defined) else [float("nan")] * 2
    return Interval(value=statistic(a, b), low=ends[0], high=ends[1])
