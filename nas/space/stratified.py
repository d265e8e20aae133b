"""Which whole networks judge a table: spread over the space's range of multiply-accumulates."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from nas.arrays import IntArray
from nas.space import Architecture, SearchSpace

_CANDIDATES = 2000


def stratified(
    space: SearchSpace, count: int, rng: np.random.Generator, *, resolutions: Iterable[int] | None = None
) -> list[Architecture]:
    """Distinct random architectures, one from each of ``count`` equal steps in log MACs.

    Where a step holds no candidate, the nearest one that is left stands in. The order is random.

    Args:
        space: The space.
        count: How many; fewer come back if the space has fewer.
        rng: Draws them.
        resolutions: The input resolutions allowed; all of them by default.
    """
    rows = candidates(space, rng, resolutions=resolutions)
    chosen = _spread(np.log(space.costs(rows)["macs"].astype(float)), min(count, len(rows)), rng)
    return space.decode(rows[rng.permutation(np.array(chosen, np.int64))])


def candidates(
    space: SearchSpace, rng: np.random.Generator, *, resolutions: Iterable[int] | None = None
) -> IntArray:
    """Distinct random architectures, (N, genes), of the resolutions allowed; all of them by default."""
    rows = np.unique(space.sample_many(_CANDIDATES, rng), axis=0)
    allowed = set(space.resolutions if resolutions is None else resolutions)
    if len(allowed) == len(space.resolutions):
        return rows
    return rows[[arch.resolution in allowed for arch in space.decode(rows)]]


def _spread(values: np.ndarray, count: int, rng: np.random.Generator) -> list[int]:
    """Positions of ``count`` values, near random points of equal steps between the least and the greatest."""
    if count == 0:
        return []
    edges = np.linspace(values.min(), values.max(), count + 1)
    left = np.ones(len(values), dtype=bool)
    chosen: list[int] = []
    for low, high in pairwise(edges.tolist()):
        distance = np.where(left, np.abs(values - rng.uniform(low, high)), np.inf)
        chosen.append(int(distance.argmin()))
        left[chosen[-1]] = False
    return chosen
