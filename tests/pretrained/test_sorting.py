"""Sorted networks compute the same, and their first channels matter most."""

from __future__ import annotations

import copy
from itertools import pairwise

import pytest
import torch
from sklearn.datasets import load_sample_images
from torch.nn.functional import conv2d

from nas.network import reference_network
from nas.nn import StaticNetwork
from nas.nn.layers import run
from nas.nn.static import StaticBlock
from nas.pretrained.network_start import NetworkStart
from nas.pretrained.sorting import sort_channels
from tests.nn.randomising import randomise, tame
from tests.pretrained.conftest import distance

NETWORKS = (
    "convnext_tiny",
    "efficientnet_lite0",
    "efficientnet_v2_s",
    "mobilenet_v1",
    "mobilenet_v3_small",
    "mobilenetv4_conv_small",
    "resnet18",
    "resnet50",
)


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_stay_the_same(name: str) -> None:
    torch.manual_seed(0)
    model = StaticNetwork(reference_network(name, resolution=33, width=0.25, classes=7)).eval()
    images = torch.randn(3, 3, 33, 33)
    randomise(model)
    tame(model, images)
    model, images = model.double(), images.double()  # in which deep random networks show no rounding
    mine = copy.deepcopy(model)
    sort_channels(mine)
    changed = [not torch.equal(a, b) for a, b in zip(model.parameters(), mine.parameters(), strict=True)]
    assert sum(changed) > 0.6 * len(changed)
    with torch.no_grad():
        before, after = model(images), mine(images)
    assert distance(before[:1], before[1:2]) > 0.01, "the outputs must differ between images"
    assert distance(after, before) < 1e-5


def test_pretrained_outputs_stay_the_same_and_the_first_channels_matter_most(lite0: NetworkStart) -> None:
    model = copy.deepcopy(lite0.pretrained.model)
    sort_channels(model)
    images = torch.randn(2, 3, 97, 97)
    with torch.no_grad():
        assert distance(model(images), lite0.pretrained.model(images)) < 1e-5
    weights = {name: tensor for name, tensor in model.named_parameters() if "project.conv" in name}
    assert len(weights) == 16
    for weight in weights.values():
        norms = weight.square().sum((0, 2, 3)).tolist()
        assert all(first >= second - 1e-4 for first, second in pairwise(norms))


def test_a_channel_that_never_varies_comes_last() -> None:
    torch.manual_seed(0)
    model = StaticNetwork(reference_network("mobilenet_v1", resolution=33, width=0.25, classes=7)).eval()
    stem = model.get_submodule("blocks.stem_0.block.conv")
    stem.get_parameter("norm.weight").data[2] = 0  # the largest weights read a constant
    stem.get_parameter("norm.bias").data[2] = 5
    reader = model.get_parameter("blocks.stages_0_0.block.pointwise.conv.weight")
    reader.data[:, 2] = 10
    depthwise = model.get_submodule("blocks.stages_0_0.block.depthwise")
    depthwise.get_parameter("norm.bias").data[2] = 5
    depthwise.get_parameter("norm.weight").data[2] = 0
    blind = copy.deepcopy(model)
    sort_channels(blind)
    assert (blind.get_parameter("blocks.stages_0_0.block.pointwise.conv.weight")[:, 0] == 10).all()
    sort_channels(model, [torch.randn(4, 3, 33, 33)])
    assert (reader[:, -1] == 10).all()


def test_narrow_blocks_lose_less_of_what_photographs_show(lite0: NetworkStart) -> None:
    """Two thirds of each block's channels keep more of its variance than those with the largest weights."""
    photographs = [torch.tensor(image)[:416, :640].permute(2, 0, 1) for image in load_sample_images().images]
    tiles = torch.stack(photographs).unfold(2, 104, 104).unfold(3, 104, 104).permute(0, 2, 3, 1, 4, 5)
    images = (tiles.reshape(-1, 3, 104, 104)[:, :, :97, :97].float() - 127) / 128
    lost = []
    for batches in ((), (images[::2],)):
        model = copy.deepcopy(lite0.pretrained.model)
        sort_channels(model, batches)
        lost.append(_lost(model, images[1::2]))
    assert sum(by_images < by_weights for by_weights, by_images in zip(*lost, strict=True)) >= 14
    assert sum(lost[1]) < 0.7 * sum(lost[0])


@torch.no_grad()
def _lost(model: StaticNetwork, x: torch.Tensor) -> list[float]:
    """The share of each inverted residual's variance, of the last third of its channels."""
    shares = []
    for block in model.blocks.values():
        assert isinstance(block, StaticBlock)
        values: list[torch.Tensor] = []
        for op in block.spec.ops:
            weights = block.block.get_submodule(op.role) if op.role else None
            inputs = [x if i < 0 else values[i] for i in op.inputs]
            if op.role == "project":
                (hidden,), filters = inputs, model.get_parameter(_filters(model, block))
                last = 2 * hidden.shape[1] // 3
                without = conv2d(hidden[:, last:], filters[:, last:])
                shares.append(float(_variance(without) / _variance(conv2d(hidden, filters))))
            values.append(run(op, weights, *inputs))
        x = values[-1] if values else x
    return shares


def _filters(model: StaticNetwork, block: StaticBlock) -> str:
    return next(
        f"blocks.{name}.block.project.conv.weight" for name, each in model.blocks.items() if each is block
    )


def _variance(x: torch.Tensor) -> torch.Tensor:
    return x.transpose(0, 1).flatten(1).var(1).sum()
