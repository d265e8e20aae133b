"""ONNX models of blocks and networks, written operation by operation from their lowering.

Weights are random: latency does not depend on them as long as no value overflows, is NaN or denormal.
BatchNorm is folded, as in every inference runtime. The module is independent of block kinds.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from nas.blocks import BlockSpec, MissingFormError, Op, Shape, forms_of
from nas.blocks.ops import (
    INPUT,
    Activation,
    Add,
    Conv2d,
    GlobalAveragePool,
    LayerNorm,
    Linear,
    Multiply,
    Pool,
    Scale,
)
from nas.network import NetworkSpec

OPSET = 20
IR_VERSION = 10
_GELU_SINCE = 20
_PATTERN = 4093  # prime, so that rows differ; 16 KB, so that a zipped kit stays small


class GraphWriter:
    """Collects nodes and weights; every value is (N, C, H, W), or (N, C) after a matrix product.

    Args:
        in_shape: Shape of one input image.
        batch: Images of one inference, or a name for a batch of any size.
        rng: Draws the weights.
        opset: Version of ONNX's operator set.
        names: Names of the model's input and output.
    """

    def __init__(
        self,
        in_shape: Shape,
        *,
        batch: int | str,
        rng: np.random.Generator,
        opset: int = OPSET,
        names: tuple[str, str] = ("input", "output"),
    ) -> None:
        self.opset = opset
        self._names = names
        self._batch = batch
        self._in_shape = in_shape
        self._pattern = np.clip(rng.standard_normal(_PATTERN), -3, 3).astype(np.float32)
        self._nodes: list[onnx.NodeProto] = []
        self._weights: list[onnx.TensorProto] = []
        self._flat: set[str] = set()

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Appends a node with one output; returns the output's name."""
        name = f"v{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], name=f"{kind}_{name}", **attributes))
        if inputs and inputs[0] in self._flat:
            self._flat.add(name)
        return name

    def constant(self, value: np.ndarray) -> str:
        """Appends a constant; returns its name."""
        name = f"w{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(value, name))
        return name

    def weights(self, *shape: int, fan_in: int) -> str:
        """Random weights that preserve the variance of activations (He et al. 2015, section 2.2)."""
        return self.constant(np.resize(self._pattern, shape) * np.float32(math.sqrt(2 / fan_in)))

    def factors(self, *shape: int) -> str:
        """Positive random factors around 1."""
        return self.constant(np.exp(0.1 * np.resize(self._pattern, shape)).astype(np.float32))

    def image(self, x: str, shape: Shape) -> str:
        """``x`` as (N, C, H, W)."""
        if x not in self._flat:
            return x
        count = self._batch if isinstance(self._batch, int) else 0  # 0 keeps the input's
        sizes = self.constant(np.array([count, shape.channels, 1, 1], np.int64))
        self._nodes.append(helper.make_node("Reshape", [x, sizes], [f"{x}i"]))
        return f"{x}i"

    def vector(self, x: str) -> str:
        """``x`` as (N, C)."""
        if x in self._flat:
            return x
        name = self.node("Flatten", x, axis=1)
        self._flat.add(name)
        return name

    def add_block(self, block: BlockSpec, x: str) -> str:
        """Appends a block's operations after ``x``; returns the name of its output."""
        values: list[str] = []
        for op in block.ops:
            with forms_of(block):
                values.append(write_op(op, self, tuple(x if i == INPUT else values[i] for i in op.inputs)))
        return values[-1] if values else x

    def model(self, output: str, out_shape: Shape) -> onnx.ModelProto:
        """The finished model."""
        first, last = self._names
        if output == first:
            output = self.node("Identity", output)
        _rename(self._nodes, output, last)
        sizes = [self._batch, out_shape.channels, out_shape.height, out_shape.width]
        graph = helper.make_graph(
            self._nodes,
            "network",
            [
                _value(
                    first,
                    [self._batch, self._in_shape.channels, self._in_shape.height, self._in_shape.width],
                )
            ],
            [_value(last, sizes[:2] if output in self._flat else sizes)],
            self._weights,
        )
        imports = [helper.make_opsetid("", self.opset)]
        version = max(IR_VERSION, helper.find_min_ir_version_for(imports))
        return helper.make_model(graph, ir_version=version, opset_imports=imports, producer_name="hwnas")


def _value(name: str, sizes: list[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, sizes)


def _rename(nodes: list[onnx.NodeProto], old: str, new: str) -> None:
    for node in nodes:
        for names in (node.input, node.output):
            for i, name in enumerate(names):
                if name == old:
                    names[i] = new


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


@functools.singledispatch
def write_op(op: Op, writer: GraphWriter, inputs: tuple[str, ...]) -> str:
    """Appends one operation; returns the name of its output. New operations register their own function."""
    raise MissingFormError("ONNX", op, register="write_op.register")


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
    weights = writer.weights(op.out_features, op.in_shape.elements, fan_in=op.in_shape.elements)
    bias = [writer.weights(op.out_features, fan_in=200)] if op.bias else []
    return writer.node("Gemm", writer.vector(inputs[0]), weights, *bias, transB=1)


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
    shared = {"kernel_shape": [op.kernel] * 2, "strides": [op.stride] * 2, "pads": [op.padding] * 4}
    kind = {"max": "MaxPool", "average": "AveragePool"}[op.mode]
    return writer.node(kind, writer.image(inputs[0], op.in_shape), ceil_mode=int(op.ceil), **shared)


@write_op.register
def _global_average_pool(op: GlobalAveragePool, writer: GraphWriter, inputs: tuple[str, ...]) -> str:
    return writer.node("GlobalAveragePool", writer.image(inputs[0], op.in_shape))


@write_op.register
def _add(op: Add, writer: GraphWriter, inputs: tuple[str, ...]) -> str:
    return writer.node("Add", *inputs)


@write_op.register
def _multiply(op: Multiply, writer: GraphWriter, inputs: tuple[str, ...]) -> str:
    return writer.node("Mul", *inputs)


@write_op.register
def _scale(op: Scale, writer: GraphWriter, inputs: tuple[str, ...]) -> str:
    x = writer.image(inputs[0], op.in_shape)
    return writer.node("Mul", x, writer.factors(op.in_shape.channels, 1, 1))


@write_op.register
def _layer_norm(op: LayerNorm, writer: GraphWriter, inputs: tuple[str, ...]) -> str:
    """Over the channels of (N, C, H, W): ONNX normalises trailing axes only, hence the transposes."""
    channels = op.in_shape.channels
    x = writer.node("Transpose", writer.image(inputs[0], op.in_shape), perm=[0, 2, 3, 1])
    scale, shift = writer.factors(channels), writer.weights(channels, fan_in=200)
    x = writer.node("LayerNormalization", x, scale, shift, axis=-1, epsilon=op.epsilon)
    return writer.node("Transpose", x, perm=[0, 3, 1, 2])
