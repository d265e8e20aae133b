"""The two halves of a transformer's block, each with its norm and its shortcut (Vaswani et al. 2017, section
3.1; with the norm first: Xiong et al. 2020, "On Layer Normalization in the Transformer Architecture")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from nas.blocks.lowering import Lowering
from nas.blocks.token_ops import Grid


@final
@dataclass(frozen=True, kw_only=True)
class Encoder:
    """What the halves of one block have in common.

    Attributes:
        epsilon: What the layer norms add to the variance.
        scale: Whether a learned factor per channel ends each half (Touvron et al. 2021, section 2.1).
        prefix: The beginning of the roles, where a block has several pairs of halves.
    """

    epsilon: float
    scale: bool = False
    prefix: str = ""

    def attend(
        self, net: Lowering, x: int, channels: int, *, heads: int, window: int = 0, shifts: bool = False
    ) -> int:
        """Appends norm, attention and the sum with ``x``; returns the sum.

        Args:
            net: The block's operations.
            x: The input.
            channels: Channels of queries, keys and values, of all heads together.
            heads: Number of heads.
            window: Side of the windows; 0 for attention over all pixels. Where windows do not tile the map,
                it is padded with zeros (Liu et al. 2021, section 3.2, in its published code).
            shifts: Whether the windows are shifted by half their side. A single window is not.
        """
        shape = net.shape(x)
        y = net.layer_norm(x, role=self._role("attention_norm"), epsilon=self.epsilon)
        grid = None
        if window:
            height, width = (-(-size // window) * window for size in (shape.height, shape.width))
            shift = window // 2 if shifts and max(height, width) > window else 0
            grid = Grid(height=height, width=width, side=window, shift=shift)
            y = net.windows(net.resize(y, height, width), grid)
        query, key, value = (
            net.linear(y, channels, role=self._role(role)) for role in ("query", "key", "value")
        )
        bias = self._role("position_bias") if grid else ""
        y = net.attention(query, key, value, heads=heads, grid=grid, role=bias)
        y = net.linear(y, shape.channels, role=self._role("attended"))
        if grid:
            y = net.resize(net.unwindows(y, grid), shape.height, shape.width)
        return self._end(net, x, y, "attention_scale")

    def feed_forward(self, net: Lowering, x: int, expanded_channels: int, *, activation: str) -> int:
        """Appends norm, two matrix products around an activation and the sum with ``x``; returns the sum."""
        y = net.layer_norm(x, role=self._role("norm"), epsilon=self.epsilon)
        y = net.activation(net.linear(y, expanded_channels, role=self._role("expand")), activation)
        return self._end(net, x, net.linear(y, net.shape(x).channels, role=self._role("project")), "scale")

    def _end(self, net: Lowering, x: int, y: int, role: str) -> int:
        return net.add(net.scale(y, role=self._role(role)) if self.scale else y, x)

    def _role(self, role: str) -> str:
        return f"{self.prefix}{role}"
