"""Several ONNX operators that are one function of PyTorch, and so one kernel: a module would call it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from .onnx_file import Graph, Node


def with_silu(nodes: tuple[Node, ...]) -> list[Node]:
    """The nodes, with ``x · sigmoid(x)``, for which ONNX has no operator, as one node."""
    gates = {node.outputs[0]: node.inputs[0] for node in nodes if node.kind == "Sigmoid"}
    merged: list[Node] = []
    for node in nodes:
        gated = [name for name in node.inputs if gates.get(name) in node.inputs] if node.kind == "Mul" else []
        if gated:
            merged = [other for other in merged if other.outputs[0] != gated[0]]
            merged.append(Node("Silu", (gates[gated[0]],), node.outputs, {}))
        else:
            merged.append(node)
    return merged


def with_attention(nodes: list[Node], graph: Graph) -> list[Node]:
    """The nodes, with ``softmax(scale · q kᵀ + bias) v`` as one ``Attention`` of q, kᵀ, v and the bias.

    Only so do the kernels of attention run that never hold the scores. The bias is a constant; that of
    windows with a mask of their own stands between two changes of shape.
    """
    makers = {node.outputs[0]: node for node in nodes}
    readers = Counter(name for node in nodes for name in node.inputs)
    merged, gone = dict[str, Node](), set[str]()
    for node in nodes:
        softmax = makers.get(node.inputs[0]) if node.kind == "MatMul" else None
        if softmax is None or softmax.kind != "Softmax":
            continue
        inner = _inner(softmax, makers, graph)
        if inner is None or any(readers[each.outputs[0]] > 1 for each in (softmax, *inner[0])):
            continue
        chain, inputs, scale = inner
        gone |= {each.outputs[0] for each in (softmax, *chain)}
        query, key, *bias = inputs
        merged[node.outputs[0]] = Node(
            "Attention", (query, key, node.inputs[1], *bias), node.outputs, {"scale": scale}
        )
    kept = (node for node in nodes if node.outputs[0] not in gone)
    return [merged.get(node.outputs[0], node) for node in kept]


def _inner(
    softmax: Node, makers: dict[str, Node], graph: Graph
) -> tuple[list[Node], tuple[str, ...], float] | None:
    """The nodes before a softmax, the inputs of attention but the values, and the factor of the scores."""
    chain: list[Node] = []
    bias: tuple[str, ...] = ()
    node = makers.get(softmax.inputs[0])
    while node is not None and node.kind in ("Reshape", "Add"):
        if node.kind == "Add":
            if bias or node.inputs[1] not in graph.constants:
                return None
            bias = (node.inputs[1],)
        chain.append(node)
        node = makers.get(node.inputs[0])
    if node is None or node.kind != "MatMul":
        return None
    scaled = makers.get(node.inputs[0])
    factor = graph.constants.get(scaled.inputs[1]) if scaled is not None and scaled.kind == "Mul" else None
    if scaled is None or factor is None or factor.size != 1:
        return None
    return [*chain, node, scaled], (scaled.inputs[0], node.inputs[1], *bias), float(np.ravel(factor)[0])


def attention(functional: Any, node: Node, _: Any) -> Any:
    """Runs an ``Attention`` by PyTorch's own function, which chooses the kernel."""
    scale = node.attributes["scale"]

    def step(query: Any, key: Any, value: Any, bias: Any = None) -> Any:
        if bias is not None and bias.ndim == 4:  # one for each window, of several images
            bias = bias.repeat(len(query) // len(bias), 1, 1, 1)
        return functional.scaled_dot_product_attention(query, key.transpose(-1, -2), value, bias, scale=scale)

    return step
