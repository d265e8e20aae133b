"""The ONNX form of the operations of transformers.

Attention is written as plain nodes, which every runtime runs and which compilers fuse. The factor 1/√d stands
on the queries, before the product: TensorRT fuses no other form (TensorRT documentation, "Fused attention").
"""

from __future__ import annotations

import math

import numpy as np

from nas.blocks.token_ops import Attention, First, Position, Prepend
from nas.latency.kit.graph_writer import GraphWriter, write_op


@write_op.register
def _attention(op: Attention, writer: GraphWriter, inputs: tuple[str, ...]) -> str:
    shape = op.in_shape
    query, key, value = (
        _in_heads(writer, x, pixels=shape.pixels, heads=op.heads, channels=channels, order=order)
        for x, channels, order in zip(
            (
                writer.tokens(inputs[0], shape),
                writer.tokens(inputs[1], shape),
                writer.tokens(inputs[2], op.out_shape),
            ),
            (shape.channels, shape.channels, op.value_channels),
            ([0, 2, 1, 3], [0, 2, 3, 1], [0, 2, 1, 3]),
            strict=True,
        )
    )
    factor = writer.constant(np.array(1 / math.sqrt(op.head_dim), np.float32))
    scores = writer.node("MatMul", writer.node("Mul", query, factor), key)
    y = writer.node("MatMul", writer.node("Softmax", scores, axis=-1), value)
    y = writer.node("Transpose", y, perm=[0, 2, 1, 3])
    return writer.reshape(y, shape.height, shape.width, op.value_channels)


def _in_heads(
    writer: GraphWriter, x: str, *, pixels: int, heads: int, channels: int, order: list[int]
) -> str:
    """(N, H, W, C) as (N, heads, pixels, C / heads), or with the last two axes swapped."""
    return writer.node("Transpose", writer.reshape(x, pixels, heads, channels // heads), perm=order)


@write_op.register
def _position(op: Position, writer: GraphWriter, inputs: tuple[str, ...]) -> str:
    shape = op.in_shape
    table = writer.draw(shape.channels, shape.height, shape.width, fan_in=200)
    return writer.node("Add", writer.tokens(inputs[0], shape), writer.constant(table.transpose(1, 2, 0)))


@write_op.register
def _prepend(op: Prepend, writer: GraphWriter, inputs: tuple[str, ...]) -> str:
    """A row of zeros before the sequence, to which the token is added: a form for a batch of any size."""
    shape = op.in_shape
    x = writer.reshape(writer.tokens(inputs[0], shape), shape.pixels, 1, shape.channels)
    x = writer.node("Pad", x, writer.constant(np.array([0, 1, 0, 0, 0, 0, 0, 0], np.int64)))
    first = np.zeros((shape.pixels + 1, 1, shape.channels), np.float32)
    first[0, 0] = writer.draw(shape.channels, fan_in=200)
    return writer.node("Add", x, writer.constant(first))


@write_op.register
def _first(op: First, writer: GraphWriter, inputs: tuple[str, ...]) -> str:
    x, shape = writer.tokens(inputs[0], op.in_shape), op.in_shape
    x = writer.reshape(x, shape.pixels, 1, shape.channels) if shape.width > 1 else x
    start, end, axis = (writer.constant(np.array([value], np.int64)) for value in (0, 1, 1))
    return writer.node("Slice", x, start, end, axis)
