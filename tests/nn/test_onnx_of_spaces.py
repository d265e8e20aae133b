"""Networks of every space, extracted and exported, give the same outputs in ONNX Runtime."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from randomising import randomise, tame

from nas.deploy.onnx import export_onnx
from nas.deploy.parity import measure_parity
from nas.nn import StaticNetwork, Supernet
from nas.resources import shipped
from nas.space import Architecture, SearchSpace
from nas.training.data import Normalization

SPACES = sorted(path.stem for path in shipped("search_spaces").glob("*.yaml"))


def export_and_compare(supernet: Supernet, arch: Architecture, folder: Path) -> None:
    static = supernet.extract(supernet.space.network(arch)).eval()
    size = static.network.resolution
    images = torch.randn(3, 3, size, size, generator=torch.Generator().manual_seed(1))
    randomise(static)
    tame(static, images)
    outputs = static(images)
    assert (outputs[0] - outputs[1]).abs().max() > 1e-3 * outputs.abs().max()
    norm = Normalization(mean=(0.5,) * 3, std=(0.25,) * 3)
    path = export_onnx(static, folder / "network.onnx", classes=[str(i) for i in range(5)], normalize=norm)
    limit = max(1e-4, 10 * rounding(static, images))
    assert limit < 2e-3
    assert measure_parity(static, path, images).largest_relative_error < limit


def rounding(static: StaticNetwork, images: torch.Tensor) -> float:
    """How far PyTorch itself is from exact outputs: with random weights, attention amplifies rounding."""
    exact = copy.deepcopy(static).double()(images.double()).detach()
    return float((static(images).detach() - exact).abs().max() / exact.abs().max())


@pytest.mark.parametrize(
    "name", ["cell", "convnext", "mixed_32", "vit_32", "swin", "mixed_attention_32", "vision_mamba", "levit"]
)
def test_one_small_network(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    side = 72 if name == "swin" else 40  # maps of 18 pixels hold several windows of 14, which are shifted
    space = replace(SearchSpace.load(name), resolutions=(side,))
    export_and_compare(Supernet(space, classes=5), space.sample(np.random.default_rng(0)), tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("name", SPACES)
def test_ten_networks(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    space, rng = SearchSpace.load(name), np.random.default_rng(0)
    supernet = Supernet(space, classes=5)
    for arch in (space.smallest(), space.largest(), *(space.sample(rng) for _ in range(8))):
        export_and_compare(supernet, arch, tmp_path)
