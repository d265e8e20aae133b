"""Differences of runs: of repeated experiments by their seeds, of single runs by their test images."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from nas.report.results import Row
from nas.statistics import Z95


def of_means(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """Returns the difference of two means, second minus first, and half of its 95 % interval.

    Welch's t (1947, "The generalization of 'Student's' problem when several different population variances
    are involved"): each needs two values, and the seeds are taken as independent.
    """
    from scipy.stats import t

    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    va, vb = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    difference, error = float(b.mean() - a.mean()), math.sqrt(va + vb)
    if not error:
        return difference, 0.0
    freedom = (va + vb) ** 2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1))
    return difference, float(t.ppf(0.975, freedom)) * error


def of_counts(first: Row, second: Row) -> tuple[float, float]:
    """Returns the difference of two test accuracies, second minus first, and half of its 95 % interval.

    The interval of Agresti and Caffo (2000) for two proportions: one right and one wrong answer are added to
    each.
    """
    counts = [(row.test_correct, row.test_total) for row in (first, second)]
    return of_shares(*counts)


def of_shares(first: tuple[int, int], second: tuple[int, int]) -> tuple[float, float]:
    """Returns what ``of_counts`` does, for right answers and images of each."""
    shares = [((correct + 1) / (total + 2), total + 2) for correct, total in (first, second)]
    error = math.sqrt(sum(share * (1 - share) / total for share, total in shares))
    return second[0] / second[1] - first[0] / first[1], Z95 * error
