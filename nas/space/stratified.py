"""Random networks spread over a space's range of multiply-accumulates, or gathered in bands of equal ones."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from nas.arrays import FloatArray, IntArray
from nas.errors import UserError
from nas.space import Architecture, SearchSpace

_CANDIDATES = 2000


def stratified(
    space: SearchSpace,
    count: int,
    rng: np.random.Generator,
    *,
    resolutions: Iterable[int] | None = None,
    classes: int = 1000,
    input_channels: int | None = None,
) -> list[Architecture]:
    """Distinct random architectures, one from each of ``count`` equal steps in log MACs.

    A step without candidates takes the nearest remaining one. The order is random.

    Args:
        space: The space.
        count: The number of architectures; a smaller space gives fewer.
        rng: Random generator.
        resolutions: Allowed input resolutions; all by default.
        classes: Outputs of the networks' classifier.
        input_channels: Channels of the input image; the space's by default.
    """
    rows = candidates(space, rng, resolutions=resolutions)
    macs = _macs(space, rows, classes, input_channels)
    positions = _spread(np.log(macs), min(count, len(rows)), rng)
    return space.decode(rows[rng.permutation(np.array(positions, np.int64))])


def banded(
    space: SearchSpace,
    count: int,
    rng: np.random.Generator,
    *,
    bands: int,
    width: float,
    classes: int = 1000,
    input_channels: int | None = None,
) -> list[Architecture]:
    """Distinct random architectures in bands of nearly equal MACs, equally many in each.

    The centres of the bands are equal steps apart in log MACs, from the 5 % to the 95 % quantile of random
    networks. The order is by band.

    Args:
        space: The space.
        count: The number of architectures, a multiple of ``bands``.
        rng: Random generator.
        bands: The number of bands.
        width: The largest distance from a band's centre, as a share of it.
        classes: Outputs of the networks' classifier.
        input_channels: Channels of the input image; the space's by default.

    Raises:
        UserError: If a band has fewer random networks than it needs.
    """
    rows = candidates(space, rng)
    macs = _macs(space, rows, classes, input_channels)
    low, high = np.log(np.quantile(macs, (0.05, 0.95))).tolist()
    centres = np.exp(np.linspace(low, high, bands))
    chosen: list[int] = []
    for centre in centres.tolist():
        near = np.setdiff1d(np.flatnonzero(np.abs(macs - centre) <= width * centre), chosen)
        if len(near) < count // bands:
            raise UserError(
                f"{len(near)} of {len(rows)} random networks of {space.name} have {centre / 1e6:.3g} M MACs "
                f"(± {100 * width:.0f} %), and {count // bands} are needed; set fewer networks or bands"
            )
        chosen += rng.choice(near, count // bands, replace=False).tolist()
    return space.decode(rows[chosen])


def candidates(
    space: SearchSpace, rng: np.random.Generator, *, resolutions: Iterable[int] | None = None
) -> IntArray:
    """Distinct random architectures, (N, genes), of the allowed resolutions; all by default."""
    rows = np.unique(space.sample_many(_CANDIDATES, rng), axis=0)
    allowed = set(space.resolutions if resolutions is None else resolutions)
    if len(allowed) == len(space.resolutions):
        return rows
    return rows[[arch.resolution in allowed for arch in space.decode(rows)]]


def _macs(space: SearchSpace, rows: IntArray, classes: int, input_channels: int | None) -> FloatArray:
    """The multiply-accumulates of each architecture."""
    return space.costs(rows, classes=classes, input_channels=input_channels)["macs"].astype(float)


def _spread(values: np.ndarray, count: int, rng: np.random.Generator) -> list[int]:
    """Positions of ``count`` values, near random points of equal steps from the minimum to the maximum."""
    if count == 0:
        return []
    edges = np.linspace(values.min(), values.max(), count + 1)
    left = np.ones(len(values), dtype=bool)
    positions: list[int] = []
    for low, high in pairwise(edges.tolist()):
        distance = np.where(left, np.abs(values - rng.uniform(low, high)), np.inf)
        positions.append(int(distance.argmin()))
        left[positions[-1]] = False
    return positions
