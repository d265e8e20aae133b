"""The ONNX form of the operations of transformers.

Attention is written as plain nodes, which every runtime runs and which compilers fuse. The factor 1/√d stands
on the queries, before the product: TensorRT fuses no other form (TensorRT documentation, "Fused attention").
"""

from __future__ import annotations

import functools
import math

import numpy as np

from nas.blocks import Shape
from nas.blocks.token_ops import (
    EPSILON,
    MASKED,
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
    Unwindows,
    Windows,
)
from nas.latency.kit.graph_writer import GraphWriter, Layout, write_op

HEADS_FIRST, TRANSPOSED = [0, 2, 1, 3], [0, 2, 3, 1]


@write_op.register
def _attention(op: Attention, writer: GraphWriter, inputs: tuple[str, ...]) -> str:
    shapes, orders = (op.in_shape, op.in_shape, op.out_shape), (HEADS_FIRST, TRANSPOSED, HEADS_FIRST)
    query, key, value = (
        _in_heads(op, writer, writer.tokens(x, shape), shape.channels, order)
        for x, shape, order in zip(inputs, shapes, orders, strict=True)
    )
    factor = writer.constant(np.array(1 / math.sqrt(op.head_dim), np.float32))
    scores = writer.node("MatMul", writer.node("Mul", query, factor), key)
    if op.grid is not None:
        scores = _with_bias(op, op.grid, writer, scores)
    y = writer.node("MatMul", writer.node("Softmax", scores, axis=-1), value)
    y = writer.node("Transpose", y, perm=HEADS_FIRST)
    sizes = (op.in_shape.height, op.in_shape.width, op.value_channels)
    return writer.reshape(y, *sizes) if op.grid is None else writer.refold(y, *sizes)


def _in_heads(op: Attention, writer: GraphWriter, x: str, channels: int, order: list[int]) -> str:
    """(N, H, W, C) as (N · sequences, heads, pixels, C / heads), or with the last two axes swapped."""
    sizes = (op.length, op.heads, channels // op.heads)
    x = writer.reshape(x, *sizes) if op.grid is None else writer.refold(x, *sizes)
    return writer.node("Transpose", x, perm=order)


def _with_bias(op: Attention, grid: Grid, writer: GraphWriter, scores: str) -> str:
    """Scores, (N · windows, heads, pixels, pixels), with the bias, and with the mask of shifted windows."""
    offsets, pixels = np.array(grid.offsets), grid.side**2
    table = writer.draw(op.heads, (2 * grid.side - 1) ** 2, fan_in=200)
    bias = table[:, offsets.ravel()].reshape(op.heads, pixels, pixels)
    if not grid.shift:
        return writer.node("Add", scores, writer.constant(bias))
    regions = np.array(grid.regions)[:, None]
    apart = regions[..., :, None] != regions[..., None, :]
    by_window = writer.refold(scores, grid.count, op.heads, pixels, pixels)
    by_window = writer.node("Add", by_window, writer.constant(bias + apart.astype(np.float32) * MASKED))
    return writer.refold(by_window, op.heads, pixels, pixels)


@write_op.register
def _windows(op: Windows, writer: GraphWriter, inputs: tuple[str, ...]) -> str:
    grid, channels = op.grid, op.in_shape.channels
    x = _roll(writer, writer.tokens(inputs[0], op.in_shape), grid, grid.shift)
    rows, columns = grid.height // grid.side, grid.width // grid.side
    x = writer.reshape(x, rows, grid.side, columns, grid.side, channels)
    x = writer.node("Transpose", x, perm=[0, 1, 3, 2, 4, 5])
    return writer.reshape(x, grid.count, grid.side**2, channels)


@write_op.register
def _unwindows(op: Unwindows, writer: GraphWriter, inputs: tuple[str, ...]) -> str:
    grid, channels = op.grid, op.in_shape.channels
    rows, columns = grid.height // grid.side, grid.width // grid.side
    x = writer.reshape(writer.tokens(inputs[0], op.in_shape), rows, columns, grid.side, grid.side, channels)
    x = writer.node("Transpose", x, perm=[0, 1, 3, 2, 4, 5])
    x = writer.reshape(x, grid.height, grid.width, channels)
    return _roll(writer, x, grid, -grid.shift)


def _roll(writer: GraphWriter, x: str, grid: Grid, shift: int) -> str:
    """Rolls (N, H, W, C) up and to the left."""
    if not shift:
        return x
    for axis, size in ((1, grid.height), (2, grid.width)):
        first, second = (_slice(writer, x, axis, *ends) for ends in ((shift % size, size), (0, shift % size)))
        x = writer.node("Concat", first, second, axis=axis)
    return x


def _slice(writer: GraphWriter, x: str, axis: int, start: int, end: int) -> str:
    ends = (writer.constant(np.array([value], np.int64)) for value in (start, end, axis))
    return writer.node("Slice", x, *ends)


@write_op.register
def _resize(op: Resize, writer: GraphWriter, inputs: tuple[str, ...]) -> str:
    x, shape = writer.tokens(inputs[0], op.in_shape), op.in_shape
    for axis, (have, want) in enumerate(((shape.height, op.height), (shape.width, op.width)), 1):
        if want < have:
            x = _slice(writer, x, axis, 0, want)
        elif want > have:
            pads = np.zeros(8, np.int64)
            pads[4 + axis] = want - have
            x = writer.node("Pad", x, writer.constant(pads))
    return x


@write_op.register
def _space_to_depth(op: SpaceToDepth, writer: GraphWriter, inputs: tuple[str, ...]) -> str:
    shape, out = op.in_shape, op.out_shape
    x = writer.reshape(
        writer.tokens(inputs[0], shape), out.height, op.side, out.width, op.side, shape.channels
    )
    x = writer.node("Transpose", x, perm=[0, 1, 3, 5, 2, 4])
    return writer.reshape(x, out.height, out.width, out.channels)


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
    return _slice(writer, x, 1, 0, 1)


@write_op.register
def _linear_attention(op: LinearAttention, writer: GraphWriter, inputs: tuple[str, ...]) -> str:
    """On images: the heads are groups of channels, so that no map is transposed.

    Sums over all pixels overflow in half precision.
    """
    shape, exact = op.in_shape, functools.partial(writer.node, exact=True)
    query, key, value = (
        writer.reshape(writer.image(x, shape), op.heads, op.head_dim, shape.pixels) for x in inputs
    )
    query, key = exact("Relu", query), exact("Relu", key)
    swapped = [0, 1, 3, 2]
    products = exact("MatMul", value, exact("Transpose", key, perm=swapped))
    total = exact("ReduceSum", key, writer.constant(np.array([3], np.int64)), keepdims=1)
    total = exact("MatMul", exact("Transpose", total, perm=swapped), query)
    total = exact("Add", total, writer.constant(np.array(EPSILON, np.float32)))
    y = exact("Div", exact("MatMul", products, query), total)
    return writer.reshape(y, shape.channels, shape.height, shape.width)


@write_op.register
def _concat(op: Concat, writer: GraphWriter, inputs: tuple[str, ...]) -> str:
    first, size = inputs[0], (op.in_shape.height, op.in_shape.width)
    axis = 1 if writer.layout(first) is Layout.IMAGE else -1
    rest = [writer.like(x, first, Shape(0, *size)) for x in inputs[1:]]
    return writer.node("Concat", first, *rest, axis=axis)


@write_op.register
def _product(op: Product, writer: GraphWriter, inputs: tuple[str, ...]) -> str:
    return writer.node("Mul", inputs[0], writer.like(inputs[1], inputs[0], op.in_shape))
