"""One small trained-like network, exported once for all tests of this folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from nas.deploy import export_onnx
from nas.nn import StaticNetwork
from nas.space import SearchSpace
from nas.training.data import Normalization

CLASSES = tuple("0123456789")
NORMALIZE = Normalization(mean=(0.3,), std=(0.4,))


def randomised(model: StaticNetwork, *, seed: int = 0) -> StaticNetwork:
    """Weights, statistics and scales as different from fresh ones as training makes them."""
    rng = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_(std=0.3, generator=rng)
            module.running_var.uniform_(0.5, 2, generator=rng)
            with torch.no_grad():
                module.weight.uniform_(0.5, 1.5, generator=rng)
                module.bias.normal_(std=0.3, generator=rng)
        if isinstance(module, nn.Linear | nn.Conv2d):
            with torch.no_grad():
                module.weight.normal_(std=1.5 * module.weight[0].numel() ** -0.5, generator=rng)
    return model.eval()


@pytest.fixture(scope="session")
def classes() -> tuple[str, ...]:
    return CLASSES


@pytest.fixture(scope="session")
def normalize() -> Normalization:
    return NORMALIZE


@pytest.fixture(scope="session")
def images() -> torch.Tensor:
    """(16, 1, 32, 32), of different brightness and contrast."""
    noise = torch.randn(16, 1, 32, 32, generator=torch.Generator().manual_seed(7))
    steps = torch.linspace(-1, 1, 16)[:, None, None, None]
    return noise * (1.2 + steps) + 2 * steps


@pytest.fixture
def randomise() -> Callable[..., StaticNetwork]:
    return randomised


@pytest.fixture(scope="session")
def model() -> StaticNetwork:
    space = SearchSpace.load("tiny_32")
    return randomised(StaticNetwork(space.network(space.largest(), classes=10, input_channels=1)))


@pytest.fixture(scope="session")
def exported(model: StaticNetwork, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "winner.onnx"
    return export_onnx(model, path, classes=CLASSES, normalize=NORMALIZE)
