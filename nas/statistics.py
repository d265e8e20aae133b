"""How well one order of things agrees with another, accuracies as counts, and how sure both are."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from nas.arrays import FloatArray

Statistic = Callable[[FloatArray, FloatArray], float]

Z95 = 1.959964
"""Quantile of the normal distribution for a 95 % interval."""

_Z_CLEARLY = 1.644854
"""Two 90 % intervals that do not touch: with equal accuracies that happens in 1 to 2 of 100 comparisons."""


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


@final
@dataclass(frozen=True)
class Count:
    """Images that were classified rightly, out of a number of images."""

    correct: int
    total: int

    @property
    def value(self) -> float:
        """The accuracy, 0 to 1."""
        return self.correct / self.total

    def interval(self, *, z: float = Z95) -> tuple[float, float]:
        """The interval of the accuracy, 0 to 1; 95 % by default."""
        return wilson(self.correct, self.total, z=z)

    @property
    def noise(self) -> float:
        """The largest difference to another accuracy on these images that chance explains.

        It is the standard error, but at least one image: the standard error of 50 right out of 50 is 0.
        """
        return max(math.sqrt(self.value * (1 - self.value) / self.total), 1 / self.total)

    def is_clearly_below(self, other: Count) -> bool:
        """Whether chance alone hardly explains that this accuracy is the lower one."""
        return self.interval(z=_Z_CLEARLY)[1] < other.interval(z=_Z_CLEARLY)[0]


def wilson(correct: float, total: int, *, z: float = Z95) -> tuple[float, float]:
    """The score interval of a share (Wilson 1927); 95 % by default.

    Args:
        correct: Successes.
        total: Trials, at least 1.
        z: Quantile of the normal distribution.

    Returns:
        Its two ends, 0 to 1. The share is never outside, whatever rounding does: of no successes the lower
        end is 0, of nothing else the upper end is 1.
    """
    share = correct / total
    centre = share + z * z / (2 * total)
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    # For a share of 0 or 1 the formula gives just that, but in floating point one ulp more or less.
    return max(0.0, min(share, (centre - half) / scale)), min(1.0, max(share, (centre + half) / scale))
