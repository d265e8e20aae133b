"""The PyTorch form of the selective scan, by chunks of matrix products (Dao and Gu 2024, section 6).

Cumulated decays are in float32, whatever the precision of the products: their differences are small numbers
between large ones.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nas.blocks.scan_ops import SelectiveScan
from nas.nn.layers import Undecayed, layer, runs

FAR = -1e4
"""The logarithm of the decay between pixels that must not see each other."""


class Rates(Undecayed):
    """The decay rates, step shifts and skips of a scan's heads, each (heads,).

    In the beginning, rates lie between 1 and 16, and steps between 0.001 and 0.1 (Gu and Dao 2023, "Mamba",
    section 3.6, in its published code).
    """

    def __init__(self, heads: int) -> None:
        super().__init__()
        steps = torch.logspace(-3, -1, heads)
        self.rate = nn.Parameter(torch.logspace(0, math.log10(16), heads).log())
        self.shift = nn.Parameter(steps + (-(-steps).expm1()).log())
        self.skip = nn.Parameter(torch.ones(heads))


@layer.register
def _(op: SelectiveScan) -> nn.Module:
    return Rates(op.heads)


@runs(SelectiveScan)
def _(op: SelectiveScan, weights: Any, x: Tensor, *others: Tensor) -> Tensor:
    parameters: tuple[Tensor, ...] = (weights.rate, weights.shift, weights.skip)
    rate, shift, skip = (each[: op.heads] for each in parameters)
    value, step, inputs, outputs = (each.permute(0, 2, 3, 1).flatten(1, 2) for each in (x, *others))
    steps = F.softplus(step.float() + shift) if x.dtype != torch.float64 else F.softplus(step + shift)
    y = _merged(op, scan(op, _split(op, value, op.head_dim), _split(op, steps, 1), rate, inputs, outputs))
    y = y + value * skip.repeat_interleave(op.head_dim).to(value.dtype)
    return y.reshape(len(x), *x.shape[2:], x.shape[1]).permute(0, 3, 1, 2)


def _split(op: SelectiveScan, x: Tensor, size: int) -> Tensor:
    """(N, L, heads · size) as (N, directions, L, heads / directions, size), backward heads reversed."""
    x = x.reshape(*x.shape[:2], -1, op.directions, size).permute(0, 3, 1, 2, 4)
    return _reversed(op, x)


def _reversed(op: SelectiveScan, x: Tensor) -> Tensor:
    """(N, directions, L, …) with the second direction reversed."""
    return x if op.directions == 1 else torch.stack([x[:, 0], x[:, 1].flip(1)], 1)


def _merged(op: SelectiveScan, x: Tensor) -> Tensor:
    """The inverse of ``_split``."""
    return _reversed(op, x).permute(0, 2, 3, 1, 4).flatten(2)


def _in_chunks(op: SelectiveScan, x: Tensor) -> Tensor:
    """(N, directions, L, groups, size) as (N, directions, chunks, groups, chunk, size), padded with zeros."""
    x = F.pad(x, (0, 0, 0, 0, 0, op.chunks * op.chunk - x.shape[2]))
    return x.reshape(*x.shape[:2], op.chunks, op.chunk, *x.shape[3:]).transpose(3, 4)


def scan(
    op: SelectiveScan, value: Tensor, steps: Tensor, rate: Tensor, inputs: Tensor, outputs: Tensor
) -> Tensor:
    """The recurrence without its skip.

    Args:
        op: The operation.
        value: (N, directions, L, heads / directions, head_dim).
        steps: Step sizes, (N, directions, L, heads / directions, 1), in at least float32.
        rate: Logarithms of the decay rates, (heads,).
        inputs: (N, L, states).
        outputs: (N, L, states).
    """
    pixels, dtype = value.shape[2], value.dtype
    inputs, outputs = (
        _in_chunks(op, _reversed(op, each[:, None, :, None].expand(-1, op.directions, -1, -1, -1)))
        for each in (inputs, outputs)
    )
    value, steps = _in_chunks(op, value), _in_chunks(op, steps)[..., 0]
    rates = rate.exp().reshape(-1, op.directions).T[:, None, :, None]
    total = (-rates * steps).cumsum(-1)
    weights = outputs @ inputs.transpose(-1, -2) * _decay(total, total, 1).to(dtype)
    y = weights * steps[..., None, :].to(dtype) @ value
    if op.chunks > 1:
        last = total[..., -1:]
        left = ((last - total).exp() * steps)[..., None].to(dtype) * value
        states = (inputs.transpose(-1, -2) @ left).transpose(2, 3)
        sums = last[..., 0].transpose(2, 3).cumsum(-1)
        carried = _decay(sums - last[..., 0].transpose(2, 3), sums, 0).to(dtype) @ states.flatten(4)
        before = carried.reshape(states.shape).transpose(2, 3)
        y = y + outputs @ before * total.exp()[..., None].to(dtype)
    return y.transpose(3, 4).flatten(2, 3)[:, :, :pixels]


def _decay(after: Tensor, before: Tensor, diagonal: int) -> Tensor:
    """exp(after_i - before_j) below the diagonal, from logarithms (…, n): (…, n, n)."""
    size = after.shape[-1]
    far = torch.full((size, size), FAR, device=after.device, dtype=after.dtype).triu(diagonal)
    return ((after[..., :, None] - before[..., None, :]).clamp(max=0) + far).exp()
