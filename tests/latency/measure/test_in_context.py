"""A micro-model is the block: PyTorch's numbers, and the operators that the exported network runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper

from nas.blocks import BlockSpec, block_kinds
from nas.blocks.first_token import FirstTokenSpec
from nas.blocks.offset_ops import OffsetAttention
from nas.blocks.ops import BatchNorm, Conv2d, LayerNorm, Linear, Scale
from nas.blocks.token_ops import Attention, Position, Prepend
from nas.deploy.onnx import export_onnx
from nas.latency.kit.graphs import block_model, chain_model
from nas.latency.kit.operators import optimised_operators
from nas.latency.plan.probes import plan_probes
from nas.network import reference_network
from nas.nn import Block, StaticNetwork
from nas.nn.layers import BatchNorm2d
from nas.nn.token_layers import Table
from nas.quantization import SCHEMES, assumed_ranges, insert_pairs
from nas.space import SearchSpace
from nas.training.data import Normalization

WEIGHTED = (Conv2d, Linear, Scale, LayerNorm, Position, Prepend, Attention)
SPACES = (
    "mixed_32",
    "cell",
    "convnext",
    "resnet50",
    "mobilenet_v4",
    "vit_32",
    "swin",
    "mixed_attention_32",
    "levit",
)


def variants() -> Iterator[BlockSpec]:
    """One block of each kind and form that the spaces hold: all that decides which operations there are."""
    seen = set()
    for name in SPACES:
        space = SearchSpace.load(name)
        for block in space.block_specs(resolutions=space.resolutions[:1], classes=10):
            operations = tuple((type(op).__name__, op.name, op.inputs, op.role) for op in block.ops)
            strides = tuple(op.stride for op in block.ops if isinstance(op, Conv2d))
            if (key := (block.KIND, operations, strides)) not in seen and block.ops:
                seen.add(key)
                yield block
    yield from reference_network("deit_tiny", resolution=48).blocks[:3]
    yield from reference_network("mambaout_femto", resolution=32).blocks[2:5]
    yield FirstTokenSpec(in_channels=8, in_height=5, in_width=1)


VARIANTS = sorted(variants(), key=lambda block: block.key)


def torch_block(spec: BlockSpec, model: onnx.ModelProto) -> Block:
    """The PyTorch block with a micro-model's weights, behind BatchNorms whose statistics are random."""
    values = {
        item.name: torch.from_numpy(numpy_helper.to_array(item).copy()) for item in model.graph.initializer
    }
    nodes = constants_of_layers(model, values)
    block = Block([spec]).eval()
    modules = dict(block.named_modules())
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for op in spec.ops:
            if isinstance(op, Attention) and op.grid:
                fill_bias(modules[op.role].weight, next(nodes)[0], op.grid.offsets)
            elif isinstance(op, OffsetAttention):
                fill_bias(modules[op.role].weight, next(nodes)[0], op.offsets)
            elif isinstance(op, BatchNorm):
                fill_norm(modules[op.role].norm, *(next(nodes)[0].flatten() for _ in range(2)))
            elif isinstance(op, WEIGHTED) and op.role:
                fill(modules[op.role], next(nodes), generator)
    assert next(nodes, None) is None
    return block


def constants_of_layers(
    model: onnx.ModelProto, values: dict[str, torch.Tensor]
) -> Iterator[list[torch.Tensor]]:
    """The weights of each layer, with its bias; a matrix product has its bias in the sum that follows."""
    product: list[torch.Tensor] = []
    for node in model.graph.node:
        own = [values[name] for name in node.input[::-1] if name in values][::-1]
        if product:
            has_bias = node.op_type == "Add" and bool(own)
            yield [*product, *own] if has_bias else product
            product = []
            if has_bias:
                continue
        if node.op_type == "MatMul" and own:
            product = [own[0].T]
        elif node.op_type in ("Conv", "Gemm", "LayerNormalization") or (
            node.op_type in ("Mul", "Add") and any(value.ndim for value in own)
        ):
            yield own


def fill_bias(table: torch.Tensor, bias: torch.Tensor, offsets: list[list[int]]) -> None:
    """The table of the bias between all pairs of pixels; the first window has no mask."""
    bias = bias[0] if bias.ndim == 4 else bias
    table.flatten(1)[:, torch.tensor(offsets).flatten()] = bias.flatten(1)


def fill_norm(norm: BatchNorm2d, factors: torch.Tensor, summands: torch.Tensor) -> None:
    """Statistics that are zero and one: the norm is its factors and summands, but for its epsilon."""
    norm.weight.copy_(factors * (1 + norm.eps) ** 0.5)
    norm.bias.copy_(summands)


def fill(module: torch.nn.Module, values: list[torch.Tensor], generator: torch.Generator) -> None:
    weight, *bias = values
    if isinstance(module, Table):
        if weight.shape != module.weight.shape:  # in the layout of tokens
            weight = weight[0, 0] if module.weight.ndim == 1 else weight.permute(2, 0, 1)
        module.weight.copy_(weight)
        return
    norm = getattr(module, "norm", None)
    module = getattr(module, "conv", module)
    if norm is not None:
        size = norm.num_features
        norm.running_mean.copy_(torch.randn(size, generator=generator))
        norm.running_var.copy_(0.5 + torch.rand(size, generator=generator))
        norm.weight.copy_(0.5 + torch.rand(size, generator=generator))
        factor = norm.weight / (norm.running_var + norm.eps).sqrt()
        norm.bias.copy_(bias[0] + norm.running_mean * factor)
        weight, bias = weight / factor.reshape(-1, *(1,) * (weight.ndim - 1)), []
    module.weight.copy_(weight)
    if bias:
        module.bias.copy_(bias[0])


def test_every_kind_of_block_is_compared() -> None:
    derived = {"state_space"}  # its constants are functions of the weights; tests/nn compares its ONNX form
    assert {block.KIND for block in VARIANTS} >= set(block_kinds()) - derived


@pytest.mark.parametrize("spec", VARIANTS, ids=lambda spec: spec.KIND)
def test_a_micro_model_computes_what_the_torch_block_computes(spec: BlockSpec) -> None:
    model = block_model(spec, batch=2, rng=np.random.default_rng(0))
    shape = spec.in_shape
    images = np.random.default_rng(1).standard_normal(
        (2, shape.channels, shape.height, shape.width), np.float32
    )
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found = session.run(None, {"input": images})[0]
    with torch.inference_mode():
        expected = torch_block(spec, model)(torch.from_numpy(images), spec).numpy()
    size = np.abs(expected).max()
    assert np.abs(found.reshape(expected.shape) - expected).max() < 1e-4 * size
    assert np.abs(expected[0] - expected[1]).max() > 1e-3 * size, "outputs that always agree prove nothing"


RESHAPING = ("Flatten", "Reshape", "Squeeze", "Unsqueeze")  # these move nothing, and exporters differ in them


def operators(model: onnx.ModelProto, precision: str) -> Counter[str]:
    if precision == "int8":
        model = insert_pairs(model, assumed_ranges(model), scheme=SCHEMES["x86"])
    return Counter(name for name in optimised_operators(model) if name not in RESHAPING)


def without(counts: Counter[str], others: Counter[str]) -> Counter[str]:
    return Counter({name: counts[name] - others[name] for name in {*counts, *others}})


@pytest.mark.parametrize("name", ["tiny_32", "mixed_32", "ofa_mobilenet_v3"])
def test_an_exported_network_s_operators_are_those_of_its_blocks(name: str, tmp_path) -> None:
    """Fused additions and activations, changes of layout, INT8 boundaries: as in the whole, block by block.

    What each block adds to its context, summed over the network, is what the exported network runs. Left is
    what happens once a network: the image or the scores change their layout; and a matrix product is measured
    without the convolution that the context of any other block ends with.
    """
    space, rng = SearchSpace.load(name), np.random.default_rng(3)
    network = space.network(space.sample(rng), classes=10)
    plain = Normalization(mean=(0.0,) * 3, std=(1.0,) * 3)
    path = tmp_path / "network.onnx"
    classes = [str(i) for i in range(10)]
    exported = onnx.load(export_onnx(StaticNetwork(network).eval(), path, classes=classes, normalize=plain))
    probes = plan_probes(dict.fromkeys(network.blocks), input_channels=3)
    products = sum(any(isinstance(op, Linear) for op in block.ops) for block in network.blocks)
    once = {
        "fp32": {"Conv": products, "ReorderOutput": 1},
        "int8": {
            "QuantizeLinear": products,
            "QLinearConv": products,
            "DequantizeLinear": products,
            "Transpose": 2,
        },
    }
    for precision in ("fp32", "int8"):
        run = {probe: operators(chain_model(probe.blocks, rng=rng), precision) for probe in probes}
        bare = {probe.context: counts for probe, counts in run.items() if not probe.target}
        added = {
            probe.target[0]: without(counts, bare[probe.context])
            for probe, counts in run.items()
            if probe.target
        }
        rest = operators(exported, precision)
        for block in network.blocks:
            rest = without(rest, added[block.key])
        assert {name: count for name, count in rest.items() if count} == once[precision], precision
    assert any("+" in kind for kind in optimised_operators(exported)), "nothing was fused"
