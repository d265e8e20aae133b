"""A plain convolution with BatchNorm and an activation: stems, heads, and VGG-like stages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from nas.blocks.base import BlockSettings, BlockSpec, Rounding, register
from nas.blocks.lowering import Lowering
from nas.blocks.ops import INPUT, Op, Shape


@final
@dataclass(frozen=True, kw_only=True)
class ConvSpec(BlockSpec):
    """A convolution, BatchNorm and an activation."""

    KIND: ClassVar[str] = "conv"

    out_channels: int
    kernel: int
    stride: int
    activation: str

    def lowering(self) -> tuple[Op, ...]:
        net = Lowering(self.in_shape)
        net.activation(
            net.conv(INPUT, self.out_channels, role="conv", kernel=self.kernel, stride=self.stride),
            self.activation,
        )
        return net.ops


@final
@register
@dataclass(frozen=True, kw_only=True)
class Conv(BlockSettings):
    """Settings of a plain convolution; ``width`` is the number of output channels before rounding."""

    KIND: ClassVar[str] = "conv"
    SPEC: ClassVar[type[BlockSpec]] = ConvSpec

    width: float
    stride: int = 1
    kernel: int = 3
    activation: str = "relu"

    def lower(self, shape: Shape, rounding: Rounding) -> ConvSpec:
        return ConvSpec(
            in_channels=shape.channels,
            in_height=shape.height,
            in_width=shape.width,
            out_channels=rounding.width(self.width),
            kernel=self.kernel,
            stride=self.stride,
            activation=self.activation,
        )
