"""The PyTorch form of LeViT's operations, elastic in channels and in the size of the map."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nas.blocks.offset_ops import OffsetAttention, Subsample
from nas.nn.layers import crop, layer, runs
from nas.nn.token_layers import Table


@layer.register
def _(op: OffsetAttention) -> nn.Module:
    return Table(op.heads, op.side**2)


@runs(OffsetAttention)
def _(op: OffsetAttention, weights: Any, x: Tensor, *others: Tensor) -> Tensor:
    query, key, value = (
        each.permute(0, 2, 3, 1).reshape(len(x), -1, op.heads, each.shape[1] // op.heads).transpose(1, 2)
        for each in (x, *others)
    )
    table = crop(weights.weight, (op.heads, op.side**2))
    bias = table[:, _offsets(op, table.device).flatten()].reshape(1, op.heads, op.in_shape.pixels, -1)
    y = F.scaled_dot_product_attention(query, key, value, bias.to(query.dtype))
    shape = op.out_shape
    return y.transpose(1, 2).reshape(len(x), shape.height, shape.width, shape.channels).permute(0, 3, 1, 2)


@lru_cache(maxsize=256)
def _offsets(op: OffsetAttention, device: torch.device) -> Tensor:
    """``op.offsets`` on a device."""
    return torch.tensor(op.offsets, device=device)


@runs(Subsample)
def _(op: Subsample, weights: Any, x: Tensor, *others: Tensor) -> Tensor:
    return x[:, :, :: op.stride, :: op.stride]
