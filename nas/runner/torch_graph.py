"""ONNX graphs as sequences of PyTorch calls: each operator calls the function that a module would call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .errors import RunnerError
from .onnx_file import Graph, Node
from .torch_fusions import attention, with_attention, with_silu

Step = Callable[..., Any]


class TorchGraph:
    """An ONNX graph as a sequence of calls of PyTorch functions.

    Args:
        library: The module ``torch``.
        graph: The graph.
        device: The device of a kit, with all options.

    Raises:
        RunnerError: If an operator is unknown.
    """

    def __init__(self, library: Any, graph: Graph, *, device: dict[str, Any]) -> None:
        self.library = library
        self._layout = library.channels_last if device["provider_options"]["channels_last"] else None
        self._place = device["provider"]
        halves = {"fp16": library.float16, "bf16": library.bfloat16}
        self._dtype = halves.get(device["precision"], library.float32)
        self._shapes = [[size or device["batch"] for size in shape] for shape in graph.inputs.values()]
        self._constants = [self._constant(value) for value in graph.constants.values()]
        names = [*graph.inputs, *graph.constants]
        self.steps: list[tuple[Step, list[int]]] = []
        for node in with_attention(with_silu(graph.nodes), graph):
            self.steps.append((self._step(node, graph), [names.index(name) for name in node.inputs if name]))
            names.append(node.outputs[0])
        self._output = names.index(graph.outputs[0])

    def _step(self, node: Node, graph: Graph) -> Step:
        if node.kind not in _KINDS:
            kinds = ", ".join(sorted(_KINDS))
            raise RunnerError(f"torch does not know the operator {node.kind}; known: {kinds}")
        values = {name: graph.constants[name] for name in node.inputs if name in graph.constants}
        return _KINDS[node.kind](self.library.nn.functional, node, values)

    def tensor(self, value: np.ndarray[Any, Any]) -> Any:
        """``value`` with the model's device, type and layout."""
        if value.dtype.kind != "f":
            return self.library.tensor(value)
        tensor = self.library.tensor(value.astype(np.float32)).to(self._place, self._dtype)
        return tensor.contiguous(memory_format=self._layout) if self._layout and tensor.ndim == 4 else tensor

    def _constant(self, value: np.ndarray[Any, Any]) -> Any:
        """``tensor``; what is float32 in a model of half precision stays so."""
        exact = self._dtype == self.library.float16 and value.dtype == np.float32
        return self.library.tensor(value).to(self._place) if exact else self.tensor(value)

    def inputs(self) -> list[Any]:
        """Random inputs."""
        rng = np.random.default_rng(0)
        return [self.tensor(rng.standard_normal(shape, np.float32)) for shape in self._shapes]

    def __call__(self, inputs: list[Any]) -> Any:
        values = [*inputs, *self._constants]
        for step, places in self.steps:
            values.append(step(*[values[place] for place in places]))
        return values[self._output]


def _conv(functional: Any, node: Node, _: Any) -> Step:
    strides, groups = node.attributes.get("strides", (1, 1)), node.attributes.get("group", 1)
    pads, dilations = _symmetric(node), node.attributes.get("dilations", (1, 1))

    def step(x: Any, weight: Any, bias: Any = None) -> Any:
        return functional.conv2d(x, weight, bias, strides, pads, dilations, groups)

    return step


def _gemm(functional: Any, node: Node, _: Any) -> Step:
    turned = node.attributes.get("transB", 0)
    return lambda x, weight, bias=None: functional.linear(x, weight if turned else weight.t(), bias)


def _symmetric(node: Node) -> tuple[int, int]:
    pads = node.attributes.get("pads", (0, 0, 0, 0))
    if pads[:2] != pads[2:]:
        raise RunnerError(f"torch runs no {node.kind} with uneven padding {pads}; choose another runtime")
    return pads[0], pads[1]


def _max_pool(functional: Any, node: Node, _: Any) -> Step:
    size, strides, pads = node.attributes["kernel_shape"], node.attributes["strides"], _symmetric(node)
    ceil = bool(node.attributes.get("ceil_mode", 0))
    return lambda x: functional.max_pool2d(x, size, strides, pads, ceil_mode=ceil)


def _average_pool(functional: Any, node: Node, _: Any) -> Step:
    size, strides, pads = node.attributes["kernel_shape"], node.attributes["strides"], _symmetric(node)
    ceil, outside = (bool(node.attributes.get(name, 0)) for name in ("ceil_mode", "count_include_pad"))
    return lambda x: functional.avg_pool2d(x, size, strides, pads, ceil, outside)


def _clip(functional: Any, node: Node, values: Any) -> Step:
    low, high = (float(values[name]) for name in node.inputs[1:])
    return lambda x, *_: functional.hardtanh(x, low, high)


def _reshape(_: Any, node: Node, values: Any) -> Step:
    shape = tuple(int(size) for size in values[node.inputs[1]])
    return lambda x, *_: x.reshape([size or x.shape[axis] for axis, size in enumerate(shape)])


def _concat(functional: Any, node: Node, _: Any) -> Step:
    axis, library = node.attributes["axis"], functional.torch
    return lambda *values: library.cat(values, axis)


def _slice(_: Any, node: Node, values: Any) -> Step:
    starts, ends, axes, *steps = ([int(size) for size in values[name]] for name in node.inputs[1:])
    cuts = {axis: slice(*ends) for axis, *ends in zip(axes, starts, ends, *steps, strict=True)}
    if steps == [[-1]]:
        return lambda x, *_: x.flip(axes)
    return lambda x, *_: x[tuple(cuts.get(axis, slice(None)) for axis in range(x.ndim))]


def _cast(_: Any, node: Node, __: Any) -> Step:
    types = {1: "float", 10: "half"}  # onnx.TensorProto
    name = types[int(node.attributes["to"])]
    return lambda x: getattr(x, name)()


def _pad(functional: Any, node: Node, values: Any) -> Step:
    pads = [int(size) for size in values[node.inputs[1]]]
    rank = len(pads) // 2
    pairs = [(pads[axis], pads[rank + axis]) for axis in reversed(range(rank))]
    flat = [size for pair in pairs for size in pair]
    return lambda x, *_: functional.pad(x, flat)


def _reduce(name: str) -> Callable[[Any, Node, Any], Step]:
    """A mean or sum over some axes, which stay with size 1."""

    def build(_: Any, node: Node, values: Any) -> Step:
        axes = tuple(int(axis) for axis in values[node.inputs[1]])
        keep = bool(node.attributes.get("keepdims", 1))
        return lambda x, *_: getattr(x, name)(axes, keepdim=keep)

    return build


def _cumulated(_: Any, node: Node, values: Any) -> Step:
    axis = int(values[node.inputs[1]])
    return lambda x, *_: x.cumsum(axis)


def _softmax(functional: Any, node: Node, _: Any) -> Step:
    axis = node.attributes.get("axis", -1)
    return lambda x: functional.softmax(x, axis)


def _hard_sigmoid(functional: Any, node: Node, _: Any) -> Step:
    alpha, beta = node.attributes.get("alpha", 0.2), node.attributes.get("beta", 0.5)
    if abs(alpha - 1 / 6) < 1e-6 and beta == 0.5:
        function: Step = functional.hardsigmoid
        return function
    return lambda x: (x * alpha + beta).clamp(0, 1)


def _layer_norm(functional: Any, node: Node, values: Any) -> Step:
    shape, epsilon = values[node.inputs[1]].shape, node.attributes.get("epsilon", 1e-5)
    return lambda x, scale, shift=None: functional.layer_norm(x, shape, scale, shift, epsilon)


def _transpose(_: Any, node: Node, __: Any) -> Step:
    order = node.attributes["perm"]
    return lambda x: x.permute(order)


def _plain(name: str) -> Callable[[Any, Node, Any], Step]:
    """A function of the input alone."""

    def build(functional: Any, _: Node, __: Any) -> Step:
        function: Step = vars(functional)[name]
        return function

    return build


_KINDS: dict[str, Callable[[Any, Node, Any], Step]] = {
    "Add": lambda _, __, ___: lambda x, y: x + y,
    "Attention": attention,
    "AveragePool": _average_pool,
    "Clip": _clip,
    "Concat": _concat,
    "Conv": _conv,
    "Cast": _cast,
    "CumSum": _cumulated,
    "Div": lambda _, __, ___: lambda x, y: x / y,
    "Exp": lambda _, __, ___: lambda x: x.exp(),
    "Flatten": lambda _, __, ___: lambda x: x.flatten(1),
    "Gelu": _plain("gelu"),
    "Gemm": _gemm,
    "GlobalAveragePool": lambda _, __, ___: lambda x: x.mean((2, 3), keepdim=True),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _plain("hardswish"),
    "Identity": lambda _, __, ___: lambda x: x,
    "LayerNormalization": _layer_norm,
    "MatMul": lambda _, __, ___: lambda x, y: x @ y,
    "MaxPool": _max_pool,
    "Min": lambda _, __, ___: lambda x, y: x.minimum(y),
    "Mul": lambda _, __, ___: lambda x, y: x * y,
    "Pad": _pad,
    "ReduceMean": _reduce("mean"),
    "ReduceSum": _reduce("sum"),
    "Relu": _plain("relu"),
    "Reshape": _reshape,
    "Sigmoid": _plain("sigmoid"),
    "Silu": _plain("silu"),
    "Slice": _slice,
    "Softmax": _softmax,
    "Softplus": _plain("softplus"),
    "Sub": lambda _, __, ___: lambda x, y: x - y,
    "Transpose": _transpose,
}
