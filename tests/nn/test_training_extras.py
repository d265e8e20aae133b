"""What serves training: kernel transforms, dropped branches, blocks that begin as their shortcut."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from randomising import randomise

from nas.blocks import Rounding, Shape, make_settings
from nas.errors import UserError
from nas.network import NetworkSpec, reference_network
from nas.nn import Block, Drop, StaticNetwork, Supernet, zero_residual_scales
from nas.nn.drop import drop_images
from nas.space import SearchSpace


@pytest.fixture(scope="module")
def ofa() -> SearchSpace:
    """Kernels of 3, 5 and 7, at a resolution that takes no time."""
    return replace(SearchSpace.load("ofa_mobilenet_v3"), resolutions=(32,))


def images(count: int = 2, *, size: int = 32) -> torch.Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def transformed(space: SearchSpace, *, noise: float) -> Supernet:
    """A supernet with kernel transforms that are not the identity."""
    torch.manual_seed(0)
    supernet = Supernet(space, classes=5, kernel_transform=True).double().eval()
    randomise(supernet)
    with torch.no_grad():
        for name, parameter in supernet.named_parameters():
            if "transforms" in name:
                parameter.add_(torch.randn_like(parameter), alpha=noise)
    return supernet


def test_a_transformed_supernet_runs_what_it_extracts(ofa: SearchSpace) -> None:
    supernet, rng = transformed(ofa, noise=0.3), np.random.default_rng(0)
    plain = Supernet(ofa, classes=5).double().eval()
    plain.load_state_dict({n: v for n, v in supernet.state_dict().items() if "transforms" not in n})
    for arch in (ofa.largest(), ofa.smallest(), ofa.sample(rng)):
        network = ofa.network(arch)
        shared = supernet(images(), network)
        static = supernet.extract(network)
        scale = shared.abs().max().item()
        assert (shared[0] - shared[1]).abs().max() > 1e-3 * scale
        torch.testing.assert_close(static(images()), shared, rtol=1e-9, atol=1e-9 * scale)
        assert not any("transforms" in name for name in static.state_dict())
        cropped = plain(images(), network)
        if arch == ofa.largest():
            assert torch.equal(cropped, shared), "the largest kernels go through no matrix"
        else:
            assert (cropped - shared).abs().max() > 1e-2 * scale


def test_transforms_begin_as_the_identity(ofa: SearchSpace) -> None:
    supernet = transformed(ofa, noise=0.0)
    plain = Supernet(ofa, classes=5).double().eval()
    plain.load_state_dict({n: v for n, v in supernet.state_dict().items() if "transforms" not in n})
    network = ofa.network(ofa.smallest())
    torch.testing.assert_close(plain(images(), network), supernet(images(), network))


def test_transforms_are_chained_and_learn() -> None:
    specs = [
        make_settings("depthwise_separable", {"width": 8, "kernel": kernel}).lower(Shape(8, 9, 9), Rounding())
        for kernel in (3, 5, 7)
    ]
    block = Block(specs, kernel_transform=True).double()
    conv = block.get_submodule("depthwise.conv")
    first, second = (dict(conv.named_parameters())[f"transforms.{size}"] for size in (5, 3))
    assert first.shape == (25, 25) and second.shape == (9, 9)
    with torch.no_grad():
        first.copy_(2 * torch.eye(25))
        second.copy_(torch.eye(9).flip(1))
    alone = Block([specs[0]]).double()
    alone.take(block)
    middle = conv.get_parameter("weight")[:, :, 2:5, 2:5].flatten(2)
    small = alone.get_parameter("depthwise.conv.weight").flatten(2)
    torch.testing.assert_close(small, 2 * middle.flip(2))
    x = torch.randn(2, 8, 9, 9, dtype=torch.float64)
    for spec, learned in zip(specs, ({"5", "3"}, {"5"}, set[str]()), strict=True):
        block.zero_grad()
        block(x, spec).square().sum().backward()
        assert {
            n[-1] for n, p in conv.named_parameters() if "transforms" in n and p.grad is not None
        } == learned


# -- dropping -----------------------------------------------------------------------------------------------


def test_rates_rise_with_depth_in_the_last_stages(ofa: SearchSpace) -> None:
    network = ofa.network(ofa.largest())
    rates = Drop(connect=0.2).rates(network)
    assert len(rates) == len(network.blocks)
    later = [(place, rate) for (place, _), rate in zip(network.placed_blocks, rates, strict=True) if rate]
    assert {place.stage for place, _ in later} == {3, 4} and {place.section for place, _ in later} == {
        "stages"
    }
    assert [rate for _, rate in later] == pytest.approx([0.2 * n / 20 for n in range(13, 21)])


def test_dropped_branches_leave_the_shortcut_and_keep_the_mean() -> None:
    spec = make_settings("inverted_residual", {"width": 8}).lower(Shape(8, 6, 6), Rounding())
    block = Block([spec])
    x = torch.randn(4000, 8, 6, 6)
    with torch.no_grad():
        full = block(x, spec) - x
        some = block(x, spec, drop=0.25) - x
    gone = some.flatten(1).abs().amax(1) == 0
    assert gone.float().mean().item() == pytest.approx(0.25, abs=0.03)
    torch.testing.assert_close(some[~gone], full[~gone] / 0.75, rtol=1e-4, atol=1e-5)
    block.eval()
    assert torch.equal(block(x[:2], spec, drop=0.25), block(x[:2], spec))
    ones = drop_images(torch.ones(20000, 1, 1, 1), 0.2)
    assert ones.mean().item() == pytest.approx(1.0, abs=0.02)


def test_each_branch_of_a_transformer_s_block_is_dropped_by_itself() -> None:
    spec = make_settings("vit", {"heads": 1, "head_dim": 8}).lower(Shape(8, 2, 2), Rounding())
    block, x = Block([spec]), torch.randn(4000, 8, 2, 2)
    with torch.no_grad():
        block.get_parameter("attended.bias").fill_(1000.0)
        block.get_parameter("project.bias").fill_(10.0)
        added = (block(x, spec, drop=0.25) - x).flatten(1).mean(1) * 0.75
    kinds = {
        name: (added - value).abs().lt(2).float().mean().item()
        for name, value in (("none", 0), ("second", 10), ("first", 1000), ("both", 1010))
    }
    expected = {"none": 0.0625, "second": 0.1875, "first": 0.1875, "both": 0.5625}
    assert kinds == pytest.approx(expected, abs=0.03)


def test_without_a_shortcut_nothing_is_dropped() -> None:
    spec = make_settings("inverted_residual", {"width": 16}).lower(Shape(8, 6, 6), Rounding())
    block, x = Block([spec]), torch.randn(64, 8, 6, 6)
    assert torch.equal(block(x, spec, drop=0.9), block(x, spec))


def test_dropout_is_for_training_only(ofa: SearchSpace) -> None:
    supernet, network = Supernet(ofa, classes=5).double(), ofa.network(ofa.smallest())
    randomise(supernet)
    drop = Drop(dropout=0.5)
    assert not torch.allclose(supernet(images(), network, drop=drop), supernet(images(), network))
    supernet.eval()
    assert torch.equal(supernet(images(), network, drop=drop), supernet(images(), network))


@pytest.mark.parametrize("values", [{"dropout": 1.0}, {"connect": -0.1}])
def test_shares_that_are_none(values: dict[str, float]) -> None:
    with pytest.raises(UserError, match="it is a share of at least 0 and below 1"):
        Drop(**values)


# -- blocks that begin as their shortcut --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mobilenet_v2", "resnet18"])
def test_static_blocks_begin_as_their_shortcut(name: str) -> None:
    network = replace(reference_network(name), resolution=32)
    static = StaticNetwork(network).eval()
    zero_residual_scales(static)
    shortcuts = 0
    for module, spec in zip(static.blocks.values(), network.blocks, strict=True):
        if "shortcut=identity" in spec.key:
            x = torch.rand(1, spec.in_channels, spec.in_height, spec.in_width)
            torch.testing.assert_close(module(x), x)
            shortcuts += 1
    assert shortcuts >= 4


def test_a_place_that_has_its_shortcut_in_some_networks_only_keeps_its_scale() -> None:
    same, wider = (
        make_settings("inverted_residual", {"width": width}).lower(Shape(16, 6, 6), Rounding())
        for width in (16, 24)
    )
    for specs, scale in (([same], 0.0), ([wider], 1.0), ([same, wider], 1.0)):
        block = Block(specs)
        zero_residual_scales(block)
        weight = block.get_parameter("project.norm.weight")
        assert torch.equal(weight, torch.full_like(weight, scale))
        expand = block.get_parameter("expand.norm.weight")
        assert torch.equal(expand, torch.ones_like(expand))


def test_every_subnet_s_signal_passes_a_zeroed_supernet() -> None:
    space = SearchSpace.load("tiny_24")
    supernet, rng = Supernet(space, classes=4).train(), np.random.default_rng(0)
    zero_residual_scales(supernet)
    zeroed = [n for n, p in supernet.named_parameters() if n.endswith("norm.weight") and not p.any()]
    assert {name.split(".")[2] for name in zeroed} == {"project"}
    for arch in (space.largest(), space.smallest(), *(space.sample(rng) for _ in range(4))):
        network: NetworkSpec = space.network(arch)
        x = torch.randn(4, 3, network.resolution, network.resolution)
        out = supernet(x, network)
        assert (out - out.mean(0)).abs().max() > 1e-4, "images can be told apart"
