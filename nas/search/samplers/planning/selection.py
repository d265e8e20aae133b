"""Selection by non-dominated sorting and crowding (NSGA-II, Deb et al. 2002, section III).

All functions take losses (N, objectives), lower is better, and violations (N,), 0 where all bounds hold.
Infeasible points are worse than feasible ones, and the worse the larger the violation.
"""

from __future__ import annotations

import numpy as np

from nas.arrays import FloatArray, IntArray
from nas.search.goals.pareto import non_dominated


def ranks(losses: FloatArray, violations: FloatArray, *, enough: int | None = None) -> IntArray:
    """The front of each point, (N,); 0 for non-dominated points.

    Args:
        losses: Losses (N, objectives).
        violations: Sums of broken bounds, (N,).
        enough: Only the fronts of so many points matter, the best ones; by default those of all points. Later
            points get one number, because their fronts take most of the time.
    """
    result = np.empty(len(losses), np.int64)
    feasible = np.flatnonzero(violations <= 0)
    result[feasible] = _fronts(losses[feasible], len(losses) if enough is None else enough)
    fronts = int(result[feasible].max()) + 1 if len(feasible) else 0
    broken = np.flatnonzero(violations > 0)
    result[broken] = fronts + np.unique(violations[broken], return_inverse=True)[1]
    return result


def _fronts(losses: FloatArray, enough: int) -> IntArray:
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
        best = np.flatnonzero(fronts <= fronts[best[count - 1]])
    order: IntArray = np.lexsort((-crowding(losses[best], fronts[best]), fronts[best]))
    return best[order[:count]]
