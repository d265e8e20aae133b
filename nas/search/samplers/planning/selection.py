"""Selection by non-dominated sorting and crowding (NSGA-II, Deb et al. 2002, section III).

All functions take losses (N, objectives), lower is better, and violations (N,), 0 where all bounds hold.
Infeasible points are worse than feasible ones, and the worse the larger the violation.
"""

from __future__ import annotations

import numpy as np

from nas.arrays import BoolArray, FloatArray, IntArray
from nas.search.goals.pareto import non_dominated

_FEW = 1000
"""Points of which all pairs are compared, which is faster than going through the fronts."""


def ranks(losses: FloatArray, violations: FloatArray, *, enough: int | None = None) -> IntArray:
    """The front of each point, (N,); 0 for non-dominated points.

    Args:
        losses: Losses (N, objectives).
        violations: Sums of broken bounds, (N,).
        enough: Number of points, the best ones, whose fronts matter; all by default. Fronts beyond are not
            told apart, which among thousands of points takes most of the time.
    """
    result = np.empty(len(losses), np.int64)
    feasible = np.flatnonzero(violations <= 0)
    result[feasible] = _fronts(losses[feasible], len(losses) if enough is None else enough)
    fronts = int(result[feasible].max()) + 1 if len(feasible) else 0
    broken = np.flatnonzero(violations > 0)
    result[broken] = fronts + np.unique(violations[broken], return_inverse=True)[1]
    return result


def _fronts(losses: FloatArray, enough: int) -> IntArray:
    return _fronts_of_few(losses) if len(losses) <= _FEW else _fronts_of_many(losses, enough)


def _fronts_of_few(losses: FloatArray) -> IntArray:
    """The front of each point, (N,), in memory and time of N²."""
    dominates = _dominates(losses)
    above = dominates.sum(axis=0)  # how many dominate each point, among those that are left
    result = np.full(len(losses), -1, np.int64)
    number = 0
    while (result < 0).any():
        front = np.flatnonzero((above == 0) & (result < 0))
        result[front] = number
        above -= dominates[front].sum(axis=0)
        number += 1
    return result


def _dominates(losses: FloatArray) -> BoolArray:
    """Whether point i dominates point j, (N, N)."""
    not_worse = np.ones((len(losses), len(losses)), bool)
    better = np.zeros_like(not_worse)
    for column in losses.T:
        not_worse &= column[:, None] <= column
        better |= column[:, None] < column
    return not_worse & better


def _fronts_of_many(losses: FloatArray, enough: int) -> IntArray:
    """The front of each point, (N,); the same number for all behind the front that makes up ``enough``."""
    result = np.empty(len(losses), np.int64)
    left, number = np.arange(len(losses)), 0
    while len(left) and len(losses) - len(left) < enough:
        is_first = non_dominated(losses[left])
        result[left[is_first]] = number
        left, number = left[~is_first], number + 1
    result[left] = number
    return result


def crowding(losses: FloatArray, fronts: IntArray) -> FloatArray:
    """The crowding distance of each point within its front, (N,); infinite at the ends."""
    room = np.zeros(len(losses))
    for number in np.unique(fronts):
        members = np.flatnonzero(fronts == number)
        for column in losses[members].T:
            order = members[np.argsort(column, kind="stable")]
            values = np.sort(column, kind="stable")
            extent = values[-1] - values[0]
            room[order[[0, -1]]] = np.inf
            if extent > 0:
                room[order[1:-1]] += (values[2:] - values[:-2]) / extent
    return room


def survivors(losses: FloatArray, violations: FloatArray, count: int) -> IntArray:
    """Positions of the ``count`` best by front, then by crowding distance, best first."""
    fronts = ranks(losses, violations, enough=count)
    best = np.argsort(fronts, kind="stable")
    if len(best) > count:  # with the whole of the last front, whose members are compared
        best = np.flatnonzero(fronts <= fronts[best[count - 1]]) if count else best[:0]
    order: IntArray = np.lexsort((-crowding(losses[best], fronts[best]), fronts[best]))
    return best[order[:count]]
