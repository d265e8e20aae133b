"""The Python code of convolutions, matrix products and what stands between them."""

from __future__ import annotations

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
from nas.deploy.python_code.writer import PythonWriter, python_of
from nas.network import NORM_EPSILON


@python_of.register
def _conv(op: Conv2d, writer: PythonWriter, inputs: tuple[str, ...]) -> str:
    options = [f"stride={op.stride}"] if op.stride > 1 else []
    options += [f"padding={op.pad}"] if op.pad else []
    options += [f"groups={op.groups}"] if op.groups > 1 else []
    options += [] if op.bias else ["bias=False"]
    sizes = [str(op.in_shape.channels), str(op.out_channels), str(op.kernel)]
    conv = writer.layer(op.role, f"nn.Conv2d({', '.join([*sizes, *options])})", source="conv.")
    code = f"{conv}({inputs[0]})"
    return f"{_normalise(writer, op.role, op.out_channels)}({code})" if op.norm else code


def _normalise(writer: PythonWriter, role: str, channels: int) -> str:
    """The expression of a BatchNorm."""
    epsilon = "" if writer.norm_epsilon == NORM_EPSILON else f", eps={writer.norm_epsilon}"
    return writer.layer(role, f"nn.BatchNorm2d({channels}{epsilon})", source="norm.", suffix="_norm")


@python_of.register
def _batch_norm(op: BatchNorm, writer: PythonWriter, inputs: tuple[str, ...]) -> str:
    return f"{_normalise(writer, op.role, op.in_shape.channels)}({inputs[0]})"


@python_of.register
def _linear(op: Linear, writer: PythonWriter, inputs: tuple[str, ...]) -> str:
    bias = "" if op.bias else ", bias=False"
    layer = writer.layer(op.role, f"nn.Linear({op.in_shape.channels}, {op.out_features}{bias})", source="")
    if op.in_shape.pixels == 1:
        code = f"{layer}({inputs[0]}.flatten(1))[:, :, None, None]"
    else:
        code = f"{layer}({inputs[0]}.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)"
    return f"{_normalise(writer, op.role, op.out_features)}({code})" if op.norm else code


@python_of.register
def _activation(op: Activation, writer: PythonWriter, inputs: tuple[str, ...]) -> str:
    return f"{_FUNCTIONS[op.function]}({inputs[0]})"


_FUNCTIONS = {
    "relu": "F.relu",
    "relu6": "F.relu6",
    "hard_swish": "F.hardswish",
    "silu": "F.silu",
    "gelu": "F.gelu",
    "hard_sigmoid": "F.hardsigmoid",
    "sigmoid": "torch.sigmoid",
}


@python_of.register
def _pool(op: Pool, writer: PythonWriter, inputs: tuple[str, ...]) -> str:
    options = f"{op.kernel}, {op.stride}, {op.padding}, ceil_mode={op.ceil}"
    if op.mode == "max":
        return f"F.max_pool2d({inputs[0]}, {options})"
    return f"F.avg_pool2d({inputs[0]}, {options}, count_include_pad=False)"


@python_of.register
def _global_average_pool(op: GlobalAveragePool, writer: PythonWriter, inputs: tuple[str, ...]) -> str:
    return f"{inputs[0]}.mean((2, 3), keepdim=True)"


@python_of.register
def _add(op: Add, writer: PythonWriter, inputs: tuple[str, ...]) -> str:
    return " + ".join(inputs)


@python_of.register
def _multiply(op: Multiply, writer: PythonWriter, inputs: tuple[str, ...]) -> str:
    return " * ".join(inputs)


@python_of.register
def _scale(op: Scale, writer: PythonWriter, inputs: tuple[str, ...]) -> str:
    code = f"nn.Parameter(torch.ones({op.in_shape.channels}, 1, 1))"
    return f"{inputs[0]} * {writer.layer(op.role, code, source='weight')}"


@python_of.register
def _layer_norm(op: LayerNorm, writer: PythonWriter, inputs: tuple[str, ...]) -> str:
    code = f"nn.LayerNorm({op.in_shape.channels}, eps={op.epsilon})"
    norm = writer.layer(op.role, code, source="")
    return f"{norm}({inputs[0]}.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)"
