"""Float models in the precision of a device: unchanged, in FP16, or in INT8."""

from __future__ import annotations

import onnx

from nas.errors import UserError
from nas.hardware import Device
from nas.latency.kit.half import to_half
from nas.latency.kit.operators import optimised_operators
from nas.quantization import assumed_ranges, insert_pairs, scheme_of
from nas.runner.errors import RunnerError
from nas.runner.runtimes import check_precision, runtimes


def require_precision(device: Device) -> None:
    """Raises a ``UserError`` if the device's runtime does not run its precision.

    Runtimes of benchmark programs, such as TFLite, select the precision themselves.
    """
    if device.runtime not in runtimes():
        return
    try:
        check_precision(device.to_dict())
    except RunnerError as error:
        raise UserError(str(error)) from None


def in_precision(model: onnx.ModelProto, *, device: Device) -> onnx.ModelProto:
    """The form of a float model that is measured on ``device``.

    A runtime selects BF16 and TF32 for a float model; FP16 and INT8 are part of the model.

    Raises:
        UserError: If an INT8 model would leave a convolution in float.
    """
    if device.precision == "fp16":
        return to_half(model)
    if device.precision != "int8":
        return model
    scheme = scheme_of(runtime=device.runtime, provider=device.provider)
    quantised = insert_pairs(model, assumed_ranges(model), scheme=scheme)
    if left := float_convolutions(quantised):
        raise UserError(
            f"the INT8 model leaves {len(left)} of its convolutions or products in float "
            f"({', '.join(left[:3])}); "
            "measure in fp32, or leave these blocks out of the space"
        )
    return quantised


def float_convolutions(model: onnx.ModelProto) -> list[str]:
    """Convolutions and products with constant weights of a model with QDQ pairs that would run in float.

    Their data or weights do not come from a DequantizeLinear. If outputs are quantised too, as on a CPU, they
    also include the convolutions that ONNX Runtime's optimisation leaves in float.
    """
    made = {name for node in model.graph.node if node.op_type == "DequantizeLinear" for name in node.output}
    weights = made | {item.name for item in model.graph.initializer}
    layers = [
        node
        for node in model.graph.node
        if node.op_type == "Conv" or (node.op_type == "MatMul" and node.input[1] in weights)
    ]
    bare = [node.name for node in layers if not made.issuperset(node.input[:2])]
    if bare or not _is_unsigned(model):
        return bare
    return [name for name in optimised_operators(model) if name.split("+")[0] == "Conv"]


def _is_unsigned(model: onnx.ModelProto) -> bool:
    """Whether activations are unsigned, the form for ONNX Runtime's CPU kernels."""
    kinds = {item.name: item.data_type for item in model.graph.initializer}
    pairs = [node for node in model.graph.node if node.op_type == "QuantizeLinear"]
    return any(kinds[node.input[2]] == onnx.TensorProto.UINT8 for node in pairs)
