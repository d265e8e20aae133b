"""INT8 of an ONNX model: what the integers stand for, what is fused, and what is refused."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import numpy_helper

from nas.blocks.token_ops import Attention
from nas.errors import UserError
from nas.latency.kit.graphs import network_model
from nas.latency.kit.operators import optimised_operators
from nas.latency.kit.precision import float_convolutions
from nas.quantization import (
    SCHEMES,
    Calibrated,
    assumed_ranges,
    calibrate,
    insert_pairs,
    quantize,
    scheme_of,
    target_here,
)
from nas.quantization.calibration import with_outputs
from nas.quantization.sensitivity import split_layers
from nas.quantization.sessions import open_session
from nas.space import SearchSpace


@pytest.fixture(scope="module")
def model() -> onnx.ModelProto:
    space = SearchSpace.load("mixed_32")
    rng = np.random.default_rng(5)
    return network_model(space.network(space.sample(rng), classes=10), batch=4, rng=rng)


def images(model, count, seed=0):
    sizes = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    rng = np.random.default_rng(seed)
    return [{"input": rng.standard_normal(sizes, np.float32)} for _ in range(count)]


def run(model, feeds):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, feeds)[0]


def sqnr_db(model, quantised, feeds):
    """Signal over quantisation noise: on random weights, the highest score says nothing."""
    exact = run(model, feeds)
    return 10 * np.log10((exact**2).mean() / ((run(quantised, feeds) - exact) ** 2).mean())


@pytest.mark.parametrize("target", SCHEMES)
def test_biases_cancel_the_mean_error_of_rounded_weights(model, target):
    """Weights of 3 bits and bright images give an error that is seen above that of the activations."""
    scheme = dataclasses.replace(SCHEMES[target], weight_limit=3)
    *batches, unseen = ({"input": batch["input"] + 2} for batch in images(model, 5))
    corrected = Calibrated.of(model, batches, scheme=scheme, method="minmax")
    plain = dataclasses.replace(corrected, biases={})
    outputs = convolutions(model)[:1]

    def error(calibrated):
        exact, rounded = (means(each, outputs, batches) for each in (model, calibrated.insert()))
        return np.abs(rounded - exact).max()

    assert error(corrected) < 0.1 * error(plain)
    assert sqnr_db(model, corrected.insert(), unseen) > sqnr_db(model, plain.insert(), unseen) + 1


def convolutions(model):
    return [node.output[0] for node in model.graph.node if node.op_type == "Conv"]


def means(model, names, batches):
    """The mean of each channel of an activation."""
    session = open_session(with_outputs(model, names))
    maps = [session.run(names, batch)[0] for batch in batches]
    return np.concatenate(maps).mean((0, 2, 3))


@pytest.mark.parametrize("target", SCHEMES)
@pytest.mark.parametrize("calibration", ["minmax", "percentile"])
def test_an_int8_model_computes_nearly_the_same(model, target, calibration):
    quantised = quantize(model, target=target, batches=images(model, 4), calibration=calibration)
    onnx.checker.check_model(quantised, full_check=True)
    worst = 20 if target != "x86" or target_here() == "x86" else 10  # products saturate without VNNI
    assert sqnr_db(model, quantised, images(model, 1, seed=9)[0]) > worst
    assert float_convolutions(quantised) == []


def test_ranges_are_those_of_the_images(model):
    ranges = calibrate(model, images(model, 3))
    low, high = ranges["input"]
    values = np.concatenate([batch["input"] for batch in images(model, 3)])
    assert (low, high) == (pytest.approx(values.min()), pytest.approx(values.max()))


def test_the_library_s_own_quantiser_leads_to_the_same_operators(model, tmp_path):
    """Only the scores differ: ours leaves them in float, the library rounds them to 8 bits first."""
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.calibrate import CalibrationDataReader

    class Reader(CalibrationDataReader):
        left = iter(images(model, 1))

        def get_next(self):
            return next(self.left, None)

    onnx.save(model, str(tmp_path / "float.onnx"))
    quantize_static(
        str(tmp_path / "float.onnx"),
        str(tmp_path / "int8.onnx"),
        Reader(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    theirs = Counter(optimised_operators(onnx.load(str(tmp_path / "int8.onnx"))))
    ours = optimised_operators(quantize(model, target="x86", batches=images(model, 1)))
    theirs["DequantizeLinear"] -= 1
    assert Counter(ours) == theirs
    assert ours == optimised_operators(insert_pairs(model, assumed_ranges(model), scheme=SCHEMES["x86"]))


def test_weights_have_a_scale_for_each_output_channel(model):
    quantised = insert_pairs(model, assumed_ranges(model), scheme=SCHEMES["x86"])
    before = {item.name: numpy_helper.to_array(item) for item in model.graph.initializer}
    after = {item.name: numpy_helper.to_array(item) for item in quantised.graph.initializer}
    convolution = next(node for node in model.graph.node if node.op_type == "Conv")
    name = convolution.input[1]
    scales, stored = after[f"{name}_scale"], after[f"{name}_quantised"]
    assert stored.dtype == np.int8 and scales.shape == (len(before[name]),)
    error = np.abs(stored * scales.reshape(-1, 1, 1, 1) - before[name])
    assert (error <= 0.5001 * scales.reshape(-1, 1, 1, 1)).all()
    assert after[f"{convolution.input[2]}_quantised"].dtype == np.int32


def test_seven_bits_are_seven_bits(model):
    quantised = insert_pairs(model, assumed_ranges(model), scheme=SCHEMES["x86_without_vnni"])
    stored = [numpy_helper.to_array(item) for item in quantised.graph.initializer]
    assert max(np.abs(value.astype(int)).max() for value in stored if value.dtype == np.int8) == 63


def test_tensorrt_gets_symmetric_activations_and_float_biases(model):
    quantised = insert_pairs(model, assumed_ranges(model), scheme=SCHEMES["tensorrt"])
    values = {item.name: numpy_helper.to_array(item) for item in quantised.graph.initializer}
    zeros = [values[node.input[2]] for node in quantised.graph.node if node.op_type == "QuantizeLinear"]
    assert zeros and all(zero.dtype == np.int8 and zero == 0 for zero in zeros)
    biases = [values[node.input[2]] for node in quantised.graph.node if node.op_type == "Conv"]
    assert all(bias.dtype == np.float32 for bias in biases)


def test_a_large_bias_of_small_weights_fits(model):
    small = onnx.ModelProto()
    small.CopyFrom(model)
    convolution = next(node for node in small.graph.node if node.op_type == "Conv")
    for item in small.graph.initializer:
        value = numpy_helper.to_array(item)
        if item.name == convolution.input[1]:
            item.CopyFrom(numpy_helper.from_array(value * np.float32(1e-9), item.name))
        if item.name == convolution.input[2]:
            item.CopyFrom(numpy_helper.from_array(np.full_like(value, 4), item.name))
    quantised = quantize(small, target=target_here(), batches=images(small, 2))
    assert sqnr_db(small, quantised, images(small, 1)[0]) > 15


@given(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3), st.sampled_from(sorted(SCHEMES)))
def test_an_encoding_covers_its_range_and_holds_zero_exactly(a, b, target):
    scheme, low, high = SCHEMES[target], min(a, b), max(a, b)
    scale, zero = scheme.encode(low, high)
    limits = np.iinfo(scheme.dtype)
    assert limits.min <= zero <= limits.max
    assert (limits.min - zero) * scale <= low + 0.51 * scale
    assert (limits.max - zero) * scale >= high - 0.51 * scale


def test_runtimes_choose_their_scheme():
    assert scheme_of(runtime="tensorrt", provider="") == SCHEMES["tensorrt"]
    assert scheme_of(runtime="onnxruntime", provider="TensorrtExecutionProvider") == SCHEMES["tensorrt"]
    assert scheme_of(runtime="openvino", provider="CPU") == SCHEMES["x86"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"target": "x68"}, "unknown INT8 target 'x68'; did you mean x86"),
        ({"target": "x86", "calibration": "max"}, "unknown calibration 'max'"),
        ({"target": "x86", "batches": []}, "no images to calibrate INT8 on; give at least one batch"),
    ],
)
def test_what_cannot_be_quantised_is_refused(model, fields, message):
    with pytest.raises(UserError, match=message):
        quantize(model, **{"batches": images(model, 1), **fields})


def test_a_convolution_that_stays_in_float_is_found(model):
    quantised = insert_pairs(model, assumed_ranges(model), scheme=SCHEMES["x86"])
    assert float_convolutions(quantised) == []
    convolution = next(node for node in quantised.graph.node if node.op_type == "Conv")
    pair = next(node for node in quantised.graph.node if convolution.input[0] in node.output)
    quantize_ = next(node for node in quantised.graph.node if pair.input[0] in node.output)
    convolution.input[0] = quantize_.input[0]
    assert float_convolutions(quantised) == [convolution.name]


@pytest.fixture(scope="module")
def transformer():
    space = SearchSpace.load("vit_32")
    return network_model(space.network(space.smallest(), classes=10), rng=np.random.default_rng(0))


def test_a_transformer_s_constant_products_run_in_int8_and_no_product_of_activations_does(transformer):
    constants = {item.name for item in transformer.graph.initializer}
    products = [node for node in transformer.graph.node if node.op_type == "MatMul"]
    constant = [node for node in products if node.input[1] in constants]
    assert len(constant) == 12 and len(products) - len(constant) == 4  # in two blocks
    quantised = insert_pairs(transformer, assumed_ranges(transformer), scheme=SCHEMES["x86"])
    run = Counter(optimised_operators(quantised))
    assert (run["QLinearMatMul"], run["MatMul"], run["QGemm"], run["Gemm"]) == (12, 4, 1, 0)
    assert float_convolutions(quantised) == []


@pytest.mark.parametrize("target", SCHEMES)
def test_a_transformer_computes_nearly_the_same_in_int8(transformer, target):
    quantised = quantize(transformer, target=target, batches=images(transformer, 4))
    assert sqnr_db(transformer, quantised, images(transformer, 1, seed=9)[0]) > 20


def test_a_product_that_stays_in_float_is_found(transformer):
    scheme = dataclasses.replace(SCHEMES["x86"], kinds=frozenset({"Conv", "Gemm"}))
    quantised = insert_pairs(transformer, assumed_ranges(transformer), scheme=scheme)
    assert len(float_convolutions(quantised)) == 12


def test_the_macs_of_a_transformer_s_layers_are_those_of_its_constant_products(transformer):
    network = SearchSpace.load("vit_32").network(SearchSpace.load("vit_32").smallest(), classes=10)
    attention = sum(op.macs for block in network.blocks for op in block.ops if isinstance(op, Attention))
    assert sum(layer.macs for layer in split_layers(transformer)) == network.macs - attention
