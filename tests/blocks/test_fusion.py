"""Which operations run inside others, and what is left to move."""

from __future__ import annotations

import pytest

from nas.blocks.fusion import fused
from nas.blocks.lowering import Lowering
from nas.blocks.ops import INPUT, Elementwise, Op, Shape
from nas.network import reference_names, reference_network

SHAPE = Shape(8, 5, 7)


def residual() -> tuple[Op, ...]:
    net = Lowering(SHAPE)
    x = net.activation(net.conv(INPUT, 8, role="a", kernel=3), "relu")
    x = net.scale(net.conv(x, 8, role="b"), role="s")
    net.activation(net.add(x, INPUT), "relu")
    return net.ops


def test_elementwise_operations_join_the_one_before() -> None:
    first, second = fused(residual())
    assert first.names == "convolution + relu"
    assert second.names == "pointwise convolution + layer scale + addition + relu"
    assert (first.name, second.name) == ("convolution", "pointwise convolution")
    assert (second.in_shape, second.out_shape) == (SHAPE, SHAPE)


def test_only_the_shortcut_and_factors_are_left_to_move() -> None:
    ops = residual()
    first, second = fused(ops)
    assert first.bytes_moved("fp16") == ops[0].bytes_moved("fp16")
    shortcut, factors = SHAPE.elements, SHAPE.channels
    assert second.bytes_moved("fp32") == ops[2].bytes_moved("fp32") + 4 * (shortcut + factors)
    extra = second.bytes_moved("fp32", batch=3) - second.bytes_moved("fp32", batch=1)
    assert extra == 2 * 4 * 3 * SHAPE.elements  # input, output and shortcut; weights and factors once


def test_a_gate_s_factors_are_read_and_its_map_is_not() -> None:
    net = Lowering(SHAPE)
    net.squeeze_excite(INPUT, 2, activation="relu", gate="sigmoid")
    excite = fused(net.ops)[-1]
    assert excite.names == "pointwise convolution + sigmoid + multiplication"
    assert excite.bytes_moved("int8") == net.ops[3].bytes_moved("int8") + SHAPE.channels


def test_an_elementwise_operation_without_a_producer_stands_alone_and_moves_nothing() -> None:
    net = Lowering(SHAPE)
    net.activation(INPUT, "relu")
    [alone] = fused(net.ops)
    assert (alone.names, alone.bytes_moved()) == ("relu", 0)


@pytest.mark.parametrize("name", ["resnet50", "mobilenet_v3_large", "convnext_tiny", "efficientnet_v2_s"])
def test_nothing_is_lost_but_traffic(name: str) -> None:
    assert name in reference_names()
    for block in reference_network(name).blocks:
        groups = fused(block.ops)
        assert tuple(op for group in groups for op in group.ops) == block.ops
        assert sum(group.macs for group in groups) == block.macs
        moved = sum(group.bytes_moved("fp16", batch=2) for group in groups)
        whole = block.bytes_moved("fp16", batch=2)
        assert moved < whole if any(isinstance(op, Elementwise) for op in block.ops) else moved == whole
