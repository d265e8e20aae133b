"""Probes: what is run for a block, and what follows for its cost."""

from collections import Counter

import numpy as np
import pytest

from nas.blocks import Shape
from nas.latency.costs.block_costs import derive_costs
from nas.latency.kit.graphs import chain_model
from nas.latency.plan.probes import Probe, plan_probes
from nas.latency.plan.usage import block_usage
from nas.network import reference_network
from nas.space import SearchSpace


def test_every_block_is_probed_between_convolutions_that_fit(tiny_space):
    blocks = tiny_space.block_specs(classes=10)
    probes = plan_probes(blocks, input_channels=3)
    assert {probe.target for probe in probes} == {()} | {(block.key,) for block in blocks}
    for probe in probes:
        for first, second in zip(probe.blocks[:-1], probe.blocks[1:], strict=True):
            assert first.out_shape == second.in_shape
        assert probe.blocks[0].in_channels in (1, 3)
    assert len({probe.id for probe in probes}) == len(probes)


def test_a_token_block_is_probed_between_matrix_products(rng):
    """In the layout in which its neighbours leave it: else each block would pay two transpositions."""
    space = SearchSpace.load("vit_32")
    probes = plan_probes(dict.fromkeys(space.network(space.smallest()).blocks), input_channels=3)
    [vit] = [probe for probe in probes if probe.target and probe.target[0].startswith("vit")]
    assert [block.KIND for block in vit.blocks] == ["linear", "vit", "first_token", "linear"]
    assert vit.context == "64x8x8 tokens"
    nodes = Counter(node.op_type for node in chain_model(vit.blocks, rng=rng).graph.node)
    assert nodes["Transpose"] == 1 + 4, "of the input, and those of the heads"
    [tokens] = [probe for probe in probes if probe.target and probe.target[0].startswith("tokens")]
    assert [block.KIND for block in tokens.blocks] == ["tokens", "first_token", "linear"]


def test_a_convnext_block_is_probed_between_convolutions():
    probes = plan_probes(dict.fromkeys(reference_network("convnext_tiny").blocks), input_channels=3)
    kinds = {block.KIND for probe in probes for block in (probe.blocks[0], probe.blocks[-1])}
    assert kinds <= {"conv", "patchify", "linear"}
    assert not any(probe.context.endswith("tokens") for probe in probes)


def test_each_context_is_also_run_without_a_block(tiny_space):
    probes = plan_probes(tiny_space.block_specs(classes=10), input_channels=3)
    bare = [probe.context for probe in probes if not probe.target]
    assert len(bare) == len(set(bare)) and set(bare) == {probe.context for probe in probes}


def test_an_identifier_depends_on_the_content_alone(tiny_space):
    first, second = tiny_space.block_specs(classes=10)[:2]
    assert Probe((first,), (), "a").id == Probe((first,), (), "b").id
    assert (
        len(
            {Probe((first,), (), "a").id, Probe((second,), (), "a").id, Probe((first,), (first.key,), "a").id}
        )
        == 3
    )


def test_costs_are_differences(tiny_space):
    block = tiny_space.block_specs(classes=10)[0]
    probes = [Probe((block,), (), "c"), Probe((block,), ("b",), "c"), Probe((block,), ("d", "d", "d"), "c")]
    derived = derive_costs(probes, np.array([1.0, 1.5, 2.2]), np.array([0.03, 0.04, 0.03]))
    assert derived.cost_ms == pytest.approx({"b": 0.5, "d": 0.4})
    assert derived.context_ms == pytest.approx({"c": 1.0})
    assert derived.error_ms["b"] == pytest.approx(0.05)
    assert derived.error_ms["d"] == pytest.approx(0.03 * 2**0.5 / 3)


def test_a_cost_is_never_negative(tiny_space):
    block = tiny_space.block_specs(classes=10)[0]
    probes = [Probe((block,), (), "c"), Probe((block,), ("b",), "c")]
    assert derive_costs(probes, np.array([1.0, 0.9]), np.array([0.1, 0.1])).cost_ms == {"b": 0.0}


def test_a_block_that_reads_the_image_has_nothing_before_it(tiny_space):
    stem = tiny_space.network(tiny_space.smallest(), classes=10).blocks[0]
    (probe,) = (p for p in plan_probes([stem], input_channels=3) if p.target)
    assert probe.blocks[0] == stem
    assert stem.in_shape == Shape(3, 16, 16)


def test_usage_is_how_often_random_networks_have_a_block(small_space):
    usage = block_usage(small_space, np.random.default_rng(0), classes=10, input_channels=3)
    blocks = small_space.block_specs(classes=10)
    assert set(usage) >= {block.key for block in blocks}
    stems = [block for block in blocks if block.in_channels == 3]
    assert sum(usage[block.key] for block in stems) == pytest.approx(1, abs=2e-3)
    assert sum(usage.values()) == pytest.approx(1 + 1.5 + 3, abs=0.1), "stem, one or two blocks, head"


def test_a_context_counts_for_all_blocks_that_are_measured_in_it(tiny_space):
    blocks = tiny_space.block_specs(resolutions=[32], classes=10)
    usage = {block.key: 0.1 for block in blocks[1:]}
    probes = plan_probes(blocks, input_channels=3, usage=usage)
    for base in (probe for probe in probes if not probe.target):
        in_it = [probe.usage for probe in probes if probe.target and probe.context == base.context]
        assert base.usage == pytest.approx(sum(in_it))
    assert {probe.usage for probe in probes if probe.target} == {1.0, 0.1}


def test_openvino_computes_a_whole_block_in_its_probe(tmp_path):
    """It moves the stride of a pointwise convolution into those before it, if nothing keeps it from that."""
    openvino = pytest.importorskip("openvino", reason="needs OpenVINO: pip install 'hwnas[openvino]'")
    space = SearchSpace.load("mixed_32")
    blocks = [block for block in space.block_specs(classes=10) if block.KIND == "fused_inverted_residual"]
    block = next(block for block in blocks if block.stride == 1)
    *_, probe = plan_probes([block], input_channels=3)
    path = tmp_path / "probe.onnx"
    path.write_bytes(chain_model(probe.blocks, rng=np.random.default_rng(0)).SerializeToString())
    compiled = openvino.Core().compile_model(path, "CPU")
    convolutions = [op for op in compiled.get_runtime_model().get_ops() if _kind(op) == "Convolution"]
    pixels = [int(np.prod(op.get_output_shape(0)[-2:])) for op in convolutions]
    assert sorted(pixels) == [1, *[block.in_shape.pixels] * 3]


def _kind(op):
    return op.get_rt_info()["layerType"].astype(str)
