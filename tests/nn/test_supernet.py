"""The supernet runs what it extracts, and says what does not fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from nas import resources
from nas.blocks import Rounding, make_settings
from nas.errors import UserError
from nas.nn import StaticNetwork, Supernet
from nas.space import SearchSpace

SPACES = resources.names("search_spaces", ".yaml")
TOLERANCE = 1e-4
"""By how much outputs may differ, as a share of the largest."""


def randomize(supernet: Supernet, *, seed: int) -> None:
    """Random statistics and scales, of a size at which the outputs still depend on the image."""
    rng = torch.Generator().manual_seed(seed)
    norms = [m for m in supernet.modules() if isinstance(m, nn.BatchNorm2d)]
    for module in supernet.modules():
        if isinstance(module, nn.BatchNorm2d | nn.LayerNorm) or type(module).__name__ == "Scale":
            for name, parameter in module.named_parameters(recurse=False):
                low, high = (-0.2, 0.2) if name == "bias" else (0.5, 1.5)
                parameter.data.uniform_(low, high, generator=rng)
        elif isinstance(module, nn.Linear):
            module.weight.data.normal_(0, 0.3, generator=rng)
    supernet.train()
    for norm in norms:
        norm.momentum = 1.0
    with torch.no_grad():  # statistics of the right size first: those of the smallest and the largest
        for arch in (supernet.space.largest(), supernet.space.smallest()):
            network = supernet.space.network(arch)
            supernet(images(network.resolution, seed=seed), network)
    for norm in norms:
        assert norm.running_mean is not None and norm.running_var is not None
        spread = norm.running_var.sqrt()
        norm.running_mean += spread * torch.empty_like(spread).uniform_(-0.3, 0.3, generator=rng)
        norm.running_var *= torch.empty_like(spread).uniform_(0.5, 1.5, generator=rng)
    supernet.eval()


def images(network_resolution: int, *, seed: int) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.randn(2, 3, network_resolution, network_resolution, generator=rng)


def agree(space: SearchSpace, *, samples: int, seed: int) -> None:
    """A sampled network gives the same outputs in the supernet and extracted, forward and backward."""
    supernet = Supernet(space, classes=7)
    randomize(supernet, seed=seed)
    rng, telling = np.random.default_rng(seed), 0
    for number in range(samples):
        arch = (space.smallest(), space.largest(), space.sample(rng))[min(number, 2)]
        network = space.network(arch)
        x = images(network.resolution, seed=number)
        shared = supernet(x, network)
        static = supernet.extract(network)
        alone = static(x)
        scale = shared.abs().max()
        telling += int((shared[0] - shared[1]).abs().max() > 2 * TOLERANCE * scale)
        assert (shared - alone).abs().max() <= TOLERANCE * scale
        assert sum(p.numel() for p in static.parameters()) == space.network(arch, classes=7).params
        shared.sum().backward()
        assert all(p.grad is not None for p in supernet.blocks["classifier_linear"].parameters())
    # With random statistics a few deep networks give nearly the same outputs for any image, and prove little.
    assert telling > 0.95 * samples, "outputs must differ between images by more than what is allowed"


def quick(name: str) -> SearchSpace:
    """The space, at a low resolution where its own are high: the weights are the same, the time is not."""
    space = SearchSpace.load(name)
    side = 128 if name == "levit" else 64  # statistics of two images need more than one pixel each
    return replace(space, resolutions=(side,)) if min(space.resolutions) > side else space


@pytest.mark.parametrize("name", SPACES)
def test_supernet_equals_extracted_network(name: str) -> None:
    agree(quick(name), samples=3, seed=0)


@pytest.mark.long
@pytest.mark.parametrize("name", SPACES)
def test_supernet_equals_extracted_network_for_200_samples(name: str) -> None:
    agree(quick(name), samples=200, seed=1)


@pytest.mark.long
@pytest.mark.parametrize("name", SPACES)
def test_supernet_equals_extracted_network_at_full_resolution(name: str) -> None:
    agree(SearchSpace.load(name), samples=3, seed=2)


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return SearchSpace.load("tiny_32")


def test_a_subnet_is_not_a_state(space: SearchSpace) -> None:
    supernet = Supernet(space, classes=3).eval()
    randomize(supernet, seed=0)
    small, large = space.network(space.smallest()), space.network(space.largest())
    x = images(32, seed=0)
    before = supernet(x, large)
    supernet(x, small)
    assert torch.equal(supernet(x, large), before)


def test_extracting_copies(space: SearchSpace) -> None:
    supernet = Supernet(space, classes=3).eval()
    network = space.network(space.largest())
    static = supernet.extract(network)
    with torch.no_grad():
        for parameter in static.parameters():
            parameter.zero_()
    assert all(p.abs().sum() > 0 for n, p in supernet.named_parameters() if n.endswith("conv.weight"))


def test_training_reaches_every_weight(space: SearchSpace) -> None:
    """The largest and the smallest networks, which differ in block kind, use all weights together."""
    supernet = Supernet(space, classes=3).train()
    for arch in (space.smallest(), space.largest()):
        network = space.network(arch)
        (supernet(images(network.resolution, seed=0), network) ** 2).sum().backward()
    # all but the last index have a gradient; depthwise_separable's second block is only in deeper networks
    missing = {name.split(".")[1] for name, p in supernet.named_parameters() if p.grad is None}
    assert missing == {"stages_0_1_depthwise_separable"}


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("kernel", 9, r"stage 1 block 0: kernel 9 exceeds the supernet's 5"),
        ("activation", "silu", r"stage 1 block 0: activation is silu; the supernet has relu"),
        ("width", 400, r"stage 1 block 0: out_channels 400 exceeds the supernet's 32"),
    ],
)
def test_what_does_not_fit_names_stage_and_field(
    space: SearchSpace, field: str, value: object, message: str
) -> None:
    network = space.network(space.smallest())
    changed = replace(network.stages[1][0], **{field: value})
    network = replace(network, stages=(network.stages[0], (changed,), network.stages[2]))
    with pytest.raises(UserError, match=message):
        Supernet(space, classes=3)(images(16, seed=0), network)


def test_another_kind_names_those_that_are_there(space: SearchSpace) -> None:
    network = space.network(space.smallest())
    other = make_settings("conv", {"width": 24, "stride": 2})
    network = replace(network, stages=(network.stages[0], (other,), network.stages[2]))
    with pytest.raises(UserError, match="no conv there; the supernet has inverted_residual there"):
        Supernet(space, classes=3).extract(network)


def test_a_network_read_from_json_runs(space: SearchSpace) -> None:
    supernet = Supernet(space, classes=3, input_channels=1).eval()
    network = space.network(space.largest(), classes=1000)
    again = type(network).from_dict(network.to_dict())
    assert supernet(torch.randn(2, 1, 32, 32), again).shape == (2, 3)


def test_static_network_needs_no_space(space: SearchSpace) -> None:
    network = replace(space.network(space.largest(), classes=5), rounding=Rounding(divisor=4))
    assert StaticNetwork(network)(images(32, seed=0)).shape == (2, 5)


def test_a_table_of_positions_has_one_resolution(tmp_path: Path) -> None:
    text = (resources.shipped("search_spaces") / "vit_32.yaml").read_text(encoding="utf-8")
    path = tmp_path / "two.yaml"
    lines = [line for line in text.splitlines() if not line.startswith("size:")]
    path.write_text("\n".join(lines).replace("resolution: 32", "resolution: [24, 32]"))
    with pytest.raises(UserError, match=r"would need 36 and 64 tokens, .* keep one resolution"):
        Supernet(SearchSpace.load(path), classes=10)
