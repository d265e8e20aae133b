"""Layers in float: which, how few, and that they compute in float."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from nas.latency.kit.graphs import network_model
from nas.quantization import SCHEMES, Calibrated
from nas.quantization.sensitivity import fewest_in_float, rank_layers, split_layers
from nas.space import SearchSpace

SPACE = SearchSpace.load("mixed_32")
NETWORK = SPACE.network(SPACE.smallest(), classes=10)
DEPTHWISE = 3  # a depthwise convolution with ReLU, before a pointwise one
FEED = np.random.default_rng(0).standard_normal((4, 3, 24, 24), np.float32)


@pytest.fixture(scope="module")
def model() -> onnx.ModelProto:
    return network_model(NETWORK, batch=4, rng=np.random.default_rng(5))


def outputs(model: onnx.ModelProto) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"input": FEED})[0])


def calibrated(model: onnx.ModelProto, target: str = "x86_without_vnni") -> Calibrated:
    return Calibrated.of(model, [{"input": FEED}], scheme=SCHEMES[target], method="minmax")


def relative_noise(model: onnx.ModelProto, quantised: onnx.ModelProto) -> float:
    exact = outputs(model)
    return float(((outputs(quantised) - exact) ** 2).mean() / (exact**2).mean())


def with_outliers(model: onnx.ModelProto, layer: int) -> onnx.ModelProto:
    """A model with the same outputs; one channel after a convolution has 1,000 times its values."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    first, second = [node for node in result.graph.node if node.op_type == "Conv"][layer : layer + 2]
    factors = {first.input[1]: (0, 1e3), first.input[2]: (0, 1e3), second.input[1]: (1, 1e-3)}
    for item in result.graph.initializer:
        if item.name in factors:
            axis, factor = factors[item.name]
            value = numpy_helper.to_array(item).copy()
            value[(slice(None),) * axis + (0,)] *= np.float32(factor)
            item.CopyFrom(numpy_helper.from_array(value, item.name))
    return result


def test_layers_hold_every_node_and_the_networks_multiply_accumulates(model: onnx.ModelProto) -> None:
    layers = split_layers(model)
    assert sum(layer.macs for layer in layers) == NETWORK.macs
    assert [name for layer in layers for name in layer.nodes] == [node.name for node in model.graph.node]


@pytest.mark.parametrize("target", SCHEMES)
def test_layers_in_float_have_float_weights_and_the_others_do_not(
    model: onnx.ModelProto, target: str
) -> None:
    layers = split_layers(model)
    quantised = calibrated(model, target).insert(layers[2].nodes)
    onnx.checker.check_model(quantised, full_check=True)
    weights = {node.name: node.input[1] for node in quantised.graph.node if node.op_type in ("Conv", "Gemm")}
    assert {name for name, weight in weights.items() if weight.endswith("_dequantised")} == {
        layer.name for layer in layers if layer is not layers[2]
    }


@pytest.mark.parametrize("target", SCHEMES)
def test_with_every_layer_in_float_nothing_is_rounded(model: onnx.ModelProto, target: str) -> None:
    quantised = calibrated(model, target).insert([node.name for node in model.graph.node])
    assert {node.op_type for node in quantised.graph.node}.isdisjoint({"QuantizeLinear", "DequantizeLinear"})
    assert np.array_equal(outputs(quantised), outputs(model))


def test_the_layers_on_both_sides_of_outliers_are_the_noisiest(model: onnx.ModelProto) -> None:
    spoilt = with_outliers(model, DEPTHWISE)
    ranked = rank_layers(spoilt, calibrated(spoilt).insert, outputs=outputs)
    layers = [layer.name for layer in split_layers(spoilt)]
    assert {layer.name for layer in ranked[:2]} == set(layers[DEPTHWISE : DEPTHWISE + 2])


@pytest.mark.parametrize(("largest_loss", "count"), [(0.1, 0), (1e-3, 2), (3e-5, 3), (0.0, 9)])
def test_as_few_layers_as_the_loss_allows_stay_in_float(
    model: onnx.ModelProto, largest_loss: float, count: int
) -> None:
    spoilt = with_outliers(model, DEPTHWISE)
    mixed = fewest_in_float(
        spoilt,
        calibrated(spoilt).insert,
        outputs=outputs,
        loss=lambda quantised: relative_noise(spoilt, quantised),
        largest_loss=largest_loss,
    )
    assert len(mixed.in_float) == count
    assert mixed.loss <= largest_loss
    assert (mixed.layers, mixed.macs) == (9, NETWORK.macs)
