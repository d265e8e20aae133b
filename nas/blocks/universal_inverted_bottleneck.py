"""The universal inverted bottleneck (Qin et al. 2024, "MobileNetV4", section 3).

Its two depthwise convolutions are optional. With the middle one alone it is an inverted residual, with the
first alone a ConvNeXt-like block, with both "ExtraDW", with none a feed-forward network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from nas.blocks.base import BlockSettings, BlockSpec, Rounding, register
from nas.blocks.lowering import Lowering
from nas.blocks.ops import INPUT, Op, Shape


@final
@dataclass(frozen=True, kw_only=True)
class UniversalInvertedBottleneckSpec(BlockSpec):
    """Depthwise, expand (1×1), depthwise, project (1×1); a depthwise kernel of 0 means that it is absent.

    The last depthwise convolution present has the stride; without any, the expansion has it.
    """

    KIND: ClassVar[str] = "universal_inverted_bottleneck"

    out_channels: int
    expanded_channels: int
    start_kernel: int
    middle_kernel: int
    stride: int
    activation: str
    shortcut: str

    def lowering(self) -> tuple[Op, ...]:
        net, x, stride = Lowering(self.in_shape), INPUT, self.stride
        start_stride = 1 if self.middle_kernel else stride
        expand_stride = 1 if self.middle_kernel or self.start_kernel else stride
        if self.start_kernel:
            x = net.depthwise(x, role="start", kernel=self.start_kernel, stride=start_stride)
        x = net.conv(x, self.expanded_channels, role="expand", stride=expand_stride)
        x = net.activation(x, self.activation)
        if self.middle_kernel:
            x = net.depthwise(x, role="middle", kernel=self.middle_kernel, stride=stride)
            x = net.activation(x, self.activation)
        x = net.conv(x, self.out_channels, role="project")
        if self.shortcut == "identity":
            net.add(x, INPUT)
        return net.ops


@final
@register
@dataclass(frozen=True, kw_only=True)
class UniversalInvertedBottleneck(BlockSettings):
    """Settings of a universal inverted bottleneck.

    Attributes:
        width: Output channels before rounding.
        start_kernel: Kernel of the depthwise convolution before the expansion; 0 for none.
        middle_kernel: Kernel of the depthwise convolution after the expansion; 0 for none.
        expand: Expanded channels as a multiple of the input's.
    """

    KIND: ClassVar[str] = "universal_inverted_bottleneck"
    SPEC: ClassVar[type[BlockSpec]] = UniversalInvertedBottleneckSpec

    width: float
    stride: int = 1
    start_kernel: int = 0
    middle_kernel: int = 3
    expand: float = 4.0
    activation: str = "relu"

    def lower(self, shape: Shape, rounding: Rounding) -> UniversalInvertedBottleneckSpec:
        out = rounding.width(self.width)
        return UniversalInvertedBottleneckSpec(
            in_channels=shape.channels,
            in_height=shape.height,
            in_width=shape.width,
            out_channels=out,
            expanded_channels=rounding.expanded(shape.channels * self.expand),
            start_kernel=self.start_kernel,
            middle_kernel=self.middle_kernel,
            stride=self.stride,
            activation=self.activation,
            shortcut="identity" if self.stride == 1 and out == shape.channels else "none",
        )
