"""Static networks take torchvision's weights over and give torchvision's outputs."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from nas.errors import UserError
from nas.network import reference_names, reference_network
from nas.nn import StaticNetwork
from nas.nn.torchvision_weights import take_torchvision_weights

SMALL = {
    "convnext_tiny": 64,
    "efficientnet_b0": 64,
    "mnasnet1_0": 64,
    "mobilenet_v2": 64,
    "mobilenet_v3_large": 64,
    "mobilenet_v3_small": 64,
    "resnet18": 64,
    "resnet50": 64,
}
SLOW = sorted(name for name in reference_names() if hasattr(torchvision.models, name) and name not in SMALL)


@torch.no_grad()
def randomise(network: nn.Module) -> None:
    """Random statistics, BN scales and layer scales, so that every layer shows in the output."""
    for module in network.modules():
        if isinstance(module, (nn.BatchNorm2d, nn.LayerNorm)):
            module.weight.uniform_(0.5, 1.5)
            module.bias.uniform_(-0.3, 0.3)
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.3, 0.3)
            module.running_var.uniform_(0.01, 1.5)
        if "layer_scale" in module._parameters:
            module.layer_scale.uniform_(0.1, 0.5)


@torch.no_grad()
def tame(network: nn.Module, images: torch.Tensor) -> None:
    """Moves and scales what every BatchNorm gives, so that images differ to the end of a deep network."""

    def scale(norm: nn.BatchNorm2d, _: object, output: torch.Tensor) -> torch.Tensor:
        centred = output - 0.9 * output.mean((0, 2, 3), keepdim=True)
        size = centred.std()
        norm.bias -= 0.9 * output.mean((0, 2, 3))
        norm.weight /= size
        norm.bias /= size
        return centred / size

    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    handles = [norm.register_forward_hook(scale) for norm in norms]
    network.eval()(images)
    for handle in handles:
        handle.remove()


def check(name: str, resolution: int) -> None:
    torch.manual_seed(0)
    source = getattr(torchvision.models, name)(num_classes=10)
    randomise(source)
    images = torch.randn(4, 3, resolution, resolution)
    tame(source, images)
    static = StaticNetwork(reference_network(name, resolution=resolution, classes=10)).eval()
    take_torchvision_weights(static, source)
    with torch.no_grad():
        expected, found = source(images), static(images)
    largest = expected.abs().max()
    assert (expected[0] - expected[1]).abs().max() > 0.01 * largest, "the outputs must differ between images"
    assert (found - expected).abs().max() < 1e-4 * largest


@pytest.mark.parametrize(("name", "resolution"), SMALL.items())
def test_outputs_equal_torchvision(name: str, resolution: int) -> None:
    check(name, resolution)


@pytest.mark.long
@pytest.mark.parametrize("name", SLOW)
def test_outputs_equal_torchvision_slow(name: str) -> None:
    check(name, 64)


def test_a_network_of_another_shape_is_refused() -> None:
    static = StaticNetwork(reference_network("mobilenet_v2", width=0.5, resolution=32, classes=10))
    with pytest.raises(UserError, match=r"the networks differ: blocks\.stem_0\S* \[\(16, 3, 3, 3\)\] here"):
        take_torchvision_weights(static, torchvision.models.mobilenet_v2(num_classes=10))


def test_a_network_with_more_layers_is_refused() -> None:
    static = StaticNetwork(reference_network("resnet18", resolution=32, classes=10))
    static.blocks.pop("classifier")
    with pytest.raises(UserError, match="no further layer here, fc"):
        take_torchvision_weights(static, torchvision.models.resnet18(num_classes=10))
