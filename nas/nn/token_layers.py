"""The PyTorch form of the operations of transformers, elastic in channels.

Values are (N, C, H, W) at every boundary, often as a permuted view of (N, H, W, C): a chain of matrix
products and norms moves nothing between them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nas.blocks import token_ops
from nas.nn.layers import Undecayed, crop, layer, runs

_STD = 0.02
"""The deviation of tables and tokens in the beginning (Touvron et al. 2021, "DeiT", published code)."""


class Table(Undecayed):
    """A learned table of positions, (C, H, W), or a learned token, (C,)."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(shape))
        draw_truncated(self.weight)


def draw_truncated(weight: Tensor) -> None:
    """Fills a weight with small values. A weight without values stays: PyTorch would load its compiler."""
    if not weight.is_meta:
        nn.init.trunc_normal_(weight, std=_STD)


@layer.register
def _(op: token_ops.Position) -> nn.Module:
    return Table(op.in_shape.channels, op.in_shape.height, op.in_shape.width)


@layer.register
def _(op: token_ops.Prepend) -> nn.Module:
    return Table(op.in_shape.channels)


@runs(token_ops.Position)
def _(op: token_ops.Position, weights: Any, x: Tensor, *others: Tensor) -> Tensor:
    return x + crop(weights.weight, x.shape[1:])


@runs(token_ops.Prepend)
def _(op: token_ops.Prepend, weights: Any, x: Tensor, *others: Tensor) -> Tensor:
    token = crop(weights.weight, x.shape[1:2]).expand(len(x), 1, -1)
    return torch.cat([token, x.flatten(2).transpose(1, 2)], 1).transpose(1, 2)[..., None]


@runs(token_ops.First)
def _(op: token_ops.First, weights: Any, x: Tensor, *others: Tensor) -> Tensor:
    return x[:, :, :1, :1]


@runs(token_ops.Attention)
def _(op: token_ops.Attention, weights: Any, x: Tensor, *others: Tensor) -> Tensor:
    query, key, value = (_in_heads(each, op.heads) for each in (x, *others))
    y = F.scaled_dot_product_attention(query, key, value)
    shape = op.out_shape
    return y.transpose(1, 2).reshape(len(x), shape.height, shape.width, shape.channels).permute(0, 3, 1, 2)


def _in_heads(x: Tensor, heads: int) -> Tensor:
    """(N, C, H, W) as (N, heads, H·W, C / heads)."""
    return x.permute(0, 2, 3, 1).reshape(len(x), -1, heads, x.shape[1] // heads).transpose(1, 2)
