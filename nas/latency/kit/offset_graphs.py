"""The ONNX form of LeViT's operations; attention as in ``token_graphs``."""

from __future__ import annotations

import math

import numpy as np

from nas.blocks import Shape
from nas.blocks.offset_ops import OffsetAttention, Subsample
from nas.latency.kit.graph_writer import GraphWriter, write_op
from nas.latency.kit.token_graphs import HEADS_FIRST, TRANSPOSED


@write_op.register
def _offset_attention(op: OffsetAttention, writer: GraphWriter, inputs: tuple[str, ...]) -> str:
    channels, value_channels = op.in_shape.channels, op.value_channels
    query = _in_heads(op, writer, inputs[0], op.in_shape, HEADS_FIRST)
    key = _in_heads(op, writer, inputs[1], Shape(channels, op.key_height, op.key_width), TRANSPOSED)
    value = _in_heads(op, writer, inputs[2], Shape(value_channels, op.key_height, op.key_width), HEADS_FIRST)
    factor = writer.constant(np.array(1 / math.sqrt(op.head_dim), np.float32))
    scores = writer.node("MatMul", writer.node("Mul", query, factor), key)
    table, offsets = writer.draw(op.heads, op.side**2, fan_in=200), np.array(op.offsets)
    bias = table[:, offsets.ravel()].reshape(op.heads, *offsets.shape)
    scores = writer.node("Add", scores, writer.constant(bias))
    y = writer.node("MatMul", writer.node("Softmax", scores, axis=-1), value)
    y = writer.node("Transpose", y, perm=HEADS_FIRST)
    return writer.reshape(y, op.in_shape.height, op.in_shape.width, value_channels)


def _in_heads(op: OffsetAttention, writer: GraphWriter, x: str, shape: Shape, order: list[int]) -> str:
    """(N, H, W, C) as (N, heads, pixels, C / heads), or with the last two axes swapped."""
    x = writer.reshape(writer.tokens(x, shape), shape.pixels, op.heads, shape.channels // op.heads)
    return writer.node("Transpose", x, perm=order)


@write_op.register
def _subsample(op: Subsample, writer: GraphWriter, inputs: tuple[str, ...]) -> str:
    shape = op.in_shape
    numbers = ([0, 0], [shape.height, shape.width], [1, 2], [op.stride] * 2)  # starts, ends, axes, steps
    constants = (writer.constant(np.array(each, np.int64)) for each in numbers)
    return writer.node("Slice", writer.tokens(inputs[0], shape), *constants)
