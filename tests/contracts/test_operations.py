"""What every primitive operation must have: a PyTorch and an ONNX form that agree, an INT8 rule, a drawing.

An operation without an example in ``EXAMPLES`` fails here, and its example fails where a form is missing.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from xml.etree import ElementTree

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from safetensors.torch import save_file

from nas.blocks import (
    INPUT,
    BlockSettings,
    BlockSpec,
    Lowering,
    Op,
    Rounding,
    Shape,
    make_settings,
    offset_ops,
    ops,
    scan_ops,
    token_ops,
)
from nas.deploy.formats.pytorch import load_module
from nas.deploy.lowered import write_network
from nas.deploy.onnx import Metadata
from nas.deploy.python_code import write_python
from nas.errors import UserError
from nas.hardware import Device
from nas.latency.kit.graphs import block_model
from nas.latency.kit.precision import float_convolutions
from nas.network import NetworkSpec
from nas.nn import Block, StaticNetwork
from nas.nn.layers import _RUN
from nas.quantization import SCHEMES, pairs, quantize, target_here
from nas.report.cost import network_cost
from nas.report.drawing import Drawn, draw
from nas.report.figures.roofline import _MARKERS, draw_roofline

CHANNELS, SIZE, BATCH = 8, 6, 4


PLAIN = token_ops.Grid(height=6, width=6, side=3)
GRIDS = (PLAIN, token_ops.Grid(height=6, width=6, side=3, shift=1))


def _in_windows(net: Lowering, grid: token_ops.Grid) -> int:
    x = net.windows(INPUT, grid)
    query, key, value = (net.linear(x, 8, role=role) for role in ("query", "key", "value"))
    return net.attention(query, key, value, heads=2, grid=grid, role="own")


def _by_offset(net: Lowering, stride: int) -> int:
    query = net.linear(net.subsample(INPUT, stride), 8, role="query")
    key, value = net.linear(INPUT, 8, role="key"), net.linear(INPUT, 12, role="value")
    return net.offset_attention(query, key, value, heads=2, stride=stride, role="own")


def _scanned(net: Lowering, chunk: int) -> int:
    channels = {"value": 8, "step": 4, "input": 3, "output": 3}
    values = (net.linear(INPUT, count, role=role) for role, count in channels.items())
    return net.selective_scan(*values, chunk=chunk, role="own")


def _three(net: Lowering, channels: int, value_channels: int) -> tuple[int, int, int]:
    """Queries, keys and values."""
    return (
        net.linear(INPUT, channels, role="query"),
        net.linear(INPUT, channels, role="key"),
        net.linear(INPUT, value_channels, role="value"),
    )


EXAMPLES: dict[type[Op], tuple[Callable[[Lowering], int], ...]] = {
    ops.Conv2d: (
        lambda net: net.conv(INPUT, 12, role="own", kernel=3, stride=2),
        lambda net: net.conv(INPUT, 12, role="own", kernel=3, groups=4, norm=False, bias=True),
        lambda net: net.depthwise(INPUT, role="own", kernel=5),
    ),
    ops.Linear: (
        lambda net: net.linear(net.global_pool(INPUT), 5, role="own"),
        lambda net: net.linear(net.global_pool(INPUT), 5, role="own", bias=False),
        lambda net: net.linear(INPUT, 12, role="own"),
        lambda net: net.linear(net.activation(net.linear(INPUT, 12, role="first"), "gelu"), 5, role="own"),
        lambda net: net.linear(INPUT, 12, role="own", bias=False, norm=True),
        lambda net: net.linear(net.global_pool(INPUT), 5, role="own", norm=True),
    ),
    ops.Activation: tuple(
        lambda net, name=name: net.activation(INPUT, name)  # type: ignore[misc]
        for name in ops.ACTIVATIONS
        if name != "identity"
    ),
    ops.Pool: (
        lambda net: net.pool(INPUT, mode="max", kernel=3, stride=2, padding=1),
        lambda net: net.pool(INPUT, mode="average", kernel=2, stride=2, ceil=True),
    ),
    ops.GlobalAveragePool: (lambda net: net.global_pool(INPUT),),
    ops.Add: (lambda net: net.add(net.activation(INPUT, "relu"), INPUT),),
    ops.Multiply: (lambda net: net.multiply(INPUT, net.activation(net.global_pool(INPUT), "sigmoid")),),
    ops.Scale: (lambda net: net.scale(INPUT, role="own"),),
    ops.LayerNorm: (lambda net: net.layer_norm(INPUT, role="own"),),
    ops.BatchNorm: (
        lambda net: net.batch_norm(INPUT, role="own"),
        lambda net: net.batch_norm(net.linear(INPUT, 12, role="first"), role="own"),
        lambda net: net.batch_norm(net.linear(net.global_pool(INPUT), 5, role="first"), role="own"),
    ),
    offset_ops.OffsetAttention: tuple(
        lambda net, stride=stride: _by_offset(net, stride)  # type: ignore[misc]
        for stride in (1, 2, 4)
    ),
    offset_ops.Subsample: tuple(
        lambda net, stride=stride: net.subsample(INPUT, stride)  # type: ignore[misc]
        for stride in (2, 4)
    ),
    token_ops.Attention: (
        lambda net: net.attention(*_three(net, 8, 8), heads=2),
        lambda net: net.attention(*_three(net, 12, 6), heads=3),
        *(lambda net, grid=grid: _in_windows(net, grid) for grid in GRIDS),  # type: ignore[misc]
    ),
    token_ops.Windows: tuple(lambda net, grid=grid: net.windows(INPUT, grid) for grid in GRIDS),  # type: ignore[misc]
    token_ops.Unwindows: tuple(
        lambda net, grid=grid: net.unwindows(net.windows(INPUT, PLAIN), grid)  # type: ignore[misc]
        for grid in GRIDS
    ),
    token_ops.Resize: (
        lambda net: net.resize(INPUT, 7, 9),
        lambda net: net.resize(INPUT, 5, 4),
    ),
    token_ops.LinearAttention: (
        lambda net: net.linear_attention(*_three(net, 8, 8), heads=2),
        lambda net: net.linear_attention(*(net.conv(INPUT, 8, role=r) for r in "qkv"), heads=1),
    ),
    token_ops.Concat: (
        lambda net: net.concat(net.conv(INPUT, 4, role="conv"), INPUT),
        lambda net: net.concat(net.linear(INPUT, 4, role="linear"), INPUT, net.activation(INPUT, "relu")),
    ),
    token_ops.Product: (
        lambda net: net.product(INPUT, net.activation(INPUT, "sigmoid")),
        lambda net: net.product(net.linear(INPUT, 8, role="own"), INPUT),
    ),
    scan_ops.SelectiveScan: tuple(
        lambda net, chunk=chunk: _scanned(net, chunk)  # type: ignore[misc]
        for chunk in (36, 10)
    ),
    token_ops.SpaceToDepth: (lambda net: net.space_to_depth(INPUT, 2),),
    token_ops.Position: (
        lambda net: net.position(INPUT, role="own"),
        lambda net: net.position(net.linear(INPUT, 8, role="linear"), role="own"),
    ),
    token_ops.Prepend: (lambda net: net.prepend(INPUT, role="own"),),
    token_ops.First: (
        lambda net: net.first(INPUT),
        lambda net: net.first(net.attention(*(net.prepend(INPUT, role="token"),) * 3, heads=2)),
    ),
}
"""For each type of operation, lowerings that end in it."""

CASES = [(kind, number) for kind, builders in EXAMPLES.items() for number in range(len(builders))]
BY_CASE = pytest.mark.parametrize(("kind", "number"), CASES)

FLOAT = {"Gelu", "HardSigmoid", "HardSwish", "LayerNormalization"}
FLOAT |= {
    "Concat",
    "CumSum",
    "Div",
    "Exp",
    "Min",
    "Pad",
    "ReduceMean",
    "ReduceSum",
    "Softmax",
    "Softplus",
    "Sub",
}
"""ONNX operations that stay in float in an INT8 model."""


@dataclass(frozen=True, kw_only=True)
class ExampleSpec(BlockSpec):
    KIND: ClassVar[str] = "example"

    lowered: tuple[Op, ...]

    def lowering(self) -> tuple[Op, ...]:
        return self.lowered


@dataclass(frozen=True, kw_only=True)
class Example(BlockSettings):
    KIND: ClassVar[str] = "example"
    SPEC: ClassVar[type[BlockSpec]] = ExampleSpec

    kind: type[Op]
    number: int

    def lower(self, shape: Shape, rounding: Rounding) -> ExampleSpec:
        net = Lowering(shape)
        if self.kind is Unknown:
            return unknown_block()
        EXAMPLES[self.kind][self.number](net)
        return ExampleSpec(
            in_channels=shape.channels, in_height=shape.height, in_width=shape.width, lowered=net.ops
        )


def types_of(base: type[Op]) -> Iterator[type[Op]]:
    """All types of operations, those below others included."""
    for kind in base.__subclasses__():
        if not inspect.isabstract(kind) and kind.__module__.startswith("nas.blocks"):
            yield kind
        yield from types_of(kind)


def network(kind: type[Op], number: int) -> NetworkSpec:
    """A network of the example and a classifier."""
    return NetworkSpec(
        resolution=SIZE,
        input_channels=CHANNELS,
        classes=3,
        stem=(Example(kind=kind, number=number),),
        head=(make_settings("pool", {}),),
    )


def model(kind: type[Op], number: int) -> StaticNetwork:
    """A network whose weights and statistics all show in its output."""
    torch.manual_seed(0)
    static = StaticNetwork(network(kind, number)).eval()
    with torch.no_grad():
        for name, tensor in static.state_dict().items():
            if tensor.is_floating_point():
                tensor.normal_(0, 0.5) if "weight" in name and tensor.ndim > 1 else tensor.uniform_(0.5, 1.5)
    return static


def images() -> torch.Tensor:
    return torch.randn(BATCH, CHANNELS, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


def run_onnx(proto: onnx.ModelProto, x: torch.Tensor) -> np.ndarray:
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"images": x.numpy()})[0]  # type: ignore[no-any-return]


def relative_error(values: np.ndarray, exact: np.ndarray) -> float:
    spread = float(np.abs(exact[0] - exact[1]).max())
    assert spread > 1e-2 * np.abs(exact).max(), "the outputs depend on the image"
    return float(np.abs(values - exact).max()) / spread


def test_every_operation_has_an_example_that_ends_in_it() -> None:
    missing = [kind.__name__ for kind in types_of(Op) if kind not in EXAMPLES]
    assert not missing, f"add examples of {missing} to EXAMPLES: they show which forms an operation lacks"
    for kind, number in CASES:
        assert type(network(kind, number).blocks[0].ops[-1]) is kind


@BY_CASE
def test_the_pytorch_form_has_the_shape_and_the_parameters_of_the_operation(
    kind: type[Op], number: int
) -> None:
    spec = network(kind, number).blocks[0]
    block = Block([spec])
    out = block(images(), spec)
    assert out.shape == (BATCH, spec.out_shape.channels, spec.out_shape.height, spec.out_shape.width)
    assert sum(parameter.numel() for parameter in block.parameters()) == spec.params
    if spec.params:
        out.square().sum().backward()
        assert all(parameter.grad is not None for parameter in block.parameters())


@BY_CASE
def test_the_onnx_form_computes_what_the_pytorch_form_does(kind: type[Op], number: int) -> None:
    static, x = model(kind, number), images()
    assert relative_error(run_onnx(write_network(static, batch=BATCH), x), static(x).detach().numpy()) < 1e-4


@BY_CASE
def test_the_python_code_computes_what_the_pytorch_form_does(
    kind: type[Op], number: int, tmp_path: Path
) -> None:
    static, x = model(kind, number), images()
    about = Metadata(
        classes=("a", "b", "c"), mean=(0.0,) * CHANNELS, std=(1.0,) * CHANNELS, network=static.network
    )
    code, state = write_python(static, name="example", about=about)
    (tmp_path / "network.py").write_text(code)
    save_file(state, tmp_path / "weights.safetensors")
    assert torch.equal(load_module(tmp_path)(x), static(x))


@BY_CASE
def test_every_onnx_operation_has_an_int8_rule(kind: type[Op], number: int) -> None:
    proto, x = write_network(model(kind, number), batch=BATCH), images()
    rules = SCHEMES["x86"].kinds | pairs._CLAMPS | pairs._PASSING | FLOAT
    unknown = {node.op_type for node in proto.graph.node} - rules
    assert not unknown, f"quantise {unknown} in nas/quantization, or add them to FLOAT here"
    quantised = quantize(proto, target=target_here(), batches=[{"images": x.numpy()}])
    assert float_convolutions(quantised) == []
    assert relative_error(run_onnx(quantised, x), run_onnx(proto, x)) < 0.2


@BY_CASE
def test_a_drawing_shows_the_operation(kind: type[Op], number: int) -> None:
    spec = network(kind, number)
    device = Device(name="any", peak_flops={"fp32": 1e11}, bandwidth_bytes_per_s=1e10)
    cost = network_cost(spec, name="example", device=device)
    ElementTree.fromstring(draw([Drawn("example", spec)]))
    draw_roofline(cost).canvas.draw()
    op = spec.blocks[0].ops[-1]
    assert not op.macs or op.name in _MARKERS, f"give {op.name!r} a mark in nas/report/figures/roofline.py"


class Unknown(Op):
    """An operation of a plug-in without any form."""

    name = "unknown"


def unknown_block() -> ExampleSpec:
    shape = Shape(CHANNELS, SIZE, SIZE)
    return ExampleSpec(
        in_channels=CHANNELS, in_height=SIZE, in_width=SIZE, lowered=(Unknown(in_shape=shape),)
    )


REFUSAL = r", an operation of the block example\(in_channels=8,.*\); register one with {}, or leave the kind"


def test_an_operation_without_a_pytorch_form_is_refused() -> None:
    with pytest.raises(UserError, match=r"no PyTorch form for Unknown" + REFUSAL.format("runs or layer")):
        Block([unknown_block()])


def test_an_operation_without_an_onnx_form_is_refused() -> None:
    with pytest.raises(UserError, match=r"no ONNX form for Unknown" + REFUSAL.format("write_op.register")):
        block_model(unknown_block(), rng=np.random.default_rng(0))


def test_an_operation_without_a_python_form_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_RUN, Unknown, lambda op, weights, x: x)
    static = model(Unknown, 0)
    about = Metadata(
        classes=("a", "b", "c"), mean=(0.0,) * CHANNELS, std=(1.0,) * CHANNELS, network=static.network
    )
    with pytest.raises(UserError, match=r"no Python form for Unknown" + REFUSAL.format("python_of.register")):
        write_python(static, name="example", about=about)
