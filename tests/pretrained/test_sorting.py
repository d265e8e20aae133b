"""Sorted networks compute the same, and their first channels matter most."""

from __future__ import annotations

import copy
from itertools import pairwise

import pytest
import torch

from nas.network import reference_network
from nas.nn import StaticNetwork
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
        norms = weight.abs().sum((0, 2, 3)).tolist()
        assert all(first >= second - 1e-4 for first, second in pairwise(norms))
