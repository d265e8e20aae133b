"""The basic residual block of two 3×3 convolutions (He et al. 2016, "Deep Residual Learning", figure 5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from nas.blocks.base import BlockSettings, BlockSpec, Rounding, register
from nas.blocks.lowering import Lowering
from nas.blocks.ops import INPUT, Op, Shape
from nas.blocks.shortcuts import add_shortcut, check_shortcut, choose_shortcut


@final
@dataclass(frozen=True, kw_only=True)
class ResidualBasicSpec(BlockSpec):
    """Two convolutions, the first with the stride, a shortcut, and an activation after the sum."""

    KIND: ClassVar[str] = "residual_basic"

    out_channels: int
    kernel: int
    stride: int
    activation: str
    shortcut: str

    def lowering(self) -> tuple[Op, ...]:
        net = Lowering(self.in_shape)
        x = net.conv(INPUT, self.out_channels, role="first", kernel=self.kernel, stride=self.stride)
        x = net.activation(x, self.activation)
        x = net.conv(x, self.out_channels, role="second", kernel=self.kernel)
        net.activation(add_shortcut(net, x, shortcut=self.shortcut, stride=self.stride), self.activation)
        return net.ops


@final
@register
@dataclass(frozen=True, kw_only=True)
class ResidualBasic(BlockSettings):
    """Settings of a basic residual block.

    Attributes:
        width: Output channels of both convolutions before rounding.
        shortcut: Replacement of an identity that does not fit: one of ``SHORTCUTS``.
    """

    KIND: ClassVar[str] = "residual_basic"
    SPEC: ClassVar[type[BlockSpec]] = ResidualBasicSpec

    width: float
    stride: int = 1
    kernel: int = 3
    activation: str = "relu"
    shortcut: str = "projection"

    def __post_init__(self) -> None:
        check_shortcut(self.shortcut)

    def lower(self, shape: Shape, rounding: Rounding) -> ResidualBasicSpec:
        out = rounding.width(self.width)
        return ResidualBasicSpec(
            in_channels=shape.channels,
            in_height=shape.height,
            in_width=shape.width,
            out_channels=out,
            kernel=self.kernel,
            stride=self.stride,
            activation=self.activation,
            shortcut=choose_shortcut(shape, out, self.stride, self.shortcut),
        )
