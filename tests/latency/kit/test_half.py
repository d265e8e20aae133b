"""FP16 files: decays and sums over all pixels stay in float32.

ONNX's own evaluator computes in half precision wherever a file does; ONNX Runtime's CPU kernels do not.
"""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from nas.blocks import INPUT, Lowering, Shape
from nas.latency.kit import half
from nas.latency.kit.graph_writer import GraphWriter, write_op
from nas.latency.kit.graphs import block_model
from nas.latency.kit.half import to_half
from nas.network import reference_network

SHAPE, HEADS, STATES = Shape(8, 16, 14), 4, 3


def model(attention: str, *, gain: float) -> onnx.ModelProto:
    """An attention of linear cost whose inputs are the image's channels times a number."""
    net = Lowering(SHAPE)
    if attention == "linear":
        net.linear_attention(INPUT, INPUT, INPUT, heads=2)
    else:
        step, states = net.linear(INPUT, HEADS, role="step"), net.linear(INPUT, STATES, role="states")
        net.selective_scan(INPUT, step, states, states, chunk=28, role="scan")
    writer, values = _Gained(SHAPE, batch=2, rng=np.random.default_rng(0), gain=gain), list[str]()
    for op in net.ops:
        names = tuple("input" if i == INPUT else values[i] for i in op.inputs)
        values.append(write_op(op, writer, names))
    return writer.model(values[-1], net.ops[-1].out_shape)


class _Gained(GraphWriter):
    """Makes step sizes long, and other weights small, so that only decays are large."""

    def __init__(self, in_shape: Shape, *, batch: int, rng: np.random.Generator, gain: float) -> None:
        super().__init__(in_shape, batch=batch, rng=rng)
        self._gain = gain

    def draw(self, *shape: int, fan_in: int) -> np.ndarray:
        gain = {(HEADS, SHAPE.channels): self._gain, (STATES, SHAPE.channels): 0.3}.get(shape, 1)
        return super().draw(*shape, fan_in=fan_in) * np.float32(gain)


def outputs(proto: onnx.ModelProto, scale: float) -> np.ndarray:
    kind = np.float16 if proto.graph.input[0].type.tensor_type.elem_type == 10 else np.float32
    images = scale * np.random.default_rng(1).standard_normal((2, 8, 16, 14), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        return ReferenceEvaluator(proto).run(None, {"input": images.astype(kind)})[0].astype(np.float32)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("attention", "gain", "scale"),
    [("linear", 1, 40), ("scan", 400, 1)],
    ids=["sums over all pixels", "long steps"],
)
def test_sums_and_decays_do_not_overflow_in_half_precision(
    attention: str, gain: float, scale: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    proto = model(attention, gain=gain)
    expected = outputs(proto, scale)

    def error(converted: onnx.ModelProto) -> float:
        return float(np.abs(outputs(converted, scale) - expected).max() / np.abs(expected).max())

    assert np.isfinite(expected).all()
    assert error(to_half(proto)) < 3e-3
    monkeypatch.setattr(half, "is_exact", lambda node: False)
    assert not error(to_half(proto)) < 3e-3, "everything in half precision is worse"


@pytest.mark.parametrize("interface", [True, False])
def test_a_converted_file_is_valid_and_its_weights_take_half_the_space(interface: bool) -> None:
    block = reference_network("efficientvit_b0", resolution=64, width=0.5).blocks[-6]
    proto = block_model(block, rng=np.random.default_rng(0))
    converted = to_half(proto, interface=interface)
    onnx.checker.check_model(converted, full_check=True)
    ends = (*converted.graph.input, *converted.graph.output)
    assert {value.type.tensor_type.elem_type for value in ends} == {10 if interface else 1}
    assert converted.ByteSize() < 0.6 * proto.ByteSize()
