"""Tensors of a seed for a published supernet: the same numbers wherever they are made."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Shape = tuple[int, ...]


def seeded_tensors(shapes: Mapping[str, Shape], *, seed: int) -> dict[str, Array]:
    """Weights, statistics and kernel transforms with which outputs depend on the image and on every tensor.

    Args:
        shapes: The shapes of the tensors, by the names in the authors' code.
        seed: Determines the numbers, together with the names and shapes.

    Returns:
        The tensors by name; counts of batches are left out.
    """
    rng = np.random.default_rng(seed)
    names = sorted(name for name in shapes if not name.endswith("num_batches_tracked"))
    return {name: _tensor(name, tuple(shapes[name]), rng) for name in names}


def seeded_images(count: int, resolution: int, *, seed: int) -> Array:
    """Images (N, 3, H, W) of large patches, each of another brightness, colour and contrast."""
    rng = np.random.default_rng(seed)
    contrast, colour = rng.random((count, 1, 1, 1), np.float32), rng.random((count, 3, 1, 1), np.float32)
    patches = (rng.random((count, 3, 8, 8), np.float32) - 0.5) * (4 * contrast) + (4 * colour - 2)
    places = np.arange(resolution) * 8 // resolution
    return np.ascontiguousarray(patches[:, :, places][:, :, :, places])


def _tensor(name: str, shape: Shape, rng: np.random.Generator) -> Array:
    values = rng.random(shape, np.float32) * 2 - 1  # from -1 to 1
    if name.endswith("_matrix"):
        return np.eye(shape[0], dtype=np.float32) + 0.1 * values
    if name.endswith(("running_mean", "bias")):
        return 0.1 * values
    if name.endswith("running_var"):
        return 0.6 + 0.3 * values
    if len(shape) == 1:  # BatchNorm's scales
        return 1 + 0.4 * values
    return values * np.float32(math.sqrt(6 / math.prod(shape[1:])))  # keeps the size of the feature maps
