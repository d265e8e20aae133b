"""Static networks take torchvision's weights over and give torchvision's outputs."""

from __future__ import annotations

import pytest
import torch
import torchvision
from randomising import randomise, tame

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
    "swin_t": 224,
    "vit_b_32": 224,
}
SLOW = sorted(name for name in reference_names() if hasattr(torchvision.models, name) and name not in SMALL)


def check(name: str, resolution: int) -> None:
    torch.manual_seed(0)
    size = {"image_size": resolution} if name.startswith("vit") else {}
    source = getattr(torchvision.models, name)(num_classes=10, **size)
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


@pytest.mark.parametrize(("name", "resolution"), [*SMALL.items(), ("swin_t", 160)])
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
