"""The gated convolutional block (Dauphin et al. 2017; as in Yu and Wang 2025, "MambaOut", figure 3): a Mamba
block without its state space, and so the control of every result of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from nas.blocks.base import BlockSettings, BlockSpec, Rounding, register
from nas.blocks.lowering import Lowering
from nas.blocks.ops import INPUT, Op, Shape
from nas.errors import UserError


@final
@dataclass(frozen=True, kw_only=True)
class GatedConvSpec(BlockSpec):
    """Layer norm; values, some of them through a depthwise convolution, times their gates; identity shortcut.

    Attributes:
        expanded_channels: Channels of the values, and of the gates.
        mixed_channels: The first of them, which go through the convolution.
        kernel: Its kernel.
        activation: The activation of the gates.
    """

    KIND: ClassVar[str] = "gated_conv"

    expanded_channels: int
    mixed_channels: int
    kernel: int
    activation: str

    def lowering(self) -> tuple[Op, ...]:
        net = Lowering(self.in_shape)
        y = net.layer_norm(INPUT, role="norm")
        gate = net.activation(net.linear(y, self.expanded_channels, role="gate"), self.activation)
        mixed = net.linear(y, self.mixed_channels, role="mixed")
        values = net.depthwise(mixed, role="depthwise", kernel=self.kernel, norm=False, bias=True)
        rest = self.expanded_channels - self.mixed_channels
        if rest:
            values = net.concat(values, net.linear(y, rest, role="rest"))
        y = net.product(gate, values)
        net.add(net.linear(y, self.in_channels, role="project"), INPUT)
        return net.ops


@final
@register
@dataclass(frozen=True, kw_only=True)
class GatedConv(BlockSettings):
    """Settings of a gated convolutional block. It has the width of its input.

    Attributes:
        expand: Channels of the values, as a multiple of the width.
        share: Channels that go through the convolution, as a share of the width.
        kernel: Its kernel.
        activation: The activation of the gates.
    """

    KIND: ClassVar[str] = "gated_conv"
    SPEC: ClassVar[type[BlockSpec]] = GatedConvSpec

    expand: float = 8 / 3
    share: float = 1.0
    kernel: int = 7
    activation: str = "gelu"

    def __post_init__(self) -> None:
        if not 0 < self.share <= self.expand:
            raise UserError(f"share is {self.share}; it lies above 0 and is at most expand, {self.expand:g}")

    def lower(self, shape: Shape, rounding: Rounding) -> GatedConvSpec:
        expanded = rounding.expanded(shape.channels * self.expand)
        return GatedConvSpec(
            in_channels=shape.channels,
            in_height=shape.height,
            in_width=shape.width,
            expanded_channels=expanded,
            mixed_channels=min(rounding.expanded(shape.channels * self.share), expanded),
            kernel=self.kernel,
            activation=self.activation,
        )
