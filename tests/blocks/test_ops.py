"""Costs of primitive operations, and their shapes against PyTorch's."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from nas.blocks.lowering import Lowering
from nas.blocks.offset_ops import OffsetAttention, Subsample
from nas.blocks.ops import (
    INPUT,
    Activation,
    Add,
    BatchNorm,
    Conv2d,
    GlobalAveragePool,
    LayerNorm,
    Linear,
    Multiply,
    Op,
    Pool,
    Scale,
    Shape,
)
from nas.blocks.token_ops import (
    Attention,
    Concat,
    First,
    Grid,
    LinearAttention,
    Position,
    Prepend,
    Product,
    Resize,
    SpaceToDepth,
    Windows,
)
from nas.errors import UserError

SHAPE = Shape(8, 7, 5)


@pytest.mark.parametrize("size", [1, 2, 5, 7, 8])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding"), [(3, 1, None), (3, 2, None), (1, 2, None), (2, 2, 0), (7, 2, None)]
)
def test_a_convolution_s_shape_is_pytorch_s(size: int, kernel: int, stride: int, padding: int | None) -> None:
    op = Conv2d(
        in_shape=Shape(2, size, size), role="c", out_channels=4, kernel=kernel, stride=stride, padding=padding
    )
    if size + 2 * op.pad < kernel:
        assert op.out_shape.height < 1
        return
    out = F.conv2d(
        torch.zeros(1, 2, size, size), torch.zeros(4, 2, kernel, kernel), stride=stride, padding=op.pad
    )
    assert op.out_shape == Shape(*out.shape[1:])


@pytest.mark.parametrize("size", [2, 3, 7, 8])
@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize(
    ("mode", "kernel", "stride", "padding"), [("max", 3, 2, 1), ("average", 2, 2, 0), ("max", 3, 1, 1)]
)
def test_a_pool_s_shape_is_pytorch_s(
    size: int, ceil: bool, mode: str, kernel: int, stride: int, padding: int
) -> None:
    op = Pool(
        in_shape=Shape(2, size, size), mode=mode, kernel=kernel, stride=stride, padding=padding, ceil=ceil
    )
    pool = F.max_pool2d if mode == "max" else F.avg_pool2d
    out = pool(torch.zeros(1, 2, size, size), kernel, stride, padding, ceil_mode=ceil)
    assert op.out_shape == Shape(*out.shape[1:])


@pytest.mark.parametrize(
    ("op", "macs", "params", "moved"),
    [
        (Conv2d(in_shape=SHAPE, role="c", out_channels=4, kernel=1), 4 * 8 * 35, 32 + 8, 280 + 140 + 36),
        (
            Conv2d(in_shape=SHAPE, role="c", out_channels=4, kernel=1, norm=False, bias=True),
            4 * 8 * 35,
            36,
            280 + 140 + 36,
        ),
        (
            Conv2d(in_shape=SHAPE, role="c", out_channels=8, kernel=3, groups=8, norm=False),
            72 * 35,
            72,
            280 + 280 + 72,
        ),
        (Linear(in_shape=Shape(8, 1, 1), role="l", out_features=3), 24, 27, 8 + 3 + 27),
        (Activation(in_shape=SHAPE, function="silu"), 0, 0, 560),
        (Pool(in_shape=SHAPE, mode="max", kernel=1, stride=1), 0, 0, 560),
        (GlobalAveragePool(in_shape=SHAPE), 0, 0, 280 + 8),
        (Add(in_shape=SHAPE), 0, 0, 3 * 280),
        (Multiply(in_shape=SHAPE), 0, 0, 280 + 8 + 280),
        (Scale(in_shape=SHAPE, role="s"), 0, 8, 560 + 8),
        (LayerNorm(in_shape=SHAPE, role="n"), 0, 16, 560 + 16),
        (Linear(in_shape=SHAPE, role="l", out_features=3), 24 * 35, 27, 280 + 105 + 27),
        (Attention(in_shape=SHAPE, heads=2, value_channels=6), 35**2 * 14, 0, (8 + 8 + 6 + 6) * 35),
        (
            Linear(in_shape=SHAPE, role="l", out_features=3, bias=False, norm=True),
            24 * 35,
            30,
            280 + 105 + 27,
        ),
        (BatchNorm(in_shape=SHAPE, role="n"), 0, 16, 560 + 16),
        (Subsample(in_shape=SHAPE, stride=2), 0, 0, 2 * 8 * 12),
        (
            OffsetAttention(
                in_shape=Shape(8, 4, 3),
                role="b",
                heads=2,
                value_channels=6,
                key_height=7,
                key_width=5,
                stride=2,
            ),
            12 * 35 * 14,
            2 * 49,
            8 * 12 + 35 * 14 + 6 * 12 + 2 * 49,
        ),
        (LinearAttention(in_shape=SHAPE, heads=2), 2 * 8 * 35 * 5, 0, 4 * 280),
        (Product(in_shape=SHAPE), 0, 0, 3 * 280),
        (Concat(in_shape=SHAPE, out_channels=12), 0, 0, 2 * 12 * 35),
        (Windows(in_shape=Shape(8, 6, 4), grid=Grid(height=6, width=4, side=2)), 0, 0, 2 * 192),
        (SpaceToDepth(in_shape=Shape(8, 6, 4), side=2), 0, 0, 2 * 192),
        (Resize(in_shape=SHAPE, height=8, width=6), 0, 0, 280 + 384),
        (Position(in_shape=SHAPE, role="p"), 0, 280, 3 * 280),
        (Prepend(in_shape=SHAPE, role="t"), 0, 8, 280 + 288 + 8),
        (First(in_shape=SHAPE), 0, 0, 16),
    ],
    ids=lambda value: value.name if isinstance(value, Op) else str(value),
)
def test_costs(op: Op, macs: int, params: int, moved: int) -> None:
    assert (op.macs, op.params, op.moved_elements) == (macs, params, moved)
    assert op.flops == 2 * macs
    assert op.bytes_moved("fp32") == 4 * moved == 4 * op.bytes_moved("int8")
    assert op.intensity("fp16") == pytest.approx(2 * macs / (2 * moved))


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"kernel": 3}, "convolution"),
        ({"kernel": 1}, "pointwise convolution"),
        ({"kernel": 3, "groups": 8}, "depthwise convolution"),
    ],
)
def test_convolutions_are_named_as_the_field_names_them(arguments: dict[str, int], name: str) -> None:
    assert Conv2d(in_shape=SHAPE, role="c", out_channels=8, **arguments).name == name


def test_a_lowering_is_a_graph() -> None:
    net = Lowering(SHAPE)
    x = net.squeeze_excite(INPUT, 2, activation="relu", gate="sigmoid")
    net.add(net.activation(x, "identity"), INPUT)
    assert [op.inputs for op in net.ops] == [(-1,), (0,), (1,), (2,), (3,), (-1, 4), (5, -1)]
    assert net.ops[-1].out_shape == SHAPE


def test_attention_without_a_fused_kernel_holds_the_scores_of_all_pairs() -> None:
    op = Attention(in_shape=SHAPE, heads=2, value_channels=6)
    assert (op.scratch_elements, op.out_shape) == (2 * 35**2, Shape(6, 7, 5))
    assert Conv2d(in_shape=SHAPE, role="c", out_channels=4, kernel=3).scratch_elements == 0


def test_each_pair_of_distances_has_one_place_and_smaller_maps_have_the_first() -> None:
    def offsets(side: int, stride: int = 1) -> list[list[int]]:
        queries = -(-side // stride)
        shape = Shape(2, queries, queries)
        sizes = {"value_channels": 2, "key_height": side, "key_width": side}
        return OffsetAttention(in_shape=shape, heads=1, stride=stride, **sizes).offsets

    for side in (1, 2, 5):
        assert sorted(offsets(side)[0]) == list(range(side**2))  # the first pixel is at all distances
    smaller = [place for number, place in enumerate(offsets(5)[0]) if number // 5 < 3 and number % 5 < 3]
    assert smaller == offsets(3)[0]
    assert offsets(5, 2) == [offsets(5)[5 * y + x] for y in (0, 2, 4) for x in (0, 2, 4)]
    first, last = offsets(5)[0], offsets(5)[-1]
    assert first == last[::-1]  # signs do not matter


@pytest.mark.parametrize(("channels", "value_channels", "heads"), [(8, 6, 4), (8, 8, 3), (8, 8, 0)])
def test_heads_that_do_not_divide_are_refused(channels: int, value_channels: int, heads: int) -> None:
    with pytest.raises(UserError, match=f"channels cannot have {heads} heads; the channels must be a multip"):
        Attention(in_shape=Shape(channels, 2, 2), heads=heads, value_channels=value_channels)
