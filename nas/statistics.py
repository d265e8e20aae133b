"""Rank correlations and accuracies, with their confidence intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike

from nas.arrays import FloatArray

Statistic = Callable[[FloatArray, FloatArray], float]

Z95 = 1.959964
"""Quantile of the normal distribution for a 95 % interval."""

ENOUGH_IMAGES = 625
"""Images on which the standard error of an accuracy is at most 2 points, whatever the accuracy: 50 / √625."""

_Z_CLEARLY = 1.644854
"""The same for a 90 % interval: those of equal accuracies are disjoint in 1 to 2 of 100 comparisons."""


def kendall_tau(first: ArrayLike, second: ArrayLike) -> float:
    """Kendall's τ-b (Kendall 1945, "The Treatment of Ties in Ranking Problems").

    Args:
        first: Values (N,).
        second: Other values of the same N items.

    Returns:
        -1 to 1; NaN if one side has nothing to rank.
    """
    from scipy.stats import kendalltau

    if np.size(first) < 2:
        return math.nan
    return float(kendalltau(first, second).statistic)


def spearman(first: ArrayLike, second: ArrayLike) -> float:
    """Spearman's rank correlation, with averaged ties.

    Args:
        first: Values (N,).
        second: Other values of the same N items.

    Returns:
        -1 to 1; NaN if one side has nothing to rank.
    """
    from scipy.stats import rankdata

    with np.errstate(invalid="ignore", divide="ignore"):
        return float(np.corrcoef(rankdata([first, second], axis=1))[0, 1])


def precision_at_top(first: ArrayLike, second: ArrayLike, *, top: int) -> float:
    """The share of the ``top`` largest by ``first`` that are also among the ``top`` largest by ``second``.

    The result is the expectation over all ways of breaking ties at the last place, and does not depend on
    the order of the items.

    Args:
        first: Values (N,).
        second: Other values of the same N items.
        top: 1 to N.
    """
    return float((_share_of_top(first, top) * _share_of_top(second, top)).sum() / top)


def _share_of_top(values: ArrayLike, top: int) -> FloatArray:
    """For each value, the probability (N,) that it is among the largest if ties are broken at random."""
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
        """The interval as JSON values, with ``None`` for NaN."""
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
    """A statistic with its percentile bootstrap interval (Efron 1979) over the N items.

    The interval shows how much the statistic would vary with other items of the same kind. Resamples with an
    undefined statistic are ignored.

    Args:
        statistic: A function of two arrays (N,).
        first: Values (N,).
        second: Other values of the same N items.
        seed: Determines the resamples.
        resamples: Number of resamples.
        level: Share of the resamples within the interval.
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
    """The number of correctly classified images out of a total.

    Attributes:
        correct: Images that were classified correctly; of a balanced accuracy, its share of ``total``.
        total: Images; of a balanced accuracy, see :func:`balanced_images`.
    """

    correct: float
    total: int

    @property
    def value(self) -> float:
        """The accuracy, 0 to 1."""
        return self.correct / self.total

    def interval(self, *, z: float = Z95) -> tuple[float, float]:
        """The confidence interval of the accuracy, 0 to 1; 95 % by default."""
        return wilson(self.correct, self.total, z=z)

    @property
    def noise(self) -> float:
        """The largest difference to another accuracy on these images that chance can explain.

        It is the standard error, but at least one image: the standard error of 50 out of 50 is 0.
        """
        return max(math.sqrt(self.value * (1 - self.value) / self.total), 1 / self.total)

    def is_clearly_below(self, other: Count) -> bool:
        """Whether this accuracy is lower by more than chance explains."""
        return self.interval(z=_Z_CLEARLY)[1] < other.interval(z=_Z_CLEARLY)[0]


def balanced_images(totals: Sequence[int]) -> int:
    """The images of equally frequent classes on which an accuracy is as certain as a balanced one is here.

    The mean over K classes of n_k images has the variance p (1 - p) Σ 1/n_k / K² if all classes have the
    accuracy p. That is the variance on K² / Σ 1/n_k images: all of them if the classes are equally frequent,
    fewer otherwise. Classes without images are left out.

    Args:
        totals: The number of images of each class.
    """
    present = [total for total in totals if total]
    return round(len(present) ** 2 / sum(1 / total for total in present))


def balanced_count(by_class: Sequence[tuple[int, int]]) -> Count:
    """The balanced accuracy, i.e. the mean over the classes that have images.

    Args:
        by_class: Correctly classified and all images of each class.
    """
    shares = [correct / total for correct, total in by_class if total]
    images = balanced_images([total for _, total in by_class])
    return Count(images * sum(shares) / len(shares), images)


def wilson(correct: float, total: int, *, z: float = Z95) -> tuple[float, float]:
    """The score interval of a proportion (Wilson 1927); 95 % by default.

    Args:
        correct: Successes.
        total: Trials, at least 1.
        z: Quantile of the normal distribution.

    Returns:
        Its two ends, 0 to 1, which rounding keeps around the proportion: without successes the lower end is
        0, without failures the upper end is 1.
    """
    share = correct / total
    centre = share + z * z / (2 * total)
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    # For a proportion of 0 or 1, the formula gives exactly that end, but floating point may be one ulp off.
    return max(0.0, min(share, (centre - half) / scale)), min(1.0, max(share, (centre + half) / scale))
