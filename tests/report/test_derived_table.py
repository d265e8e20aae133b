"""A table that was derived from whole networks says so on the page, and claims nothing of blocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nas.hardware import Device
from nas.latency import LatencyTable
from nas.latency.estimate.networks_file import Measured
from nas.latency.estimate.whole_networks import fit_measured
from nas.report.sections.latency import predicted_against_measured, whole_networks
from nas.space import SearchSpace
from tests.report.conftest import part
from tests.report.pages import parse


@pytest.fixture
def table() -> LatencyTable:
    space = SearchSpace.load("tiny_32")
    rows = np.unique(space.sample_many(24, np.random.default_rng(0)), axis=0)[:12]
    latency_ms = 0.05 + 3e-8 * space.costs(rows, classes=10)["macs"]
    return fit_measured(
        space,
        Measured(rows, latency_ms),
        device=Device(name="phone", machine="a phone"),
        classes=10,
        input_channels=1,
        provenance={},
    )


@pytest.fixture
def derived(run_dir: Path, table: LatencyTable) -> Path:
    (run_dir / "table" / "here.json").unlink()
    table.save(run_dir / "table" / "phone.json")
    return run_dir


def test_its_kind_and_its_error_stand_where_those_of_block_tables_do(derived: Path) -> None:
    found = part(derived, "Latency table")
    assert "derived from 12 whole networks on a phone" in found
    assert "Error on 12 whole networks, cross-validated. Rank correlations of so few" in found
    assert "a line through MACs" in found
    assert "plain sum" not in found
    assert "noise floor" not in found
    assert [chart["title"] for chart in parse(found).charts] == ["Predicted against measured latency"]


def test_no_time_is_claimed_for_blocks(derived: Path) -> None:
    assert "has whole networks only, not their blocks" in part(derived, "The winner")


def test_the_picture_shows_each_network_as_it_was_judged(table: LatencyTable) -> None:
    pairs = whole_networks(table, "validation")
    assert len(pairs) == 12
    errors = [abs(predicted / measured - 1) for predicted, measured in pairs]
    assert np.mean(errors) == pytest.approx(table.accuracy.table.mape, rel=1e-2)
    assert whole_networks(table, "correction") == []
    layers = {layer.name: layer for layer in predicted_against_measured(table).layers}
    assert list(zip(layers["held out"].x, layers["held out"].y, strict=True)) == pairs
