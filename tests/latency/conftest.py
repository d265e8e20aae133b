"""A space with a handful of blocks, and a table that was measured on it once for all tests."""

from __future__ import annotations

import numpy as np
import pytest

from nas.hardware import Device
from nas.latency import BlockCost, BlockModel, Correction, LatencyTable
from nas.space import SearchSpace
from tests.latency.building import build_table

SMALL = """
name: small
resolution: [8, 12]
stem:
  - {kind: conv, width: 8, kernel: 3, stride: 2, activation: relu}
stages:
  - kind: [depthwise_separable, inverted_residual]
    depth: [1, 2]
    width: 16
    stride: 2
    activation: relu
    expand: 2
    each_block:
      kernel: [3, 5]
head:
  - {kind: conv, width: 32, kernel: 1, activation: hard_swish}
  - {kind: pool}
"""
CLASSES = 10


@pytest.fixture(scope="session")
def small_space(tmp_path_factory) -> SearchSpace:
    path = tmp_path_factory.mktemp("space") / "small.yaml"
    path.write_text(SMALL, encoding="utf-8")
    return SearchSpace.load(path)


@pytest.fixture(scope="session")
def tiny_space() -> SearchSpace:
    return SearchSpace.load("tiny_32")


@pytest.fixture(scope="session")
def made_up_table(tiny_space) -> LatencyTable:
    """Every block of ``tiny_32`` with a made-up cost."""
    blocks = tiny_space.block_specs(classes=CLASSES)
    costs = {block.key: BlockCost(1e-3 + block.macs * 1e-7, 1e-5) for block in blocks}
    correction = Correction(0.01, {"cost": 1.1, "operations": 1e-4, "weights": 5e-8}, networks=16, noise=0.1)
    model = BlockModel(costs, correction)
    return LatencyTable(name="made_up", device=Device(name="toy"), space="tiny_32", model=model)


@pytest.fixture(scope="session")
def measured_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("measured")


@pytest.fixture(scope="session")
def measured_table(small_space, measured_folder, tmp_path_factory) -> LatencyTable:
    with pytest.MonkeyPatch.context() as patch:
        # Other tests have measured here, too: whether their references were faster must not show.
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("no_earlier_measurement")))
        return build_table(
            small_space,
            device=Device(name="local"),
            folder=measured_folder,
            budget_s=20,
            classes=CLASSES,
            correction_networks=6,
            validation_networks=6,
        )


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
