"""The bottleneck residual block (He et al. 2016, "Deep Residual Learning", figure 5), with the stride in its
3×3 convolution, as in torchvision and Once-for-All."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from nas.blocks.base import BlockSettings, BlockSpec, Rounding, register
from nas.blocks.lowering import Lowering
from nas.blocks.ops import INPUT, Op, Shape
from nas.blocks.shortcuts import add_shortcut, check_shortcut, choose_shortcut


@final
@dataclass(frozen=True, kw_only=True)
class ResidualBottleneckSpec(BlockSpec):
    """Reduce (1×1), convolve, restore (1×1), a shortcut, and an activation after the sum."""

    KIND: ClassVar[str] = "residual_bottleneck"

    out_channels: int
    expanded_channels: int
    kernel: int
    stride: int
    activation: str
    shortcut: str

    def lowering(self) -> tuple[Op, ...]:
        net = Lowering(self.in_shape)
        x = net.activation(net.conv(INPUT, self.expanded_channels, role="reduce"), self.activation)
        x = net.conv(x, self.expanded_channels, role="spatial", kernel=self.kernel, stride=self.stride)
        x = net.conv(net.activation(x, self.activation), self.out_channels, role="restore")
        net.activation(add_shortcut(net, x, shortcut=self.shortcut, stride=self.stride), self.activation)
        return net.ops


@final
@register
@dataclass(frozen=True, kw_only=True)
class ResidualBottleneck(BlockSettings):
    """Settings of a bottleneck residual block.

    Attributes:
        width: Output channels before rounding.
        expand: Channels of the bottleneck as a share of the block's *output* (Once-for-All: 0.2, 0.25, 0.35).
        shortcut: Replacement of an identity that does not fit: one of ``SHORTCUTS``.
    """

    KIND: ClassVar[str] = "residual_bottleneck"
    SPEC: ClassVar[type[BlockSpec]] = ResidualBottleneckSpec

    width: float
    stride: int = 1
    kernel: int = 3
    expand: float = 0.25
    activation: str = "relu"
    shortcut: str = "projection"

    def __post_init__(self) -> None:
        check_shortcut(self.shortcut)

    def lower(self, shape: Shape, rounding: Rounding) -> ResidualBottleneckSpec:
        out = rounding.width(self.width)
        return ResidualBottleneckSpec(
            in_channels=shape.channels,
            in_height=shape.height,
            in_width=shape.width,
            out_channels=out,
            expanded_channels=rounding.expanded(out * self.expand),
            kernel=self.kernel,
            stride=self.stride,
            activation=self.activation,
            shortcut=choose_shortcut(shape, out, self.stride, self.shortcut),
        )
