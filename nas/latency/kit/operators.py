"""The operators of a model after ONNX Runtime's optimisation, fused ones and those in INT8."""

from __future__ import annotations

import tempfile
from pathlib import Path

import onnx

_SUM = 3  # position of the addend in the inputs of a fused convolution


def optimised_operators(model: onnx.ModelProto) -> tuple[str, ...]:
    """The operators that ONNX Runtime runs on a CPU for ``model``, in its order.

    A convolution with a fused shortcut or activation is named so: ``"Conv+Add+Relu"``. Creating a session
    determines the operators, so nothing runs.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = str(Path(folder) / "optimised.onnx")
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        optimised = onnx.load(options.optimized_model_filepath)
    return tuple(_name(node) for node in optimised.graph.node)


def _name(node: onnx.NodeProto) -> str:
    kind = node.op_type.removeprefix("Fused")
    if kind != "Conv":
        return kind
    added = ["Add"] if len(node.input) > _SUM and node.input[_SUM] else []
    activation = [item.s.decode() for item in node.attribute if item.name == "activation"]
    return "+".join([kind, *added, *activation])
