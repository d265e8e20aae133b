"""Probes: chains of blocks that are run to measure the cost of a block *inside* a network.

A block timed alone includes the cost of entering and leaving the runtime: the call itself, and a change of
memory layout on either side. In a network it does not. A probe therefore runs the block between a pointwise
convolution that produces its input in the runtime's layout and a convolution that reads a corner of its
output. The same two are run without the block, and the difference is the block's cost. A block of a
transformer has neighbours whose values are tokens: matrix products take the place of the convolutions.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nas.blocks import BlockSpec, Shape
from nas.blocks.conv import ConvSpec
from nas.blocks.first_token import FirstTokenSpec
from nas.blocks.linear import LinearSpec
from nas.blocks.op_groups import TOKENS
from nas.blocks.ops import INPUT, Elementwise, Linear, Op

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
    contexts: dict[_Context, float] = defaultdict(float)
    for block in blocks:
        contexts[_Context.of(block)] += usage.get(block.key, 1.0)
    bases = [
        Probe((*_before(context, input_channels), *_after(context)), (), context.name, used)
        for context, used in contexts.items()
    ]
    return (*bases, *(_around(block, input_channels, usage.get(block.key, 1.0)) for block in blocks))


@dataclass(frozen=True)
class _Context:
    """A value between two blocks: its shape, and whether they exchange tokens, (N, H, W, C), or images."""

    shape: Shape
    tokens: bool

    @classmethod
    def of(cls, block: BlockSpec) -> _Context:
        """What a block reads: tokens if it begins with them and ends with them."""
        first = next((op for op in block.ops if INPUT in op.inputs), None)
        tokens = first is not None and _gives_tokens(first) and _leaves_tokens(block)
        return cls(block.in_shape, tokens)

    @property
    def name(self) -> str:
        name = f"{self.shape.channels}x{self.shape.height}x{self.shape.width}"
        return f"{name} tokens" if self.tokens else name


def _gives_tokens(op: Op) -> bool:
    """Whether an operation computes on tokens. Single pixels need no transposition to become tokens."""
    return isinstance(op, TOKENS) and op.in_shape.pixels > 1


def _leaves_tokens(block: BlockSpec) -> bool:
    """Whether a block's output is of tokens: an elementwise operation keeps the layout of its first input."""
    position = len(block.ops) - 1
    while position != INPUT and not _gives_tokens(block.ops[position]):
        op = block.ops[position]
        if not isinstance(op, Elementwise):
            return False
        position = op.inputs[0]
    return position != INPUT


def _around(block: BlockSpec, input_channels: int, usage: float) -> Probe:
    context = _Context.of(block)
    after = () if _gives_vector(block) else _after(_Context(block.out_shape, _leaves_tokens(block)))
    chain = (*_before(context, input_channels), block, *after)
    return Probe(chain, (block.key,), context.name, usage)


def _gives_vector(block: BlockSpec) -> bool:
    return block.out_shape.pixels == 1 and any(isinstance(op, Linear) for op in block.ops)


def _before(context: _Context, input_channels: int) -> tuple[BlockSpec, ...]:
    """A layer from one channel to the context's shape; none if the block reads the image."""
    shape = context.shape
    if shape.channels == input_channels:
        return ()
    one = Shape(1, *_size(shape))
    return (
        _matrix(one, shape.channels)
        if context.tokens
        else _convolution(one, shape.channels, kernel=1, stride=1),
    )


def _after(context: _Context) -> tuple[BlockSpec, ...]:
    """A layer that reads a corner of 3×3 pixels, or one token, which costs almost nothing for any shape.

    It reads more than one pixel, since OpenVINO moves the stride of a pointwise convolution into the
    convolutions before it: those would compute one pixel only.
    """
    shape = context.shape
    if not context.tokens:
        side = max(_size(shape))
        return (_convolution(shape, _TAIL_CHANNELS, kernel=3 if side > 1 else 1, stride=side),)
    first = FirstTokenSpec(in_channels=shape.channels, in_height=shape.height, in_width=shape.width)
    return first, _matrix(first.out_shape, _TAIL_CHANNELS)


def _matrix(shape: Shape, out_channels: int) -> BlockSpec:
    return LinearSpec(
        in_channels=shape.channels,
        in_height=shape.height,
        in_width=shape.width,
        out_channels=out_channels,
        bias=True,
        activation="identity",
    )


def _size(shape: Shape) -> tuple[int, int]:
    return shape.height, shape.width


def _convolution(shape: Shape, out_channels: int, *, kernel: int, stride: int) -> BlockSpec:
    return ConvSpec(
        in_channels=shape.channels,
        in_height=shape.height,
        in_width=shape.width,
        out_channels=out_channels,
        kernel=kernel,
        stride=stride,
        activation="identity",
    )
