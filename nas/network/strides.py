"""Fewer strides, for images that are smaller than those a network was published for."""

from __future__ import annotations

import math
from dataclasses import replace

from nas.blocks import BlockSettings
from nas.network.spec import NetworkSpec, Place

LEAST_SIDE = 3
"""Pixels a side that should remain after the stages: 96 pixels shrunk by 32 keep 3."""


def total_stride(network: NetworkSpec) -> int:
    """How many pixels of the image become one after the stages, along each side."""
    return math.prod(stride_of(block) for _, block in network.settings())


def last_side(network: NetworkSpec) -> int:
    """Pixels a side after the stages."""
    sides = [
        block.out_shape.height
        for place, block in network.placed_blocks
        if place.section in ("stem", "stages")
    ]
    return sides[-1] if sides else network.resolution


def with_fewer_strides(network: NetworkSpec, *, largest: int | None = None) -> NetworkSpec:
    """Halves the first strides of a network until it suits its resolution.

    This is how networks for ImageNet are usually adapted to images of 32 pixels. Weights keep their shapes.

    Args:
        network: The network.
        largest: The largest total stride; by default, ``LEAST_SIDE`` pixels a side remain.

    Raises:
        UserError: If a block does not fit its input.
    """
    while not _suits(network, largest):
        strided = [place for place, block in network.settings() if stride_of(block) > 1]
        if not strided:
            break
        network = _halved(network, strided[0])
    return network


def _suits(network: NetworkSpec, largest: int | None) -> bool:
    return last_side(network) >= LEAST_SIDE if largest is None else total_stride(network) <= largest


def stride_of(block: BlockSettings) -> int:
    """The stride of a block; 1 for kinds without one."""
    return int(block.to_dict().get("stride", 1))


def _halved(network: NetworkSpec, place: Place) -> NetworkSpec:
    def changed(blocks: tuple[BlockSettings, ...]) -> tuple[BlockSettings, ...]:
        block = blocks[place.index]
        new = replace(block, stride=stride_of(block) // 2)  # type: ignore[call-arg]
        return (*blocks[: place.index], new, *blocks[place.index + 1 :])

    if place.section == "stem":
        return replace(network, stem=changed(network.stem))
    if place.section == "head":
        return replace(network, head=changed(network.head))
    stages = list(network.stages)
    stages[place.stage] = changed(stages[place.stage])
    return replace(network, stages=tuple(stages))
