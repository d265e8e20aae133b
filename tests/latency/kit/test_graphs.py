"""ONNX models from the lowering, run by the real runtime."""

import numpy as np
import onnx
import onnxruntime
import pytest

from nas.blocks import ACTIVATIONS, Shape
from nas.blocks.base import BlockSpec
from nas.blocks.linear import LinearSpec
from nas.blocks.lowering import Lowering
from nas.blocks.ops import INPUT, Add, Op
from nas.errors import UserError
from nas.latency.kit.graphs import GraphWriter, block_model, chain_model, network_model, write_op
from nas.network import reference_network
from nas.space import SearchSpace


def run(model, images):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"input": images.astype(np.float32)})[0]


def run_ops(net, images, rng):
    """Runs the operations of a ``Lowering``."""
    writer = GraphWriter(net.shape(INPUT), batch=len(images), rng=rng)
    values = []
    for op in net.ops:
        values.append(write_op(op, writer, tuple("input" if i == INPUT else values[i] for i in op.inputs)))
    return run(writer.model(values[-1], net.ops[-1].out_shape), images)


@pytest.mark.parametrize("name", ["tiny_32", "ofa_mobilenet_v3"])
def test_a_network_gives_finite_scores_that_depend_on_the_image(name, rng):
    space = SearchSpace.load(name)
    network = space.network(space.sample(rng), classes=7)
    images = rng.standard_normal((2, 3, network.resolution, network.resolution))
    model = network_model(network, batch=2, rng=rng)
    onnx.checker.check_model(model, full_check=True)
    scores = run(model, images)
    assert scores.shape == (2, 7)
    assert np.isfinite(scores).all()
    assert not np.allclose(scores[0], scores[1], rtol=1e-3)


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "efficientnet_b0", "resnet18"])
def test_reference_networks_run(name, rng):
    network = reference_network(name)
    scores = run(network_model(network, rng=rng), rng.standard_normal((1, 3, 224, 224)))
    assert scores.shape == (1, 1000)
    assert np.isfinite(scores).all()


def test_each_block_gives_the_shape_of_its_specification(tiny_space, rng):
    blocks = tiny_space.block_specs(resolutions=[20], classes=10)
    for block in blocks[:: max(1, len(blocks) // 25)]:
        shape = block.in_shape
        images = rng.standard_normal((2, shape.channels, shape.height, shape.width))
        out = run(block_model(block, batch=2, rng=rng), images)
        assert out.reshape(2, -1).shape[1] == block.out_shape.elements, block.key
        assert np.isfinite(out).all(), block.key


@pytest.mark.parametrize("function", [name for name in ACTIVATIONS if name != "identity"])
def test_activations_are_what_their_names_say(function, rng):
    from torch import nn, tensor

    net = Lowering(Shape(3, 5, 5))
    net.activation(INPUT, function)
    images = 4 * rng.standard_normal((1, 3, 5, 5)).astype(np.float32)
    modules = {
        "relu": nn.ReLU(),
        "relu6": nn.ReLU6(),
        "hard_swish": nn.Hardswish(),
        "silu": nn.SiLU(),
        "gelu": nn.GELU(),
        "hard_sigmoid": nn.Hardsigmoid(),
        "sigmoid": nn.Sigmoid(),
    }
    assert np.allclose(run_ops(net, images, rng), modules[function](tensor(images)).numpy(), atol=1e-5)


def test_pools_count_only_pixels_inside_the_image(rng):
    net = Lowering(Shape(2, 5, 5))
    net.pool(INPUT, mode="average", kernel=3, stride=2, padding=1)
    assert np.allclose(run_ops(net, np.ones((1, 2, 5, 5)), rng), 1)
    net = Lowering(Shape(2, 6, 6))
    net.pool(INPUT, mode="max", kernel=3, stride=2, ceil=True)
    assert run_ops(net, np.ones((1, 2, 6, 6)), rng).shape == (1, 2, 3, 3)


def test_layer_norm_normalises_the_channels_of_each_pixel(rng):
    net = Lowering(Shape(64, 3, 2))
    net.layer_norm(INPUT, role="norm")
    out = run_ops(net, 5 + 3 * rng.standard_normal((1, 64, 3, 2)), rng)
    assert out.shape == (1, 64, 3, 2)
    assert np.abs(out.mean(axis=1)).max() < 0.5
    assert np.allclose(out.std(axis=1), 1, atol=0.3)


def test_a_vector_becomes_an_image_again_where_one_is_needed(rng):
    net = Lowering(Shape(6, 2, 2))
    x = net.linear(net.global_pool(INPUT), 4, role="linear")
    net.scale(net.conv(x, 8, role="conv"), role="scale")
    assert run_ops(net, np.ones((2, 6, 2, 2)), rng).shape == (2, 8, 1, 1)


def test_batch_norm_is_folded_into_one_convolution(rng):
    net = Lowering(Shape(3, 8, 8))
    net.conv(INPUT, 4, role="conv", kernel=3)
    model = block_model_of(net, rng)
    assert [node.op_type for node in model.graph.node] == ["Conv"]
    assert len(model.graph.initializer) == 2


def block_model_of(net, rng):
    writer = GraphWriter(net.shape(INPUT), batch=1, rng=rng)
    return writer.model(write_op(net.ops[0], writer, ("input",)), net.ops[0].out_shape)


def test_equal_generators_give_equal_models(tiny_space):
    network = tiny_space.network(tiny_space.smallest(), classes=10)
    first, second = (network_model(network, rng=np.random.default_rng(3)) for _ in range(2))
    assert first.SerializeToString(deterministic=True) == second.SerializeToString(deterministic=True)


def test_an_unknown_operation_is_refused(rng):
    class Unknown(Op):
        name = "unknown"

    with pytest.raises(UserError, match=r"no ONNX form for Unknown; register one with write_op.register"):
        write_op(Unknown(in_shape=Shape(1, 1, 1)), GraphWriter(Shape(1, 1, 1), batch=1, rng=rng), ("input",))


def test_blocks_follow_one_another(rng):
    first = LinearSpec(in_channels=5, in_height=1, in_width=1, out_channels=3, bias=True, activation="relu")
    second = LinearSpec(
        in_channels=3, in_height=1, in_width=1, out_channels=2, bias=False, activation="identity"
    )
    assert run(chain_model((first, second), rng=rng), np.ones((1, 5, 1, 1))).shape == (1, 2)
    assert isinstance(first, BlockSpec)
    assert Add in write_op.registry
