"""The fused inverted residual block (Tan and Le 2021, "EfficientNetV2", section 3.2): one ordinary
convolution in place of the expansion and the depthwise convolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from nas.blocks.base import BlockSettings, BlockSpec, Rounding, register
from nas.blocks.lowering import Lowering
from nas.blocks.ops import INPUT, Op, Shape


@final
@dataclass(frozen=True, kw_only=True)
class FusedInvertedResidualSpec(BlockSpec):
    """Expand (K×K), project (1×1).

    A single K×K convolution if ``expanded_channels`` equals ``in_channels``.
    """

    KIND: ClassVar[str] = "fused_inverted_residual"

    out_channels: int
    expanded_channels: int
    kernel: int
    stride: int
    activation: str
    shortcut: str

    def lowering(self) -> tuple[Op, ...]:
        net = Lowering(self.in_shape)
        if self.expanded_channels == self.in_channels:
            x = net.conv(INPUT, self.out_channels, role="single", kernel=self.kernel, stride=self.stride)
            x = net.activation(x, self.activation)
        else:
            x = net.conv(INPUT, self.expanded_channels, role="expand", kernel=self.kernel, stride=self.stride)
            x = net.conv(net.activation(x, self.activation), self.out_channels, role="project")
        if self.shortcut == "identity":
            net.add(x, INPUT)
        return net.ops


@final
@register
@dataclass(frozen=True, kw_only=True)
class FusedInvertedResidual(BlockSettings):
    """Settings of a fused inverted residual block.

    Attributes:
        width: Output channels before rounding.
        expand: Expanded channels as a multiple of the input's; at 1 there is no projection.
    """

    KIND: ClassVar[str] = "fused_inverted_residual"
    SPEC: ClassVar[type[BlockSpec]] = FusedInvertedResidualSpec

    width: float
    stride: int = 1
    kernel: int = 3
    expand: float = 4.0
    activation: str = "silu"

    def lower(self, shape: Shape, rounding: Rounding) -> FusedInvertedResidualSpec:
        out = rounding.width(self.width)
        return FusedInvertedResidualSpec(
            in_channels=shape.channels,
            in_height=shape.height,
            in_width=shape.width,
            out_channels=out,
            expanded_channels=shape.channels
            if self.expand == 1
            else rounding.expanded(shape.channels * self.expand),
            kernel=self.kernel,
            stride=self.stride,
            activation=self.activation,
            shortcut="identity" if self.stride == 1 and out == shape.channels else "none",
        )
