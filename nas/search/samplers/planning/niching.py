"""Selection for many objectives: niches around directions (NSGA-III, Deb and Jain 2014)."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np

from nas.arrays import FloatArray, IntArray
from nas.search.samplers.planning.selection import ranks

_TINY = 1e-9


def reference_directions(objectives: int, count: int) -> FloatArray:
    """At least ``count`` directions, evenly spread over the unit simplex (Das and Dennis 1998)."""
    if objectives == 1:
        return np.ones((1, 1))
    parts = 1
    while comb(parts + objectives - 1, objectives - 1) < count:
        parts += 1
    bars = np.array(list(combinations(range(parts + objectives - 1), objectives - 1)))
    edges = np.hstack([np.full((len(bars), 1), -1), bars, np.full((len(bars), 1), parts + objectives - 1)])
    return (np.diff(edges, axis=1) - 1) / parts


def niched_survivors(
    losses: FloatArray, violations: FloatArray, count: int, rng: np.random.Generator
) -> IntArray:
    """Selects ``count`` points: whole fronts, and from the last front the points in the emptiest niches.

    Args:
        losses: Losses (N, objectives).
        violations: Sums of broken bounds, (N,).
        count: Number of survivors.
        rng: Breaks ties between niches and points.

    Returns:
        Positions, front by front.
    """
    fronts = ranks(losses, violations, enough=count)
    order = np.argsort(fronts, kind="stable")
    if len(order) <= count:
        return order
    last = fronts[order[count - 1]]
    kept = order[fronts[order] < last]
    open_ = order[fronts[order] == last]
    if violations[open_[0]] > 0:  # equal violations, whatever the losses
        return order[:count]
    considered = np.concatenate([kept[violations[kept] <= 0], open_])
    niche, distance = _associate(
        _normalised(losses[considered]), reference_directions(losses.shape[1], count)
    )
    settled = len(considered) - len(open_)
    chosen = _fill(niche[:settled], niche[settled:], distance[settled:], count - len(kept), rng)
    return np.concatenate([kept, open_[chosen]])


def _normalised(losses: FloatArray) -> FloatArray:
    """Losses from the ideal point, in units of the intercepts of the plane through the extreme points."""
    shifted = losses - losses.min(axis=0)
    weights = np.eye(losses.shape[1]) + 1e-6
    extremes = shifted[[int(np.argmin((shifted / weight).max(axis=1))) for weight in weights]]
    try:
        intercepts = 1 / np.linalg.solve(extremes, np.ones(len(weights)))
    except np.linalg.LinAlgError:
        intercepts = np.full(len(weights), -1.0)
    good = np.isfinite(intercepts).all() and (intercepts > _TINY).all()
    scaled: FloatArray = shifted / (intercepts if good else np.maximum(shifted.max(axis=0), _TINY))
    return scaled


def _associate(points: FloatArray, directions: FloatArray) -> tuple[IntArray, FloatArray]:
    """The nearest direction of each point, (N,), and its distance from it, (N,)."""
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    along = points @ unit.T
    squares = (points**2).sum(axis=1)[:, None] - along**2
    niche = squares.argmin(axis=1)
    return niche, np.sqrt(np.maximum(squares[np.arange(len(points)), niche], 0.0))


def _fill(
    settled: IntArray, niche: IntArray, distance: FloatArray, count: int, rng: np.random.Generator
) -> list[int]:
    """Selects points one by one, each from a niche with the fewest members that has points left."""
    members = dict.fromkeys(niche.tolist(), 0)
    for number in settled.tolist():
        if number in members:
            members[number] += 1
    waiting = {number: np.flatnonzero(niche == number).tolist() for number in members}
    chosen: list[int] = []
    for _ in range(count):
        fewest = min(members[number] for number, points in waiting.items() if points)
        alike = [number for number, points in waiting.items() if points and members[number] == fewest]
        number = alike[int(rng.integers(len(alike)))]
        points = waiting[number]
        nearest = int(np.argmin(distance[points]))
        chosen.append(points.pop(nearest if fewest == 0 else int(rng.integers(len(points)))))
        members[number] += 1
    return chosen
