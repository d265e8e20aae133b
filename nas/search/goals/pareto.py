"""Pareto fronts and their hypervolume, for objectives of either direction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from nas.arrays import FloatArray

Direction = Literal["maximize", "minimize"]


def as_losses(values: ArrayLike, directions: Sequence[Direction]) -> FloatArray:
    """Returns values (N, objectives) with maximised ones negated, so that lower is always better."""
    signs = np.array([-1.0 if direction == "maximize" else 1.0 for direction in directions])
    losses: FloatArray = np.asarray(values, np.float64).reshape(-1, len(signs)) * signs
    return losses


def front(values: ArrayLike, directions: Sequence[Direction]) -> list[int]:
    """Returns positions of the non-dominated points, sorted by the first objective, best first.

    A point dominates another if it is no worse in any objective and better in one. Among equal points, only
    the first is kept. Points with NaN are left out.

    Args:
        values: Values of shape (N, objectives).
        directions: Whether each objective is maximised or minimised.
    """
    losses = as_losses(values, directions)
    valid = np.flatnonzero(~np.isnan(losses).any(axis=1))
    if not len(valid):
        return []
    # In lexicographic order, a point can only be dominated by an earlier one.
    order = valid[np.lexsort((valid, *losses[valid].T[::-1]))]
    positions: list[int] = []
    for position in order.tolist():
        if not positions or not (losses[positions] <= losses[position]).all(axis=1).any():
            positions.append(position)
    return positions


def hypervolume(values: ArrayLike, reference: ArrayLike, directions: Sequence[Direction]) -> float:
    """Computes the volume that points dominate, up to a reference point (Zitzler and Thiele 1999).

    The result is exact in any number of dimensions: points are sorted by the last objective and the slices
    between them are summed, which is fast for two and three objectives.

    Args:
        values: Values of shape (N, objectives).
        reference: The reference point, (objectives,); points that are not better in every objective add
            nothing.
        directions: Whether each objective is maximised or minimised.

    Returns:
        The volume, in the product of the objectives' units.
    """
    corner = as_losses(reference, directions)[0]
    losses = as_losses(values, directions)
    return _volume(losses[(losses < corner).all(axis=1)], corner)  # comparisons with NaN are false


def _volume(losses: FloatArray, corner: FloatArray) -> float:
    if not len(losses):
        return 0.0
    if len(corner) == 1:
        return float(corner[0] - losses.min())
    if len(corner) == 2:
        return _area(losses, corner)
    losses = losses[np.argsort(losses[:, -1], kind="stable")]
    thickness = np.diff(np.append(losses[:, -1], corner[-1]))
    slices = (
        _volume(losses[: i + 1, :-1], corner[:-1]) * thick for i, thick in enumerate(thickness) if thick > 0
    )
    return float(sum(slices))


def _area(losses: FloatArray, corner: FloatArray) -> float:
    losses = losses[np.lexsort((losses[:, 1], losses[:, 0]))]
    heights = np.minimum.accumulate(losses[:, 1])
    widths = np.diff(np.append(losses[:, 0], corner[0]))
    return float(np.sum(widths * (corner[1] - heights)))


def hypervolume_curve(values: ArrayLike, reference: ArrayLike, directions: Sequence[Direction]) -> FloatArray:
    """Returns the hypervolume after each evaluation, (N,); NaN rows (failed, infeasible) do not change it."""
    losses = as_losses(values, directions)
    corner = as_losses(reference, directions)[0]
    current = np.empty((0, losses.shape[1]))
    curve = np.zeros(len(losses))
    for number, point in enumerate(losses):
        counts = bool((point < corner).all()) and not bool((current <= point).all(axis=1).any())
        if counts:
            current = np.vstack([current[~(point <= current).all(axis=1)], point])
        curve[number] = _volume(current, corner) if counts else (curve[number - 1] if number else 0.0)
    return curve
