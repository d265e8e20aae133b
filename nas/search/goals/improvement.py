"""Estimates the hypervolume improvement of many points at once.

The dominated volume is an integral over directions: from the reference point, each direction is dominated up
to some length, and the volume is the mean of that length to the power of the dimension, times a constant
(Deng and Zhang 2019, *Approximating hypervolume and hypervolume contributions using polar coordinate*).
"""

from __future__ import annotations

import numpy as np

from nas.arrays import FloatArray
from nas.search.goals.pareto import front

_DIRECTIONS = 256


def most_improving(losses: FloatArray, known: FloatArray, count: int) -> list[int]:
    """Returns positions of points that, one after another, add the most hypervolume to known ones.

    Args:
        losses: Losses (N, objectives) of the points to select from.
        known: Losses (M, objectives) of the known points.
        count: Number of points to select.

    Returns:
        At most ``count`` positions; fewer if no further point improves the hypervolume.
    """
    everything = np.concatenate([known, losses])
    ideal, worst = everything.min(axis=0), everything.max(axis=0)
    extent = np.where(worst > ideal, worst - ideal, 1.0)
    # The reference is beyond the worst point, so that the ends of the front count too.
    lengths = _lengths(1.1 - (losses - ideal) / extent)
    best_known = known[front(known, ["minimize"] * known.shape[1])]  # the others reach no further
    reached = _lengths(1.1 - (best_known - ideal) / extent).max(axis=0, initial=0.0)
    positions: list[int] = []
    for _ in range(min(count, len(losses))):
        gains = np.maximum(lengths - reached, 0.0).mean(axis=1)
        best = int(np.argmax(gains))
        if gains[best] <= 0:
            break
        positions.append(best)
        reached = np.maximum(reached, lengths[best])
    return positions


def _lengths(room: FloatArray) -> FloatArray:
    """Returns lengths to the power of the dimension, (N, directions), of boxes (N, objectives)."""
    count, objectives = room.shape
    length: FloatArray = np.full((count, _DIRECTIONS), np.inf)
    for column, direction in zip(room.T, _directions(objectives).T, strict=True):
        length = np.minimum(length, np.maximum(column, 0.0)[:, None] / direction)
    powers: FloatArray = length**objectives
    return powers


def _directions(objectives: int) -> FloatArray:
    """Returns fixed unit vectors (directions, objectives) with positive components."""
    if objectives == 2:
        angles = (np.arange(_DIRECTIONS) + 0.5) / _DIRECTIONS * np.pi / 2
        return np.stack([np.cos(angles), np.sin(angles)], axis=1)
    vectors = np.abs(np.random.default_rng(0).standard_normal((_DIRECTIONS, objectives))) + 1e-9
    unit: FloatArray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit
