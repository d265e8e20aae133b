"""The depthwise separable convolution (Howard et al. 2017, "MobileNets", section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from nas.blocks.base import BlockSettings, BlockSpec, Rounding, register
from nas.blocks.lowering import Lowering
from nas.blocks.ops import INPUT, Op, Shape


@final
@dataclass(frozen=True, kw_only=True)
class DepthwiseSeparableSpec(BlockSpec):
    """A depthwise and a pointwise convolution, each with BatchNorm and an activation."""

    KIND: ClassVar[str] = "depthwise_separable"

    out_channels: int
    kernel: int
    stride: int
    activation: str

    def lowering(self) -> tuple[Op, ...]:
        net = Lowering(self.in_shape)
        x = net.activation(
            net.depthwise(INPUT, role="depthwise", kernel=self.kernel, stride=self.stride), self.activation
        )
        net.activation(net.conv(x, self.out_channels, role="pointwise"), self.activation)
        return net.ops


@final
@register
@dataclass(frozen=True, kw_only=True)
class DepthwiseSeparable(BlockSettings):
    """Settings of a depthwise separable convolution; ``width`` is before rounding."""

    KIND: ClassVar[str] = "depthwise_separable"
    SPEC: ClassVar[type[BlockSpec]] = DepthwiseSeparableSpec

    width: float
    stride: int = 1
    kernel: int = 3
    activation: str = "relu"

    def lower(self, shape: Shape, rounding: Rounding) -> DepthwiseSeparableSpec:
        return DepthwiseSeparableSpec(
            in_channels=shape.channels,
            in_height=shape.height,
            in_width=shape.width,
            out_channels=rounding.width(self.width),
            kernel=self.kernel,
            stride=self.stride,
            activation=self.activation,
        )
