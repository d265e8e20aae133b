"""Probes: chains of blocks that are run to measure the cost of a block *inside* a network.

A block timed alone includes the cost of entering and leaving the runtime: the call itself, and a change of
memory layout on either side. In a network it does not. A probe therefore runs the block between a pointwise
convolution that produces its input in the runtime's layout and one that reads a single pixel of its output.
The same two are run without the block, and the difference is the block's cost.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nas.blocks import BlockSpec, Shape
from nas.blocks.conv import ConvSpec
from nas.blocks.ops import Linear

_TAIL_CHANNELS = 16


@dataclass(frozen=True)
class Probe:
    """A chain of blocks that is run.

    Attributes:
        blocks: The whole chain.
        target: Keys of the blocks to measure, each as often as it occurs.
        context: The name of the rest of the chain, whose cost is equal in all probes with this name.
        usage: Mean occurrences in a typical network of the blocks whose cost depends on this probe.
    """

    blocks: tuple[BlockSpec, ...]
    target: tuple[str, ...]
    context: str
    usage: float = 1.0

    @property
    def id(self) -> str:
        """A short name that depends only on the content."""
        text = "|".join((*(block.key for block in self.blocks), *self.target))
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def plan_probes(
    blocks: Iterable[BlockSpec], *, input_channels: int, usage: Mapping[str, float] | None = None
) -> tuple[Probe, ...]:
    """The probes that determine the cost of every block in ``blocks``.

    Args:
        blocks: Distinct blocks.
        input_channels: Channels of the networks' input. A block with so many input channels reads the image.
        usage: Mean occurrences of each block in a network, by key, 1 by default. More usage gets more
            measuring time. A context's usage includes all blocks measured in it, since they share its error.
    """
    blocks, usage = tuple(blocks), usage or {}
    shapes: dict[Shape, float] = defaultdict(float)
    for block in blocks:
        shapes[block.in_shape] += usage.get(block.key, 1.0)
    bases = [
        Probe((*_before(shape, input_channels), _after(shape)), (), _name(shape), used)
        for shape, used in shapes.items()
    ]
    return (*bases, *(_around(block, input_channels, usage.get(block.key, 1.0)) for block in blocks))


def _around(block: BlockSpec, input_channels: int, usage: float) -> Probe:
    after = () if _gives_vector(block) else (_after(block.out_shape),)
    chain = (*_before(block.in_shape, input_channels), block, *after)
    return Probe(chain, (block.key,), _name(block.in_shape), usage)


def _name(shape: Shape) -> str:
    return f"{shape.channels}x{shape.height}x{shape.width}"


def _gives_vector(block: BlockSpec) -> bool:
    return any(isinstance(op, Linear) for op in block.ops)


def _before(shape: Shape, input_channels: int) -> tuple[BlockSpec, ...]:
    """A convolution from one channel to a feature map of ``shape``; none if the block reads the image."""
    return (
        () if shape.channels == input_channels else (_pointwise(Shape(1, *_size(shape)), shape.channels, 1),)
    )


def _after(shape: Shape) -> BlockSpec:
    """A convolution that reads one pixel, which costs almost nothing for any shape."""
    return _pointwise(shape, _TAIL_CHANNELS, max(_size(shape)))


def _size(shape: Shape) -> tuple[int, int]:
    return shape.height, shape.width


def _pointwise(shape: Shape, out_channels: int, stride: int) -> BlockSpec:
    return ConvSpec(
        in_channels=shape.channels,
        in_height=shape.height,
        in_width=shape.width,
        out_channels=out_channels,
        kernel=1,
        stride=stride,
        activation="identity",
    )
