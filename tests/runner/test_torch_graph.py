"""ONNX files read without ONNX, and run by PyTorch, give what ONNX Runtime gives."""

from contextlib import contextmanager

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from nas.blocks import Rounding, Shape, make_settings
from nas.latency.kit.graphs import chain_model, network_model
from nas.latency.kit.half import to_half
from nas.network import reference_network
from nas.runner.errors import RunnerError
from nas.runner.onnx_file import read_onnx
from nas.runner.torch_graph import TorchGraph
from nas.space import SearchSpace

DEVICE = {"provider": "cpu", "precision": "fp32", "batch": 2}


def torch_graph(path, **fields):
    options = {"channels_last": False, "cuda_graph": False, **fields.pop("options", {})}
    return TorchGraph(torch, read_onnx(path), device={**DEVICE, "provider_options": options, **fields})


def saved(model, tmp_path):
    onnx.save(model, str(tmp_path / "model.onnx"))
    return tmp_path / "model.onnx"


@contextmanager
def counted_calls(module, name):
    """Notes each call of a function while it runs as ever."""
    made, function = [], getattr(module, name)

    def noted(*arguments, **options):
        made.append(arguments)
        return function(*arguments, **options)

    setattr(module, name, noted)
    try:
        yield made
    finally:
        setattr(module, name, function)


def sampled(name, seed=1):
    space, rng = SearchSpace.load(name), np.random.default_rng(seed)
    return network_model(space.network(space.sample(rng), classes=10), batch=2, rng=rng)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("name", ["mixed_32", "cell", "tiny_32", "vit_32", "mixed_attention_32", "levit"])
def test_torch_computes_the_same(name, channels_last, tmp_path):
    path = saved(sampled(name), tmp_path)
    graph = torch_graph(path, options={"channels_last": channels_last})
    (images,) = graph.inputs()
    with torch.inference_mode():
        found = graph([images]).numpy()
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    expected = session.run(None, {"input": images.contiguous().numpy()})[0]
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()
    assert np.abs(expected[0] - expected[1]).max() > 1e-3 * np.abs(expected).max()


@pytest.mark.parametrize(("precision", "dtype"), [("fp16", torch.float16), ("bf16", torch.bfloat16)])
@pytest.mark.parametrize("space", ["tiny_32", "mixed_attention_32"])
def test_weights_and_images_have_the_precision(space, precision, dtype, tmp_path):
    model = sampled(space)
    path = saved(to_half(model) if precision == "fp16" else model, tmp_path)
    graph = torch_graph(path, precision=precision)
    assert graph.inputs()[0].dtype == dtype
    with torch.inference_mode():
        assert graph(graph.inputs()).dtype == dtype


def test_silu_is_one_call(tmp_path):
    """A module would call it; sigmoid and product apart would be two kernels."""
    nodes = [
        helper.make_node("Sigmoid", ["input"], ["gate"]),
        helper.make_node("Mul", ["input", "gate"], ["output"]),
    ]
    path = saved(model_of(nodes, [2, 3]), tmp_path)
    graph = torch_graph(path)
    x = torch.randn(2, 3)
    assert torch.equal(graph([x]), torch.nn.functional.silu(x))
    assert len(graph.steps) == 1


@pytest.mark.parametrize(
    ("name", "calls"), [("vit_b_32", 12), ("swin_t", 12), ("efficientvit_b0", 0), ("mambaout_femto", 0)]
)
def test_attention_is_one_call_with_and_without_a_bias(name, calls, tmp_path):
    """Else no kernel would run that never holds the scores."""
    network = reference_network(name, width=0.25, classes=5, resolution=96)
    path = saved(network_model(network, batch=2, rng=np.random.default_rng(0)), tmp_path)
    with counted_calls(torch.nn.functional, "scaled_dot_product_attention") as made:
        graph = torch_graph(path)
        (images,) = graph.inputs()
        found = graph([images]).numpy()
    assert len(made) == calls
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    expected = session.run(None, {"input": images.numpy()})[0]
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


def test_a_selective_scan_runs(tmp_path):
    spec = make_settings("state_space", {"head_dim": 4, "chunk": 10}).lower(Shape(8, 5, 5), Rounding())
    path = saved(chain_model([spec], batch=2, rng=np.random.default_rng(0)), tmp_path)
    graph = torch_graph(path)
    (images,) = graph.inputs()
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    expected = session.run(None, {"input": images.numpy()})[0]
    assert np.abs(graph([images]).numpy() - expected).max() < 1e-4 * np.abs(expected).max()


def test_scores_that_something_else_reads_stay(tmp_path):
    constants = [numpy_helper.from_array(np.array(0.5, np.float32), "half")]
    nodes = [
        helper.make_node("Mul", ["input", "half"], ["q"]),
        helper.make_node("MatMul", ["q", "input"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["shares"], axis=-1),
        helper.make_node("MatMul", ["shares", "input"], ["values"]),
        helper.make_node("Add", ["values", "scores"], ["output"]),
    ]
    path = saved(model_of(nodes, [1, 1, 4, 4], constants), tmp_path)
    graph, x = torch_graph(path), torch.randn(1, 1, 4, 4)
    scores = 0.5 * x @ x
    torch.testing.assert_close(graph([x]), scores.softmax(-1) @ x + scores)
    assert len(graph.steps) == 5


def model_of(nodes, shape, constants=()):
    value = [
        helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, s)
        for n, s in (("input", shape), ("output", None))
    ]
    graph = helper.make_graph(nodes, "g", value[:1], value[1:], list(constants))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (
            helper.make_node("Tan", ["input"], ["output"]),
            "torch does not know the operator Tan; known: Add, ",
        ),
        (
            helper.make_node(
                "MaxPool", ["input"], ["output"], kernel_shape=[2, 2], strides=[1, 1], pads=[0, 0, 1, 1]
            ),
            r"torch runs no MaxPool with uneven padding \(0, 0, 1, 1\)",
        ),
    ],
)
def test_what_torch_cannot_run_is_an_error(node, message, tmp_path):
    with pytest.raises(RunnerError, match=message):
        torch_graph(saved(model_of([node], [1, 1, 4, 4]), tmp_path))


def test_a_hard_sigmoid_of_another_slope_is_computed_as_it_stands(tmp_path):
    node = helper.make_node("HardSigmoid", ["input"], ["output"], alpha=0.25, beta=0.5)
    graph = torch_graph(saved(model_of([node], [3]), tmp_path))
    assert graph([torch.tensor([-4.0, 1.0, 9.0])]).tolist() == [0.0, 0.75, 1.0]


attributes = st.dictionaries(
    st.text(st.characters(codec="ascii", categories=["L"]), min_size=1),
    st.one_of(
        st.integers(-(2**63), 2**63 - 1),
        st.floats(width=32, allow_nan=False),
        st.text(min_size=1),
        st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1),
        st.lists(st.floats(width=32, allow_nan=False), min_size=1),
    ),
    max_size=4,
)
arrays = st.sampled_from([np.float32, np.float16, np.int64, np.int32, np.uint8, np.int8])


@settings(max_examples=40, deadline=None)
@given(
    attributes,
    arrays,
    st.lists(st.integers(0, 3), max_size=4),
    st.lists(st.none() | st.integers(1, 2**40), max_size=4),
)
def test_a_file_is_read_as_onnx_reads_it(tmp_path_factory, values, dtype, shape, sizes):
    constant = numpy_helper.from_array(np.arange(np.prod(shape, dtype=int)).astype(dtype).reshape(shape), "w")
    node = helper.make_node("Any", ["input", "w"], ["output"], domain="made.up")
    node.attribute.extend(helper.make_attribute(name, value) for name, value in values.items())
    model = model_of([node], ["N" if size is None else size for size in sizes], [constant])
    graph = read_onnx(saved(model, tmp_path_factory.mktemp("file")))
    (found,) = graph.nodes
    assert (found.kind, found.inputs, found.outputs) == ("Any", ("input", "w"), ("output",))
    assert found.attributes == {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    assert graph.constants["w"].dtype == dtype and graph.constants["w"].shape == tuple(shape)
    assert np.array_equal(graph.constants["w"], numpy_helper.to_array(constant))
    assert graph.inputs == {"input": tuple(sizes)}
    assert graph.outputs == ("output",)
