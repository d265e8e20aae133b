"""The EfficientViT module (Cai et al. 2023, "EfficientViT: Multi-Scale Linear Attention for High-Resolution
Dense Prediction", figure 2): attention of linear cost, then an inverted residual."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from nas.blocks.base import BlockSettings, BlockSpec, Rounding, register
from nas.blocks.lowering import Lowering
from nas.blocks.ops import INPUT, Op, Shape

_KERNEL = 3


@final
@dataclass(frozen=True, kw_only=True)
class LinearAttentionSpec(BlockSpec):
    """Linear attention and an inverted residual, each with a norm at its end only and a shortcut.

    Queries, keys and values are convolutions without norm. A depthwise convolution, and a 1×1 convolution
    within each head, make those of a second, coarser scale.

    Attributes:
        attention_channels: Channels of queries, keys and values of one scale, of all heads together.
        head_dim: Channels of one head.
        scale_kernel: Kernel of the second scale; 0 for none.
        expanded_channels: Channels inside the inverted residual.
        activation: Its activation.
    """

    KIND: ClassVar[str] = "linear_attention"

    attention_channels: int
    head_dim: int
    scale_kernel: int
    expanded_channels: int
    activation: str

    def lowering(self) -> tuple[Op, ...]:
        net = Lowering(self.in_shape)
        x = self._local(net, self._attend(net))
        assert net.shape(x) == self.in_shape
        return net.ops

    def _attend(self, net: Lowering) -> int:
        heads = self.attention_channels // self.head_dim
        query, key, value = (self._scales(net, role) for role in ("query", "key", "value"))
        heads *= 2 if self.scale_kernel else 1
        y = net.linear_attention(query, key, value, heads=heads)
        return net.add(net.conv(y, self.in_channels, role="attended"), INPUT)

    def _scales(self, net: Lowering, role: str) -> int:
        """Queries, keys or values of one or two scales, with the heads of the first scale first."""
        x = net.conv(INPUT, self.attention_channels, role=role, norm=False)
        if not self.scale_kernel:
            return x
        heads = self.attention_channels // self.head_dim
        y = net.depthwise(x, role=f"{role}_scale", kernel=self.scale_kernel, norm=False)
        y = net.conv(y, self.attention_channels, role=f"{role}_mix", groups=heads, norm=False)
        return net.concat(x, y)

    def _local(self, net: Lowering, x: int) -> int:
        y = net.conv(x, self.expanded_channels, role="expand", norm=False, bias=True)
        y = net.activation(y, self.activation)
        y = net.depthwise(y, role="depthwise", kernel=_KERNEL, norm=False, bias=True)
        y = net.activation(y, self.activation)
        return net.add(net.conv(y, self.in_channels, role="project"), x)


@final
@register
@dataclass(frozen=True, kw_only=True)
class LinearAttention(BlockSettings):
    """Settings of an EfficientViT module. It has the width of its input.

    Attributes:
        head_dim: Channels of one head; as many heads as fit into the width.
        scale_kernel: Kernel of the second scale; 0 for none.
        expand: Channels inside the inverted residual, as a multiple of the width.
        activation: Its activation.
    """

    KIND: ClassVar[str] = "linear_attention"
    SPEC: ClassVar[type[BlockSpec]] = LinearAttentionSpec

    head_dim: int = 16
    scale_kernel: int = 5
    expand: float = 4.0
    activation: str = "hard_swish"

    def lower(self, shape: Shape, rounding: Rounding) -> LinearAttentionSpec:
        return LinearAttentionSpec(
            in_channels=shape.channels,
            in_height=shape.height,
            in_width=shape.width,
            attention_channels=max(1, shape.channels // self.head_dim) * self.head_dim,
            head_dim=self.head_dim,
            scale_kernel=self.scale_kernel,
            expanded_channels=rounding.expanded(shape.channels * self.expand),
            activation=self.activation,
        )
