"""Selects the few networks whose latencies are most informative about all others."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from nas.arrays import FloatArray
from nas.latency.models.features import COLUMNS, many_features
from nas.latency.models.networks import Scaling, shares
from nas.space import Architecture, SearchSpace
from nas.space.stratified import candidates

_CANDIDATES = 400
_NOISE = 0.05  # relative to the standard deviation of one rate


def informative(
    space: SearchSpace,
    count: int,
    rng: np.random.Generator,
    *,
    resolutions: Iterable[int] | None = None,
    classes: int = 1000,
    input_channels: int | None = None,
) -> list[Architecture]:
    """Architectures whose latencies are most informative about all others, the most informative first.

    They are chosen among random ones by their features; latencies play no role.

    Args:
        space: The space.
        count: The number of architectures; a smaller space gives fewer.
        rng: Draws the candidates.
        resolutions: Allowed input resolutions; all by default.
        classes: Outputs of the networks' classifier.
        input_channels: Channels of the input image; the space's by default.
    """
    rows = rng.permutation(candidates(space, rng, resolutions=resolutions))[:_CANDIDATES]
    lowered = space.lower_many(rows, classes=classes, input_channels=input_channels)
    numbers = most_informative(many_features(lowered, np.eye(len(COLUMNS))), count)
    return space.decode(rows[numbers])


def most_informative(features: FloatArray, count: int) -> list[int]:
    """Numbers of the networks whose measurement leaves the least uncertainty about all of them.

    Greedy: each one reduces the mean variance of the predictions the most (Seo et al. 2000,
    "Gaussian process regression: active data selection and test point rejection", section 2.2).

    Args:
        features: Features of the candidates, (N, F).
        count: The number of networks, at most all.
    """
    inputs = shares(features, Scaling.of(features))
    variance = inputs @ inputs.T + 1  # 1: the overall rate, which is unknown too
    numbers: list[int] = []
    for _ in range(min(count, len(features))):
        gain = (variance**2).sum(axis=0) / (np.diag(variance) + _NOISE**2)
        gain[numbers] = -1
        best = int(gain.argmax())
        numbers.append(best)
        variance = variance - np.outer(variance[:, best], variance[best]) / (variance[best, best] + _NOISE**2)
    return numbers
