"""Building a table on this machine, with the real runtime. What depends on timing is held to loosely."""

import dataclasses
import json

import numpy as np
import onnx
import pytest

from nas.errors import UserError
from nas.hardware import Device
from nas.latency import load_table
from nas.latency.kit.graphs import network_model
from nas.latency.measure.blocks import extend_table
from nas.latency.measure.networks import measure_networks
from nas.latency.measure.usual_speed import compared, remember, usual_ms
from nas.latency.plan.entries import REFERENCE_NETWORKS
from nas.latency.targets.run_kit import SAMPLES
from nas.network import NetworkSpec
from tests.latency.building import build_table

DEVICE = Device(name="local")


def build(space, folder, **fields):
    counts = {"correction_networks": 6, "validation_networks": 6}
    return build_table(
        space, device=DEVICE, folder=folder, classes=10, **{"budget_s": 20, **counts, **fields}
    )


def test_the_table_holds_every_block_and_predicts_what_is_measured(small_space, measured_table):
    blocks = small_space.block_specs(classes=10)
    assert set(measured_table.costs) == {block.key for block in blocks}
    assert all(cost.ms >= 0 and cost.error_ms > 0 for cost in measured_table.costs.values())
    assert measured_table.name == "small-local"
    assert measured_table.device == DEVICE.here()
    assert measured_table.model.correction.networks == 6
    assert measured_table.accuracy.networks == 6
    assert measured_table.accuracy.table.mape < 0.5


def test_the_table_keeps_what_was_run(measured_table):
    roles = [record.role for record in measured_table.probes]
    assert (roles.count("correction"), roles.count("validation")) == (6, 6)
    for record in measured_table.probes:
        assert len(record.rounds_ms) >= record.count >= 1
        assert record.mean_ms >= min(record.rounds_ms) - 1e-7  # which are rounded
    assert set(measured_table.references_ms) == {
        "reference-compute",
        "reference-memory",
        "reference-small",
        "reference-large",
    }


def test_networks_for_the_correction_are_not_those_for_the_proof(measured_table):
    chains = [record.blocks for record in measured_table.probes if record.role != "probe"]
    assert len(set(chains)) == len(chains)


def test_a_measured_table_survives_its_file(measured_table, tmp_path):
    measured_table.save(tmp_path / "t.json")
    assert load_table(tmp_path / "t.json") == measured_table


def test_building_again_measures_nothing_anew(small_space, measured_table, measured_folder):
    before = (measured_folder / SAMPLES).read_bytes()
    again = build(small_space, measured_folder)
    assert (measured_folder / SAMPLES).read_bytes() == before
    assert dataclasses.replace(again, provenance={}) == dataclasses.replace(measured_table, provenance={})


def test_a_killed_measurement_goes_on(small_space, measured_table, measured_folder, tmp_path):
    lines = (measured_folder / SAMPLES).read_bytes().split(b"\n")
    half = b"\n".join(lines[: len(lines) // 2])[:-7]
    (tmp_path / SAMPLES).write_bytes(half)
    told = []
    build(small_space, tmp_path, progress=told.append)
    kept = half[: half.rfind(b"\n") + 1]
    content = (tmp_path / SAMPLES).read_bytes()
    assert content.startswith(kept)
    before, after = (
        [(value["entry"], value["round"]) for value in map(json.loads, part.splitlines())]
        for part in (kept.split(b"\n", 1)[1], content[len(kept) :])
    )
    if not any("repeated" in progress.note for progress in told):  # a machine that slowed down meanwhile
        assert not set(before) & set(after)
    assert told[0].done > 1
    assert told[-1].total == told[-1].done


def test_a_folder_of_another_kit_is_an_error(small_space, measured_folder, tmp_path):
    (tmp_path / SAMPLES).write_bytes((measured_folder / SAMPLES).read_bytes())
    with pytest.raises(UserError, match=r"was measured with kit = .*; delete it or choose another file"):
        build(small_space, tmp_path, seed=5)


def test_a_table_without_whole_networks_has_an_unknown_error(small_space, tmp_path):
    table = build(
        small_space, tmp_path, budget_s=1e-3, correction_networks=0, validation_networks=0, resolutions=[8]
    )
    assert table.accuracy is None
    assert table.model.correction.networks == 0
    assert table.predict(small_space.network(small_space.smallest(), classes=10)) > 0


def wider(network):
    return NetworkSpec.from_dict({**network.to_dict(), "classes": 12})


def test_missing_blocks_are_measured_on_demand(small_space, measured_table, tmp_path):
    network = wider(small_space.network(small_space.smallest(), classes=10))
    assert len(measured_table.missing(network)) == 1
    more = extend_table(measured_table, network.blocks, input_channels=3, folder=tmp_path, budget_s=5)
    assert more.predict(network) > 0
    assert set(more.costs) > set(measured_table.costs)
    assert not more.is_estimate(network)
    assert extend_table(more, network.blocks, input_channels=3, folder=tmp_path / "none") is more


def test_new_blocks_cost_what_they_would_have_when_the_table_was_measured(
    small_space, measured_table, tmp_path
):
    """The same samples, added to tables of machine states in which networks took another time.

    Ten times as long or as short: this machine's own speed may differ by half between two measurements.
    """
    network = wider(small_space.network(small_space.smallest(), classes=10))
    [missing] = measured_table.missing(network)
    first, *others = (
        extend_table(table, [missing], input_channels=3, folder=tmp_path, budget_s=budget_s)
        for table, budget_s in (
            (measured_table, 1),
            (with_references(measured_table, networks=10), 1e-9),
            (with_references(measured_table, networks=0.1, kernels=5), 1e-9),
        )
    )
    cost = first.costs[missing.key]
    for extended, factor in zip(others, (10, 0.1), strict=True):
        assert extended.costs[missing.key].ms == pytest.approx(factor * cost.ms)
        assert extended.costs[missing.key].error_ms == pytest.approx(factor * cost.error_ms)
    slower = "times their latency in the table"
    assert [slower in each.disturbed for each in others] == [False, True]


def with_references(table, *, networks, kernels=1.0):
    """The table of a machine at another speed."""
    factors = {name: networks if name in REFERENCE_NETWORKS else kernels for name in table.references_ms}
    return dataclasses.replace(
        table, references_ms={name: factor * table.references_ms[name] for name, factor in factors.items()}
    )


def test_a_table_of_a_slow_phase_is_marked(measured_table, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    quiet = dataclasses.replace(measured_table, provenance={"measured": "now"})
    assert compared(quiet) == quiet, "there is no earlier measurement"
    assert compared(quiet) == quiet, "a table that is read again is as fast as it was"
    busy = quiet.marked("other programs kept 1.0 CPUs busy")
    assert compared(with_references(busy, networks=1.3)).disturbed == (
        "other programs kept 1.0 CPUs busy; the reference networks took 1.30 times their usual latency"
    )
    assert compared(with_references(quiet, networks=1.02, kernels=3)).disturbed == ""
    assert usual_ms(quiet.device)["reference-large"] == pytest.approx(
        1.01 * quiet.references_ms["reference-large"]
    ), "the median of the undisturbed ones, each once"


def test_measuring_compares_a_table_with_earlier_measurements(
    small_space, measured_table, measured_folder, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    remember(measured_table.device, with_references(measured_table, networks=0.5).references_ms)
    assert "took 2.00 times their usual latency" in build(small_space, measured_folder).disturbed


def test_a_table_of_another_machine_is_not_extended_here(small_space, measured_table, tmp_path):
    network = wider(small_space.network(small_space.smallest(), classes=10))
    device = dataclasses.replace(measured_table.device, machine="Elsewhere, 64 cores")
    elsewhere = dataclasses.replace(measured_table, device=device)
    with pytest.raises(UserError, match="was measured on Elsewhere, 64 cores, this is"):
        extend_table(elsewhere, network.blocks, input_channels=3, folder=tmp_path)


def test_networks_and_files_are_measured_side_by_side(tiny_space, tmp_path, monkeypatch):
    # Restating latencies at the speed that other tests have seen here would widen their intervals.
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    small, large = (
        tiny_space.network(arch, classes=10) for arch in (tiny_space.smallest(), tiny_space.largest())
    )
    onnx.save(network_model(large, rng=np.random.default_rng(1)), tmp_path / "large.onnx")
    found = measure_networks(
        {"small": small, "large": large, "file": tmp_path / "large.onnx"},
        device=DEVICE,
        folder=tmp_path / "run",
        budget_s=10,
    )
    latencies = found.latencies
    assert 2 * latencies["small"].value < latencies["large"].value
    ratio, low, high = found.ratio("file", "large")
    assert 0.5 < low < ratio < high < 2
    for latency in latencies.values():
        assert latency.low <= latency.value <= latency.high
        assert latency.raw <= latency.typical
    assert found.device == DEVICE.here()


def test_a_missing_provider_is_a_user_error(small_space, tmp_path):
    network = small_space.network(small_space.smallest(), classes=10)
    device = Device(name="gpu", provider="NoSuchProvider")
    with pytest.raises(UserError, match="has no provider 'NoSuchProvider'"):
        measure_networks({"a": network}, device=device, folder=tmp_path)
