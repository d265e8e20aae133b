"""A device that nobody has measured can be searched by its roofline, and every value says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nas.errors import UserError
from nas.hardware import Device, roofline_ms
from nas.latency import LatencyTable, load_table
from nas.latency.estimate.roofline import roofline_table, with_estimates
from nas.network import reference_network
from nas.space import SearchSpace

DEVICE = Device(name="paper", peak_flops={"fp32": 1e11}, bandwidth_bytes_per_s=1e10)


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return SearchSpace.load("tiny_32")


@pytest.fixture(scope="module")
def table(space: SearchSpace) -> LatencyTable:
    return roofline_table(space.block_specs(classes=10), device=DEVICE, space=space.name)


def test_it_predicts_the_roofline_and_says_that_it_is_an_estimate(
    space: SearchSpace, table: LatencyTable
) -> None:
    rows = space.sample_many(20, np.random.default_rng(0))
    networks = [space.network(arch, classes=10) for arch in space.decode(rows)]
    expected = [roofline_ms(network.blocks, device=DEVICE) for network in networks]
    assert [table.predict(network) for network in networks] == pytest.approx(expected)
    assert table.predict_many(space, rows, classes=10, input_channels=None) == pytest.approx(expected)
    assert all(table.is_estimate(network) for network in networks)
    assert table.name == "tiny_32-paper-estimated"
    assert table.accuracy is None


def test_it_survives_a_file(table: LatencyTable, tmp_path: Path) -> None:
    table.save(tmp_path / "t.json")
    again = load_table(tmp_path / "t.json")
    assert again.costs == table.costs
    assert again.device == DEVICE


def test_blocks_of_a_scaled_network_are_added_and_others_stay(table: LatencyTable) -> None:
    network = reference_network("mobilenet_v2", resolution=48)
    more = with_estimates(table, network.blocks)
    assert more.predict(network) == pytest.approx(roofline_ms(network.blocks, device=DEVICE))
    assert {key: more.costs[key] for key in table.costs} == table.costs


def test_a_device_without_peaks() -> None:
    with pytest.raises(UserError, match="device bare has no roofline in fp32; give it peak_flops"):
        roofline_table(reference_network("resnet18").blocks, device=Device(name="bare"))
