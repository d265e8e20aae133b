"""Post-processing of an exported ONNX graph: faster operations, and no traces of the exporter."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

TRAINING_OPS = frozenset({"BatchNormalization", "Dropout", "Identity"})
"""Operations that an artefact must not contain: they are folded or do nothing at inference."""

_RESHAPING = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze"})


def finish_graph(model: onnx.ModelProto) -> onnx.ModelProto:
    """Rewrites ``model`` in place, checks it, and returns it.

    Global average pooling gets its own operation, which ONNX Runtime runs in its blocked layout (a mean needs
    a reorder first), and reshapes after the classifier are dropped. Together, this saves 2 % of a
    small network's time.
    """
    import onnx

    pool_globally(model.graph)
    drop_idle_tail(model.graph)
    _drop_unused(model.graph)
    _strip(model)
    model.producer_name, model.producer_version = "hwnas", _version()
    onnx.checker.check_model(model)
    left = {node.op_type for node in model.graph.node} & TRAINING_OPS
    assert not left, f"the exported graph still has {sorted(left)}"
    return model


def _version() -> str:
    try:
        return metadata.version("hwnas")
    except metadata.PackageNotFoundError:  # a source tree that is not installed
        return ""


def pool_globally(graph: onnx.GraphProto) -> None:
    """Turns means over height and width into ``GlobalAveragePool``."""
    from onnx import numpy_helper

    constants = {item.name: item for item in graph.initializer}
    for node in graph.node:
        if node.op_type != "ReduceMean" or len(node.input) != 2 or node.input[1] not in constants:
            continue
        axes = {int(axis) % 4 for axis in numpy_helper.to_array(constants[node.input[1]])}
        keeps = all(item.i == 1 for item in node.attribute if item.name == "keepdims")
        if axes == {2, 3} and keeps:
            node.op_type = "GlobalAveragePool"
            del node.input[1:]
            del node.attribute[:]


def drop_idle_tail(graph: onnx.GraphProto) -> None:
    """Drops reshapes after the last matrix product, whose result already has the right shape."""
    makers = {name: node for node in graph.node for name in node.output}
    output, tail = graph.output[0].name, []
    node = makers[output]
    while node.op_type in _RESHAPING and node.input[0] in makers:
        tail.append(node)
        node = makers[node.input[0]]
    readers = sum(node.output[0] in other.input for other in graph.node)
    if node.op_type != "Gemm" or not tail or readers > 1:
        return
    for idle in tail:
        graph.node.remove(idle)
    node.output[0] = output


def _drop_unused(graph: onnx.GraphProto) -> None:
    used = {name for node in graph.node for name in node.input}
    initializers = [item for item in graph.initializer if item.name in used]
    del graph.initializer[:]
    graph.initializer.extend(initializers)


def _strip(model: onnx.ModelProto) -> None:
    """Removes the exporter's metadata, which contains local paths and can be larger than a small network."""
    graph = model.graph
    del graph.value_info[:]
    del model.functions[:]
    for item in (model, graph, *graph.node, *graph.initializer, *graph.input, *graph.output):
        del item.metadata_props[:]
        item.ClearField("doc_string")
    graph.name = "network"
