"""ONNX models in half precision, with what would overflow there in float32."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from nas.latency.kit.graph_writer import is_exact

_FLOAT, _HALF = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16
_SUFFIX: dict[int, str] = {_FLOAT: "_float32", _HALF: "_float16"}
_LARGEST = float(np.finfo(np.float16).max)


def to_half(model: onnx.ModelProto, *, interface: bool = True) -> onnx.ModelProto:
    """A copy with weights and arithmetic in FP16, except for the nodes that its writer marked as exact.

    Args:
        model: A float model of ``GraphWriter``.
        interface: Whether inputs and outputs are FP16, too; if not, they stay float.
    """
    half = onnx.ModelProto()
    half.CopyFrom(model)
    _Converter(half.graph, interface).convert()
    return half


class _Converter:
    """Rewrites a graph. A value is converted where a node reads it in the other precision, once for all."""

    def __init__(self, graph: onnx.GraphProto, interface: bool) -> None:
        self._graph, self._interface = graph, interface
        self._constants = {item.name: item for item in graph.initializer}
        self._float = set[str]() if interface else {value.name for value in graph.input}
        self._nodes: list[onnx.NodeProto] = []
        self._stored: dict[str, onnx.TensorProto] = {}
        self._converted: dict[tuple[str, int], str] = {}

    def convert(self) -> None:
        for node in list(self._graph.node):
            kind = _FLOAT if is_exact(node) else _HALF
            names = [self._read(name, kind) for name in node.input]
            del node.input[:]
            node.input.extend(names)
            self._nodes.append(node)
            self._float.update(node.output if kind == _FLOAT else ())
        self._end()
        del self._graph.node[:], self._graph.initializer[:]
        self._graph.node.extend(self._nodes)
        self._graph.initializer.extend(self._stored.values())

    def _read(self, name: str, kind: int) -> str:
        """The name of a value in the precision of the node that reads it."""
        if name in self._constants:
            return self._constant(name, kind)
        if (name in self._float) is (kind == _FLOAT):
            return name
        if (name, kind) not in self._converted:
            self._converted[name, kind] = f"{name}{_SUFFIX[kind]}"
            self._cast(name, self._converted[name, kind], kind)
        return self._converted[name, kind]

    def _constant(self, name: str, kind: int) -> str:
        item = self._constants[name]
        if item.data_type == _FLOAT and kind == _HALF:
            values = np.clip(numpy_helper.to_array(item), -_LARGEST, _LARGEST).astype(np.float16)
            item = numpy_helper.from_array(values, name)
        elif item.data_type == _FLOAT:
            name += _SUFFIX[kind]
            item = numpy_helper.from_array(numpy_helper.to_array(item), name)
        self._stored[name] = item
        return name

    def _cast(self, source: str, result: str, kind: int) -> None:
        self._nodes.append(helper.make_node("Cast", [source], [result], name=f"Cast_{result}", to=kind))

    def _end(self) -> None:
        """Gives inputs and outputs their types; an output of the other precision is converted."""
        if self._interface:
            for value in (*self._graph.input, *self._graph.output):
                value.type.tensor_type.elem_type = _HALF
        for value in self._graph.output:
            if (value.name in self._float) is self._interface:
                last = next(node for node in self._nodes if value.name in node.output)
                last.output[0] = f"{value.name}_before"
                self._cast(last.output[0], value.name, _HALF if self._interface else _FLOAT)
