"""The selective scan by chunks against the recurrence, step by step in double precision."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from nas.blocks import Shape
from nas.blocks.scan_ops import SelectiveScan
from nas.errors import UserError
from nas.nn.layers import layer, run
from nas.nn.scan_layers import Rates

SIDE, PIXELS = 6, 36


def operation(*, chunk: int = 10, directions: int = 2, heads: int = 4) -> SelectiveScan:
    return SelectiveScan(
        in_shape=Shape(24, SIDE, SIDE),
        inputs=(0, 1, 2, 3),
        role="scan",
        heads=heads,
        states=5,
        chunk=chunk,
        directions=directions,
    )


def drawn(op: SelectiveScan, *, seed: int = 0) -> list[Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return [torch.randn(2, shape.channels, SIDE, SIDE, generator=rng) for shape in op.shapes]


def rates(op: SelectiveScan) -> Rates:
    weights = layer(op)
    assert isinstance(weights, Rates)
    return weights


@torch.no_grad()
def recurrence(op: SelectiveScan, weights: Rates, values: list[Tensor]) -> Tensor:
    """The definition, one pixel after the other."""
    value, step, inputs, outputs = (each.double().flatten(2) for each in values)
    y, size = torch.zeros_like(value), op.head_dim
    for head in range(op.heads):
        own = slice(head * size, (head + 1) * size)
        steps = F.softplus(step[:, head] + weights.shift[head].double())
        decays = torch.exp(-weights.rate[head].double().exp() * steps)
        state = torch.zeros(len(value), op.states, size, dtype=torch.float64)
        backward = op.directions == 2 and head % 2 == 1
        for t in reversed(range(PIXELS)) if backward else range(PIXELS):
            added = steps[:, t, None, None] * inputs[:, :, t, None] * value[:, None, own, t]
            state = decays[:, t, None, None] * state + added
            y[:, own, t] = (outputs[:, :, t, None] * state).sum(1) + weights.skip[head] * value[:, own, t]
    return y.reshape(values[0].shape)


def error(found: Tensor, exact: Tensor) -> float:
    return float((found.detach().double() - exact).abs().max() / exact.abs().max())


@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("chunk", [1, 5, 9, 36])
def test_chunks_give_the_recurrence_and_cost_what_is_stated(chunk: int, directions: int) -> None:
    op = operation(chunk=chunk, directions=directions)
    weights, values = rates(op), drawn(op)
    with FlopCounterMode(display=False) as counter:
        found = run(op, weights, *values)
    assert error(found, recurrence(op, weights, values)) < 1e-5
    assert counter.get_total_flops() == 2 * 2 * op.macs


@pytest.mark.parametrize(("dtype", "largest"), [(torch.float16, 1e-3), (torch.bfloat16, 1e-2)])
def test_half_precision_keeps_its_decays_in_float32(dtype: torch.dtype, largest: float) -> None:
    op = operation()
    weights, values = rates(op), [value.to(dtype) for value in drawn(op)]
    found = run(op, weights, *values)
    assert found.dtype == dtype
    assert error(found, recurrence(op, weights, values)) < largest


def test_extreme_steps_give_finite_values_and_gradients() -> None:
    op = operation()
    weights = rates(op)
    values = [value.requires_grad_() for value in drawn(op)]
    huge = [values[0], values[1] * 1e3, *values[2:]]
    found = run(op, weights, *huge)
    found.square().sum().backward()
    assert found.isfinite().all()
    assert all(tensor.grad is not None and tensor.grad.isfinite().all() for tensor in (*values, weights.rate))


def test_a_backward_head_sees_later_pixels_only() -> None:
    op = operation(heads=2)
    weights, values = rates(op), drawn(op)
    with torch.no_grad():
        weights.rate.fill_(-3.0)  # so slow that a pixel shows to the end
    changed = [value.clone() for value in values]
    changed[0].flatten(2)[:, :, 20] += 1.0
    difference = (run(op, weights, *changed) - run(op, weights, *values)).flatten(2).abs() > 1e-6
    forward, backward = difference[:, :12].flatten(0, 1).any(0), difference[:, 12:].flatten(0, 1).any(0)
    assert forward.nonzero().flatten().tolist() == list(range(20, PIXELS))
    assert backward.nonzero().flatten().tolist() == list(range(21))


def test_fewer_heads_are_the_first_ones() -> None:
    large, small = (
        operation(),
        SelectiveScan(
            in_shape=Shape(12, SIDE, SIDE), inputs=(0, 1, 2, 3), role="scan", heads=2, states=5, chunk=10
        ),
    )
    weights, values = rates(large), drawn(large)
    part = [values[0][:, :12], values[1][:, :2], *values[2:]]
    assert torch.allclose(run(small, weights, *part), run(large, weights, *values)[:, :12], atol=1e-5)


@pytest.mark.parametrize("heads", [0, 3, 5])
def test_heads_that_fit_neither_channels_nor_directions_are_refused(heads: int) -> None:
    with pytest.raises(UserError, match=f"a scan of 24 channels in 2 directions cannot have {heads} heads"):
        operation(heads=heads)
