"""Collects the nodes and weights of an ONNX model.

Weights are random: latency does not depend on them as long as no value overflows, is NaN or denormal.
BatchNorm is folded, as in every inference runtime.
"""

from __future__ import annotations

import enum
import functools
import math
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from nas.blocks import BlockSpec, MissingFormError, Op, Shape, forms_of
from nas.blocks.ops import INPUT

OPSET = 20
IR_VERSION = 10
_EXACT = "_float32"
_MOVING = frozenset({"Concat", "Pad", "Reshape", "Slice", "Transpose"})
_PATTERN = 4093  # prime, so that rows differ; 16 KB, so that a zipped kit stays small


class Layout(enum.Enum):
    """The order of a value's axes."""

    IMAGE = "(N, C, H, W)"
    TOKENS = "(N, H, W, C)"
    VECTOR = "(N, C)"


class GraphWriter:
    """Collects nodes and weights.

    A value has the layout in which its operation gives it: convolutions and pools compute on images, matrix
    products and norms on tokens, elementwise operations on either. It is converted where an operation needs
    another one, once for all that do. So a transformer runs without a transpose between its operations.

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
        self._layouts: dict[str, Layout] = {}
        self._converted: dict[tuple[str, Layout], str] = {}
        self._exact: set[str] = set()

    def node(
        self, kind: str, *inputs: str, layout: Layout | None = None, exact: bool = False, **attributes: Any
    ) -> str:
        """Appends a node with one output, in the layout of its first input unless another one is given.

        Args:
            kind: The operator.
            inputs: Names of its inputs.
            layout: The output's layout.
            exact: Whether it computes in float32 in a file of half precision, too. Operators that only move
                values keep the precision of their input.
            attributes: The operator's attributes.

        Returns:
            The output's name.
        """
        name = f"v{len(self._nodes)}"
        if exact or (kind in _MOVING and inputs[0] in self._exact):
            self._exact.add(name)
        full_name = f"{kind}_{name}{_EXACT if name in self._exact else ''}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], name=full_name, **attributes))
        self._layouts[name] = layout or self.layout(inputs[0])
        return name

    def constant(self, value: NDArray[Any]) -> str:
        """Appends a constant; returns its name."""
        name = f"w{len(self._weights)}"
        self._weights.append(numpy_helper.from_array(value, name))
        return name

    def draw(self, *shape: int, fan_in: int) -> NDArray[np.float32]:
        """Random weights that preserve the variance of activations (He et al. 2015, section 2.2)."""
        return np.resize(self._pattern, shape) * np.float32(math.sqrt(2 / fan_in))

    def weights(self, *shape: int, fan_in: int) -> str:
        """A constant of weights."""
        return self.constant(self.draw(*shape, fan_in=fan_in))

    def factors(self, *shape: int) -> str:
        """A constant of positive random factors around 1."""
        return self.constant(np.exp(0.1 * np.resize(self._pattern, shape)).astype(np.float32))

    def layout(self, x: str) -> Layout:
        """The layout of a value."""
        return self._layouts.get(x, Layout.IMAGE)

    def image(self, x: str, shape: Shape) -> str:
        """``x`` as (N, C, H, W)."""
        return self._in_layout(x, Layout.IMAGE, shape)

    def tokens(self, x: str, shape: Shape) -> str:
        """``x`` as (N, H, W, C)."""
        return self._in_layout(x, Layout.TOKENS, shape)

    def vector(self, x: str, shape: Shape) -> str:
        """``x``, of one pixel, as (N, C)."""
        return self._in_layout(x, Layout.VECTOR, shape)

    def like(self, x: str, other: str, shape: Shape) -> str:
        """``x``, of ``shape``, in the layout of another value."""
        return self._in_layout(x, self.layout(other), shape)

    def reshape(self, x: str, *sizes: int, layout: Layout | None = None) -> str:
        """``x`` with other sizes behind its first axis, the images of a batch."""
        count = self._batch if isinstance(self._batch, int) else 0  # 0 keeps the input's
        return self.node("Reshape", x, self.constant(np.array([count, *sizes], np.int64)), layout=layout)

    def refold(self, x: str, *sizes: int) -> str:
        """``x`` with these sizes behind a first axis that holds all that remains."""
        return self.node("Reshape", x, self.constant(np.array([-1, *sizes], np.int64)))

    def _in_layout(self, x: str, layout: Layout, shape: Shape) -> str:
        if self.layout(x) is layout:
            return x
        if (x, layout) not in self._converted:
            self._converted[x, layout] = self._convert(x, layout, shape)
        return self._converted[x, layout]

    def _convert(self, x: str, layout: Layout, shape: Shape) -> str:
        if layout is Layout.VECTOR:
            assert shape.pixels == 1, shape
            return self.node("Flatten", x, layout=layout, axis=1)
        if self.layout(x) is Layout.VECTOR:
            sizes = (shape.channels, 1, 1) if layout is Layout.IMAGE else (1, 1, shape.channels)
            return self.reshape(x, *sizes, layout=layout)
        order = [0, 3, 1, 2] if layout is Layout.IMAGE else [0, 2, 3, 1]
        return self.node("Transpose", x, layout=layout, perm=order)

    def add_block(self, block: BlockSpec, x: str) -> str:
        """Appends a block's operations after ``x``; returns the name of its output."""
        values: list[str] = []
        for op in block.ops:
            with forms_of(block):
                values.append(write_op(op, self, tuple(x if i == INPUT else values[i] for i in op.inputs)))
        return values[-1] if values else x

    def model(self, output: str, out_shape: Shape) -> onnx.ModelProto:
        """The finished model, whose output is an image or a vector."""
        first, last = self._names
        if self.layout(output) is Layout.TOKENS:
            output = self.image(output, out_shape)
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
            [_value(last, sizes[:2] if self.layout(output) is Layout.VECTOR else sizes)],
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


def is_exact(node: onnx.NodeProto) -> bool:
    """Whether a node computes in float32 in a file of half precision."""
    return node.name.endswith(_EXACT)


@functools.singledispatch
def write_op(op: Op, writer: GraphWriter, inputs: tuple[str, ...]) -> str:
    """Appends one operation; returns the name of its output. New operations register their own function."""
    raise MissingFormError("ONNX", op, register="write_op.register")
