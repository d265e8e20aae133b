"""The two halves of a transformer's block, each with its norm and its shortcut (Vaswani et al. 2017, section
3.1; with the norm first: Xiong et al. 2020, "On Layer Normalization in the Transformer Architecture")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from nas.blocks.lowering import Lowering


@final
@dataclass(frozen=True, kw_only=True)
class Encoder:
    """What the halves of one block have in common.

    Attributes:
        epsilon: What the layer norms add to the variance.
        scale: Whether a learned factor per channel ends each half (Touvron et al. 2021, section 2.1).
    """

    epsilon: float
    scale: bool = False

    def attend(self, net: Lowering, x: int, channels: int, *, heads: int) -> int:
        """Appends norm, attention over all pixels and the sum with ``x``; returns the sum.

        Args:
            net: The block's operations.
            x: The input.
            channels: Channels of queries, keys and values, of all heads together.
            heads: Number of heads.
        """
        y = net.layer_norm(x, role="attention_norm", epsilon=self.epsilon)
        query, key, value = (net.linear(y, channels, role=role) for role in ("query", "key", "value"))
        y = net.attention(query, key, value, heads=heads)
        return self._end(net, x, net.linear(y, net.shape(x).channels, role="attended"), "attention_scale")

    def feed_forward(self, net: Lowering, x: int, expanded_channels: int, *, activation: str) -> int:
        """Appends norm, two matrix products around an activation and the sum with ``x``; returns the sum."""
        y = net.layer_norm(x, role="norm", epsilon=self.epsilon)
        y = net.activation(net.linear(y, expanded_channels, role="expand"), activation)
        return self._end(net, x, net.linear(y, net.shape(x).channels, role="project"), "scale")

    def _end(self, net: Lowering, x: int, y: int, role: str) -> int:
        return net.add(net.scale(y, role=role) if self.scale else y, x)
