"""ONNX models of blocks and networks, written operation by operation from their lowering.

The module is independent of block kinds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np
import onnx

from nas.blocks import BlockSpec, Shape
from nas.blocks.ops import (
    Activation,
    Add,
    BatchNorm,
    Conv2d,
    GlobalAveragePool,
    LayerNorm,
    Linear,
    Multiply,
    Pool,
    Scale,
)
from nas.latency.kit import (  # noqa: F401  they register the forms of their operations
    offset_graphs,
    scan_graphs,
    token_graphs,
)
from nas.latency.kit.graph_writer import GraphWriter, Layout, write_op
from nas.network import NetworkSpec

__all__ = ["GraphWriter", "Layout", "block_model", "chain_model", "network_model", "write_op"]

_GELU_SINCE = 20


def chain_model(blocks: Iterable[BlockSpec], *, batch: int = 1, rng: np.random.Generator) -> onnx.ModelProto:
    """The ONNX model of a chain of blocks.

    Args:
        blocks: At least one block. Each fits the output of the one before it.
        batch: Images of one inference.
        rng: Draws the weights.
    """
    blocks = tuple(blocks)
    writer, x = GraphWriter(blocks[0].in_shape, batch=batch, rng=rng), "input"
    for block in blocks:
        x = writer.add_block(block, x)
    return writer.model(x, blocks[-1].out_shape)


def block_model(block: BlockSpec, *, batch: int = 1, rng: np.random.Generator) -> onnx.ModelProto:
    """The ONNX model of one block alone."""
    return chain_model((block,), batch=batch, rng=rng)


def network_model(network: NetworkSpec, *, batch: int = 1, rng: np.random.Generator) -> onnx.ModelProto:
    """The ONNX model of a whole network, classifier included."""
    return chain_model(network.blocks, batch=batch, rng=rng)


@write_op.register
def _conv(op: Conv2d, writer: GraphWriter, inputs: tuple[str, ...]) -> str:
    weights = writer.weights(
        op.out_channels, op.group_channels, op.kernel, op.kernel, fan_in=op.group_channels * op.kernel**2
    )
    bias = [writer.weights(op.out_channels, fan_in=200)] if op.norm or op.bias else []
    return writer.node(
        "Conv",
        writer.image(inputs[0], op.in_shape),
        weights,
        *bias,
        kernel_shape=[op.kernel] * 2,
        strides=[op.stride] * 2,
        pads=[op.pad] * 4,
        group=op.groups,
    )


@write_op.register
def _linear(op: Linear, writer: GraphWriter, inputs: tuple[str, ...]) -> str:
    channels = op.in_shape.channels
    if op.in_shape.pixels == 1:
        weights = writer.weights(op.out_features, channels, fan_in=channels)
        bias = [writer.weights(op.out_features, fan_in=200)] if op.bias or op.norm else []
        return writer.node("Gemm", writer.vector(inputs[0], op.in_shape), weights, *bias, transB=1)
    matrix = writer.constant(writer.draw(op.out_features, channels, fan_in=channels).T)
    x = writer.node("MatMul", writer.tokens(inputs[0], op.in_shape), matrix)
    return writer.node("Add", x, writer.weights(op.out_features, fan_in=200)) if op.bias or op.norm else x


@write_op.register
def _activation(op: Activation, writer: GraphWriter, inputs: tuple[str, ...]) -> str:
    return _ACTIVATIONS[op.function](writer, inputs[0])


def _relu6(writer: GraphWriter, x: str) -> str:
    return writer.node(
        "Clip", x, writer.constant(np.array(0, np.float32)), writer.constant(np.array(6, np.float32))
    )


def _gelu(writer: GraphWriter, x: str) -> str:
    """Gelu, which is an operator since opset 20; before, x/2 · (1 + erf(x/√2))."""
    if writer.opset >= _GELU_SINCE:
        return writer.node("Gelu", x)
    half, one, root = (writer.constant(np.array(value, np.float32)) for value in (0.5, 1, math.sqrt(0.5)))
    error = writer.node("Erf", writer.node("Mul", x, root))
    return writer.node("Mul", writer.node("Mul", x, half), writer.node("Add", error, one))


_ACTIVATIONS: dict[str, Callable[[GraphWriter, str], str]] = {
    "relu": lambda writer, x: writer.node("Relu", x),
    "relu6": _relu6,
    "hard_swish": lambda writer, x: writer.node("HardSwish", x),
    "silu": lambda writer, x: writer.node("Mul", x, writer.node("Sigmoid", x)),
    "gelu": _gelu,
    "hard_sigmoid": lambda writer, x: writer.node("HardSigmoid", x, alpha=1 / 6, beta=0.5),
    "sigmoid": lambda writer, x: writer.node("Sigmoid", x),
}


@write_op.register
def _pool(op: Pool, writer: GraphWriter, inputs: tuple[str, ...]) -> str:
    return writer.node(
        {"max": "MaxPool", "average": "AveragePool"}[op.mode],
        writer.image(inputs[0], op.in_shape),
        ceil_mode=int(op.ceil),
        kernel_shape=[op.kernel] * 2,
        strides=[op.stride] * 2,
        pads=[op.padding] * 4,
    )


@write_op.register
def _global_average_pool(op: GlobalAveragePool, writer: GraphWriter, inputs: tuple[str, ...]) -> str:
    if writer.layout(inputs[0]) is not Layout.TOKENS:
        return writer.node("GlobalAveragePool", writer.image(inputs[0], op.in_shape))
    axes = writer.constant(np.array([1, 2], np.int64))
    return writer.node("ReduceMean", inputs[0], axes, keepdims=1)


@write_op.register
def _add(op: Add, writer: GraphWriter, inputs: tuple[str, ...]) -> str:
    return writer.node("Add", inputs[0], writer.like(inputs[1], inputs[0], op.in_shape))


@write_op.register
def _multiply(op: Multiply, writer: GraphWriter, inputs: tuple[str, ...]) -> str:
    factors = Shape(op.in_shape.channels, 1, 1)
    return writer.node("Mul", inputs[0], writer.like(inputs[1], inputs[0], factors))


@write_op.register
def _scale(op: Scale, writer: GraphWriter, inputs: tuple[str, ...]) -> str:
    channels = op.in_shape.channels
    if writer.layout(inputs[0]) is Layout.TOKENS:
        return writer.node("Mul", inputs[0], writer.factors(channels))
    return writer.node("Mul", writer.image(inputs[0], op.in_shape), writer.factors(channels, 1, 1))


@write_op.register
def _batch_norm(op: BatchNorm, writer: GraphWriter, inputs: tuple[str, ...]) -> str:
    """One factor and one summand per channel, as at inference."""
    x = inputs[0]
    sizes = (op.in_shape.channels, *((1, 1) if writer.layout(x) is Layout.IMAGE else ()))
    x = writer.node("Mul", x, writer.factors(*sizes))
    return writer.node("Add", x, writer.weights(*sizes, fan_in=200))


@write_op.register
def _layer_norm(op: LayerNorm, writer: GraphWriter, inputs: tuple[str, ...]) -> str:
    """ONNX normalises trailing axes only."""
    channels, x = op.in_shape.channels, inputs[0]
    if writer.layout(x) is not Layout.VECTOR:
        x = writer.tokens(x, op.in_shape)
    scale, shift = writer.factors(channels), writer.weights(channels, fan_in=200)
    return writer.node("LayerNormalization", x, scale, shift, axis=-1, epsilon=op.epsilon)
