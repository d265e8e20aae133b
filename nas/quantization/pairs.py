"""Inserting pairs of QuantizeLinear and DequantizeLinear into a graph."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from nas.quantization.schemes import Scheme, is_weighted

Range = tuple[float, float]

_CLAMPS = frozenset({"Relu", "Clip"})  # runtimes drop these: the rounding of the operation before them clamps
_PASSING = frozenset({"Flatten", "MaxPool", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze"})
_INTEGER = frozenset({"AveragePool", "Conv", "Gemm", "GlobalAveragePool"})  # these quantise what they read
_POSITIVE = frozenset({"Relu", "Clip", "Sigmoid", "HardSigmoid"})


def assumed_ranges(model: onnx.ModelProto) -> dict[str, Range]:
    """Ranges for a model that is only timed. They only affect which operations can be fused."""
    ranges = {value.name: (-3.0, 3.0) for value in model.graph.input}
    for node in model.graph.node:
        ranges[node.output[0]] = (0.0 if node.op_type in _POSITIVE else -3.0, 3.0)
    return ranges


def insert_pairs(
    model: onnx.ModelProto,
    ranges: Mapping[str, Range],
    *,
    scheme: Scheme,
    in_float: Collection[str] = (),
    biases: Mapping[str, NDArray[np.float32]] | None = None,
) -> onnx.ModelProto:
    """A copy of a float model with the pairs of ``scheme``.

    Args:
        model: A float model whose operations have one output each.
        ranges: The range of each activation, by name.
        scheme: The positions and the form of the pairs.
        in_float: Names of nodes that compute in float. What they read may still be quantised.
        biases: Biases of quantised layers in place of the model's, by name.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    rules = _Rules(graph, scheme, in_float)
    encodings = _encodings(graph, _paired(graph, rules), ranges, scheme)
    _Writer(graph, encodings, rules, biases or {}).rewrite()
    return result


class _Rules:
    """Which operations of a graph run in INT8.

    Args:
        graph: The graph, before it is rewritten.
        scheme: The form of the pairs.
        in_float: Names of nodes that compute in float.
    """

    def __init__(self, graph: onnx.GraphProto, scheme: Scheme, in_float: Collection[str]) -> None:
        self.scheme, self._in_float = scheme, frozenset(in_float)
        self._makers = {node.output[0]: node.op_type for node in graph.node}
        self._constants = {item.name: len(item.dims) for item in graph.initializer}
        self._follows_product = _after_products(graph)

    def weighted(self, node: onnx.NodeProto) -> bool:
        """Whether an operation multiplies by constant weights."""
        return is_weighted(node, self._constants)

    def quantised(self, node: onnx.NodeProto) -> bool:
        """Whether an operation runs in INT8."""
        if node.op_type not in self.scheme.kinds or node.name in self._in_float:
            return False
        return self.weighted(node) or not self._stays_float(node)

    def _stays_float(self, node: onnx.NodeProto) -> bool:
        """Whether an operation belongs to the float part of a transformer.

        These are products of two activations, sums with a learned table or bias, and elementwise operations
        between a matrix product and the next norm, which reads floats.
        """
        table = node.op_type == "Add" and any(self._constants.get(name, 0) for name in node.input)
        return table or node.op_type == "MatMul" or node.output[0] in self._follows_product

    def read_quantised(self, node: onnx.NodeProto) -> Sequence[str]:
        """The inputs of an operation that have to be quantised, without weights and biases.

        If outputs are not quantised, a sum is fused with the convolution before it, and its other addend is
        an input of the fused operation.
        """
        if self.quantised(node):
            return list(node.input)[: 1 if self.weighted(node) else None]
        if node.op_type == "Add" and not self.scheme.outputs and node.name not in self._in_float:
            if self._stays_float(node):
                return ()
            return [name for name in node.input if self._makers.get(name) != "Conv"]
        return ()

    def is_score(self, name: str) -> bool:
        """Whether a value comes from a matrix product; as the output of a network it is not rounded."""
        return self._makers.get(name) == "Gemm"


def _after_products(graph: onnx.GraphProto) -> set[str]:
    """The values that follow a ``MatMul`` without an operation between that gives integers."""
    found: set[str] = set()
    for node in graph.node:
        if node.op_type == "MatMul" or (node.op_type not in _INTEGER and not found.isdisjoint(node.input)):
            found.add(node.output[0])
    return found


def _paired(graph: onnx.GraphProto, rules: _Rules) -> set[str]:
    """The activations with a pair. The scores of the last matrix product are not rounded."""
    constants = {item.name for item in graph.initializer}
    paired: set[str] = set()
    for node in graph.node:
        paired.update(name for name in rules.read_quantised(node) if name not in constants)
        if rules.quantised(node) and rules.scheme.outputs:
            paired.add(_clamped(node.output[0], graph))
    return paired - {value.name for value in graph.output if rules.is_score(value.name)}


def _clamped(name: str, graph: onnx.GraphProto) -> str:
    """``name``, or the output of a clamp that is its only reader."""
    readers = [node for node in graph.node if name in node.input]
    last = any(value.name == name for value in graph.output)
    alone = len(readers) == 1 and readers[0].op_type in _CLAMPS and not last
    return readers[0].output[0] if alone else name


def _encodings(
    graph: onnx.GraphProto, paired: set[str], ranges: Mapping[str, Range], scheme: Scheme
) -> dict[str, tuple[float, int]]:
    """Scale and zero point of each activation with a pair. Operations that move values keep their input's."""
    encodings: dict[str, tuple[float, int]] = {}
    for value in graph.input:
        if value.name in paired:
            encodings[value.name] = scheme.encode(*ranges[value.name])
    for node in graph.node:
        name = node.output[0]
        if name in paired:
            passed = encodings.get(node.input[0]) if node.op_type in _PASSING else None
            encodings[name] = passed or scheme.encode(*ranges[name])
    return encodings


class _Writer:
    """Rewrites a graph. The pair of a value follows the operation that computes it.

    Args:
        graph: The graph, which is changed in place.
        encodings: Scale and zero point of each activation with a pair.
        rules: Which operations run in INT8.
        biases: Biases of quantised layers in place of the graph's, by name.
    """

    def __init__(
        self,
        graph: onnx.GraphProto,
        encodings: Mapping[str, tuple[float, int]],
        rules: _Rules,
        biases: Mapping[str, NDArray[np.float32]],
    ) -> None:
        self._graph, self._encodings, self._rules, self._scheme = graph, encodings, rules, rules.scheme
        self._constants = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
        self._biases = {**self._constants, **biases}
        self._nodes: list[onnx.NodeProto] = []
        self._stored: dict[str, Any] = {}

    def rewrite(self) -> None:
        outputs = {value.name for value in self._graph.output}
        for value in self._graph.input:
            self._pair(value.name, value.name, _pair_name(value.name))
        for node in list(self._graph.node):
            inputs = self._inputs(node)
            del node.input[:]
            node.input.extend(inputs)
            name = node.output[0]
            self._nodes.append(node)
            if name in outputs & self._encodings.keys():
                node.output[0] = f"{name}_float"
                self._pair(name, node.output[0], name)
            else:
                self._pair(name, name, _pair_name(name))
        self._finish()

    def _inputs(self, node: onnx.NodeProto) -> list[str]:
        """The inputs of an operation, quantised ones by the names of their pairs."""
        quantised = set(self._rules.read_quantised(node))
        if self._scheme.outputs:
            quantised.update(node.input)
        names = [_pair_name(n) if n in quantised & self._encodings.keys() else n for n in node.input]
        if not self._rules.quantised(node):
            return names
        if self._rules.weighted(node):
            names[1:] = self._weights(node)
        else:
            names = [self._operand(name) if name in self._constants else name for name in names]
        return names

    def _weights(self, node: onnx.NodeProto) -> list[str]:
        """The names of the dequantised weights and bias of an operation.

        The scale of a channel is large enough for its bias to fit into 32 bits.
        """
        name, *biases = node.input[1:]
        value, limit = self._constants[name], self._scheme.weight_limit
        shape = _along_outputs(node, value.ndim)
        axis = shape.index(-1)
        input_scale = self._encodings[node.input[0]][0]
        scales = np.abs(value).max(axis=tuple(i for i in range(value.ndim) if i != axis)) / limit
        for bias in biases if self._scheme.biases else ():
            scales = np.maximum(scales, np.abs(self._biases[bias]) / (input_scale * 2**30))
        scales = np.maximum(scales, 1e-9).astype(np.float32)
        stored = np.clip(np.rint(value / scales.reshape(shape)), -limit, limit).astype(np.int8)
        names = [self._dequantise(name, stored, scales, axis=axis)]
        return names + [self._bias(bias, scales * np.float32(input_scale)) for bias in biases]

    def _bias(self, name: str, scales: NDArray[np.float32]) -> str:
        """A bias in the units of the products to which it is added, if the scheme has integer biases."""
        if not self._scheme.biases:
            self._stored[f"{name}_corrected"] = self._biases[name]
            return f"{name}_corrected"
        stored = np.rint(self._biases[name] / scales).astype(np.int32)
        return self._dequantise(name, stored, scales, axis=0)

    def _operand(self, name: str) -> str:
        """A constant operand of an elementwise operation, encoded like an activation."""
        value, limits = self._constants[name], np.iinfo(self._scheme.dtype)
        scale, zero = self._scheme.encode(float(value.min()), float(value.max()))
        stored = np.clip(np.rint(value / scale) + zero, limits.min, limits.max).astype(self._scheme.dtype)
        return self._dequantise(name, stored, np.float32(scale), zero=zero)

    def _dequantise(
        self, name: str, stored: Any, scales: Any, *, zero: int = 0, axis: int | None = None
    ) -> str:
        """Stores a quantised constant and appends the node that dequantises it."""
        numbers = self._numbers(name, scales, np.full_like(scales, zero, dtype=stored.dtype))
        self._stored[f"{name}_quantised"] = stored
        self._op("DequantizeLinear", [f"{name}_quantised", *numbers], _pair_name(name), axis=axis)
        return _pair_name(name)

    def _pair(self, name: str, source: str, result: str) -> None:
        """Appends the pair of an activation from ``source`` to ``result``, if it has an encoding."""
        if name in self._encodings:
            scale, zero = self._encodings[name]
            numbers = self._numbers(name, np.float32(scale), self._scheme.dtype(zero))
            self._op("QuantizeLinear", [source, *numbers], f"{name}_quantised")
            self._op("DequantizeLinear", [f"{name}_quantised", *numbers], result)

    def _numbers(self, name: str, scale: Any, zero: Any) -> list[str]:
        self._stored[f"{name}_scale"], self._stored[f"{name}_zero"] = scale, zero
        return [f"{name}_scale", f"{name}_zero"]

    def _op(self, kind: str, inputs: list[str], output: str, *, axis: int | None = None) -> None:
        node = helper.make_node(kind, inputs, [output], name=f"{kind}_{output}")
        if axis is not None:
            node.attribute.append(helper.make_attribute("axis", axis))
        self._nodes.append(node)

    def _finish(self) -> None:
        used = {name for node in self._nodes for name in node.input}
        initializers = [item for item in self._graph.initializer if item.name in used]
        del self._graph.node[:], self._graph.initializer[:]
        self._graph.node.extend(self._nodes)
        self._graph.initializer.extend(initializers)
        self._graph.initializer.extend(
            numpy_helper.from_array(np.asarray(value), name) for name, value in self._stored.items()
        )


def _pair_name(name: str) -> str:
    return f"{name}_dequantised"


def _along_outputs(node: onnx.NodeProto, rank: int) -> list[int]:
    """The shape that broadcasts one number per output channel over the weights."""
    turned = any(item.name == "transB" and item.i for item in node.attribute)
    axis = 0 if node.op_type == "Conv" or turned else 1
    return [-1 if i == axis else 1 for i in range(rank)]
