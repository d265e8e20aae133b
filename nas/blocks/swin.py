"""Two blocks of a Swin transformer, one with plain and one with shifted windows (Liu et al. 2021, "Swin
Transformer", figure 3b), with the patch merging between stages as part of the pair after it.

A stage of pairs cannot lose the alternation; all published depths are even."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from nas.blocks.base import BlockSettings, BlockSpec, Rounding, register
from nas.blocks.lowering import Lowering
from nas.blocks.ops import INPUT, Op, Shape
from nas.blocks.transformer import Encoder

_EPSILON = 1e-5


@final
@dataclass(frozen=True, kw_only=True)
class SwinSpec(BlockSpec):
    """Attention within windows and a feed-forward network, twice; the second time the windows are shifted.

    If width or size changes, squares of pixels become channels, and a layer norm and a matrix product follow.

    Attributes:
        out_channels: Channels of the output.
        attention_channels: Channels of queries, keys and values, of all heads together.
        head_dim: Channels of one head.
        expanded_channels: Channels inside the feed-forward networks.
        window: Side of a window.
        stride: Side of the squares of pixels that are merged.
        activation: The activation of the feed-forward networks.
    """

    KIND: ClassVar[str] = "swin"

    out_channels: int
    attention_channels: int
    head_dim: int
    expanded_channels: int
    window: int
    stride: int
    activation: str

    def lowering(self) -> tuple[Op, ...]:
        net = Lowering(self.in_shape)
        x = self._merge(net)
        for shifts in (False, True):
            encoder = Encoder(epsilon=_EPSILON, prefix="shifted_" if shifts else "")
            x = encoder.attend(
                net,
                x,
                self.attention_channels,
                heads=self.attention_channels // self.head_dim,
                window=self.window,
                shifts=shifts,
            )
            x = encoder.feed_forward(net, x, self.expanded_channels, activation=self.activation)
        return net.ops

    def _merge(self, net: Lowering) -> int:
        if self.stride == 1 and self.out_channels == self.in_channels:
            return INPUT
        x = INPUT
        if self.stride > 1:
            height, width = (
                -(-size // self.stride) * self.stride for size in (self.in_height, self.in_width)
            )
            x = net.space_to_depth(net.resize(x, height, width), self.stride)
        x = net.layer_norm(x, role=f"merge{self.stride}_norm", epsilon=_EPSILON)
        return net.linear(x, self.out_channels, role=f"merge{self.stride}", bias=False)


@final
@register
@dataclass(frozen=True, kw_only=True)
class Swin(BlockSettings):
    """Settings of a pair of Swin blocks.

    Attributes:
        width: Output channels before rounding.
        stride: Side of the squares of pixels that are merged.
        head_dim: Channels of one head; as many heads as fit into the width.
        window: Side of a window.
        expand: Channels inside the feed-forward networks, as a multiple of the output's.
        activation: Their activation.
    """

    KIND: ClassVar[str] = "swin"
    SPEC: ClassVar[type[BlockSpec]] = SwinSpec

    width: float
    stride: int = 1
    head_dim: int = 32
    window: int = 7
    expand: float = 4.0
    activation: str = "gelu"

    def lower(self, shape: Shape, rounding: Rounding) -> SwinSpec:
        out = rounding.width(self.width)
        return SwinSpec(
            in_channels=shape.channels,
            in_height=shape.height,
            in_width=shape.width,
            out_channels=out,
            attention_channels=max(1, out // self.head_dim) * self.head_dim,
            head_dim=self.head_dim,
            expanded_channels=rounding.expanded(out * self.expand),
            window=self.window,
            stride=self.stride,
            activation=self.activation,
        )
