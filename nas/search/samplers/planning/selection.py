"""Selection by non-dominated sorting and crowding (NSGA-II, Deb et al. 2002, section III).

All functions take losses (N, objectives), lower is better, and violations (N,), 0 where all bounds hold.
Infeasible points are worse than feasible ones, and the worse the larger the violation.
"""

from __future__ import annotations

import numpy as np

from nas.arrays import FloatArray, IntArray


def ranks(losses: FloatArray, violations: FloatArray) -> IntArray:
    """The front of each point, (N,); 0 for non-dominated points."""
    result = np.empty(len(losses), np.int64)
    feasible = np.flatnonzero(violations <= 0)
    result[feasible] = _fronts(losses[feasible])
    fronts = int(result[feasible].max()) + 1 if len(feasible) else 0
    broken = np.flatnonzero(violations > 0)
    result[broken] = fronts + np.unique(violations[broken], return_inverse=True)[1]
    return result


def _fronts(losses: FloatArray) -> IntArray:
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


def _dominates(losses: FloatArray) -> np.ndarray:
    """Whether point i dominates point j, (N, N)."""
    not_worse = np.ones((len(losses), len(losses)), bool)
    better = np.zeros_like(not_worse)
    for column in losses.T:
        not_worse &= column[:, None] <= column
        better |= column[:, None] < column
    return not_worse & better


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
    fronts = ranks(losses, violations)
    order: IntArray = np.lexsort((-crowding(losses, fronts), fronts))
    return order[:count]
