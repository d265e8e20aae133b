"""Pareto fronts and their hypervolume, for objectives of either direction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from nas.arrays import BoolArray, FloatArray, IntArray

Direction = Literal["maximize", "minimize"]

_BLOCK = 256
"""Points that are compared with a front at a time."""

_MANY = 1000
"""The least number of points for which leaving some out is faster than sorting all."""

_SLICES = 256


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
    left = valid[_possible(losses[valid])]
    order, is_new, kept = _sorted_front(losses[left])
    positions: list[int] = left[order[is_new][kept]].tolist()
    return positions


def non_dominated(losses: FloatArray) -> BoolArray:
    """Returns whether no other point dominates a point, (N,); equal points do not dominate each other.

    Args:
        losses: Losses (N, objectives), without NaN.
    """
    left = _possible(losses)
    order, is_new, kept = _sorted_front(losses[left])
    result = np.zeros(len(losses), bool)
    result[left[order]] = kept[np.cumsum(is_new) - 1]
    return result


def _possible(losses: FloatArray) -> IntArray:
    """Returns the positions of the points of the front and of few others, (M,), in ascending order.

    A point with a better one in an earlier slice of the first loss is not on the front. Finding such points
    takes a tenth of the time of sorting. Of few points, or with more than two losses, all are returned.
    """
    everything = np.arange(len(losses))
    if len(losses) < _MANY or losses.shape[1] != 2:
        return everything
    first, last = losses.T
    low, extent = first.min(), np.ptp(first)
    if not 0 < extent < np.inf:
        return everything
    slices = np.minimum((first - low) * (_SLICES / extent), _SLICES - 1).astype(np.int64)
    least = np.full(_SLICES + 1, np.inf)
    np.minimum.at(least[1:], slices, last)
    return np.flatnonzero(last <= np.minimum.accumulate(least)[slices])


def _sorted_front(losses: FloatArray) -> tuple[IntArray, BoolArray, BoolArray]:
    """Returns the lexicographic order of points, (N,), and which of them are not equal to the one before.

    The last array is shorter: whether each of these distinct points is on the front.
    """
    # In lexicographic order, a point can only be dominated by an earlier one.
    order: IntArray = np.lexsort(losses.T[::-1])
    ordered = losses[order]
    is_new = np.ones(len(losses), bool)
    is_new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    distinct = ordered[is_new]
    if not len(distinct):
        return order, is_new, is_new
    return order, is_new, _falling(distinct[:, -1]) if losses.shape[1] <= 2 else _in_blocks(distinct)


def _falling(last: FloatArray) -> BoolArray:
    """Returns whether a point is below all earlier ones in its last loss, (N,): for at most two losses."""
    result = np.ones(len(last), bool)
    result[1:] = last[1:] < np.minimum.accumulate(last)[:-1]
    return result


def _in_blocks(losses: FloatArray) -> BoolArray:
    """Returns whether no earlier point is as good in all losses, (N,), block by block."""
    front, found = losses[:0], list[BoolArray]()
    for start in range(0, len(losses), _BLOCK):
        block = losses[start : start + _BLOCK]
        kept: BoolArray = np.logical_not(_is_as_good(front, block).any(axis=0))
        kept[kept] = _is_as_good(block[kept], block[kept]).sum(axis=0) == 1  # itself
        front = np.concatenate([front, block[kept]])
        found.append(kept)
    return np.concatenate(found)


def _is_as_good(first: FloatArray, second: FloatArray) -> BoolArray:
    """Returns whether a point of the first is no worse in any loss than one of the second, (N, M)."""
    result = np.ones((len(first), len(second)), bool)
    for mine, theirs in zip(first.T, second.T, strict=True):
        result &= mine[:, None] <= theirs
    return result


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
