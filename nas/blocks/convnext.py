"""The ConvNeXt block (Liu et al. 2022, "A ConvNet for the 2020s", figure 4), with the downsampling layer
between stages (section 2.6) as part of the block after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from nas.blocks.base import BlockSettings, BlockSpec, Rounding, register
from nas.blocks.lowering import Lowering
from nas.blocks.ops import INPUT, Op, Shape


@final
@dataclass(frozen=True, kw_only=True)
class ConvNeXtSpec(BlockSpec):
    """Depthwise, layer norm, expand (1×1), activation, project (1×1), layer scale, identity shortcut.

    If width or size changes, a layer norm and a convolution with a kernel of the stride come first.
    """

    KIND: ClassVar[str] = "convnext"

    out_channels: int
    expanded_channels: int
    kernel: int
    stride: int
    activation: str

    def lowering(self) -> tuple[Op, ...]:
        net = Lowering(self.in_shape)
        x = self._downsample(net)
        y = net.depthwise(x, role="depthwise", kernel=self.kernel, norm=False, bias=True)
        y = net.layer_norm(y, role="norm")
        y = net.conv(y, self.expanded_channels, role="expand", norm=False, bias=True)
        y = net.activation(y, self.activation)
        y = net.conv(y, self.out_channels, role="project", norm=False, bias=True)
        net.add(net.scale(y, role="scale"), x)
        return net.ops

    def _downsample(self, net: Lowering) -> int:
        if self.stride == 1 and self.out_channels == self.in_channels:
            return INPUT
        x = net.layer_norm(INPUT, role="downsample_norm")
        return net.conv(
            x,
            self.out_channels,
            role="downsample",
            kernel=self.stride,
            stride=self.stride,
            padding=0,
            norm=False,
            bias=True,
        )


@final
@register
@dataclass(frozen=True, kw_only=True)
class ConvNeXt(BlockSettings):
    """Settings of a ConvNeXt block.

    Attributes:
        width: Output channels before rounding.
        expand: Channels between the two 1×1 convolutions, as a multiple of the output's.
    """

    KIND: ClassVar[str] = "convnext"
    SPEC: ClassVar[type[BlockSpec]] = ConvNeXtSpec

    width: float
    stride: int = 1
    kernel: int = 7
    expand: float = 4.0
    activation: str = "gelu"

    def lower(self, shape: Shape, rounding: Rounding) -> ConvNeXtSpec:
        out = rounding.width(self.width)
        return ConvNeXtSpec(
            in_channels=shape.channels,
            in_height=shape.height,
            in_width=shape.width,
            out_channels=out,
            expanded_channels=rounding.expanded(out * self.expand),
            kernel=self.kernel,
            stride=self.stride,
            activation=self.activation,
        )
