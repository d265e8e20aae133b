"""A network starts with the weights of another one, and computes the same."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from randomising import randomise

from nas.network import NetworkSpec, reference_network
from nas.nn import StaticNetwork, Supernet, inherit
from nas.scaling import scale, with_depths
from nas.space import SearchSpace

SIDE = 32
SMALL = {
    "mobilenet_v2": 0.5,
    "mobilenet_v3_small": 1.0,
    "resnet18": 0.125,
    "resnet50": 0.125,
    "efficientnet_b0": 0.5,
    "mobilenetv4_conv_small": 0.25,
}
"""Networks of every kind of block with BatchNorm, with widths that neither gain nor lose a shortcut."""


def small(name: str) -> NetworkSpec:
    return reference_network(name, resolution=SIDE, width=SMALL[name], classes=5)


def trained(network: NetworkSpec) -> StaticNetwork:
    torch.manual_seed(0)
    model = StaticNetwork(network)
    randomise(model)
    return model.eval()


def outputs(model: StaticNetwork) -> torch.Tensor:
    x = torch.randn(3, model.network.input_channels, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():  # in double precision: rounding would grow from block to block
        return model.eval().double()(x.double())  # type: ignore[no-any-return]


def difference(network: NetworkSpec, source: StaticNetwork) -> float:
    """The largest difference of outputs, relative to the largest output, after a fresh network inherits."""
    torch.manual_seed(2)
    target = StaticNetwork(network)
    randomise(target)
    assert inherit(target, source) == ()
    expected = outputs(source)
    assert expected.std(0).max() > 1e-3 * expected.abs().max(), "the images differ"
    return float((outputs(target) - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("name", SMALL)
def test_a_wider_deeper_network_computes_the_same(name: str) -> None:
    network = small(name)
    source = trained(network)
    deeper = with_depths(network, [len(stage) + 1 for stage in network.stages])
    assert difference(network, source) == 0
    wider = scale(network, width=1.6)
    assert wider.params > network.params and deeper.params > network.params
    assert difference(wider, source) < 1e-9
    if name != "mobilenetv4_conv_small":  # the last blocks of two of its stages have no shortcut
        assert difference(deeper, source) < 1e-9
        assert difference(scale(deeper, width=1.6), source) < 1e-9


def test_what_is_new_can_learn() -> None:
    network = small("mobilenet_v2")
    wider = StaticNetwork(scale(network, width=1.6)).train()
    inherit(wider, trained(network))
    wider(torch.randn(4, 3, SIDE, SIDE)).square().sum().backward()
    weight = wider.get_parameter("blocks.classifier.block.linear.weight")
    assert weight.grad is not None
    assert (weight.grad[:, -1] != 0).all() and (weight[:, -1] == 0).all()


def test_a_winner_that_is_not_scaled_computes_what_its_subnet_does() -> None:
    space = SearchSpace.load("tiny_24")
    torch.manual_seed(0)
    supernet = Supernet(space, classes=5, input_channels=3).eval()
    randomise(supernet)
    network = replace(space.network(space.smallest()), classes=5)
    target = StaticNetwork(network)
    assert inherit(target, supernet.extract(network)) == ()
    x = torch.randn(2, 3, network.resolution, network.resolution)
    with torch.no_grad():
        torch.testing.assert_close(target.eval()(x), supernet(x, network), rtol=0, atol=1e-6)


def test_notes_name_what_does_not_compute_the_same() -> None:
    network = reference_network("mobilenet_v1", resolution=SIDE, width=0.25, classes=5)
    deeper = with_depths(network, [2, *(len(stage) for stage in network.stages[1:])])
    assert inherit(StaticNetwork(deeper), trained(network)) == (
        "stage 0 block 1 is new and has no shortcut as which it could start",
    )
    notes = inherit(StaticNetwork(network), trained(deeper))
    assert notes == ("stage 0 has 1 blocks and had 2",)
    convnext = reference_network("convnext_tiny", resolution=SIDE, width=0.125, classes=5)
    notes = inherit(StaticNetwork(scale(convnext, width=2)), trained(convnext))
    assert "stage 0 block 0 has a LayerNorm, which averages over its new channels too" in notes
    deeper = with_depths(convnext, [len(stage) + 1 for stage in convnext.stages])
    assert difference(deeper, trained(convnext)) < 1e-9
    edge = reference_network("mobilenet_v2", resolution=SIDE, width=0.25, classes=5)
    notes = inherit(StaticNetwork(scale(edge, width=1.6)), trained(edge))
    assert notes == ("stage 0 block 0 loses its shortcut",), "8 to 8 channels became 16 to 8"
    narrow = inherit(StaticNetwork(scale(network, width=0.5)), trained(network))
    assert "stage 1 block 0 is smaller than it was and loses channels or the rim of its kernels" in narrow


def test_a_new_classifier_stays_as_it_is() -> None:
    network = small("mobilenet_v2")
    target = StaticNetwork(replace(network, classes=7))
    before = {name: value.clone() for name, value in target.blocks["classifier"].state_dict().items()}
    assert inherit(target, trained(network), classifier=False) == ()
    for name, value in target.blocks["classifier"].state_dict().items():
        assert torch.equal(value, before[name])
