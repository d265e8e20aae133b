"""The usage of each block in the networks of a space. Blocks with more usage are measured more."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from nas.space import SearchSpace

_NETWORKS = 2000


def block_usage(
    space: SearchSpace, rng: np.random.Generator, *, classes: int, input_channels: int
) -> Mapping[str, float]:
    """The mean number of occurrences of each block in a random network, by key.

    Args:
        space: The space.
        rng: Draws the networks. A block in none of them counts as if it were in one of them.
        classes: Outputs of the classifier.
        input_channels: Channels of the image.
    """
    rows = space.sample_many(_NETWORKS, rng)
    lowered = space.lower_many(rows, classes=classes, input_channels=input_channels)
    counts = np.bincount(lowered.index[lowered.index >= 0], minlength=len(lowered.blocks))
    shares = np.maximum(counts, 1) / _NETWORKS
    return {block.key: float(share) for block, share in zip(lowered.blocks, shares, strict=True)}
