"""Physical features of a network's latency, counted from its primitive operations.

Features are independent of search spaces and block kinds: every quantity is a sum over the operations of the
lowering. Some are also counted by *level*: at level l, operations read maps of 2⁻ˡ of the image's size, so
that operations of one kind run at about one rate. Levels resemble stages, but every network has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import log2, sqrt
from typing import TYPE_CHECKING

import numpy as np

from nas.arrays import FloatArray
from nas.blocks import BlockSpec
from nas.blocks.op_groups import SHUFFLES
from nas.blocks.ops import Conv2d, GlobalAveragePool, Linear, Multiply, Op

if TYPE_CHECKING:
    from nas.arrays import IntArray
    from nas.space.lowering import Lowered

LEVELS = 8  # the last one is for vectors
ROOFLINE = ("operations", "macs", "moved", "depthwise_macs")
"""Launches, arithmetic and traffic: a device has roughly one rate for each. Depthwise arithmetic is
separate, since no device runs it at the rate of the rest."""

KINDS = (
    "networks",
    "depthwise3_elements",
    "depthwise5_elements",
    "depthwise7_elements",
    "gate_elements",
    "convolution_macs",
    "vector_macs",
    "weights",
)
"""The same quantities by kind of operation; ``networks`` is 1 for every network."""

TOKENS = ("attention_macs", "shuffled_elements", "scratch_elements")
"""Those of transformers: products of two activations, elements that only change their place, and the scores
of attention."""

BY_LEVEL = ("operations", "pointwise_macs", "moved")
PIXELS = "image_pixels"
COLUMNS = (
    *(*ROOFLINE, *KINDS, PIXELS),
    *(f"{name}@{level}" for level in range(LEVELS) for name in BY_LEVEL),
    *TOKENS,
)
"""The names of a network's features, in the order of arrays."""

COLUMN = {name: i for i, name in enumerate(COLUMNS)}


def is_depthwise(op: Op) -> bool:
    """Whether each channel is its own group."""
    return isinstance(op, Conv2d) and op.groups == op.in_shape.channels > 1


def quantities(op: Op) -> dict[str, float]:
    """The contribution of one operation to its network's features, for one image."""
    kernel = op.kernel if isinstance(op, Conv2d) else 0
    amounts = {
        "operations": 1.0,
        "macs": float(op.macs),
        # Unfused, unlike the roofline: the coefficients of shipped tables were fitted on this definition.
        "moved": float(op.input_elements + op.out_shape.elements),
        "weights": float(op.weight_elements),
    }
    if is_depthwise(op):
        amounts["depthwise_macs"] = amounts["macs"]
        amounts[f"depthwise{_nearest_kernel(kernel)}_elements"] = float(op.out_shape.elements)
    elif op.out_shape.pixels == 1:
        amounts["vector_macs"] = amounts["macs"]
    elif kernel:
        amounts["pointwise_macs" if kernel == 1 else "convolution_macs"] = amounts["macs"]
    elif isinstance(op, Linear):
        amounts["pointwise_macs"] = amounts["macs"]
    else:
        amounts["attention_macs"] = amounts["macs"]
    if isinstance(op, SHUFFLES):
        amounts["shuffled_elements"] = float(op.out_shape.elements)
    amounts["scratch_elements"] = float(op.scratch_elements)
    if isinstance(op, GlobalAveragePool | Multiply):
        amounts["gate_elements"] = float(op.in_shape.elements)
    return amounts


def _nearest_kernel(kernel: int) -> int:
    return min((3, 5, 7), key=lambda size: abs(size - kernel))


@lru_cache(maxsize=2**16)
def _counts(block: BlockSpec) -> tuple[tuple[float, dict[str, float]], ...]:
    """The sums of the quantities of a block's operations, by the side of the square that they read.

    A sequence has as many pixels as the map that it was.
    """
    sums: dict[float, dict[str, float]] = {}
    for op in block.ops:
        of_size = sums.setdefault(sqrt(op.in_shape.pixels), {})
        for name, value in quantities(op).items():
            of_size[name] = of_size.get(name, 0.0) + value
    return tuple(sums.items())


def block_features(block: BlockSpec, *, image: int) -> FloatArray:
    """The contribution of a block to its network's features, (F,).

    Args:
        block: The block.
        image: Height of the network's input, from which levels are counted.
    """
    row = np.zeros(len(COLUMNS))
    for side, sums in _counts(block):
        level = min(max(round(log2(image / side)), 0), LEVELS - 1)
        for name, value in sums.items():
            if name in COLUMN:
                row[COLUMN[name]] += value
            if name in BY_LEVEL:
                row[COLUMN[f"{name}@{level}"]] += value
    return row


def network_features(blocks: Sequence[BlockSpec]) -> FloatArray:
    """The features of a network of these blocks, (F,)."""
    image = blocks[0].in_height
    row: FloatArray = np.sum([block_features(block, image=image) for block in blocks], axis=0)
    return row + _of_the_whole(image)


def _of_the_whole(image: int) -> FloatArray:
    """The features that do not depend on blocks."""
    row = np.zeros(len(COLUMNS))
    row[COLUMN["networks"]], row[COLUMN[PIXELS]] = 1, image**2
    return row


def many_features(lowered: Lowered, projection: FloatArray) -> FloatArray:
    """The features of many networks times a matrix, equal to ``network_features(…) @ projection`` for each.

    Args:
        lowered: The networks.
        projection: (F, K). With few columns, 100,000 networks take a fraction of a second.

    Returns:
        An array (N, K).
    """
    result = np.zeros((len(lowered.index), projection.shape[1]))
    for image, rows in _by_image(lowered):
        index = lowered.index[rows]
        table = np.zeros((len(lowered.blocks) + 1, projection.shape[1]))  # the last row is for absent blocks
        used = lowered.used(rows)
        table[used] = np.array([block_features(lowered.blocks[i], image=image) for i in used]) @ projection
        result[rows] = _of_the_whole(image) @ projection + sum(table[column] for column in index.T)
    return result


def _by_image(lowered: Lowered) -> list[tuple[int, IntArray]]:
    """The heights of the networks' inputs, and for each the numbers of its networks."""
    present = lowered.index >= 0
    first = lowered.index[np.arange(len(present)), present.argmax(axis=1)]
    heights = np.array([block.in_height for block in lowered.blocks], np.int64)[first]
    return [(int(height), np.flatnonzero(heights == height)) for height in np.unique(heights)]
