"""The PyTorch form of the operations of transformers, elastic in channels.

Values are (N, C, H, W) at every boundary, often as a permuted view of (N, H, W, C): a chain of matrix
products and norms moves nothing between them.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nas.blocks import token_ops
from nas.blocks.token_ops import EPSILON, MASKED
from nas.nn.layers import Undecayed, crop, layer, runs

_STD = 0.02
"""The deviation of tables and tokens in the beginning (Touvron et al. 2021, "DeiT", published code)."""


class Table(Undecayed):
    """A learned table of positions, (C, H, W), token, (C,), or bias by head and offset, (heads, 1, O, O).

    The offset of a pixel from itself is in the middle, where ``crop`` leaves it for smaller windows.
    """

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


@layer.register
def _(op: token_ops.Attention) -> nn.Module | None:
    if op.grid is None:
        return None
    return Table(op.heads, 1, 2 * op.grid.side - 1, 2 * op.grid.side - 1)


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
    query, key, value = (_in_heads(each, op) for each in (x, *others))
    bias = None if op.grid is None else _bias(weights.weight, op, images=len(x)).to(query.dtype)
    y = F.scaled_dot_product_attention(query, key, value, bias)
    shape = op.out_shape
    return y.transpose(1, 2).reshape(len(x), shape.height, shape.width, shape.channels).permute(0, 3, 1, 2)


def _in_heads(x: Tensor, op: token_ops.Attention) -> Tensor:
    """(N, C, H, W) as (N · sequences, heads, pixels, C / heads): fused kernels take four axes."""
    return x.permute(0, 2, 3, 1).reshape(-1, op.length, op.heads, x.shape[1] // op.heads).transpose(1, 2)


def _bias(table: Tensor, op: token_ops.Attention, *, images: int) -> Tensor:
    """What is added to the scores, (1 or N · windows, heads, pixels, pixels)."""
    grid = op.grid
    assert grid is not None
    table = crop(table, (op.heads, 1, 2 * grid.side - 1, 2 * grid.side - 1)).flatten(1)
    offsets, regions = _geometry(grid, table.device)
    bias = table[:, offsets.flatten()].reshape(1, op.heads, op.length, op.length)
    if not grid.shift:
        return bias
    apart = (regions[:, None, :, None] != regions[:, None, None, :]) * MASKED
    return (bias + apart).repeat(images, 1, 1, 1)


@lru_cache(maxsize=256)
def _geometry(grid: token_ops.Grid, device: torch.device) -> tuple[Tensor, Tensor]:
    """``grid.offsets`` and ``grid.regions`` on a device."""
    return torch.tensor(grid.offsets, device=device), torch.tensor(grid.regions, device=device)


@runs(token_ops.Windows)
def _(op: token_ops.Windows, weights: Any, x: Tensor, *others: Tensor) -> Tensor:
    grid, side, x = op.grid, op.grid.side, x.permute(0, 2, 3, 1)
    x = x.roll((-grid.shift, -grid.shift), (1, 2)) if grid.shift else x
    x = x.reshape(len(x), grid.height // side, side, grid.width // side, side, x.shape[3]).transpose(2, 3)
    return x.reshape(len(x), grid.count, side**2, x.shape[5]).permute(0, 3, 1, 2)


@runs(token_ops.Unwindows)
def _(op: token_ops.Unwindows, weights: Any, x: Tensor, *others: Tensor) -> Tensor:
    grid, side, x = op.grid, op.grid.side, x.permute(0, 2, 3, 1)
    x = x.reshape(len(x), grid.height // side, grid.width // side, side, side, x.shape[3]).transpose(2, 3)
    x = x.reshape(len(x), grid.height, grid.width, x.shape[5])
    x = x.roll((grid.shift, grid.shift), (1, 2)) if grid.shift else x
    return x.permute(0, 3, 1, 2)


@runs(token_ops.Resize)
def _(op: token_ops.Resize, weights: Any, x: Tensor, *others: Tensor) -> Tensor:
    return F.pad(x, (0, op.width - x.shape[3], 0, op.height - x.shape[2]))


@runs(token_ops.SpaceToDepth)
def _(op: token_ops.SpaceToDepth, weights: Any, x: Tensor, *others: Tensor) -> Tensor:
    return F.pixel_unshuffle(x, op.side)


@runs(token_ops.LinearAttention)
def _(op: token_ops.LinearAttention, weights: Any, x: Tensor, *others: Tensor) -> Tensor:
    """The sums over all pixels are in float32 or more: half precision overflows."""
    with _no_autocast(x):
        query, key, value = (
            each.flatten(2).reshape(len(x), op.heads, op.head_dim, -1).to(_at_least_float32(x))
            for each in (x, *others)
        )
        value = F.pad(value, (0, 0, 0, 1), value=1.0)  # one more channel gives the denominator
        y = value @ F.relu(key).transpose(2, 3) @ F.relu(query)
        y = y[:, :, :-1] / (y[:, :, -1:] + EPSILON)
    return y.reshape(x.shape).to(x.dtype)


def _no_autocast(x: Tensor) -> AbstractContextManager[object]:
    """A context of full precision; tensors without values know no other."""
    return nullcontext() if x.is_meta else torch.autocast(x.device.type, enabled=False)


def _at_least_float32(x: Tensor) -> torch.dtype:
    return torch.promote_types(x.dtype, torch.float32)


@runs(token_ops.Concat)
def _(op: token_ops.Concat, weights: Any, x: Tensor, *others: Tensor) -> Tensor:
    return torch.cat([x, *others], 1)


@runs(token_ops.Product)
def _(op: token_ops.Product, weights: Any, x: Tensor, *others: Tensor) -> Tensor:
    return x * others[0]
